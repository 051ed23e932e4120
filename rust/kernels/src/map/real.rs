//! Maps of `f32` and `f64`.

use super::driver::{self, Body, One, Operands, Two};
use crate::View;
use crate::copy::{Copies, copy};
use crate::entries::entries;
use crate::lanes::{map_lanes, map_long};
use crate::math::{self, Activation};
use crate::simd::{Kernel, Real, Simd, library};
use crate::split::{GRAIN_CHEAP, GRAIN_TRANSCENDENTAL, UNIT, split};

/// Functions that are computed lane by lane cost about 5 to 20 ns per element.
const GRAIN_LIBRARY: usize = 512;

/// Defines an enum of functions, and the kernel that computes them for contiguous operands, from one row for each: its
/// doc comment, its name, the elements that pay for a thread, and its formula in vector arithmetic.
macro_rules! functions {
    (@map GRAIN_CHEAP, $S:ident, $s:ident, $out:ident, ($($x:ident,)+), $formula:expr) => {
        map_lanes!($s: $S, [$out => y] <- [$($x => $x),+], ($formula,))
    };
    (@map $grain:ident, $S:ident, $s:ident, $out:ident, ($($x:ident,)+), $formula:expr) => {
        map_long!($s: $S, $out <- [$($x => $x),+], $formula)
    };
    ($(#[$meta:meta])* $op:ident, $kernel:ident($s:ident, $x:tt: $views:ident):
     $($(#[$doc:meta])* $name:ident, $grain:ident, $formula:expr;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $op {
            $($(#[$doc])* $name,)*
        }

        impl $op {
            /// Elements that pay for a thread.
            pub(crate) fn grain(self) -> usize {
                match self {
                    $($op::$name => $grain,)*
                }
            }
        }

        impl<'a, T: Real> Body<T, $views<'a, T>, T> for $op {
            #[inline(always)]
            fn tile<S: Simd<T>>(self, s: S, out: &mut [T], inputs: <$views<'a, T> as Operands>::Tiles<'_>) {
                s.call($kernel { op: self, out, inputs });
            }
        }

        /// A tile: compiled once, for maps and chains.
        struct $kernel<'a, T: Real> {
            op: $op,
            out: &'a mut [T],
            inputs: <$views<'a, T> as Operands>::Tiles<'a>,
        }

        impl<T: Real> Kernel<T> for $kernel<'_, T> {
            type Out = ();
            #[inline(always)]
            fn run<S: Simd<T>>(self, $s: S) {
                let $kernel { op, out, inputs: $x } = self;
                match op {
                    $($op::$name => functions!(@map $grain, S, $s, out, $x, $formula),)*
                }
            }
        }
    };
}

functions! {
    /// A function of one number.
    ///
    /// NaN gives NaN; zeros keep their sign where the function is odd.
    Unary, UnaryTile(s, (x,): One):
    /// `-x`
    Neg, GRAIN_CHEAP, s.neg(x);
    /// `|x|`
    Abs, GRAIN_CHEAP, s.abs(x);
    /// `eˣ`
    Exp, GRAIN_TRANSCENDENTAL, math::exp(s, x);
    /// `eˣ - 1`, accurate near 0
    Expm1, GRAIN_TRANSCENDENTAL, math::expm1(s, x);
    /// `ln x`
    Log, GRAIN_TRANSCENDENTAL, math::log(s, x);
    /// `ln(1 + x)`, accurate near 0
    Log1p, GRAIN_TRANSCENDENTAL, math::log1p(s, x);
    /// `√x`
    Sqrt, GRAIN_TRANSCENDENTAL, s.sqrt(x);
    /// `1/√x`
    Rsqrt, GRAIN_TRANSCENDENTAL, s.div(s.splat(T::ONE), s.sqrt(x));
    /// `1/x`
    Reciprocal, GRAIN_CHEAP, s.div(s.splat(T::ONE), x);
    /// `x²`
    Square, GRAIN_CHEAP, s.mul(x, x);
    /// The hyperbolic tangent
    Tanh, GRAIN_TRANSCENDENTAL, math::tanh(s, x);
    /// `1/(1 + e⁻ˣ)`
    Sigmoid, GRAIN_TRANSCENDENTAL, math::sigmoid(s, x);
    /// `max(x, 0)`
    Relu, GRAIN_CHEAP, math::relu(s, x);
    /// -1, 0 or 1
    Sign, GRAIN_CHEAP, math::sign(s, x);
    /// The largest integer not above `x`
    Floor, GRAIN_CHEAP, s.floor(x);
    /// The smallest integer not below `x`
    Ceil, GRAIN_CHEAP, s.neg(s.floor(s.neg(x)));
    /// The nearest integer, ties to even
    Round, GRAIN_CHEAP, s.round(x);
    /// `√x` as a power: +0 at -0, ∞ at -∞
    Root, GRAIN_TRANSCENDENTAL, math::root(s, x);
    /// `x³`
    Cube, GRAIN_CHEAP, s.mul(s.mul(x, x), x);
    /// `x` rounded towards 0
    Trunc, GRAIN_CHEAP, math::trunc(s, x);
    /// `2ˣ`
    Exp2, GRAIN_TRANSCENDENTAL, math::exp2(s, x);
    /// The logarithm to base 2
    Log2, GRAIN_TRANSCENDENTAL, math::log2(s, x);
    /// The logarithm to base 10
    Log10, GRAIN_TRANSCENDENTAL, math::log10(s, x);
    /// The sine
    Sin, GRAIN_TRANSCENDENTAL, math::sin(s, x);
    /// The cosine
    Cos, GRAIN_TRANSCENDENTAL, math::cos(s, x);
    /// The tangent
    Tan, GRAIN_TRANSCENDENTAL, math::tan(s, x);
    /// The inverse of the sine
    Asin, GRAIN_TRANSCENDENTAL, math::asin(s, x);
    /// The inverse of the cosine
    Acos, GRAIN_TRANSCENDENTAL, math::acos(s, x);
    /// The inverse of the tangent
    Atan, GRAIN_TRANSCENDENTAL, math::atan(s, x);
    /// The hyperbolic sine
    Sinh, GRAIN_TRANSCENDENTAL, math::sinh(s, x);
    /// The hyperbolic cosine
    Cosh, GRAIN_TRANSCENDENTAL, math::cosh(s, x);
    /// The inverse of the hyperbolic sine
    Asinh, GRAIN_TRANSCENDENTAL, math::asinh(s, x);
    /// The inverse of the hyperbolic cosine
    Acosh, GRAIN_TRANSCENDENTAL, math::acosh(s, x);
    /// The inverse of the hyperbolic tangent
    Atanh, GRAIN_TRANSCENDENTAL, math::atanh(s, x);
    /// The error function
    Erf, GRAIN_TRANSCENDENTAL, math::erf(s, x);
    /// One minus the error function
    Erfc, GRAIN_TRANSCENDENTAL, math::erfc(s, x);
    /// The inverse of the error function
    Erfinv, GRAIN_LIBRARY, library::erfinv(s, x);
}

functions! {
    /// A function of two numbers.
    Binary, BinaryTile(s, (a, b,): Two):
    /// `a + b`
    Add, GRAIN_CHEAP, s.add(a, b);
    /// `a - b`
    Sub, GRAIN_CHEAP, s.sub(a, b);
    /// `a × b`
    Mul, GRAIN_CHEAP, s.mul(a, b);
    /// `a ÷ b`
    Div, GRAIN_CHEAP, s.div(a, b);
    /// `aᵇ`, with the special cases of C99
    Pow, GRAIN_TRANSCENDENTAL, math::pow(s, a, b);
    /// The angle of the point (b, a)
    Atan2, GRAIN_TRANSCENDENTAL, math::atan2(s, a, b);
    /// `√(a² + b²)`
    Hypot, GRAIN_TRANSCENDENTAL, math::hypot(s, a, b);
    /// The remainder of `a ÷ b` with the sign of `a`
    Fmod, GRAIN_TRANSCENDENTAL, math::fmod(s, a, b);
    /// The remainder of `a ÷ b` with the sign of `b`
    Remainder, GRAIN_TRANSCENDENTAL, math::remainder(s, a, b);
    /// `⌊a ÷ b⌋`
    FloorDivide, GRAIN_LIBRARY, library::floor_divide(s, a, b);
    /// `ln(eᵃ + eᵇ)`
    Logaddexp, GRAIN_TRANSCENDENTAL, math::logaddexp(s, a, b);
    /// `a ln b`, and 0 where `a` is 0
    Xlogy, GRAIN_TRANSCENDENTAL, math::xlogy(s, a, b);
    /// The larger; NaN if either is
    Maximum, GRAIN_CHEAP, math::maximum(s, a, b);
    /// The smaller; NaN if either is
    Minimum, GRAIN_CHEAP, math::minimum(s, a, b);
    /// `b > 0 ? a : 0`: the backward function of ReLU for the gradient `a` and the value `b`
    ReluGrad, GRAIN_CHEAP, math::relu_grad(s, a, b);
    /// `a·(1 - b²)`, and 0 where `a` is 0: that of the hyperbolic tangent
    TanhGrad, GRAIN_CHEAP, math::tanh_grad(s, a, b);
    /// `a·b·(1 - b)`, and 0 where `a` is 0: that of the logistic function
    SigmoidGrad, GRAIN_CHEAP, math::sigmoid_grad(s, a, b);
    /// `a × b`, and 0 where `a` is 0 whatever `b` is: the gradient `a` times the derivative `b`
    MulGrad, GRAIN_CHEAP, math::unless_zero(s, a, s.mul(a, b));
    /// `a ÷ b`, and 0 where `a` is 0 whatever `b` is: the gradient `a` times the derivative `1/b`
    DivGrad, GRAIN_CHEAP, math::unless_zero(s, a, s.div(a, b));
    /// `-b ln a - (1 - b) ln(1 - a)` with logarithms of at least -100
    BinaryCrossEntropy, GRAIN_TRANSCENDENTAL, math::binary_cross_entropy(s, a, b);
    /// `(a - b) ÷ max(a·(1 - a), 10⁻¹²)`: its derivative with respect to `a`
    BinaryCrossEntropySlope, GRAIN_CHEAP, {
        let variance = s.max(s.splat(T::from_f64(1e-12)), s.mul(a, s.sub(s.splat(T::ONE), a)));
        s.div(s.sub(a, b), variance)
    };
    /// `ln(1 + eᵃ) - a·b`: the binary cross-entropy of `σ(a)` against `b`
    LogitsCrossEntropy, GRAIN_TRANSCENDENTAL, math::logits_cross_entropy(s, a, b);
    /// `σ(a) - b`: its derivative with respect to `a`, accurate where that is small
    LogitsSlope, GRAIN_TRANSCENDENTAL, math::logits_slope(s, a, b);
    /// `a × b`, and 0 where either is 0 whatever the other is: the product of two gradients
    MulGrads, GRAIN_CHEAP, math::unless_zero(s, b, math::unless_zero(s, a, s.mul(a, b)));
}

impl Activation {
    /// This function as a map.
    #[must_use]
    pub fn function(self) -> Unary {
        match self {
            Activation::Relu => Unary::Relu,
            Activation::Tanh => Unary::Tanh,
            Activation::Sigmoid => Unary::Sigmoid,
        }
    }

    /// Its backward function as a map.
    #[must_use]
    pub fn backward(self) -> Binary {
        match self {
            Activation::Relu => Binary::ReluGrad,
            Activation::Tanh => Binary::TanhGrad,
            Activation::Sigmoid => Binary::SigmoidGrad,
        }
    }
}

entries! { Maps for [f32 f64] where T: Real {
    /// `out[i] = op(x[i])` for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or `x` does not reach over the shape.
    pub fn unary(op: Unary, out: &mut [T], shape: &[usize], x: View<T>) = unary_body;
    /// `out[i] = op(a[i], b[i])` for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
    pub fn binary(op: Binary, out: &mut [T], shape: &[usize], a: View<T>, b: View<T>) = binary_body;
    /// `out[i] += x[i]`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_assign(out: &mut [T], x: &[T]) = add_assign_body;
} }

fn unary_body<T: Real>(op: Unary, out: &mut [T], shape: &[usize], x: View<T>) {
    driver::run(op, op.grain(), out, shape, (x,));
}

fn binary_body<T: Maps + Copies>(op: Binary, out: &mut [T], shape: &[usize], a: View<T>, b: View<T>) {
    if op == Binary::Pow && !out.is_empty() {
        b.check(shape);
        match Power::of(b) {
            Power::General => {}
            Power::Same => return copy(out, shape, a),
            Power::By(op) => return unary(op, out, shape, a),
        }
    }
    driver::run(op, op.grain(), out, shape, (a, b));
}

/// How a power is computed.
pub(crate) enum Power {
    /// By the general routine
    General,
    /// Not at all: the power is the base
    Same,
    /// By a function of the base
    By(Unary),
}

impl Power {
    /// If one exponent is broadcast to all elements, some exponents avoid the general routine.
    pub(crate) fn of<T: Real>(exponent: View<T>) -> Self {
        if exponent.strides.iter().any(|&stride| stride != 0) {
            return Power::General;
        }
        match exponent.data[0].to_f64() {
            -1.0 => Power::By(Unary::Reciprocal),
            0.5 => Power::By(Unary::Root),
            1.0 => Power::Same,
            2.0 => Power::By(Unary::Square),
            3.0 => Power::By(Unary::Cube),
            _ => Power::General,
        }
    }
}

fn add_assign_body<T: Real>(out: &mut [T], x: &[T]) {
    assert_eq!(out.len(), x.len(), "adding in place needs equal lengths");
    split(out, UNIT, GRAIN_CHEAP, |start, out| T::run(AddAssign { x: &x[start..start + out.len()], out }));
}

struct AddAssign<'a, T> {
    out: &'a mut [T],
    x: &'a [T],
}

impl<T: Real> Kernel<T> for AddAssign<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let AddAssign { out, x } = self;
        map_lanes!(s: S, [out => y] <- [x => x], (s.add(y, x),));
    }
}
