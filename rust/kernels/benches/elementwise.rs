//! Maps, sums, softmax and cross-entropy, on one thread and on all: nanoseconds an element, and the bytes that are read and
//! written as a share of the memory bandwidth of the same run (above 100 % where operands stay in the caches).
//!
//! `cargo bench -p rgrad-kernels --bench elementwise`; a part of a name after `--` picks kernels. Of each the shortest time
//! counts, because other work on the machine can only lengthen it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rgrad_kernels::View;
use rgrad_kernels::buffer::Buffer;
use rgrad_kernels::map::{Binary, Unary, binary, unary};
use rgrad_kernels::reduce::{Axes, Reduce, reduce};
use rgrad_kernels::simd::isa;
use rgrad_kernels::softmax::{cross_entropy, softmax};
use rgrad_kernels::threads;

#[allow(dead_code, reason = "each bench uses the limits that apply to it")]
mod peak;

/// Rows and classes of softmax and cross-entropy.
const ROWS: [(usize, usize); 6] = [(100, 10), (1024, 10), (128, 1000), (1024, 1024), (64, 32768), (8192, 1024)];
/// Elements of maps and sums: in L1, in L2, and in no cache of its own.
const SIZES: [usize; 3] = [1 << 12, 1 << 17, 1 << 22];

/// Numbers of both signs, in aligned memory as tensors have it.
fn numbers(len: usize) -> Buffer {
    let mut buffer = Buffer::new(len * size_of::<f32>()).expect("benchmarks are small");
    for (i, x) in buffer.get_mut::<f32>().iter_mut().enumerate() {
        *x = ((i * 7919) % 1009) as f32 / 200.0 - 2.5;
    }
    buffer
}

/// Times `run`, which reads and writes `bytes` for `elements`.
fn time(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    elements: usize,
    bytes: usize,
    limit: f64,
    mut run: impl FnMut(),
) {
    let shortest = Cell::new(f64::INFINITY);
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            for _ in 0..times {
                run();
            }
            let time = start.elapsed();
            shortest.set(shortest.get().min(time.as_secs_f64() / times as f64));
            time
        });
    });
    let best = shortest.get();
    if best.is_finite() {
        let (nanoseconds, rate) = (1e9 * best / elements as f64, bytes as f64 / best);
        let share = 100.0 * rate / limit;
        println!(
            "{name}: {:.2} us, {nanoseconds:.3} ns an element, {:.1} GB/s, {share:.0} % of the bandwidth",
            1e6 * best,
            rate / 1e9
        );
    }
}

fn maps(group: &mut BenchmarkGroup<'_, WallTime>, limit: f64) {
    for n in SIZES {
        let (mut a, mut b, mut out) = (numbers(n), numbers(n), numbers(n));
        let (a, b, out) = (a.get_mut::<f32>(), b.get_mut::<f32>(), out.get_mut::<f32>());
        for x in a.iter_mut() {
            *x = x.abs() + 0.1;
        }
        for (name, op) in [("exp", Unary::Exp), ("log", Unary::Log), ("tanh", Unary::Tanh), ("sigmoid", Unary::Sigmoid)]
        {
            time(group, &format!("{name} {n}"), n, 8 * n, limit, || unary(op, out, &[n], View::new(a, &[1])));
        }
        time(group, &format!("add {n}"), n, 12 * n, limit, || {
            binary(Binary::Add, out, &[n], View::new(a, &[1]), View::new(b, &[1]));
        });
        let mut total = [0.0_f32];
        let (none, all) = (Axes::new(&[], &[]), [n]);
        time(group, &format!("sum {n}"), n, 4 * n, limit, || {
            reduce(Reduce::Sum, &mut total, a, none, Axes::new(&all, &[1]));
        });
    }
}

fn rows(group: &mut BenchmarkGroup<'_, WallTime>, limit: f64) {
    for (rows, cols) in ROWS {
        let n = rows * cols;
        let (mut x, mut out, mut loss) = (numbers(n), numbers(n), numbers(rows));
        let (x, out, loss) = (x.get_mut::<f32>(), out.get_mut::<f32>(), loss.get_mut::<f32>());
        let labels: Vec<i64> = (0..rows).map(|i| (i % cols) as i64).collect();
        time(group, &format!("softmax {rows}x{cols}"), n, 8 * n, limit, || softmax(out, x, cols));
        time(group, &format!("cross-entropy and gradient {rows}x{cols}"), n, 8 * n, limit, || {
            cross_entropy(loss, Some(out), x, &labels, cols, 1.0 / rows as f32).expect("the labels are in range");
        });
    }
}

fn benches(c: &mut Criterion) {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for count in if all > 1 { vec![1, all] } else { vec![1] } {
        let limit = peak::bandwidth(count);
        println!("\nf32, {}, {count} threads: memory bandwidth {:.1} GB/s", isa().name(), limit / 1e9);
        threads::set_num_threads(count);
        let mut group = c.benchmark_group(format!("elementwise/{count}"));
        group.sample_size(10).nresamples(1001);
        group.warm_up_time(Duration::from_millis(30)).measurement_time(Duration::from_millis(200));
        maps(&mut group, limit);
        rows(&mut group, limit);
    }
}

criterion_group!(all, benches);
criterion_main!(all);
