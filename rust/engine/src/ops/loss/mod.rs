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

use super::cast;
use super::reduce::{mean, sum};
use crate::dtype::{DType, match_float};
use crate::error::{Result, fail};
use crate::op;
use crate::shape::Show;
use crate::tensor::Tensor;

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
        let advice = match (input.shape(), target.shape()) {
            ([n, 1], [m]) if n == m => "; write target.unsqueeze(1)",
            ([n], [m, 1]) if n == m => "; write target.squeeze(1)",
            _ => "",
        };
        fail!(
            Value,
            "{op}: input has shape {}, target has shape {}{advice}",
            Show(input.shape()),
            Show(target.shape())
        );
    }
    Ok(())
}
