//! Views: reshaping, permuting, repeating and slicing. None copies elements, unless strides cannot express the result.

use rgrad_macros::op;
use smallvec::SmallVec;

use super::{add, cast, contiguous, embed, only};
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Want, apply, is_grad_enabled};
use crate::shape::{Dims, Layout, Show, broadcast, checked_numel, normalize_dim, normalize_dims};
use crate::tensor::{Tensor, result_dtype};

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

    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        let layout = x.layout();
        out.give(x.with_layout(match self {
            ViewOp::Reshape { to, .. } => to.clone(),
            ViewOp::Permute { order } => Layout {
                shape: order.iter().map(|&d| layout.shape[d]).collect(),
                strides: order.iter().map(|&d| layout.strides[d]).collect(),
                offset: layout.offset,
            },
            ViewOp::Expand { to } => layout.expand(to),
            ViewOp::Slice { ranges, .. } => sliced(layout, ranges),
            ViewOp::Unslice { to, ranges } => {
                return embed("unslice", x, to, &sliced(&Layout::contiguous(to), ranges), out);
            }
        }));
        Ok(())
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

    fn add_backward(&self, g: &Tensor, total: &Tensor) -> Result<bool> {
        let ViewOp::Slice { ranges, .. } = self else { return Ok(false) };
        let part = total.with_layout(sliced(total.layout(), ranges));
        part.copy_from(&add(&part, g)?)?;
        Ok(true)
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
    if is_grad_enabled() && x.requires_grad() { branch(x) } else { x.leaf() }
}

/// `x` through a node of its own, where gradients meet before they flow on. For what several rules use, and what is `x` itself
/// or not depending on elements or strides: the order in which gradients are added must depend on neither.
pub(super) fn branch(x: &Tensor) -> Result<Tensor> {
    apply(ViewOp::Reshape { from: x.shape().into(), to: x.layout().clone() }, &[x])
}

/// The sub-box of `x` with one range per dimension, all of which lie within the shape.
pub(super) fn slice(x: &Tensor, ranges: SmallVec<[Range; 4]>) -> Result<Tensor> {
    apply(ViewOp::Slice { from: x.shape().into(), ranges }, &[x])
}

/// Zeros of a shape, with `x` in the sub-box of one range per dimension.
pub(super) fn unslice(x: &Tensor, shape: &[usize], ranges: SmallVec<[Range; 4]>) -> Result<Tensor> {
    apply(ViewOp::Unslice { to: shape.into(), ranges }, &[x])
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

/// Sizes with `n` elements together, where one that is −1 follows from the others; `None` if there are none.
fn complete(n: usize, sizes: &[isize]) -> Option<Dims> {
    let others = sizes.iter().filter(|&&s| s != -1).map(|&s| usize::try_from(s).ok()).collect::<Option<Dims>>()?;
    let known = checked_numel("reshape", &others).ok()?;
    let free = match sizes.iter().filter(|&&s| s == -1).count() {
        0 if known == n => 0,
        1 if known > 0 && n.is_multiple_of(known) => n / known,
        _ => return None,
    };
    Some(sizes.iter().map(|&s| usize::try_from(s).unwrap_or(free)).collect())
}

/// Sizes for messages: `2, -1`.
fn list(sizes: &[isize]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The elements in row-major order under another shape; one size may be −1, and follows from the others. A view where
/// strides allow it, else a copy.
#[op(method, *shape)]
pub fn reshape(x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    let known: Dims = shape.iter().filter_map(|&s| usize::try_from(s).ok()).collect();
    checked_numel("reshape", &known)?;
    let Some(to) = complete(x.numel(), shape) else {
        let (from, to, n) = (Show(x.shape()), list(shape), x.numel());
        fail!(Value, "reshape: a tensor of shape {from} cannot become ({to}): {n} elements")
    };
    reshape_to(x, &to)
}

/// Dimensions `start_dim` to `end_dim` (included) merged into one.
#[op(method, start_dim = 0, end_dim = -1)]
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

/// All elements in row-major order as one dimension: a view where strides allow it, else a copy.
#[op(method)]
pub fn ravel(x: &Tensor) -> Result<Tensor> {
    reshape_to(x, &[x.numel()])
}

/// Dimension `dim` taken apart into dimensions of these sizes, one of which may be −1.
#[op(method)]
pub fn unflatten(x: &Tensor, dim: isize, sizes: &[isize]) -> Result<Tensor> {
    let d = normalize_dim("unflatten", dim, x.ndim())?;
    let Some(parts) = complete(x.shape()[d], sizes) else {
        fail!(Value, "unflatten: dim {dim} of size {} cannot become ({})", x.shape()[d], list(sizes));
    };
    let mut shape: Dims = x.shape()[..d].into();
    shape.extend(parts);
    shape.extend_from_slice(&x.shape()[d + 1..]);
    reshape_to(x, &shape)
}

/// Two dimensions exchanged, as a view.
#[op(method)]
pub fn transpose(x: &Tensor, dim0: isize, dim1: isize) -> Result<Tensor> {
    exchange("transpose", x, dim0, dim1)
}

/// Two dimensions exchanged, as a view: NumPy's name for `transpose`.
#[op(method)]
pub fn swapaxes(x: &Tensor, axis0: isize, axis1: isize) -> Result<Tensor> {
    exchange("swapaxes", x, axis0, axis1)
}

fn exchange(op: &str, x: &Tensor, dim0: isize, dim1: isize) -> Result<Tensor> {
    let (a, b) = (normalize_dim(op, dim0, x.ndim())?, normalize_dim(op, dim1, x.ndim())?);
    let mut order: Dims = (0..x.ndim()).collect();
    order.swap(a, b);
    apply(ViewOp::Permute { order }, &[x])
}

/// Dimensions as positions from the front, in the order given. `ValueError` if one appears twice.
pub(super) fn distinct(op: &str, dims: &[isize], rank: usize) -> Result<Dims> {
    let mut order = Dims::new();
    for &d in dims {
        let at = normalize_dim(op, d, rank)?;
        if order.contains(&at) {
            fail!(Value, "{op}: dim {d} appears twice");
        }
        order.push(at);
    }
    Ok(order)
}

/// Dimensions reordered, as a view: dimension `i` of the result is dimension `dims[i]` of `x`.
#[op(method, *dims)]
pub fn permute(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    let order = distinct("permute", dims, x.ndim())?;
    if order.len() != x.ndim() {
        fail!(Value, "permute: {} dims given for a tensor of shape {}", dims.len(), Show(x.shape()));
    }
    apply(ViewOp::Permute { order }, &[x])
}

/// Dimensions `source` moved to the places `destination`, as a view; the others keep their order.
#[op(method)]
pub fn movedim(x: &Tensor, source: &[isize], destination: &[isize]) -> Result<Tensor> {
    let (from, to) = (distinct("movedim", source, x.ndim())?, distinct("movedim", destination, x.ndim())?);
    if from.len() != to.len() {
        fail!(Value, "movedim: {} dims cannot be moved to {} places", from.len(), to.len());
    }
    let mut others = (0..x.ndim()).filter(|d| !from.contains(d));
    let place = |i| to.iter().position(|&t| t == i).map_or_else(|| others.next(), |k| Some(from[k]));
    let order = (0..x.ndim()).filter_map(place).collect();
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

/// Dimensions of size 1 repeated to `shape`, as a view; −1 keeps a size, and new dimensions come first.
#[op(method, *shape)]
pub fn expand(x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    expanded("expand", x, shape)
}

/// Dimensions of size 1 repeated to the shape of `other`, as a view.
#[op(method)]
pub fn expand_as(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    // A Python number has no dtype of its own, and takes none from a shape.
    let x = if x.is_weak() { cast(x, result_dtype(&[x]))? } else { x.clone() };
    expanded("expand_as", &x, &other.shape().iter().map(|&n| n as isize).collect::<Vec<_>>())
}

/// `x` repeated to `shape` as broadcasting would, as a view.
#[op(method, *shape)]
pub fn broadcast_to(x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    expanded("broadcast_to", x, shape)
}

fn expanded(op: &str, x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    let lead = shape.len().checked_sub(x.ndim());
    let size = |(i, &s): (usize, &isize)| {
        let own = i.checked_sub(lead?).map(|d| x.shape()[d]);
        match own {
            Some(n) if s == -1 || (s >= 0 && n == 1) => Some(if s == -1 { n } else { s as usize }),
            Some(n) => (usize::try_from(s) == Ok(n)).then_some(n),
            None => usize::try_from(s).ok(),
        }
    };
    match shape.iter().enumerate().map(size).collect::<Option<Dims>>().filter(|_| lead.is_some()) {
        Some(to) => {
            checked_numel(op, &to)?;
            expand_to(x, &to)
        }
        None => fail!(Value, "{op}: a tensor of shape {} cannot be expanded to ({})", Show(x.shape()), list(shape)),
    }
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

/// Without the dimensions of size 1, or without those of `dim` that have size 1.
#[op(method, dim = None)]
pub fn squeeze(x: &Tensor, dim: Option<&[isize]>) -> Result<Tensor> {
    let chosen = normalize_dims("squeeze", dim, x.ndim())?;
    let keep = |(i, &n): (usize, &usize)| (n != 1 || !chosen.contains(&i)).then_some(n);
    let shape: Dims = x.shape().iter().enumerate().filter_map(keep).collect();
    reshape_to(x, &shape)
}

/// With a new dimension of size 1 before position `dim`.
#[op(method)]
pub fn unsqueeze(x: &Tensor, dim: isize) -> Result<Tensor> {
    let at = normalize_dim("unsqueeze", dim, x.ndim() + 1)?;
    let mut shape: Dims = x.shape().into();
    shape.insert(at, 1);
    reshape_to(x, &shape)
}

/// The coordinates of a grid: tensors of one dimension or none, each repeated along the dimensions of the others, as views. The
/// first is constant along all dimensions but the first, and so on; with `xy` the first two dimensions change places.
/// `ValueError` for tensors of more dimensions, or none.
pub fn meshgrid(tensors: &[Tensor], xy: bool) -> Result<Vec<Tensor>> {
    if tensors.is_empty() {
        fail!(Value, "meshgrid: expected at least one tensor");
    }
    if let Some((i, t)) = tensors.iter().enumerate().find(|(_, t)| t.ndim() > 1) {
        fail!(Value, "meshgrid: expected vectors, got shape {} at position {i}", Show(t.shape()));
    }
    let place = |i: usize| if xy && i < 2 && tensors.len() > 1 { 1 - i } else { i };
    let shape: Dims = (0..tensors.len()).map(|i| tensors[place(i)].numel()).collect();
    checked_numel("meshgrid", &shape)?;
    let grid = |(i, t): (usize, &Tensor)| {
        let mut own = Dims::from_elem(1, shape.len());
        own[place(i)] = t.numel();
        expand_to(&reshape_to(t, &own)?, &shape)
    };
    tensors.iter().enumerate().map(grid).collect()
}
