//! The one place that runs work on more than one thread.
//!
//! A *region* is one call of [`run`]. The caller publishes its tasks in one atomic word, and it and the workers claim them
//! from there, so that the caller never waits for a worker that is asleep: it then does all tasks itself. Workers belong
//! to a rayon pool of this crate's own. Once woken they spin for a while before they go back to rayon's sleep, because a
//! wake-up costs more than a whole training step of a small network.
//!
//! What an empty region costs is the way of two cache lines between cores, one there and one back; so nothing else is
//! shared on the way: no lock, no fence, no system call.

use std::cell::{Cell, UnsafeCell};
use std::panic::resume_unwind;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::fork;
use region::{Region, Task};

mod region;
mod sync;

/// Calls `f(0), f(1), … f(tasks - 1)`, each once, on the calling thread and the pool's workers, and returns when all are
/// done. Which thread runs which task is unspecified, so tasks must write disjoint data.
///
/// Runs them all on the caller if [`num_threads`] is 1, inside another task, or while another thread is inside a region:
/// there is nothing to wait for, hence nothing to deadlock on. If tasks panic, the first panic goes on in the caller when
/// no task runs any more.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    let threads = num_threads();
    if tasks > 1 && threads > 1 && Team::current().run(threads.min(cores()) - 1, tasks, &f) {
        return;
    }
    (0..tasks).for_each(f);
}

/// The number of threads that work is divided between, the caller included.
///
/// At first `RGRAD_NUM_THREADS`, if it is a positive number, or else the number of cores that this process may use
/// (its affinity and its cgroup's quota count).
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
/// More threads than cores is allowed: the work is divided into more parts, and no more workers wake than there are cores.
///
/// # Panics
/// If `n` is 0.
pub fn set_num_threads(n: usize) {
    assert!(n > 0, "the number of threads must be at least 1");
    THREADS.store(n, Relaxed);
}

/// Runs `f` on the calling thread alone: no kernel in it divides its work. For many small kernels in a row, which would all
/// gain less from a second thread than it costs to move their operands between cores.
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
    /// Whether this thread is to do its work alone.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// How many tasks `work` is worth, if a task needs at least `grain` of it to pay for its thread: at most [`num_threads`],
/// at most two for a core, since more only cost, and at least 1; and 1 within [`alone`].
#[must_use]
pub fn tasks_for(work: usize, grain: usize) -> usize {
    // Most work is small: settle that before anything is loaded.
    if work < 2 * grain || ALONE.get() { 1 } else { (work / grain).min(num_threads()).min(2 * cores()) }
}

/// What [`set_num_threads`] asked for, or 0.
static THREADS: AtomicUsize = AtomicUsize::new(0);

fn cores() -> usize {
    static CORES: AtomicUsize = AtomicUsize::new(0);
    cached(&CORES, || available_parallelism().map_or(1, usize::from))
}

/// A positive number that is computed at most once a thread. Unlike `OnceLock`, it cannot leave a forked child waiting for
/// a thread that it does not have.
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

/// The team of this process, or null before its first region. A forked child has its parent's memory and none of its
/// threads, so it makes a team of its own and leaks what it inherited: dropping a pool would wait for threads that do not
/// exist.
static TEAM: AtomicPtr<Team> = AtomicPtr::new(null_mut());

/// Called in a child that was just forked.
#[cfg(unix)]
pub(crate) fn forget_team() {
    TEAM.store(null_mut(), Relaxed);
}

/// The threads of one process.
#[derive(Default)]
struct Team {
    /// Whether a thread is inside a region, and so the owner of all the rest.
    taken: AtomicBool,
    pool: UnsafeCell<Pool>,
    region: Region,
}

// SAFETY: `pool` is used only by the thread that has set `taken`, until it clears it.
unsafe impl Sync for Team {}

#[derive(Default)]
struct Pool {
    workers: usize,
    /// `None` if there are no workers, or if the system gave no threads.
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
        fork::watch();
        let new: *mut Team = Team::leak();
        // A thread that loses this race leaks a few bytes; its team has no threads yet.
        let team = TEAM.compare_exchange(null_mut(), new, AcqRel, Acquire).map_or_else(|winner| winner, |_| new);
        // SAFETY: as in `current`.
        unsafe { &*team }
    }

    fn leak() -> &'static mut Team {
        Box::leak(Box::default())
    }

    /// Runs the tasks on the caller and up to `workers` workers, and says whether it did.
    fn run(&'static self, workers: usize, tasks: usize, f: Task) -> bool {
        let Ok(tasks) = u32::try_from(tasks) else { return false };
        // Looked at first because a region inside a task would take the line from the thread that waits.
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

/// Sends for up to two more workers, each of which sends for two more while fewer than `limit` are awake: waking all
/// of a large machine's cores takes longer than their work, if one thread has to do it.
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
