//! Remainders, and the hypotenuse.

use super::angles::any;
use super::{maximum, trunc};
use crate::simd::{Real, Simd, library};

/// 2ⁿ.
#[inline(always)]
fn power<T: Real>(n: i64) -> T {
    T::from_f64(f64::from_bits(((n + 1023) as u64) << 52))
}

/// The remainder of `a / b` with the sign of `a`, exactly.
///
/// If the quotient is small enough that the division finds its integer part, or one more, a fused multiply-add gives
/// the remainder exactly: it is a multiple of the last place of `b` and no larger than `b`.
#[inline(always)]
pub(crate) fn fmod<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    let (x, y) = (s.abs(a), s.abs(b));
    let largest = power::<T>(if size_of::<T>() == 4 { 22 } else { 51 });
    let far = s.le(s.mul(y, s.splat(largest)), x);
    let q = trunc(s, s.div(x, y));
    let r = s.mul_add(s.neg(q), y, x);
    let r = s.select(s.lt(r, s.splat(T::ZERO)), s.add(r, y), r);
    // Where the quotient is 0, also by an infinity, the remainder is `a`.
    let r = s.select(s.eq(q, s.splat(T::ZERO)), x, r);
    let r = s.or(r, s.and(a, s.splat(T::NEG_ZERO)));
    if any(s, far) { s.select(far, library::fmod(s, a, b), r) } else { r }
}

/// The remainder of `a / b` with the sign of `b`, as Python's `%`.
#[inline(always)]
pub(crate) fn remainder<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    let (r, zero) = (fmod(s, a, b), s.splat(T::ZERO));
    // Adding b rounds once; a zero takes the sign of b.
    let moved = s.add(r, b);
    let below = s.select(s.lt(b, zero), r, moved);
    let above = s.select(s.lt(b, zero), moved, r);
    let y = s.select(s.lt(r, zero), below, above);
    s.select(s.eq(r, zero), s.and(b, s.splat(T::NEG_ZERO)), y)
}

/// √(a² + b²) without overflow, within 1.1 units in the last place.
#[inline(always)]
pub(crate) fn hypot<T: Real, S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
    let (a, b) = (s.abs(a), s.abs(b));
    let (large, small) = (maximum(s, a, b), s.min(a, b));
    // Scaling by powers of two avoids overflow and loss of digits in subnormal numbers.
    let (limit, down, up) = if size_of::<T>() == 4 { (60, 70, 100) } else { (500, 600, 800) };
    let (one, high, low) = (s.splat(T::ONE), s.splat(power::<T>(limit)), s.splat(power::<T>(-limit)));
    let (is_high, is_low) = (s.lt(high, large), s.lt(large, low));
    let choose = |far: i64, near: i64| {
        s.select(is_high, s.splat(power::<T>(far)), s.select(is_low, s.splat(power::<T>(near)), one))
    };
    let (scale, back) = (choose(-down, up), choose(down, -up));
    let (large, small) = (s.mul(large, scale), s.mul(small, scale));
    let y = s.mul(s.sqrt(s.mul_add(large, large, s.mul(small, small))), back);
    // An infinity wins over NaN.
    let infinity = s.splat(T::INFINITY);
    s.select(s.eq(a, infinity), infinity, s.select(s.eq(b, infinity), infinity, y))
}
