//! Indexing: basic (slices and integers, as views) and by tensors of integers or bool (as copies), read and write.

use rgrad_kernels::gather as kernels;
use smallvec::SmallVec;

use super::elementwise::{add, lt, where_};
use super::reduce::scale;
use super::views::{Range, expand_to, permute, reshape_to, slice};
use super::{cast, contiguous, only, op_table};
use crate::dtype::{DType, match_any, match_float};
use crate::error::{Result, fail};
use crate::shape::{Dims, Show, broadcast, normalize_dim};
use crate::tape::{Grads, Op, Saved, Want, apply};
use crate::tensor::{Number, Tensor};

op_table! { $ index_ops
    /// The positions `index` (n,) of dimension `dim`, as a copy; negative ones count from the back.
    method index_select(x: Tensor, dim: int, index: Tensor);
}

/// One item between the brackets of `x[…]`.
#[derive(Clone, Debug)]
pub enum Index {
    /// `start:stop:step`, resolved against the dimension's size by the caller's rules for Python slices.
    Slice {
        /// First position, negative from the back; the beginning if absent.
        start: Option<isize>,
        /// Position behind the last, negative from the back; the end if absent.
        stop: Option<isize>,
        /// Distance of neighbours, at least 1.
        step: isize,
    },
    /// One position, whose dimension disappears.
    At(isize),
    /// `None`: a new dimension of size 1.
    NewAxis,
    /// `...`: all dimensions that the other items leave.
    Ellipsis,
    /// Positions, or a mask of bool.
    Tensor(Tensor),
}

/// Python's rule for slices with a positive step.
fn resolve(start: Option<isize>, stop: Option<isize>, step: isize, n: usize) -> Result<Range> {
    if step < 1 {
        fail!(Value, "index: a slice's step must be positive, got {step}");
    }
    let n = n as isize;
    let clip = |v: isize| if v < 0 { (v.saturating_add(n)).max(0) } else { v.min(n) };
    let (from, to) = (start.map_or(0, clip), stop.map_or(n, clip));
    let len = if to > from { (to - from - 1) / step + 1 } else { 0 };
    // A single position has no neighbour; its step must not make a stride that overflows.
    let step = if len > 1 { step } else { 1 };
    Ok(Range { start: from as usize, step: step as usize, len: len as usize })
}

/// An index, taken apart: a view first, then positions along some of its dimensions.
struct Plan {
    /// The view by slices, integers and new axes; dimensions with positions are whole.
    view: Tensor,
    /// Dimensions of the view that are indexed by tensors, with the positions.
    by_tensor: Vec<(usize, Tensor)>,
}

fn plan(x: &Tensor, index: &[Index]) -> Result<Plan> {
    let used: usize = index
        .iter()
        .map(|i| match i {
            Index::NewAxis | Index::Ellipsis => 0,
            Index::Tensor(t) if t.dtype() == DType::Bool => t.ndim(),
            _ => 1,
        })
        .sum();
    let ellipses = index.iter().filter(|i| matches!(i, Index::Ellipsis)).count();
    if used > x.ndim() || ellipses > 1 {
        let many = if ellipses > 1 { "more than one ellipsis" } else { "too many indices" };
        fail!(Index, "index: {many} for a tensor of shape {}", Show(x.shape()));
    }
    let mut ranges: SmallVec<[Range; 4]> = SmallVec::new();
    let (mut shape, mut by_tensor) = (Dims::new(), Vec::new());
    let whole = |ranges: &mut SmallVec<[Range; 4]>, shape: &mut Dims, count: usize| {
        for _ in 0..count {
            let n = x.shape()[ranges.len()];
            ranges.push(Range::all(n));
            shape.push(n);
        }
    };
    for item in index {
        let at = ranges.len();
        match item {
            Index::NewAxis => shape.push(1),
            Index::Ellipsis => whole(&mut ranges, &mut shape, x.ndim() - used),
            Index::Slice { start, stop, step } => {
                let range = resolve(*start, *stop, *step, x.shape()[at])?;
                ranges.push(range);
                shape.push(range.len);
            }
            Index::At(i) => {
                let n = x.shape()[at] as isize;
                if !(-n..n).contains(i) {
                    fail!(Index, "index: {i} is out of range for dim {at} of size {n}");
                }
                ranges.push(Range { start: i.rem_euclid(n) as usize, step: 1, len: 1 });
            }
            Index::Tensor(t) if t.dtype() == DType::Bool => {
                if t.shape() != &x.shape()[at..at + t.ndim()] {
                    let part = &x.shape()[at..at + t.ndim()];
                    fail!(Index, "index: a mask of shape {} does not fit the dims {}", Show(t.shape()), Show(part));
                }
                by_tensor.extend(nonzero(t)?.into_iter().enumerate().map(|(d, t)| (shape.len() + d, t)));
                whole(&mut ranges, &mut shape, t.ndim());
            }
            Index::Tensor(t) => {
                if t.dtype().is_float() {
                    fail!(Index, "index: expected positions of integers or a mask of bool, got {}", t.dtype());
                }
                by_tensor.push((shape.len(), cast(t, DType::Int64)?));
                whole(&mut ranges, &mut shape, 1);
            }
        }
    }
    let rest = x.ndim() - ranges.len();
    whole(&mut ranges, &mut shape, rest);
    let same = ranges.iter().zip(x.shape()).all(|(r, &n)| *r == Range::all(n));
    let view = if same { x.clone() } else { slice(x, ranges)? };
    Ok(Plan { view: reshape_view(&view, &shape)?, by_tensor })
}

/// Drops or adds dimensions of size 1, which strides can always express.
fn reshape_view(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    debug_assert!(x.numel() == 0 || x.layout().reshape(shape).is_some());
    reshape_to(x, shape)
}

/// The positions of the true elements, one tensor for each dimension, in row-major order.
fn nonzero(mask: &Tensor) -> Result<Vec<Tensor>> {
    let bits = mask.to_vec::<u8>()?;
    let flat: Vec<usize> = bits.iter().enumerate().filter(|&(_, &b)| b != 0).map(|(i, _)| i).collect();
    let strides = crate::shape::contiguous_strides(mask.shape());
    let along = |d: usize| -> Vec<i64> { flat.iter().map(|i| (i / strides[d] % mask.shape()[d]) as i64).collect() };
    (0..mask.ndim()).map(|d| Tensor::from_slice(&along(d), &[flat.len()])).collect()
}

/// Rows of a matrix at given positions, which may repeat.
#[derive(Clone)]
struct Gather {
    index: Tensor,
    rows: usize,
}

/// The adjoint of `Gather`: rows added up at those positions of a matrix of zeros.
#[derive(Clone)]
struct ScatterAdd {
    index: Tensor,
    rows: usize,
}

fn refuse(index: &[i64], bad: usize, rows: usize) -> Result<()> {
    fail!(Index, "index: {} at position {bad} is out of range for a size of {rows}", index[bad])
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "index"
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (x, index) = (x[0], self.index.read::<i64>());
        let width = x.shape()[1];
        match_any!(x.dtype(), T => {
            let from = x.read::<T>();
            Tensor::build::<T>("index", &[self.index.numel(), width], x.dtype(), |out| {
                match kernels::gather_rows(out, from.slice(), width, index.slice()) {
                    Ok(()) => Ok(()),
                    Err(bad) => refuse(index.slice(), bad.position, self.rows),
                }
            })
        })
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let op = ScatterAdd { index: self.index.clone(), rows: self.rows };
        Ok([Some(apply(op, &[&contiguous(g)?])?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[&contiguous(only(t))?])
    }
}

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (x, index) = (x[0], self.index.read::<i64>());
        let width = x.shape()[1];
        match_float!(x.dtype(), "scatter_add", T => {
            let from = x.read::<T>();
            Tensor::build::<T>("scatter_add", &[self.rows, width], x.dtype(), |out| {
                out.fill(0.0);
                match kernels::scatter_add_rows(out, from.slice(), width, index.slice()) {
                    Ok(()) => Ok(()),
                    Err(bad) => refuse(index.slice(), bad.position, self.rows),
                }
            })
        })
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let op = Gather { index: self.index.clone(), rows: self.rows };
        Ok([Some(apply(op, &[&contiguous(g)?])?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[&contiguous(only(t))?])
    }
}

/// What the tensors of an index select of a view: the view with their dimensions in front, merged into one, the positions
/// along it, and the shape and order of dimensions of the result.
struct Selection {
    rows: Tensor,
    index: Tensor,
    shape: Dims,
    order: Option<Vec<isize>>,
}

fn select(view: &Tensor, by_tensor: &[(usize, Tensor)]) -> Result<Selection> {
    let dims: Dims = by_tensor.iter().map(|(d, _)| *d).collect();
    let front: Vec<usize> = dims.iter().copied().chain((0..view.ndim()).filter(|d| !dims.contains(d))).collect();
    let moved = permute(view, &front.iter().map(|&d| d as isize).collect::<Vec<_>>())?;
    let (head, rest) = moved.shape().split_at(dims.len());
    let mut common = Dims::new();
    for (_, t) in by_tensor {
        common = broadcast("index", &common, t.shape())?;
    }
    let mut index = expand_to(&Tensor::full(&[], Number::Int(0), DType::Int64)?, &common)?;
    for ((_, t), &n) in by_tensor.iter().zip(head) {
        check_range(t, n)?;
        let wrapped = where_(&lt(t, &zero()?)?, &add(t, &Tensor::full(&[], Number::Int(n as i64), DType::Int64)?)?, t)?;
        index = add(&scale(&index, n as f64)?, &wrapped)?;
    }
    let mut shape = common.clone();
    shape.extend_from_slice(rest);
    // As in NumPy: the new dimensions stand where the indexed ones stood, or in front if those were apart.
    let adjacent = dims.windows(2).all(|w| w[1] == w[0] + 1);
    let order = (adjacent && dims[0] > 0).then(|| {
        let (c, f) = (common.len() as isize, dims[0] as isize);
        (c..c + f).chain(0..c).chain(c + f..shape.len() as isize).collect()
    });
    let rows = reshape_to(&moved, &[head.iter().product(), rest.iter().product()])?;
    Ok(Selection { rows, index: contiguous(&reshape_to(&index, &[common.iter().product()])?)?, shape, order })
}

fn zero() -> Result<Tensor> {
    Tensor::full(&[], Number::Int(0), DType::Int64)
}

fn check_range(index: &Tensor, n: usize) -> Result<()> {
    let values = index.to_vec::<i64>()?;
    let n = n as i64;
    match values.iter().position(|i| !(-n..n).contains(i)) {
        Some(bad) => refuse(&values, bad, n as usize),
        None => Ok(()),
    }
}

/// `x[index]`: a view where only slices, integers, new axes and an ellipsis are used, else a copy.
pub fn getitem(x: &Tensor, index: &[Index]) -> Result<Tensor> {
    let Plan { view, by_tensor } = plan(x, index)?;
    if by_tensor.is_empty() {
        return Ok(view);
    }
    let s = select(&view, &by_tensor)?;
    let rows = s.rows.shape()[0];
    let y = apply(Gather { index: s.index, rows }, &[&contiguous(&s.rows)?])?;
    let y = reshape_to(&y, &s.shape)?;
    s.order.map_or(Ok(y.clone()), |order| permute(&y, &order))
}

/// `x[index] = value`, with `value` broadcast to the shape of `x[index]`. Errors as [`Tensor::copy_from`]'s; nothing is
/// written if there is one. Where positions repeat, the last value stays.
pub fn setitem(x: &Tensor, index: &[Index], value: &Tensor) -> Result<()> {
    let target = if crate::tape::is_grad_enabled() && x.requires_grad() { x.clone() } else { x.without_history() };
    let Plan { view, by_tensor } = plan(&target, index)?;
    if by_tensor.is_empty() {
        return view.copy_from(value);
    }
    // The same selection, made from the elements' own numbers, says where the values go.
    let n = view.numel() as i64;
    let numbers = Tensor::from_slice(&(0..n).collect::<Vec<_>>(), view.shape())?;
    let s = select(&numbers, &by_tensor)?;
    let rows = s.rows.shape()[0];
    let places = reshape_to(&apply(Gather { index: s.index, rows }, &[&contiguous(&s.rows)?])?, &s.shape)?;
    let places = s.order.map_or(Ok(places.clone()), |order| permute(&places, &order))?;
    let places = contiguous(&places)?;
    let values = contiguous(&expand_to(&cast(&value.without_history(), x.dtype())?, places.shape())?)?;
    let result = super::copy(&view.without_history())?;
    match_any!(x.dtype(), T => {
        let (at, from) = (places.read::<i64>(), values.read::<T>());
        let mut to = result.write::<T>();
        for (&i, &v) in at.slice().iter().zip(from.slice()) {
            to[i as usize] = v;
        }
    });
    if crate::tape::is_grad_enabled() && value.requires_grad() {
        // Refused, with the reason, by the same check as every other write.
        return view.copy_from(value);
    }
    view.copy_from(&result)
}

/// The positions `index` (n,) of dimension `dim`, as a copy.
pub fn index_select(x: &Tensor, dim: isize, index: &Tensor) -> Result<Tensor> {
    let at = normalize_dim("index_select", dim, x.ndim())?;
    if index.ndim() != 1 || index.dtype().is_float() || index.dtype() == DType::Bool {
        let (shape, dtype) = (Show(index.shape()), index.dtype());
        fail!(Value, "index_select: expected positions (n,) of integers, got shape {shape} of {dtype}");
    }
    if at == 0 && x.ndim() <= 2 && x.is_contiguous() {
        // Rows of a matrix, the way batches are made: no arithmetic on the positions.
        let rows = x.shape()[0];
        let width = x.shape().get(1).copied().unwrap_or(1);
        let index = contiguous(&cast(index, DType::Int64)?)?;
        let mut shape: Dims = x.shape().into();
        shape[0] = index.numel();
        return reshape_to(&apply(Gather { index, rows }, &[&reshape_to(x, &[rows, width])?])?, &shape);
    }
    let mut items = vec![Index::Slice { start: None, stop: None, step: 1 }; at];
    items.push(Index::Tensor(index.clone()));
    getitem(x, &items)
}
