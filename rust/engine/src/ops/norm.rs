//! Norms of vectors.

use rgrad_kernels::map::{self, Unary};
use rgrad_kernels::reduce::{self as kernels, Axes, Reduce};
use rgrad_macros::op;

use super::elementwise::{abs, div, eq, mul, mul_grad, ne, number, pow, sqrt, square, where_};
use super::extremes::{amax, amin};
use super::reduce::{Split, sum, sum_over};
use super::views::reshape_to;
use super::{cast, only};
use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::shape::{Layout, normalize_dims};
use crate::tensor::{Tensor, scratch};

/// √Σ x², with derivatives 0, of any order, where it is 0.
#[derive(Clone)]
struct Euclid(Split);

impl Euclid {
    /// x / ‖x‖, or 0 where that is 0 / 0: divided by ∞ there, which makes its own derivatives 0 as well.
    fn direction(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let length = where_(&eq(y, &number(y, 0.0)?)?, &number(y, f64::INFINITY)?, y)?;
        div(x, &self.0.spread(&length)?)
    }

    /// The value with the largest magnitudes divided out.
    fn rescaled(&self, x: &Tensor) -> Result<Tensor> {
        let dims: Vec<isize> = self.0.dims.iter().map(|&d| d as isize).collect();
        let (unit, size) = scaled(x, &amax(&abs(x)?, Some(&dims), true)?)?;
        let total = sum_over(&square(&unit)?, &self.0.dims, self.0.keepdim)?;
        mul(&sqrt(&total)?, &reshape_to(&size, total.shape())?)
    }
}

impl Op for Euclid {
    fn name(&self) -> &'static str {
        "norm"
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, output: true }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        // The squares lie in row-major order.
        let layout = Layout::contiguous(x.shape());
        let (kept, gone) = (self.0.part(&layout, true), self.0.part(&layout, false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        match_float!(x.dtype(), "norm", T => {
            let from = x.read::<T>();
            out.build::<T>("norm", &self.0.output(), x.dtype(), |out| {
                scratch(x.numel(), |squares| {
                    map::unary(Unary::Square, squares, x.shape(), from.view());
                    kernels::reduce(Reduce::Sum, out, squares, kept, gone);
                    Ok(())
                })?;
                // Squares overflow and vanish long before the norm does; then, and only then, it takes a second pass.
                let low = T::MIN_POSITIVE / T::EPSILON;
                if self.0.count() == 0 || out.iter().all(|s| (low..=T::MAX).contains(s)) {
                    for sum in out {
                        *sum = sum.sqrt();
                    }
                } else {
                    out.copy_from_slice(self.rescaled(&x.without_history())?.read::<T>().slice());
                }
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let direction = self.direction(saved.input(0), saved.output())?;
        Ok([Some(mul_grad(&self.0.spread(g)?, &direction)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        sum_over(&mul_grad(only(t), &self.direction(x[0], y)?)?, &self.0.dims, self.0.keepdim)
    }
}

/// `x` divided by `size`, which is not differentiated, and that size; 1 in its place where it is 0 or not finite.
fn scaled(x: &Tensor, size: &Tensor) -> Result<(Tensor, Tensor)> {
    let size = size.detach();
    let (zero, top) = (number(&size, 0.0)?, number(&size, f64::INFINITY)?);
    let one = number(&size, 1.0)?;
    let size = where_(&eq(&size, &zero)?, &one, &where_(&eq(&size, &top)?, &one, &size)?)?;
    Ok((div(x, &size)?, size))
}

/// `xᵖ` for x ≥ 0, with the derivative 0 at 0.
fn power(x: &Tensor, p: f64) -> Result<Tensor> {
    let zero = eq(x, &number(x, 0.0)?)?;
    let safe = where_(&zero, &number(x, 1.0)?, x)?;
    where_(&zero, &number(x, 0f64.powf(p))?, &pow(&safe, &number(x, p)?)?)
}

/// (Σ |x|ᵖ)^(1/p) of numbers that a magnitude, the largest or for p < 0 the smallest, has been divided out of.
fn general(x: &Tensor, p: f64, dims: &[isize], keepdim: bool) -> Result<Tensor> {
    let size = abs(x)?;
    if x.numel() == 0 {
        return power(&sum(&power(&size, p)?, Some(dims), keepdim)?, 1.0 / p);
    }
    let largest = if p > 0.0 { amax(&size, Some(dims), true)? } else { amin(&size, Some(dims), true)? };
    let (unit, scale) = scaled(&size, &largest)?;
    let y = power(&sum(&power(&unit, p)?, Some(dims), true)?, 1.0 / p)?;
    let y = mul(&y, &scale)?;
    if keepdim { Ok(y) } else { super::views::squeeze(&y, Some(dims)) }
}

/// The order p of a norm, which may also be "fro", for 2, in Python.
pub type Order = f64;

/// The p-norm over `dim`, or over everything as one vector: (Σ |x|ᵖ)^(1/p). `p` is a number, 0 to count what is not 0,
/// `inf` and `-inf` for the largest and smallest magnitude, or "fro", which is 2. At 0 its derivatives of any order are
/// 0, and large elements do not overflow. `rg.linalg.norm` has the norms of matrices. `TypeError` unless `x` holds
/// floats, `ValueError` for p = NaN or, as there is no smallest magnitude, for infinite or negative p over nothing.
#[op(method, p = 2.0, dim = None, keepdim = false)]
pub fn norm(x: &Tensor, p: Order, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        fail!(Type, "norm: expected a tensor of floats, got {}; write x.to(rg.float32)", x.dtype());
    }
    let dim = normalize_dims("norm", dim, x.ndim())?;
    let signed: Vec<isize> = dim.iter().map(|&d| d as isize).collect();
    let over = Some(signed.as_slice());
    let split = Split::new("norm", x, over, keepdim)?;
    if p.is_infinite() || p < 0.0 {
        split.not_empty("norm")?;
    }
    match p {
        _ if p.is_nan() => fail!(Value, "norm: p must be a number, inf or -inf, got nan"),
        2.0 => apply(Euclid(split), &[x]),
        1.0 => sum(&abs(x)?, over, keepdim),
        0.0 => sum(&cast(&ne(x, &number(x, 0.0)?)?, x.dtype())?, over, keepdim),
        f64::INFINITY => amax(&abs(x)?, over, keepdim),
        f64::NEG_INFINITY => amin(&abs(x)?, over, keepdim),
        _ => general(x, p, &signed, keepdim),
    }
}
