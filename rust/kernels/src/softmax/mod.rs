//! Softmax and its relatives over rows: contiguous, row-major `rows × cols`.
//!
//! A row's result depends on that row and the number of columns alone, not on how many rows there are. NaN anywhere in a
//! row makes the whole row NaN, and so does +∞, or −∞ everywhere (but for [`logsumexp`], which is then infinite).

mod cross_entropy;
mod rows;

pub(crate) use cross_entropy::CrossEntropies;
pub use cross_entropy::{BadLabel, cross_entropy};

use rows::{max_narrow, max_row, narrow_read, narrow_write, shift_narrow, sum_exp_row, write_exp_row};

use crate::entries::entries;
use crate::lanes::map_lanes;
use crate::map::GRAIN_TRANSCENDENTAL;
use crate::math;
use crate::simd::{Kernel, Real, Simd};
use crate::split::split;

/// Rows that are processed together divide evenly into these, for both types.
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
    /// The gradient of [`softmax`] whose value was `y`: `out[i][j] = y[i][j]·(g[i][j] - Σₖ g[i][k]·y[i][k])`.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of `cols`.
    pub fn softmax_grad(out: &mut [T], y: &[T], g: &[T], cols: usize) = softmax_grad_body;
    /// The gradient of [`log_softmax`] whose value was `y`: `out[i][j] = g[i][j] - exp(y[i][j])·Σₖ g[i][k]`.
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
    assert_eq!(out.len(), x.len(), "rows in and out must be as many");
    if x.is_empty() {
        return;
    }
    assert!(cols > 0 && x.len().is_multiple_of(cols), "rows must be whole");
    let unit = cols * UNIT_ROWS;
    split(out, unit, GRAIN_TRANSCENDENTAL, |start, out| {
        let x = &x[start..start + out.len()];
        T::run(ForwardKernel { op, out, x, cols });
    });
}

fn backward<T: Real>(op: Forward, out: &mut [T], y: &[T], g: &[T], cols: usize) {
    assert!(out.len() == y.len() && out.len() == g.len(), "rows in and out must be as many");
    if y.is_empty() {
        return;
    }
    assert!(cols > 0 && y.len().is_multiple_of(cols), "rows must be whole");
    split(out, cols, GRAIN_TRANSCENDENTAL, |start, out| {
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
        if cols > S::LANES {
            for (out, x) in self.out.chunks_exact_mut(cols).zip(self.x.chunks_exact(cols)) {
                wide(s, self.op, out, x);
            }
            return;
        }
        let block = S::LANES * cols;
        for (out, x) in self.out.chunks_mut(block).zip(self.x.chunks(block)) {
            let mut v = narrow_read::<T, S>(s, x, cols);
            let v = &mut v[..cols];
            shift_narrow(s, v);
            let mut sum = s.splat(T::ZERO);
            for v in v.iter_mut() {
                let e = math::exp(s, *v);
                sum = s.add(sum, e);
                if self.op == Forward::Softmax {
                    *v = e;
                }
            }
            if self.op == Forward::Softmax {
                let scale = s.div(s.splat(T::ONE), sum);
                for v in v.iter_mut() {
                    *v = s.mul(*v, scale);
                }
            } else {
                let log = math::log(s, sum);
                for v in v.iter_mut() {
                    *v = s.sub(*v, log);
                }
            }
            narrow_write(s, out, v, cols);
        }
    }
}

/// One row of more than a vector.
#[inline(always)]
fn wide<T: Real, S: Simd<T>>(s: S, op: Forward, out: &mut [T], x: &[T]) {
    let max = max_row(s, x);
    if op == Forward::Softmax {
        let sum = write_exp_row(s, out, x, max);
        let scale = s.splat(T::ONE / sum);
        map_lanes!(s: S, [out => v] <- [], (s.mul(v, scale),));
    } else {
        let sum = sum_exp_row(s, x, max);
        let log = math::log(s, s.splat(sum));
        let max = s.splat(max);
        map_lanes!(s: S, [out => y] <- [x => x], (s.sub(s.sub(x, max), log),));
    }
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
        for (out, x) in self.out.chunks_mut(S::LANES).zip(self.x.chunks(S::LANES * cols)) {
            let (max, sum) = if cols > S::LANES {
                let (mut max, mut sum) = (T::Lanes::default(), T::Lanes::default());
                let stats = max.as_mut().iter_mut().zip(sum.as_mut());
                for ((max, sum), x) in stats.zip(x.chunks_exact(cols)) {
                    *max = finite_or_zero(max_row(s, x));
                    *sum = sum_exp_row(s, x, *max);
                }
                // SAFETY: `Real::Lanes` is a vector's array.
                unsafe { (s.load(max.as_ref().as_ptr()), s.load(sum.as_ref().as_ptr())) }
            } else {
                let v = narrow_read::<T, S>(s, x, cols);
                let max = max_narrow(s, &v[..cols]);
                // Differences of infinities would be NaN.
                let max = s.select(s.lt(s.abs(max), s.splat(T::INFINITY)), max, s.splat(T::ZERO));
                let mut sum = s.splat(T::ZERO);
                for &v in &v[..cols] {
                    sum = s.add(sum, math::exp(s, s.sub(v, max)));
                }
                (max, sum)
            };
            let y = s.add(max, math::log(s, sum));
            // SAFETY: `out` has at most `LANES` elements.
            unsafe { s.store_head(out.as_mut_ptr(), y, out.len()) };
        }
    }
}

/// Differences of infinities would be NaN.
#[inline(always)]
fn finite_or_zero<T: Real>(x: T) -> T {
    if x > T::NEG_INFINITY && x < T::INFINITY { x } else { T::ZERO }
}

struct BackwardKernel<'a, T> {
    op: Forward,
    out: &'a mut [T],
    y: &'a [T],
    g: &'a [T],
    cols: usize,
}

impl<T: Real> Kernel<T> for BackwardKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let cols = self.cols;
        let rows = self.y.chunks_exact(cols).zip(self.g.chunks_exact(cols));
        for (out, (y, g)) in self.out.chunks_exact_mut(cols).zip(rows) {
            if self.op == Forward::Softmax {
                let dot = s.splat(rows::sum_row(s, g, Some(y)));
                map_lanes!(s: S, [out => z] <- [y => y, g => g], (s.mul(y, s.sub(g, dot)),));
            } else {
                let sum = s.splat(rows::sum_row(s, g, None));
                map_lanes!(s: S, [out => z] <- [y => y, g => g], (s.sub(g, s.mul(math::exp(s, y), sum)),));
            }
        }
    }
}
