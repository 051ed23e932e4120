//! Locks that a forked child can take although the thread that held them in the parent does not exist there.

use std::cell::UnsafeCell;
use std::fmt;
use std::hint::spin_loop;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::thread::{sleep, yield_now};
use std::time::Duration;

use crate::fork::{self, number};

/// A thread of this process or of an ancestor that it was forked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u64);

impl Holder {
    /// This thread.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        Self(u64::from(fork::generation()) << 32 | u64::from(number()))
    }

    /// Whether it is this thread.
    #[must_use]
    pub fn is_current(self) -> bool {
        self.0 as u32 == number()
    }

    /// Whether it was left behind by a fork.
    #[must_use]
    pub fn is_gone(self) -> bool {
        (self.0 >> 32) as u32 != fork::generation() && self.0 as u32 != fork::survivor()
    }
}

/// Exponential backoff while waiting for another thread: from nanoseconds to a tenth of a millisecond at a time.
#[derive(Debug, Default)]
pub struct Wait(u32);

impl Wait {
    /// Waits once more.
    pub fn once(&mut self) {
        match self.0 {
            0..100 => spin_loop(),
            100..300 => yield_now(),
            _ => sleep(Duration::from_micros(100)),
        }
        self.0 = self.0.saturating_add(1);
    }
}

/// A mutex that survives a fork.
///
/// If a process forks while another thread holds the lock, that thread may be in the middle of a change, and does not
/// exist in the child: whoever locks it in the child gets the default value, and the old one is never read or dropped.
pub struct Lock<T> {
    /// The [`Holder`], or 0.
    word: AtomicU64,
    value: UnsafeCell<ManuallyDrop<T>>,
}

// SAFETY: only the thread that holds the guard accesses the value.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY: moving the lock moves its value.
unsafe impl<T: Send> Send for Lock<T> {}

impl<T> Lock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { word: AtomicU64::new(0), value: UnsafeCell::new(ManuallyDrop::new(value)) }
    }
}

impl<T: Default> Lock<T> {
    /// Locks the value, blocking until no other thread holds it. A thread must not lock what it holds already.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        if let Some(guard) = self.try_lock() { guard } else { self.wait() }
    }

    #[cold]
    fn wait(&self) -> Guard<'_, T> {
        let mut wait = Wait::default();
        loop {
            wait.once();
            if let Some(guard) = self.try_lock() {
                return guard;
            }
        }
    }

    /// Locks the value unless a thread holds it.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        match self.word.compare_exchange(0, Holder::current().0, Acquire, Relaxed) {
            Ok(_) => Some(Guard(self)),
            Err(holder) => self.inherit(holder),
        }
    }

    #[cold]
    fn inherit(&self, holder: u64) -> Option<Guard<'_, T>> {
        if !Holder(holder).is_gone() {
            return None;
        }
        self.word.compare_exchange(holder, Holder::current().0, Acquire, Relaxed).ok()?;
        // SAFETY: the thread that held the lock does not exist in this process, and this one holds it now. The old
        // value may be half written, and is overwritten without being dropped.
        unsafe { self.value.get().write(ManuallyDrop::default()) };
        Some(Guard(self))
    }

    /// The value, without locking: `&mut self` is exclusive.
    pub fn get_mut(&mut self) -> &mut T {
        if *self.word.get_mut() != 0 {
            *self = Self::new(T::default());
        }
        self.value.get_mut()
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Lock<T> {
    fn drop(&mut self) {
        if *self.word.get_mut() == 0 {
            // SAFETY: `&mut self` is exclusive, and the value is not used afterwards.
            unsafe { ManuallyDrop::drop(self.value.get_mut()) };
        }
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Access to the value of a lock that this thread holds.
#[derive(Debug)]
pub struct Guard<'a, T>(&'a Lock<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock while the guard exists.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.word.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_the_value() {
        let times = if cfg!(miri) { 5 } else { 2000 };
        let lock = Lock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..times).for_each(|_| *lock.lock() += 1));
            }
        });
        assert_eq!(*lock.lock(), 4 * times);
        let held = lock.lock();
        assert!(lock.try_lock().is_none());
        drop(held);
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn what_a_thread_of_the_parent_had_is_new_in_the_child() {
        let mut lock = Lock::new(vec![1]);
        // As a thread of another process generation would leave it.
        let other = u64::from(fork::generation().wrapping_sub(1)) << 32 | u64::from(u32::MAX);
        lock.word.store(other, Relaxed);
        assert!(lock.lock().is_empty());
        lock.lock().push(2);
        assert_eq!(*lock.get_mut(), [2]);
        lock.word.store(other, Relaxed);
        assert!(lock.get_mut().is_empty());
    }
}
