//! Reductions: over any dimensions, or along rows.

use rgrad_kernels::reduce::{ArgReductions, Axes, Reduce, arg_reduce, reduce, reduce_int, squares, sum_int};
use rgrad_kernels::softmax::{cross_entropy, log_softmax, log_softmax_grad, logsumexp, softmax, softmax_grad};
use rgrad_kernels::{Float, Integer};

use crate::Row;
use crate::data::{Bits, Hash, integers, odd, plain};

pub const ROWS: &[Row] = &[
    ("reduce::reduce", |hash| {
        reductions::<f32>(hash);
        reductions::<f64>(hash);
    }),
    ("reduce::squares", |hash| {
        sums_of_squares::<f32>(hash);
        sums_of_squares::<f64>(hash);
    }),
    ("reduce::reduce_int", |hash| {
        int_reductions::<i64>(hash);
        int_reductions::<i32>(hash);
        int_reductions::<u8>(hash);
    }),
    ("reduce::sum_int", |hash| {
        int_sums::<i64>(hash);
        int_sums::<i32>(hash);
        int_sums::<u8>(hash);
    }),
    ("reduce::arg_reduce", |hash| {
        arg_reductions::<f32>(hash, &odd(N, 1, 9973));
        arg_reductions::<f64>(hash, &odd(N, 1, 97));
        arg_reductions::<i64>(hash, &integers(N, 1));
        arg_reductions::<i32>(hash, &integers(N, 1));
        arg_reductions::<u8>(hash, &integers(N, 1));
    }),
    ("softmax::softmax", |hash| {
        along_rows::<f32>(hash, softmax);
        along_rows::<f64>(hash, softmax);
    }),
    ("softmax::log_softmax", |hash| {
        along_rows::<f32>(hash, log_softmax);
        along_rows::<f64>(hash, log_softmax);
    }),
    ("softmax::logsumexp", |hash| {
        let one = |out: &mut [_], x: &[_], cols| logsumexp(&mut out[..x.len() / cols], x, cols);
        along_rows::<f32>(hash, one);
        let one = |out: &mut [_], x: &[_], cols| logsumexp(&mut out[..x.len() / cols], x, cols);
        along_rows::<f64>(hash, one);
    }),
    ("softmax::softmax_grad", |hash| {
        gradients::<f32>(hash, softmax_grad);
        gradients::<f64>(hash, softmax_grad);
    }),
    ("softmax::log_softmax_grad", |hash| {
        gradients::<f32>(hash, log_softmax_grad);
        gradients::<f64>(hash, log_softmax_grad);
    }),
    ("softmax::cross_entropy", |hash| {
        cross_entropies::<f32>(hash);
        cross_entropies::<f64>(hash);
    }),
];

/// More than eight tasks of the cheapest.
const N: usize = 300_001;

type Dims = &'static [usize];

/// The kept and the reduced dimensions, as shapes and strides: rows, columns, all, several at once, transposed, none.
const AXES: [[(Dims, Dims); 2]; 10] = [
    [(&[29], &[10_001]), (&[10_001], &[1])],
    [(&[10_001], &[29]), (&[29], &[1])],
    [(&[731], &[1]), (&[401], &[731])],
    [(&[9], &[1]), (&[33_000], &[9])],
    [(&[], &[]), (&[N], &[1])],
    [(&[], &[]), (&[N / 2], &[2])],
    [(&[30, 10], &[10_000, 1]), (&[1000], &[10])],
    [(&[100], &[100]), (&[30, 100], &[10_000, 1])],
    [(&[100, 40], &[1, 7000]), (&[70], &[100])],
    [(&[1], &[1]), (&[513], &[1])],
];

fn reductions<T: Float + Bits>(hash: &mut Hash) {
    for every in [N - 1, 997] {
        let x = odd::<T>(N, 1, every);
        for op in [Reduce::Sum, Reduce::Prod, Reduce::Max, Reduce::Min] {
            for [kept, reduced] in AXES {
                let mut out = vec![T::NAN; kept.0.iter().product()];
                reduce(op, &mut out, &x, Axes::new(kept.0, kept.1), Axes::new(reduced.0, reduced.1));
                hash.add(&out);
            }
        }
    }
}

fn sums_of_squares<T: Float + Bits>(hash: &mut Hash) {
    for every in [N - 1, 997] {
        let (x, about) = (odd::<T>(N, 1, every), odd::<T>(N, 2, every));
        for [kept, reduced] in AXES {
            let mut out = vec![T::NAN; kept.0.iter().product()];
            let (kept, reduced) = (Axes::new(kept.0, kept.1), Axes::new(reduced.0, reduced.1));
            let about = &about[..out.len()];
            squares(&mut out, &x, about, kept, reduced);
            hash.add(&out);
        }
    }
}

fn int_reductions<T: Integer + Bits>(hash: &mut Hash) {
    let x = integers::<T>(N, 1);
    for op in [Reduce::Sum, Reduce::Prod, Reduce::Max, Reduce::Min] {
        for [kept, reduced] in AXES {
            let mut out = vec![T::default(); kept.0.iter().product()];
            reduce_int(op, &mut out, &x, Axes::new(kept.0, kept.1), Axes::new(reduced.0, reduced.1));
            hash.add(&out);
        }
    }
}

fn int_sums<T: Integer + Bits>(hash: &mut Hash) {
    let x = integers::<T>(N, 1);
    for [kept, reduced] in AXES {
        let mut out = vec![-1; kept.0.iter().product()];
        sum_int(&mut out, &x, Axes::new(kept.0, kept.1), Axes::new(reduced.0, reduced.1));
        hash.add(&out);
    }
}

fn arg_reductions<T: ArgReductions>(hash: &mut Hash, x: &[T]) {
    for max in [false, true] {
        for [kept, reduced] in AXES {
            let mut out = vec![-1; kept.0.iter().product()];
            arg_reduce(max, &mut out, x, Axes::new(kept.0, kept.1), Axes::new(reduced.0, reduced.1));
            hash.add(&out);
        }
    }
}

/// Rows and columns: narrow ones at which several rows share a vector, around a vector and a tile, wide ones; and one
/// row.
const MATRICES: [(usize, usize); 13] = [
    (9001, 1),
    (3001, 3),
    (7001, 10),
    (999, 15),
    (999, 16),
    (999, 17),
    (501, 100),
    (67, 511),
    (131, 513),
    (37, 1000),
    (9, 8193),
    (1, 70_001),
    (0, 5),
];

fn along_rows<T: Float + Bits>(hash: &mut Hash, run: fn(&mut [T], &[T], usize)) {
    for (rows, cols) in MATRICES {
        for every in [rows * cols + 3, 777] {
            let x = odd::<T>(rows * cols, 1, every);
            let mut out = vec![T::NAN; x.len()];
            run(&mut out, &x, cols);
            hash.add(&out);
        }
    }
}

fn gradients<T: Float + Bits>(hash: &mut Hash, run: fn(&mut [T], &[T], &[T], usize)) {
    for (rows, cols) in MATRICES {
        let (y, g) = (odd::<T>(rows * cols, 1, 777), plain::<T>(rows * cols, 2));
        let mut out = vec![T::NAN; y.len()];
        run(&mut out, &y, &g, cols);
        hash.add(&out);
    }
}

fn cross_entropies<T: Float + Bits>(hash: &mut Hash) {
    for (rows, cols) in MATRICES {
        let labels: Vec<i64> = (0..rows).map(|r| (r * r % cols) as i64).collect();
        for every in [rows * cols + 3, 777] {
            let x = odd::<T>(rows * cols, 1, every);
            let (mut loss, mut grad) = (vec![T::NAN; rows], vec![T::NAN; x.len()]);
            cross_entropy(&mut loss, Some(&mut grad), &x, &labels, cols, T::from_f64(0.1)).unwrap();
            hash.add(&loss);
            hash.add(&grad);
            loss.fill(T::NAN);
            cross_entropy(&mut loss, None, &x, &labels, cols, T::from_f64(0.1)).unwrap();
            hash.add(&loss);
        }
    }
}
