//! Element-wise functions of one tensor.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};

use rgrad_kernels::map::{self, IntUnary, Unary};
use rgrad_macros::op;

use super::binary::{add, div_grad, hypot, mul, mul_grad, relu_grad, sigmoid_grad, sub, tanh_grad};
use super::{number, zeros_like};
use crate::dtype::{DType, match_float, match_int};
use crate::error::{Result, fail};
use crate::op::Kind;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::ops::{cast, only};
use crate::tensor::Tensor;

/// What integers become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Integers {
    /// They stay integers: −x, |x|, x².
    Stay(IntUnary),
    /// They stay as they are: ⌊x⌋.
    Unchanged,
    /// They become floats of the default dtype: eˣ, √x.
    BecomeFloats,
}

/// What the derivative reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    Input,
    Output,
}

/// An element-wise function: one row of the table below.
struct UnaryRule {
    name: &'static str,
    kernel: Unary,
    integers: Integers,
    reads: Reads,
    /// `g ↦ g · f′`, where the second argument is what `reads` names: the reverse rule, and, because f acts on each element
    /// alone, the forward rule as well.
    derivative: fn(&Tensor, &Tensor) -> Result<Tensor>,
}

impl Op for &'static UnaryRule {
    fn name(&self) -> &'static str {
        self.name
    }
    fn kind(&self) -> Kind {
        Kind::Unary(self.kernel)
    }
    fn saves(&self) -> Saves {
        match self.reads {
            Reads::Nothing => Saves::NOTHING,
            Reads::Input => Saves::INPUTS,
            Reads::Output => Saves::OUTPUT,
        }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        match x.dtype() {
            DType::Float32 | DType::Float64 => match_float!(x.dtype(), self.name, T => {
                let a = x.read::<T>();
                out.build::<T>(self.name, x.shape(), x.dtype(), |out| {
                    map::unary(self.kernel, out, x.shape(), a.view());
                    Ok(())
                })
            }),
            dtype => {
                let Integers::Stay(kernel) = self.integers else {
                    fail!(Type, "{}: expected a tensor of floats, got {dtype}", self.name)
                };
                match_int!(dtype, self.name, T => {
                    let a = x.read::<T>();
                    out.build::<T>(self.name, x.shape(), dtype, |out| {
                        map::unary_int(kernel, out, x.shape(), a.view());
                        Ok(())
                    })
                })
            }
        }
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let read = match self.reads {
            Reads::Nothing => g,
            Reads::Input => saved.input(0),
            Reads::Output => saved.output(),
        };
        Ok([Some((self.derivative)(g, read)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        (self.derivative)(only(t), if self.reads == Reads::Output { y } else { x[0] })
    }
}

/// The table: name, kernel, what integers become, and `g · f′` in terms of `x`, of `y = f(x)`, or of `g` alone.
macro_rules! unary {
    ($($(#[$meta:meta])* $visibility:vis fn $name:ident($x:ident) = $kernel:ident, $integers:ident, |$g:ident $(, $read:ident)?| $derivative:expr;)*) => {$(
        $(#[$meta])*
        $visibility fn $name($x: &Tensor) -> Result<Tensor> {
            static RULE: UnaryRule = UnaryRule {
                name: stringify!($name),
                kernel: Unary::$kernel,
                integers: unary!(@integers $integers $kernel),
                reads: unary!(@reads $($read)?),
                derivative: |$g, unary!(@arg $($read)?)| $derivative,
            };
            match RULE.integers {
                _ if $x.dtype().is_float() && !$x.is_weak() => apply(&RULE, &[$x]),
                Integers::Stay(_) | Integers::Unchanged if $x.dtype().is_float() => apply(&RULE, &[&cast($x, DType::default_float())?]),
                Integers::Stay(_) => apply(&RULE, &[$x]),
                // Not the same handle: a Python number's tensor would go on adapting to others.
                Integers::Unchanged => Ok($x.detach()),
                Integers::BecomeFloats => apply(&RULE, &[&cast($x, DType::default_float())?]),
            }
        }
    )*};
    (@integers Stay $kernel:ident) => { Integers::Stay(IntUnary::$kernel) };
    (@integers $other:ident $kernel:ident) => { Integers::$other };
    (@reads) => { Reads::Nothing };
    (@reads x) => { Reads::Input };
    (@reads y) => { Reads::Output };
    (@arg) => { _ };
    (@arg $read:ident) => { $read };
}

// A slope that may be infinite or NaN meets the gradient in `mul_grad` or `div_grad`, never in `mul` or `div`.
unary! {
    /// Negation, −x.
    #[op(method)]
    pub fn neg(x) = Neg, Stay, |g| neg(g);
    /// Absolute value, |x|. The derivative at 0 is 0.
    #[op(method)]
    pub fn abs(x) = Abs, Stay, |g, x| mul_grad(g, &sign(x)?);
    /// Sign: −1, 0 or 1, and NaN for NaN. The derivative is 0.
    #[op(method)]
    pub fn sign(x) = Sign, Stay, |g| zeros_like(g);
    /// Square, x².
    #[op(method)]
    pub fn square(x) = Square, Stay, |g, x| mul_grad(g, &add(x, x)?);
    /// Reciprocal, 1/x.
    #[op(method)]
    pub fn reciprocal(x) = Reciprocal, BecomeFloats, |g, y| neg(&mul_grad(g, &square(y)?)?);
    /// Square root, √x.
    #[op(method)]
    pub fn sqrt(x) = Sqrt, BecomeFloats, |g, y| div_grad(g, &add(y, y)?);
    /// Reciprocal of the square root, 1/√x.
    #[op(method)]
    pub fn rsqrt(x) = Rsqrt, BecomeFloats, |g, y| mul_grad(g, &mul(&square(y)?, &times(y, -0.5)?)?);
    /// Exponential, eˣ.
    #[op(method)]
    pub fn exp(x) = Exp, BecomeFloats, |g, y| mul_grad(g, y);
    /// Power of two, 2ˣ.
    #[op(method)]
    pub fn exp2(x) = Exp2, BecomeFloats, |g, y| mul_grad(g, &times(y, LN_2)?);
    /// eˣ − 1, accurate near 0.
    #[op(method)]
    pub fn expm1(x) = Expm1, BecomeFloats, |g, y| add(g, &mul_grad(g, y)?);
    /// Natural logarithm, ln x: NaN below 0, −∞ at 0.
    #[op(method)]
    pub fn log(x) = Log, BecomeFloats, |g, x| div_grad(g, x);
    /// Logarithm to base 2.
    #[op(method)]
    pub fn log2(x) = Log2, BecomeFloats, |g, x| div_grad(g, &times(x, LN_2)?);
    /// Logarithm to base 10.
    #[op(method)]
    pub fn log10(x) = Log10, BecomeFloats, |g, x| div_grad(g, &times(x, LN_10)?);
    /// ln(1 + x), accurate near 0.
    #[op(method)]
    pub fn log1p(x) = Log1p, BecomeFloats, |g, x| div_grad(g, &plus(x, 1.0)?);
    /// Sine of an angle in radians.
    #[op(method)]
    pub fn sin(x) = Sin, BecomeFloats, |g, x| mul_grad(g, &cos(x)?);
    /// Cosine of an angle in radians.
    #[op(method)]
    pub fn cos(x) = Cos, BecomeFloats, |g, x| neg(&mul_grad(g, &sin(x)?)?);
    /// Tangent of an angle in radians.
    #[op(method)]
    pub fn tan(x) = Tan, BecomeFloats, |g, y| mul_grad(g, &plus(&square(y)?, 1.0)?);
    /// Inverse of the sine, in radians: NaN outside [−1, 1].
    #[op(method)]
    pub fn asin(x) = Asin, BecomeFloats, |g, x| div_grad(g, &sqrt(&one_less_square(x)?)?);
    /// Inverse of the cosine, in radians: NaN outside [−1, 1].
    #[op(method)]
    pub fn acos(x) = Acos, BecomeFloats, |g, x| neg(&div_grad(g, &sqrt(&one_less_square(x)?)?)?);
    /// Inverse of the tangent, in radians.
    #[op(method)]
    pub fn atan(x) = Atan, BecomeFloats, |g, x| div_grad(g, &plus(&square(x)?, 1.0)?);
    /// Hyperbolic sine.
    #[op(method)]
    pub fn sinh(x) = Sinh, BecomeFloats, |g, x| mul_grad(g, &cosh(x)?);
    /// Hyperbolic cosine.
    #[op(method)]
    pub fn cosh(x) = Cosh, BecomeFloats, |g, x| mul_grad(g, &sinh(x)?);
    /// Hyperbolic tangent.
    #[op(method)]
    pub fn tanh(x) = Tanh, BecomeFloats, |g, y| tanh_grad(g, y);
    /// Inverse of the hyperbolic sine.
    #[op(method)]
    pub fn asinh(x) = Asinh, BecomeFloats, |g, x| div_grad(g, &hypot(x, &number(x, 1.0)?)?);
    /// Inverse of the hyperbolic cosine: NaN below 1.
    #[op(method)]
    pub fn acosh(x) = Acosh, BecomeFloats, |g, x| div_grad(g, &mul(&sqrt(&plus(x, -1.0)?)?, &sqrt(&plus(x, 1.0)?)?)?);
    /// Inverse of the hyperbolic tangent: NaN outside [−1, 1].
    #[op(method)]
    pub fn atanh(x) = Atanh, BecomeFloats, |g, x| div_grad(g, &one_less_square(x)?);
    /// Error function, 2/√π ∫₀ˣ exp(−t²) dt.
    #[op(method)]
    pub fn erf(x) = Erf, BecomeFloats, |g, x| mul_grad(g, &bell(x)?);
    /// 1 − erf x, accurate where that is small.
    #[op(method)]
    pub fn erfc(x) = Erfc, BecomeFloats, |g, x| neg(&mul_grad(g, &bell(x)?)?);
    /// Inverse of the error function: NaN outside [−1, 1].
    #[op(method)]
    pub fn erfinv(x) = Erfinv, BecomeFloats, |g, y| div_grad(g, &bell(y)?);
    /// Logistic function, 1 / (1 + e⁻ˣ).
    #[op(method)]
    pub fn sigmoid(x) = Sigmoid, BecomeFloats, |g, y| sigmoid_grad(g, y);
    /// Rectified linear unit, max(x, 0). The derivative at 0 is 0.
    #[op(method)]
    pub fn relu(x) = Relu, Stay, |g, y| relu_grad(g, y);
    /// The largest integer that is not above x. The derivative is 0.
    #[op(method)]
    pub fn floor(x) = Floor, Unchanged, |g| zeros_like(g);
    /// The smallest integer that is not below x. The derivative is 0.
    #[op(method)]
    pub fn ceil(x) = Ceil, Unchanged, |g| zeros_like(g);
    /// The integer next to x on the side of 0. The derivative is 0.
    #[op(method)]
    pub fn trunc(x) = Trunc, Unchanged, |g| zeros_like(g);
    /// The nearest integer, ties to even.
    pub(super) fn nearest(x) = Round, Unchanged, |g| zeros_like(g);
}

fn times(x: &Tensor, by: f64) -> Result<Tensor> {
    mul(x, &number(x, by)?)
}

fn plus(x: &Tensor, by: f64) -> Result<Tensor> {
    add(x, &number(x, by)?)
}

/// 1 − x² as a product, which is accurate near ±1.
fn one_less_square(x: &Tensor) -> Result<Tensor> {
    let one = number(x, 1.0)?;
    mul(&sub(&one, x)?, &add(&one, x)?)
}

/// 2/√π exp(−x²), the derivative of the error function.
fn bell(x: &Tensor) -> Result<Tensor> {
    times(&exp(&neg(&square(x)?)?)?, FRAC_2_SQRT_PI)
}
