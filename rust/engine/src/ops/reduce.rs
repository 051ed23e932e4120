//! Reductions over any dimensions.

use rgrad_kernels::reduce::{self as kernels, Axes, Reduce};

use super::elementwise::{div, eq, mul, number, where_};
use super::views::{expand_to, reshape_to};
use super::{cast, only, op_table};
use crate::dtype::{DType, match_any, match_float, match_int};
use crate::error::{Result, fail};
use crate::shape::{Dims, Layout, Show, normalize_dim, normalize_dims, reduced};
use crate::tape::{Grads, Op, Saved, Saves, Want, apply};
use crate::tensor::{Number, Tensor};

/// Which dimensions go, as the kernels take them: those that stay, and those that are reduced.
#[derive(Clone)]
struct Split {
    dims: Dims,
    shape: Dims,
    keepdim: bool,
}

impl Split {
    fn new(op: &str, x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Self> {
        let dims = normalize_dims(op, dims, x.ndim())?;
        Ok(Self { dims, shape: x.shape().into(), keepdim })
    }

    /// Shape of the result.
    fn output(&self) -> Dims {
        reduced(&self.shape, &self.dims, self.keepdim)
    }

    /// Number of elements that become one.
    fn count(&self) -> usize {
        self.dims.iter().map(|&d| self.shape[d]).product()
    }

    /// `t`, which has the result's shape, repeated to the input's.
    fn spread(&self, t: &Tensor) -> Result<Tensor> {
        expand_to(&reshape_to(t, &reduced(&self.shape, &self.dims, true))?, &self.shape)
    }

    /// Shape and strides of the dimensions that stay, or of those that are reduced.
    fn part(&self, layout: &Layout, stay: bool) -> (Dims, Dims) {
        let chosen = (0..self.shape.len()).filter(|d| self.dims.contains(d) != stay);
        chosen.map(|d| (layout.shape[d], layout.strides[d])).unzip()
    }

    fn run(&self, op: &str, kind: Reduce, x: &Tensor) -> Result<Tensor> {
        let (kept, gone) = (self.part(x.layout(), true), self.part(x.layout(), false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        match x.dtype() {
            DType::Float32 | DType::Float64 => match_float!(x.dtype(), op, T => {
                let from = x.read::<T>();
                Tensor::build::<T>(op, &self.output(), x.dtype(), |out| {
                    kernels::reduce(kind, out, from.tail(), kept, gone);
                    Ok(())
                })
            }),
            DType::Bool => fail!(Type, "{op}: expected numbers, got bool; write x.to(rg.uint8)"),
            _ => match_int!(x.dtype(), op, T => {
                let from = x.read::<T>();
                Tensor::build::<T>(op, &self.output(), x.dtype(), |out| {
                    kernels::reduce_int(kind, out, from.tail(), kept, gone);
                    Ok(())
                })
            }),
        }
    }

    /// The sum of integers or truth values of any width as int64.
    fn sum_int(&self, x: &Tensor) -> Result<Tensor> {
        let (kept, gone) = (self.part(x.layout(), true), self.part(x.layout(), false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        match x.dtype() {
            DType::Bool => self.sum_int(&cast(x, DType::UInt8)?),
            _ => match_int!(x.dtype(), "sum", T => {
                let from = x.read::<T>();
                Tensor::build::<i64>("sum", &self.output(), DType::Int64, |out| {
                    kernels::sum_int(out, from.tail(), kept, gone);
                    Ok(())
                })
            }),
        }
    }

    /// Refuses to take an extremum of nothing.
    fn not_empty(&self, op: &str) -> Result<()> {
        if self.count() == 0 && self.output().iter().product::<usize>() > 0 {
            fail!(Value, "{op}: a tensor of shape {} has no elements to choose from", Show(&self.shape));
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Sum(Split);

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        if x[0].dtype().is_float() { self.0.run("sum", Reduce::Sum, x[0]) } else { self.0.sum_int(x[0]) }
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(self.0.spread(g)?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[only(t)])
    }
}

#[derive(Clone)]
struct Mean(Split);

impl Op for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let total = self.0.run("mean", Reduce::Sum, x[0])?;
        div(&total, &number(&total, self.0.count() as f64)?)
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(self.0.spread(&div(g, &number(g, self.0.count() as f64)?)?)?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[only(t)])
    }
}

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
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        self.split.not_empty(self.name)?;
        self.split.run(self.name, self.kind, x[0])
    }
    /// Ties share the gradient evenly.
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let (hit, count) = self.hits(saved.input(0), saved.output())?;
        let share = self.split.spread(&div(g, &count)?)?;
        Ok([Some(where_(&hit, &share, &number(g, 0.0)?)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let (hit, count) = self.hits(x[0], y)?;
        let chosen = where_(&hit, only(t), &number(y, 0.0)?)?;
        div(&sum_over(&chosen, &self.split.dims, self.split.keepdim)?, &count)
    }
}

impl Extremum {
    /// Where the extrema are, and how many there are in each place of the result.
    fn hits(&self, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
        let hit = eq(x, &self.split.spread(y)?)?;
        let count = sum_over(&cast(&hit, x.dtype())?, &self.split.dims, self.split.keepdim)?;
        Ok((hit, count))
    }
}

op_table! { $ reduce_ops
    /// Sum over `dim`, or over everything. Integers and bool are summed as int64.
    reduction sum(x: Tensor);
    /// Arithmetic mean over `dim`, or over everything; NaN over nothing.
    reduction mean(x: Tensor);
    /// Largest element over `dim`, or of everything; NaN if one is NaN. Ties share the gradient evenly.
    reduction amax(x: Tensor);
    /// Smallest element over `dim`, or of everything; NaN if one is NaN. Ties share the gradient evenly.
    reduction amin(x: Tensor);
    /// Index of the first largest element along `dim`, or in row-major order of everything; the first NaN's if there is one.
    index_reduction argmax(x: Tensor);
    /// Index of the first smallest element along `dim`, or in row-major order of everything; the first NaN's if there is one.
    index_reduction argmin(x: Tensor);
}

/// Sum over `dims`, or over everything. Integers and bool are summed as int64.
pub fn sum(x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    apply(Sum(Split::new("sum", x, dims, keepdim)?), &[x])
}

/// Arithmetic mean over `dims`, or over everything; NaN over nothing.
pub fn mean(x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        fail!(Type, "mean: expected a tensor of floats, got {}; write x.to(rg.float32).mean()", x.dtype());
    }
    apply(Mean(Split::new("mean", x, dims, keepdim)?), &[x])
}

/// Largest element over `dims`, or of everything; NaN if one is NaN.
pub fn amax(x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    apply(Extremum { name: "amax", kind: Reduce::Max, split: Split::new("amax", x, dims, keepdim)? }, &[x])
}

/// Smallest element over `dims`, or of everything; NaN if one is NaN.
pub fn amin(x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    apply(Extremum { name: "amin", kind: Reduce::Min, split: Split::new("amin", x, dims, keepdim)? }, &[x])
}

fn arg_extremum(op: &'static str, max: bool, x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
    let dims = dim.map(|d| [d]);
    let split = Split::new(op, x, dims.as_ref().map(<[isize; 1]>::as_slice), keepdim)?;
    split.not_empty(op)?;
    let (kept, gone) = (split.part(x.layout(), true), split.part(x.layout(), false));
    let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
    match_any!(x.dtype(), T => {
        let from = x.read::<T>();
        Tensor::build::<i64>(op, &split.output(), DType::Int64, |out| {
            kernels::arg_reduce(max, out, from.tail(), kept, gone);
            Ok(())
        })
    })
}

/// Index of the first largest element along `dim`, or in row-major order of everything.
pub fn argmax(x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
    arg_extremum("argmax", true, x, dim, keepdim)
}

/// Index of the first smallest element along `dim`, or in row-major order of everything.
pub fn argmin(x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
    arg_extremum("argmin", false, x, dim, keepdim)
}

/// The values at the indices that `argmax` or `argmin` found along a dimension: the gradient goes to those elements alone.
struct Pick {
    name: &'static str,
    kind: Reduce,
    split: Split,
    index: Tensor,
}

impl Op for Pick {
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        self.split.run(self.name, self.kind, x[0])
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(where_(&self.hit()?, &self.split.spread(g)?, &number(g, 0.0)?)?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let chosen = where_(&self.hit()?, only(t), &number(y, 0.0)?)?;
        sum_over(&chosen, &self.split.dims, self.split.keepdim)
    }
}

impl Pick {
    /// Where the picked elements are.
    fn hit(&self) -> Result<Tensor> {
        let dim = self.split.dims[0];
        let mut shape: Dims = self.split.shape.iter().map(|_| 1).collect();
        shape[dim] = self.split.shape[dim];
        let positions: Vec<i64> = (0..shape[dim] as i64).collect();
        eq(&Tensor::from_slice(&positions, &shape)?, &self.split.spread(&self.index)?)
    }
}

fn pick(op: &'static str, max: bool, x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    if x.ndim() == 0 {
        return Ok((x.clone(), Tensor::full(&[], Number::Int(0), DType::Int64)?));
    }
    normalize_dim(op, dim, x.ndim())?;
    let index = arg_extremum(op, max, x, Some(dim), keepdim)?;
    let (split, kind) = (Split::new(op, x, Some(&[dim]), keepdim)?, if max { Reduce::Max } else { Reduce::Min });
    Ok((apply(Pick { name: op, kind, split, index: index.clone() }, &[x])?, index))
}

/// Largest elements along `dim` and their indices. The gradient goes to the first of ties.
pub fn max_dim(x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    pick("max", true, x, dim, keepdim)
}

/// Smallest elements along `dim` and their indices. The gradient goes to the first of ties.
pub fn min_dim(x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    pick("min", false, x, dim, keepdim)
}

fn sum_over(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    let split = Split { dims: dims.into(), shape: x.shape().into(), keepdim };
    apply(Sum(split), &[x])
}

/// `g` summed over the dimensions along which `shape` was broadcast to become `g`'s: the adjoint of broadcasting.
pub(crate) fn sum_to(g: Tensor, shape: &[usize]) -> Result<Tensor> {
    if g.shape() == shape {
        return Ok(g);
    }
    let lead = g.ndim() - shape.len();
    let grown = |&d: &usize| d < lead || (shape[d - lead] == 1 && g.shape()[d] != 1);
    let dims: Dims = (0..g.ndim()).filter(grown).collect();
    reshape_to(&sum_over(&g, &dims, false)?, shape)
}

/// `mul` by a number of the tensor's own dtype.
pub(super) fn scale(x: &Tensor, by: f64) -> Result<Tensor> {
    mul(x, &number(x, by)?)
}
