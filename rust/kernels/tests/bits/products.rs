//! Matrix products; nor do each row's bits depend on the number of rows.

use rgrad_kernels::Float;
use rgrad_kernels::gemm::{Activation, Epilogue, Mat, Packed, gemm, gemm_batched, gemm_packed};
use rgrad_kernels::tuning::KC;

use crate::Row;
use crate::data::{Bits, Hash, odd, plain};

pub const ROWS: &[Row] = &[
    ("gemm::gemm", |hash| {
        products::<f32>(hash);
        products::<f64>(hash);
    }),
    ("gemm::gemm_packed", |hash| {
        packed_products::<f32>(hash);
        packed_products::<f64>(hash);
    }),
    ("gemm::gemm_batched", |hash| {
        batches::<f32>(hash);
        batches::<f64>(hash);
    }),
];

/// (m, k, n) around tiles, vectors and blocks of k; thin, tiny and empty ones; and some that several threads share.
fn shapes() -> Vec<[usize; 3]> {
    let mut all = vec![
        [0, 5, 3],
        [3, 0, 5],
        [1, 1, 1],
        [1, 784, 256],
        [300, 784, 1],
        [300, 784, 2],
        [700, 300, 3],
        [100, 784, 10],
        [784, 100, 10],
        [10, 100, 784],
        [64, 64, 64],
        [97, KC - 1, 33],
        [25, KC + 1, 65],
        [7, 2 * KC, 49],
        [49, 2 * KC + 1, 15],
        [5, 1024, 129],
        [1, 3 * KC + 7, 1],
        [9, 3 * KC + 7, 31],
        [129, 129, 129],
    ];
    // Random ones, half of them below an eighth of the bound.
    let mut state = 1_u64;
    let mut draw = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) % (bound >> (state >> 33 & 7)).max(1)) as usize
    };
    all.extend(std::iter::repeat_with(|| [draw(128) + 1, draw(1024), draw(128) + 1]).take(25));
    all
}

/// A matrix with special numbers, in one of four layouts: row-major or transposed, each with or without padding.
struct Operand<T> {
    data: Vec<T>,
    size: [usize; 2],
    strides: [usize; 2],
}

impl<T: Float + Bits> Operand<T> {
    fn new(rows: usize, cols: usize, layout: usize, seed: u64, every: usize) -> Self {
        let strides = [[cols, 1], [1, rows], [2 * cols + 1, 2], [3, 3 * rows + 2]][layout];
        let reach = rows.saturating_sub(1) * strides[0] + cols.saturating_sub(1) * strides[1] + 1;
        Self { data: odd(reach, seed, every), size: [rows, cols], strides }
    }
    /// Rows from `first` on.
    fn rows(&self, first: usize, count: usize) -> Mat<'_, T> {
        let data = &self.data[(first * self.strides[0]).min(self.data.len())..];
        Mat { data, rows: count, cols: self.size[1], row_stride: self.strides[0], col_stride: self.strides[1] }
    }
    fn all(&self) -> Mat<'_, T> {
        self.rows(0, self.size[0])
    }
}

fn epilogue<'a, T: Float>(i: usize, bias: &'a [T], values: &'a [T]) -> Epilogue<'a, T> {
    use Activation::{Relu, Sigmoid, Tanh};
    Epilogue {
        bias: (!i.is_multiple_of(3)).then_some(bias),
        activation: [None, Some(Relu), Some(Tanh), Some(Sigmoid), None][i % 5],
        slope: [Relu, Tanh, Sigmoid].get(i % 4).map(|&slope| (slope, values)),
        accumulate: i % 2 == 1,
    }
}

fn products<T: Float + Bits>(hash: &mut Hash) {
    for (i, [m, k, n]) in shapes().into_iter().enumerate() {
        // NaN and infinities spread to whole rows: only every third product has them.
        let every = if i % 3 == 0 { 3001 } else { usize::MAX };
        for (a_layout, b_layout) in [(0, 0), (1, 0), (0, 1), (2 + i % 2, 3 - i % 2)] {
            let a = Operand::<T>::new(m, k, a_layout, 1, every);
            let b = Operand::<T>::new(k, n, b_layout, 2, every);
            let (bias, before) = (plain::<T>(n, 3), plain::<T>(m * n, 4));
            let values = odd::<T>(m * n, 5, 101);
            let epilogue = epilogue(i + a_layout + 2 * b_layout, &bias, &values);
            let mut c = before.clone();
            gemm(&mut c, a.all(), b.all(), epilogue);
            hash.add(&c);
            rows_alone(&c, &before, &a, &b, epilogue);
        }
    }
}

fn packed_products<T: Float + Bits>(hash: &mut Hash) {
    for (i, [m, k, n]) in shapes().into_iter().enumerate() {
        let (a, b) = (Operand::<T>::new(m, k, i % 2, 1, 3001), Operand::<T>::new(k, n, i / 2 % 4, 2, 3001));
        let (bias, values) = (plain::<T>(n, 3), odd::<T>(m * n, 5, 101));
        let mut packed = Packed::new(k, n).unwrap();
        packed.fill(b.all());
        let mut c = plain::<T>(m * n, 4);
        gemm_packed(&mut c, a.all(), &packed, epilogue(i, &bias, &values));
        hash.add(&c);
    }
}

/// Asserts that products of some of the rows give those rows of `c`.
fn rows_alone<T: Float + Bits>(c: &[T], before: &[T], a: &Operand<T>, b: &Operand<T>, epilogue: Epilogue<T>) {
    let ([m, k], n) = (a.size, b.size[1]);
    let bits = |x: &[T]| x.iter().map(|x| x.value()).collect::<Vec<_>>();
    for (first, count) in [(0, 1), (m / 2, 1), (m / 3, 7), (m / 4, m / 2), (1, m)] {
        let first = first.min(m);
        let count = count.min(m - first);
        let part = first * n..(first + count) * n;
        let mut alone = before[part.clone()].to_vec();
        let slope = epilogue.slope.map(|(slope, values)| (slope, &values[part.clone()]));
        let epilogue = Epilogue { slope, ..epilogue };
        gemm(&mut alone, a.rows(first, count), b.all(), epilogue);
        assert_eq!(bits(&alone), bits(&c[part]), "rows {first} to {} of {m}×{k}×{n}", first + count);
    }
}

fn batches<T: Float + Bits>(hash: &mut Hash) {
    for (i, (batch, [m, k, n])) in [
        (40, [20, 30, 40]),
        (3, [100, 784, 10]),
        (5, [33, KC + 1, 17]),
        (2, [1, 784, 300]),
        (300, [7, 65, 1]),
        (0, [3, 3, 3]),
    ]
    .into_iter()
    .enumerate()
    {
        let (a, b) = (odd::<T>(batch * m * k + 5, 1, 5003), odd::<T>(batch * k * n + 5, 2, 5003));
        let (bias, values) = (plain::<T>(n, 3), plain::<T>(batch * m * n, 5));
        // The matrices of B, and those of A transposed, each also one for all products.
        let every = |size: usize, on: bool| (0..batch).map(|i| if on { i * size } else { 5 }).collect::<Vec<_>>();
        for (a_own, b_own) in [(true, true), (false, true), (true, false)] {
            let mut c = plain::<T>(batch * m * n, 4);
            let (at, bt) = (every(m * k, a_own), every(k * n, b_own));
            gemm_batched(&mut c, Mat::new(&a, m, k), Mat::new(&b, k, n), &at, &bt, epilogue(i, &bias, &values));
            hash.add(&c);
            gemm_batched(
                &mut c,
                Mat::new(&a, k, m).t(),
                Mat::new(&b, n, k).t(),
                &at,
                &bt,
                epilogue(i + 1, &bias, &values),
            );
            hash.add(&c);
        }
    }
}
