//! Activation functions, composed of other operations: their derivatives of any order and mode follow.
//!
//! Formulas and derivatives at kinks are PyTorch's. Where a function is one formula on one side and another on the other, the
//! *argument* of each is chosen as well as the result, so that a side which was not chosen cannot overflow into the
//! gradient. Integers become floats.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use rgrad_kernels::map::Compare;

use super::elementwise::{
    abs, add, clamp, compare, div, erfc, expm1, floats, log1p_exp, mul, neg, number, relu, sigmoid, square, sub, tanh,
    where_,
};
use super::op_table;
use super::reduce::scale;
use super::softmax::softmax;
use super::views::reshape_to;
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::shape::{Dims, Show};
use crate::tensor::Tensor;

op_table! { $ activation_ops
    /// min(max(x, 0), 6). The derivative at 0 and 6 is 0.
    function relu6(input: Tensor);
    /// x where x > 0, else negative_slope · x. The derivative at 0 is negative_slope.
    function leaky_relu(input: Tensor, negative_slope: float = 0.01);
    /// x where x > 0, else weight · x, with one weight, or one for each channel (dimension 1) of `input`. The derivative at 0
    /// is the weight.
    function prelu(input: Tensor, weight: Tensor);
    /// x where x > 0, else alpha (eˣ − 1). The derivative at 0 is alpha.
    function elu(input: Tensor, alpha: float = 1.0);
    /// scale · x where x > 0, else scale · alpha (eˣ − 1), with the constants that keep mean 0 and variance 1.
    function selu(input: Tensor);
    /// x where x > 0, else alpha (exp(x / alpha) − 1). The derivative at 0 is 1.
    function celu(input: Tensor, alpha: float = 1.0);
    /// x Φ(x), with the normal distribution Φ; or, with `approximate` "tanh" instead of "none", x/2 (1 + tanh(√(2/π) (x + 0.044715
    /// x³))).
    function gelu(input: Tensor, approximate: Name = "none");
    /// x σ(x), also called swish.
    function silu(input: Tensor);
    /// x tanh(softplus(x)).
    function mish(input: Tensor);
    /// ln(1 + exp(beta · x)) / beta, without overflow; x itself where beta · x > threshold.
    method softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0);
    /// x / (1 + |x|).
    function softsign(input: Tensor);
    /// x limited to the range from min_val to max_val. The derivative at both ends is 0.
    function hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0);
    /// min(max(x + 3, 0), 6) / 6. The derivative at −3 and 3 is 0.
    function hardsigmoid(input: Tensor);
    /// x min(max(x + 3, 0), 6) / 6. The derivative is 0 at −3 and 1 at 3.
    function hardswish(input: Tensor);
    /// x − tanh x.
    function tanhshrink(input: Tensor);
    /// x moved towards 0 by lambd, or 0 where |x| ≤ lambd. The derivative there is 0.
    function softshrink(input: Tensor, lambd: float = 0.5);
    /// x where |x| > lambd, else 0. The derivative there is 0.
    function hardshrink(input: Tensor, lambd: float = 0.5);
    /// x where x > threshold, else value. The derivative at the threshold is 0.
    function threshold(input: Tensor, threshold: float, value: float);
    /// exp(−x) / Σ exp(−x) along `dim`, without overflow.
    function softmin(input: Tensor, dim: int);
}

/// Klambauer et al., Self-normalizing neural networks, 2017, appendix A.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// Where `x ⋛ bound`.
fn is(x: &Tensor, order: Compare, bound: f64) -> Result<Tensor> {
    compare(order, x, &number(x, bound)?)
}

/// Where |x| ⋛ bound.
fn size_is(x: &Tensor, order: Compare, bound: f64) -> Result<Tensor> {
    is(&abs(&x.without_history())?, order, bound)
}

/// `x · by`, which costs nothing for 1.
fn times(x: &Tensor, by: f64) -> Result<Tensor> {
    if by == 1.0 { Ok(x.clone()) } else { scale(x, by) }
}

/// min(max(x, 0), 6).
pub fn relu6(input: &Tensor) -> Result<Tensor> {
    hardtanh(input, 0.0, 6.0)
}

/// x where x > 0, else `negative_slope` · x.
pub fn leaky_relu(input: &Tensor, negative_slope: f64) -> Result<Tensor> {
    let x = floats(input)?;
    let slope = where_(&is(&x, Compare::Gt, 0.0)?, &number(&x, 1.0)?, &number(&x, negative_slope)?)?;
    mul(&x, &slope)
}

/// x where x > 0, else `weight` · x, with one weight or one for each channel. `ValueError` for another number of weights.
pub fn prelu(input: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    let channels = x.shape().get(1).copied().unwrap_or(1);
    if weight.ndim() > 1 || (weight.numel() != 1 && weight.numel() != channels) {
        let (shape, weights) = (Show(x.shape()), Show(weight.shape()));
        fail!(
            Value,
            "prelu: expected one weight, or one for each of the {channels} channels of an input of shape {shape}, got \
             weights of shape {weights}"
        );
    }
    let mut shape: Dims = x.shape().iter().map(|_| 1).collect();
    if weight.numel() != 1 {
        shape[1] = channels;
    }
    let positive = is(&x, Compare::Gt, 0.0)?;
    let below = where_(&positive, &number(&x, 0.0)?, &x)?;
    where_(&positive, &x, &mul(&reshape_to(weight, &shape)?, &below)?)
}

/// `scale` · x where x > 0, else `scale · alpha` (exp(`rate` · x) − 1).
fn exponential_unit(input: &Tensor, alpha: f64, scale: f64, rate: f64) -> Result<Tensor> {
    let x = floats(input)?;
    let positive = is(&x, Compare::Gt, 0.0)?;
    let below = where_(&positive, &number(&x, 0.0)?, &x)?;
    where_(&positive, &times(&x, scale)?, &times(&expm1(&times(&below, rate)?)?, alpha * scale)?)
}

/// x where x > 0, else `alpha` (eˣ − 1).
pub fn elu(input: &Tensor, alpha: f64) -> Result<Tensor> {
    exponential_unit(input, alpha, 1.0, 1.0)
}

/// `elu` scaled so that it keeps mean 0 and variance 1.
pub fn selu(input: &Tensor) -> Result<Tensor> {
    exponential_unit(input, SELU_ALPHA, SELU_SCALE, 1.0)
}

/// x where x > 0, else `alpha` (exp(x / alpha) − 1). `ValueError` if alpha is 0.
pub fn celu(input: &Tensor, alpha: f64) -> Result<Tensor> {
    if alpha == 0.0 {
        fail!(Value, "celu: alpha must not be 0");
    }
    exponential_unit(input, alpha, 1.0, 1.0 / alpha)
}

/// x Φ(x), or its approximation by the hyperbolic tangent. `ValueError` for another `approximate` than "none" and "tanh".
/// Hendrycks and Gimpel, Gaussian error linear units, 2016.
pub fn gelu(input: &Tensor, approximate: &str) -> Result<Tensor> {
    let x = floats(input)?;
    match approximate {
        // As erfc, which keeps its digits where Φ is small.
        "none" => scale(&mul(&x, &erfc(&scale(&x, -FRAC_1_SQRT_2)?)?)?, 0.5),
        "tanh" => {
            // (1 + tanh u) / 2 is σ(2u).
            let rate = SQRT_2 * FRAC_2_SQRT_PI;
            let cubic = add(&scale(&square(&x)?, 0.044_715 * rate)?, &number(&x, rate)?)?;
            mul(&x, &sigmoid(&mul(&x, &cubic)?)?)
        }
        other => fail!(Value, "gelu: approximate must be \"none\" or \"tanh\", got {other:?}"),
    }
}

/// x σ(x).
pub fn silu(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    mul(&x, &sigmoid(&x)?)
}

/// x tanh(softplus(x)).
pub fn mish(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    mul(&x, &tanh(&log1p_exp(&x)?)?)
}

/// ln(1 + exp(`beta` · x)) / `beta`; x itself where `beta` · x > `threshold`. `ValueError` if beta is 0.
pub fn softplus(x: &Tensor, beta: f64, threshold: f64) -> Result<Tensor> {
    if beta == 0.0 {
        fail!(Value, "softplus: beta must not be 0");
    }
    let x = floats(x)?;
    let argument = times(&x, beta)?;
    let curve = times(&log1p_exp(&argument)?, 1.0 / beta)?;
    // Above 20, ln(1 + eˣ) is x to the last bit of a float32.
    if threshold >= 20.0 && x.dtype() == DType::Float32 && beta == 1.0 {
        return Ok(curve);
    }
    where_(&is(&argument, Compare::Gt, threshold)?, &x, &curve)
}

/// x / (1 + |x|).
pub fn softsign(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    div(&x, &add(&abs(&x)?, &number(&x, 1.0)?)?)
}

/// x limited to the range from `min_val` to `max_val`, with derivative 0 at its ends. `ValueError` for an empty range.
pub fn hardtanh(input: &Tensor, min_val: f64, max_val: f64) -> Result<Tensor> {
    if min_val > max_val {
        fail!(Value, "hardtanh: min_val {min_val} is above max_val {max_val}");
    }
    let x = floats(input)?;
    let below_max = where_(&is(&x, Compare::Ge, max_val)?, &number(&x, max_val)?, &x)?;
    where_(&is(&x, Compare::Le, min_val)?, &number(&x, min_val)?, &below_max)
}

/// min(max(x + 3, 0), 6) / 6.
pub fn hardsigmoid(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    let shifted = relu6(&add(&x, &number(&x, 3.0)?)?)?;
    div(&shifted, &number(&x, 6.0)?)
}

/// x min(max(x + 3, 0), 6) / 6.
pub fn hardswish(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    let inside = size_is(&x, Compare::Lt, 3.0)?;
    let middle = where_(&inside, &x, &number(&x, 0.0)?)?;
    let parabola = mul(&middle, &add(&middle, &number(&x, 3.0)?)?)?;
    where_(&inside, &div(&parabola, &number(&x, 6.0)?)?, &relu(&x)?)
}

/// x − tanh x.
pub fn tanhshrink(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    sub(&x, &tanh(&x)?)
}

/// x moved towards 0 by `lambd`, or 0 where |x| ≤ `lambd`. `ValueError` if lambd is negative.
pub fn softshrink(input: &Tensor, lambd: f64) -> Result<Tensor> {
    if lambd.is_nan() || lambd < 0.0 {
        fail!(Value, "softshrink: lambd must not be negative, got {lambd}");
    }
    let x = floats(input)?;
    sub(&x, &clamp(&x, Some(&number(&x, -lambd)?), Some(&number(&x, lambd)?))?)
}

/// x where |x| > `lambd`, else 0.
pub fn hardshrink(input: &Tensor, lambd: f64) -> Result<Tensor> {
    let x = floats(input)?;
    where_(&size_is(&x, Compare::Le, lambd)?, &number(&x, 0.0)?, &x)
}

/// x where x > `threshold`, else `value`.
pub fn threshold(input: &Tensor, threshold: f64, value: f64) -> Result<Tensor> {
    let x = floats(input)?;
    where_(&is(&x, Compare::Le, threshold)?, &number(&x, value)?, &x)
}

/// exp(−x) / Σ exp(−x) along `dim`.
pub fn softmin(input: &Tensor, dim: isize) -> Result<Tensor> {
    softmax(&neg(&floats(input)?)?, dim)
}
