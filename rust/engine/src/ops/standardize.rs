//! Matrices standardized by the statistics of their rows or columns: what the layers that normalise have in common.

use rgrad_kernels::norm::{self as kernels, Normal};
use smallvec::SmallVec;

use super::contiguous;
use super::elementwise::{add, div, mul, mul_grad, neg, number, sqrt, square, sub};
use super::pieces::select;
use super::reduce::{mean, sum};
use super::total;
use super::views::expand_to;
use crate::dtype::match_float;
use crate::error::Result;
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::tensor::{Number, Tensor};

const OP: &str = "standardize";

/// `(x − mean) / √(var + eps) · w + b` for a matrix `x`, with one mean and variance for each row or each column, and one `w`
/// and `b` for each column. Unless centred, the mean is left out, and the variance is the mean square.
///
/// The inputs are `x` and, computed from it beforehand without history, the means and 1 / √(var + eps): this is a function of
/// `x`, `w` and `b` alone. Ioffe and Szegedy, Batch normalization, 2015; Ba et al., Layer normalization, 2016.
#[derive(Clone, Copy)]
pub(super) struct Standardize {
    pub(super) by_column: bool,
    pub(super) centred: bool,
    pub(super) eps: f64,
}

/// One of each for every row or column.
pub(super) struct Statistics {
    pub(super) mean: Tensor,
    pub(super) var: Tensor,
    /// 1 / √(var + eps).
    pub(super) scale: Tensor,
}

impl Standardize {
    /// The statistics of a row-major matrix, without history.
    pub(super) fn statistics(self, x: &Tensor) -> Result<Statistics> {
        let cols = x.shape()[1];
        // Rows without columns have no statistics.
        let groups = if cols == 0 { 0 } else { x.shape()[usize::from(self.by_column)] };
        let [mean, var, scale] = op::several(OP, &[&x.without_history()], move |x, out| {
            match_float!(x[0].dtype(), OP, T => {
                let from = x[0].read::<T>();
                out.build_all::<T, 3>(OP, [&[groups]; 3], x[0].dtype(), |statistics| {
                    let eps = self.eps as T;
                    kernels::statistics(statistics, from.slice(), cols, self.by_column, self.centred, eps);
                    Ok(())
                })
            })
        })?;
        Ok(Statistics { mean, var, scale })
    }

    /// The standardized matrix, given its statistics; `weight` and `bias` (columns,) have its dtype.
    pub(super) fn apply(
        self,
        x: &Tensor,
        statistics: &Statistics,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (weight, bias) = or_nothing(x, weight, bias)?;
        apply(self, &[x, &statistics.mean, &statistics.scale, &weight, &bias])
    }

    fn average(self, x: &Tensor) -> Result<Tensor> {
        mean(x, Some(&[isize::from(!self.by_column)]), true)
    }

    /// `x` with mean 0 and mean square 1, and 1 / √(var + eps), as functions of `x`.
    fn of(self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let centred = if self.centred { sub(x, &self.average(x)?)? } else { x.clone() };
        let var = self.average(&square(&centred)?)?;
        let scale = div(&number(x, 1.0)?, &sqrt(&add(&var, &number(x, self.eps)?)?)?)?;
        Ok((mul(&centred, &scale)?, scale))
    }

    /// The Jacobian s (1 − 1/n − y yᵀ/n), with s the scale, is symmetric, so that both modes have one rule.
    fn times_jacobian(self, g: &Tensor, y: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let along = mul_grad(&self.average(&mul_grad(g, y)?)?, y)?;
        let rest = if self.centred { sub(g, &self.average(g)?)? } else { g.clone() };
        mul_grad(&sub(&rest, &along)?, scale)
    }

    /// The reverse rule by kernels, without history.
    fn gradients(self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let plain = |i: usize| saved.input(i).without_history();
        let (x, mean, scale, weight) = (plain(0), plain(1), plain(2), contiguous(&plain(3))?);
        let g = contiguous(&g.without_history())?;
        let mut sums = None;
        if want.input(3) || want.input(4) || self.by_column {
            let parts = op::plain(OP, &[&x, &mean, &scale, &g], move |x, out| self.partial_sums(x, out))?;
            sums = Some(sum(&parts, Some(&[0]), false)?);
        }
        let of_x = if want.input(0) {
            let mut inputs: SmallVec<[&Tensor; 6]> = [&x, &mean, &scale, &g, &weight].into_iter().collect();
            inputs.extend(sums.as_ref().filter(|_| self.by_column));
            Some(op::plain(OP, &inputs, move |x, out| self.input_grad(x, out))?)
        } else {
            None
        };
        let part = |i: isize| sums.as_ref().map(|s| select(s, 0, i)).transpose();
        let weight = if want.input(3) { part(0)? } else { None };
        let bias = if want.input(4) { part(1)? } else { None };
        Ok([of_x, None, None, weight, bias].into_iter().collect())
    }

    /// Sums over blocks of rows, for each column, of `g · y` and of `g`; from x, mean, scale and g.
    fn partial_sums(self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (rows, cols, dtype) = (x[0].shape()[0], x[0].shape()[1], x[0].dtype());
        match_float!(dtype, OP, T => {
            let [from, mean, scale, g] = [x[0], x[1], x[2], x[3]].map(|t| t.read::<T>());
            let of =
                Normal { x: from.slice(), cols, mean: mean.slice(), scale: scale.slice(), by_column: self.by_column };
            out.build::<T>(OP, &[rows.div_ceil(kernels::BLOCK), 2, cols], dtype, |out| {
                kernels::sums(out, of, g.slice());
                Ok(())
            })
        })
    }

    /// The gradient of x; from x, mean, scale, g, weight, and for columns the sums.
    fn input_grad(self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        match_float!(x[0].dtype(), OP, T => {
            let [from, mean, scale, g, weight] = [x[0], x[1], x[2], x[3], x[4]].map(|t| t.read::<T>());
            let (cols, by_column) = (x[0].shape()[1], self.by_column);
            let of = Normal { x: from.slice(), cols, mean: mean.slice(), scale: scale.slice(), by_column };
            out.build::<T>(OP, x[0].shape(), x[0].dtype(), |out| {
                match x.get(5) {
                    Some(sums) => kernels::column_grad(out, of, g.slice(), weight.slice(), sums.read::<T>().slice()),
                    None if weight.slice().iter().all(|w| w.is_finite()) => {
                        kernels::row_grad(out, of, g.slice(), weight.slice(), self.centred);
                    }
                    // No weight makes anything but 0 of a gradient of 0.
                    None => {
                        let weighted = mul_grad(x[3], x[4])?;
                        kernels::row_grad(out, of, weighted.read::<T>().slice(), &vec![1.0; cols], self.centred);
                    }
                }
                Ok(())
            })
        })
    }
}

impl Op for Standardize {
    fn name(&self) -> &'static str {
        OP
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0b1111, output: false }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        value(x, self.by_column, out)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let (x, w) = (saved.input(0), saved.input(3));
        if op::is_plain(saved, g) {
            return self.gradients(saved, g, want);
        }
        // To be differentiated again, the statistics must be functions of x.
        let (y, scale) = self.of(x)?;
        let gx = if want.input(0) { Some(self.times_jacobian(&mul_grad(g, w)?, &y, &scale)?) } else { None };
        let gw = if want.input(3) { Some(mul_grad(g, &y)?) } else { None };
        Ok([gx, None, None, gw, want.input(4).then(|| g.clone())].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let (normal, scale) = self.of(x[0])?;
        let wrt_x = |t: &Tensor| mul_grad(&self.times_jacobian(t, &normal, &scale)?, x[3]);
        total([
            t[0].map(wrt_x).transpose()?,
            t[3].map(|t| mul_grad(t, &normal)).transpose()?,
            t[4].map(|t| expand_to(t, y.shape())).transpose()?,
        ])
    }
}

/// `(x − mean) · scale · w + b` for a matrix `x` and one of the others for each column.
#[derive(Clone, Copy)]
struct Scale;

impl Op for Scale {
    fn name(&self) -> &'static str {
        OP
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0b1111, output: false }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        value(x, true, out)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let (mean, scale, weight) = (saved.input(1), saved.input(2), saved.input(3));
        let moved = || sub(saved.input(0), mean);
        let gx = mul_grad(g, &mul(scale, weight)?)?;
        let wanted = |i: usize, grad: &dyn Fn() -> Result<Tensor>| want.input(i).then(grad).transpose();
        Ok([
            Some(gx.clone()),
            wanted(1, &|| neg(&gx))?,
            wanted(2, &|| mul_grad(&mul_grad(g, &moved()?)?, weight))?,
            wanted(3, &|| mul_grad(&mul_grad(g, &moved()?)?, scale))?,
            wanted(4, &|| Ok(g.clone()))?,
        ]
        .into_iter()
        .collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let moved = || sub(x[0], x[1]);
        let slope = mul(x[2], x[3])?;
        total([
            t[0].map(|t| mul_grad(t, &slope)).transpose()?,
            t[1].map(|t| expand_to(&neg(&mul_grad(t, &slope)?)?, y.shape())).transpose()?,
            t[2].map(|t| mul_grad(&mul_grad(t, x[3])?, &moved()?)).transpose()?,
            t[3].map(|t| mul_grad(&mul_grad(t, x[2])?, &moved()?)).transpose()?,
            t[4].map(|t| expand_to(t, y.shape())).transpose()?,
        ])
    }
}

/// A matrix standardized by a mean and a scale for each column, which come from elsewhere.
pub(super) fn scaled(
    x: &Tensor,
    mean: &Tensor,
    scale: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (weight, bias) = or_nothing(x, weight, bias)?;
    apply(Scale, &[x, mean, scale, &weight, &bias])
}

/// The value of both operations.
fn value(x: &[&Tensor], by_column: bool, out: &mut Out<'_>) -> Result<()> {
    let cols = x[0].shape()[1];
    match_float!(x[0].dtype(), OP, T => {
        let from = x[0].read::<T>();
        let [mean, scale, weight, bias] = [x[1], x[2], x[3], x[4]].map(|t| t.read::<T>());
        let of = Normal { x: from.slice(), cols, mean: mean.slice(), scale: scale.slice(), by_column };
        out.build::<T>(OP, x[0].shape(), x[0].dtype(), |out| {
            kernels::normalize(out, of, weight.slice(), bias.slice());
            Ok(())
        })
    })
}

/// The weight and the bias of each column, side by side, or ones and zeros.
fn or_nothing(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let cols = [x.shape()[1]];
    let or =
        |t: Option<&Tensor>, n: f64| t.map_or_else(|| Tensor::full(&cols, Number::Float(n), x.dtype()), contiguous);
    Ok((or(weight, 1.0)?, or(bias, 0.0)?))
}
