//! Softmax, log-softmax and log-sum-exp over the rows of a contiguous, row-major `rows × cols` matrix.
//!
//! A row's result depends on that row alone, not on the number of rows. NaN anywhere in a row makes the whole row NaN,
//! and so does +∞, or −∞ everywhere (except for [`logsumexp`], which is then infinite).

mod cross_entropy;
pub(crate) mod rows;

pub use cross_entropy::CrossEntropies;
pub use cross_entropy::{BadLabel, cross_entropy};

use rows::{Narrow, group_rows, is_zero, maxima, rows, sum_exp_row, sum_row, write_exp_row};

use crate::entries::entries;
use crate::lanes::map_lanes;
use crate::math;
use crate::reduce::fold::Sum;
use crate::simd::{Kernel, Real, Simd};
use crate::split::{GRAIN_TRANSCENDENTAL, split};

/// Parts start at multiples of this number of rows, which groups of rows divide for both types.
const UNIT_ROWS: usize = 16;

entries! { Softmaxes for [f32 f64] where T: Real {
    /// `out[i][j] = exp(x[i][j]) / Σₖ exp(x[i][k])`.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of `cols`.
    pub fn softmax(out: &mut [T], x: &[T], cols: usize) = softmax_body;
    /// `out[i][j] = x[i][j] - ln Σₖ exp(x[i][k])`.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of `cols`.
    pub fn log_softmax(out: &mut [T], x: &[T], cols: usize) = log_softmax_body;
    /// `out[i] = ln Σₖ exp(x[i][k])`.
    ///
    /// # Panics
    /// If `x` does not have `cols` elements for every one of `out`.
    pub fn logsumexp(out: &mut [T], x: &[T], cols: usize) = logsumexp_body;
    /// The backward function of [`softmax`] for the value `y`: `out[i][j] = y[i][j]·(g[i][j] - Σₖ g[i][k]·y[i][k])`,
    /// and 0 in rows where `g` is 0, whatever `y` is.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of `cols`.
    pub fn softmax_grad(out: &mut [T], y: &[T], g: &[T], cols: usize) = softmax_grad_body;
    /// The backward function of [`log_softmax`] for the value `y`: `out[i][j] = g[i][j] - exp(y[i][j])·Σₖ g[i][k]`, and
    /// 0 in rows where `g` is 0, whatever `y` is.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of `cols`.
    pub fn log_softmax_grad(out: &mut [T], y: &[T], g: &[T], cols: usize) = log_softmax_grad_body;
} }

fn softmax_body<T: Real>(out: &mut [T], x: &[T], cols: usize) {
    forward(Forward::Softmax, out, x, cols);
}

fn log_softmax_body<T: Real>(out: &mut [T], x: &[T], cols: usize) {
    forward(Forward::LogSoftmax, out, x, cols);
}

fn logsumexp_body<T: Real>(out: &mut [T], x: &[T], cols: usize) {
    assert_eq!(Some(x.len()), out.len().checked_mul(cols), "there must be one output for every row");
    if cols == 0 {
        return out.fill(T::NEG_INFINITY);
    }
    split(out, UNIT_ROWS, GRAIN_TRANSCENDENTAL.div_ceil(cols), |start, out| {
        let x = &x[start * cols..][..out.len() * cols];
        T::run(LogSumExp { out, x, cols });
    });
}

fn softmax_grad_body<T: Real>(out: &mut [T], y: &[T], g: &[T], cols: usize) {
    backward(Forward::Softmax, out, y, g, cols);
}

fn log_softmax_grad_body<T: Real>(out: &mut [T], y: &[T], g: &[T], cols: usize) {
    backward(Forward::LogSoftmax, out, y, g, cols);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forward {
    Softmax,
    LogSoftmax,
}

fn forward<T: Real>(op: Forward, out: &mut [T], x: &[T], cols: usize) {
    assert_eq!(out.len(), x.len(), "the operands and the output must have the same length");
    if x.is_empty() {
        return;
    }
    assert!(cols > 0 && x.len().is_multiple_of(cols), "the length must be a multiple of the row length");
    let unit = cols * UNIT_ROWS;
    split(out, unit, GRAIN_TRANSCENDENTAL, |start, out| {
        let x = &x[start..start + out.len()];
        T::run(ForwardKernel { op, out, x, cols });
    });
}

fn backward<T: Real>(op: Forward, out: &mut [T], y: &[T], g: &[T], cols: usize) {
    assert!(out.len() == y.len() && out.len() == g.len(), "the operands and the output must have the same length");
    if y.is_empty() {
        return;
    }
    assert!(cols > 0 && y.len().is_multiple_of(cols), "the length must be a multiple of the row length");
    split(out, cols * UNIT_ROWS, GRAIN_TRANSCENDENTAL, |start, out| {
        let part = start..start + out.len();
        T::run(BackwardKernel { op, y: &y[part.clone()], g: &g[part], out, cols });
    });
}

struct ForwardKernel<'a, T> {
    op: Forward,
    out: &'a mut [T],
    x: &'a [T],
    cols: usize,
}

impl<T: Real> Kernel<T> for ForwardKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let cols = self.cols;
        let wide_rows = cols > S::LANES;
        let block = cols * if wide_rows { group_rows::<T, S>(cols) } else { S::LANES };
        for (out, x) in self.out.chunks_mut(block).zip(self.x.chunks(block)) {
            if wide_rows {
                wide(s, self.op, out, x, cols, block);
            } else {
                narrow(s, self.op, out, x, cols);
            }
        }
    }
}

/// Rows longer than a vector, `ahead` elements before the next ones.
#[inline(always)]
fn wide<T: Real, S: Simd<T>>(s: S, op: Forward, out: &mut [T], x: &[T], cols: usize, ahead: usize) {
    let max = s.to_array(maxima(s, x, cols));
    let max = max.as_ref();
    let count = x.len() / cols;
    let row = |i: usize| &x[i * cols..][..cols];
    if op == Forward::Softmax {
        let sums = rows!(s: S, Sum, i in count, {
            write_exp_row(s, &mut out[i * cols..][..cols], row(i), max[i], ahead)
        });
        let scales = s.to_array(s.div(s.splat(T::ONE), sums));
        for (out, &scale) in out.chunks_exact_mut(cols).zip(scales.as_ref()) {
            let scale = s.splat(scale);
            map_lanes!(s: S, [out => v] <- [], (s.mul(v, scale),));
        }
    } else {
        let sums = rows!(s: S, Sum, i in count, sum_exp_row(s, row(i), max[i]));
        let logs = s.to_array(math::log(s, sums));
        for (i, out) in out.chunks_exact_mut(cols).enumerate() {
            let (max, log, x) = (s.splat(max[i]), s.splat(logs.as_ref()[i]), row(i));
            map_lanes!(s: S, [out => y] <- [x => x], (s.sub(s.sub(x, max), log),));
        }
    }
}

/// Up to `LANES` rows of at most a vector.
#[inline(always)]
fn narrow<T: Real, S: Simd<T>>(s: S, op: Forward, out: &mut [T], x: &[T], cols: usize) {
    let mut v = Narrow::read(s, x, cols);
    let max = v.maxima(s);
    let mut sum = s.splat(T::ZERO);
    for j in 0..cols {
        let d = s.sub(v.get(s, j), max);
        let e = math::exp_bounded(s, d);
        sum = s.add(sum, e);
        v.set(s, j, if op == Forward::Softmax { e } else { d });
    }
    if op == Forward::Softmax {
        let scale = s.div(s.splat(T::ONE), sum);
        for j in 0..cols {
            v.set(s, j, s.mul(v.get(s, j), scale));
        }
    } else {
        let log = math::log(s, sum);
        for j in 0..cols {
            v.set(s, j, s.sub(v.get(s, j), log));
        }
    }
    v.write(s, out);
}

struct LogSumExp<'a, T> {
    out: &'a mut [T],
    x: &'a [T],
    cols: usize,
}

impl<T: Real> Kernel<T> for LogSumExp<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let cols = self.cols;
        let wide_rows = cols > S::LANES;
        let count = if wide_rows { group_rows::<T, S>(cols) } else { S::LANES };
        for (out, x) in self.out.chunks_mut(count).zip(self.x.chunks(count * cols)) {
            let (max, sum) = if wide_rows {
                let max = finite_or_zero(s, maxima(s, x, cols));
                let all = s.to_array(max);
                let row = |i: usize| &x[i * cols..][..cols];
                (max, rows!(s: S, Sum, i in out.len(), sum_exp_row(s, row(i), all.as_ref()[i])))
            } else {
                let v = Narrow::read(s, x, cols);
                let max = finite_or_zero(s, v.maxima(s));
                let mut sum = s.splat(T::ZERO);
                for j in 0..cols {
                    sum = s.add(sum, math::exp(s, s.sub(v.get(s, j), max)));
                }
                (max, sum)
            };
            let y = s.add(max, math::log(s, sum));
            // SAFETY: `out` has at most `LANES` elements.
            unsafe { s.store_head(out.as_mut_ptr(), y, out.len()) };
        }
    }
}

/// Replaces infinities by 0: their differences would be NaN.
#[inline(always)]
fn finite_or_zero<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.select(s.lt(s.abs(x), s.splat(T::INFINITY)), x, s.splat(T::ZERO))
}

struct BackwardKernel<'a, T> {
    op: Forward,
    out: &'a mut [T],
    y: &'a [T],
    g: &'a [T],
    cols: usize,
}

impl<'a, T: Real> Kernel<T> for BackwardKernel<'a, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let cols = self.cols;
        let block = cols * group_rows::<T, S>(cols);
        let inputs = self.y.chunks(block).zip(self.g.chunks(block));
        for (out, (y, g)) in self.out.chunks_mut(block).zip(inputs) {
            let row = |x: &'a [T], i: usize| &x[i * cols..][..cols];
            let softmax = self.op == Forward::Softmax;
            let sums = rows!(s: S, Sum, i in y.len() / cols, sum_row(s, row(g, i), softmax.then(|| row(y, i))));
            let sums = s.to_array(sums);
            for (i, out) in out.chunks_exact_mut(cols).enumerate() {
                let (y, g, sum) = (row(y, i), row(g, i), sums.as_ref()[i]);
                // Tested only where a zero is possible.
                if (if softmax { sum.to_f64().is_nan() } else { sum == T::ZERO }) && is_zero(g) {
                    out.fill(T::ZERO);
                    continue;
                }
                let sum = s.splat(sum);
                if softmax {
                    map_lanes!(s: S, [out => z] <- [y => y, g => g], (s.mul(y, s.sub(g, sum)),));
                } else {
                    map_lanes!(s: S, [out => z] <- [y => y, g => g], (s.sub(g, s.mul(math::exp(s, y), sum)),));
                }
            }
        }
    }
}
