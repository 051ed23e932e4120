//! Losses: a fused cross-entropy, and those composed of other operations.
//!
//! Names, arguments, reductions and derivatives at kinks are PyTorch's, without the arguments that it deprecates.

mod classes;
mod cross_entropy;
mod probabilities;
mod residuals;

pub(super) use classes::indicator;
pub use classes::{multi_margin_loss, nll_loss};
pub use cross_entropy::cross_entropy;
pub use probabilities::{binary_cross_entropy, binary_cross_entropy_with_logits, kl_div};
pub use residuals::{
    hinge_embedding_loss, huber_loss, l1_loss, margin_ranking_loss, mse_loss, smooth_l1_loss, soft_margin_loss,
};

use rgrad_kernels::simd::Real;

use super::reduce::{mean, sum};
use super::{cast, op_table};
use crate::dtype::{DType, match_float};
use crate::error::{Result, fail};
use crate::op;
use crate::shape::Show;
use crate::tensor::Tensor;

op_table! { $ loss_ops
    /// Cross-entropy of softmax(input) against `target`: labels of integers, for (N, C) logits (N,) labels, for (C,) one, for
    /// (N, C, d…) (N, d…); or probabilities of the input's shape. `weight` (C,) weighs the classes, and the mean is divided by
    /// the weights of the labels; `ignore_index` is a label that does not count; `label_smoothing`, from 0 to 1, is the part of
    /// the target that is spread evenly over the classes. `reduction` is "mean", "sum" or "none".
    function cross_entropy(
        input: Tensor, target: Tensor, weight: OptionalTensor = None, ignore_index: int = -100, reduction: Name = "mean",
        label_smoothing: float = 0.0
    );
    /// −weight[label] · input[label] for log-probabilities `input` and labels; shapes, `weight`, `ignore_index` and
    /// `reduction` as in cross_entropy.
    function nll_loss(
        input: Tensor, target: Tensor, weight: OptionalTensor = None, ignore_index: int = -100, reduction: Name = "mean"
    );
    /// The hinge loss of many classes: Σ max(0, margin − x[label] + x[i])ᵖ / C over the classes i that are not the label, times
    /// weight[label]; `p` is 1 or 2. Shapes (N, C) and (N,), or (C,) and ().
    function multi_margin_loss(
        input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: OptionalTensor = None,
        reduction: Name = "mean"
    );
    /// Squared error (input − target)², reduced by "mean", "sum" or "none". The shapes must be equal.
    function mse_loss(input: Tensor, target: Tensor, reduction: Name = "mean");
    /// Absolute error |input − target|, reduced by "mean", "sum" or "none". The derivative at 0 is 0.
    function l1_loss(input: Tensor, target: Tensor, reduction: Name = "mean");
    /// d² / (2 beta) for differences d of less than beta, else |d| − beta / 2; reduced by "mean", "sum" or "none".
    function smooth_l1_loss(input: Tensor, target: Tensor, reduction: Name = "mean", beta: float = 1.0);
    /// d² / 2 for differences d of at most delta, else delta (|d| − delta / 2); reduced by "mean", "sum" or "none".
    function huber_loss(input: Tensor, target: Tensor, reduction: Name = "mean", delta: float = 1.0);
    /// −weight (t ln p + (1 − t) ln(1 − p)) for probabilities `input` and `target`, with logarithms of at least −100; reduced by
    /// "mean", "sum" or "none". A ValueError unless all are from 0 to 1; a target may be NaN, whose loss is NaN.
    function binary_cross_entropy(
        input: Tensor, target: Tensor, weight: OptionalTensor = None, reduction: Name = "mean"
    );
    /// Binary cross-entropy of sigmoid(input) against probabilities, without overflow: −pos_weight t ln σ(x) − (1 − t) ln σ(−x),
    /// times weight, reduced by "mean", "sum" or "none"; where x is infinite, the limit. The shapes must be equal; the weights
    /// broadcast. As in PyTorch, targets beyond 0 and 1 are not refused.
    function binary_cross_entropy_with_logits(
        input: Tensor, target: Tensor, weight: OptionalTensor = None, reduction: Name = "mean",
        pos_weight: OptionalTensor = None
    );
    /// Kullback–Leibler divergence t (ln t − input) of log-probabilities `input` from probabilities `target`, or from their
    /// logarithms with `log_target`; 0 where t is 0, a ValueError if one is negative. `reduction` may also be "batchmean", the
    /// sum divided by the first size.
    function kl_div(input: Tensor, target: Tensor, reduction: Name = "mean", log_target: bool = false);
    /// x where target is 1, max(0, margin − x) where it is −1; reduced by "mean", "sum" or "none". A ValueError for other
    /// targets.
    function hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Name = "mean");
    /// ln(1 + exp(−target · input)) for targets 1 and −1, without overflow; reduced by "mean", "sum" or "none". A ValueError
    /// for targets of 0, as in labels 0 and 1.
    function soft_margin_loss(input: Tensor, target: Tensor, reduction: Name = "mean");
    /// max(0, margin − target · (input1 − input2)) for targets 1 and −1, or 0 for a tie, whose loss is the margin; reduced by
    /// "mean", "sum" or "none". A ValueError for other targets.
    function margin_ranking_loss(
        input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: Name = "mean"
    );
}

/// How the losses of the examples become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// To their mean.
    Mean,
    /// To their sum.
    Sum,
    /// Not at all.
    None,
}

impl Reduction {
    /// From the name that users write. `ValueError` for another, and for the mean of no losses.
    fn new(op: &str, name: &str, losses: usize) -> Result<Self> {
        match name {
            "mean" if losses == 0 => fail!(Value, "{op}: an empty batch has no mean loss"),
            "mean" => Ok(Self::Mean),
            "sum" => Ok(Self::Sum),
            "none" => Ok(Self::None),
            other => fail!(Value, "{op}: reduction must be \"mean\", \"sum\" or \"none\", got {other:?}"),
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

/// `ValueError` unless all targets fit or are NaN, as those may be that are masked afterwards; the first that does not is named
/// with its position. In a compiled step, at every call.
fn check_targets<F>(op: &'static str, target: &Tensor, expected: &'static str, fits: F) -> Result<()>
where
    F: Fn(f64) -> bool + Send + Sync + Copy + 'static,
{
    let target = target.without_history();
    let target = if target.dtype().is_float() { target } else { cast(&target, DType::Float64)? };
    op::check(op, &[&target], move |t| {
        let t = t[0];
        match_float!(t.dtype(), op, T => t.with_packed(|values: &[T]| {
            // In blocks, whose loops have no exit and so are vectorised.
            let all_fit = |block: &[T]| block.iter().fold(true, |fit, &v| fit & (fits(v.to_f64()) | v.is_nan()));
            let Some(block) = values.chunks(BLOCK).position(|block| !all_fit(block)) else { return Ok(()) };
            let Some(at) = (block * BLOCK..t.numel()).find(|&i| !all_fit(&values[i..=i])) else { return Ok(()) };
            let place = unravel(at, t.shape());
            fail!(Value, "{op}: expected targets {expected}, got {} at {}", values[at], Show(&place))
        }))
    })
}

/// Targets that are looked at together.
const BLOCK: usize = 1024;

/// The indices of an element that is the `at`-th in row-major order.
fn unravel(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (index, &size) in place.iter_mut().zip(shape).rev() {
        *index = at % size;
        at /= size;
    }
    place
}

/// Refuses targets of another shape: broadcasting them is nearly always a mistake.
fn same_shape(op: &str, input: &Tensor, target: &Tensor) -> Result<()> {
    if input.shape() != target.shape() {
        fail!(Value, "{op}: input has shape {}, target has shape {}", Show(input.shape()), Show(target.shape()));
    }
    Ok(())
}
