//! Normalisation and its gradients, against formulas in double precision.

mod strided;

use rgrad_kernels::norm::{BLOCK, Normal, column_grad, normalize, row_grad, statistics, sums};
use rgrad_kernels::reduce::{Axes, squares};
use strided::numbers;

/// Rows and columns around a vector, a block, and the part of one thread.
const SHAPES: [(usize, usize); 12] = [
    (1, 1),
    (2, 3),
    (5, 7),
    (7, 16),
    (33, 17),
    (BLOCK, 15),
    (64, 10),
    (3, 513),
    (BLOCK + 1, 100),
    (200, 700),
    (0, 4),
    (4, 0),
];
const EPS: f64 = 1e-5;

/// What the kernels compute, in double precision.
struct Exact {
    mean: Vec<f64>,
    var: Vec<f64>,
    y: Vec<f64>,
    gx: Vec<f64>,
    gw: Vec<f64>,
    gb: Vec<f64>,
}

struct Case {
    cols: usize,
    by_column: bool,
    centred: bool,
    x: Vec<f64>,
    g: Vec<f64>,
    w: Vec<f64>,
    b: Vec<f64>,
}

impl Case {
    fn new((rows, cols): (usize, usize), by_column: bool, centred: bool) -> Self {
        let x = numbers(rows * cols, 1).iter().map(|x| 3.0 + x).collect();
        Self { cols, by_column, centred, x, g: numbers(rows * cols, 2), w: numbers(cols, 3), b: numbers(cols, 4) }
    }

    fn groups(&self) -> usize {
        if self.by_column { self.cols } else { self.x.len().checked_div(self.cols).unwrap_or(0) }
    }

    /// The group of element `i`.
    fn group(&self, i: usize) -> usize {
        if self.by_column { i % self.cols } else { i / self.cols }
    }

    /// For each group, the mean of `of(i)` over its elements.
    fn means(&self, of: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut means = vec![0.0; self.groups()];
        let n = self.x.len() as f64 / self.groups() as f64;
        for i in 0..self.x.len() {
            means[self.group(i)] += of(i) / n;
        }
        means
    }

    fn exact(&self) -> Exact {
        let n = self.x.len();
        let mean = if self.centred { self.means(|i| self.x[i]) } else { vec![0.0; self.groups()] };
        let var = self.means(|i| (self.x[i] - mean[self.group(i)]).powi(2));
        let scale: Vec<f64> = var.iter().map(|v| 1.0 / (v + EPS).sqrt()).collect();
        let normal: Vec<f64> = (0..n).map(|i| (self.x[i] - mean[self.group(i)]) * scale[self.group(i)]).collect();
        let h: Vec<f64> = (0..n).map(|i| self.g[i] * self.w[i % self.cols]).collect();
        let plain = if self.centred { self.means(|i| h[i]) } else { vec![0.0; self.groups()] };
        let products = self.means(|i| h[i] * normal[i]);
        let gx = |i: usize| {
            let k = self.group(i);
            scale[k] * (h[i] - plain[k] - normal[i] * products[k])
        };
        let (mut gw, mut gb) = (vec![0.0; self.cols], vec![0.0; self.cols]);
        for i in 0..n {
            gw[i % self.cols] += self.g[i] * normal[i];
            gb[i % self.cols] += self.g[i];
        }
        let y = (0..n).map(|i| normal[i] * self.w[i % self.cols] + self.b[i % self.cols]).collect();
        Exact { mean, var, y, gx: (0..n).map(gx).collect(), gw, gb }
    }
}

fn assert_close(got: &[f32], want: &[f64], scale: f64, what: &str) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((f64::from(*got) - want).abs() <= 1e-5 * (scale + want.abs()), "{what}: {got} is not {want}");
    }
}

#[test]
fn values_and_gradients() {
    for (by_column, centred) in [(false, true), (false, false), (true, true)] {
        for shape in SHAPES {
            let case = Case::new(shape, by_column, centred);
            let exact = case.exact();
            let what = format!("{shape:?}, by column {by_column}, centred {centred}");
            let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let (x, g, w, b) = (single(&case.x), single(&case.g), single(&case.w), single(&case.b));
            let nan = |n: usize| vec![f32::NAN; n];
            let [mut mean, mut var, mut scale] = [(); 3].map(|()| nan(case.groups()));
            statistics([&mut mean, &mut var, &mut scale], &x, case.cols, by_column, centred, EPS as f32);
            if x.is_empty() {
                continue;
            }
            assert_close(&mean, &exact.mean, 1.0, &what);
            assert_close(&var, &exact.var, 1.0, &what);
            let of = Normal { x: &x, cols: case.cols, mean: &mean, scale: &scale, by_column };
            let mut y = nan(x.len());
            normalize(&mut y, of, &w, &b);
            // A group of one number has the scale 1/√ε, which amplifies rounding errors.
            let steep = if case.x.len() == case.groups() { 300.0 } else { 10.0 };
            assert_close(&y, &exact.y, steep, &what);
            let blocks = shape.0.div_ceil(BLOCK);
            let mut parts = nan(blocks * 2 * case.cols);
            sums(&mut parts, of, &g);
            let mut total = vec![0.0_f32; 2 * case.cols];
            for block in parts.chunks(2 * case.cols) {
                for (total, x) in total.iter_mut().zip(block) {
                    *total += x;
                }
            }
            let (gw, gb) = total.split_at(case.cols);
            assert_close(gw, &exact.gw, steep * shape.0 as f64, &what);
            assert_close(gb, &exact.gb, shape.0 as f64, &what);
            let mut gx = nan(x.len());
            if by_column {
                column_grad(&mut gx, of, &g, &w, &total);
            } else {
                row_grad(&mut gx, of, &g, &w, centred);
            }
            assert_close(&gx, &exact.gx, 30.0 * steep, &what);
        }
    }
}

#[test]
fn squares_are_those_of_distances() {
    let (rows, cols) = (131, 70);
    let x: Vec<f64> = numbers(rows * cols, 1);
    let about = numbers(rows.max(cols), 2);
    for (kept, reduced) in [(0, 1), (1, 0)] {
        let (shape, strides) = ([rows, cols], [cols, 1]);
        let axes = |d: usize| Axes::new(&shape[d..=d], &strides[d..=d]);
        let about = &about[..shape[kept]];
        let mut got = vec![f64::NAN; shape[kept]];
        squares(&mut got, &x, about, axes(kept), axes(reduced));
        for (k, got) in got.iter().enumerate() {
            let want: f64 =
                (0..shape[reduced]).map(|r| (x[k * strides[kept] + r * strides[reduced]] - about[k]).powi(2)).sum();
            assert!((got - want).abs() <= 1e-13 * want, "{got} is not {want}");
        }
    }
}

#[test]
#[should_panic(expected = "one mean and one scale")]
fn missing_statistics_are_refused() {
    let of = Normal { x: &[1.0_f32; 6], cols: 3, mean: &[0.0], scale: &[1.0; 2], by_column: false };
    normalize(&mut [0.0; 6], of, &[1.0; 3], &[0.0; 3]);
}
