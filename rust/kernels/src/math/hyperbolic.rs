//! Hyperbolic functions, their inverses, and the logistic function.

use super::{exp_bounded, expm1_parts, log1p_sum, polynomial, quotient, reduce};
use crate::simd::{Real, Simd};

/// The hyperbolic tangent, within 2.5 units in the last place of an `f32` and 1 of an `f64`.
#[inline(always)]
pub(crate) fn tanh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let a = s.min(s.splat(T::TANH_MAX), s.abs(x));
    let two = s.splat(T::ONE + T::ONE);
    // tanh a = t/(t + 2) with t = e²ᵃ − 1.
    let y = if T::REFINE {
        let (t, t_low) = expm1_parts(s, s.add(a, a), T::ZERO, T::ONE);
        let d = s.add(t, two);
        let d_low = s.add(s.add(s.sub(s.max(two, t), d), s.min(two, t)), t_low);
        quotient(s, t, t_low, d, d_low)
    } else {
        let (shifted, r, _) = reduce(s, s.add(a, a));
        let power = s.shl(shifted, T::MANTISSA);
        let e = s.mul_add(s.mul(r, r), polynomial(s, T::EXP, r), r);
        let t = s.mul_add(power, e, s.sub(power, s.splat(T::ONE)));
        s.div(t, s.add(t, two))
    };
    s.or(y, s.and(x, s.splat(T::NEG_ZERO)))
}

/// The logistic function `1/(1 + e⁻ˣ)`, within 2.5 units in the last place of an `f32` and 2 of an `f64`.
#[inline(always)]
pub(crate) fn sigmoid<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    // The exponential of −|x| cannot overflow.
    let z = exp_bounded(s, s.or(x, s.splat(T::NEG_ZERO)));
    let numerator = s.select(s.lt(x, s.splat(T::ZERO)), z, one);
    let d = s.add(one, z);
    if !T::REFINE {
        return s.div(numerator, d);
    }
    quotient(s, numerator, s.splat(T::ZERO), d, s.add(s.sub(one, d), z))
}

/// The hyperbolic sine, within 2 units in the last place.
#[inline(always)]
pub(crate) fn sinh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let a = s.min(s.splat(T::EXP_MAX + T::from_f64(0.5)), s.abs(x));
    // ½(t + t/(t + 1)) with t = eᵃ − 1, of which `quarter` is a quarter, because its power of two can overflow.
    let (quarter, low) = expm1_parts(s, a, T::from_f64(-2.0), T::from_f64(0.25));
    let over = s.div(quarter, s.mul_add(quarter, s.splat(T::from_f64(4.0)), one));
    let half = s.add(quarter, s.add(over, low));
    let y = s.or(s.add(half, half), s.and(x, s.splat(T::NEG_ZERO)));
    // Quarters of subnormal numbers are not exact.
    s.select(s.lt(a, s.splat(T::MIN_NORMAL * T::from_f64(8.0))), x, y)
}

/// The hyperbolic cosine, within 2 units in the last place.
#[inline(always)]
pub(crate) fn cosh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let a = s.min(s.splat(T::EXP_MAX + T::from_f64(0.5)), s.abs(x));
    // y + 1/(4y) with y = ½eᵃ.
    let (shifted, r, e) = reduce(s, a);
    let e = s.add(r, s.mul_add(s.mul(r, r), polynomial(s, T::EXP, r), e));
    let y = s.scale(s.add(s.splat(T::ONE), e), s.sub(shifted, s.splat(T::ROUND + T::ONE)));
    s.add(y, s.div(s.splat(T::from_f64(0.25)), y))
}

/// The inverse hyperbolic sine, within 2 units in the last place.
#[inline(always)]
pub(crate) fn asinh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let a = s.abs(x);
    // a + √(a² + 1) is 1 + a + a²/(1 + √(a² + 1)).
    let square = s.mul(a, a);
    let root = s.sqrt(s.mul_add(a, a, one));
    let y = log1p_root(s, a, s.div(square, s.add(one, root)), s.splat(T::ZERO));
    s.or(y, s.and(x, s.splat(T::NEG_ZERO)))
}

/// The inverse hyperbolic cosine, within 2 units in the last place; NaN below 1.
#[inline(always)]
pub(crate) fn acosh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let two = s.splat(T::ONE + T::ONE);
    // x + √(x² − 1) is 1 + t + √(t(t + 2)) with t = x − 1.
    let t = s.sub(x, one);
    let above = s.add(t, two);
    let square = s.mul(t, above);
    let root = s.sqrt(square);
    // The rounding errors of the square and the root, to first order.
    let lost = s.add(s.mul_add(t, above, s.neg(square)), s.mul_add(s.neg(root), root, square));
    let low = s.div(lost, s.add(s.add(root, root), s.splat(T::MIN_NORMAL)));
    s.select(s.lt(x, one), s.splat(T::NAN), log1p_root(s, t, root, low))
}

/// `ln(1 + a + b + b_low)` where `b` is about `a` if that is large, when its square may overflow.
#[inline(always)]
fn log1p_root<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V, b_low: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    let large = s.lt(s.splat(T::LARGE), a);
    let sum = s.add(a, b);
    // Knuth's two-sum.
    let part = s.sub(sum, a);
    let rounded = s.add(s.sub(a, s.sub(sum, part)), s.sub(b, part));
    let low = s.select(large, zero, s.add(rounded, b_low));
    let y = log1p_sum(s, s.select(large, a, sum), low);
    s.add(y, s.select(large, s.splat(T::from_f64(std::f64::consts::LN_2)), zero))
}

/// The inverse hyperbolic tangent, within 2 units in the last place; NaN beyond ±1.
#[inline(always)]
pub(crate) fn atanh<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let a = s.abs(x);
    // ½ ln((1 + a)/(1 − a)) is ½ ln(1 + 2a/(1 − a)).
    let d = s.sub(one, a);
    let inverse = s.div(one, d);
    let q = s.mul(s.add(a, a), inverse);
    let d_low = s.sub(s.sub(one, d), a);
    let remainder = s.mul_add(s.neg(q), d_low, s.mul_add(s.neg(q), d, s.add(a, a)));
    let y = log1p_sum(s, q, s.mul(remainder, inverse));
    s.or(s.mul(y, s.splat(T::from_f64(0.5))), s.and(x, s.splat(T::NEG_ZERO)))
}
