//! Reductions over any dimensions.

use rgrad_kernels::reduce::{self as kernels, Axes, Reduce};
use rgrad_kernels::simd::Real;
use rgrad_macros::op;

use super::elementwise::{div, mul, number};
use super::views::{expand_to, reshape_to};
use super::{cast, only};
use crate::dtype::{DType, match_float, match_int};
use crate::error::{Result, fail};
use crate::op::{self, Kind};
use crate::op::{Grads, Op, Out, Saved, Want, apply};
use crate::shape::{Dims, Layout, Show, normalize_dims, reduced};
use crate::tensor::{Tensor, scratch};

fn divide<T: Real>(sums: &mut [T], by: T) {
    for sum in sums {
        *sum = *sum / by;
    }
}

/// Which dimensions go, as the kernels take them: those that stay, and those that are reduced.
#[derive(Clone)]
pub(super) struct Split {
    pub(super) dims: Dims,
    pub(super) shape: Dims,
    pub(super) keepdim: bool,
}

impl Split {
    pub(super) fn new(op: &str, x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Self> {
        let dims = normalize_dims(op, dims, x.ndim())?;
        Ok(Self { dims, shape: x.shape().into(), keepdim })
    }

    /// Shape of the result.
    pub(super) fn output(&self) -> Dims {
        reduced(&self.shape, &self.dims, self.keepdim)
    }

    /// Number of elements that become one.
    pub(super) fn count(&self) -> usize {
        self.dims.iter().map(|&d| self.shape[d]).product()
    }

    /// `t`, which has the result's shape, repeated to the input's.
    pub(super) fn spread(&self, t: &Tensor) -> Result<Tensor> {
        expand_to(&reshape_to(t, &reduced(&self.shape, &self.dims, true))?, &self.shape)
    }

    /// Shape and strides of the dimensions that stay, or of those that are reduced.
    pub(super) fn part(&self, layout: &Layout, stay: bool) -> (Dims, Dims) {
        let chosen = (0..self.shape.len()).filter(|d| self.dims.contains(d) != stay);
        chosen.map(|d| (layout.shape[d], layout.strides[d])).unzip()
    }

    pub(super) fn run(&self, op: &str, kind: Reduce, x: &Tensor, out: &mut Out<'_>) -> Result<()> {
        let (kept, gone) = (self.part(x.layout(), true), self.part(x.layout(), false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        match x.dtype() {
            DType::Float32 | DType::Float64 => match_float!(x.dtype(), op, T => {
                let from = x.read::<T>();
                out.build::<T>(op, &self.output(), x.dtype(), |out| {
                    kernels::reduce(kind, out, from.tail(), kept, gone);
                    Ok(())
                })
            }),
            DType::Bool => fail!(Type, "{op}: expected numbers, got bool; write x.to(rg.uint8)"),
            _ => match_int!(x.dtype(), op, T => {
                let from = x.read::<T>();
                out.build::<T>(op, &self.output(), x.dtype(), |out| {
                    kernels::reduce_int(kind, out, from.tail(), kept, gone);
                    Ok(())
                })
            }),
        }
    }

    /// Sums divided by a number.
    fn quotients(&self, op: &str, x: &Tensor, divisor: f64, out: &mut Out<'_>) -> Result<()> {
        let (kept, gone) = (self.part(x.layout(), true), self.part(x.layout(), false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        match_float!(x.dtype(), op, T => {
            let from = x.read::<T>();
            out.build::<T>(op, &self.output(), x.dtype(), |out| {
                kernels::reduce(Reduce::Sum, out, from.tail(), kept, gone);
                divide(out, divisor as T);
                Ok(())
            })
        })
    }

    /// Sums of squared distances from the means, divided by a number.
    pub(super) fn squares(&self, op: &str, x: &Tensor, divisor: f64, out: &mut Out<'_>) -> Result<()> {
        let (kept, gone) = (self.part(x.layout(), true), self.part(x.layout(), false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        match_float!(x.dtype(), op, T => {
            let from = x.read::<T>();
            out.build::<T>(op, &self.output(), x.dtype(), |out| scratch(out.len(), |means| {
                kernels::reduce(Reduce::Sum, means, from.tail(), kept, gone);
                divide(means, self.count() as T);
                kernels::squares(out, from.tail(), means, kept, gone);
                divide(out, divisor as T);
                Ok(())
            }))
        })
    }

    /// The same as a primitive of its own, without derivative.
    fn run_plain(self, op: &'static str, kind: Reduce, x: &Tensor) -> Result<Tensor> {
        op::plain(op, &[x], move |x, out| self.run(op, kind, x[0], out))
    }

    /// The sum of integers or truth values of any width as int64.
    fn sum_int(&self, x: &Tensor, out: &mut Out<'_>) -> Result<()> {
        let (kept, gone) = (self.part(x.layout(), true), self.part(x.layout(), false));
        let (kept, gone) = (Axes::new(&kept.0, &kept.1), Axes::new(&gone.0, &gone.1));
        // Truth values are the bytes 0 and 1.
        let dtype = if x.dtype() == DType::Bool { DType::UInt8 } else { x.dtype() };
        match_int!(dtype, "sum", T => {
            let from = x.read::<T>();
            out.build::<i64>("sum", &self.output(), DType::Int64, |out| {
                kernels::sum_int(out, from.tail(), kept, gone);
                Ok(())
            })
        })
    }

    /// Refuses to take an extremum of nothing.
    pub(super) fn not_empty(&self, op: &str) -> Result<()> {
        if self.count() == 0 && self.output().iter().product::<usize>() > 0 {
            fail!(Value, "{op}: a tensor of shape {} has no elements to choose from", Show(&self.shape));
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Sum(Split);

impl Op for Sum {
    fn kind(&self) -> Kind {
        let rows = self.0.shape.len() == 2 && self.0.dims[..] == [0] && !self.0.keepdim;
        if rows { Kind::SumRows } else { Kind::Reduce }
    }
    fn name(&self) -> &'static str {
        "sum"
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        if x[0].dtype().is_float() { self.0.run("sum", Reduce::Sum, x[0], out) } else { self.0.sum_int(x[0], out) }
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
    fn kind(&self) -> Kind {
        Kind::Reduce
    }
    fn name(&self) -> &'static str {
        "mean"
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        self.0.quotients("mean", x[0], self.0.count() as f64, out)
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(self.0.spread(&div(g, &number(g, self.0.count() as f64)?)?)?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[only(t)])
    }
}

/// Sum over `dim`, or over everything. Integers and bool are summed as int64.
///
/// Args:
///     x: A tensor.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///     dtype: To which elements are cast before they are added, and the dtype of the result.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     ValueError: if one is named twice.
///
/// >>> rg.sum(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
/// tensor([4., 6.])
#[op(reduction, dtype)]
pub fn sum(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    apply(Sum(Split::new("sum", x, dim, keepdim)?), &[x])
}

/// Arithmetic mean over `dim`, or over everything; NaN over nothing.
///
/// Args:
///     x: A tensor of floats.
///     dim: One or several dimensions, or None for all.
///     keepdim: Whether the dimensions that go stay, with size 1.
///     dtype: To which elements are cast before, and the dtype of the result.
///
/// Raises:
///     IndexError: if `dim` is out of range.
///     TypeError: unless elements are floats, or become such by `dtype`.
///     ValueError: if one is named twice.
#[op(reduction, dtype)]
pub fn mean(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        fail!(Type, "mean: expected a tensor of floats, got {}; write x.mean(dtype=rg.float32)", x.dtype());
    }
    apply(Mean(Split::new("mean", x, dim, keepdim)?), &[x])
}

/// Whether elements are true, the largest or smallest of each group deciding.
fn truth(op: &'static str, kind: Reduce, x: &Tensor, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let split = Split::new(op, x, dims, keepdim)?;
    let bits = cast(&cast(&x.without_history(), DType::Bool)?, DType::UInt8)?;
    cast(&split.run_plain(op, kind, &bits)?, DType::Bool)
}

/// Whether all elements over `dim`, or of everything, are true (not 0; NaN is not 0); true over nothing.
#[op(reduction)]
pub fn all(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    truth("all", Reduce::Min, x, dim, keepdim)
}

/// Whether any element over `dim`, or of everything, is true (not 0; NaN is not 0); false over nothing.
#[op(reduction)]
pub fn any(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    truth("any", Reduce::Max, x, dim, keepdim)
}

/// Number of elements over `dim`, or of everything, that are not 0, as int64.
#[op(reduction)]
pub fn count_nonzero(x: &Tensor, dim: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let split = Split::new("count_nonzero", x, dim, keepdim)?;
    let bits = cast(&x.without_history(), DType::Bool)?;
    op::plain("count_nonzero", &[&bits], move |x, out| split.sum_int(x[0], out))
}

pub(super) fn sum_over(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
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
