//! Losses of differences and margins, element by element.

use rgrad_macros::op;

use super::super::cast;
use super::super::curve::log1p_exp;
use super::super::elementwise::{abs, clamp, eq, mul, neg, number, square, sub, where_};
use super::super::reduce::scale;
use super::{Reduction, check_targets, same_shape};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::tensor::Tensor;

/// input − target, of floats.
fn difference(input: &Tensor, target: &Tensor) -> Result<Tensor> {
    let d = sub(&wide(input)?, &wide(target)?)?;
    cast(&d, d.dtype().or_float())
}

/// Integers as 64 bits, in which the differences and products of smaller ones do not wrap around.
fn wide(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { Ok(x.clone()) } else { cast(x, DType::Int64) }
}

/// Squared error (input − target)².
///
/// Args:
///     input: Predictions of any shape.
///     target: What they should be, of the same shape; nothing broadcasts.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///
/// Raises:
///     ValueError: if the shapes differ, or there is no element to take a mean of.
///
/// >>> rg.nn.functional.mse_loss(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
/// tensor(2.)
#[op(function, reduction = "mean")]
pub fn mse_loss(input: &Tensor, target: &Tensor, reduction: &str) -> Result<Tensor> {
    let reduction = Reduction::new("mse_loss", reduction, input.numel())?;
    same_shape("mse_loss", input, target)?;
    reduction.apply(square(&difference(input, target)?)?)
}

/// Absolute error |input − target|. The derivative at 0 is 0.
///
/// Args:
///     input: Predictions of any shape.
///     target: What they should be, of the same shape; nothing broadcasts.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///
/// Raises:
///     ValueError: if the shapes differ, or there is no element to take a mean of.
#[op(function, reduction = "mean")]
pub fn l1_loss(input: &Tensor, target: &Tensor, reduction: &str) -> Result<Tensor> {
    let reduction = Reduction::new("l1_loss", reduction, input.numel())?;
    same_shape("l1_loss", input, target)?;
    reduction.apply(abs(&difference(input, target)?)?)
}

/// d² / 2 for |d| ≤ `bound`, else `bound` (|d| − `bound` / 2). As c (d − c / 2) with d limited to c, both derivatives are right
/// at 0, and no square overflows where the line was chosen.
fn huber(d: &Tensor, bound: f64) -> Result<Tensor> {
    let c = clamp(d, Some(&number(d, -bound)?), Some(&number(d, bound)?))?;
    mul(&c, &sub(d, &scale(&c, 0.5)?)?)
}

/// d² / (2 beta) for differences d of less than beta, else |d| − beta / 2.
///
/// Args:
///     input: Predictions of any shape.
///     target: What they should be, of the same shape; nothing broadcasts.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///     beta: Where the parabola ends; 0 gives the absolute error.
///
/// Raises:
///     ValueError: if beta is negative, if the shapes differ, or if there is no element to take a mean of.
#[op(function, reduction = "mean", beta = 1.0)]
pub fn smooth_l1_loss(input: &Tensor, target: &Tensor, reduction: &str, beta: f64) -> Result<Tensor> {
    if beta.is_nan() || beta < 0.0 {
        fail!(Value, "smooth_l1_loss: beta must not be negative, got {beta}");
    }
    let reduction = Reduction::new("smooth_l1_loss", reduction, input.numel())?;
    same_shape("smooth_l1_loss", input, target)?;
    let d = difference(input, target)?;
    reduction.apply(if beta == 0.0 { abs(&d)? } else { scale(&huber(&d, beta)?, 1.0 / beta)? })
}

/// d² / 2 for differences d of at most delta, else delta (|d| − delta / 2).
///
/// Args:
///     input: Predictions of any shape.
///     target: What they should be, of the same shape; nothing broadcasts.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///     delta: Where the parabola ends.
///
/// Raises:
///     ValueError: unless delta is positive, if the shapes differ, or if there is no element to take a mean of.
#[op(function, reduction = "mean", delta = 1.0)]
pub fn huber_loss(input: &Tensor, target: &Tensor, reduction: &str, delta: f64) -> Result<Tensor> {
    if delta.is_nan() || delta <= 0.0 {
        fail!(Value, "huber_loss: delta must be positive, got {delta}; write l1_loss for the absolute error");
    }
    let reduction = Reduction::new("huber_loss", reduction, input.numel())?;
    same_shape("huber_loss", input, target)?;
    reduction.apply(huber(&difference(input, target)?, delta)?)
}

/// max(0, x), with derivative 1 at 0, as PyTorch has it in these losses.
fn hinge(x: &Tensor) -> Result<Tensor> {
    clamp(x, Some(&number(x, 0.0)?), None)
}

/// x where target is 1, max(0, margin − x) where it is −1.
///
/// Args:
///     input: Distances of any shape.
///     target: 1 and −1, of the same shape. One that is NaN has the loss NaN.
///     margin: How large distances with the target −1 are to be.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///
/// Raises:
///     ValueError: for another target, if the shapes differ, or if there is no element to take a mean of.
#[op(function, margin = 1.0, reduction = "mean")]
pub fn hinge_embedding_loss(input: &Tensor, target: &Tensor, margin: f64, reduction: &str) -> Result<Tensor> {
    let reduction = Reduction::new("hinge_embedding_loss", reduction, input.numel())?;
    same_shape("hinge_embedding_loss", input, target)?;
    check_targets("hinge_embedding_loss", target, "1 and -1", |t| t.abs() == 1.0)?;
    let x = cast(input, input.dtype().or_float())?;
    let far = hinge(&sub(&number(&x, margin)?, &x)?)?;
    let is = |sign: f64| eq(target, &number(target, sign)?);
    // A target that is unknown has an unknown loss.
    reduction.apply(where_(&is(1.0)?, &x, &where_(&is(-1.0)?, &far, &number(&x, f64::NAN)?)?)?)
}

/// ln(1 + exp(−target · input)), without overflow.
///
/// Args:
///     input: Scores of any shape.
///     target: 1 and −1, of the same shape.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///
/// Raises:
///     ValueError: for targets of 0 (labels 0 and 1 would teach nothing about the former), if the shapes differ, or if
///         there is no
///         element to take a mean of.
#[op(function, reduction = "mean")]
pub fn soft_margin_loss(input: &Tensor, target: &Tensor, reduction: &str) -> Result<Tensor> {
    let reduction = Reduction::new("soft_margin_loss", reduction, input.numel())?;
    same_shape("soft_margin_loss", input, target)?;
    check_targets("soft_margin_loss", target, "1 and -1, not labels 0 and 1 (write 2 * target - 1)", |t| t != 0.0)?;
    reduction.apply(log1p_exp(&neg(&mul(&wide(input)?, &wide(target)?)?)?)?)
}

/// max(0, margin − target · (input1 − input2)).
///
/// Args:
///     input1: Scores of any shape.
///     input2: Scores of the same shape.
///     target: 1 where the first score is to be larger, −1 where the second is, and 0 for a tie, whose loss is the margin.
///     margin: By how much it is to be larger.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///
/// Raises:
///     ValueError: for another target, if the shapes differ, or if there is no element to take a mean of.
#[op(function, margin = 0.0, reduction = "mean")]
pub fn margin_ranking_loss(
    input1: &Tensor,
    input2: &Tensor,
    target: &Tensor,
    margin: f64,
    reduction: &str,
) -> Result<Tensor> {
    let reduction = Reduction::new("margin_ranking_loss", reduction, input1.numel())?;
    same_shape("margin_ranking_loss", input1, input2)?;
    same_shape("margin_ranking_loss", input1, target)?;
    check_targets("margin_ranking_loss", target, "1 and -1, or 0 for a tie", |t| t == 0.0 || t.abs() == 1.0)?;
    let d = mul(target, &difference(input1, input2)?)?;
    reduction.apply(hinge(&sub(&number(&d, margin)?, &d)?)?)
}
