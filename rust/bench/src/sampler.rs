//! Times cases in one process, with one number of threads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use criterion::Criterion;
use rgrad_kernels::threads;

use crate::case::Case;
use crate::peak::{self, Traffic};

/// Warm-up time of each contender in each of its turns: workers of the previous one still spin, and caches hold its
/// data.
const TURN: Duration = Duration::from_micros(250);
/// Calls that take longer than this, in seconds, need no warm-up.
const LONG: f64 = 1e-3;

/// The work of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Floating-point operations, or elements.
    pub count: usize,
    /// Bytes that must be read.
    pub read: usize,
    /// Bytes that must be written.
    pub written: usize,
    /// The peak rate of the cores, in `count` per second; 0 if unknown.
    pub peak: f64,
}

/// Times the cases that the user's filter selects, and reports them to the parent process.
pub struct Sampler {
    criterion: Criterion,
    /// Bandwidths that have been measured, by traffic and bytes.
    bandwidths: HashMap<(Traffic, usize), f64>,
}

impl Sampler {
    pub(crate) fn new() -> Self {
        let criterion = Criterion::default()
            .sample_size(10)
            .nresamples(1001)
            .warm_up_time(Duration::from_millis(10))
            .measurement_time(Duration::from_millis(40))
            .configure_from_args();
        Self { criterion, bandwidths: HashMap::new() }
    }

    /// Times the contenders, rgrad being the first. They take turns within each sample, and the shortest time of each
    /// counts, because interference can only lengthen it. A contender makes the given number of calls, and returns how
    /// long they took (see [`timed`]).
    pub fn case(&mut self, name: &str, work: Work, contenders: &mut [&mut dyn FnMut(u64) -> Duration]) {
        let best = RefCell::new(vec![f64::INFINITY; contenders.len()]);
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut ours = Duration::ZERO;
                for (i, (contender, best)) in contenders.iter_mut().zip(best.borrow_mut().iter_mut()).enumerate() {
                    let start = Instant::now();
                    while !(*best > LONG && best.is_finite()) && start.elapsed() < TURN {
                        contender(1);
                    }
                    let time = contender(times);
                    *best = best.min(time.as_secs_f64() / times as f64);
                    if i == 0 {
                        ours = time;
                    }
                }
                ours
            });
        });
        let seconds = best.into_inner();
        if seconds[0].is_finite() {
            let bytes = work.read + work.written;
            let traffic = Traffic::of(work.read, work.written);
            let bandwidth = *self.bandwidths.entry((traffic, bytes)).or_insert_with(|| peak::bandwidth(traffic, bytes));
            let case = Case {
                name: name.to_owned(),
                threads: threads::num_threads(),
                count: work.count as f64,
                bytes: bytes as f64,
                peak: work.peak,
                bandwidth,
                barrier: peak::barrier(),
                seconds,
            };
            println!("{}", case.line());
        }
    }
}

/// A contender that calls `f`.
pub fn timed(mut f: impl FnMut()) -> impl FnMut(u64) -> Duration {
    move |times| {
        let start = Instant::now();
        for _ in 0..times {
            f();
        }
        start.elapsed()
    }
}
