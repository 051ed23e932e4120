//! Activation functions: the common ones by kernels of their own, the others composed of other operations, from which their
//! derivatives of any order and mode follow.
//!
//! Formulas and derivatives at kinks are PyTorch's. Where a function is one formula on one side and another on the other, the
//! *argument* of each is chosen as well as the result, so that a side which was not chosen cannot overflow into the
//! gradient. Integers become floats.

use rgrad_kernels::map::{Compare, Curve};
use rgrad_macros::op;

use super::cast;
use super::curve::curve;
use super::elementwise::{abs, add, clamp, compare, div, floats, mul, neg, number, relu, sub, tanh, where_};
use super::softmax::softmax;
use super::views::reshape_to;
use crate::error::{Result, fail};
use crate::shape::{Dims, Show};
use crate::tensor::Tensor;

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

/// min(max(x, 0), 6). The derivative at 0 and 6 is 0.
#[op(function)]
pub fn relu6(input: &Tensor) -> Result<Tensor> {
    hardtanh(input, 0.0, 6.0)
}

/// x where x > 0, else `negative_slope` · x. The derivative at 0 is `negative_slope`.
#[op(function, negative_slope = 0.01)]
pub fn leaky_relu(input: &Tensor, negative_slope: f64) -> Result<Tensor> {
    curve("leaky_relu", Curve::LeakyRelu(negative_slope), input)
}

/// x where x > 0, else weight · x, with one weight, or one for each channel (dimension 1) of `input`. The derivative at
/// 0 is the weight. `ValueError` for another number of weights.
#[op(function)]
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
    let weight = if weight.is_weak() { cast(weight, x.dtype())? } else { weight.clone() };
    where_(&positive, &x, &mul(&reshape_to(&weight, &shape)?, &below)?)
}

/// x where x > 0, else alpha (eˣ − 1). The derivative at 0 is alpha.
#[op(function, alpha = 1.0)]
pub fn elu(input: &Tensor, alpha: f64) -> Result<Tensor> {
    curve("elu", Curve::Elu { alpha, scale: 1.0, rate: 1.0 }, input)
}

/// scale · x where x > 0, else scale · alpha (eˣ − 1), with the constants that keep mean 0 and variance 1.
#[op(function)]
pub fn selu(input: &Tensor) -> Result<Tensor> {
    curve("selu", Curve::Elu { alpha: SELU_ALPHA, scale: SELU_SCALE, rate: 1.0 }, input)
}

/// x where x > 0, else alpha (exp(x / alpha) − 1). The derivative at 0 is 1. `ValueError` if alpha is 0.
#[op(function, alpha = 1.0)]
pub fn celu(input: &Tensor, alpha: f64) -> Result<Tensor> {
    if alpha == 0.0 {
        fail!(Value, "celu: alpha must not be 0");
    }
    curve("celu", Curve::Elu { alpha, scale: 1.0, rate: 1.0 / alpha }, input)
}

/// x Φ(x), with the normal distribution Φ; or, with `approximate` "tanh" instead of "none", x/2 (1 + tanh(√(2/π) (x +
/// 0.044715 x³))).
/// `ValueError` for another `approximate`. Hendrycks and Gimpel, Gaussian error linear units, 2016.
#[op(function, approximate = "none")]
pub fn gelu(input: &Tensor, approximate: &str) -> Result<Tensor> {
    match approximate {
        "none" => curve("gelu", Curve::Gelu, input),
        "tanh" => curve("gelu", Curve::GeluTanh, input),
        other => fail!(Value, "gelu: approximate must be \"none\" or \"tanh\", got {other:?}"),
    }
}

/// x σ(x), also called swish.
#[op(function)]
pub fn silu(input: &Tensor) -> Result<Tensor> {
    curve("silu", Curve::Silu, input)
}

/// x tanh(softplus(x)).
#[op(function)]
pub fn mish(input: &Tensor) -> Result<Tensor> {
    curve("mish", Curve::Mish, input)
}

/// ln(1 / (1 + e⁻ˣ)), without overflow.
#[op(method)]
pub fn logsigmoid(x: &Tensor) -> Result<Tensor> {
    curve("logsigmoid", Curve::LogSigmoid, x)
}

/// ln(1 + exp(beta · x)) / beta, without overflow; x itself where beta · x > threshold. `ValueError` if beta is 0.
#[op(method, beta = 1.0, threshold = 20.0)]
pub fn softplus(x: &Tensor, beta: f64, threshold: f64) -> Result<Tensor> {
    if beta == 0.0 {
        fail!(Value, "softplus: beta must not be 0");
    }
    curve("softplus", Curve::Softplus { beta, threshold }, x)
}

/// x / (1 + |x|).
#[op(function)]
pub fn softsign(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    div(&x, &add(&abs(&x)?, &number(&x, 1.0)?)?)
}

/// x limited to the range from `min_val` to `max_val`. The derivative at both ends is 0. `ValueError` for an empty range.
#[op(function, min_val = -1.0, max_val = 1.0)]
pub fn hardtanh(input: &Tensor, min_val: f64, max_val: f64) -> Result<Tensor> {
    if min_val > max_val {
        fail!(Value, "hardtanh: min_val {min_val} is above max_val {max_val}");
    }
    let x = floats(input)?;
    let below_max = where_(&is(&x, Compare::Ge, max_val)?, &number(&x, max_val)?, &x)?;
    where_(&is(&x, Compare::Le, min_val)?, &number(&x, min_val)?, &below_max)
}

/// min(max(x + 3, 0), 6) / 6. The derivative at −3 and 3 is 0.
#[op(function)]
pub fn hardsigmoid(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    let shifted = relu6(&add(&x, &number(&x, 3.0)?)?)?;
    div(&shifted, &number(&x, 6.0)?)
}

/// x min(max(x + 3, 0), 6) / 6. The derivative is 0 at −3 and 1 at 3.
#[op(function)]
pub fn hardswish(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    let inside = size_is(&x, Compare::Lt, 3.0)?;
    let middle = where_(&inside, &x, &number(&x, 0.0)?)?;
    let parabola = mul(&middle, &add(&middle, &number(&x, 3.0)?)?)?;
    where_(&inside, &div(&parabola, &number(&x, 6.0)?)?, &relu(&x)?)
}

/// x − tanh x.
#[op(function)]
pub fn tanhshrink(input: &Tensor) -> Result<Tensor> {
    let x = floats(input)?;
    sub(&x, &tanh(&x)?)
}

/// x moved towards 0 by lambd, or 0 where |x| ≤ lambd. The derivative there is 0. `ValueError` if lambd is negative.
#[op(function, lambd = 0.5)]
pub fn softshrink(input: &Tensor, lambd: f64) -> Result<Tensor> {
    if lambd.is_nan() || lambd < 0.0 {
        fail!(Value, "softshrink: lambd must not be negative, got {lambd}");
    }
    let x = floats(input)?;
    sub(&x, &clamp(&x, Some(&number(&x, -lambd)?), Some(&number(&x, lambd)?))?)
}

/// x where |x| > lambd, else 0. The derivative there is 0.
#[op(function, lambd = 0.5)]
pub fn hardshrink(input: &Tensor, lambd: f64) -> Result<Tensor> {
    let x = floats(input)?;
    where_(&size_is(&x, Compare::Le, lambd)?, &number(&x, 0.0)?, &x)
}

/// x where x > threshold, else value. The derivative at the threshold is 0.
#[op(function)]
pub fn threshold(input: &Tensor, threshold: f64, value: f64) -> Result<Tensor> {
    let x = floats(input)?;
    where_(&is(&x, Compare::Le, threshold)?, &number(&x, value)?, &x)
}

/// exp(−x) / Σ exp(−x) along `dim`, without overflow.
///
/// Args:
///     input: Numbers; integers become floats of the default dtype.
///     dim: The dimension along which the results add up to 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
#[op(function)]
pub fn softmin(input: &Tensor, dim: isize) -> Result<Tensor> {
    softmax(&neg(&floats(input)?)?, dim)
}
