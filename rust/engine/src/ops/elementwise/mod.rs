//! Element-wise operations: of one tensor, of two, and comparisons and choices.

mod binary;
mod choice;
mod unary;

pub use binary::*;
pub use choice::*;
pub use unary::*;

use crate::error::Result;
use crate::tensor::{Number, Tensor};

/// A constant that takes the dtype of `like`.
pub(super) fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    Tensor::scalar(Number::Float(value), like.dtype())
}

pub(super) fn zeros_like(x: &Tensor) -> Result<Tensor> {
    Tensor::full(x.shape(), Number::Int(0), x.dtype())
}
