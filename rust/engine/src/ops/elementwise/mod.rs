//! Element-wise operations: of one tensor, of two, comparisons, choices and logic, and what is composed of these.

mod binary;
mod choice;
mod composed;
mod logic;
mod unary;

pub use binary::*;
pub use choice::*;
pub use composed::*;
pub use logic::*;
pub use unary::*;

use super::cast;
use crate::error::Result;
use crate::tensor::{Number, Tensor, result_dtype};

/// A constant that takes the dtype of `like`.
pub(super) fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    Tensor::scalar(Number::Float(value), like.dtype())
}

/// `x` as floats: integers and Python's numbers become the default dtype.
pub(super) fn floats(x: &Tensor) -> Result<Tensor> {
    cast(x, result_dtype(&[x]).or_float())
}

pub(super) fn zeros_like(x: &Tensor) -> Result<Tensor> {
    Tensor::full(x.shape(), Number::Int(0), x.dtype())
}
