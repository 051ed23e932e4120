//! Views: reshaping, permuting, repeating and slicing. None copies elements, unless strides cannot express the result.

use smallvec::SmallVec;

use super::{contiguous, only, op_table};
use crate::error::{Result, fail};
use crate::shape::{Dims, Layout, Show, broadcast, checked_numel, normalize_dim, normalize_dims};
use crate::tape::{Grads, Op, Saved, Want, apply, is_grad_enabled};
use crate::tensor::Tensor;

/// A run of positions along one dimension: `start, start + step, …`, `len` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first position.
    pub start: usize,
    /// The distance of neighbours, at least 1.
    pub step: usize,
    /// How many.
    pub len: usize,
}

impl Range {
    /// All of a dimension of size `n`.
    #[must_use]
    pub fn all(n: usize) -> Self {
        Self { start: 0, step: 1, len: n }
    }
}

#[derive(Clone)]
enum ViewOp {
    /// To a shape of as many elements.
    Reshape { from: Dims, to: Layout },
    /// Dimension `i` of the result is dimension `order[i]` of the input.
    Permute { order: Dims },
    /// Repeated elements; the tape sums over them.
    Expand { to: Dims },
    /// A sub-box of every dimension's positions.
    Slice { from: Dims, ranges: SmallVec<[Range; 4]> },
    /// The adjoint of `Slice`: zeros of a shape, with the input at those positions.
    Unslice { to: Dims, ranges: SmallVec<[Range; 4]> },
}

impl Op for ViewOp {
    fn name(&self) -> &'static str {
        match self {
            ViewOp::Reshape { .. } => "reshape",
            ViewOp::Permute { .. } => "permute",
            ViewOp::Expand { .. } => "expand",
            ViewOp::Slice { .. } => "slice",
            ViewOp::Unslice { .. } => "unslice",
        }
    }

    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let x = x[0];
        let layout = x.layout();
        Ok(match self {
            ViewOp::Reshape { to, .. } => x.with_layout(to.clone()),
            ViewOp::Permute { order } => x.with_layout(Layout {
                shape: order.iter().map(|&d| layout.shape[d]).collect(),
                strides: order.iter().map(|&d| layout.strides[d]).collect(),
                offset: layout.offset,
            }),
            ViewOp::Expand { to } => x.with_layout(layout.expand(to)),
            ViewOp::Slice { ranges, .. } => x.with_layout(sliced(layout, ranges)),
            ViewOp::Unslice { to, ranges } => {
                let y = Tensor::full(to, crate::tensor::Number::Int(0), x.dtype())?;
                crate::tape::with_grad_enabled(false, || {
                    y.with_layout(sliced(y.layout(), ranges)).copy_from(&x.without_history())
                })?;
                y
            }
        })
    }

    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let g = match self {
            ViewOp::Reshape { from, .. } => reshape_to(g, from)?,
            ViewOp::Permute { order } => {
                let mut inverse: Dims = order.clone();
                for (i, &d) in order.iter().enumerate() {
                    inverse[d] = i;
                }
                apply(ViewOp::Permute { order: inverse }, &[g])?
            }
            ViewOp::Expand { .. } => g.clone(),
            ViewOp::Slice { from, ranges } => {
                apply(ViewOp::Unslice { to: from.clone(), ranges: ranges.clone() }, &[g])?
            }
            ViewOp::Unslice { to, ranges } => apply(ViewOp::Slice { from: to.clone(), ranges: ranges.clone() }, &[g])?,
        };
        Ok([Some(g)].into_iter().collect())
    }

    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let t = only(t);
        // The layout that a reshape computed is that of its input, and the tangent may have another one.
        if let ViewOp::Reshape { to, .. } = self { reshape_to(t, &to.shape) } else { apply(self.clone(), &[t]) }
    }
}

fn sliced(layout: &Layout, ranges: &[Range]) -> Layout {
    let mut out = layout.clone();
    for (i, r) in ranges.iter().enumerate() {
        // An empty range may start behind the end; it must not move the offset out of the storage.
        out.offset += if r.len == 0 { 0 } else { r.start * layout.strides[i] };
        out.strides[i] *= r.step;
        out.shape[i] = r.len;
    }
    out
}

/// `x` as another variable: gradients with respect to the alias are not those with respect to `x`, but flow on to it where `x`
/// requires gradients itself. The alias requires gradients in any case.
pub fn alias(x: &Tensor) -> Result<Tensor> {
    if is_grad_enabled() && x.requires_grad() {
        return apply(ViewOp::Reshape { from: x.shape().into(), to: x.layout().clone() }, &[x]);
    }
    x.leaf()
}

/// The sub-box of `x` with one range per dimension, all of which lie within the shape.
pub(super) fn slice(x: &Tensor, ranges: SmallVec<[Range; 4]>) -> Result<Tensor> {
    apply(ViewOp::Slice { from: x.shape().into(), ranges }, &[x])
}

/// `x` as `shape`, which has as many elements.
pub(super) fn reshape_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let x = &match x.layout().reshape(shape) {
        Some(_) => x.clone(),
        None => contiguous(x)?,
    };
    let Some(to) = x.layout().reshape(shape) else {
        fail!(Value, "reshape: {} elements do not fill the shape {}", x.numel(), Show(shape));
    };
    apply(ViewOp::Reshape { from: x.shape().into(), to }, &[x])
}

op_table! { $ view_ops
    /// The elements in row-major order under another shape; one size may be −1, and follows from the others. A view where
    /// strides allow it, else a copy.
    method reshape(x: Tensor, *shape: Shape);
    /// Dimensions `start_dim` to `end_dim` (included) merged into one.
    method flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1);
    /// Two dimensions exchanged, as a view.
    method transpose(x: Tensor, dim0: int, dim1: int);
    /// Dimensions reordered, as a view: dimension `i` of the result is dimension `dims[i]` of `x`.
    method permute(x: Tensor, *dims: Shape);
    /// Dimensions of size 1 repeated to `shape`, as a view; −1 keeps a size, and new dimensions come first.
    method expand(x: Tensor, *shape: Shape);
    /// Without the dimensions of size 1, or without those of `dim` that have size 1.
    method squeeze(x: Tensor, dim: Dims = None);
    /// With a new dimension of size 1 before position `dim`.
    method unsqueeze(x: Tensor, dim: int);
    /// `length` positions of dimension `dim` from `start` on, as a view.
    method narrow(x: Tensor, dim: int, start: int, length: int);
}

/// The elements in row-major order under another shape; one size may be −1.
pub fn reshape(x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    let n = x.numel();
    let bad = || -> Result<Tensor> {
        let list = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        fail!(Value, "reshape: a tensor of shape {} cannot become ({list}): {n} elements", Show(x.shape()))
    };
    if shape.iter().any(|&s| s < -1) || shape.iter().filter(|&&s| s == -1).count() > 1 {
        return bad();
    }
    let known: Dims = shape.iter().filter(|&&s| s >= 0).map(|&s| s as usize).collect();
    let known_total = checked_numel("reshape", &known)?;
    let mut out: Dims = shape.iter().map(|&s| s.max(0) as usize).collect();
    if let Some(free) = shape.iter().position(|&s| s == -1) {
        if known_total == 0 || !n.is_multiple_of(known_total) {
            return bad();
        }
        out[free] = n / known_total;
    } else if known_total != n {
        return bad();
    }
    reshape_to(x, &out)
}

/// Dimensions `start_dim` to `end_dim` (included) merged into one.
pub fn flatten(x: &Tensor, start_dim: isize, end_dim: isize) -> Result<Tensor> {
    if x.ndim() == 0 {
        return reshape_to(x, &[1]);
    }
    let (from, to) = (normalize_dim("flatten", start_dim, x.ndim())?, normalize_dim("flatten", end_dim, x.ndim())?);
    if from > to {
        fail!(Value, "flatten: start_dim {start_dim} comes after end_dim {end_dim}");
    }
    let shape = x.shape();
    let mut out: Dims = shape[..from].into();
    out.push(shape[from..=to].iter().product());
    out.extend_from_slice(&shape[to + 1..]);
    reshape_to(x, &out)
}

/// Two dimensions exchanged, as a view.
pub fn transpose(x: &Tensor, dim0: isize, dim1: isize) -> Result<Tensor> {
    let (a, b) = (normalize_dim("transpose", dim0, x.ndim())?, normalize_dim("transpose", dim1, x.ndim())?);
    let mut order: Dims = (0..x.ndim()).collect();
    order.swap(a, b);
    apply(ViewOp::Permute { order }, &[x])
}

/// Dimensions reordered, as a view.
pub fn permute(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    let mut order = Dims::new();
    for &d in dims {
        let at = normalize_dim("permute", d, x.ndim())?;
        if order.contains(&at) {
            fail!(Value, "permute: dim {d} appears twice");
        }
        order.push(at);
    }
    if order.len() != x.ndim() {
        fail!(Value, "permute: {} dims given for a tensor of shape {}", dims.len(), Show(x.shape()));
    }
    apply(ViewOp::Permute { order }, &[x])
}

/// Dimension `dim` moved to the front or, with `back`, from the front to `dim`.
pub(super) fn move_dim(x: &Tensor, dim: usize, back: bool) -> Result<Tensor> {
    if dim == 0 {
        return Ok(x.clone());
    }
    let mut order: Dims = (0..x.ndim()).collect();
    if back {
        order[..=dim].rotate_left(1);
    } else {
        order[..=dim].rotate_right(1);
    }
    apply(ViewOp::Permute { order }, &[x])
}

/// Dimensions of size 1 repeated to `shape`; −1 keeps a size.
pub fn expand(x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    let refuse = |shape: &[isize]| -> Result<Tensor> {
        let list = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        fail!(Value, "expand: a tensor of shape {} cannot be expanded to ({list})", Show(x.shape()))
    };
    let Some(lead) = shape.len().checked_sub(x.ndim()) else { return refuse(shape) };
    let mut to = Dims::new();
    for (i, &s) in shape.iter().enumerate() {
        match s {
            -1 if i >= lead => to.push(x.shape()[i - lead]),
            0.. => to.push(s as usize),
            _ => return refuse(shape),
        }
    }
    expand_to(x, &to).or_else(|_| refuse(shape))
}

/// `x` repeated to `shape` as broadcasting would.
pub(super) fn expand_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    if broadcast("expand", x.shape(), shape)?[..] != *shape {
        fail!(Value, "expand: a tensor of shape {} cannot be expanded to {}", Show(x.shape()), Show(shape));
    }
    apply(ViewOp::Expand { to: shape.into() }, &[x])
}

/// Without the dimensions of size 1, or without those of `dims` that have size 1.
pub fn squeeze(x: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    let chosen = normalize_dims("squeeze", dims, x.ndim())?;
    let keep = |(i, &n): (usize, &usize)| (n != 1 || !chosen.contains(&i)).then_some(n);
    let shape: Dims = x.shape().iter().enumerate().filter_map(keep).collect();
    reshape_to(x, &shape)
}

/// With a new dimension of size 1 before position `dim`.
pub fn unsqueeze(x: &Tensor, dim: isize) -> Result<Tensor> {
    let at = normalize_dim("unsqueeze", dim, x.ndim() + 1)?;
    let mut shape: Dims = x.shape().into();
    shape.insert(at, 1);
    reshape_to(x, &shape)
}

/// `length` positions of dimension `dim` from `start` on, as a view.
pub fn narrow(x: &Tensor, dim: isize, start: isize, length: isize) -> Result<Tensor> {
    let d = normalize_dim("narrow", dim, x.ndim())?;
    let n = x.shape()[d] as isize;
    let from = if start < 0 { start + n } else { start };
    if from < 0 || length < 0 || from.checked_add(length).is_none_or(|end| end > n) {
        fail!(Index, "narrow: {length} positions from {start} on do not lie within dim {dim} of size {n}");
    }
    let mut ranges: SmallVec<[Range; 4]> = x.shape().iter().map(|&n| Range::all(n)).collect();
    ranges[d] = Range { start: from as usize, step: 1, len: length as usize };
    slice(x, ranges)
}
