//! Softmax and its relatives along one dimension.

use rgrad_kernels::softmax as kernels;
use rgrad_macros::op;

use super::elementwise::{exp, mul_grad, mul_grads, neg, sub};
use super::reduce::sum;
use super::total;
use super::views::{move_dim, reshape_to};
use super::{cast, contiguous, only};
use crate::dtype::match_float;
use crate::error::Result;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::shape::{Dims, normalize_dim, normalize_dims};
use crate::tensor::Tensor;

/// Row-wise kernels over the last dimension of contiguous tensors of one shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Softmax,
    LogSoftmax,
    /// `(y, g) ↦ y (g − Σ g y)`: the transposed Jacobian of softmax, which is symmetric, applied to `g`.
    SoftmaxGrad,
    /// `(y, g) ↦ g − exp(y) Σ g`: that of log-softmax.
    LogSoftmaxGrad,
}

impl Op for Rows {
    fn name(&self) -> &'static str {
        match self {
            Rows::Softmax => "softmax",
            Rows::LogSoftmax => "log_softmax",
            Rows::SoftmaxGrad => "softmax_grad",
            Rows::LogSoftmaxGrad => "log_softmax_grad",
        }
    }
    fn saves(&self) -> Saves {
        match self {
            Rows::Softmax | Rows::LogSoftmax => Saves::OUTPUT,
            Rows::SoftmaxGrad | Rows::LogSoftmaxGrad => Saves::INPUTS,
        }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let cols = x[0].shape()[x[0].ndim() - 1];
        match_float!(x[0].dtype(), self.name(), T => {
            let first = x[0].read::<T>();
            let second = x.get(1).map(|g| g.read::<T>());
            let g = second.as_ref().map_or(&[][..], |g| g.slice());
            out.build::<T>(self.name(), x[0].shape(), x[0].dtype(), |out| {
                match self {
                    Rows::Softmax => kernels::softmax(out, first.slice(), cols),
                    Rows::LogSoftmax => kernels::log_softmax(out, first.slice(), cols),
                    Rows::SoftmaxGrad => kernels::softmax_grad(out, first.slice(), g, cols),
                    Rows::LogSoftmaxGrad => kernels::log_softmax_grad(out, first.slice(), g, cols),
                }
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let along = |t: &Tensor| sum(t, Some(&[-1]), true);
        Ok(match self {
            Rows::Softmax => [Some(rows(Rows::SoftmaxGrad, saved.output(), g)?)].into_iter().collect(),
            Rows::LogSoftmax => [Some(rows(Rows::LogSoftmaxGrad, saved.output(), g)?)].into_iter().collect(),
            Rows::SoftmaxGrad => {
                let (y, v) = (saved.input(0), saved.input(1));
                let gy = if want.input(0) {
                    let direct = mul_grads(g, &sub(v, &along(&mul_grad(v, y)?)?)?)?;
                    Some(sub(&direct, &mul_grads(v, &along(&mul_grad(g, y)?)?)?)?)
                } else {
                    None
                };
                let gv = if want.input(1) { Some(rows(Rows::SoftmaxGrad, y, g)?) } else { None };
                [gy, gv].into_iter().collect()
            }
            Rows::LogSoftmaxGrad => {
                let (y, v) = (saved.input(0), saved.input(1));
                let weighted = mul_grad(g, &exp(y)?)?;
                let gy = if want.input(0) { Some(neg(&mul_grads(&weighted, &along(v)?)?)?) } else { None };
                let gv = if want.input(1) { Some(sub(g, &along(&weighted)?)?) } else { None };
                [gy, gv].into_iter().collect()
            }
        })
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let along = |t: &Tensor| sum(t, Some(&[-1]), true);
        match self {
            // Its Jacobian is symmetric.
            Rows::Softmax => rows(Rows::SoftmaxGrad, y, only(t)),
            Rows::LogSoftmax => {
                let t = only(t);
                sub(t, &along(&mul_grad(t, &exp(y)?)?)?)
            }
            Rows::SoftmaxGrad => {
                let (y, v) = (x[0], x[1]);
                let wrt_y = |t: &Tensor| {
                    let direct = mul_grads(t, &sub(v, &along(&mul_grad(v, y)?)?)?)?;
                    sub(&direct, &mul_grad(&along(&mul_grads(v, t)?)?, y)?)
                };
                let wrt_v = |t: &Tensor| rows(Rows::SoftmaxGrad, y, t);
                total([t[0].map(wrt_y).transpose()?, t[1].map(wrt_v).transpose()?])
            }
            Rows::LogSoftmaxGrad => {
                let (y, v) = (x[0], x[1]);
                let wrt_y = |t: &Tensor| neg(&mul_grads(&mul_grad(t, &exp(y)?)?, &along(v)?)?);
                let wrt_v = |t: &Tensor| rows(Rows::LogSoftmaxGrad, y, t);
                total([t[0].map(wrt_y).transpose()?, t[1].map(wrt_v).transpose()?])
            }
        }
    }
}

fn rows(kind: Rows, y: &Tensor, g: &Tensor) -> Result<Tensor> {
    apply(kind, &[&contiguous(y)?, &contiguous(g)?])
}

/// Applies a row-wise operation along any dimension.
fn along(kind: Rows, x: &Tensor, dim: isize) -> Result<Tensor> {
    let x = cast(x, x.dtype().or_float())?;
    if x.ndim() == 0 {
        normalize_dim(kind.name(), dim, 1)?;
        return reshape_to(&apply(kind, &[&reshape_to(&x, &[1])?])?, &[]);
    }
    let at = normalize_dim(kind.name(), dim, x.ndim())?;
    if at + 1 == x.ndim() {
        return apply(kind, &[&contiguous(&x)?]);
    }
    let order: Vec<isize> = (0..x.ndim()).filter(|&d| d != at).chain([at]).map(|d| d as isize).collect();
    let y = apply(kind, &[&contiguous(&super::views::permute(&x, &order)?)?])?;
    move_last(&y, at)
}

/// The last dimension moved to position `to`.
fn move_last(y: &Tensor, to: usize) -> Result<Tensor> {
    let last = y.ndim() - 1;
    let front = move_dim(y, last, false)?;
    move_dim(&front, to, true)
}

/// exp(x) / Σ exp(x) along `dim`, without overflow.
///
/// Args:
///     x: Numbers; integers become floats of the default dtype.
///     dim: The dimension along which the results add up to 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///
/// >>> rg.softmax(rg.tensor([[0.0, 0.0]]), 1)
/// tensor([[0.5, 0.5]])
#[op(method)]
pub fn softmax(x: &Tensor, dim: isize) -> Result<Tensor> {
    along(Rows::Softmax, x, dim)
}

/// x − ln Σ exp(x) along `dim`, without overflow: the logarithm of `softmax`.
///
/// Args:
///     x: Numbers; integers become floats of the default dtype.
///     dim: The dimension along which the results are the logarithms of what adds up to 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
#[op(method)]
pub fn log_softmax(x: &Tensor, dim: isize) -> Result<Tensor> {
    along(Rows::LogSoftmax, x, dim)
}

/// ln Σ exp over the last dimension of a matrix.
#[derive(Clone, Copy)]
struct LogSumExp;

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        match_float!(x.dtype(), "logsumexp", T => {
            let from = x.read::<T>();
            out.build::<T>("logsumexp", &x.shape()[..1], x.dtype(), |out| {
                kernels::logsumexp(out, from.slice(), x.shape()[1]);
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let g = mul_grad(&reshape_to(g, &[g.numel(), 1])?, &softmax(saved.input(0), 1)?)?;
        Ok([Some(g)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        sum(&mul_grad(only(t), &softmax(x[0], 1)?)?, Some(&[1]), false)
    }
}

/// ln Σ exp(x) over `dim`, without overflow; −∞ where all are −∞.
///
/// Args:
///     x: A tensor.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if one is named twice.
#[op(reduction)]
pub fn logsumexp(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let x = cast(x, x.dtype().or_float())?;
    let dim = normalize_dims("logsumexp", dim, x.ndim())?;
    let shape = crate::shape::reduced(x.shape(), &dim, keepdim);
    let cols = dim.iter().map(|&d| x.shape()[d]).product();
    let order: Vec<isize> =
        (0..x.ndim()).filter(|d| !dim.contains(d)).chain(dim.iter().copied()).map(|d| d as isize).collect();
    let matrix: Dims = [shape.iter().product(), cols].into_iter().collect();
    let flat = contiguous(&reshape_to(&super::views::permute(&x, &order)?, &matrix)?)?;
    reshape_to(&apply(LogSumExp, &[&flat])?, &shape)
}
