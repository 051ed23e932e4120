//! What threads share and wait with. The model of a region has types of the same names.

use std::cell;
pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(super) use std::thread::yield_now;
use std::time::{Duration, Instant};

/// How long a worker that finds no task spins before it sleeps: about twice what a wake-up was measured to take, so that
/// spinning never costs more than three times what the best choice would have.
const SPIN: Duration = Duration::from_micros(100);
/// Looks at the word between two looks at the clock, which is much slower.
pub(super) const LOOKS_PER_CLOCK: u32 = 64;

/// A wait of limited length.
pub(super) struct Patience(Instant);

impl Patience {
    pub fn new() -> Self {
        Self(Instant::now())
    }
    pub fn lasts(&self) -> bool {
        self.0.elapsed() < SPIN
    }
}

/// A place that threads read and write without any order of its own.
#[derive(Default)]
pub(super) struct UnsafeCell<T>(cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
