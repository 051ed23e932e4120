//! The largest and smallest elements, and where they are.

use rgrad_kernels::map::Compare;
use rgrad_kernels::reduce::{self as kernels, Axes, Reduce};
use rgrad_macros::op;

use super::elementwise::{compare, div, eq, number, where_};
use super::reduce::{Split, sum_over};
use super::views::reshape_to;
use super::{ValuesIndices, cast, only};
use crate::dtype::{DType, match_any};
use crate::error::Result;
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::ops::arange;
use crate::shape::Dims;
use crate::tensor::{Number, Tensor};

#[derive(Clone)]
struct Extremum {
    name: &'static str,
    kind: Reduce,
    split: Split,
}

impl Op for Extremum {
    fn name(&self) -> &'static str {
        self.name
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, output: true }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        self.split.not_empty(self.name)?;
        self.split.run(self.name, self.kind, x[0], out)
    }
    /// Ties share the gradient evenly.
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let (chosen, count) = self.chosen(saved.input(0), saved.output())?;
        let share = self.split.spread(&div(g, &count)?)?;
        Ok([Some(where_(&chosen, &share, &number(g, 0.0)?)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let (chosen, count) = self.chosen(x[0], y)?;
        let moved = where_(&chosen, only(t), &number(y, 0.0)?)?;
        div(&sum_over(&moved, &self.split.dims, self.split.keepdim)?, &count)
    }
}

impl Extremum {
    /// Which elements are the extremum, or NaN as it is, and how many they are in each place of the result.
    fn chosen(&self, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
        let chosen = compare(Compare::Same, x, &self.split.spread(y)?)?;
        let count = sum_over(&cast(&chosen, x.dtype())?, &self.split.dims, self.split.keepdim)?;
        Ok((chosen, count))
    }
}

fn extremum(name: &'static str, kind: Reduce, x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let split = Split::new(name, x, dims, keepdim)?;
    if x.dtype() == DType::Bool {
        return cast(&apply(Extremum { name, kind, split }, &[&cast(x, DType::UInt8)?])?, DType::Bool);
    }
    apply(Extremum { name, kind, split }, &[x])
}

/// Largest element over `dim`, or of everything; NaN if one is NaN.
///
/// Ties share the gradient evenly, and so do several NaN.
///
/// Args:
///     x: A tensor.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if a dimension is named twice, or there is nothing to choose from.
#[op(reduction)]
pub fn amax(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    extremum("amax", Reduce::Max, x, dim, keepdim)
}

/// Smallest element over `dim`, or of everything; NaN if one is NaN.
///
/// Ties share the gradient evenly, and so do several NaN.
///
/// Args:
///     x: A tensor.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if a dimension is named twice, or there is nothing to choose from.
#[op(reduction)]
pub fn amin(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    extremum("amin", Reduce::Min, x, dim, keepdim)
}

fn arg_extremum(op: &'static str, max: bool, x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
    let dims = dim.map(|d| [d]);
    let split = Split::new(op, x, dims.as_ref().map(<[isize; 1]>::as_slice), keepdim)?;
    split.not_empty(op)?;
    op::plain(op, &[&x.without_history()], move |x, out| positions(op, max, x[0], &split, out))
}

fn positions(op: &str, max: bool, x: &Tensor, split: &Split, out: &mut Out<'_>) -> Result<()> {
    let (kept, gone) = (split.part(x.layout(), true), split.part(x.layout(), false));
    let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
    match_any!(x.dtype(), T => {
        let from = x.read::<T>();
        out.build::<i64>(op, &split.output(), DType::Int64, |out| {
            kernels::arg_reduce(max, out, from.tail(), kept, gone);
            Ok(())
        })
    })
}

/// Index of the first largest element along `dim`, or in row-major order of everything; the first NaN's if there is one.
///
/// Args:
///     x: A tensor.
///     dim: A dimension, or None for all.
///     keepdim: Whether the dimension that goes stays, with size 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if there is nothing to choose from.
#[op(reduction)]
pub fn argmax(x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
    arg_extremum("argmax", true, x, dim, keepdim)
}

/// Index of the first smallest element along `dim`, or in row-major order of everything; the first NaN's if there is one.
///
/// Args:
///     x: A tensor.
///     dim: A dimension, or None for all.
///     keepdim: Whether the dimension that goes stays, with size 1.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if there is nothing to choose from.
#[op(reduction)]
pub fn argmin(x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
    arg_extremum("argmin", false, x, dim, keepdim)
}

/// The values at the indices that `argmax` or `argmin` found along a dimension: the gradient goes to those elements alone.
#[derive(Clone)]
struct Pick {
    name: &'static str,
    kind: Reduce,
    split: Split,
}

/// The inputs are the elements and these indices.
impl Op for Pick {
    fn name(&self) -> &'static str {
        self.name
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, output: false }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        self.split.run(self.name, self.kind, x[0], out)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let hit = self.hit(saved.input(1))?;
        Ok([Some(where_(&hit, &self.split.spread(g)?, &number(g, 0.0)?)?), None].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let chosen = where_(&self.hit(x[1])?, only(t), &number(y, 0.0)?)?;
        sum_over(&chosen, &self.split.dims, self.split.keepdim)
    }
}

impl Pick {
    /// Where the picked elements are.
    fn hit(&self, index: &Tensor) -> Result<Tensor> {
        let dim = self.split.dims[0];
        let mut shape: Dims = self.split.shape.iter().map(|_| 1).collect();
        shape[dim] = self.split.shape[dim];
        let positions = arange(Number::Int(0), Number::Int(shape[dim] as i64), Number::Int(1), None)?;
        eq(&reshape_to(&positions, &shape)?, &self.split.spread(index)?)
    }
}

fn pick(op: &'static str, max: bool, x: &Tensor, dim: isize, keepdim: bool) -> Result<ValuesIndices> {
    let (split, kind) = (Split::new(op, x, Some(&[dim]), keepdim)?, if max { Reduce::Max } else { Reduce::Min });
    if x.ndim() == 0 {
        return Ok((x.clone(), Tensor::full(&[], Number::Int(0), DType::Int64)?));
    }
    if x.dtype() == DType::Bool {
        let (values, index) = pick(op, max, &cast(x, DType::UInt8)?, dim, keepdim)?;
        return Ok((cast(&values, DType::Bool)?, index));
    }
    let index = arg_extremum(op, max, x, Some(dim), keepdim)?;
    Ok((apply(Pick { name: op, kind, split }, &[x, &index])?, index))
}

/// The largest element; or with `dim` the largest elements along it (the first of ties, to which the gradient goes) and
/// their indices; or with `other` the larger of two tensors, element by element, as `maximum`.
#[op(extremum, name = "max", whole = amax, pairwise = maximum)]
pub fn max_dim(x: &Tensor, dim: isize, keepdim: bool) -> Result<ValuesIndices> {
    pick("max", true, x, dim, keepdim)
}

/// The smallest element; or with `dim` the smallest elements along it (the first of ties, to which the gradient goes) and
/// their indices; or with `other` the smaller of two tensors, element by element, as `minimum`.
#[op(extremum, name = "min", whole = amin, pairwise = minimum)]
pub fn min_dim(x: &Tensor, dim: isize, keepdim: bool) -> Result<ValuesIndices> {
    pick("min", false, x, dim, keepdim)
}
