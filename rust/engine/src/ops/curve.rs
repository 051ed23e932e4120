//! Activation functions with kernels of their own: one pass forward, and one for the derivative times the gradient.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use rgrad_kernels::map::{self, Compare, Curve, GELU_TANH};

use super::elementwise::{
    add, compare, exp, floats, mul, mul_grad, mul_grads, neg, number, sigmoid, sigmoid_grad, square, sub, tanh,
    tanh_grad, where_, zeros_like,
};
use super::reduce::scale;
use super::total;
use super::{only, view_of};
use crate::dtype::match_float;
use crate::error::Result;
use crate::op::Kind;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::tensor::Tensor;

/// `curve(x)`. Integers become floats.
pub(super) fn curve(name: &'static str, curve: Curve, x: &Tensor) -> Result<Tensor> {
    apply(Value(name, curve), &[&floats(x)?])
}

/// `ln(1 + eˣ)`, without overflow.
pub(super) fn log1p_exp(x: &Tensor) -> Result<Tensor> {
    curve("softplus", Curve::Softplus { beta: 1.0, threshold: f64::INFINITY }, x)
}

#[derive(Clone, Copy)]
struct Value(&'static str, Curve);

impl Op for Value {
    fn name(&self) -> &str {
        self.0
    }
    fn kind(&self) -> Kind {
        Kind::Curve(self.1)
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        match_float!(x.dtype(), self.0, T => {
            let a = x.read::<T>();
            out.build::<T>(self.0, x.shape(), x.dtype(), |out| {
                map::curve(self.1, out, x.shape(), a.view());
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(apply(Slope(self.0, self.1), &[g, saved.input(0)])?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(Slope(self.0, self.1), &[only(t), x[0]])
    }
}

/// `g · curve′(x)`, and 0 where `g` is 0, of `g` and `x` of one shape.
#[derive(Clone, Copy)]
struct Slope(&'static str, Curve);

impl Slope {
    fn wrt_x(&self, to: &Tensor, g: &Tensor, x: &Tensor) -> Result<Tensor> {
        bend(self.1, &mul_grads(to, g)?, x)
    }
}

impl Op for Slope {
    fn name(&self) -> &str {
        self.0
    }
    fn kind(&self) -> Kind {
        Kind::Slope(self.1)
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (g, x) = (x[0], x[1]);
        match_float!(x.dtype(), self.0, T => {
            let (rg, rx) = (g.read::<T>(), x.read::<T>());
            out.build::<T>(self.0, x.shape(), x.dtype(), |out| {
                let g = view_of(&rg, &g.layout().strides);
                map::curve_grad(self.1, out, x.shape(), g, view_of(&rx, &x.layout().strides));
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let (first, x) = (saved.input(0), saved.input(1));
        let wrt_g = if want.input(0) { Some(apply(Slope(self.0, self.1), &[g, x])?) } else { None };
        let wrt_x = if want.input(1) { Some(self.wrt_x(g, first, x)?) } else { None };
        Ok([wrt_g, wrt_x].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let along_g = t[0].map(|t| apply(Slope(self.0, self.1), &[t, x[1]])).transpose()?;
        let along_x = t[1].map(|t| self.wrt_x(t, x[0], x[1])).transpose()?;
        total([along_g, along_x])
    }
}

/// `g · curve″(x)`.
fn bend(curve: Curve, g: &Tensor, x: &Tensor) -> Result<Tensor> {
    let plus = |x: &Tensor, by: f64| add(x, &number(x, by)?);
    match curve {
        Curve::LeakyRelu(_) => zeros_like(g),
        Curve::Elu { alpha, scale: factor, rate } => {
            let positive = compare(Compare::Gt, x, &number(x, 0.0)?)?;
            // What was not chosen must not overflow.
            let below = where_(&positive, &number(x, 0.0)?, x)?;
            let slope = scale(&exp(&scale(&below, rate)?)?, alpha * factor * rate * rate)?;
            where_(&positive, &number(g, 0.0)?, &mul_grad(g, &slope)?)
        }
        Curve::Softplus { beta, threshold } => {
            let argument = scale(x, beta)?;
            let slope = scale(&sigmoid_grad(g, &sigmoid(&argument)?)?, beta)?;
            where_(&compare(Compare::Gt, &argument, &number(x, threshold)?)?, &number(g, 0.0)?, &slope)
        }
        Curve::LogSigmoid => neg(&sigmoid_grad(g, &sigmoid(x)?)?),
        Curve::Gelu => {
            // φ(x)·(2 − x²)
            let square = square(x)?;
            let density = scale(&exp(&scale(&square, -0.5)?)?, 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2)?;
            mul_grad(g, &mul(&density, &sub(&number(x, 2.0)?, &square)?)?)
        }
        Curve::GeluTanh => {
            // σ′(u)·(2u′ + x·(u′²·(1 − 2σ(u)) + u″))
            let (a, b) = GELU_TANH;
            let square_x = square(x)?;
            let y = sigmoid(&mul(x, &plus(&scale(&square_x, b)?, a)?)?)?;
            let rise = plus(&scale(&square_x, 3.0 * b)?, a)?;
            let turn = add(&mul(&square(&rise)?, &plus(&scale(&y, -2.0)?, 1.0)?)?, &scale(x, 6.0 * b)?)?;
            mul_grad(&sigmoid_grad(g, &y)?, &add(&scale(&rise, 2.0)?, &mul(x, &turn)?)?)
        }
        Curve::Silu => {
            // σ′(x)·(2 + x·(1 − 2σ(x)))
            let y = sigmoid(x)?;
            mul_grad(&sigmoid_grad(g, &y)?, &plus(&mul(x, &plus(&scale(&y, -2.0)?, 1.0)?)?, 2.0)?)
        }
        Curve::Mish => {
            // With t = tanh(ln(1 + eˣ)): (1 − t²)·σ(x)·(2 + x·(1 − σ(x)·(1 + 2t)))
            let (t, y) = (tanh(&log1p_exp(x)?)?, sigmoid(x)?);
            let turn = sub(&number(x, 1.0)?, &mul(&y, &plus(&scale(&t, 2.0)?, 1.0)?)?)?;
            mul_grad(&tanh_grad(g, &t)?, &mul(&y, &plus(&mul(x, &turn)?, 2.0)?)?)
        }
    }
}
