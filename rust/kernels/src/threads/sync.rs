//! Synchronization primitives of a region. The loom model has types of the same names.

use std::cell;
pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(super) use std::thread::yield_now;
use std::time::{Duration, Instant};

/// How long a worker without a task spins before it sleeps: about twice the measured time of a wake-up, so that
/// spinning never costs more than three times the optimum.
const SPIN: Duration = Duration::from_micros(100);
/// Polls of the task word between two reads of the clock, which are much slower.
pub(super) const POLLS_PER_CLOCK_READ: u32 = 64;

/// The time limit of a spin.
pub(super) struct SpinLimit(Instant);

impl SpinLimit {
    pub fn new() -> Self {
        Self(Instant::now())
    }
    pub fn holds(&self) -> bool {
        self.0.elapsed() < SPIN
    }
}

/// A cell that threads access without synchronization of its own.
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
