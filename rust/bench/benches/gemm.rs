//! Matrix products at the shapes of small networks, compared with the FMA peak of the same run and with the crates
//! `gemm` and `matrixmultiply`, which take turns with rgrad; all with one thread, and with as many as there are cores.
//!
//! `cargo bench -p rgrad-bench --bench gemm`; a substring of names after `--` selects cases, and `--json FILE` writes
//! the results. `RGRAD_ISA` pins rgrad's instruction set and that of the peak; the peers choose theirs.

use std::process::ExitCode;

use rgrad_bench::{Case, NEAR, Results, Sampler, Work, peak, run, timed};
use rgrad_kernels::buffer::Buffer;
use rgrad_kernels::gemm::{Epilogue, Mat, Tiles, gemm};
use rgrad_kernels::simd::Real;
use rgrad_kernels::threads;

/// Transposed A, transposed B, m, k, n. The products of training steps: forward (NT), gradients of inputs (NN) and of
/// weights (TN); and squares.
const SHAPES: [(bool, bool, usize, usize, usize); 29] = [
    (false, false, 1, 1, 1),
    (false, false, 100, 784, 100),
    (false, true, 100, 784, 100),
    (true, false, 784, 100, 100),
    (false, true, 100, 10, 100),
    (false, false, 100, 784, 10),
    (false, true, 100, 784, 10),
    (true, false, 784, 100, 10),
    (false, false, 32, 64, 32),
    (true, false, 64, 32, 32),
    (false, false, 64, 784, 256),
    (false, true, 64, 784, 256),
    (true, false, 784, 64, 256),
    (false, true, 64, 128, 256),
    (false, false, 1, 784, 256),
    (false, true, 1, 784, 256),
    (false, false, 4096, 64, 64),
    (true, false, 64, 4096, 64),
    (false, false, 64, 64, 64),
    (false, true, 64, 64, 64),
    (false, false, 128, 128, 128),
    (false, false, 256, 256, 256),
    (false, true, 256, 256, 256),
    (false, false, 512, 512, 512),
    (false, true, 512, 512, 512),
    (false, false, 1024, 1024, 1024),
    (true, false, 1024, 1024, 1024),
    (false, true, 1024, 1024, 1024),
    (false, false, 2048, 2048, 2048),
];
/// Shapes that are timed in double precision, too.
const DOUBLE: [&str; 6] =
    ["NN 100x784x100", "TN 784x100x100", "NN 100x784x10", "NN 32x64x32", "NN 128x128x128", "NN 512x512x512"];

/// Element types that the peers support, too: `out = a·b`, with so many threads.
trait Peers: Tiles {
    fn gemm(out: &mut [Self], a: Mat<Self>, b: Mat<Self>, threads: usize);
    fn matrixmultiply(out: &mut [Self], a: Mat<Self>, b: Mat<Self>);
}

macro_rules! peers {
    ($t:ty, $gemm:ident) => {
        impl Peers for $t {
            fn gemm(out: &mut [$t], a: Mat<$t>, b: Mat<$t>, threads: usize) {
                use gemm::Parallelism::{None, Rayon};
                let parallelism = if threads == 1 { None } else { Rayon(threads) };
                let (m, k, n, c) = (a.rows, a.cols, b.cols, out.as_mut_ptr());
                let [ar, ac, br, bc] = [a.row_stride, a.col_stride, b.row_stride, b.col_stride].map(usize::cast_signed);
                let (a, b, n_stride) = (a.data.as_ptr(), b.data.as_ptr(), n.cast_signed());
                // SAFETY: the caller's matrices have these sizes and strides.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        c,
                        1,
                        n_stride,
                        false,
                        a,
                        ac,
                        ar,
                        b,
                        bc,
                        br,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        parallelism,
                    );
                }
            }

            fn matrixmultiply(out: &mut [$t], a: Mat<$t>, b: Mat<$t>) {
                let (m, k, n, c) = (a.rows, a.cols, b.cols, out.as_mut_ptr());
                let [ar, ac, br, bc] = [a.row_stride, a.col_stride, b.row_stride, b.col_stride].map(usize::cast_signed);
                let (a, b, n_stride) = (a.data.as_ptr(), b.data.as_ptr(), n.cast_signed());
                // SAFETY: the caller's matrices have these sizes and strides.
                unsafe { matrixmultiply::$gemm(m, k, n, 1.0, a, ar, ac, b, br, bc, 0.0, c, n_stride, 1) };
            }
        }
    };
}

peers!(f32, sgemm);
peers!(f64, dgemm);

/// Numbers of both signs, in aligned memory as in tensors.
fn matrix<T: Real>(len: usize) -> Buffer {
    let mut buffer = Buffer::new(len * size_of::<T>()).expect("benchmarks are small");
    for (i, x) in buffer.get_mut::<T>().iter_mut().enumerate() {
        *x = T::from_f64(((i * 7919) % 1009) as f64 / 1009.0 - 0.5);
    }
    buffer
}

fn products<T: Peers>(sampler: &mut Sampler, dtype: &str, picked: impl Fn(&str) -> bool) {
    let peak = peak::flops::<T>();
    let count = threads::num_threads();
    for (ta, tb, m, k, n) in SHAPES {
        let letter = |t: bool| if t { 'T' } else { 'N' };
        let shape = format!("{}{} {m}x{k}x{n}", letter(ta), letter(tb));
        if !picked(&shape) {
            continue;
        }
        let (mut a, mut b) = (matrix::<T>(m * k), matrix::<T>(k * n));
        let (a, b) = (a.get_mut::<T>(), b.get_mut::<T>());
        let a = if ta { Mat::new(a, k, m).t() } else { Mat::new(a, m, k) };
        let b = if tb { Mat::new(b, n, k).t() } else { Mat::new(b, k, n) };
        let mut outs = [(); 3].map(|()| matrix::<T>(m * n));
        let [ours, theirs, others] = outs.each_mut().map(Buffer::get_mut::<T>);
        let work = Work {
            count: 2 * m * k * n,
            read: size_of::<T>() * (m * k + k * n),
            written: size_of::<T>() * m * n,
            peak,
        };
        sampler.case(
            &format!("{dtype} {shape}"),
            work,
            &mut [
                &mut timed(|| gemm(ours, a, b, Epilogue::default())),
                &mut timed(|| T::gemm(theirs, a, b, count)),
                &mut timed(|| T::matrixmultiply(others, a, b)),
            ],
        );
    }
}

fn measure(sampler: &mut Sampler) {
    products::<f32>(sampler, "f32", |_| true);
    products::<f64>(sampler, "f64", |shape| DOUBLE.contains(&shape));
}

fn show(results: &Results) {
    println!(
        "
peak: rgrad's GFLOP/s in percent of the FMA peak; bw: its GB/s in percent of a plain pass over as many bytes;
gemm, mm: the times of the crates gemm and matrixmultiply over rgrad's; gain: the speed of one thread times this;
barrier: ns of a barrier of all threads, near below {NEAR:.0}
"
    );
    let rows = results.rows();
    let heads = |case: &&Case| {
        let more = if case.threads > 1 { "   gain barrier" } else { "" };
        format!("{:>2} threads, us  GFLOP/s  peak    GB/s    bw   gemm     mm{more}", case.threads)
    };
    if let Some(row) = rows.first() {
        println!("{:21} {}", "", row.iter().map(heads).collect::<Vec<_>>().join(" | "));
    }
    for row in rows {
        let cells: Vec<String> = row.iter().map(|case| cell(case, row[0])).collect();
        println!("{:21} {}", row[0].name, cells.join(" | "));
    }
}

fn cell(case: &Case, one: &Case) -> String {
    let [ours, gemm, matrixmultiply] = case.seconds[..] else { unreachable!("there are three contenders") };
    let (time, rate, peak) = (1e6 * ours, case.rate() / 1e9, case.share_of_peak());
    let (traffic, bandwidth) = (case.traffic() / 1e9, case.share_of_bandwidth());
    let (gemm, matrixmultiply) = (gemm / ours, matrixmultiply / ours);
    let cell =
        format!("{time:14.2} {rate:8.1} {peak:4.0}% {traffic:7.1} {bandwidth:4.0}% {gemm:6.2} {matrixmultiply:6.2}");
    if case.threads == 1 {
        return cell;
    }
    let state = if case.barrier < NEAR { "near" } else { "far" };
    format!("{cell} {:6.2} {:3.0} {state:4}", one.seconds[0] / ours, case.barrier)
}

fn main() -> ExitCode {
    run(measure, show)
}
