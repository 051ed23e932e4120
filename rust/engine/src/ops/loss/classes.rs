//! Losses against labels of classes, and what they share: rows of scores, labels, weights of classes.

use rgrad_macros::op;

use super::super::arange;
use super::super::elementwise::{add, div, eq, mul, neg, number, relu, square, sub, where_};
use super::super::index::index_select;
use super::super::reduce::{scale, sum};
use super::super::views::{branch, expand_to, permute, reshape_to};
use super::super::{cast, contiguous};
use super::Reduction;
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op;
use crate::shape::{Dims, Show};
use crate::tensor::watch;
use crate::tensor::{Number, Tensor};

/// Scores of classes as a matrix with one row for every label.
pub(super) struct Scores {
    /// (rows, classes), row-major.
    pub(super) rows: Tensor,
    pub(super) classes: usize,
}

/// The dimension of the classes: the second, or the only one.
pub(super) fn class_dim(input: &Tensor) -> usize {
    usize::from(input.ndim() > 1)
}

impl Scores {
    /// `input` (N, C) or (N, C, d…) for labels (N,) or (N, d…), or (C,) for one label ().
    pub(super) fn new(op: &str, input: &Tensor, target: &Tensor) -> Result<Self> {
        if !input.dtype().is_float() {
            fail!(Type, "{op}: expected an input of floats, got {}", input.dtype());
        }
        let dim = class_dim(input);
        let fits = input.ndim() > 0 && {
            let (before, after) = (&input.shape()[..dim], &input.shape()[dim + 1..]);
            target.ndim() + 1 == input.ndim() && target.shape()[..dim] == *before && target.shape()[dim..] == *after
        };
        if !fits && input.shape() == target.shape() && !target.dtype().is_float() {
            fail!(
                Value,
                "{op}: the target has the shape of the input, {}, but holds {}, so it is no labels: for probabilities, such \
                 as one-hot rows, write target.to(rg.float32); for labels, target.argmax(1)",
                Show(input.shape()),
                target.dtype()
            );
        }
        if !fits {
            let column = target.ndim() == 2 && input.ndim() == 2 && target.shape() == [input.shape()[0], 1];
            let advice = if column { "; for labels in a column, write target.squeeze(1)" } else { "" };
            let (input, target) = (Show(input.shape()), Show(target.shape()));
            fail!(
                Value,
                "{op}: expected an input (N, C) with labels (N,), (N, C, d…) with (N, d…) or (C,) with (), got {input} and \
                 {target}{advice}"
            );
        }
        let classes = input.shape()[dim];
        let last = if dim + 1 == input.ndim() {
            input.clone()
        } else {
            let order: Vec<isize> = (0..input.ndim()).filter(|&d| d != dim).chain([dim]).map(|d| d as isize).collect();
            permute(input, &order)?
        };
        Ok(Self { rows: branch(&contiguous(&reshape_to(&last, &[target.numel(), classes])?)?)?, classes })
    }
}

/// One label for every row of scores, as int64. `TypeError` unless they are integers.
pub(super) fn labels_of(op: &str, target: &Tensor) -> Result<Tensor> {
    if target.dtype().is_float() || target.dtype() == DType::Bool {
        fail!(Type, "{op}: expected integer labels, got {}; write target.to(rg.int64)", target.dtype());
    }
    contiguous(&reshape_to(&cast(target, DType::Int64)?, &[target.numel()])?)
}

/// (rows,) of bool: the rows that do not count, if there may be any. A compiled step gets other labels later.
pub(super) fn ignored_rows(labels: &Tensor, ignored: Option<i64>) -> Result<Option<Tensor>> {
    let Some(ignored) = ignored else { return Ok(None) };
    if !watch::is_recording() && !labels.read::<i64>().slice().contains(&ignored) {
        return Ok(None);
    }
    eq(labels, &Tensor::scalar(Number::Int(ignored), DType::Int64)?).map(Some)
}

/// `x` with zeros in the rows that are ignored.
pub(super) fn without(ignored: Option<&Tensor>, x: &Tensor) -> Result<Tensor> {
    let Some(ignored) = ignored else { return Ok(x.clone()) };
    let mut shape: Dims = x.shape().iter().map(|_| 1).collect();
    shape[0] = x.shape()[0];
    where_(&reshape_to(ignored, &shape)?, &number(x, 0.0)?, x)
}

/// Labels in range.
pub(super) struct Labels {
    /// (rows,), with 0 for those that do not count.
    pub(super) index: Tensor,
    /// (rows,) of bool: those that do not count, if there are any.
    pub(super) ignored: Option<Tensor>,
}

impl Labels {
    /// `ValueError` if a label is neither ignored nor one of the classes; the first is named with its row.
    pub(super) fn new(op: &'static str, labels: &Tensor, classes: usize, ignore_index: Option<i64>) -> Result<Self> {
        let index = op::plain_as(op::Kind::Refuses, op, &[labels], move |labels, out| {
            let labels = labels[0].read::<i64>();
            let labels = labels.slice();
            if classes == 0 && !labels.is_empty() {
                fail!(Value, "{op}: there are labels but no classes");
            }
            out.build::<i64>(op, &[labels.len()], DType::Int64, |out| {
                for (row, (out, &label)) in out.iter_mut().zip(labels).enumerate() {
                    if Some(label) != ignore_index && !(0..classes as i64).contains(&label) {
                        let last = classes as i64 - 1;
                        fail!(
                            Value,
                            "{op}: label {label} in row {row} is out of range for {classes} classes (expected 0 to {last})"
                        );
                    }
                    *out = if Some(label) == ignore_index { 0 } else { label };
                }
                Ok(())
            })
        })?;
        Ok(Self { index, ignored: ignored_rows(labels, ignore_index)? })
    }

    /// `x`, whose first dimension is that of the labels, with zeros in the rows that do not count.
    pub(super) fn counted(&self, x: &Tensor) -> Result<Tensor> {
        if self.ignored.is_some() { without(self.ignored.as_ref(), x) } else { branch(x) }
    }

    /// The weights of the rows: those of their classes, 1 without any, and 0 for rows that do not count.
    pub(super) fn weights(&self, weight: Option<&Tensor>, like: &Tensor) -> Result<Tensor> {
        self.counted(&match weight {
            Some(w) => index_select(w, 0, &self.index)?,
            None => expand_to(&number(like, 1.0)?, self.index.shape())?,
        })
    }

    /// Row i's score of class `index[i]`.
    fn pick(&self, scores: &Scores) -> Result<Tensor> {
        let width = scores.classes as i64;
        let flat = op::plain("pick", &[&self.index], move |index, out| {
            let labels = index[0].read::<i64>();
            out.build::<i64>("pick", &[labels.slice().len()], DType::Int64, |out| {
                for ((out, label), row) in out.iter_mut().zip(labels.slice()).zip(0..) {
                    *out = row * width + label;
                }
                Ok(())
            })
        })?;
        index_select(&reshape_to(&scores.rows, &[scores.rows.numel()])?, 0, &flat)
    }
}

/// One weight for each class, with the input's dtype. `ValueError` for another number of them.
pub(super) fn class_weights(
    op: &str,
    weight: Option<&Tensor>,
    classes: usize,
    input: &Tensor,
) -> Result<Option<Tensor>> {
    let Some(w) = weight else { return Ok(None) };
    if w.shape() != [classes] {
        fail!(Value, "{op}: expected a weight for each of the {classes} classes, got shape {}", Show(w.shape()));
    }
    Ok(Some(cast(w, input.dtype())?))
}

/// Losses of rows that are weighted already, as users get them: the mean is over the sum of the weights.
pub(super) fn reduced(reduction: Reduction, losses: &Tensor, weights: &Tensor, target: &Tensor) -> Result<Tensor> {
    match reduction {
        Reduction::None => reshape_to(losses, target.shape()),
        Reduction::Sum => sum(losses, None, false),
        Reduction::Mean => div(&sum(losses, None, false)?, &sum(weights, None, false)?),
    }
}

/// −`weight[label]` · `input[label]` for log-probabilities and labels: `cross_entropy` behind `log_softmax`.
///
/// Args:
///     input: Log-probabilities (N, C), (C,) or (N, C, d…).
///     target: Labels (N,), () or (N, d…) of integers.
///     weight: A weight for each class, (C,). The mean is divided by the sum of the labels' weights.
///     ignore_index: A label that does not count. The mean is NaN if no label counts, as in PyTorch.
///     reduction: "mean", "sum" or "none" for one loss for each example.
///
/// Raises:
///     TypeError: unless labels are integers.
///     ValueError: if a label is out of range, if shapes do not fit, or if there are no examples to take a mean of.
#[op(function, weight = None, ignore_index = -100, reduction = "mean")]
pub fn nll_loss(
    input: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    ignore_index: isize,
    reduction: &str,
) -> Result<Tensor> {
    const OP: &str = "nll_loss";
    let reduction = Reduction::new(OP, reduction, target.numel())?;
    let flat = labels_of(OP, target)?;
    let scores = Scores::new(OP, input, target)?;
    let weight = class_weights(OP, weight, scores.classes, input)?;
    let labels = Labels::new(OP, &flat, scores.classes, Some(ignore_index as i64))?;
    let weights = labels.weights(weight.as_ref(), input)?;
    let losses = labels.counted(&neg(&labels.pick(&scores)?)?)?;
    reduced(reduction, &mul(&losses, &weights)?, &weights, target)
}

/// 1 at each label of rows of `classes`, as bool: (rows,) to (rows, classes).
pub(in crate::ops) fn indicator(labels: &Tensor, classes: usize) -> Result<Tensor> {
    let positions = arange(Number::Int(0), Number::Int(classes as i64), Number::Int(1), None)?;
    let rows = labels.numel();
    let column = expand_to(&reshape_to(labels, &[rows, 1])?, &[rows, classes])?;
    eq(&positions, &column)
}

/// Hinge loss of many classes: Σ max(0, margin − `x[label]` + `x[i]`)ᵖ / C over the classes i other than the label.
///
/// The derivative at 0 is 0.
///
/// Args:
///     input: Scores (N, C) or (C,).
///     target: Labels (N,) or () of integers.
///     p: The power, 1 or 2.
///     margin: How much larger than the others the score of the label is to be.
///     weight: A weight for each class, (C,), by which an example's loss is multiplied.
///     reduction: "mean", "sum" or "none" for one loss for each example.
///
/// Raises:
///     ValueError: unless `p` is 1 or 2, if a label is out of range, or if shapes do not fit.
#[op(function, p = 1, margin = 1.0, weight = None, reduction = "mean")]
pub fn multi_margin_loss(
    input: &Tensor,
    target: &Tensor,
    p: isize,
    margin: f64,
    weight: Option<&Tensor>,
    reduction: &str,
) -> Result<Tensor> {
    const OP: &str = "multi_margin_loss";
    if p != 1 && p != 2 {
        fail!(Value, "{OP}: p must be 1 or 2, got {p}");
    }
    let reduction = Reduction::new(OP, reduction, target.numel())?;
    let flat = labels_of(OP, target)?;
    if input.ndim() > 2 {
        fail!(Value, "{OP}: expected an input (N, C) or (C,), got {}", Show(input.shape()));
    }
    let scores = Scores::new(OP, input, target)?;
    let weight = class_weights(OP, weight, scores.classes, input)?;
    let labels = Labels::new(OP, &flat, scores.classes, None)?;
    let own = reshape_to(&labels.pick(&scores)?, &[target.numel(), 1])?;
    let excess = relu(&add(&sub(&scores.rows, &own)?, &number(input, margin)?)?)?;
    let others = where_(&indicator(&flat, scores.classes)?, &number(input, 0.0)?, &excess)?;
    let powers = if p == 2 { square(&others)? } else { others };
    let losses = scale(&sum(&powers, Some(&[1]), false)?, 1.0 / scores.classes as f64)?;
    let losses = mul(&losses, &labels.weights(weight.as_ref(), input)?)?;
    reduction.apply(reshape_to(&losses, target.shape())?)
}
