//! The product against its contract, bit for bit: a plain loop over k of fused multiply-adds, in blocks.
//!
//! Runs on one instruction set, the one that `RGRAD_ISA` names; `make test` runs it on each that the machine has.

mod contract;

use std::sync::Mutex;

use contract::{assert_same, reference};
use rgrad_kernels::Float;
use rgrad_kernels::gemm::{Activation, Epilogue, Mat, Packed, gemm, gemm_batched, gemm_packed};
use rgrad_kernels::simd::isa;
use rgrad_kernels::threads::set_num_threads;
use rgrad_kernels::tuning::KC;

/// Small deterministic pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    fn values<T: Float>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::from_f64(self.next() as f64 / f64::from(1_u32 << 30) - 1.0)).collect()
    }
}

/// The memory layout of an operand.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Row-major.
    Rows,
    /// Column-major: the transpose of a row-major matrix.
    Cols,
    /// Rows that are part of longer rows.
    Slice,
    /// Every second row and third column.
    Steps,
    /// Rows on different pages, in the same sets of the caches.
    Far,
    /// One row, repeated.
    SameRows,
    /// One column, repeated.
    SameCols,
}

const LAYOUTS: [Layout; 7] =
    [Layout::Rows, Layout::Cols, Layout::Slice, Layout::Steps, Layout::Far, Layout::SameRows, Layout::SameCols];

/// The strides of a layout, and the number of elements it needs: not one more, so that `AddressSanitizer` and Miri
/// detect reads past the end.
fn lay_out(layout: Layout, rows: usize, cols: usize) -> (usize, usize, usize) {
    let (rs, cs) = match layout {
        Layout::Rows => (cols, 1),
        Layout::Cols => (1, rows),
        Layout::Slice => (cols + 5, 1),
        Layout::Steps => (2 * (3 * cols + 1), 3),
        Layout::Far => ((cols + 1100).next_multiple_of(512), 1),
        Layout::SameRows => (0, 1),
        Layout::SameCols => (1, 0),
    };
    let len = if rows == 0 || cols == 0 { 0 } else { (rows - 1) * rs + (cols - 1) * cs + 1 };
    (rs, cs, len)
}

/// Serializes tests that set the number of threads, which is global.
static THREADS: Mutex<()> = Mutex::new(());

fn with_threads(counts: &[usize], mut f: impl FnMut(usize)) {
    let _guard = THREADS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for &n in counts {
        set_num_threads(n);
        f(n);
    }
}

/// Whether a product is skipped in Miri, which takes a microsecond per step: it runs a few small ones.
fn skipped(r: &mut Random, work: usize) -> bool {
    cfg!(miri) && (work > 10_000 || r.below(100) > 0)
}

fn check<T: Float>(r: &mut Random, (m, k, n): (usize, usize, usize), la: Layout, lb: Layout, threads: &[usize]) {
    if skipped(r, m * k * n) {
        return;
    }
    let (ars, acs, alen) = lay_out(la, m, k);
    let (brs, bcs, blen) = lay_out(lb, k, n);
    let (a, b, bias, old) = (r.values::<T>(alen), r.values::<T>(blen), r.values::<T>(n), r.values::<T>(m * n));
    let values = r.values::<T>(m * n);
    let a = Mat { data: &a, rows: m, cols: k, row_stride: ars, col_stride: acs };
    let b = Mat { data: &b, rows: k, cols: n, row_stride: brs, col_stride: bcs };
    let accumulate = r.below(2) == 1;
    let bias = (r.below(2) == 1).then_some(&bias[..]);
    let activation = (r.below(2) == 1).then_some(Activation::Relu);
    let slope = Activation::ALL.get(r.below(6)).map(|&slope| (slope, &values[..]));
    let epilogue = Epilogue { bias, activation, slope, accumulate };
    // C must not be read unless it is accumulated into.
    let start = if accumulate { old } else { vec![T::NAN; m * n] };
    let mut want = start.clone();
    reference(&mut want, a, b, epilogue);
    let mut packed = Packed::new(k, n).unwrap();
    with_threads(threads, |count| {
        let mut got = start.clone();
        gemm(&mut got, a, b, epilogue);
        let mut again = start.clone();
        packed.fill(b);
        gemm_packed(&mut again, a, &packed, epilogue);
        let what = format!(
            "{m}x{k}x{n} {la:?} {lb:?} {:?} on {count} threads, {:?}",
            (bias.is_some(), activation, slope.map(|(slope, _)| slope), accumulate),
            isa()
        );
        assert_same(&got, &want, &what);
        assert_same(&again, &want, &format!("{what}, packed"));
    });
}

fn check_both(r: &mut Random, shape: (usize, usize, usize), la: Layout, lb: Layout, threads: &[usize]) {
    check::<f32>(r, shape, la, lb, threads);
    check::<f64>(r, shape, la, lb, threads);
}

#[test]
fn the_pinned_instruction_set_is_used() {
    if let Ok(name) = std::env::var("RGRAD_ISA") {
        assert_eq!(isa().name(), name);
    }
}

#[test]
fn small_shapes_of_every_layout() {
    let mut r = Random(1);
    for m in [0, 1, 2, 5, 6, 7, 11, 13] {
        for k in [0, 1, 3, 5, 8, 15, 17] {
            for n in [0, 1, 7, 8, 9, 15, 16, 17, 33, 64, 65, 83] {
                for la in LAYOUTS {
                    let lb = LAYOUTS[r.below(LAYOUTS.len())];
                    check_both(&mut r, (m, k, n), la, lb, &[1]);
                }
            }
        }
    }
}

#[test]
fn shapes_around_tiles_and_blocks() {
    let mut r = Random(2);
    for (m, k, n) in [
        (1, 784, 256),
        (100, 784, 10),
        (10, 100, 784),
        (100, 10, 100),
        (32, 64, 32),
        (49, 63, 129),
        (6, KC, 64),
        (7, KC + 1, 65),
        (5, KC - 1, 63),
        (8, 2 * KC, 32),
        (9, 2 * KC + 3, 31),
        (241, 30, 70),
        (239, KC + 5, 17),
        (481, 3, 5),
    ] {
        for la in [Layout::Rows, Layout::Cols, Layout::Steps] {
            for lb in [Layout::Rows, Layout::Cols, Layout::Slice] {
                check_both(&mut r, (m, k, n), la, lb, &[1, 2, 3, 8]);
            }
        }
    }
}

#[test]
fn a_packed_matrix_is_zero_until_it_is_filled_and_can_be_filled_again() {
    let mut r = Random(11);
    for (m, k, n) in [(1, 70, 200), (3, KC + 3, 10), (40, 5, 3), (2, 0, 100), (2, 100, 0)] {
        if skipped(&mut r, m * k * n) {
            continue;
        }
        let a = r.values::<f32>(m * k);
        let a = Mat::new(&a, m, k);
        let mut packed = Packed::new(k, n).unwrap();
        assert_eq!((packed.rows(), packed.cols()), (k, n));
        let mut got = vec![f32::NAN; m * n];
        gemm_packed(&mut got, a, &packed, Epilogue::default());
        assert_same(&got, &vec![0.0; m * n], "unfilled");
        for _ in 0..2 {
            let b = r.values::<f32>(k * n);
            let b = Mat::new(&b, n, k).t();
            packed.fill(b);
            let mut want = vec![f32::NAN; m * n];
            reference(&mut want, a, b, Epilogue::default());
            gemm_packed(&mut got, a, &packed, Epilogue::default());
            assert_same(&got, &want, "filled");
        }
    }
    assert!(Packed::<f32>::new(1 << 40, 1 << 40).is_err(), "no memory has this size");
}

#[test]
fn narrow_products() {
    let mut r = Random(9);
    for m in [15, 16, 31, 32, 33, 100] {
        for k in [1, 10, 57, KC + 9] {
            for n in [1, 2, 4, 5, 7, 8, 10, 15, 16] {
                for la in [Layout::Rows, Layout::Cols] {
                    let lb = LAYOUTS[r.below(LAYOUTS.len())];
                    check_both(&mut r, (m, k, n), la, lb, &[1, 2]);
                }
            }
        }
    }
}

#[test]
fn operands_on_many_pages() {
    let mut r = Random(10);
    for (m, k, n) in [(70, 65, 80), (300, KC + 70, 100), (64, 64, 64)] {
        for (la, lb) in [(Layout::Far, Layout::Far), (Layout::Far, Layout::Cols), (Layout::Cols, Layout::Far)] {
            check_both(&mut r, (m, k, n), la, lb, &[1, 2, 3]);
        }
    }
    check::<f32>(&mut r, (1024, 70, 70), Layout::Cols, Layout::Rows, &[1, 2]);
}

#[test]
fn random_shapes() {
    let mut r = Random(3);
    for _ in 0..300 {
        let shape = (r.below(140), r.below(700), r.below(140));
        let (la, lb) = (LAYOUTS[r.below(LAYOUTS.len())], LAYOUTS[r.below(LAYOUTS.len())]);
        let several = [2, 3, 8][r.below(3)];
        check_both(&mut r, shape, la, lb, &[1, several]);
    }
}

#[test]
fn large_products() {
    let mut r = Random(4);
    for (la, lb) in [(Layout::Rows, Layout::Rows), (Layout::Cols, Layout::Cols), (Layout::Rows, Layout::Cols)] {
        check::<f32>(&mut r, (300, 1024, 512), la, lb, &[1, 2, 3]);
    }
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    let mut r = Random(5);
    let (m, k, n) = if cfg!(miri) { (33, 64, 3) } else { (53, 600, 37) };
    let (a, b) = (r.values::<f32>(m * k), r.values::<f32>(n * k));
    for b in [Mat::new(&b, k, n), Mat::new(&b, n, k).t()] {
        let mut whole = vec![f32::NAN; m * n];
        gemm(&mut whole, Mat::new(&a, m, k), b, Epilogue::default());
        for (first, rows) in [(0, 1), (3, 7), (20, 13)] {
            let mut part = vec![f32::NAN; rows * n];
            gemm(&mut part, Mat::new(&a[first * k..], rows, k), b, Epilogue::default());
            assert_same(&part, &whole[first * n..][..rows * n], "part of a batch");
        }
    }
}

#[test]
fn batches_with_broadcast_operands() {
    let mut r = Random(6);
    for (m, k, n, batch) in [(3, 5, 4, 1), (3, 5, 4, 50), (20, 33, 18, 7), (64, 64, 64, 3), (1, 1, 1, 0), (2, 0, 3, 4)]
    {
        if cfg!(miri) && m * k * n > 1000 {
            continue;
        }
        let (a, b, bias) = (r.values::<f32>(batch * m * k + 1), r.values::<f32>(3 * k * n + 1), r.values::<f32>(n));
        let values = r.values::<f32>(batch * m * n);
        let a_offsets: Vec<usize> = (0..batch).map(|i| i * m * k).collect();
        for b_offsets in [(0..batch).map(|i| i % 3 * k * n).collect::<Vec<_>>(), vec![1; batch]] {
            for lb in [Mat::new(&b, k, n), Mat::new(&b, n, k).t()] {
                let slope = Some((Activation::Tanh, &values[..]));
                let epilogue = Epilogue { bias: Some(&bias), slope, ..Epilogue::default() };
                let mut want = vec![f32::NAN; batch * m * n];
                for (i, want) in want.chunks_exact_mut(m * n).enumerate() {
                    let a = Mat::new(&a[a_offsets[i]..], m, k);
                    let slope = Some((Activation::Tanh, &values[i * m * n..][..m * n]));
                    reference(want, a, Mat { data: &b[b_offsets[i]..], ..lb }, Epilogue { slope, ..epilogue });
                }
                with_threads(&[1, 2, 8], |count| {
                    let mut got = vec![f32::NAN; batch * m * n];
                    gemm_batched(&mut got, Mat::new(&a, m, k), lb, &a_offsets, &b_offsets, epilogue);
                    assert_same(&got, &want, &format!("batch of {batch} {m}x{k}x{n} on {count} threads"));
                });
            }
        }
    }
}

#[test]
fn tanh_and_sigmoid_are_applied_last() {
    let mut r = Random(7);
    for (m, k, n) in [(1, 1, 1), (7, 9, 21), (50, 600, 70), (40, 30, 3)] {
        if cfg!(miri) && m * k * n > 5000 {
            continue;
        }
        let (a, b, bias) = (r.values::<f64>(m * k), r.values::<f64>(n * k), r.values::<f64>(n));
        let (a, b, bias) = (Mat::new(&a, m, k), Mat::new(&b, k, n), Some(&bias[..]));
        let plain = Epilogue { bias, ..Epilogue::default() };
        let mut sums = vec![f64::NAN; m * n];
        reference(&mut sums, a, b, plain);
        for (activation, f) in
            [(Activation::Tanh, f64::tanh as fn(f64) -> f64), (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()))]
        {
            let mut got = vec![f64::NAN; m * n];
            gemm(&mut got, a, b, Epilogue { activation: Some(activation), ..plain });
            for (&y, &x) in got.iter().zip(&sums) {
                assert!((y - f(x)).abs() <= 1e-15, "{activation:?}({x}) is not {y}");
            }
        }
    }
}

/// Sums that are zeros, infinities, NaN and ordinary numbers, with values of all these kinds: the functions of the
/// epilogue give the results of the maps.
fn odd_sums<T: Float>() {
    let tiny = T::from_f64(if size_of::<T>() == 4 { 1e-30 } else { 1e-200 });
    let one = T::ONE;
    // Products of tiny numbers underflow to signed zeros.
    let a = [-tiny, tiny, T::ONE, T::INFINITY];
    let b = [tiny, -tiny, T::ZERO, T::NEG_ZERO, one, -one, T::NAN, T::INFINITY, T::NEG_INFINITY, T::from_f64(0.3)];
    let (m, n) = (if cfg!(miri) { 4 } else { 40 }, 3 * b.len());
    let a: Vec<T> = (0..m).map(|i| a[i % a.len()]).collect();
    let b: Vec<T> = (0..n).map(|j| b[j % b.len()]).collect();
    let bias = vec![T::NEG_ZERO; n];
    let values: Vec<T> = (0..m * n).map(|i| b[i / n % b.len()]).collect();
    // As rows and as columns: the second product is computed transposed where B is narrow.
    for (a, b) in [(Mat::new(&a, m, 1), Mat::new(&b, 1, n)), (Mat::new(&b, n, 1), Mat::new(&a[..4], 1, 4))] {
        let (bias, values) = (&bias[..b.cols], &values[..a.rows * b.cols]);
        let functions = || Activation::ALL.into_iter().map(Some).chain([None]);
        for activation in functions() {
            for slope in functions() {
                let slope = slope.map(|slope| (slope, values));
                let epilogue = Epilogue { bias: Some(bias), activation, slope, accumulate: false };
                let mut want = vec![T::NAN; values.len()];
                reference(&mut want, a, b, epilogue);
                let mut got = vec![T::NAN; values.len()];
                gemm(&mut got, a, b, epilogue);
                assert_same(&got, &want, &format!("{activation:?}, {:?}", slope.map(|(slope, _)| slope)));
                let negative = want.iter().any(|x| x.to_f64().to_bits() == (-0.0_f64).to_bits());
                assert!(negative || activation.is_some() || slope.is_some(), "there is a negative zero");
            }
        }
    }
}

#[test]
fn functions_in_the_epilogue_are_those_of_maps() {
    odd_sums::<f32>();
    odd_sums::<f64>();
}

#[test]
fn values_that_are_not_finite_stay_in_their_rows_and_columns() {
    let (m, k, n) = (9, 20, 21);
    let mut r = Random(8);
    let (mut a, mut b) = (r.values::<f32>(m * k), r.values::<f32>(k * n));
    a[3 * k + 7] = f32::INFINITY;
    b[5 * n + 20] = f32::NAN;
    let (a, b) = (Mat::new(&a, m, k), Mat::new(&b, k, n));
    for activation in [None, Some(Activation::Relu)] {
        let mut c = vec![f32::NAN; m * n];
        gemm(&mut c, a, b, Epilogue { activation, ..Epilogue::default() });
        for (at, x) in c.iter().enumerate() {
            let (i, j) = (at / n, at % n);
            assert_eq!(x.is_nan(), j == 20, "({i}, {j})");
            assert!(i == 3 || j == 20 || x.is_finite(), "({i}, {j})");
        }
    }
}
