//! Softmax cross-entropy with its gradient, in one pass over the logits.

use super::UNIT_ROWS;
use super::rows::{max_row, narrow_read, narrow_write, shift_narrow, sum_exp_row, write_exp_row};
use crate::entries::entries;
use crate::lanes::map_lanes;
use crate::map::GRAIN_TRANSCENDENTAL;
use crate::math;
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
        let block = S::LANES * self.cols;
        let mut grad = self.grad;
        let blocks = self.loss.chunks_mut(S::LANES).zip(self.logits.chunks(block));
        for ((loss, x), labels) in blocks.zip(self.labels.chunks(S::LANES)) {
            let (part, rest) = grad.split_at_mut(x.len().min(grad.len()));
            grad = rest;
            // The logarithm's argument, and what is added to it.
            let (mut sum, mut rest) = (T::Lanes::default(), T::Lanes::default());
            let (sums, rests) = (&mut sum.as_mut()[..loss.len()], &mut rest.as_mut()[..loss.len()]);
            if self.cols > S::LANES {
                wide(s, part, x, labels, self.scale, sums, rests);
            } else {
                narrow(s, part, x, labels, self.scale, sums, rests);
            }
            // SAFETY: `Real::Lanes` is a vector's array, and `loss` has at most `LANES` elements.
            unsafe {
                let log = math::log(s, s.load(sum.as_ref().as_ptr()));
                s.store_head(loss.as_mut_ptr(), s.add(log, s.load(rest.as_ref().as_ptr())), loss.len());
            }
        }
    }
}

#[inline(always)]
fn wide<T: Real, S: Simd<T>>(s: S, grad: &mut [T], x: &[T], labels: &[i64], scale: T, sums: &mut [T], rests: &mut [T]) {
    let cols = x.len() / labels.len();
    for (i, (x, &label)) in x.chunks_exact(cols).zip(labels).enumerate() {
        let max = max_row(s, x);
        rests[i] = max - x[label as usize];
        if grad.is_empty() {
            sums[i] = sum_exp_row(s, x, max);
            continue;
        }
        sums[i] = write_exp_row(s, &mut grad[i * cols..][..cols], x, max);
        finish_row(s, &mut grad[i * cols..][..cols], label, scale, sums[i]);
    }
}

/// Makes the gradient of a row's exponentials.
#[inline(always)]
fn finish_row<T: Real, S: Simd<T>>(s: S, grad: &mut [T], label: i64, scale: T, sum: T) {
    let factor = s.splat(scale / sum);
    map_lanes!(s: S, [grad => e] <- [], (s.mul(e, factor),));
    grad[label as usize] = grad[label as usize] - scale;
}

#[inline(always)]
fn narrow<T: Real, S: Simd<T>>(
    s: S,
    grad: &mut [T],
    x: &[T],
    labels: &[i64],
    scale: T,
    sums: &mut [T],
    rests: &mut [T],
) {
    let cols = x.len() / labels.len();
    let mut v = narrow_read::<T, S>(s, x, cols);
    let v = &mut v[..cols];
    let max = s.to_array(shift_narrow(s, v));
    let mut sum = s.splat(T::ZERO);
    for v in v.iter_mut() {
        *v = math::exp(s, *v);
        sum = s.add(sum, *v);
    }
    let lanes = s.to_array(sum);
    for (i, &label) in labels.iter().enumerate() {
        sums[i] = lanes.as_ref()[i];
        rests[i] = max.as_ref()[i] - x[i * cols + label as usize];
    }
    if grad.is_empty() {
        return;
    }
    let factor = s.div(s.splat(scale), sum);
    for v in v.iter_mut() {
        *v = s.mul(*v, factor);
    }
    narrow_write(s, grad, v, cols);
    for (grad, &label) in grad.chunks_exact_mut(cols).zip(labels) {
        grad[label as usize] = grad[label as usize] - scale;
    }
}
