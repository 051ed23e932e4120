//! Cumulative sums and products, and products, by one differentiable operation: the linear recurrence
//! sₖ = aₖ sₖ₋₁ + bₖ along the last dimension. Its derivatives are recurrences in the other direction, so gradients of any order
//! take linear time, and as nothing is divided they are right where elements are 0.

use rgrad_kernels::reduce::Reduce;
use rgrad_kernels::scan;
use rgrad_macros::op;

use super::elementwise::{add, mul, mul_grad, mul_grads, number, zeros_like};
use super::join::cat;
use super::pieces::narrow;
use super::reduce::{Split, sum_over};
use super::views::{expand_to, permute, reshape_to};
use super::{cast, contiguous, only};
use crate::dtype::{DType, match_float};
use crate::error::Result;
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::shape::{Dims, normalize_dims};
use crate::tensor::{Number, Tensor};

/// sₖ = aₖ sₖ₋₁ + bₖ along the last dimension of `b` and, unless all factors are 1, of `a`; from the back if `reverse`.
#[derive(Clone, Copy)]
struct Recurrence {
    name: &'static str,
    factors: bool,
    reverse: bool,
    /// Whether what is added up are gradients: 0 times a factor is 0 then, whatever the factor is.
    gradients: bool,
}

impl Recurrence {
    fn run(self, b: &Tensor, a: Option<&Tensor>) -> Result<Tensor> {
        let b = contiguous(b)?;
        match a {
            Some(a) => apply(self, &[&b, &contiguous(a)?]),
            None => apply(self, &[&b]),
        }
    }

    /// A gradient or tangent of the factors times the values that they are multiplied by, which may be gradients as well.
    fn times(self, g: &Tensor, values: &Tensor) -> Result<Tensor> {
        if self.gradients { mul_grads(g, values) } else { mul_grad(g, values) }
    }
}

impl Op for Recurrence {
    fn name(&self) -> &'static str {
        self.name
    }
    fn saves(&self) -> Saves {
        if self.factors { Saves { inputs: 0b10, output: true } } else { Saves::NOTHING }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let b = x[0];
        let length = b.shape()[b.ndim() - 1];
        match_float!(b.dtype(), self.name, T => {
            let (rb, ra) = (b.read::<T>(), x.get(1).map(|a| a.read::<T>()));
            out.build::<T>(self.name, b.shape(), b.dtype(), |out| {
                let a = ra.as_ref().map(crate::tensor::Reader::slice);
                scan::linear(out, a, rb.slice(), length, self.reverse, self.gradients);
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let back = Self { reverse: !self.reverse, gradients: true, ..*self };
        if !self.factors {
            return Ok([Some(back.run(g, None)?)].into_iter().collect());
        }
        let gb = back.run(g, Some(&shifted(saved.input(1), back.reverse)?))?;
        let ga = if want.input(1) { Some(self.times(&gb, &shifted(saved.output(), self.reverse)?)?) } else { None };
        Ok([Some(gb), ga].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let along = Self { gradients: true, ..*self };
        let Some(moved) = t.get(1).copied().flatten() else { return along.run(only(t), x.get(1).copied()) };
        let moved = self.times(moved, &shifted(y, self.reverse)?)?;
        along.run(&t[0].map_or_else(|| Ok(moved.clone()), |t| add(&moved, t))?, Some(x[1]))
    }
}

/// The neighbours of the elements along the last dimension: those before them, or those behind them if `reverse`, and 0 where
/// there is none.
fn shifted(x: &Tensor, reverse: bool) -> Result<Tensor> {
    let n = x.shape()[x.ndim() - 1] as isize;
    if n == 0 {
        return Ok(x.clone());
    }
    let zero = zeros_like(&narrow(&x.without_history(), -1, 0, 1)?)?;
    let rest = narrow(x, -1, isize::from(reverse), n - 1)?;
    cat(&if reverse { [rest, zero] } else { [zero, rest] }, -1)
}

/// 1 for the first element of the last dimension, or for the last if `reverse`, and 0 for the others.
fn unit(like: &Tensor, reverse: bool) -> Result<Tensor> {
    let n = like.shape()[like.ndim() - 1];
    let row = Tensor::full(&[n], Number::Int(0), like.dtype())?;
    if n > 0 {
        narrow(&row, 0, if reverse { n as isize - 1 } else { 0 }, 1)?.copy_from(&number(like, 1.0)?)?;
    }
    expand_to(&row, like.shape())
}

/// Products of all elements before each along the last dimension, or of those behind it if `reverse`.
fn products_beside(x: &Tensor, reverse: bool) -> Result<Tensor> {
    Recurrence { name: "prod", factors: true, reverse, gradients: false }
        .run(&unit(x, reverse)?, Some(&shifted(x, reverse)?))
}

/// The product over some dimensions.
#[derive(Clone)]
struct Prod(Split);

impl Prod {
    /// For every element, the product of the others that it is multiplied with.
    fn others(&self, x: &Tensor) -> Result<Tensor> {
        let dims = &self.0.dims;
        let order: Dims = (0..x.ndim()).filter(|d| !dims.contains(d)).chain(dims.iter().copied()).collect();
        let signed = |order: &Dims| order.iter().map(|&d| d as isize).collect::<Vec<_>>();
        let moved = permute(x, &signed(&order))?;
        let mut shape: Dims = moved.shape()[..x.ndim() - dims.len()].into();
        shape.push(self.0.count());
        let rows = reshape_to(&moved, &shape)?;
        let others = mul(&products_beside(&rows, false)?, &products_beside(&rows, true)?)?;
        let mut inverse = order.clone();
        for (i, &d) in order.iter().enumerate() {
            inverse[d] = i;
        }
        permute(&reshape_to(&others, moved.shape())?, &signed(&inverse))
    }
}

impl Op for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        self.0.run("prod", Reduce::Prod, x[0], out)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(mul_grad(&self.0.spread(g)?, &self.others(saved.input(0))?)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        sum_over(&mul_grad(only(t), &self.others(x[0])?)?, &self.0.dims, self.0.keepdim)
    }
}

/// Product over `dim`, or over everything; 1 over nothing. Integers and bool are multiplied as int64.
///
/// Args:
///     x: A tensor.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///     dtype: To which elements are cast before they are multiplied, and the dtype of the result.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if one is named twice.
#[op(reduction, dtype)]
pub fn prod(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { cast(x, DType::Int64)? };
    apply(Prod(Split::new("prod", &x, dim, keepdim)?), &[&x])
}

/// Runs `f`, which keeps the order of dimensions, on `x` with dimension `dim` last; a number is a row of one element.
pub(super) fn along(op: &str, x: &Tensor, dim: isize, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let dims = normalize_dims(op, Some(&[dim]), x.ndim())?;
    let Some(&dim) = dims.first() else { return reshape_to(&f(&reshape_to(x, &[1])?)?, &[]) };
    let (dim, last) = (dim as isize, x.ndim() as isize - 1);
    let mut there: Vec<isize> = (0..=last).filter(|&d| d != dim).collect();
    let mut back: Vec<isize> = (0..last).collect();
    there.push(dim);
    back.insert(dim as usize, last);
    permute(&f(&permute(x, &there)?)?, &back)
}

/// Cumulative sums or products of integers along the last dimension.
fn cumulated_int(op: &'static str, x: &Tensor, product: bool) -> Result<Tensor> {
    let x = contiguous(&cast(x, DType::Int64)?)?;
    op::plain(op, &[&x], move |x, out| {
        let x = x[0];
        let length = x.shape()[x.ndim() - 1];
        out.build::<i64>(op, x.shape(), DType::Int64, |out| {
            scan::cumulate(out, x.read::<i64>().slice(), length, product);
            Ok(())
        })
    })
}

/// Sums of the elements along `dim` up to each of them, itself included. Integers and bool are summed as int64.
///
/// Args:
///     x: A tensor.
///     dim: The dimension, which must be given.
///     dtype: To which elements are cast before they are added, and the dtype of the result.
///
/// Raises:
///     IndexError: if `dim` is out of range.
#[op(cumulation, dtype)]
pub fn cumsum(x: &Tensor, dim: isize) -> Result<Tensor> {
    along("cumsum", x, dim, |x| {
        if !x.dtype().is_float() {
            return cumulated_int("cumsum", x, false);
        }
        Recurrence { name: "cumsum", factors: false, reverse: false, gradients: false }.run(x, None)
    })
}

/// Products of the elements along `dim` up to each of them, itself included. Integers and bool are multiplied as int64.
///
/// Args:
///     x: A tensor.
///     dim: The dimension, which must be given.
///     dtype: To which elements are cast before they are multiplied, and the dtype of the result.
///
/// Raises:
///     IndexError: if `dim` is out of range.
#[op(cumulation, dtype)]
pub fn cumprod(x: &Tensor, dim: isize) -> Result<Tensor> {
    along("cumprod", x, dim, |x| {
        if !x.dtype().is_float() {
            return cumulated_int("cumprod", x, true);
        }
        let n = x.shape()[x.ndim() - 1] as isize;
        if n == 0 {
            return Ok(x.clone());
        }
        // The first element stands alone: as a factor of the 0 before it, an infinite one would give NaN.
        let (first, rest) = (narrow(x, -1, 0, 1)?, narrow(x, -1, 1, n - 1)?);
        let zeros = |t: &Tensor| zeros_like(&t.without_history());
        let b = cat(&[first.clone(), zeros(&rest)?], -1)?;
        let a = cat(&[zeros(&first)?, rest], -1)?;
        Recurrence { name: "cumprod", factors: true, reverse: false, gradients: false }.run(&b, Some(&a))
    })
}
