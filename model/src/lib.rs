//! The regions of rgrad's threads, tried in the orders that threads can run in with at most five preemptions, and with every
//! value that the memory model lets them read: `make model`.
//!
//! [loom](https://docs.rs/loom) runs a test again and again; what threads share has its types, and a read or write of plain
//! memory that another thread's write is not ordered with fails the test.

#![cfg(test)]

#[path = "../../rust/kernels/src/threads/region.rs"]
mod region;

/// Loom's types in the place of the standard library's.
mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::hint::spin_loop;
    use loom::sync::atomic;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use loom::thread::yield_now;

    /// Loom lets a read-modify-write take the value before another thread's store, and that thread still see its result
    /// after the store, which no order of the changes allows. Stores that are swaps have one order with it.
    #[derive(Default)]
    pub(super) struct AtomicU64(atomic::AtomicU64);

    impl AtomicU64 {
        pub fn load(&self, order: Ordering) -> u64 {
            self.0.load(order)
        }
        pub fn store(&self, value: u64, order: Ordering) {
            self.0.swap(value, order);
        }
        pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.0.fetch_add(value, order)
        }
    }

    /// Every poll is a step that other threads can run before or after.
    pub(super) const POLLS_PER_CLOCK_READ: u32 = 1;

    /// One poll, and then the worker goes to sleep.
    pub(super) struct SpinLimit(std::cell::Cell<bool>);

    impl SpinLimit {
        pub fn new() -> Self {
            Self(std::cell::Cell::new(true))
        }
        pub fn holds(&self) -> bool {
            self.0.replace(false)
        }
    }
}

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread::spawn;
use sync::Ordering::Relaxed;

use region::Region;

/// What a task writes, and its caller reads without any order of its own.
struct Slot(UnsafeCell<usize>);

// SAFETY: that accesses are ordered is what loom checks.
unsafe impl Sync for Slot {}

/// Runs `regions` regions of `tasks` tasks on the caller and up to `workers` threads, and looks at what they did.
fn tried(regions: usize, tasks: u32, workers: usize, panics: bool, preemptions: usize) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let region: &'static Region = Box::leak(Box::default());
        for round in 1..=regions {
            let slots: Vec<Slot> = (0..tasks).map(|_| Slot(UnsafeCell::new(0))).collect();
            let task = |i: usize| {
                // SAFETY: each task has a slot of its own; loom would see another access.
                slots[i].0.with_mut(|slot| unsafe { *slot += round });
                if panics && i == 1 {
                    std::panic::resume_unwind(Box::new(round));
                }
            };
            let wake = || {
                let more = |n| (n < workers).then_some(n + 1);
                for _ in 0..workers {
                    if region.awake.0.fetch_update(Relaxed, Relaxed, more).is_ok() {
                        spawn(|| region.work());
                    }
                }
            };
            let panic = region.run(workers, tasks, &task, wake);
            let panic = panic.map(|panic| *panic.downcast::<usize>().expect("a task panics with its round"));
            assert_eq!(panic, (panics && tasks > 1).then_some(round));
            for slot in slots {
                // SAFETY: no task runs any more; loom would see it.
                assert_eq!(slot.0.with(|slot| unsafe { *slot }), round);
            }
        }
    });
}

#[test]
fn every_task_runs_once_and_is_seen() {
    tried(1, 3, 1, false, 5);
    tried(1, 3, 2, false, 3);
}

#[test]
fn a_late_worker_finds_the_next_region() {
    tried(2, 2, 1, false, 5);
    tried(3, 2, 1, false, 3);
    tried(2, 3, 2, false, 1);
}

#[test]
fn a_panic_goes_to_its_region() {
    tried(2, 2, 1, true, 4);
}
