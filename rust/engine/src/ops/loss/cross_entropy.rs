//! Softmax and cross-entropy in one: fused for integer labels, with all that PyTorch's function takes around it.

use rgrad_kernels::reduce::{Axes, Reduce, reduce};
use rgrad_kernels::softmax as kernels;
use rgrad_macros::op;

use super::super::elementwise::{add, mul, mul_grad, number, sub};
use super::super::reduce::{scale, sum};
use super::super::softmax::{log_softmax, softmax};
use super::super::views::{expand_to, reshape_to};
use super::super::{cast, only};
use super::classes::{Labels, Scores, class_dim, class_weights, ignored_rows, indicator, labels_of, reduced, without};
use super::probabilities::expected_surprise;
use super::{Reduction, same_shape};
use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply, is_grad_enabled};
use crate::shape::Dims;
use crate::tensor::watch;
use crate::tensor::{Number, Tensor, scratch};

const OP: &str = "cross_entropy";

/// Softmax cross-entropy of (rows, classes) logits with one label per row, the second input.
///
/// Its second result is the slope, d loss / d logits: (softmax − one-hot) / rows for the mean, made in the same pass over the
/// logits as the loss.
#[derive(Clone, Copy)]
struct CrossEntropy {
    reduction: Reduction,
    /// The label that does not count.
    ignored: Option<i64>,
}

impl CrossEntropy {
    /// softmax − one-hot, divided by the number of labels that count for the mean, in tensor functions.
    fn slope_of(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let ignored = ignored_rows(labels, self.ignored)?;
        let p = softmax(&without(ignored.as_ref(), x)?, 1)?;
        let mut slope = sub(&p, &cast(&indicator(labels, x.shape()[1])?, x.dtype())?)?;
        if self.reduction == Reduction::Mean {
            let (ignored, dtype) = (self.ignored, x.dtype());
            let share = op::plain("share_of_labels", &[labels], move |labels, out| {
                let labels = labels[0].read::<i64>();
                match_float!(dtype, OP, T => out.build::<T>(OP, &[], dtype, |out| {
                    out[0] = (1.0 / count(labels.slice(), ignored) as f64) as T;
                    Ok(())
                }))
            })?;
            slope = mul(&slope, &share)?;
        }
        without(ignored.as_ref(), &slope)
    }
}

fn count(labels: &[i64], ignored: Option<i64>) -> usize {
    labels.iter().filter(|&&label| Some(label) != ignored).count()
}

/// Writes the losses of all rows and, if wanted, the slope; both are 0 in rows that are ignored. How many are not.
fn rows_of<T: kernels::CrossEntropies>(
    reduction: Reduction,
    ignored: Option<i64>,
    loss: &mut [T],
    mut slope: Option<&mut [T]>,
    logits: &[T],
    labels: &[i64],
    cols: usize,
) -> Result<usize> {
    let scale = |rows: usize| T::from_f64(if reduction == Reduction::Mean { 1.0 / rows as f64 } else { 1.0 });
    let rows = labels.len();
    // The kernel refuses labels that are out of range, and so finds ignored ones without a pass of its own.
    let in_range = ignored.is_some_and(|label| (0..cols as i64).contains(&label));
    if !in_range {
        match kernels::cross_entropy(loss, slope.as_deref_mut(), logits, labels, cols, scale(rows)) {
            Ok(()) => return Ok(rows),
            Err(_) if cols > 0 && ignored.is_some_and(|label| labels.contains(&label)) => {}
            Err(bad) => out_of_range(bad, cols)?,
        }
    }
    let counted = count(labels, ignored);
    let done = scratch(rows, |any| {
        for (any, &label) in any.iter_mut().zip(labels) {
            *any = if Some(label) == ignored { 0 } else { label };
        }
        Ok(kernels::cross_entropy(loss, slope.as_deref_mut(), logits, any, cols, scale(counted)))
    })?;
    done.or_else(|bad| out_of_range(bad, cols))?;
    for (row, _) in labels.iter().enumerate().filter(|&(_, &label)| Some(label) == ignored) {
        loss[row] = T::ZERO;
        if let Some(slope) = &mut slope {
            slope[row * cols..][..cols].fill(T::ZERO);
        }
    }
    Ok(counted)
}

fn out_of_range(bad: kernels::BadLabel, cols: usize) -> Result<()> {
    let (label, row, last) = (bad.label, bad.row, cols as isize - 1);
    fail!(Value, "cross_entropy: label {label} in row {row} is out of range for {cols} classes (expected 0 to {last})")
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        OP
    }
    fn flops(&self, x: &[Vec<usize>], _: &[Vec<usize>]) -> f64 {
        4.0 * x[0].iter().product::<usize>() as f64
    }
    fn kind(&self) -> op::Kind {
        op::Kind::Refuses
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (rows, cols, dtype) = (x[0].shape()[0], x[0].shape()[1], x[0].dtype());
        let shape = if self.reduction == Reduction::None { &[rows][..] } else { &[] };
        let differentiate = is_grad_enabled() && x[0].requires_grad();
        match_float!(dtype, OP, T => {
            let (logits, labels) = (x[0].read::<T>(), x[1].read::<i64>());
            let (logits, labels) = (logits.slice(), labels.slice());
            let fill = |loss: &mut [T], slope: Option<&mut [T]>| {
                if self.reduction == Reduction::None {
                    rows_of(self.reduction, self.ignored, loss, slope, logits, labels, cols)?;
                    return Ok(());
                }
                // The examples' losses are not taped: this rule covers their reduction too.
                scratch(rows, |each| {
                    let counted = rows_of(self.reduction, self.ignored, each, slope, logits, labels, cols)?;
                    reduce(Reduce::Sum, loss, each, Axes::new(&[], &[]), Axes::new(&[rows], &[1]));
                    if self.reduction == Reduction::Mean {
                        loss[0] /= counted as T;
                    }
                    Ok(())
                })
            };
            if out.wants(1, differentiate) {
                out.build_all(OP, [shape, x[0].shape()], dtype, |[loss, slope]| fill(loss, Some(slope)))
            } else {
                out.build(OP, shape, dtype, |loss| fill(loss, None))
            }
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let (x, labels) = (saved.input(0), saved.input(1));
        let rows = x.shape()[0];
        let plain = op::is_plain(saved, g);
        let slope = match saved.extra() {
            Some(slope) if plain => slope.clone(),
            _ => self.slope_of(x, labels)?,
        };
        if self.reduction != Reduction::None && plain && watch::is_known(g) && g.item()? == Number::Float(1.0) {
            return Ok([Some(slope), None].into_iter().collect());
        }
        let mut per_row = if self.reduction == Reduction::None { reshape_to(g, &[rows, 1])? } else { g.clone() };
        if let Some(ignored) = ignored_rows(labels, self.ignored)? {
            // An infinite factor is no factor of rows that do not count.
            per_row = without(Some(&ignored), &expand_to(&per_row, &[rows, 1])?)?;
        }
        Ok([Some(mul_grad(&per_row, &slope)?), None].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let tangent = without(ignored_rows(x[1], self.ignored)?.as_ref(), only(t))?;
        let tangents = sum(&mul_grad(&tangent, &self.slope_of(x[0], x[1])?)?, Some(&[1]), false)?;
        if self.reduction == Reduction::None { Ok(tangents) } else { sum(&tangents, None, false) }
    }
}

fn fused(scores: &Scores, labels: &Tensor, ignored: Option<i64>, reduction: Reduction) -> Result<Tensor> {
    apply(CrossEntropy { reduction, ignored }, &[&scores.rows, labels])
}

/// Cross-entropy of softmax(input) against labels or probabilities, computed from the logits without overflow.
///
/// The loss of an example is `weight[label]` (ln Σ exp(x) − `x[label]`), or with probabilities t −Σ t · weight · ln
/// softmax(x).
///
/// Args:
///     input: Logits (N, C), (C,) or (N, C, d…).
///     target: Labels (N,), () or (N, d…) of integers, or probabilities of the input's shape.
///     weight: A weight for each class, (C,). The mean over labels is divided by the sum of their weights.
///     ignore_index: A label that does not count. The mean is NaN if no label counts, as in PyTorch.
///     reduction: "mean", "sum" or "none" for one loss for each example.
///     label_smoothing: The part s, from 0 to 1, of the target that is spread evenly: (1 − s) target + s / C.
///
/// Raises:
///     TypeError: unless `input` holds floats and labels are integers.
///     ValueError: if a label is out of range (the first is named with its row), if shapes do not fit, or if there are no
///         examples to take a mean of.
///
/// >>> rg.nn.functional.cross_entropy(rg.tensor([[0.0, 0.0]]), rg.tensor([1]))
/// tensor(0.6931472)
#[op(function, weight = None, ignore_index = -100, reduction = "mean", label_smoothing = 0.0)]
pub fn cross_entropy(
    input: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    ignore_index: isize,
    reduction: &str,
    label_smoothing: f64,
) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&label_smoothing) {
        fail!(Value, "{OP}: label_smoothing must be from 0 to 1, got {label_smoothing}");
    }
    let reduction = Reduction::new(OP, reduction, target.numel())?;
    if target.dtype().is_float() && target.shape() == input.shape() && input.ndim() > 0 {
        if ignore_index >= 0 {
            fail!(Value, "{OP}: ignore_index {ignore_index} is a label, but the target is probabilities");
        }
        return against_probabilities(input, target, weight, reduction, label_smoothing);
    }
    let flat = labels_of(OP, target)?;
    let scores = Scores::new(OP, input, target)?;
    let weight = class_weights(OP, weight, scores.classes, input)?;
    let ignored = Some(ignore_index as i64);
    if weight.is_none() && label_smoothing == 0.0 {
        let loss = fused(&scores, &flat, ignored, reduction)?;
        return if reduction == Reduction::None { reshape_to(&loss, target.shape()) } else { Ok(loss) };
    }
    let labels = Labels::new(OP, &flat, scores.classes, ignored)?;
    let scores = Scores { rows: labels.counted(&scores.rows)?, ..scores };
    let weights = labels.weights(weight.as_ref(), input)?;
    let mut losses = mul(&fused(&scores, &labels.index, None, Reduction::None)?, &weights)?;
    if label_smoothing > 0.0 {
        let even = number(input, label_smoothing / scores.classes as f64)?;
        let spread = expected_surprise(&log_softmax(&scores.rows, 1)?, &even, weight.as_ref(), 1)?;
        losses = add(&scale(&losses, 1.0 - label_smoothing)?, &labels.counted(&spread)?)?;
    }
    reduced(reduction, &losses, &weights, target)
}

/// The mean is over the examples, however much the classes weigh.
fn against_probabilities(
    input: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: Reduction,
    label_smoothing: f64,
) -> Result<Tensor> {
    same_shape(OP, input, target)?;
    if !input.dtype().is_float() {
        fail!(Type, "{OP}: expected an input of floats, got {}", input.dtype());
    }
    let dim = class_dim(input);
    let classes = input.shape()[dim];
    let weight = class_weights(OP, weight, classes, input)?;
    let mut shape: Dims = input.shape().iter().map(|_| 1).collect();
    shape[dim] = classes;
    let weight = weight.map(|w| reshape_to(&w, &shape)).transpose()?;
    let mut p = target.clone();
    if label_smoothing > 0.0 {
        p = add(&scale(&p, 1.0 - label_smoothing)?, &number(&p, label_smoothing / classes as f64)?)?;
    }
    reduction.apply(expected_surprise(&log_softmax(input, dim as isize)?, &p, weight.as_ref(), dim)?)
}
