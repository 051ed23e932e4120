//! Elementary functions on vectors. In this file: exponential, logarithm, and the arithmetic that all share.
//!
//! Written once for both types and all instruction sets, in terms of operations that IEEE 754 specifies exactly, so the
//! bits of a result depend on nothing but its argument. Infinities, NaN, zeros and subnormal numbers need no branches.
//! The error bounds, in units in the last place, were measured by the slow tests.

mod activation;
mod angles;
mod hyperbolic;
mod normal;
mod power;
mod quotients;

pub use activation::{Activation, GELU_TANH};
pub(crate) use activation::{gelu_tanh, gelu_tanh_slope, mish, mish_slope, silu, silu_slope};
pub(crate) use angles::{acos, asin, atan, atan2, cos, sin, sincos_turns, tan};
pub(crate) use hyperbolic::{acosh, asinh, atanh, cosh, sigmoid, sinh, tanh};
pub(crate) use normal::{erf, erfc, gelu, gelu_slope};
pub(crate) use power::{exp2, log2, log10, pow};
pub(crate) use quotients::{fmod, hypot, remainder};

use crate::simd::{Real, Simd};

/// `p[0] + p[1]·x + p[2]·x² + …`
#[inline(always)]
fn polynomial<T: Real, S: Simd<T>>(s: S, p: &[T], x: S::V) -> S::V {
    let mut y = s.splat(p[p.len() - 1]);
    for &c in p[..p.len() - 1].iter().rev() {
        y = s.mul_add(y, x, s.splat(c));
    }
    y
}

/// A constant as a number of this type and its rounding error, given as a double and its rounding error.
#[inline(always)]
fn constant<T: Real, S: Simd<T>>(s: S, c: f64, rest: f64) -> (S::V, S::V) {
    let high = T::from_f64(c);
    (s.splat(high), s.splat(T::from_f64(c - high.to_f64() + rest)))
}

/// `a·b` and its rounding error.
#[inline(always)]
fn exact_product<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> (S::V, S::V) {
    let y = s.mul(a, b);
    (y, s.mul_add(a, b, s.neg(y)))
}

/// `a + b` and its rounding error, if `a` is 0 or not smaller in magnitude than `b` (Dekker's fast two-sum).
#[inline(always)]
fn exact_sum<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> (S::V, S::V) {
    let y = s.add(a, b);
    (y, s.add(s.sub(a, y), b))
}

/// `(n, r, e)` with `x = n·ln 2 + r + e`, where `n` is an integer, to which [`Coefficients::ROUND`] has been added,
/// `|r| ≤ ½ ln 2`, and `e` is the rounding error of `r`.
#[inline(always)]
fn reduce<T: Real, S: Simd<T>>(s: S, x: S::V) -> (S::V, S::V, S::V) {
    let shifted = s.mul_add(x, s.splat(T::LOG2_E), s.splat(T::ROUND));
    let n = s.sub(shifted, s.splat(T::ROUND));
    let high = s.mul_add(n, s.splat(-T::LN2.0), x);
    let low = s.mul(n, s.splat(T::LN2.1));
    let r = s.sub(high, low);
    (shifted, r, s.sub(s.sub(high, r), low))
}

/// `eˣ`, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn exp<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    // A NaN is the second operand, which `min` returns.
    exp_bounded(s, s.min(s.splat(T::EXP_MAX), x))
}

/// [`exp`] of numbers that are at most [`Coefficients::EXP_MAX`].
#[inline(always)]
pub(crate) fn exp_bounded<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    // Rounding a result to 0 takes processors a hundred cycles, so a selection does it.
    let zero = s.splat(T::ZERO);
    let vanishes = s.lt(x, s.splat(T::EXP_MIN));
    let (shifted, r, _) = reduce(s, s.select(vanishes, zero, x));
    let e = s.mul_add(s.mul(r, r), polynomial(s, T::EXP, r), r);
    let y = s.scale(s.add(s.splat(T::ONE), e), s.sub(shifted, s.splat(T::ROUND)));
    s.select(vanishes, zero, y)
}

/// `unit·(eˣ − 1)`, where `unit` is 2^`exponent`, and its rounding error. `unit·eˣ` must not overflow.
#[inline(always)]
fn expm1_parts<T: Real, S: Simd<T>>(s: S, x: S::V, exponent: T, unit: T) -> (S::V, S::V) {
    let (shifted, r, e) = reduce(s, x);
    let shifted = if exponent == T::ZERO { shifted } else { s.add(shifted, s.splat(exponent)) };
    let power = s.shl(shifted, T::MANTISSA);
    let below = s.sub(power, s.splat(unit));
    // power·(1 + r + …) − unit = below + power·r + power·(…), the first sum with its rounding error.
    let high = s.mul_add(power, r, below);
    let error = s.mul_add(power, r, s.sub(below, high));
    let rest = s.mul_add(s.mul(r, r), polynomial(s, T::EXP, r), e);
    let low = s.mul_add(power, rest, error);
    let sum = s.add(high, low);
    (sum, s.add(s.sub(high, sum), low))
}

/// `eˣ − 1`, within 1.3 units in the last place.
#[inline(always)]
pub(crate) fn expm1<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    // e^−64 is far below the last place of −1 in both types.
    let clamped = s.max(s.splat(T::from_f64(-64.0)), s.min(s.splat(T::EXP_MAX), x));
    // Half the result, because the power of two can overflow where the result does not.
    let (half, _) = expm1_parts(s, clamped, -T::ONE, T::from_f64(0.5));
    let y = s.add(half, half);
    // Halving a subnormal number is not exact; and −0 stays −0.
    s.select(s.lt(s.abs(x), s.splat(T::MIN_NORMAL + T::MIN_NORMAL)), x, y)
}

/// `(k, f)` with `x = 2ᵏ·(1 + f)` and `√½ ≤ 1 + f < √2`, of a positive, finite `x`.
#[inline(always)]
fn exponent<T: Real, S: Simd<T>>(s: S, x: S::V) -> (S::V, S::V) {
    let tiny = s.lt(x, s.splat(T::MIN_NORMAL));
    let x = s.select(tiny, s.mul(x, s.splat(T::NORMALISE.0)), x);
    let bias = s.select(tiny, s.splat(T::INTEGER + T::BIAS + T::NORMALISE.1), s.splat(T::INTEGER + T::BIAS));
    let bits = s.int_add(x, s.splat(T::ONE_LESS_SQRT_HALF));
    let k = s.sub(s.or(s.shr(bits, T::MANTISSA), s.splat(T::INTEGER)), bias);
    let m = s.int_add(s.and(bits, s.splat(T::MANTISSA_MASK)), s.splat(T::SQRT_HALF));
    (k, s.sub(m, s.splat(T::ONE)))
}

/// `ln x + c` for a positive, finite `x`.
#[inline(always)]
fn log_plus<T: Real, S: Simd<T>>(s: S, x: S::V, c: S::V) -> S::V {
    let (k, f) = exponent(s, x);
    // f is smaller than the product unless that is 0.
    let (high, error) = exact_sum(s, s.mul(k, s.splat(T::LN2.0)), f);
    let low = s.mul_add(k, s.splat(T::LN2.1), s.add(error, c));
    let rest = s.mul_add(f, polynomial(s, T::LOG, f), s.splat(T::from_f64(-0.5)));
    s.add(high, s.mul_add(s.mul(f, f), rest, low))
}

/// `y` where `x` is positive and finite; ∞ at ∞, −∞ at 0, NaN below and at NaN.
#[inline(always)]
fn log_specials<T: Real, S: Simd<T>>(s: S, x: S::V, y: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    let infinity = s.splat(T::INFINITY);
    let y = s.select(s.lt(x, infinity), y, x);
    let other = s.select(s.eq(x, zero), s.neg(infinity), s.splat(T::NAN));
    s.select(s.lt(zero, x), y, other)
}

/// `ln x`, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn log<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    log_specials(s, x, log_plus(s, x, s.splat(T::ZERO)))
}

/// `ln(1 + x + low)` for a `low` that is small compared with `x`.
#[inline(always)]
fn log1p_sum<T: Real, S: Simd<T>>(s: S, x: S::V, low: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let y = s.add(one, x);
    // The rounding error of 1 + x changes the logarithm by its ratio to y.
    let back = s.sub(y, one);
    let error = s.add(s.sub(one, s.sub(y, back)), s.sub(x, back));
    log_specials(s, y, log_plus(s, y, s.div(s.add(error, low), y)))
}

/// `ln(1 + x)`, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn log1p<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    // −0 stays −0.
    s.select(s.eq(x, zero), x, log1p_sum(s, x, zero))
}

/// `(a + a_low)/(b + b_low)`, where the second terms are rounding errors of the first, refined by the remainder.
#[inline(always)]
fn quotient<T: Real, S: Simd<T>>(s: S, a: S::V, a_low: S::V, b: S::V, b_low: S::V) -> S::V {
    let inverse = s.div(s.splat(T::ONE), b);
    let y = s.mul(a, inverse);
    let remainder = s.add(s.mul_add(s.neg(y), b, a), s.mul_add(s.neg(y), b_low, a_low));
    s.mul_add(remainder, inverse, y)
}

/// `ln(1 + eˣ)`.
#[inline(always)]
pub(crate) fn softplus<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let z = exp_bounded(s, s.or(x, s.splat(T::NEG_ZERO)));
    // A NaN is the second operand of `max`.
    s.add(s.max(s.splat(T::ZERO), x), log1p(s, z))
}

/// `max(x, 0)`; NaN at NaN.
#[inline(always)]
pub(crate) fn relu<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.max(s.splat(T::ZERO), x)
}

/// `y > 0 ? g : 0`: the backward function of [`relu`] for the gradient `g` and the value `y`.
#[inline(always)]
pub(crate) fn relu_grad<T: Real, S: Simd<T>>(s: S, g: S::V, y: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    s.select(s.lt(zero, y), g, zero)
}

/// `g·(1 - y²)`, and 0 where `g` is 0: the backward function of [`tanh`] for the gradient `g` and the value `y`.
#[inline(always)]
pub(crate) fn tanh_grad<T: Real, S: Simd<T>>(s: S, g: S::V, y: S::V) -> S::V {
    unless_zero(s, g, s.mul(g, s.mul_add(s.neg(y), y, s.splat(T::ONE))))
}

/// `g·y·(1 - y)`, and 0 where `g` is 0: the backward function of [`sigmoid`] for the gradient `g` and the value `y`.
#[inline(always)]
pub(crate) fn sigmoid_grad<T: Real, S: Simd<T>>(s: S, g: S::V, y: S::V) -> S::V {
    unless_zero(s, g, s.mul(g, s.mul_add(s.neg(y), y, y)))
}

/// The larger number, or NaN if either is NaN.
#[inline(always)]
pub(crate) fn maximum<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    // `max` returns its second operand if either is NaN, which is wrong only if that is the first.
    s.select(s.eq(a, a), s.max(a, b), a)
}

/// The smaller number, or NaN if either is NaN.
#[inline(always)]
pub(crate) fn minimum<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    s.select(s.eq(a, a), s.min(a, b), a)
}

/// −1, 0 (never −0) or 1; NaN at NaN.
#[inline(always)]
pub(crate) fn sign<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    let one = s.splat(T::ONE);
    s.select(s.lt(zero, x), one, s.select(s.lt(x, zero), s.neg(one), s.add(x, zero)))
}

/// `product`, but 0 where `a` is 0: the gradient of what was not selected is 0, however steep the function is there.
#[inline(always)]
pub(crate) fn unless_zero<T: Real, S: Simd<T>>(s: S, a: S::V, product: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    s.select(s.eq(a, zero), zero, product)
}

/// `√x` as C99 has it for powers: +0 at −0 and ∞ at −∞.
#[inline(always)]
pub(crate) fn root<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let infinity = s.splat(T::INFINITY);
    let y = s.sqrt(s.add(x, s.splat(T::ZERO)));
    s.select(s.eq(x, s.neg(infinity)), infinity, y)
}

/// `x` rounded towards 0.
#[inline(always)]
pub(crate) fn trunc<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.or(s.floor(s.abs(x)), s.and(x, s.splat(T::NEG_ZERO)))
}

/// `ln(eᵃ + eᵇ)` without overflow.
#[inline(always)]
pub(crate) fn logaddexp<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    let high = maximum(s, a, b);
    // Equal infinities have no difference.
    let apart = s.select(s.eq(a, b), s.splat(T::NEG_ZERO), s.neg(s.abs(s.sub(a, b))));
    s.add(high, log1p(s, exp(s, apart)))
}

/// `a ln b`, and 0 where `a` is 0 unless `b` is NaN.
#[inline(always)]
pub(crate) fn xlogy<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    let product = s.mul(a, log(s, b));
    s.select(s.eq(a, zero), s.select(s.eq(b, b), zero, b), product)
}

/// `-t ln p - (1 - t) ln(1 - p)` for probabilities, with logarithms of at least −100.
#[inline(always)]
pub(crate) fn binary_cross_entropy<T: Real, S: Simd<T>>(s: S, p: S::V, t: S::V) -> S::V {
    // A NaN is the second operand of `max`.
    let least = s.splat(T::from_f64(-100.0));
    let (yes, no) = (s.max(least, log(s, p)), s.max(least, log1p(s, s.neg(p))));
    s.neg(s.add(s.mul(t, yes), s.mul(s.sub(s.splat(T::ONE), t), no)))
}

/// `ln(1 + eˣ) - x·t` as `ln(1 + e^-|x|)` plus a linear term, whose factor is 0 where the loss at infinity is finite.
#[inline(always)]
pub(crate) fn logits_cross_entropy<T: Real, S: Simd<T>>(s: S, x: S::V, t: S::V) -> S::V {
    let factor = s.select(s.lt(s.splat(T::ZERO), x), s.sub(s.splat(T::ONE), t), s.neg(t));
    let y = s.add(softplus(s, s.neg(s.abs(x))), unless_zero(s, factor, s.mul(factor, x)));
    // Of a NaN both summands are NaN, of both signs, and compilers may swap them.
    s.select(s.eq(x, x), y, x)
}

/// `σ(x) - t`, computed from the smaller of σ(x) and 1 − σ(x), which is accurate in all its digits.
#[inline(always)]
pub(crate) fn logits_slope<T: Real, S: Simd<T>>(s: S, x: S::V, t: S::V) -> S::V {
    let small = sigmoid(s, s.neg(s.abs(x)));
    s.select(s.lt(s.splat(T::ZERO), x), s.sub(s.sub(s.splat(T::ONE), t), small), s.sub(small, t))
}
