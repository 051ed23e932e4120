//! The tasks of a region, and how threads claim them.
//!
//! `model/` compiles this file with loom's types in place of `sync`'s, and explores the interleavings of threads.

use std::any::Any;
use std::mem::{forget, transmute};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};
use super::sync::{
    AtomicBool, AtomicU64, AtomicUsize, POLLS_PER_CLOCK_READ, SpinLimit, UnsafeCell, spin_loop, yield_now,
};

/// Polls of unfinished tasks before the caller yields its core to the threads that run them: they may be waiting for
/// it.
const POLLS_BEFORE_YIELD: u32 = 1000;

pub(super) type Task<'a> = &'a (dyn Fn(usize) + Sync);
pub(super) type Panic = Box<dyn Any + Send>;

/// The tasks of the current region, or of the last one. Fields that different threads write are in separate cache
/// lines.
#[derive(Default)]
pub(super) struct Region {
    open: CachePadded<Open>,
    /// Tasks that workers have finished since the team was created.
    done: CachePadded<AtomicU64>,
    /// Workers that are polling for tasks, or being woken.
    pub awake: CachePadded<AtomicUsize>,
    panic: Mutex<Option<Panic>>,
}

/// What a worker needs to participate, in one cache line.
#[derive(Default)]
struct Open {
    /// The number of tasks in the low half, the next task in the high half: tasks are left while the latter is smaller.
    claims: AtomicU64,
    job: UnsafeCell<Option<Task<'static>>>,
    /// Whether a task has panicked.
    panicked: AtomicBool,
}

/// Aligned to two cache lines, because cores prefetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct CachePadded<T>(pub T);

// SAFETY: all fields but `job` are `Sync`. `job` is written by the one thread that has taken the team, when no task is
// claimed, and read by threads that have claimed a task: claiming reads `claims` after the write was published there,
// and the next write comes after all claimed tasks are done.
unsafe impl Sync for Region {}

impl Region {
    /// Runs tasks `0..tasks` here and on up to `workers` workers, which `wake` wakes; returns a task's panic. Must be
    /// called by one thread at a time, the one that has taken the team.
    pub fn run(&'static self, workers: usize, tasks: u32, f: Task, wake: impl FnOnce()) -> Option<Panic> {
        let before = self.done.0.load(Relaxed);
        // SAFETY: `f` is called only by tasks claimed from `claims`, and all claimed tasks are done before this
        // function returns: it cannot unwind in between, since panics of tasks are caught. So no use of `f` outlives
        // the borrow. As for the write, see `Sync`.
        let job = Some(unsafe { transmute::<Task<'_>, Task<'static>>(f) });
        // SAFETY: as above.
        self.open.0.job.with_mut(|slot| unsafe { *slot = job });
        // Task 0 is the caller's. No fence orders this before the load of `awake`: a worker that falls asleep between
        // the two misses this region, whose tasks then run here, and is woken by the next.
        self.open.0.claims.store(1 << 32 | u64::from(tasks), Release);
        if self.awake.0.load(Relaxed) < workers {
            wake();
        }
        let mut mine = 0;
        let mut next = Some(0);
        while let Some(task) = next {
            self.execute(f, task);
            mine += 1;
            next = self.claim();
        }
        let theirs = u64::from(tasks) - mine;
        let mut polls = 0;
        while self.done.0.load(Acquire).wrapping_sub(before) < theirs {
            if polls < POLLS_BEFORE_YIELD {
                polls += 1;
                spin_loop();
            } else {
                yield_now();
            }
        }
        // Ordered by `done`.
        if self.open.0.panicked.load(Relaxed) { self.take_panic() } else { None }
    }

    #[cold]
    fn take_panic(&self) -> Option<Panic> {
        self.open.0.panicked.store(false, Relaxed);
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The loop of a worker while it is awake.
    pub fn work(&self) {
        loop {
            while let Some(task) = self.claim() {
                // SAFETY: a claimed task is not done yet; see `Sync`.
                let job = self.open.0.job.with(|slot| unsafe { *slot });
                self.execute(job.expect("a region has a job"), task);
                self.done.0.fetch_add(1, Release);
            }
            if !self.spin() {
                self.awake.0.fetch_sub(1, Relaxed);
                return;
            }
        }
    }

    /// Claims a task. A late claim finds none left, or a task of the next region, which is as good.
    fn claim(&self) -> Option<usize> {
        if !self.has_tasks() {
            return None;
        }
        let (next, tasks) = halves(self.open.0.claims.fetch_add(1 << 32, AcqRel));
        (next < tasks).then_some(next as usize)
    }

    pub fn has_tasks(&self) -> bool {
        let (next, tasks) = halves(self.open.0.claims.load(Relaxed));
        next < tasks
    }

    /// Spins until there are tasks; false if there are none in time.
    fn spin(&self) -> bool {
        let limit = SpinLimit::new();
        while limit.holds() {
            for _ in 0..POLLS_PER_CLOCK_READ {
                if self.has_tasks() {
                    return true;
                }
                spin_loop();
            }
        }
        false
    }

    fn execute(&self, f: Task, task: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| f(task))) {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            match *first {
                None => *first = Some(panic),
                // Dropping it could panic again, and so on indefinitely.
                Some(_) => catch_unwind(AssertUnwindSafe(|| drop(panic))).unwrap_or_else(forget),
            }
            self.open.0.panicked.store(true, Relaxed);
        }
    }
}

/// The next task and the number of tasks.
fn halves(claims: u64) -> (u32, u32) {
    ((claims >> 32) as u32, claims as u32)
}
