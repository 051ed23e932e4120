use super::*;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread::{ThreadId, yield_now};

/// Number of repetitions; Miri has time for a few only.
const fn times(n: usize) -> usize {
    if cfg!(miri) { n.div_ceil(100) } else { n }
}

/// A team with more workers than the machine may have cores. Like the process's own, it stays reachable and is not a
/// leak.
fn crowd() -> &'static Team {
    static CROWDS: Mutex<Vec<&Team>> = Mutex::new(Vec::new());
    let team = Team::leak();
    CROWDS.lock().unwrap_or_else(PoisonError::into_inner).push(team);
    team
}

impl Team {
    /// How many workers the pool has.
    fn workers(&self) -> usize {
        assert!(!self.taken.swap(true, Acquire));
        // SAFETY: the team is taken.
        let workers = unsafe { &*self.pool.get() }.workers;
        self.taken.store(false, Release);
        workers
    }
}

fn counts(tasks: usize) -> Vec<AtomicU32> {
    (0..tasks).map(|_| AtomicU32::new(0)).collect()
}

fn all(counts: &[AtomicU32], times: u32) -> bool {
    counts.iter().all(|c| c.load(Relaxed) == times)
}

#[test]
fn every_task_runs_once() {
    for workers in [1, 2, 7] {
        let team = crowd();
        for tasks in [2, 3, 8, times(1000)] {
            for _ in 0..times(200) {
                let seen = counts(tasks);
                let done = team.run(workers, tasks, &|t| {
                    seen[t].fetch_add(1, Relaxed);
                });
                assert!(done && all(&seen, 1), "{workers} workers, {tasks} tasks");
            }
        }
    }
    for tasks in 0..5 {
        let seen = counts(tasks);
        run(tasks, |t| {
            seen[t].fetch_add(1, Relaxed);
        });
        assert!(all(&seen, 1));
    }
}

#[test]
fn workers_take_part() {
    let team = crowd();
    let threads = Mutex::new(HashSet::<ThreadId>::new());
    // Each task ends when all four have started, which takes four threads.
    let started = AtomicUsize::new(0);
    assert!(team.run(3, 4, &|_| {
        threads.lock().unwrap().insert(std::thread::current().id());
        started.fetch_add(1, SeqCst);
        while started.load(SeqCst) < 4 {
            yield_now();
        }
    }));
    assert_eq!(threads.into_inner().unwrap().len(), 4);
}

#[test]
fn a_region_inside_a_task_runs_on_its_thread() {
    let team = crowd();
    let seen = counts(64);
    assert!(team.run(3, 8, &|outer| {
        let here = std::thread::current().id();
        let inner = |t: usize| {
            assert_eq!(std::thread::current().id(), here);
            seen[outer * 8 + t].fetch_add(1, Relaxed);
        };
        assert!(!team.run(3, 8, &inner), "the team is taken");
        (0..8).for_each(inner);
    }));
    assert!(all(&seen, 1));
}

#[test]
fn callers_at_the_same_time_all_finish() {
    let sum = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..times(500) {
                    run(10, |t| {
                        run(3, |u| {
                            sum.fetch_add(t * 3 + u, Relaxed);
                        });
                    });
                }
            });
        }
    });
    assert_eq!(sum.into_inner(), 8 * times(500) * (29 * 30 / 2));
}

#[test]
fn a_panic_reaches_the_caller_after_all_tasks() {
    let team = crowd();
    for bad in [0, 1, 15] {
        let seen = counts(16);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            team.run(3, 16, &|t| {
                seen[t].fetch_add(1, Relaxed);
                assert!(t != bad, "task {t} fails");
            })
        }));
        let message = caught.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(*message, format!("task {bad} fails"));
        assert!(all(&seen, 1));
    }
    let caught = catch_unwind(AssertUnwindSafe(|| team.run(3, 16, &|_| panic!("all fail"))));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "all fail");
    assert!(team.run(3, 16, &|_| ()), "the team works on after panics");
}

#[test]
fn the_number_of_workers_follows_the_call() {
    let team = crowd();
    for workers in [1, 3, 2, 5, 1, 0] {
        let seen = counts(50);
        let count = |t: usize| {
            seen[t].fetch_add(1, Relaxed);
        };
        assert_eq!(team.run(workers, 50, &count), workers > 0);
        assert!(all(&seen, u32::from(workers > 0)));
        assert_eq!(team.workers(), workers);
    }
}

#[test]
fn workers_that_went_to_sleep_are_woken() {
    let team = crowd();
    for _ in 0..5 {
        let started = AtomicUsize::new(0);
        assert!(team.run(1, 2, &|_| {
            started.fetch_add(1, SeqCst);
            while started.load(SeqCst) < 2 {
                yield_now();
            }
        }));
        while team.region.awake.0.load(SeqCst) > 0 {
            yield_now();
        }
    }
}

#[test]
fn work_below_two_grains_is_one_task() {
    set_num_threads(3);
    let most = 3.min(2 * cores());
    assert_eq!([0, 10, 19, 20, 29, 30, 500].map(|work| tasks_for(work, 10)), [1, 1, 1, 2, 2, most, most]);
}

#[test]
fn work_that_is_done_alone_is_not_divided() {
    assert_eq!(alone(|| tasks_for(1 << 30, 1)), 1);
    let caught = catch_unwind(|| alone(|| panic!("on the way")));
    assert!(caught.is_err());
    assert!(!ALONE.get(), "a panic ends it, too");
}
