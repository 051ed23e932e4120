//! Everything but matrix products: maps, chains of them, sums, softmax and cross-entropy, normalisation, random
//! numbers, gathered rows and optimizer steps, on one thread and on all, compared with the bandwidth of plain passes in
//! the same run.
//!
//! `cargo bench -p rgrad-bench --bench elementwise`; a substring of names after `--` selects cases, and `--json FILE`
//! writes the results. `RGRAD_ISA` pins the instruction set.

use std::process::ExitCode;

use rgrad_bench::{Case, NEAR, Results, Sampler, Work, run, timed};
use rgrad_kernels::View;
use rgrad_kernels::buffer::Buffer;
use rgrad_kernels::chain::{Chain, Input, Kind, Output, Step, run_chain};
use rgrad_kernels::gather::gather_rows;
use rgrad_kernels::map::{Binary, Unary, binary, unary};
use rgrad_kernels::norm::{BLOCK, Normal, column_grad, normalize, row_grad, statistics, sums};
use rgrad_kernels::optim::{Adam, AnyRule, Counts, Sgd, Slot, step};
use rgrad_kernels::random::{bernoulli_mask, normal, uniform};
use rgrad_kernels::reduce::{Axes, Reduce, reduce};
use rgrad_kernels::softmax::{cross_entropy, log_softmax_grad, softmax, softmax_grad};

/// Rows and classes of softmax and cross-entropy.
const ROWS: [(usize, usize); 6] = [(100, 10), (1024, 10), (128, 1000), (1024, 1024), (64, 32768), (8192, 1024)];
/// Examples and features of normalisation.
const NORMS: [(usize, usize); 3] = [(64, 256), (128, 1024), (8192, 1024)];
/// Elements of everything else: in L1, in L2, and in no cache.
const SIZES: [usize; 3] = [1 << 11, 1 << 15, 1 << 24];
/// Elements of chains.
const CHAINS: [usize; 3] = [1000, 100_000, 4_000_000];

/// Numbers of both signs, in aligned memory as in tensors.
fn numbers(len: usize) -> Buffer {
    let mut buffer = Buffer::new(len * size_of::<f32>()).expect("benchmarks are small");
    for (i, x) in buffer.get_mut::<f32>().iter_mut().enumerate() {
        *x = ((i * 7919) % 1009) as f32 / 200.0 - 2.5;
    }
    buffer
}

/// Work on `count` elements, for which so many `f32` are read and written.
fn elements(count: usize, read: usize, written: usize) -> Work {
    Work { count, read: 4 * read, written: 4 * written, peak: 0.0 }
}

fn maps(sampler: &mut Sampler, n: usize) {
    let (mut a, mut b, mut out) = (numbers(n), numbers(n), numbers(n));
    let (a, b, out) = (a.get_mut::<f32>(), b.get_mut::<f32>(), out.get_mut::<f32>());
    for x in a.iter_mut() {
        *x = x.abs() + 0.1;
    }
    for (name, op) in [("exp", Unary::Exp), ("log", Unary::Log), ("tanh", Unary::Tanh), ("sigmoid", Unary::Sigmoid)] {
        sampler.case(
            &format!("{name} {n}"),
            elements(n, n, n),
            &mut [&mut timed(|| {
                unary(op, out, &[n], View::new(a, &[1]));
            })],
        );
    }
    for (name, op) in [("add", Binary::Add), ("mul", Binary::Mul)] {
        sampler.case(
            &format!("{name} {n}"),
            elements(n, 2 * n, n),
            &mut [&mut timed(|| {
                binary(op, out, &[n], View::new(a, &[1]), View::new(b, &[1]));
            })],
        );
    }
    let mut total = [0.0_f32];
    let (none, all) = (Axes::new(&[], &[]), [n]);
    sampler.case(
        &format!("sum {n}"),
        elements(n, n, 0),
        &mut [&mut timed(|| {
            reduce(Reduce::Sum, &mut total, a, none, Axes::new(&all, &[1]));
        })],
    );
}

/// `f(a·x + b)·c - d` as one chain, and as five kernels that write to two buffers in turn.
fn chains(sampler: &mut Sampler, n: usize) {
    let (mut x, mut t, mut out) = (numbers(n), numbers(n), numbers(n));
    let (x, t, out) = (&x.get_mut::<f32>()[..n], &mut t.get_mut::<f32>()[..n], &mut out.get_mut::<f32>()[..n]);
    let constants = [0.7, -0.1, 1.3, 0.2];
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| View::new(&constants[i..=i], &[0]));
    let shape = [n];
    for (name, f) in [("relu", Unary::Relu), ("tanh", Unary::Tanh)] {
        let steps = [
            Step::Binary(Binary::Mul, 1, 0),
            Step::Binary(Binary::Add, 5, 2),
            Step::Unary(f, 6),
            Step::Binary(Binary::Mul, 7, 3),
            Step::Binary(Binary::Sub, 8, 4),
        ];
        let chain = Chain::new(&[Kind::Number; 5], &steps, &[9]).expect("it fits");
        let inputs = [View::new(x, &[1]), a, b, c, d].map(Input::Numbers);
        sampler.case(
            &format!("chain with {name} {n}"),
            elements(n, n, n),
            &mut [&mut timed(|| run_chain(&chain, &shape, &inputs, &mut [Output::Numbers(out)]))],
        );
        sampler.case(
            &format!("chain with {name} {n}, one by one"),
            elements(n, n, n),
            &mut [&mut timed(|| {
                binary(Binary::Mul, t, &shape, a, View::new(x, &[1]));
                binary(Binary::Add, out, &shape, View::new(t, &[1]), b);
                unary(f, t, &shape, View::new(out, &[1]));
                binary(Binary::Mul, out, &shape, View::new(t, &[1]), c);
                binary(Binary::Sub, t, &shape, View::new(out, &[1]), d);
            })],
        );
    }
}

fn random(sampler: &mut Sampler, n: usize) {
    let mut out = numbers(n);
    let out = out.get_mut::<f32>();
    let work = elements(n, 0, n);
    sampler.case(&format!("uniform {n}"), work, &mut [&mut timed(|| uniform(out, 1, 0))]);
    sampler.case(&format!("normal {n}"), work, &mut [&mut timed(|| normal(out, 1, 0))]);
    sampler.case(&format!("dropout mask {n}"), work, &mut [&mut timed(|| bernoulli_mask(out, 0.5, 2.0, 1, 0))]);
}

/// A step for one parameter of `n` elements.
fn optimizers(sampler: &mut Sampler, n: usize) {
    let (mut p, mut g, mut m, mut v) = (numbers(n), numbers(n), numbers(n), numbers(n));
    let (p, g, m, v) = (p.get_mut::<f32>(), g.get_mut::<f32>(), m.get_mut::<f32>(), v.get_mut::<f32>());
    v.fill(1.0);
    let counts = Counts { step: 100, ..Counts::default() };
    let sgd = Sgd { lr: 1e-6, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
    let adam =
        Adam::<false> { lr: 1e-6, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, amsgrad: false, maximize: false };
    sampler.case(
        &format!("SGD {n}"),
        elements(n, 2 * n, n),
        &mut [&mut timed(|| {
            step(&mut [Slot::new(AnyRule::from(sgd).ready(counts, false), p, g, [&mut [], &mut [], &mut []])]);
        })],
    );
    sampler.case(
        &format!("Adam {n}"),
        elements(n, 4 * n, 3 * n),
        &mut [&mut timed(|| {
            step(&mut [Slot::new(AnyRule::from(adam).ready(counts, false), p, g, [m, v, &mut []])]);
        })],
    );
}

fn rows(sampler: &mut Sampler, rows: usize, cols: usize) {
    let n = rows * cols;
    let (mut x, mut out, mut loss) = (numbers(n), numbers(n), numbers(rows));
    let (x, out, loss) = (x.get_mut::<f32>(), out.get_mut::<f32>(), loss.get_mut::<f32>());
    let labels: Vec<i64> = (0..rows).map(|i| (i % cols) as i64).collect();
    let work = elements(n, n, n);
    sampler.case(&format!("softmax {rows}x{cols}"), work, &mut [&mut timed(|| softmax(out, x, cols))]);
    sampler.case(
        &format!("cross-entropy and gradient {rows}x{cols}"),
        work,
        &mut [&mut timed(|| {
            cross_entropy(loss, Some(out), x, &labels, cols, 1.0 / rows as f32).expect("the labels are in range");
        })],
    );
    let mut g = numbers(n);
    let g = &g.get_mut::<f32>()[..];
    let work = elements(n, 2 * n, n);
    sampler.case(&format!("softmax gradient {rows}x{cols}"), work, &mut [&mut timed(|| softmax_grad(out, x, g, cols))]);
    sampler.case(
        &format!("log-softmax gradient {rows}x{cols}"),
        work,
        &mut [&mut timed(|| log_softmax_grad(out, x, g, cols))],
    );
}

/// Layer norm and batch norm, including statistics; and their gradients, including those of the parameters.
fn norms(sampler: &mut Sampler, rows: usize, cols: usize) {
    let n = rows * cols;
    let (mut x, mut g, mut out) = (numbers(n), numbers(n), numbers(n));
    let (x, g, out) = (&x.get_mut::<f32>()[..n], &g.get_mut::<f32>()[..n], &mut out.get_mut::<f32>()[..n]);
    let (weight, bias) = (&g[..cols], &x[..cols]);
    let mut parts = vec![0.0; rows.div_ceil(BLOCK) * 2 * cols];
    for by_column in [false, true] {
        let [mut mean, mut var, mut scale] = [(); 3].map(|()| vec![0.0; if by_column { cols } else { rows }]);
        let name = format!("{} norm {rows}x{cols}", if by_column { "batch" } else { "layer" });
        sampler.case(
            &name,
            elements(n, n, n),
            &mut [&mut timed(|| {
                statistics([&mut mean, &mut var, &mut scale], x, cols, by_column, true, 1e-5);
                normalize(out, Normal { x, cols, mean: &mean, scale: &scale, by_column }, weight, bias);
            })],
        );
        let of = Normal { x, cols, mean: &mean, scale: &scale, by_column };
        sampler.case(
            &format!("{name}, gradient"),
            elements(n, 2 * n, n),
            &mut [&mut timed(|| {
                sums(&mut parts, of, g);
                if by_column {
                    column_grad(out, of, g, weight, &parts[..2 * cols]);
                } else {
                    row_grad(out, of, g, weight, true);
                }
            })],
        );
    }
}

/// Gathers batches of 100 shuffled rows of MNIST's size, from as many rows as stay in cache and from all.
fn gather(sampler: &mut Sampler, rows: usize) {
    const BATCH: usize = 100;
    const COLS: usize = 784;
    let (mut x, mut out) = (numbers(rows * COLS), numbers(BATCH * COLS));
    let (x, out) = (x.get_mut::<f32>(), out.get_mut::<f32>());
    // Each batch takes the next rows in a scattered order.
    let batches: Vec<Vec<i64>> =
        (0..rows / BATCH).map(|b| (0..BATCH).map(|i| ((b * BATCH + i) * 7919 % rows) as i64).collect()).collect();
    let mut next = batches.iter().cycle();
    let n = BATCH * COLS;
    sampler.case(
        &format!("gather {BATCH} of {rows}x{COLS}"),
        elements(n, n, n),
        &mut [&mut timed(|| {
            gather_rows(out, x, COLS, next.next().expect("it is a cycle")).expect("the rows are in range");
        })],
    );
}

fn measure(sampler: &mut Sampler) {
    for n in SIZES {
        maps(sampler, n);
        random(sampler, n);
        optimizers(sampler, n);
    }
    for n in CHAINS {
        chains(sampler, n);
    }
    for (m, n) in ROWS {
        rows(sampler, m, n);
    }
    for (m, n) in NORMS {
        norms(sampler, m, n);
    }
    for n in [300, 60_000] {
        gather(sampler, n);
    }
}

fn show(results: &Results) {
    println!(
        "
ns: an element; bw: GB/s read and written in percent of a plain pass over as many bytes; gain: the speed of one thread
times this; barrier: ns of a barrier of all threads, near below {NEAR:.0}
"
    );
    let rows = results.rows();
    let heads = |case: &&Case| {
        let more = if case.threads > 1 { "   gain barrier" } else { "" };
        format!("{:>2} threads, us      ns    GB/s    bw{more}", case.threads)
    };
    if let Some(row) = rows.first() {
        println!("{:36} {}", "", row.iter().map(heads).collect::<Vec<_>>().join(" | "));
    }
    for row in rows {
        let cells: Vec<String> = row.iter().map(|case| cell(case, row[0])).collect();
        println!("{:36} {}", row[0].name, cells.join(" | "));
    }
}

fn cell(case: &Case, one: &Case) -> String {
    let (time, each) = (1e6 * case.seconds[0], 1e9 / case.rate());
    let (traffic, bandwidth) = (case.traffic() / 1e9, case.share_of_bandwidth());
    let cell = format!("{time:14.2} {each:7.3} {traffic:7.1} {bandwidth:4.0}%");
    if case.threads == 1 {
        return cell;
    }
    let state = if case.barrier < NEAR { "near" } else { "far" };
    format!("{cell} {:6.2} {:3.0} {state:4}", one.seconds[0] / case.seconds[0], case.barrier)
}

fn main() -> ExitCode {
    run(measure, show)
}
