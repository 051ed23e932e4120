//! Products at the shapes of small networks, on one thread and on all, as shares of the FMA peak of the same run.
//!
//! `cargo bench -p rgrad-kernels --bench gemm`; a part of a name after `--` picks shapes. Of each shape the shortest time
//! counts, because other work on the machine can only lengthen it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rgrad_kernels::buffer::Buffer;
use rgrad_kernels::gemm::{Epilogue, Mat, gemm};
use rgrad_kernels::simd::{Real, isa};
use rgrad_kernels::threads;

mod peak;

/// Transposed A, transposed B, m, k, n. The products of training steps: forward (NT), gradients of inputs (NN) and of
/// weights (TN); and squares.
const SHAPES: [(bool, bool, usize, usize, usize); 22] = [
    (false, false, 100, 784, 100),
    (false, true, 100, 784, 100),
    (true, false, 784, 100, 100),
    (false, true, 100, 10, 100),
    (false, false, 100, 784, 10),
    (false, true, 100, 784, 10),
    (true, false, 784, 100, 10),
    (false, false, 32, 64, 32),
    (false, false, 64, 784, 256),
    (true, false, 784, 64, 256),
    (false, true, 64, 128, 256),
    (false, false, 1, 784, 256),
    (false, true, 1, 784, 256),
    (false, false, 4096, 64, 64),
    (true, false, 64, 4096, 64),
    (false, false, 1, 1, 1),
    (false, false, 64, 64, 64),
    (false, false, 128, 128, 128),
    (false, false, 256, 256, 256),
    (false, false, 512, 512, 512),
    (false, false, 1024, 1024, 1024),
    (false, true, 1024, 1024, 1024),
];

/// Aligned memory, as tensors have it.
fn matrix<T: Real>(len: usize) -> Buffer {
    let mut buffer = Buffer::new(len * size_of::<T>()).expect("benchmarks are small");
    buffer.get_mut().fill(T::from_f64(0.5));
    buffer
}

fn products<T: Real>(c: &mut Criterion, name: &str) {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for count in if all > 1 { vec![1, all] } else { vec![1] } {
        let limit = peak::flops::<T>(count);
        println!("\n{name}, {}, {count} threads: FMA peak {:.1} GFLOP/s", isa().name(), limit / 1e9);
        let mut group = c.benchmark_group(format!("gemm/{name}/{count}"));
        group.sample_size(10).nresamples(1001);
        group.warm_up_time(Duration::from_millis(30)).measurement_time(Duration::from_millis(200));
        for (ta, tb, m, k, n) in SHAPES {
            let (mut a, mut b, mut out) = (matrix::<T>(m * k), matrix::<T>(k * n), matrix::<T>(m * n));
            let (a, b, out) = (a.get_mut::<T>(), b.get_mut::<T>(), out.get_mut::<T>());
            let a = if ta { Mat::new(a, k, m).t() } else { Mat::new(a, m, k) };
            let b = if tb { Mat::new(b, n, k).t() } else { Mat::new(b, k, n) };
            let letter = |t: bool| if t { 'T' } else { 'N' };
            let shape = format!("{}{} {m}x{k}x{n}", letter(ta), letter(tb));
            let flops = 2 * m * k * n;
            let shortest = Cell::new(f64::INFINITY);
            group.throughput(Throughput::Elements(flops as u64));
            group.bench_function(&shape, |bencher| {
                bencher.iter_custom(|times| {
                    let start = Instant::now();
                    for _ in 0..times {
                        gemm(out, a, b, Epilogue::default());
                    }
                    let time = start.elapsed();
                    shortest.set(shortest.get().min(time.as_secs_f64() / times as f64));
                    time
                });
            });
            if shortest.get().is_finite() {
                let rate = flops as f64 / shortest.get();
                println!("{shape}: {:.1} GFLOP/s, {:.0} % of the peak", rate / 1e9, 100.0 * rate / limit);
            }
        }
    }
}

fn benches(c: &mut Criterion) {
    products::<f32>(c, "f32");
    products::<f64>(c, "f64");
    println!("\nan empty region of all threads: {:.0} ns", empty_region());
}

/// The shortest time of a region without work, in nanoseconds: it tells how far apart the cores are.
fn empty_region() -> f64 {
    const TIMES: usize = 100;
    let count = threads::num_threads();
    let time = peak::shortest(Duration::from_millis(100), || {
        for _ in 0..TIMES {
            threads::run(count, |_| ());
        }
    });
    1e9 * time / TIMES as f64
}

criterion_group!(all, benches);
criterion_main!(all);
