//! Normalisation of rows and of columns.

use rgrad_kernels::Float;
use rgrad_kernels::norm::{BLOCK, Normal, column_grad, normalize, row_grad, statistics, sums};

use crate::Row;
use crate::data::{Bits, Hash, odd, plain};

pub const ROWS: &[Row] = &[
    ("norm::statistics", |hash| both(hash, groups, groups)),
    ("norm::normalize", |hash| both(hash, values, values)),
    ("norm::sums", |hash| both(hash, totals, totals)),
    ("norm::row_grad", |hash| both(hash, row_grads, row_grads)),
    ("norm::column_grad", |hash| both(hash, column_grads, column_grads)),
];

/// Rows and columns: fewer than a vector, around vectors and blocks of rows; enough for several tasks, and empty.
const MATRICES: [(usize, usize); 7] =
    [(30_001, 3), (7001, 17), (3001, 100), (BLOCK * 100, 64), (301, 1025), (1, 70_001), (0, 5)];

/// A matrix with its statistics, a gradient, weights and biases.
struct Example<T> {
    cols: usize,
    by_column: bool,
    x: Vec<T>,
    g: Vec<T>,
    w: Vec<T>,
    b: Vec<T>,
    /// Mean, variance, scale.
    statistics: [Vec<T>; 3],
}

impl<T: Float + Bits> Example<T> {
    fn new((rows, cols): (usize, usize), by_column: bool, every: usize) -> Self {
        let x = odd::<T>(rows * cols, 1, every);
        let mut statistics_of = [(); 3].map(|()| vec![T::NAN; if by_column { cols } else { rows }]);
        statistics(statistics_of.each_mut().map(Vec::as_mut_slice), &x, cols, by_column, true, T::from_f64(1e-5));
        Self {
            cols,
            by_column,
            g: plain(rows * cols, 2),
            w: plain(cols, 3),
            b: plain(cols, 4),
            x,
            statistics: statistics_of,
        }
    }

    fn normal(&self) -> Normal<'_, T> {
        let [mean, _, scale] = &self.statistics;
        Normal { x: &self.x, cols: self.cols, mean, scale, by_column: self.by_column }
    }
}

fn both(hash: &mut Hash, single: fn(&mut Hash, &Example<f32>), double: fn(&mut Hash, &Example<f64>)) {
    for shape in MATRICES {
        for by_column in [false, true] {
            for every in [shape.0 * shape.1 + 3, 777] {
                single(hash, &Example::new(shape, by_column, every));
                double(hash, &Example::new(shape, by_column, every));
            }
        }
    }
}

fn groups<T: Float + Bits>(hash: &mut Hash, of: &Example<T>) {
    for found in &of.statistics {
        hash.add(found);
    }
}

fn values<T: Float + Bits>(hash: &mut Hash, of: &Example<T>) {
    let mut out = vec![T::NAN; of.x.len()];
    normalize(&mut out, of.normal(), &of.w, &of.b);
    hash.add(&out);
}

fn totals<T: Float + Bits>(hash: &mut Hash, of: &Example<T>) {
    let rows = of.x.len() / of.cols;
    let mut out = vec![T::NAN; rows.div_ceil(BLOCK) * 2 * of.cols];
    sums(&mut out, of.normal(), &of.g);
    hash.add(&out);
}

fn row_grads<T: Float + Bits>(hash: &mut Hash, of: &Example<T>) {
    for centred in [false, true] {
        let mut out = vec![T::NAN; of.x.len()];
        if !of.by_column {
            row_grad(&mut out, of.normal(), &of.g, &of.w, centred);
        }
        hash.add(&out);
    }
}

fn column_grads<T: Float + Bits>(hash: &mut Hash, of: &Example<T>) {
    let mut out = vec![T::NAN; of.x.len()];
    if of.by_column {
        column_grad(&mut out, of.normal(), &of.g, &of.w, &plain(2 * of.cols, 5));
    }
    hash.add(&out);
}
