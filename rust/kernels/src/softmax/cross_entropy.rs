//! Softmax cross-entropy with its gradient, in one pass over the logits.

use super::UNIT_ROWS;
use super::rows::{Narrow, group_rows, maxima, rows, sum_exp_row, write_exp_row};
use crate::entries::entries;
use crate::lanes::map_lanes;
use crate::map::GRAIN_TRANSCENDENTAL;
use crate::math;
use crate::reduce::fold::Sum;
use crate::simd::{Kernel, Real, Simd};
use crate::split::split_rows;

/// A label that names no column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadLabel {
    /// The row, counted from 0.
    pub row: usize,
    /// Its label.
    pub label: i64,
}

entries! { CrossEntropies for [f32 f64] where T: Real {
    /// `loss[i] = ln Σₖ exp(x[i][k]) - x[i][labels[i]]` for logits `x` of `rows × cols`, and into `grad`, if given,
    /// `scale·(softmax(x)[i][j] - (j == labels[i]))`: the gradient of `scale·Σᵢ loss[i]`.
    ///
    /// Fails on the first label that is not in `0..cols`, before anything is written.
    ///
    /// # Panics
    /// If there is not one loss and one label for every row, or the gradient's length is not that of the logits.
    pub fn cross_entropy(
        loss: &mut [T],
        grad: Option<&mut [T]>,
        logits: &[T],
        labels: &[i64],
        cols: usize,
        scale: T,
    ) -> Result<(), BadLabel> = cross_entropy_body;
} }

fn cross_entropy_body<T: Real>(
    loss: &mut [T],
    grad: Option<&mut [T]>,
    logits: &[T],
    labels: &[i64],
    cols: usize,
    scale: T,
) -> Result<(), BadLabel> {
    let rows = loss.len();
    assert_eq!(labels.len(), rows, "there must be one label for every row");
    assert_eq!(Some(logits.len()), rows.checked_mul(cols), "there must be one loss for every row");
    assert!(grad.as_ref().is_none_or(|g| g.len() == logits.len()), "the gradient must have the logits' length");
    if let Some(row) = labels.iter().position(|&l| l < 0 || l >= cols as i64) {
        return Err(BadLabel { row, label: labels[row] });
    }
    if rows == 0 {
        return Ok(());
    }
    let grad = grad.unwrap_or_default();
    split_rows(rows, (loss, grad), UNIT_ROWS, GRAIN_TRANSCENDENTAL.div_ceil(cols), |start, loss, grad| {
        let part = start..start + loss.len();
        let logits = &logits[part.start * cols..part.end * cols];
        T::run(CrossEntropy { loss, grad, logits, labels: &labels[part], cols, scale });
    });
    Ok(())
}

struct CrossEntropy<'a, T> {
    loss: &'a mut [T],
    /// As long as the logits, or empty.
    grad: &'a mut [T],
    logits: &'a [T],
    labels: &'a [i64],
    cols: usize,
    scale: T,
}

impl<T: Real> Kernel<T> for CrossEntropy<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let cols = self.cols;
        let wide_rows = cols > S::LANES;
        let count = if wide_rows { group_rows::<T, S>(cols) } else { S::LANES };
        let mut grad = self.grad;
        let blocks = self.loss.chunks_mut(count).zip(self.logits.chunks(count * cols));
        for ((loss, x), labels) in blocks.zip(self.labels.chunks(count)) {
            let (part, others) = grad.split_at_mut(x.len().min(grad.len()));
            grad = others;
            let (max, sum) = if wide_rows {
                wide(s, part, x, labels, self.scale, count * cols)
            } else {
                narrow(s, part, x, labels, self.scale)
            };
            let mut own = T::Lanes::default();
            for ((own, &label), x) in own.as_mut().iter_mut().zip(labels).zip(x.chunks_exact(cols)) {
                *own = x[label as usize];
            }
            // SAFETY: `Real::Lanes` is a vector's array, and `loss` has at most `LANES` elements.
            unsafe {
                let y = s.add(math::log(s, sum), s.sub(max, s.load(own.as_ref().as_ptr())));
                s.store_head(loss.as_mut_ptr(), y, loss.len());
            }
        }
    }
}

/// The largest elements of rows of more than a vector, and the sums of their exponentials after these are subtracted; the next
/// rows lie `ahead` elements behind.
#[inline(always)]
fn wide<T: Real, S: Simd<T>>(s: S, grad: &mut [T], x: &[T], labels: &[i64], scale: T, ahead: usize) -> (S::V, S::V) {
    let cols = x.len() / labels.len();
    let max = maxima(s, x, cols);
    let all = s.to_array(max);
    let all = all.as_ref();
    let row = |i: usize| &x[i * cols..][..cols];
    if grad.is_empty() {
        return (max, rows!(s: S, Sum, i in labels.len(), sum_exp_row(s, row(i), all[i])));
    }
    let sums = rows!(s: S, Sum, i in labels.len(), {
        write_exp_row(s, &mut grad[i * cols..][..cols], row(i), all[i], ahead)
    });
    let factors = s.to_array(s.div(s.splat(scale), sums));
    for (i, grad) in grad.chunks_exact_mut(cols).enumerate() {
        let factor = s.splat(factors.as_ref()[i]);
        map_lanes!(s: S, [grad => e] <- [], (s.mul(e, factor),));
    }
    less_labels(grad, labels, scale);
    (max, sums)
}

/// The same of rows of at most a vector.
#[inline(always)]
fn narrow<T: Real, S: Simd<T>>(s: S, grad: &mut [T], x: &[T], labels: &[i64], scale: T) -> (S::V, S::V) {
    let cols = x.len() / labels.len();
    let mut v = Narrow::read(s, x, cols);
    let max = v.maxima(s);
    let mut sum = s.splat(T::ZERO);
    for j in 0..cols {
        let e = math::exp_bounded(s, s.sub(v.get(s, j), max));
        sum = s.add(sum, e);
        v.set(s, j, e);
    }
    if !grad.is_empty() {
        let factor = s.div(s.splat(scale), sum);
        for j in 0..cols {
            v.set(s, j, s.mul(v.get(s, j), factor));
        }
        v.write(s, grad);
        less_labels(grad, labels, scale);
    }
    (max, sum)
}

/// Subtracts `scale` at every row's label.
#[inline(always)]
fn less_labels<T: Real>(grad: &mut [T], labels: &[i64], scale: T) {
    for (grad, &label) in grad.chunks_exact_mut(grad.len() / labels.len()).zip(labels) {
        grad[label as usize] = grad[label as usize] - scale;
    }
}
