//! The limits of the machine, measured in the run that reports shares of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rgrad_kernels::simd::{Kernel, Real, Simd};
use rgrad_kernels::threads;

/// The shortest time of one call of `f`, in seconds, over about `time`.
pub fn shortest(time: Duration, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut shortest = f64::INFINITY;
    while start.elapsed() < time {
        let call = Instant::now();
        f();
        shortest = shortest.min(call.elapsed().as_secs_f64());
    }
    shortest
}

/// Independent chains of fused multiply-adds in registers; returns how many operations it did.
struct Chains;

const STEPS: usize = 20_000;

impl<T: Real> Kernel<T> for Chains {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> usize {
        // As many chains as registers hold, and at least the eight that are in flight.
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

/// FLOP/s of `threads` threads that do nothing but fused multiply-adds in registers.
pub fn flops<T: Real>(threads: usize) -> f64 {
    threads::set_num_threads(threads);
    let operations = threads * T::run(Chains);
    let time = shortest(Duration::from_millis(300), || {
        threads::run(threads, |_| {
            T::run(Chains);
        });
    });
    operations as f64 / time
}

/// Bytes read and written per second by `threads` threads that copy arrays much larger than the L2 caches.
#[allow(dead_code, reason = "each bench uses the limits that apply to it")]
pub fn bandwidth(threads: usize) -> f64 {
    const LEN: usize = 8 << 20;
    threads::set_num_threads(threads);
    let parts: Vec<_> = (0..threads).map(|_| std::sync::Mutex::new((vec![1_u8; LEN], vec![0_u8; LEN]))).collect();
    let time = shortest(Duration::from_millis(300), || {
        threads::run(threads, |i| {
            let (from, to) = &mut *parts[i].lock().expect("one task for each part");
            to.copy_from_slice(black_box(from));
        });
    });
    (2 * LEN * threads) as f64 / time
}
