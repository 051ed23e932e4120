//! Activation functions, each with its derivative: one pass forward and one backward.

use super::driver::{self, Body, One, Two};
use crate::View;
use crate::entries::entries;
use crate::lanes::{map_lanes, map_long};
use crate::math;
use crate::simd::{Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, GRAIN_TRANSCENDENTAL};

/// An activation function with its parameters. NaN gives NaN.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Curve {
    /// `x` where x > 0, else `x` times the parameter
    LeakyRelu(f64),
    /// `scale·x` where x > 0, else `scale·alpha·(exp(rate·x) - 1)`
    Elu {
        /// Minus the limit at −∞, unscaled
        alpha: f64,
        /// The factor of both parts
        scale: f64,
        /// The factor of the exponent
        rate: f64,
    },
    /// `ln(1 + exp(beta·x))/beta`, and `x` where `beta·x` is above the threshold
    Softplus {
        /// The factor of the exponent
        beta: f64,
        /// Above it the function is linear
        threshold: f64,
    },
    /// `-ln(1 + e⁻ˣ)`
    LogSigmoid,
    /// `x·Φ(x)` with the normal distribution Φ
    Gelu,
    /// `x·σ(1.5957691216·(x + 0.044715·x³))`, with the logistic function σ
    GeluTanh,
    /// `x·σ(x)`
    Silu,
    /// `x·tanh(ln(1 + eˣ))`
    Mish,
}

impl Curve {
    /// Elements that pay for a thread.
    pub(crate) fn grain(self) -> usize {
        if matches!(self, Curve::LeakyRelu(_)) { GRAIN_CHEAP } else { GRAIN_TRANSCENDENTAL }
    }
}

entries! { Curves for [f32 f64] where T: Real {
    /// `out[i] = curve(x[i])` for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or `x` does not reach over the shape.
    pub fn curve(curve: Curve, out: &mut [T], shape: &[usize], x: View<T>) = curve_body;
    /// `out[i] = g[i]·curve'(x[i])`, and 0 where `g[i]` is 0, for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
    pub fn curve_grad(curve: Curve, out: &mut [T], shape: &[usize], g: View<T>, x: View<T>) = curve_grad_body;
} }

fn curve_body<T: Real>(curve: Curve, out: &mut [T], shape: &[usize], x: View<T>) {
    driver::run(curve, curve.grain(), out, shape, (x,));
}

fn curve_grad_body<T: Real>(curve: Curve, out: &mut [T], shape: &[usize], g: View<T>, x: View<T>) {
    driver::run(CurveGrad(curve), curve.grain(), out, shape, (g, x));
}

impl<T: Real> Body<T, One<'_, T>, T> for Curve {
    #[inline(always)]
    fn tile<S: Simd<T>>(self, s: S, out: &mut [T], (x,): (&[T],)) {
        s.call(CurveTile { curve: self, out, x, g: None });
    }
}

/// The body of [`curve_grad`].
#[derive(Clone, Copy)]
pub(crate) struct CurveGrad(pub Curve);

impl<T: Real> Body<T, Two<'_, T>, T> for CurveGrad {
    #[inline(always)]
    fn tile<S: Simd<T>>(self, s: S, out: &mut [T], (g, x): (&[T], &[T])) {
        s.call(CurveTile { curve: self.0, out, x, g: Some(g) });
    }
}

/// The values of a curve, or its derivatives multiplied by `g`, for contiguous operands.
struct CurveTile<'a, T> {
    curve: Curve,
    out: &'a mut [T],
    x: &'a [T],
    g: Option<&'a [T]>,
}

impl<T: Real> Kernel<T> for CurveTile<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let CurveTile { curve, out, x, g } = self;
        macro_rules! each {
            ($x:ident: $value:expr, $slope:expr) => {
                match g {
                    None => map_long!(s: S, out <- [x => $x], $value),
                    Some(g) => map_long!(s: S, out <- [g => g, x => $x], math::unless_zero(s, g, s.mul(g, $slope))),
                }
            };
        }
        let (zero, one) = (s.splat(T::ZERO), s.splat(T::ONE));
        match curve {
            Curve::LeakyRelu(slope) => {
                let slope = s.splat(T::from_f64(slope));
                // A short expression, as `map_lanes` is for.
                match g {
                    None => map_lanes!(s: S, [out => y] <- [x => x], (s.select(s.lt(zero, x), x, s.mul(slope, x)),)),
                    Some(g) => map_lanes!(s: S, [out => y] <- [g => g, x => x], {
                        (math::unless_zero(s, g, s.mul(g, s.select(s.lt(zero, x), one, slope))),)
                    }),
                }
            }
            Curve::Elu { alpha, scale, rate } => {
                let [below, bend] = [alpha * scale, alpha * scale * rate].map(|c| s.splat(T::from_f64(c)));
                let [scale, rate] = [scale, rate].map(|c| s.splat(T::from_f64(c)));
                each!(
                    x: s.select(s.lt(zero, x), s.mul(scale, x), s.mul(below, math::expm1(s, s.mul(rate, x)))),
                    s.select(s.lt(zero, x), scale, s.mul(bend, math::exp(s, s.mul(rate, x))))
                );
            }
            Curve::Softplus { beta, threshold } => {
                let [inverse, beta, threshold] = [1.0 / beta, beta, threshold].map(|c| s.splat(T::from_f64(c)));
                each!(
                    x: s.select(s.lt(threshold, s.mul(beta, x)), x, s.mul(inverse, math::softplus(s, s.mul(beta, x)))),
                    s.select(s.lt(threshold, s.mul(beta, x)), one, math::sigmoid(s, s.mul(beta, x)))
                );
            }
            Curve::LogSigmoid => each!(x: s.neg(math::softplus(s, s.neg(x))), math::sigmoid(s, s.neg(x))),
            Curve::Gelu => each!(x: math::gelu(s, x), math::gelu_slope(s, x)),
            Curve::GeluTanh => each!(x: math::gelu_tanh(s, x), math::gelu_tanh_slope(s, x)),
            Curve::Silu => each!(x: math::silu(s, x), math::silu_slope(s, x)),
            Curve::Mish => each!(x: math::mish(s, x), math::mish_slope(s, x)),
        }
    }
}
