//! Buffers: aligned memory from a caching allocator, with a reader-writer lock on each.

mod blocks;
mod cache;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::resume_unwind;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use crate::fork;
use crate::simd::Element;
use blocks::{Block, CLASSES, class_of};
use cache::{allocate, release};

pub use blocks::{ALIGN, AllocError, room_for};
pub use cache::{Stats, empty_cache, stats};

/// Shared memory for the elements of tensors.
///
/// Access is by [`Buffer::read`] and [`Buffer::write`], a reader-writer lock in one atomic word: an uncontended
/// acquisition costs a few nanoseconds. A waiting writer never blocks readers, so one thread may hold several read
/// locks.
pub struct Buffer {
    ptr: NonNull<u8>,
    bytes: usize,
    /// The number of readers, or `WRITER`; in the high half the process generation in which they took the lock.
    lock: AtomicU64,
    origin: Origin,
}

enum Origin {
    /// A block of this class from the caching allocator.
    Cached(usize),
    /// Memory of another library, kept alive by this value.
    Foreign { access: Access, _owner: Box<dyn Any + Send + Sync> },
}

/// The access that is allowed to memory owned by another library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read-only: a write to the memory may fault.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

const WRITER: u64 = 1 << 31;

/// The lock word of a free lock.
#[inline]
fn free() -> u64 {
    u64::from(fork::generation()) << 32
}

// SAFETY: the memory is accessed only through guards that hold the lock, or through `&mut self`.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer of `bytes` bytes whose contents are unspecified.
    pub fn new(bytes: usize) -> Result<Self, AllocError> {
        let block = class_of(bytes).filter(|&c| c < CLASSES).and_then(|c| Some((c, allocate(c)?)));
        let (class, block) = block.ok_or(AllocError { bytes })?;
        Ok(Self { ptr: block.into_ptr(), bytes, lock: AtomicU64::new(free()), origin: Origin::Cached(class) })
    }

    /// The same of `n` elements for a kernel that returns nothing: without memory for them it panics, with the error as the
    /// payload.
    pub(crate) fn scratch<T: Element>(n: usize) -> Self {
        Self::new(n.saturating_mul(size_of::<T>())).unwrap_or_else(|error| resume_unwind(Box::new(error)))
    }

    /// A buffer over memory owned by another library.
    ///
    /// # Safety
    /// `ptr` must be valid for reads, and unless `access` forbids them for writes, of `bytes` bytes for as long as
    /// `owner` lives, all of them initialised and aligned for every element type that the buffer is read as. Nobody
    /// else may write to that memory while a guard of this buffer exists.
    #[must_use]
    pub unsafe fn foreign(ptr: NonNull<u8>, bytes: usize, access: Access, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { ptr, bytes, lock: AtomicU64::new(free()), origin: Origin::Foreign { access, _owner: owner } }
    }

    /// Whether another library owns the memory, and may access it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.origin, Origin::Foreign { .. })
    }

    /// Whether the memory must not be written to.
    #[inline]
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self.origin, Origin::Foreign { access: Access::ReadOnly, .. })
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The address of the first byte, for sharing the memory with other libraries.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// Locks the elements for reading. Blocks while another thread writes.
    #[inline]
    pub fn read<T: Element>(&self) -> Read<'_, T> {
        loop {
            let word = self.lock.fetch_add(1, Acquire);
            if word & !(WRITER - 1) == free() {
                break;
            }
            if word >> 32 == free() >> 32 {
                self.lock.fetch_sub(1, Relaxed);
            }
            self.wait();
        }
        Read { buffer: self, of: PhantomData }
    }

    /// Locks the elements for writing. Blocks while another thread reads or writes.
    ///
    /// # Panics
    /// If the memory is read-only.
    #[inline]
    pub fn write<T: Element>(&self) -> Write<'_, T> {
        assert!(!self.is_read_only(), "the memory is read-only");
        while self.lock.compare_exchange(free(), free() | WRITER, Acquire, Relaxed).is_err() {
            self.wait();
        }
        Write { buffer: self, of: PhantomData }
    }

    /// Backs off; in a forked child, releases locks that were held when the process was forked. The forking thread held
    /// none: while a thread has a guard, it runs only this library's code.
    #[cold]
    fn wait(&self) {
        let word = self.lock.load(Relaxed);
        if word >> 32 == free() >> 32 {
            std::thread::yield_now();
        } else {
            let _ = self.lock.compare_exchange(word, free(), Relaxed, Relaxed);
        }
    }

    /// The elements of a buffer that is not shared.
    ///
    /// # Panics
    /// If the memory is read-only.
    #[inline]
    pub fn get_mut<T: Element>(&mut self) -> &mut [T] {
        assert!(!self.is_read_only(), "the memory is read-only");
        // SAFETY: `&mut self` excludes every other access; for the length see `len`.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr().cast(), self.len::<T>()) }
    }

    /// The number of whole elements of type `T`; every bit pattern is a `T`, and the memory is initialised and aligned.
    fn len<T: Element>(&self) -> usize {
        self.bytes / size_of::<T>()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Origin::Cached(class) = self.origin {
            // SAFETY: the buffer owned the block, and is gone.
            release(class, unsafe { Block::from_ptr(self.ptr) });
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes)
    }
}

/// A buffer's elements, locked for reading.
#[derive(Debug)]
pub struct Read<'a, T> {
    buffer: &'a Buffer,
    of: PhantomData<&'a [T]>,
}

/// A buffer's elements, locked for writing.
#[derive(Debug)]
pub struct Write<'a, T> {
    buffer: &'a Buffer,
    of: PhantomData<&'a mut [T]>,
}

impl<T: Element> Deref for Read<'_, T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the lock excludes writers while this guard lives; see also `Buffer::len`.
        unsafe { std::slice::from_raw_parts(self.buffer.ptr.as_ptr().cast(), self.buffer.len::<T>()) }
    }
}

impl<T: Element> Deref for Write<'_, T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the lock excludes everybody else while this guard lives; see also `Buffer::len`.
        unsafe { std::slice::from_raw_parts(self.buffer.ptr.as_ptr().cast(), self.buffer.len::<T>()) }
    }
}

impl<T: Element> DerefMut for Write<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and the guard is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.ptr.as_ptr().cast(), self.buffer.len::<T>()) }
    }
}

impl<T> Drop for Read<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.buffer.lock.fetch_sub(1, Release);
    }
}

impl<T> Drop for Write<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Not a plain store: a reader whose attempt is failing has incremented the word, and will decrement it.
        self.buffer.lock.fetch_sub(WRITER, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn freed_memory_is_reused_and_aligned() {
        for bytes in [8, 4096, 1 << 20] {
            let a = Buffer::new(bytes).unwrap();
            let (address, before) = (a.as_ptr().addr(), stats().system_allocations);
            assert_eq!(address % ALIGN, 0);
            drop(a);
            let b = Buffer::new(bytes).unwrap();
            // Other tests share the process, so only the thread's own cache is certain to return the same block.
            assert!(bytes > cache::LOCAL_BLOCK || b.as_ptr().addr() == address);
            assert!(bytes > cache::LOCAL_BLOCK || stats().system_allocations >= before);
        }
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        // Miri cannot fail an allocation: only sizes without a valid layout are refused before.
        for bytes in if cfg!(miri) { vec![usize::MAX] } else { vec![usize::MAX, 1 << 62] } {
            assert_eq!(Buffer::new(bytes).unwrap_err(), AllocError { bytes });
        }
    }

    #[test]
    fn writers_exclude_everybody_and_readers_share() {
        let times = if cfg!(miri) { 5 } else { 1000 };
        let buffer = Buffer::new(8 * 100).unwrap();
        buffer.write::<i64>().fill(0);
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for _ in 0..times {
                        buffer.write::<i64>().iter_mut().for_each(|x| *x += 1);
                        let (a, b) = (buffer.read::<i64>(), buffer.read::<i64>());
                        assert!(a.iter().all(|&x| x == a[0]) && *a == *b);
                    }
                });
            }
        });
        assert!(buffer.read::<i64>().iter().all(|&x| x == 8 * times));
    }

    #[test]
    fn what_another_process_had_is_free() {
        let buffer = Buffer::new(8).unwrap();
        for left in [WRITER, 2] {
            buffer.lock.store(free().wrapping_sub(1 << 32) | left, Relaxed);
            buffer.write::<i64>()[0] = 1;
            buffer.lock.store(free().wrapping_sub(1 << 32) | left, Relaxed);
            assert_eq!(buffer.read::<i64>()[0], 1);
            assert_eq!(buffer.lock.load(Relaxed), free());
        }
    }

    #[test]
    fn foreign_memory_lives_as_long_as_the_buffer() {
        // Atomics, because their owner may be shared while they are written; a moved `Box` would assert unique access.
        let owner = Arc::new([1.0_f32, 2.0, 3.0].map(|x| std::sync::atomic::AtomicU32::new(x.to_bits())));
        let ptr = NonNull::from(&*owner).cast();
        // SAFETY: the owner holds 12 bytes of floats' bits, in place, and nobody else uses them.
        let buffer = unsafe { Buffer::foreign(ptr, 12, Access::ReadWrite, Box::new(owner)) };
        buffer.write::<f32>()[1] = 5.0;
        assert_eq!(*buffer.read::<f32>(), [1.0, 5.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "read-only")]
    fn read_only_memory_cannot_be_written() {
        let owner = Arc::new([1.0_f32, 2.0]);
        let ptr = NonNull::from(&*owner).cast();
        // SAFETY: as above, with 8 bytes that are only read.
        let buffer = unsafe { Buffer::foreign(ptr, 8, Access::ReadOnly, Box::new(owner)) };
        assert_eq!(*buffer.read::<f32>(), [1.0, 2.0]);
        buffer.write::<f32>();
    }
}
