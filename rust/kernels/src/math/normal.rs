//! The error function, the normal distribution, and GELU.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::{constant, exact_product, exact_sum, polynomial, quotient, reduce};
use crate::simd::{Real, Simd};

/// 1/√(2π).
const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;

/// The result of [`tail`].
struct Tail<V> {
    /// `exp(−h)·erfcx(y)/2ⁿ`
    value: V,
    /// `exp(−h)/2ⁿ`
    exp: V,
    n: V,
}

/// `exp(−h)·erfcx(y)` with erfcx(y) = exp(y²)·erfc(y), given `h` and `d = 1 + 2y` with their rounding errors.
///
/// As a function of (y − 3)/(y + 3), (1 + 2y)·erfcx(y) is nearly constant, and so is a polynomial: Shepherd and
/// Laframboise, Chebyshev approximation of (1 + 2x) exp(x²) erfc x in 0 ≤ x < ∞, Mathematics of Computation 36, 1981.
#[inline(always)]
fn tail<T: Real, S: Simd<T>>(s: S, h: S::V, h_low: S::V, d: S::V, d_low: S::V) -> Tail<S::V> {
    let one = s.splat(T::ONE);
    let (shifted, r, r_low) = reduce(s, s.neg(h));
    let (e, e_low) = exact_sum(s, r, s.mul(s.mul(r, r), polynomial(s, T::EXP, r)));
    let t = s.div(s.sub(d, s.splat(T::from_f64(7.0))), s.add(d, s.splat(T::from_f64(5.0))));
    let (f, f_low) = exact_sum(s, s.splat(T::ERFCX[0]), s.mul(t, polynomial(s, &T::ERFCX[1..], t)));
    // (f + f_low)·(1 + e + e_low), and to first order the rounding error of the exponent.
    let product = s.mul_add(f, e, f);
    let rounded = s.mul_add(f, e, s.sub(f, product));
    let lacking = s.mul(product, s.sub(r_low, h_low));
    let low = s.add(rounded, s.add(s.mul_add(f, e_low, f_low), lacking));
    let value = quotient(s, product, low, d, d_low);
    Tail { value, exp: s.add(one, e), n: s.sub(shifted, s.splat(T::ROUND)) }
}

/// erfc(a), by [`tail`].
#[inline(always)]
fn erfc_tail<T: Real, S: Simd<T>>(s: S, a: S::V) -> Tail<S::V> {
    let (one, two) = (s.splat(T::ONE), s.splat(T::ONE + T::ONE));
    let (h, h_low) = exact_product(s, a, a);
    let d = s.mul_add(two, a, one);
    tail(s, h, h_low, d, s.mul_add(two, a, s.sub(one, d)))
}

/// 2Q(a), by [`tail`], where Q is the upper tail of the normal distribution, and `exp` is that of its density.
#[inline(always)]
fn normal_tail<T: Real, S: Simd<T>>(s: S, a: S::V) -> Tail<S::V> {
    let (one, half) = (s.splat(T::ONE), s.splat(T::from_f64(0.5)));
    let (square, square_low) = exact_product(s, a, a);
    let (root, root_low) = constant(s, SQRT_2, -9.667_293_313_452_913e-17);
    let d = s.mul_add(root, a, one);
    let d_low = s.mul_add(root_low, a, s.mul_add(root, a, s.sub(one, d)));
    tail(s, s.mul(square, half), s.mul(square_low, half), d, d_low)
}

/// erf x for |x| ≤ ½, where [`tail`] is near 1 and has errors of several units in the last place.
#[inline(always)]
fn erf_near<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.mul_add(x, polynomial(s, T::ERF, s.mul(x, x)), x)
}

/// Where [`erf_near`] is valid.
#[inline(always)]
fn is_near<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::M {
    s.lt(s.abs(x), s.splat(T::from_f64(0.5)))
}

/// The error function, within 1.5 units in the last place.
#[inline(always)]
pub(crate) fn erf<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let a = s.min(s.splat(T::ERF_MAX), s.abs(x));
    let Tail { value, n, .. } = erfc_tail(s, a);
    let far = s.sub(s.splat(T::ONE), s.mul(value, s.pow2(n)));
    s.select(is_near(s, x), erf_near(s, x), s.or(far, s.and(x, s.splat(T::NEG_ZERO))))
}

/// `value·2ⁿ`, but 0 where `a` is above `limit`.
#[inline(always)]
fn unless_above<T: Real, S: Simd<T>>(s: S, limit: S::V, a: S::V, value: S::V, n: S::V) -> S::V {
    let zero = s.splat(T::ZERO);
    let above = s.lt(limit, a);
    // Rounding to 0 is slow: see `exp_bounded`.
    s.select(above, zero, s.scale(value, s.select(above, zero, n)))
}

/// 1 − erf x, within 2 units in the last place.
#[inline(always)]
pub(crate) fn erfc<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let limit = s.splat(T::ERFC_MAX);
    let a = s.abs(x);
    let Tail { value, n, .. } = erfc_tail(s, s.min(limit, a));
    let y = unless_above(s, limit, a, value, n);
    let y = s.select(s.lt(x, s.splat(T::ZERO)), s.sub(s.splat(T::ONE + T::ONE), y), y);
    s.select(is_near(s, x), s.sub(s.splat(T::ONE), erf_near(s, x)), y)
}

/// The largest magnitude of x at which the functions below differ from their limits.
#[inline(always)]
fn gelu_limit<T: Real, S: Simd<T>>(s: S) -> S::V {
    s.splat(T::ERFC_MAX * T::from_f64(SQRT_2))
}

/// Whether x is near 0, and if so the normal distribution Φ(x).
#[inline(always)]
fn normal_near<T: Real, S: Simd<T>>(s: S, x: S::V) -> (S::M, S::V) {
    let half = s.splat(T::from_f64(0.5));
    let y = s.mul(x, s.splat(T::from_f64(FRAC_1_SQRT_2)));
    (is_near(s, y), s.mul_add(half, erf_near(s, y), half))
}

/// x·Φ(x) with the normal distribution Φ, within 3 units in the last place.
#[inline(always)]
pub(crate) fn gelu<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let limit = gelu_limit(s);
    let size = s.abs(x);
    let a = s.min(limit, size);
    let Tail { value, n, .. } = normal_tail(s, a);
    // max(x, −0) − a·(1 − Φ(a))
    let below = unless_above(s, limit, size, s.mul(s.mul(a, s.splat(T::from_f64(0.5))), value), n);
    let (near, distribution) = normal_near(s, x);
    s.select(near, s.mul(x, distribution), s.sub(s.max(s.splat(T::NEG_ZERO), x), below))
}

/// The derivative of [`gelu`], Φ(x) + x·φ(x) with the density φ; where they cancel, as accurate as the larger term.
#[inline(always)]
pub(crate) fn gelu_slope<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let limit = gelu_limit(s);
    let size = s.abs(x);
    let a = s.min(limit, size);
    let Tail { value, exp, n } = normal_tail(s, a);
    let density = s.mul(exp, s.splat(T::from_f64(DENSITY_AT_0)));
    // 1 − Φ(a) − a·φ(a)
    let below = s.mul_add(s.neg(a), density, s.mul(value, s.splat(T::from_f64(0.5))));
    let below = unless_above(s, limit, size, below, n);
    let far = s.select(s.lt(x, s.splat(T::ZERO)), below, s.sub(s.splat(T::ONE), below));
    let (near, distribution) = normal_near(s, x);
    // The power of two is 1 there.
    s.select(near, s.mul_add(x, density, distribution), far)
}
