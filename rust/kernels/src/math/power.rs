//! Powers, and logarithms to other bases than e.

use super::{constant, exact_product, exact_sum, exponent, log_specials, polynomial};
use crate::simd::{Real, Simd};

/// log₂ x of a positive, finite `x` as a rounded value and about ten bits of its rounding error.
///
/// From 1 + f = (1 + q)/(1 − q) with q = f/(2 + f), and ln(1 + f) = 2 artanh q, as in FreeBSD's `e_pow.c`.
#[inline(always)]
fn log2_parts<T: Real, S: Simd<T>>(s: S, x: S::V) -> (S::V, S::V) {
    let two = s.splat(T::ONE + T::ONE);
    let (k, f) = exponent(s, x);
    let d = s.add(two, f);
    let d_low = s.add(s.sub(two, d), f);
    let inverse = s.div(s.splat(T::ONE), d);
    let q = s.mul(f, inverse);
    let n = s.neg(q);
    let q_low = s.mul(s.mul_add(n, d_low, s.mul_add(n, d, f)), inverse);
    let (z, z_rounded) = exact_product(s, q, q);
    let z_low = s.mul_add(s.add(q, q), q_low, z_rounded);
    // artanh q = q·(1 + w).
    let (third, third_low) = constant(s, 1.0 / 3.0, 1.850_371_707_708_594e-17);
    let (w, w_rounded) = exact_product(s, z, third);
    let rest = s.mul_add(s.mul(z, z), polynomial(s, T::ATANH, z), s.mul(z_low, third));
    let w_low = s.add(s.mul_add(z, third_low, w_rounded), rest);
    let (qw, qw_rounded) = exact_product(s, q, w);
    let qw_low = s.mul_add(q, w_low, s.mul_add(q_low, w, qw_rounded));
    let (artanh, sum_rounded) = exact_sum(s, q, qw);
    let artanh_low = s.add(s.add(q_low, qw_low), sum_rounded);
    let (log, log_low) = times(s, artanh, artanh_low, 2.885_390_081_777_926_8, 4.071_054_748_186_206_6e-17);
    let (high, rounded) = exact_sum(s, k, log);
    exact_sum(s, high, s.add(rounded, log_low))
}

/// `(x + x_low)·(c + rest)`, also in two parts.
#[inline(always)]
fn times<T: Real, S: Simd<T>>(s: S, x: S::V, x_low: S::V, c: f64, rest: f64) -> (S::V, S::V) {
    let (c, c_low) = constant(s, c, rest);
    let (y, rounded) = exact_product(s, x, c);
    (y, s.mul_add(x, c_low, s.mul_add(x_low, c, rounded)))
}

/// `2^(x + x_low)`, where the second term is a rounding error of the first.
#[inline(always)]
fn exp2_sum<T: Real, S: Simd<T>>(s: S, x: S::V, x_low: S::V) -> S::V {
    let (zero, one) = (s.splat(T::ZERO), s.splat(T::ONE));
    // As in `exp`: a NaN is the second operand, and rounding to 0 is slow.
    let vanishes = s.le(x, s.splat(T::EXP2_MIN));
    let top = s.splat(T::BIAS + T::ONE + T::ONE);
    let low = s.select(s.lt(x, top), x_low, zero);
    let x = s.select(vanishes, zero, s.min(top, x));
    let n = s.round(x);
    let t = s.sub(x, n);
    let (r, r_low) = times(s, t, s.select(vanishes, zero, low), std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);
    let (high, rounded) = exact_sum(s, one, r);
    let rest = s.mul_add(s.mul(r, r), polynomial(s, T::EXP, r), rounded);
    let y = s.add(high, s.mul_add(s.add(high, rest), r_low, rest));
    s.select(vanishes, zero, s.scale(y, n))
}

/// `2ˣ`, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn exp2<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    exp2_sum(s, x, s.splat(T::ZERO))
}

/// The logarithm to base 2, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn log2<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let (high, low) = log2_parts(s, x);
    log_specials(s, x, s.add(high, low))
}

/// The logarithm to base 10, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn log10<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let (high, low) = log2_parts(s, x);
    let (high, low) = times(s, high, low, std::f64::consts::LOG10_2, -2.803_728_127_785_170_4e-18);
    log_specials(s, x, s.add(high, low))
}

/// `aᵇ` with the special cases of C99, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn pow<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    let (zero, one, infinity) = (s.splat(T::ZERO), s.splat(T::ONE), s.splat(T::INFINITY));
    let size = s.abs(a);
    let (log, log_low) = log2_parts(s, size);
    let log = log_specials(s, size, log);
    let (x, rounded) = exact_product(s, b, log);
    // Infinities have no rounding error; and ±1 to an infinite power is 1, not NaN from 0·∞.
    let finite = s.lt(s.abs(x), infinity);
    let x_low = s.select(finite, s.mul_add(b, log_low, rounded), zero);
    let y = exp2_sum(s, s.select(s.eq(size, one), zero, x), x_low);

    let half = s.mul(b, s.splat(T::from_f64(0.5)));
    let sign = s.select(s.eq(s.floor(half), half), zero, s.and(a, s.splat(T::NEG_ZERO)));
    let undefined = s.select(s.eq(size, infinity), y, s.splat(T::NAN));
    let y = s.select(s.eq(s.floor(b), b), s.or(y, sign), s.select(s.lt(a, zero), undefined, y));
    let y = s.select(s.eq(a, a), s.select(s.eq(b, b), y, b), a);
    s.select(s.eq(b, zero), one, s.select(s.eq(a, one), one, y))
}
