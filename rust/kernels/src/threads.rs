//! Parallel regions: the only place that runs work on more than one thread.
//!
//! A *region* is one call of [`run`]. The caller publishes its tasks in one atomic word, from which it and the workers
//! claim them, so that the caller never waits for a sleeping worker: it executes the tasks itself. The workers belong
//! to a rayon pool of this crate. Once woken, they spin for a while before they go back to sleep in rayon, because a
//! wake-up costs more than a whole training step of a small network.
//!
//! An empty region costs two cache-line transfers between cores, one in each direction; therefore nothing else is
//! shared on the fast path: no lock, no fence, no system call.

use std::cell::{Cell, UnsafeCell};
use std::panic::resume_unwind;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::fork::Handlers;
use region::{Region, Task};

mod region;
mod sync;

/// Calls `f(0), f(1), … f(tasks - 1)`, each once, on the calling thread and the pool's workers, and returns when all
/// are done. Which thread runs which task is unspecified, so tasks must write disjoint data.
///
/// Runs them all on the caller if [`num_threads`] is 1, inside another task, or while another thread is inside a
/// region: there is nothing to wait for, hence nothing to deadlock on. If tasks panic, the first panic is resumed in
/// the caller once no task is running any more.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    let threads = num_threads();
    if tasks > 1 && threads > 1 && Team::current().run(threads.min(cores()) - 1, tasks, &f) {
        return;
    }
    (0..tasks).for_each(f);
}

/// The number of threads that work is divided between, including the caller.
///
/// By default `RGRAD_NUM_THREADS`, if it is a positive number, or else the number of cores that this process may use,
/// according to its affinity and its cgroup's quota.
#[must_use]
pub fn num_threads() -> usize {
    static INITIAL: AtomicUsize = AtomicUsize::new(0);
    match THREADS.load(Relaxed) {
        0 => cached(&INITIAL, || {
            let asked = std::env::var("RGRAD_NUM_THREADS").ok().and_then(|s| s.trim().parse().ok());
            asked.filter(|&n| n > 0).unwrap_or_else(cores)
        }),
        n => n,
    }
}

/// Sets what [`num_threads`] returns, from the next region on.
///
/// There may be more threads than cores: work is then divided into more parts, but no more workers run than there are
/// cores.
///
/// # Panics
/// If `n` is 0.
pub fn set_num_threads(n: usize) {
    assert!(n > 0, "the number of threads must be at least 1");
    THREADS.store(n, Relaxed);
}

/// Runs `f` with parallel regions disabled: no kernel in it divides its work. For many small kernels in a row, each of
/// which would gain less from a second thread than moving its operands between cores costs.
pub fn alone<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _restore = Restore(ALONE.replace(true));
    f()
}

thread_local! {
    /// Whether parallel regions are disabled on this thread.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// The number of tasks to divide `work` into, if a task needs at least `grain` of it to pay for a thread: at most
/// [`num_threads`], at most two per core, and at least 1; within [`alone`], 1.
#[must_use]
pub fn tasks_for(work: usize, grain: usize) -> usize {
    // Most work is small: decide that before anything is loaded.
    if work < 2 * grain || ALONE.get() { 1 } else { (work / grain).min(num_threads()).min(2 * cores()) }
}

/// The argument of [`set_num_threads`], or 0.
static THREADS: AtomicUsize = AtomicUsize::new(0);

fn cores() -> usize {
    static CORES: AtomicUsize = AtomicUsize::new(0);
    cached(&CORES, || available_parallelism().map_or(1, usize::from))
}

/// A cached positive number, computed at most once per thread. Unlike `OnceLock`, it cannot make a forked child wait
/// for a thread that it does not have.
fn cached(slot: &AtomicUsize, compute: impl FnOnce() -> usize) -> usize {
    match slot.load(Relaxed) {
        0 => {
            let n = compute();
            slot.store(n, Relaxed);
            n
        }
        n => n,
    }
}

/// The team of this process, or null before its first region. A forked child has none of its parent's workers, so it
/// creates its own team and leaks the inherited one: dropping a pool would wait for threads that do not exist.
static TEAM: AtomicPtr<Team> = AtomicPtr::new(null_mut());

/// Called in a child right after the fork.
extern "C" fn forget_team() {
    TEAM.store(null_mut(), Relaxed);
}

static FORKS: Handlers = Handlers::of_child(forget_team);

/// The workers of one process.
#[derive(Default)]
struct Team {
    /// Whether a thread is inside a region, and so owns the other fields.
    taken: AtomicBool,
    pool: UnsafeCell<Pool>,
    region: Region,
}

// SAFETY: `pool` is used only by the thread that has set `taken`, until it clears it.
unsafe impl Sync for Team {}

#[derive(Default)]
struct Pool {
    workers: usize,
    /// `None` if there are no workers, or if the system could not create the threads.
    threads: Option<ThreadPool>,
}

impl Team {
    /// This process's team.
    #[inline]
    fn current() -> &'static Team {
        // SAFETY: the pointer is null or comes from `Box::leak` below, and what it points to is never freed.
        unsafe { TEAM.load(Acquire).as_ref() }.unwrap_or_else(Team::first)
    }

    #[cold]
    fn first() -> &'static Team {
        FORKS.register();
        let new: *mut Team = Team::leak();
        // A thread that loses this race leaks a few bytes; its team has no threads yet.
        let team = TEAM.compare_exchange(null_mut(), new, AcqRel, Acquire).map_or_else(|winner| winner, |_| new);
        // SAFETY: as in `current`.
        unsafe { &*team }
    }

    fn leak() -> &'static mut Team {
        Box::leak(Box::default())
    }

    /// Runs the tasks on the caller and up to `workers` workers; returns false if it could not.
    fn run(&'static self, workers: usize, tasks: usize, f: Task) -> bool {
        let Ok(tasks) = u32::try_from(tasks) else { return false };
        // Loaded first because a swap in a nested region would take the cache line from the thread that waits.
        if self.taken.load(Relaxed) || self.taken.swap(true, Acquire) {
            return false;
        }
        // SAFETY: this thread has taken the team.
        let pool = unsafe { &mut *self.pool.get() };
        if pool.workers != workers {
            *pool = Pool::with(workers);
        }
        let workers = workers.min(tasks as usize - 1);
        let wake = |pool| move || wake(&self.region, Some(pool), workers);
        let panic = pool.threads.as_ref().map(|pool| self.region.run(workers, tasks, f, wake(pool)));
        self.taken.store(false, Release);
        match panic {
            None => false,
            Some(None) => true,
            Some(Some(panic)) => resume_unwind(panic),
        }
    }
}

impl Pool {
    fn with(workers: usize) -> Pool {
        let builder = ThreadPoolBuilder::new().num_threads(workers).thread_name(|i| format!("rgrad-{i}"));
        Pool { workers, threads: if workers > 0 { builder.build().ok() } else { None } }
    }
}

/// Wakes up to two more workers, each of which wakes two more while fewer than `limit` are awake: if one thread woke
/// all cores of a large machine, that would take longer than their work.
#[cold]
fn wake(region: &'static Region, pool: Option<&ThreadPool>, limit: usize) {
    for _ in 0..2 {
        if region.awake.0.fetch_update(Relaxed, Relaxed, |n| (n < limit).then_some(n + 1)).is_err() {
            return;
        }
        let start = move || {
            if region.has_tasks() {
                wake(region, None, limit);
            }
            region.work();
        };
        match pool {
            Some(pool) => pool.spawn(start),
            None => rayon::spawn(start), // on a worker, and so in its pool
        }
    }
}

#[cfg(test)]
mod tests;
