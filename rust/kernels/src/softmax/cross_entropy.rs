//! Softmax cross-entropy with its gradient, in one pass over the logits.

use super::UNIT_ROWS;
use super::rows::{Narrow, group_rows, maxima, rows, sum_exp_row, write_exp_row};
use crate::entries::entries;
use crate::lanes::map_lanes;
use crate::math;
use crate::reduce::fold::Sum;
use crate::simd::{Kernel, Real, Simd};
use crate::split::{GRAIN_TRANSCENDENTAL, split_rows};

/// A label that is out of range.
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
    // The sign bit of either number says that the label is bad: an or over all labels, which vectorises.
    let signs = |label: i64| label | (cols as i64 - 1).wrapping_sub(label);
    if labels.iter().fold(0, |all, &label| all | signs(label)) < 0 {
        let row = labels.iter().position(|&label| signs(label) < 0).unwrap_or_default();
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
            let (max, sum, own) = if wide_rows {
                wide(s, part, x, labels, self.scale, count * cols)
            } else {
                narrow(s, part, x, labels, self.scale)
            };
            let y = s.add(math::log(s, sum), s.sub(max, own));
            // SAFETY: `loss` has at most `LANES` elements.
            unsafe { s.store_head(loss.as_mut_ptr(), y, loss.len()) };
        }
    }
}

/// For rows longer than a vector: their maxima, the sums of exponentials after subtracting these, and the elements at
/// the labels; the next rows are `ahead` elements further.
#[inline(always)]
fn wide<T: Real, S: Simd<T>>(
    s: S,
    grad: &mut [T],
    x: &[T],
    labels: &[i64],
    scale: T,
    ahead: usize,
) -> (S::V, S::V, S::V) {
    let cols = x.len() / labels.len();
    let max = maxima(s, x, cols);
    let all = s.to_array(max);
    let all = all.as_ref();
    let row = |i: usize| &x[i * cols..][..cols];
    let mut own = T::Lanes::default();
    for (i, (own, &label)) in own.as_mut().iter_mut().zip(labels).enumerate() {
        *own = row(i)[label as usize];
    }
    let own = s.load_array(&own);
    if grad.is_empty() {
        return (max, rows!(s: S, Sum, i in labels.len(), sum_exp_row(s, row(i), all[i])), own);
    }
    let sums = rows!(s: S, Sum, i in labels.len(), {
        write_exp_row(s, &mut grad[i * cols..][..cols], row(i), all[i], ahead)
    });
    let factors = s.to_array(s.div(s.splat(scale), sums));
    for (i, (grad, &label)) in grad.chunks_exact_mut(cols).zip(labels).enumerate() {
        let factor = s.splat(factors.as_ref()[i]);
        map_lanes!(s: S, [grad => e] <- [], (s.mul(e, factor),));
        grad[label as usize] = grad[label as usize] - scale;
    }
    (max, sums, own)
}

/// The same for rows of at most a vector.
#[inline(always)]
fn narrow<T: Real, S: Simd<T>>(s: S, grad: &mut [T], x: &[T], labels: &[i64], scale: T) -> (S::V, S::V, S::V) {
    let cols = x.len() / labels.len();
    let label = label_lanes::<T, S>(s, labels);
    let mut v = Narrow::read(s, x, cols);
    let max = v.maxima(s);
    let (mut sum, mut own) = (s.splat(T::ZERO), s.splat(T::ZERO));
    for j in 0..cols {
        let x = v.get(s, j);
        own = s.select(s.eq(label, s.splat(T::from_f64(j as f64))), x, own);
        let e = math::exp_bounded(s, s.sub(x, max));
        sum = s.add(sum, e);
        v.set(s, j, e);
    }
    if !grad.is_empty() {
        let scale = s.splat(scale);
        let factor = s.div(scale, sum);
        for j in 0..cols {
            let g = s.mul(v.get(s, j), factor);
            v.set(s, j, s.select(s.eq(label, s.splat(T::from_f64(j as f64))), s.sub(g, scale), g));
        }
        v.write(s, grad);
    }
    (max, sum, own)
}

/// Labels below [`Simd::LANES`], one for each lane; 0 in the remaining lanes.
#[inline(always)]
fn label_lanes<T: Real, S: Simd<T>>(s: S, labels: &[i64]) -> S::V {
    let mut lanes = T::Lanes::default();
    if labels.len() == S::LANES {
        // The same loop, with a constant length.
        for (lane, &label) in lanes.as_mut().iter_mut().zip(&labels[..S::LANES]) {
            *lane = T::from_f64(label as f64);
        }
    } else {
        for (lane, &label) in lanes.as_mut().iter_mut().zip(labels) {
            *lane = T::from_f64(label as f64);
        }
    }
    s.load_array(&lanes)
}
