//! Trigonometric functions and their inverses.

use super::{exact_product, exact_sum, polynomial, quotient};
use crate::simd::{Real, Simd, library};

/// `(sin 2πu, cos 2πu)` for `|u| ≤ 1`.
#[inline(always)]
pub(crate) fn sincos_turns<T: Real, S: Simd<T>>(s: S, u: S::V) -> (S::V, S::V) {
    // In quarter turns: the nearest integer q and the remainder t, exactly.
    let quarters = s.mul(u, s.splat(T::from_f64(4.0)));
    let q = s.round(quarters);
    let t = s.sub(quarters, q);
    let z = s.mul(t, t);
    rotated(s, q, s.mul(t, polynomial(s, T::SIN, z)), polynomial(s, T::COS, z))
}

/// Sine and cosine of an angle, from those of its remainder after q quarter turns.
#[inline(always)]
fn rotated<T: Real, S: Simd<T>>(s: S, q: S::V, sin: S::V, cos: S::V) -> (S::V, S::V) {
    // An odd q swaps the two, and q modulo 4 determines the signs.
    let odd = is_odd(s, q);
    let sin_out = s.select(odd, cos, sin);
    let cos_out = s.select(odd, sin, cos);
    (s.xor(sin_out, sign_of_quarter(s, q)), s.xor(cos_out, sign_of_quarter(s, s.add(q, s.splat(T::ONE)))))
}

/// Whether the integer `q` is odd.
#[inline(always)]
fn is_odd<T: Real, S: Simd<T>>(s: S, q: S::V) -> S::M {
    let pairs = s.round(s.mul(q, s.splat(T::from_f64(0.5))));
    s.eq(s.abs(s.sub(q, s.add(pairs, pairs))), s.splat(T::ONE))
}

/// Sine and cosine of an angle from 0 to [`Coefficients::ANGLE_MAX`](super::Coefficients::ANGLE_MAX), reduced by a
/// number of quarter turns.
struct Reduced<V> {
    quarters: V,
    /// The two terms of the sine: the first is exact, and larger than the second.
    sin: (V, V),
    /// The same of the cosine.
    cos: (V, V),
}

#[inline(always)]
fn sincos<T: Real, S: Simd<T>>(s: S, a: S::V) -> Reduced<S::V> {
    let one = s.splat(T::ONE);
    let [p1, p2, p3] = [s.splat(T::HALF_PI[0]), s.splat(T::HALF_PI[1]), s.splat(T::HALF_PI[2])];
    let quarters = s.round(s.mul(a, s.splat(T::from_f64(std::f64::consts::FRAC_2_PI))));
    let n = s.neg(quarters);
    // Exact, because the difference is small and a multiple of the last place of both.
    let first = s.mul_add(n, p1, a);
    // The product is `second` + `lost`, and the angle r + e: Knuth's two-sum keeps the rounding error of r.
    let (second, lost) = exact_product(s, n, p2);
    let r = s.add(first, second);
    let part = s.sub(r, first);
    let rounded = s.add(s.sub(first, s.sub(r, part)), s.sub(second, part));
    let e = s.mul_add(n, p3, s.add(rounded, lost));
    let z = s.mul(r, r);
    let half_z = s.mul(z, s.splat(T::from_f64(0.5)));
    // To first order in e: sin r + e cos r and cos r − e sin r.
    let whole = s.sub(one, half_z);
    let sin = s.mul_add(s.mul(r, z), polynomial(s, T::SINE, z), s.mul(e, whole));
    let rest = s.mul_add(s.mul(z, z), polynomial(s, T::COSINE, z), s.neg(s.mul(r, e)));
    Reduced { quarters, sin: (r, sin), cos: (whole, s.add(s.sub(s.sub(one, whole), half_z), rest)) }
}

impl<V: Copy> Reduced<V> {
    /// The sine and cosine of the whole angle.
    #[inline(always)]
    fn rotated<T: Real, S: Simd<T, V = V>>(&self, s: S) -> (V, V) {
        rotated(s, self.quarters, s.add(self.sin.0, self.sin.1), s.add(self.cos.0, self.cos.1))
    }
}

/// The sine of an angle in radians, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn sin<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    // An odd function, −0 included.
    let y = s.xor(sincos(s, s.abs(x)).rotated(s).0, s.and(x, s.splat(T::NEG_ZERO)));
    let far = is_far(s, x);
    if any(s, far) { s.select(far, library::sin(s, x), y) } else { y }
}

/// The cosine of an angle in radians, within 1 unit in the last place.
#[inline(always)]
pub(crate) fn cos<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let y = sincos(s, s.abs(x)).rotated(s).1;
    let far = is_far(s, x);
    if any(s, far) { s.select(far, library::cos(s, x), y) } else { y }
}

/// The tangent of an angle in radians, within 1.5 units in the last place.
#[inline(always)]
pub(crate) fn tan<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let Reduced { quarters, sin, cos } = sincos(s, s.abs(x));
    let (sin, sin_low) = exact_sum(s, sin.0, sin.1);
    let (cos, cos_low) = exact_sum(s, cos.0, cos.1);
    // −cos/sin after an odd number of quarter turns.
    let odd = is_odd(s, quarters);
    let sign = s.select(odd, s.splat(T::NEG_ZERO), s.splat(T::ZERO));
    let y = quotient(
        s,
        s.select(odd, cos, sin),
        s.select(odd, cos_low, sin_low),
        s.select(odd, sin, cos),
        s.select(odd, sin_low, cos_low),
    );
    let y = s.xor(y, s.xor(sign, s.and(x, s.splat(T::NEG_ZERO))));
    let far = is_far(s, x);
    if any(s, far) { s.select(far, library::tan(s, x), y) } else { y }
}

/// Whether an angle is too large for [`sincos`].
#[inline(always)]
fn is_far<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::M {
    s.lt(s.splat(T::ANGLE_MAX), s.abs(x))
}

/// Whether any lane is set.
#[inline(always)]
pub(super) fn any<T: Real, S: Simd<T>>(s: S, mask: S::M) -> bool {
    s.reduce_max(s.select(mask, s.splat(T::ONE), s.splat(T::ZERO))) > T::ZERO
}

/// −0 for q = 2 and 3 modulo 4, else 0.
#[inline(always)]
fn sign_of_quarter<T: Real, S: Simd<T>>(s: S, q: S::V) -> S::V {
    let wrapped = s.sub(q, s.mul(s.splat(T::from_f64(4.0)), s.floor(s.mul(q, s.splat(T::from_f64(0.25))))));
    s.select(s.lt(wrapped, s.splat(T::ONE + T::ONE)), s.splat(T::ZERO), s.splat(T::NEG_ZERO))
}

/// The angle of the point (x, y), from −π to π, within 2 units in the last place.
#[inline(always)]
pub(crate) fn atan2<T: Real, S: Simd<T>>(s: S, y: S::V, x: S::V) -> S::V {
    angle(s, y, x, s.splat(T::ZERO))
}

/// The same, with a small number added to its magnitude.
#[inline(always)]
fn angle<T: Real, S: Simd<T>>(s: S, y: S::V, x: S::V, plus: S::V) -> S::V {
    let (zero, one, negative) = (s.splat(T::ZERO), s.splat(T::ONE), s.splat(T::NEG_ZERO));
    let (a, b) = (s.abs(x), s.abs(y));
    let steep = s.lt(a, b);
    let (low, high) = (s.min(a, b), s.max(a, b));
    // 0/0 is 0 here, and ∞/∞ is 1.
    let t = s.select(s.eq(low, high), one, s.div(low, high));
    let t = s.select(s.eq(low, zero), zero, t);
    let z = s.mul(t, t);
    let angle = s.mul_add(s.mul(t, z), polynomial(s, T::ATAN, z), t);
    // Added to or subtracted from a multiple of a quarter turn; zeros have a sign, too.
    let left = s.lt(s.or(one, s.and(x, negative)), zero);
    let signed = s.xor(angle, s.xor(s.select(steep, negative, zero), s.select(left, negative, zero)));
    let rest = s.add(signed, s.add(turns(s, steep, left, T::HALF_PI[1]), plus));
    let angle = s.add(turns(s, steep, left, T::HALF_PI[0]), rest);
    let angle = s.or(angle, s.and(y, negative));
    s.select(s.eq(x, x), s.select(s.eq(y, y), angle, y), x)
}

/// One `quarter` of a turn where the angle is steep, two where it is not but points left, else none.
#[inline(always)]
fn turns<T: Real, S: Simd<T>>(s: S, steep: S::M, left: S::M, quarter: T) -> S::V {
    s.select(steep, s.splat(quarter), s.select(left, s.splat(quarter + quarter), s.splat(T::ZERO)))
}

/// The angle from −π/2 to π/2 with this tangent, within 2 units in the last place.
#[inline(always)]
pub(crate) fn atan<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    atan2(s, x, s.splat(T::ONE))
}

/// The angle from −π/2 to π/2 with this sine, within 2 units in the last place; NaN beyond ±1.
#[inline(always)]
pub(crate) fn asin<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let (leg, low) = other_leg(s, x);
    angle(s, x, leg, s.neg(s.mul(s.abs(x), low)))
}

/// The angle from 0 to π with this cosine, within 2 units in the last place; NaN beyond ±1.
#[inline(always)]
pub(crate) fn acos<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let (leg, low) = other_leg(s, x);
    angle(s, leg, x, s.mul(x, low))
}

/// √(1 − x²), and the rounding error of the root, to first order. On the unit circle it changes the angle by its
/// product with x.
#[inline(always)]
fn other_leg<T: Real, S: Simd<T>>(s: S, x: S::V) -> (S::V, S::V) {
    let square = s.mul_add(s.neg(x), x, s.splat(T::ONE));
    let root = s.sqrt(square);
    let lost = s.mul_add(s.neg(root), root, square);
    (root, s.div(lost, s.add(s.add(root, root), s.splat(T::MIN_NORMAL))))
}
