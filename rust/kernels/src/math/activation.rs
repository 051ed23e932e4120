//! Activation functions and their derivatives: those that follow from the value, and those of the form x·f(x).
//!
//! Where f has reached 0 or 1, x is clamped: ∞ times 0 would be NaN.

use super::{exp, relu, relu_grad, sigmoid, sigmoid_grad, tanh, tanh_grad};
use crate::simd::{Real, Simd};

/// An activation function whose derivative follows from its value: one that a product can apply to its result. The bits
/// are those of the functions in [`map`](crate::map).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activation {
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Relu, Self::Tanh, Self::Sigmoid];

    /// The name of the operation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
        }
    }

    #[inline(always)]
    pub(crate) fn value<T: Real, S: Simd<T>>(self, s: S, x: S::V) -> S::V {
        match self {
            Activation::Relu => relu(s, x),
            Activation::Tanh => tanh(s, x),
            Activation::Sigmoid => sigmoid(s, x),
        }
    }

    /// The gradient with respect to the argument, from that with respect to the value, `g`, and the value `y`.
    #[inline(always)]
    pub(crate) fn grad<T: Real, S: Simd<T>>(self, s: S, g: S::V, y: S::V) -> S::V {
        match self {
            Activation::Relu => relu_grad(s, g, y),
            Activation::Tanh => tanh_grad(s, g, y),
            Activation::Sigmoid => sigmoid_grad(s, g, y),
        }
    }
}

/// `x` clamped from below to −`limit`.
#[inline(always)]
fn from_below<T: Real, S: Simd<T>>(s: S, x: S::V, limit: T) -> S::V {
    // A NaN is the second operand, which `max` and `min` return.
    s.max(s.splat(-limit), x)
}

/// `x` clamped to ±`limit`.
#[inline(always)]
fn within<T: Real, S: Simd<T>>(s: S, x: S::V, limit: T) -> S::V {
    s.min(s.splat(limit), from_below(s, x, limit))
}

/// Beyond ± this number the logistic function is 0 or 1.
#[inline(always)]
fn steep<T: Real>() -> T {
    T::ONE - T::EXP_MIN
}

/// `x·σ(x)` with the logistic function σ.
#[inline(always)]
pub(crate) fn silu<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.mul(from_below(s, x, steep()), sigmoid(s, x))
}

/// `σ(x) + x·σ(x)·(1 − σ(x))`.
#[inline(always)]
pub(crate) fn silu_slope<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let x = within(s, x, steep());
    let y = sigmoid(s, x);
    s.mul_add(s.mul(x, y), s.sub(s.splat(T::ONE), y), y)
}

/// From this magnitude on, [`gelu_tanh`] is 0 or x in both types.
const TANH_FAR: f64 = 25.0;

/// The coefficients of x and x³ in [`gelu_tanh`]: √(8/π), and 0.044715 times that.
pub const GELU_TANH: (f64, f64) = (1.595_769_121_605_730_7, 1.595_769_121_605_730_7 * 0.044_715);

/// `x·σ(u)` with `u = a·x + b·x³` and the constants of [`GELU_TANH`]: ½(1 + tanh ½u) is σ(u).
#[inline(always)]
pub(crate) fn gelu_tanh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let x = from_below(s, x, T::from_f64(TANH_FAR));
    let near = s.min(s.splat(T::from_f64(TANH_FAR)), x);
    let slope = s.mul_add(s.mul(near, near), s.splat(T::from_f64(GELU_TANH.1)), s.splat(T::from_f64(GELU_TANH.0)));
    s.mul(x, sigmoid(s, s.mul(near, slope)))
}

/// `σ(u) + x·u′·σ(u)·(1 − σ(u))`.
#[inline(always)]
pub(crate) fn gelu_tanh_slope<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let x = within(s, x, T::from_f64(TANH_FAR));
    let square = s.mul(x, x);
    let (a, b) = (s.splat(T::from_f64(GELU_TANH.0)), s.splat(T::from_f64(GELU_TANH.1)));
    let y = sigmoid(s, s.mul(x, s.mul_add(square, b, a)));
    let rise = s.mul(x, s.mul_add(square, s.splat(T::from_f64(3.0 * GELU_TANH.1)), a));
    s.mul_add(s.mul(rise, y), s.sub(s.splat(T::ONE), y), y)
}

/// `(w, n, 1/(n + 2))` with w = eˣ and n = w(w + 2): tanh(ln(1 + w)) is n/(n + 2), and 1 in both types from x = 40 on.
#[inline(always)]
fn mish_parts<T: Real, S: Simd<T>>(s: S, x: S::V) -> (S::V, S::V, S::V) {
    let two = s.splat(T::ONE + T::ONE);
    let w = exp(s, s.min(s.splat(T::from_f64(40.0)), x));
    let n = s.mul(w, s.add(w, two));
    (w, n, s.div(s.splat(T::ONE), s.add(n, two)))
}

/// `x·tanh(ln(1 + eˣ))`.
#[inline(always)]
pub(crate) fn mish<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let (_, n, inverse) = mish_parts(s, x);
    s.mul(from_below(s, x, steep()), s.mul(n, inverse))
}

/// `n/(n + 2) + 4x·w(w + 1)/(n + 2)²`.
#[inline(always)]
pub(crate) fn mish_slope<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let x = within(s, x, steep());
    let (w, n, inverse) = mish_parts(s, x);
    let rise = s.mul(s.mul(s.splat(T::from_f64(4.0)), x), s.mul(s.mul(w, s.add(w, s.splat(T::ONE))), inverse));
    s.mul_add(rise, inverse, s.mul(n, inverse))
}
