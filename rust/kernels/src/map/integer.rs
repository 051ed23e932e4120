//! Maps of integers. Arithmetic wraps around.

use super::driver::{self, Body, One, Two};
use crate::View;
use crate::entries::entries;
use crate::simd::{Element, Real, Simd};
use crate::split::GRAIN_CHEAP;

/// An integer element.
pub trait Int: Element + Ord {
    /// 1.
    const ONE: Self;
    /// The lowest value.
    const MIN: Self;
    /// The highest value.
    const MAX: Self;
    /// `a + b`, wrapping.
    #[must_use]
    fn add(self, b: Self) -> Self;
    /// `a - b`, wrapping.
    #[must_use]
    fn sub(self, b: Self) -> Self;
    /// `a × b`, wrapping.
    #[must_use]
    fn mul(self, b: Self) -> Self;
    /// Bitwise and.
    #[must_use]
    fn and(self, b: Self) -> Self;
    /// Bitwise or.
    #[must_use]
    fn or(self, b: Self) -> Self;
    /// Bitwise exclusive or.
    #[must_use]
    fn xor(self, b: Self) -> Self;
    /// `a` to the power `b`, wrapping; 0 for a negative `b`.
    #[must_use]
    fn pow(self, b: Self) -> Self;
    /// `⌊a ÷ b⌋`, wrapping; 0 for `b` = 0.
    #[must_use]
    fn floor_divide(self, b: Self) -> Self;
    /// The remainder of `a ÷ b` with the sign of `b`; 0 for `b` = 0.
    #[must_use]
    fn remainder(self, b: Self) -> Self;
    /// The remainder of `a ÷ b` with the sign of `a`; 0 for `b` = 0.
    #[must_use]
    fn fmod(self, b: Self) -> Self;
    /// `|a|`, wrapping.
    #[must_use]
    fn abs(self) -> Self;
    /// -1, 0 or 1.
    #[must_use]
    fn sign(self) -> Self;
    /// This value as `i64`, exactly.
    fn to_i64(self) -> i64;
}

macro_rules! int {
    ($t:ident, |$x:ident| $abs:expr, $sign:expr) => {
        impl Int for $t {
            const ONE: Self = 1;
            const MIN: Self = $t::MIN;
            const MAX: Self = $t::MAX;
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                self.wrapping_add(b)
            }
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                self.wrapping_sub(b)
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                self.wrapping_mul(b)
            }
            #[inline(always)]
            fn and(self, b: Self) -> Self {
                self & b
            }
            #[inline(always)]
            fn or(self, b: Self) -> Self {
                self | b
            }
            #[inline(always)]
            fn xor(self, b: Self) -> Self {
                self ^ b
            }
            #[inline]
            fn pow(self, b: Self) -> Self {
                let (mut power, mut square, mut left) = (1, self, b);
                #[allow(unused_comparisons, reason = "of unsigned integers")]
                if b < 0 {
                    return 0;
                }
                while left > 0 {
                    if left % 2 == 1 {
                        power = Int::mul(power, square);
                    }
                    square = Int::mul(square, square);
                    left /= 2;
                }
                power
            }
            #[inline(always)]
            fn floor_divide(self, b: Self) -> Self {
                if b == 0 {
                    return 0;
                }
                let r = self.wrapping_rem(b);
                #[allow(unused_comparisons, reason = "of unsigned integers")]
                let below = r != 0 && (r < 0) != (b < 0);
                self.wrapping_div(b) - $t::from(below)
            }
            #[inline(always)]
            fn remainder(self, b: Self) -> Self {
                let r = self.fmod(b);
                #[allow(unused_comparisons, reason = "of unsigned integers")]
                if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
            }
            #[inline(always)]
            fn fmod(self, b: Self) -> Self {
                if b == 0 { 0 } else { self.wrapping_rem(b) }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                let $x = self;
                $abs
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let $x = self;
                $sign
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                i64::from(self)
            }
        }
    };
}

int!(i64, |x| x.wrapping_abs(), x.signum());
int!(i32, |x| x.wrapping_abs(), x.signum());
int!(u8, |x| x, x.min(1));

/// A function of one integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntUnary {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `x²`
    Square,
    /// -1, 0 or 1
    Sign,
    /// `max(x, 0)`
    Relu,
}

/// A function of two integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntBinary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a × b`
    Mul,
    /// The larger
    Maximum,
    /// The smaller
    Minimum,
    /// `aᵇ`; 0 for a negative `b`
    Pow,
    /// `⌊a ÷ b⌋`; 0 for `b` = 0
    FloorDivide,
    /// The remainder of `a ÷ b` with the sign of `b`; 0 for `b` = 0
    Remainder,
    /// The remainder of `a ÷ b` with the sign of `a`; 0 for `b` = 0
    Fmod,
    /// Bitwise and
    And,
    /// Bitwise or
    Or,
    /// Bitwise exclusive or
    Xor,
}

entries! { IntMaps for [i64 i32 u8] where T: Int {
    /// `out[i] = op(x[i])` for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or `x` does not reach over the shape.
    pub fn unary_int(op: IntUnary, out: &mut [T], shape: &[usize], x: View<T>) = unary_int_body;
    /// `out[i] = op(a[i], b[i])` for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
    pub fn binary_int(op: IntBinary, out: &mut [T], shape: &[usize], a: View<T>, b: View<T>) = binary_int_body;
} }

fn unary_int_body<T: Int>(op: IntUnary, out: &mut [T], shape: &[usize], x: View<T>) {
    macro_rules! map {
        ($f:expr) => {
            driver::run::<f32, _, _>(Each($f), GRAIN_CHEAP, out, shape, (x,))
        };
    }
    let zero = T::default();
    match op {
        IntUnary::Neg => map!(|x: T| zero.sub(x)),
        IntUnary::Abs => map!(T::abs),
        IntUnary::Square => map!(|x: T| x.mul(x)),
        IntUnary::Sign => map!(T::sign),
        IntUnary::Relu => map!(|x: T| x.max(zero)),
    }
}

fn binary_int_body<T: Int>(op: IntBinary, out: &mut [T], shape: &[usize], a: View<T>, b: View<T>) {
    macro_rules! map {
        ($f:expr) => {
            driver::run::<f32, _, _>(Each($f), GRAIN_CHEAP, out, shape, (a, b))
        };
    }
    match op {
        IntBinary::Add => map!(T::add),
        IntBinary::Sub => map!(T::sub),
        IntBinary::Mul => map!(T::mul),
        IntBinary::Maximum => map!(T::max),
        IntBinary::Minimum => map!(T::min),
        IntBinary::Pow => map!(T::pow),
        IntBinary::FloorDivide => map!(T::floor_divide),
        IntBinary::Remainder => map!(T::remainder),
        IntBinary::Fmod => map!(T::fmod),
        IntBinary::And => map!(T::and),
        IntBinary::Or => map!(T::or),
        IntBinary::Xor => map!(T::xor),
    }
}

/// A function of numbers, one by one, in a loop that the compiler vectorises.
#[derive(Clone, Copy)]
struct Each<F>(F);

// The vectors' type is irrelevant: the loops are compiled for the instruction set.
impl<R: Real, T: Int, F: Fn(T) -> T + Copy + Sync> Body<R, One<'_, T>, T> for Each<F> {
    #[inline(always)]
    fn tile<S: Simd<R>>(self, _: S, out: &mut [T], (x,): (&[T],)) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.0(x);
        }
    }
}

impl<R: Real, T: Int, F: Fn(T, T) -> T + Copy + Sync> Body<R, Two<'_, T>, T> for Each<F> {
    #[inline(always)]
    fn tile<S: Simd<R>>(self, _: S, out: &mut [T], (a, b): (&[T], &[T])) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = self.0(a, b);
        }
    }
}
