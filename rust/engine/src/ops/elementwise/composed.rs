//! Element-wise functions that are made of others: their derivatives of any order and mode follow.

use rgrad_kernels::map::Compare;
use rgrad_macros::op;

use super::binary::{add, div, floor_divide, fmod, mul, pow, sub};
use super::choice::{clamp, compare, where_};
use super::logic::{isnan, logical_and, logical_or};
use super::unary::{abs, log, log1p, nearest, neg, trunc};
use super::{floats, number};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::ops::cast;
use crate::tensor::{Tensor, result_dtype};

/// How a quotient becomes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards 0.
    Trunc,
    /// Down.
    Floor,
}

impl Rounding {
    /// `"trunc"` or `"floor"`; `ValueError` for anything else.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "trunc" => Ok(Self::Trunc),
            "floor" => Ok(Self::Floor),
            other => fail!(Value, "div: rounding_mode must be None, \"trunc\" or \"floor\", got {other:?}"),
        }
    }
}

/// `alpha × other`, computed in the dtype of the sum of `x` and `other`.
fn scaled(x: &Tensor, other: &Tensor, alpha: &Tensor) -> Result<Tensor> {
    mul(&cast(other, result_dtype(&[x, other]))?, alpha)
}

/// Sum, x + alpha × other.
#[op(method, name = "add", alpha = None)]
pub fn add_scaled(x: &Tensor, other: &Tensor, alpha: Option<&Tensor>) -> Result<Tensor> {
    match alpha {
        None => add(x, other),
        Some(alpha) => add(x, &scaled(x, other, alpha)?),
    }
}

/// Difference, x − alpha × other.
#[op(method, name = "sub", alpha = None)]
pub fn sub_scaled(x: &Tensor, other: &Tensor, alpha: Option<&Tensor>) -> Result<Tensor> {
    match alpha {
        None => sub(x, other),
        Some(alpha) => sub(x, &scaled(x, other, alpha)?),
    }
}

/// Quotient, x ÷ other.
///
/// `rounding_mode` is None for the true quotient, which of integers is a float; "trunc" to round it towards 0; or "floor"
/// to round it down. The derivative of a rounded quotient is 0; integers divided by 0 are a `ZeroDivisionError` then.
#[op(method, name = "div", rounding_mode = None)]
pub fn div_rounded(x: &Tensor, other: &Tensor, rounding_mode: Option<Rounding>) -> Result<Tensor> {
    match rounding_mode {
        None => div(x, other),
        Some(Rounding::Floor) => floor_divide(x, other),
        Some(Rounding::Trunc) if result_dtype(&[x, other]).is_float() => trunc(&div(x, other)?),
        // What is left after the remainder is a multiple.
        Some(Rounding::Trunc) => floor_divide(&sub(x, &fmod(x, other)?)?, other),
    }
}

/// Power, xᵃ, computed in float64.
#[op(method)]
pub fn float_power(x: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    pow(&cast(x, DType::Float64)?, &cast(exponent, DType::Float64)?)
}

/// ln(x / (1 − x)), the inverse of the logistic function. With `eps`, x is limited to [eps, 1 − eps] first.
/// `ValueError` unless `0 ≤ eps ≤ ½`.
#[op(method, eps = None)]
pub fn logit(x: &Tensor, eps: Option<f64>) -> Result<Tensor> {
    let mut x = floats(x)?;
    if let Some(eps) = eps {
        if !(0.0..=0.5).contains(&eps) {
            fail!(Value, "logit: eps must be between 0 and 0.5, got {eps}");
        }
        x = clamp(&x, Some(&number(&x, eps)?), Some(&number(&x, 1.0 - eps)?))?;
    }
    sub(&log(&x)?, &log1p(&neg(&x)?)?)
}

/// x + weight × (end − x), exactly `end` where weight is 1.
#[op(method)]
pub fn lerp(x: &Tensor, end: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let dtype = result_dtype(&[x, end, weight]).or_float();
    let (x, end, weight) = (cast(x, dtype)?, cast(end, dtype)?, cast(weight, dtype)?);
    let way = sub(&end, &x)?;
    let from_end = sub(&end, &mul(&way, &sub(&number(&weight, 1.0)?, &weight)?)?)?;
    let near = compare(Compare::Lt, &abs(&weight.without_history())?, &number(&weight, 0.5)?)?;
    where_(&near, &add(&x, &mul(&weight, &way)?)?, &from_end)
}

/// The nearest number with so many decimals, ties to even. The derivative is 0. `TypeError` for integers rounded to
/// tens or more.
#[op(method, name = "round", decimals = 0)]
pub fn rounded(x: &Tensor, decimals: isize) -> Result<Tensor> {
    if !x.dtype().is_float() && decimals < 0 {
        fail!(Type, "round: decimals={decimals} of {}; write x.to(rg.float64)", x.dtype());
    }
    if decimals == 0 || !x.dtype().is_float() {
        return nearest(x);
    }
    let x = floats(x)?;
    let unit = number(&x, 10f64.powi(decimals.unsigned_abs().min(400) as i32))?;
    if decimals > 0 { div(&nearest(&mul(&x, &unit)?)?, &unit) } else { mul(&nearest(&div(&x, &unit)?)?, &unit) }
}

/// `x` with NaN, ∞ and −∞ replaced, by default by 0 and by the largest and lowest finite numbers of its dtype.
#[op(method, nan = None, posinf = None, neginf = None)]
pub fn nan_to_num(x: &Tensor, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Ok(x.clone());
    }
    let x = floats(x)?;
    let largest = if x.dtype() == DType::Float32 { f64::from(f32::MAX) } else { f64::MAX };
    let mut y = where_(&isnan(&x)?, &number(&x, nan.unwrap_or(0.0))?, &x)?;
    let replaced = [(f64::INFINITY, posinf.unwrap_or(largest)), (f64::NEG_INFINITY, neginf.unwrap_or(-largest))];
    for (infinity, by) in replaced {
        y = where_(&compare(Compare::Eq, &x, &number(&x, infinity)?)?, &number(&x, by)?, &y)?;
    }
    Ok(y)
}

/// Whether |x − other| ≤ atol + rtol × |other|, element by element, as a tensor of bool. Equal infinities are close, and NaN
/// to NaN if `equal_nan` says so.
#[op(method, rtol = 1e-5, atol = 1e-8, equal_nan = false)]
pub fn isclose(x: &Tensor, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
    if rtol.is_nan() || atol.is_nan() || rtol < 0.0 || atol < 0.0 {
        fail!(Value, "isclose: rtol and atol must not be negative, got {rtol} and {atol}");
    }
    let dtype = match result_dtype(&[x, other]) {
        float if float.is_float() => float,
        _ => DType::Float64,
    };
    let (a, b) = (cast(&x.without_history(), dtype)?, cast(&other.without_history(), dtype)?);
    let size = abs(&b)?;
    let within = add(&number(&b, atol)?, &mul(&size, &number(&b, rtol)?)?)?;
    let near = compare(Compare::Le, &abs(&sub(&a, &b)?)?, &within)?;
    // An infinite tolerance, that of an infinite number, is none.
    let finite = compare(Compare::Lt, &size, &number(&b, f64::INFINITY)?)?;
    let close = logical_or(&logical_and(&near, &finite)?, &compare(Compare::Eq, &a, &b)?)?;
    if equal_nan { logical_or(&close, &logical_and(&isnan(&a)?, &isnan(&b)?)?) } else { Ok(close) }
}

/// Whether all elements are close: see [`isclose`].
pub fn allclose(x: &Tensor, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<bool> {
    Ok(!isclose(x, other, rtol, atol, equal_nan)?.read::<u8>().slice().contains(&0))
}

/// Whether shapes and all elements are equal.
pub fn equal(x: &Tensor, other: &Tensor) -> Result<bool> {
    Ok(x.shape() == other.shape() && !compare(Compare::Eq, x, other)?.read::<u8>().slice().contains(&0))
}
