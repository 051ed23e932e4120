//! Variances and standard deviations.

use rgrad_macros::op;

use super::elementwise::{eq, mul_grad, number, sqrt, sub, where_};
use super::only;
use super::reduce::{Split, mean, scale, sum_over};
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::tensor::Tensor;

/// Σ (x − mean)² / divisor.
#[derive(Clone)]
struct Variance {
    split: Split,
    divisor: f64,
}

impl Variance {
    /// x − mean.
    fn deviation(&self, x: &Tensor) -> Result<Tensor> {
        let dims: Vec<isize> = self.split.dims.iter().map(|&d| d as isize).collect();
        sub(x, &mean(x, Some(&dims), true)?)
    }
}

impl Op for Variance {
    fn name(&self) -> &'static str {
        "var"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        self.split.squares("var", x[0], self.divisor, out)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        // The mean's own part of the derivative is the sum of all deviations, which is 0.
        let slope = self.split.spread(&scale(g, 2.0 / self.divisor)?)?;
        Ok([Some(mul_grad(&slope, &self.deviation(saved.input(0))?)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let moved = sum_over(&mul_grad(only(t), &self.deviation(x[0])?)?, &self.split.dims, self.split.keepdim)?;
        scale(&moved, 2.0 / self.divisor)
    }
}

fn variance(
    op: &str,
    x: &Tensor,
    dims: Option<&[isize]>,
    keepdim: bool,
    correction: Option<f64>,
    unbiased: Option<bool>,
) -> Result<Tensor> {
    if !x.dtype().is_float() {
        fail!(Type, "{op}: expected a tensor of floats, got {}; write x.to(rg.float32).{op}()", x.dtype());
    }
    if correction.is_some() && unbiased.is_some() {
        fail!(Value, "{op}: give correction or unbiased, not both");
    }
    let correction = correction.unwrap_or_else(|| f64::from(u8::from(unbiased.unwrap_or(true))));
    if !correction.is_finite() {
        fail!(Value, "{op}: correction must be a finite number, got {correction}");
    }
    let split = Split::new(op, x, dims, keepdim)?;
    let divisor = (split.count() as f64 - correction).max(0.0);
    apply(Variance { split, divisor }, &[x])
}

/// The square root of what is not negative, with the derivative 0 at 0, where it has none.
pub(super) fn root(x: &Tensor) -> Result<Tensor> {
    let zero = eq(x, &number(x, 0.0)?)?;
    where_(&zero, &number(x, 0.0)?, &sqrt(&where_(&zero, &number(x, 1.0)?, x)?)?)
}

/// Variance over `dim`, or over everything: Σ (x − mean)² / (n − correction).
///
/// It is NaN where n ≤ correction and all differences are 0.
///
/// Args:
///     x: A tensor of floats.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///     correction: What is subtracted from the number n of elements; 1 unless given.
///     unbiased: True and False stand for the corrections 1 and 0.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     TypeError: unless elements are floats.
///     ValueError: if both `correction` and `unbiased` are given, or a dimension is named twice.
#[op(reduction, correction = None, unbiased = None)]
pub fn var(
    x: &Tensor,
    dim: Option<&[isize]>,
    keepdim: bool,
    correction: Option<f64>,
    unbiased: Option<bool>,
) -> Result<Tensor> {
    variance("var", x, dim, keepdim, correction, unbiased)
}

/// Standard deviation over `dim`, or over everything, the root of `var`. The derivative where it is 0 is 0.
///
/// Args:
///     x: A tensor of floats.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///     correction: What is subtracted from the number n of elements; 1 unless given.
///     unbiased: True and False stand for the corrections 1 and 0.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     TypeError: unless elements are floats.
///     ValueError: if both `correction` and `unbiased` are given, or a dimension is named twice.
#[op(reduction, correction = None, unbiased = None)]
pub fn std(
    x: &Tensor,
    dim: Option<&[isize]>,
    keepdim: bool,
    correction: Option<f64>,
    unbiased: Option<bool>,
) -> Result<Tensor> {
    root(&variance("std", x, dim, keepdim, correction, unbiased)?)
}

/// Variance and mean over `dim`, or over everything, as a pair; see `var`.
#[op(reduction, correction = None, unbiased = None)]
pub fn var_mean(
    x: &Tensor,
    dim: Option<&[isize]>,
    keepdim: bool,
    correction: Option<f64>,
    unbiased: Option<bool>,
) -> Result<(Tensor, Tensor)> {
    Ok((variance("var_mean", x, dim, keepdim, correction, unbiased)?, mean(x, dim, keepdim)?))
}

/// Standard deviation and mean over `dim`, or over everything, as a pair; see `std`.
#[op(reduction, correction = None, unbiased = None)]
pub fn std_mean(
    x: &Tensor,
    dim: Option<&[isize]>,
    keepdim: bool,
    correction: Option<f64>,
    unbiased: Option<bool>,
) -> Result<(Tensor, Tensor)> {
    Ok((root(&variance("std_mean", x, dim, keepdim, correction, unbiased)?)?, mean(x, dim, keepdim)?))
}
