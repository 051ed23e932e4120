//! Elementary functions on vectors: exponential, logarithm, hyperbolic tangent, logistic function, sine and cosine.
//!
//! Written once for both types and all instruction sets, from operations that IEEE 754 specifies exactly, so the bits of
//! a result depend on nothing but its argument. Infinities, NaN, zeros and subnormal numbers need no branches. Errors, in
//! units in the last place, are those of the slow tests.

mod coefficients;
pub(crate) mod library;

pub use coefficients::Coefficients;

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
    // Processors take a hundred cycles to round a result to 0, so that is left to a selection.
    let zero = s.splat(T::ZERO);
    let vanishes = s.lt(x, s.splat(T::EXP_MIN));
    let (shifted, r, _) = reduce(s, s.select(vanishes, zero, x));
    let e = s.mul_add(s.mul(r, r), polynomial(s, T::EXP, r), r);
    let y = s.scale(s.add(s.splat(T::ONE), e), s.sub(shifted, s.splat(T::ROUND)));
    s.select(vanishes, zero, y)
}

/// `unit·(eˣ − 1)`, where `unit` is 2^`exponent`, and what rounding took from it. `unit·eˣ` must not overflow.
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
    // Half the result, because its power of two can overflow where the result does not.
    let (half, _) = expm1_parts(s, clamped, -T::ONE, T::from_f64(0.5));
    let y = s.add(half, half);
    // Halving a subnormal number is not exact; and −0 stays −0.
    s.select(s.lt(s.abs(x), s.splat(T::MIN_NORMAL + T::MIN_NORMAL)), x, y)
}

/// `ln x + c` for a positive, finite `x`.
#[inline(always)]
fn log_plus<T: Real, S: Simd<T>>(s: S, x: S::V, c: S::V) -> S::V {
    let tiny = s.lt(x, s.splat(T::MIN_NORMAL));
    let x = s.select(tiny, s.mul(x, s.splat(T::NORMALISE.0)), x);
    let bias = s.select(tiny, s.splat(T::INTEGER + T::BIAS + T::NORMALISE.1), s.splat(T::INTEGER + T::BIAS));
    // x = 2ᵏ·m with √½ ≤ m < √2.
    let bits = s.int_add(x, s.splat(T::ONE_LESS_SQRT_HALF));
    let k = s.sub(s.or(s.shr(bits, T::MANTISSA), s.splat(T::INTEGER)), bias);
    let m = s.int_add(s.and(bits, s.splat(T::MANTISSA_MASK)), s.splat(T::SQRT_HALF));
    let f = s.sub(m, s.splat(T::ONE));
    // k·ln 2 + f with its rounding error, as f is smaller than the product unless that is 0.
    let base = s.mul(k, s.splat(T::LN2.0));
    let high = s.add(base, f);
    let error = s.add(s.sub(base, high), f);
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

/// `ln(1 + x)`, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn log1p<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let y = s.add(one, x);
    // The rounding error of 1 + x moves the logarithm by its ratio to y.
    let back = s.sub(y, one);
    let error = s.add(s.sub(one, s.sub(y, back)), s.sub(x, back));
    let y = log_specials(s, y, log_plus(s, y, s.div(error, y)));
    // −0 stays −0.
    s.select(s.eq(x, s.splat(T::ZERO)), x, y)
}

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

/// `(sin 2πu, cos 2πu)` for `|u| ≤ 1`.
#[inline(always)]
pub(crate) fn sincos_turns<T: Real, S: Simd<T>>(s: S, u: S::V) -> (S::V, S::V) {
    // Quarter turns: the nearest whole number q, and the rest t, exactly.
    let quarters = s.mul(u, s.splat(T::from_f64(4.0)));
    let q = s.round(quarters);
    let t = s.sub(quarters, q);
    let z = s.mul(t, t);
    turned(s, q, s.mul(t, polynomial(s, T::SIN, z)), polynomial(s, T::COS, z))
}

/// Sine and cosine of an angle, from those of what q quarter turns leave of it.
#[inline(always)]
fn turned<T: Real, S: Simd<T>>(s: S, q: S::V, sin: S::V, cos: S::V) -> (S::V, S::V) {
    // An odd q exchanges the two, and q modulo 4 decides the signs.
    let half = s.splat(T::from_f64(0.5));
    let odd = s.eq(s.abs(s.sub(q, s.mul(s.splat(T::ONE + T::ONE), s.round(s.mul(q, half))))), s.splat(T::ONE));
    let sin_out = s.select(odd, cos, sin);
    let cos_out = s.select(odd, sin, cos);
    (s.xor(sin_out, sign_of_quarter(s, q)), s.xor(cos_out, sign_of_quarter(s, s.add(q, s.splat(T::ONE)))))
}

/// Sine and cosine of angles from 0 to [`Coefficients::ANGLE_MAX`].
#[inline(always)]
fn sincos<T: Real, S: Simd<T>>(s: S, a: S::V) -> (S::V, S::V) {
    let one = s.splat(T::ONE);
    let [p1, p2, p3] = [s.splat(T::HALF_PI[0]), s.splat(T::HALF_PI[1]), s.splat(T::HALF_PI[2])];
    let q = s.round(s.mul(a, s.splat(T::from_f64(std::f64::consts::FRAC_2_PI))));
    let n = s.neg(q);
    // Exact, because the difference is a multiple of the last place of both and small.
    let first = s.mul_add(n, p1, a);
    // The product is `second` + `lost`, and the angle r + e: Knuth's sum keeps what rounding takes from r.
    let second = s.mul(n, p2);
    let lost = s.mul_add(n, p2, s.neg(second));
    let r = s.add(first, second);
    let part = s.sub(r, first);
    let rounded = s.add(s.sub(first, s.sub(r, part)), s.sub(second, part));
    let e = s.mul_add(n, p3, s.add(rounded, lost));
    let z = s.mul(r, r);
    let half_z = s.mul(z, s.splat(T::from_f64(0.5)));
    // To first order in e: sin r + e cos r and cos r − e sin r.
    let sin = s.add(r, s.mul_add(s.mul(r, z), polynomial(s, T::SINE, z), s.mul(e, s.sub(one, half_z))));
    let whole = s.sub(one, half_z);
    let rest = s.mul_add(s.mul(z, z), polynomial(s, T::COSINE, z), s.neg(s.mul(r, e)));
    let cos = s.add(whole, s.add(s.sub(s.sub(one, whole), half_z), rest));
    turned(s, q, sin, cos)
}

/// The sine of an angle in radians.
#[inline(always)]
pub(crate) fn sin<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    // An odd function, −0 included.
    let y = s.xor(sincos(s, a).0, s.and(x, s.splat(T::NEG_ZERO)));
    let far = s.lt(s.splat(T::ANGLE_MAX), a);
    if any(s, far) { s.select(far, library::sin(s, x), y) } else { y }
}

/// The cosine of an angle in radians.
#[inline(always)]
pub(crate) fn cos<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let y = sincos(s, a).1;
    let far = s.lt(s.splat(T::ANGLE_MAX), a);
    if any(s, far) { s.select(far, library::cos(s, x), y) } else { y }
}

/// Whether any lane is set.
#[inline(always)]
fn any<T: Real, S: Simd<T>>(s: S, mask: S::M) -> bool {
    s.reduce_max(s.select(mask, s.splat(T::ONE), s.splat(T::ZERO))) > T::ZERO
}

/// −0 for q = 2 and 3 modulo 4, else 0.
#[inline(always)]
fn sign_of_quarter<T: Real, S: Simd<T>>(s: S, q: S::V) -> S::V {
    let wrapped = s.sub(q, s.mul(s.splat(T::from_f64(4.0)), s.floor(s.mul(q, s.splat(T::from_f64(0.25))))));
    s.select(s.lt(wrapped, s.splat(T::ONE + T::ONE)), s.splat(T::ZERO), s.splat(T::NEG_ZERO))
}

/// `max(x, 0)`; NaN at NaN.
#[inline(always)]
pub(crate) fn relu<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.max(s.splat(T::ZERO), x)
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

/// The integer next to `x` on the side of 0.
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
