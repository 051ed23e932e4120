//! `x[index]`.

use rgrad_kernels::copy::copy;
use rgrad_kernels::gather as kernels;
use smallvec::SmallVec;

use super::{Index, Plan, Positions, out_of_range, true_elements};
use crate::dtype::{DType, match_any, match_float, match_int};
use crate::error::Result;
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::ops::views::{permute, reshape_to};
use crate::ops::{contiguous, only, strides_over, view_of};
use crate::shape::{Dims, broadcast};
use crate::tensor::{Tensor, scratch};

/// Rows of matrices (matrices, rows, width) at given positions (n,), which may repeat. Both lie in row-major order.
#[derive(Clone, Copy)]
struct GatherRows {
    rows: usize,
}

/// The adjoint of `GatherRows`: rows (matrices, n, width) added up at those positions of matrices of zeros.
#[derive(Clone, Copy)]
struct ScatterRows {
    rows: usize,
}

/// The positions, which must not have changed until the rules use them.
const POSITIONS: Saves = Saves { inputs: 2, output: false };

impl Op for GatherRows {
    fn name(&self) -> &'static str {
        "index"
    }
    fn saves(&self) -> Saves {
        POSITIONS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (x, index) = (x[0], x[1].read::<i64>());
        let (matrices, width) = (x.shape()[0], x.shape()[2]);
        match_any!(x.dtype(), T => {
            let from = x.read::<T>();
            out.build::<T>("index", &[matrices, index.slice().len(), width], x.dtype(), |out| {
                match kernels::gather_rows(out, from.slice(), width, index.slice()) {
                    Ok(()) => Ok(()),
                    Err(bad) => out_of_range("index", bad.index, bad.position, 0, self.rows),
                }
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(scatter_rows(g, saved.input(1), self.rows)?), None].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        gather_rows(only(t), x[1])
    }
}

impl Op for ScatterRows {
    fn name(&self) -> &'static str {
        "index"
    }
    fn saves(&self) -> Saves {
        POSITIONS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (x, index) = (x[0], x[1].read::<i64>());
        let (matrices, width) = (x.shape()[0], x.shape()[2]);
        if !x.dtype().is_float() {
            return self.integers(x, index.slice(), out);
        }
        match_float!(x.dtype(), "index", T => {
            let from = x.read::<T>();
            out.build::<T>("index", &[matrices, self.rows, width], x.dtype(), |out| {
                out.fill(0.0);
                match kernels::scatter_add_rows(out, from.slice(), width, index.slice()) {
                    Ok(()) => Ok(()),
                    Err(bad) => out_of_range("index", bad.index, bad.position, 0, self.rows),
                }
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(gather_rows(g, saved.input(1))?), None].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        scatter_rows(only(t), x[1], self.rows)
    }
}

impl ScatterRows {
    /// Sums of integers, which wrap around as all of theirs do. The positions are in range.
    fn integers(self, x: &Tensor, index: &[i64], out: &mut Out<'_>) -> Result<()> {
        let (matrices, n, width) = (x.shape()[0], x.shape()[1], x.shape()[2]);
        match_int!(x.dtype(), "scatter_add", T => {
            let from = x.read::<T>();
            out.build::<T>("scatter_add", &[matrices, self.rows, width], x.dtype(), |out| {
                out.fill(0);
                if n * width == 0 {
                    return Ok(());
                }
                for (x, out) in from.slice().chunks_exact(n * width).zip(out.chunks_exact_mut(self.rows * width)) {
                    for (x, &row) in x.chunks_exact(width).zip(index) {
                        for (out, &x) in out[row as usize * width..][..width].iter_mut().zip(x) {
                            *out = out.wrapping_add(x);
                        }
                    }
                }
                Ok(())
            })
        })
    }
}

/// Rows of `x` (matrices, rows, width) at the positions `index` (n,), which are contiguous int64 and in range.
pub(super) fn gather_rows(x: &Tensor, index: &Tensor) -> Result<Tensor> {
    apply(GatherRows { rows: x.shape()[1] }, &[&contiguous(x)?, index])
}

/// Rows `x` (matrices, n, width) added up at the positions `index` (n,), contiguous int64 from 0 on, of matrices of zeros of
/// `rows` rows.
pub(super) fn scatter_rows(x: &Tensor, index: &Tensor, rows: usize) -> Result<Tensor> {
    apply(ScatterRows { rows }, &[&contiguous(x)?, index])
}

/// What positions select of a view: the shape that they have together, and the dimensions along which they lie.
pub(super) struct Selection {
    /// Shape of the positions, broadcast.
    pub(super) common: Dims,
    /// Dimensions of the view in the order in which the selected elements are numbered: `lead` that come first, those with
    /// positions, and the others.
    pub(super) order: Dims,
    /// How many come before the positions' dimensions: all, if these are neighbours, as in NumPy, or else none.
    pub(super) lead: usize,
    /// How many have positions.
    pub(super) count: usize,
    /// Shape of the result.
    pub(super) shape: Dims,
}

impl Selection {
    pub(super) fn new(view: &Tensor, positions: &[Positions]) -> Result<Self> {
        let dims: Dims = positions.iter().map(|p| p.dim).collect();
        let mut common = Dims::new();
        for p in positions {
            common = broadcast("index", &common, p.at.shape())?;
        }
        let adjacent = dims.windows(2).all(|w| w[1] == w[0] + 1);
        let (lead, count) = (if adjacent { dims[0] } else { 0 }, dims.len());
        let others = (0..view.ndim()).filter(|d| !dims.contains(d));
        let mut order: Dims = others.clone().take(lead).collect();
        order.extend_from_slice(&dims);
        order.extend(others.skip(lead));
        let mut shape: Dims = order[..lead].iter().map(|&d| view.shape()[d]).collect();
        shape.extend_from_slice(&common);
        shape.extend(order[lead + count..].iter().map(|&d| view.shape()[d]));
        Ok(Self { common, order, lead, count, shape })
    }

    /// For every place of the positions' common shape, the sum of `stride · position` over the dimensions.
    pub(super) fn offsets(&self, positions: &[Positions], sizes: &[usize], strides: &[usize]) -> Result<Tensor> {
        let at: SmallVec<[&Tensor; 2]> = positions.iter().map(|p| &p.at).collect();
        let mut out = Out::new();
        offsets(&self.common, &at, sizes, strides, &mut out)?;
        Ok(out.result().0)
    }
}

fn offsets(common: &[usize], at: &[&Tensor], sizes: &[usize], strides: &[usize], out: &mut Out<'_>) -> Result<()> {
    out.build::<i64>("index", &[common.iter().product()], DType::Int64, |offsets| {
        offsets.fill(0);
        for ((at, &n), &stride) in at.iter().zip(sizes).zip(strides) {
            let mut room = Dims::new();
            let (read, over) = (at.read::<i64>(), strides_over(at, common, &mut room));
            scratch(offsets.len(), |at| {
                copy(at, common, view_of(&read, over));
                for (sum, &i) in offsets.iter_mut().zip(at.iter()) {
                    *sum += stride as i64 * if i < 0 { i + n as i64 } else { i };
                }
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// `x[index]`: a view where only slices with positive steps, integers, new axes and an ellipsis are used, else a copy.
///
/// `IndexError` for positions out of range, too many indices, masks that do not fit, or positions of another kind than
/// integers and bool.
pub fn getitem(x: &Tensor, index: &[Index]) -> Result<Tensor> {
    if let [Index::Tensor(mask)] = index
        && mask.dtype() == DType::Bool
        && mask.ndim() > 0
        && mask.shape() == x.shape()
    {
        let places = true_elements(mask)?;
        let picked = gather_rows(&reshape_to(x, &[1, x.numel(), 1])?, &places)?;
        return reshape_to(&picked, places.shape());
    }
    let plan = Plan::new(x, index)?;
    let view = plan.basic()?;
    if plan.positions.is_empty() {
        return Ok(view);
    }
    let s = Selection::new(&view, &plan.positions)?;
    let moved = if s.order.is_sorted() {
        view
    } else {
        permute(&view, &s.order.iter().map(|&d| d as isize).collect::<Vec<_>>())?
    };
    let (lead, rest) = moved.shape().split_at(s.lead);
    let (head, rest) = rest.split_at(s.count);
    let at: SmallVec<[&Tensor; 2]> = plan.positions.iter().map(|p| &p.at).collect();
    let (common, sizes): (Dims, Dims) = (s.common.clone(), head.into());
    let rows = op::plain_as(op::Kind::Refuses, "index", &at, move |at, out| {
        offsets(&common, at, &sizes, &crate::shape::contiguous_strides(&sizes), out)
    })?;
    let matrices = [lead.iter().product(), head.iter().product(), rest.iter().product()];
    let picked = gather_rows(&reshape_to(&moved, &matrices)?, &rows)?;
    reshape_to(&picked, &s.shape)
}
