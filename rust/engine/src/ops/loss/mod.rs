//! Losses: fused cross-entropy, and those composed of other operations.

use std::sync::OnceLock;

use rgrad_kernels::softmax as kernels;

use super::elementwise::{logsigmoid, mul, square, sub};
use super::reduce::{mean, scale, sum};
use super::softmax::softmax;
use super::views::{expand_to, reshape_to};
use super::{cast, contiguous, only, op_table};
use crate::dtype::{DType, match_float};
use crate::error::{Result, fail};
use crate::shape::Show;
use crate::tape::{Grads, Op, Saved, Saves, Want, apply, is_grad_enabled};
use crate::tensor::{Number, Tensor};

op_table! { $ loss_ops
    /// Cross-entropy of softmax(input) against integer labels: `input` (N, C) and `target` (N,), or (C,) and (). `reduction` is
    /// "mean", "sum" or "none".
    function cross_entropy(input: Tensor, target: Tensor, reduction: Reduction = "mean");
    /// Squared error (input − target)², reduced by "mean", "sum" or "none". The shapes must be equal.
    function mse_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean");
    /// Binary cross-entropy of sigmoid(input) against probabilities, without overflow: (1 − t) x − ln σ(x), reduced by "mean",
    /// "sum" or "none". The shapes must be equal.
    function binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: Reduction = "mean");
}

/// How the losses of the examples become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their arithmetic mean.
    Mean,
    /// Their sum.
    Sum,
    /// Not at all.
    None,
}

impl Reduction {
    /// From the name that users write. `ValueError` for another.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "mean" => Ok(Self::Mean),
            "sum" => Ok(Self::Sum),
            "none" => Ok(Self::None),
            other => fail!(Value, "reduction: expected \"mean\", \"sum\" or \"none\", got {other:?}"),
        }
    }

    fn apply(self, loss: Tensor) -> Result<Tensor> {
        match self {
            Self::Mean => mean(&loss, None, false),
            Self::Sum => sum(&loss, None, false),
            Self::None => Ok(loss),
        }
    }
}

/// Softmax cross-entropy of (rows, classes) logits with one label per row.
struct CrossEntropy {
    reduction: Reduction,
    labels: Tensor,
    /// d loss / d logits, (softmax − one-hot) / rows for the mean: made in the same pass over the logits as the loss.
    slope: OnceLock<Tensor>,
}

impl CrossEntropy {
    fn factor(&self, rows: usize) -> f64 {
        if self.reduction == Reduction::Mean { 1.0 / rows as f64 } else { 1.0 }
    }

    /// softmax − one-hot, in tensor functions.
    fn slope_of(&self, x: &Tensor) -> Result<Tensor> {
        sub(&softmax(x, 1)?, &one_hot(&self.labels, x.shape()[1], x.dtype())?)
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let x = x[0];
        let (rows, cols) = (x.shape()[0], x.shape()[1]);
        let differentiate = is_grad_enabled() && x.requires_grad();
        match_float!(x.dtype(), "cross_entropy", T => {
            let (logits, labels) = (x.read::<T>(), self.labels.read::<i64>());
            let run = |loss: &mut [T], slope: Option<&mut [T]>| {
                let scale = self.factor(rows) as T;
                match kernels::cross_entropy(loss, slope, logits.slice(), labels.slice(), cols, scale) {
                    Ok(()) => Ok(()),
                    Err(bad) => fail!(
                        Value,
                        "cross_entropy: label {} in row {} is out of range for {cols} classes (expected 0 to {})",
                        bad.label,
                        bad.row,
                        cols as isize - 1
                    ),
                }
            };
            let losses = Tensor::build::<T>("cross_entropy", &[rows], x.dtype(), |loss| {
                if !differentiate {
                    return run(loss, None);
                }
                let slope = Tensor::build::<T>("cross_entropy", x.shape(), x.dtype(), |s| run(loss, Some(s)))?;
                let _ = self.slope.set(slope);
                Ok(())
            })?;
            // The examples' losses are not taped here: this rule covers their reduction too.
            crate::tape::with_grad_enabled(false, || self.reduction.apply(losses))
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let x = saved.input(0);
        let rows = x.shape()[0];
        let per_row = if self.reduction == Reduction::None { reshape_to(g, &[rows, 1])? } else { g.clone() };
        // The slope that the value left has no history.
        let plain = !is_grad_enabled() && !x.has_tangent() && !g.has_tangent();
        let slope = match self.slope.get() {
            Some(slope) if plain => slope.clone(),
            _ => scale(&self.slope_of(x)?, self.factor(rows))?,
        };
        let one = self.reduction != Reduction::None && plain && g.item()? == Number::Float(1.0);
        Ok([Some(if one { slope } else { mul(&per_row, &slope)? })].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        self.reduction.apply(sum(&mul(&self.slope_of(x[0])?, only(t))?, Some(&[1]), false)?)
    }
}

/// Rows of zeros with a one at each label: (N,) labels in range give (N, classes).
fn one_hot(labels: &Tensor, classes: usize, dtype: DType) -> Result<Tensor> {
    let positions: Vec<i64> = (0..classes as i64).collect();
    let rows = labels.numel();
    let column = expand_to(&reshape_to(labels, &[rows, 1])?, &[rows, classes])?;
    cast(&super::eq(&Tensor::from_slice(&positions, &[classes])?, &column)?, dtype)
}

/// Cross-entropy of softmax(input) against integer labels.
///
/// `input` (N, C) and `target` (N,), or (C,) and (). Each loss is ln Σ exp(x) − x[label]. `TypeError` unless the labels are
/// integers; `ValueError` if one is outside 0 … C − 1 (the first is named with its row), or if there are none to take a
/// mean of.
pub fn cross_entropy(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    if !input.dtype().is_float() {
        fail!(Type, "cross_entropy: expected logits of floats, got {}", input.dtype());
    }
    if target.dtype().is_float() || target.dtype() == DType::Bool {
        fail!(Type, "cross_entropy: expected integer labels, got {}; write target.to(rg.int64)", target.dtype());
    }
    if !(1..=2).contains(&input.ndim()) || target.shape() != &input.shape()[..input.ndim() - 1] {
        fail!(
            Value,
            "cross_entropy: expected logits (N, C) and labels (N,), got {} and {}",
            Show(input.shape()),
            Show(target.shape())
        );
    }
    let cols = input.shape()[input.ndim() - 1];
    let rows = target.numel();
    if rows == 0 && reduction == Reduction::Mean {
        fail!(Value, "cross_entropy: an empty batch has no mean loss");
    }
    let logits = contiguous(&reshape_to(input, &[rows, cols])?)?;
    let labels = contiguous(&reshape_to(&cast(target, DType::Int64)?, &[rows])?)?;
    let loss = apply(CrossEntropy { reduction, labels, slope: OnceLock::new() }, &[&logits])?;
    if reduction == Reduction::None { reshape_to(&loss, target.shape()) } else { Ok(loss) }
}

/// Refuses losses of different shapes: broadcasting them is nearly always a mistake.
fn same_shape(op: &str, input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<()> {
    if input.shape() != target.shape() {
        fail!(Value, "{op}: input has shape {}, target has shape {}", Show(input.shape()), Show(target.shape()));
    }
    if input.numel() == 0 && reduction == Reduction::Mean {
        fail!(Value, "{op}: an empty batch has no mean loss");
    }
    Ok(())
}

/// Squared error (input − target)².
pub fn mse_loss(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    same_shape("mse_loss", input, target, reduction)?;
    let loss = square(&sub(input, target)?)?;
    reduction.apply(cast(&loss, loss.dtype().or_float())?)
}

/// Binary cross-entropy of sigmoid(input) against probabilities: (1 − t) x − ln σ(x).
pub fn binary_cross_entropy_with_logits(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    const OP: &str = "binary_cross_entropy_with_logits";
    same_shape(OP, input, target, reduction)?;
    if !input.dtype().is_float() || !target.dtype().is_float() {
        fail!(
            Type,
            "{OP}: expected floats, got {} and {}; write target.to(input.dtype)",
            input.dtype(),
            target.dtype()
        );
    }
    let one = super::elementwise::number(target, 1.0)?;
    reduction.apply(sub(&mul(&sub(&one, target)?, input)?, &logsigmoid(input)?)?)
}
