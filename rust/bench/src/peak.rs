//! The limits of the machine, measured in the run that reports percentages of them, with the kernels' number of
//! threads.

use std::hint::{black_box, spin_loop};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::{Duration, Instant};

use rgrad_kernels::buffer::Buffer;
use rgrad_kernels::simd::{Kernel, Real, Simd};
use rgrad_kernels::threads;

/// The shortest time of one call of `f`, in seconds, over about `time`.
fn shortest(time: Duration, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut shortest = f64::INFINITY;
    while start.elapsed() < time {
        let call = Instant::now();
        f();
        shortest = shortest.min(call.elapsed().as_secs_f64());
    }
    shortest
}

/// Independent chains of fused multiply-adds in registers; returns the number of operations.
struct Chains;

const STEPS: usize = 20_000;

impl<T: Real> Kernel<T> for Chains {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> usize {
        // As many chains as fit into registers, and at least the eight that can be in flight.
        if S::REGISTERS >= 32 { chains::<T, S, 16>(s) } else { chains::<T, S, 5>(s) }
    }
}

#[inline(always)]
fn chains<T: Real, S: Simd<T>, const N: usize>(s: S) -> usize {
    let (half, one) = (s.splat(black_box(T::from_f64(0.5))), s.splat(black_box(T::ONE)));
    let mut x = [one; N];
    for _ in 0..STEPS {
        for x in &mut x {
            *x = s.mul_add(*x, half, one);
        }
    }
    for x in x {
        black_box(s.to_array(x));
    }
    2 * STEPS * N * S::LANES
}

/// Peak FLOP/s of all threads with fused multiply-adds in registers, on the kernels' instruction set.
#[must_use]
pub fn flops<T: Real>() -> f64 {
    let count = threads::num_threads();
    let operations = count * T::run(Chains);
    let time = shortest(Duration::from_millis(200), || {
        threads::run(count, |_| {
            T::run(Chains);
        });
    });
    operations as f64 / time
}

/// The memory traffic of a pass.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Traffic {
    /// Reads an array.
    Read,
    /// Writes one.
    Write,
    /// Reads one and writes another.
    Copy,
}

impl Traffic {
    /// The kind of traffic of a kernel that reads and writes so many bytes: small results of large inputs do not count.
    #[must_use]
    pub fn of(read: usize, written: usize) -> Self {
        if written * 16 < read {
            Traffic::Read
        } else if read * 16 < written {
            Traffic::Write
        } else {
            Traffic::Copy
        }
    }
}

/// Reads all of an array, whose length is a multiple of [`UNROLLED`] vectors.
struct ReadAll<'a>(&'a [f32]);

const UNROLLED: usize = 8;

impl Kernel<f32> for ReadAll<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); UNROLLED];
        for block in self.0.as_chunks().0.as_chunks::<UNROLLED>().0 {
            for (sum, vector) in sums.iter_mut().zip(block) {
                *sum = s.add(*sum, s.load_array(vector));
            }
        }
        s.reduce_add(sums.into_iter().fold(s.splat(0.0), |a, b| s.add(a, b)))
    }
}

/// Bandwidth in bytes per second of all threads, each of which passes over its own array; `bytes` in total, at least 8
/// KiB each.
///
/// # Panics
/// If there is not enough memory.
#[must_use]
pub fn bandwidth(traffic: Traffic, bytes: usize) -> f64 {
    /// Bytes that a thread passes over between two reads of the clock, so that the overhead of regions is negligible.
    const REGION: usize = 2 << 20;
    let count = threads::num_threads();
    let arrays = if traffic == Traffic::Copy { 2 } else { 1 };
    let len = (bytes / count).max(8 << 10) / (4 * arrays);
    let passes = REGION.div_ceil(4 * arrays * len);
    let array = || {
        let mut array = Buffer::new(4 * len).expect("benchmarks are small");
        array.get_mut::<f32>().fill(0.5);
        array
    };
    let parts: Vec<_> = (0..count).map(|_| Mutex::new((array(), array()))).collect();
    let time = shortest(Duration::from_millis(20), || {
        threads::run(count, |i| {
            let (from, to) = &mut *parts[i].lock().expect("one task for each part");
            let (from, to) = (from.get_mut::<f32>(), to.get_mut::<f32>());
            for _ in 0..passes {
                match traffic {
                    Traffic::Read => {
                        black_box(f32::run(ReadAll(black_box(from))));
                    }
                    Traffic::Write => black_box(&mut *to).fill(black_box(1.0)),
                    Traffic::Copy => to.copy_from_slice(black_box(from)),
                }
                black_box(&mut *to);
            }
        });
    });
    (passes * 4 * arrays * len * count) as f64 / time
}

/// The shortest time, in nanoseconds, of a region whose tasks only wait for each other: shows how far apart the cores
/// are. 0 for one thread.
#[must_use]
pub fn barrier() -> f64 {
    /// Polls until a task gives up: without workers, one thread runs all tasks.
    const LOOKS: usize = 100_000;
    let count = threads::num_threads();
    if count == 1 {
        return 0.0;
    }
    let time = shortest(Duration::from_millis(2), || {
        let arrived = AtomicUsize::new(0);
        threads::run(count, |_| {
            arrived.fetch_add(1, AcqRel);
            let mut looks = 0;
            while arrived.load(Acquire) < count && looks < LOOKS {
                looks += 1;
                spin_loop();
            }
        });
    });
    1e9 * time
}
