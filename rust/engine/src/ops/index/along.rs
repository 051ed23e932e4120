//! Elements and positions picked along one dimension, and written back.

use rgrad_kernels::gather as kernels;
use rgrad_macros::op;

use super::read::{gather_rows, scatter_rows};
use super::{Index, check_range, index_put, out_of_range, places};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op;
use crate::ops::views::{Range, expand_to, ravel, reshape_to, slice};
use crate::ops::{add, cast, contiguous, ne, stack, where_};
use crate::shape::{Dims, Show, broadcast, normalize_dim};
use crate::tensor::{Number, Tensor};

/// Positions as int64. `TypeError` unless they are integers.
fn integers(op: &str, index: &Tensor) -> Result<Tensor> {
    if index.dtype().is_float() || index.dtype() == DType::Bool {
        fail!(Type, "{op}: expected positions of integers, got {}", index.dtype());
    }
    cast(index, DType::Int64)
}

/// `IndexError` unless all of the integers `index` are from 0 to `n` − 1: for tables, whose rows do not count from the back.
pub fn check_rows(op: &'static str, index: &Tensor, n: usize) -> Result<()> {
    op::check(op, &[&contiguous(&integers(op, index)?)?], move |index| {
        match index[0].read::<i64>().slice().iter().find(|&&i| !(0..n as i64).contains(&i)) {
            Some(bad) => fail!(Index, "{op}: {bad} is not one of the rows 0 to {}", n as i64 - 1),
            None => Ok(()),
        }
    })
}

/// The positions `index` (n,) of dimension `dim`, as a copy; negative ones count from the back. `ValueError` for an
/// index of another shape, `IndexError` for positions out of range.
#[op(method)]
pub fn index_select(x: &Tensor, dim: isize, index: &Tensor) -> Result<Tensor> {
    let at = normalize_dim("index_select", dim, x.ndim())?;
    let index = integers("index_select", index)?;
    if index.ndim() != 1 {
        fail!(Value, "index_select: expected positions (n,), got shape {}", Show(index.shape()));
    }
    check_range("index_select", &index, at, x.shape()[at])?;
    let mut shape: Dims = x.shape().into();
    let matrices = [shape[..at].iter().product(), shape[at], shape[at + 1..].iter().product()];
    shape[at] = index.numel();
    reshape_to(&gather_rows(&reshape_to(x, &matrices)?, &contiguous(&index)?)?, &shape)
}

/// Row-major numbers (n,) of the elements of a tensor of shape `shape` at the positions `index` along `dim`.
fn elements(op: &'static str, shape: &[usize], dim: isize, index: &Tensor) -> Result<Tensor> {
    let d = normalize_dim(op, dim, shape.len().max(1))?;
    let index = integers(op, index)?;
    let fits = index.shape().iter().zip(shape).enumerate().all(|(e, (i, n))| e == d || i <= n);
    if index.ndim() != shape.len() || !fits {
        let (of, over) = (Show(index.shape()), Show(shape));
        fail!(Value, "{op}: an index of shape {of} does not fit a tensor of shape {over}, but for dim {dim}");
    }
    let shape: Dims = shape.into();
    op::plain_as(op::Kind::Refuses, op, &[&contiguous(&index)?], move |index, out| {
        let index = index[0];
        let positions = index.read::<i64>();
        out.build::<i64>(op, &[index.numel()], DType::Int64, |out| {
            // A tensor without dimensions is a vector of one element.
            let (over, of) = if shape.is_empty() { (&[1][..], &[1][..]) } else { (index.shape(), &shape[..]) };
            match kernels::numbers_along(out, positions.slice(), over, of, d) {
                Ok(()) => Ok(()),
                Err(bad) => out_of_range(op, bad.index, bad.position, d, of[d]),
            }
        })
    })
}

/// For every element of `index`, the element of `x` at that position of `dim` and the same place in the other
/// dimensions; negative positions count from the back. `index` may be smaller than `x` in the other dimensions.
/// `ValueError` if the shapes do not fit, `IndexError` for positions out of range, `TypeError` unless they are
/// integers.
#[op(method)]
pub fn gather(x: &Tensor, dim: isize, index: &Tensor) -> Result<Tensor> {
    picked(x, &elements("gather", x.shape(), dim, index)?, index.shape())
}

fn picked(x: &Tensor, elements: &Tensor, shape: &[usize]) -> Result<Tensor> {
    reshape_to(&gather_rows(&reshape_to(x, &[1, x.numel(), 1])?, elements)?, shape)
}

/// As `gather`, where the other dimensions of `x` and `index` are broadcast; without `dim`, over all elements in
/// row-major order.
#[op(method, dim = None)]
pub fn take_along_dim(x: &Tensor, indices: &Tensor, dim: Option<isize>) -> Result<Tensor> {
    const OP: &str = "take_along_dim";
    let Some(dim) = dim else {
        return picked(x, &elements(OP, &[x.numel()], 0, &ravel(indices)?)?, &[indices.numel()]);
    };
    let d = normalize_dim(OP, dim, x.ndim())?;
    if indices.ndim() != x.ndim() {
        let (a, b) = (Show(x.shape()), Show(indices.shape()));
        fail!(Value, "{OP}: shapes {a} and {b} differ in the number of dimensions");
    }
    let with = |t: &Tensor, n: usize| -> Dims {
        let mut shape: Dims = t.shape().into();
        shape[d] = n;
        shape
    };
    let mut shape = broadcast(OP, &with(x, 1), &with(indices, 1))?;
    shape[d] = x.shape()[d];
    let x = expand_to(x, &shape)?;
    shape[d] = indices.shape()[d];
    let indices = expand_to(indices, &shape)?;
    picked(&x, &elements(OP, x.shape(), dim, &indices)?, &shape)
}

/// `src` in the dtype of `x`, as the elements (n,) that belong to `index`: its first in every dimension, or a number repeated.
fn source(op: &str, x: &Tensor, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    let src = cast(src, x.dtype())?;
    let (have, want) = (src.shape(), index.shape());
    if have.len() != want.len() || have.iter().zip(want).any(|(h, w)| h < w) {
        fail!(Value, "{op}: src of shape {} does not reach over the index of shape {}", Show(have), Show(want));
    }
    if have == want {
        return ravel(&src);
    }
    ravel(&slice(&src, want.iter().map(|&n| Range::all(n)).collect())?)
}

/// A copy of `x` in which the places that `gather` would read from hold `src`, a tensor that reaches over `index` or a
/// number. Where positions repeat, the last value stays, and it alone has a gradient. Errors as `gather`'s, and
/// `ValueError` if `src` is too small.
#[op(method)]
pub fn scatter(x: &Tensor, dim: isize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    src.check_number_fits("scatter", x.dtype())?;
    let to = elements("scatter", x.shape(), dim, index)?;
    let src = if src.ndim() == 0 { src.clone() } else { source("scatter", x, index, src)? };
    reshape_to(&index_put(&ravel(x)?, &[Index::Tensor(to)], &src)?, x.shape())
}

/// `x`, and added to the places that `gather` would read from the elements of `src`, which reaches over `index`. Errors
/// as `gather`'s, and `ValueError` if `src` is too small.
#[op(method)]
pub fn scatter_add(x: &Tensor, dim: isize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    let to = elements("scatter_add", x.shape(), dim, index)?;
    let src = source("scatter_add", x, index, src)?;
    let sums = scatter_rows(&reshape_to(&src, &[1, src.numel(), 1])?, &to, x.numel())?;
    add(x, &reshape_to(&sums, x.shape())?)
}

/// `value` where `mask` is true, elements of `x` elsewhere; both are broadcast. `TypeError` unless the mask is of bool.
#[op(method)]
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: &Tensor) -> Result<Tensor> {
    if mask.dtype() != DType::Bool {
        fail!(Type, "masked_fill: the mask must be of bool, got {}; write mask != 0", mask.dtype());
    }
    if value.ndim() != 0 {
        let shape = Show(value.shape());
        fail!(Value, "masked_fill: expected one value, got shape {shape}; write rg.where(mask, value, x)");
    }
    value.check_number_fits("masked_fill", x.dtype())?;
    broadcast("masked_fill", x.shape(), mask.shape())?;
    where_(mask, &cast(value, x.dtype())?, x)
}

/// The positions (n, ndim) of the elements that are not 0, in row-major order.
#[op(method)]
pub fn nonzero(x: &Tensor) -> Result<Tensor> {
    let mask = ne(x, &Tensor::scalar(Number::Int(0), x.dtype())?)?;
    if mask.ndim() == 0 {
        return Tensor::full(&[usize::from(mask.item()? == Number::Bool(true)), 0], Number::Int(0), DType::Int64);
    }
    stack(&places(&mask)?, 1)
}
