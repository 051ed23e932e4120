//! Diagonals and triangles of matrices.

use rgrad_macros::op;

use super::elementwise::{ge, le, number, where_};
use super::reduce::sum;
use super::{embed, only};
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Want, apply};
use crate::ops::arange;
use crate::shape::{Dims, Layout, Show, checked_numel, normalize_dim};
use crate::tensor::{Number, Tensor};

/// Where a diagonal lies: `dim1` and `dim2` differ.
#[derive(Clone, Copy)]
struct Place {
    offset: isize,
    dim1: usize,
    dim2: usize,
}

impl Place {
    /// The elements of the diagonal.
    fn of(self, layout: &Layout) -> Layout {
        let (rows, cols) = (layout.shape[self.dim1], layout.shape[self.dim2]);
        let down = if self.offset < 0 { self.offset.unsigned_abs() } else { 0 };
        let right = self.offset.max(0).unsigned_abs();
        let n = rows.saturating_sub(down).min(cols.saturating_sub(right));
        let (s1, s2) = (layout.strides[self.dim1], layout.strides[self.dim2]);
        let rest = (0..layout.shape.len()).filter(|&d| d != self.dim1 && d != self.dim2);
        let (mut shape, mut strides): (Dims, Dims) = rest.map(|d| (layout.shape[d], layout.strides[d])).unzip();
        shape.push(n);
        strides.push(s1 + s2);
        // An empty diagonal may begin outside the matrix; it must not move the offset out of the storage.
        let first = if n == 0 { 0 } else { down * s1 + right * s2 };
        Layout { shape, strides, offset: layout.offset + first }
    }
}

/// The diagonal, as a view.
#[derive(Clone)]
struct Diagonal {
    place: Place,
    from: Dims,
}

/// The adjoint of [`Diagonal`]: zeros of a shape, with the input on the diagonal.
#[derive(Clone)]
struct Embed {
    place: Place,
    to: Dims,
}

impl Op for Diagonal {
    fn name(&self) -> &'static str {
        "diagonal"
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        out.give(x[0].with_layout(self.place.of(x[0].layout())));
        Ok(())
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(apply(Embed { place: self.place, to: self.from.clone() }, &[g])?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[only(t)])
    }
}

impl Op for Embed {
    fn name(&self) -> &'static str {
        "diag_embed"
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        embed("diag_embed", x[0], &self.to, &self.place.of(&Layout::contiguous(&self.to)), out)
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(apply(Diagonal { place: self.place, from: self.to.clone() }, &[g])?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[only(t)])
    }
}

fn place(op: &str, rank: usize, offset: isize, dim1: isize, dim2: isize) -> Result<Place> {
    if rank < 2 {
        fail!(Value, "{op}: expected at least two dimensions, got {rank}");
    }
    let place = Place { offset, dim1: normalize_dim(op, dim1, rank)?, dim2: normalize_dim(op, dim2, rank)? };
    if place.dim1 == place.dim2 {
        fail!(Value, "{op}: dim1 and dim2 must differ, got {dim1} and {dim2}");
    }
    Ok(place)
}

/// The elements of `x` where the index along `dim2` is that along `dim1` plus `offset`, as a view: the two dimensions go,
/// and the diagonal is the last one.
#[op(method, offset = 0, dim1 = 0, dim2 = 1)]
pub fn diagonal(x: &Tensor, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
    let place = place("diagonal", x.ndim(), offset, dim1, dim2)?;
    apply(Diagonal { place, from: x.shape().into() }, &[x])
}

/// Zeros with the last dimension of `x` on the diagonal `offset` of two new dimensions, which stand at `dim1` and `dim2`.
#[op(method, offset = 0, dim1 = -2, dim2 = -1)]
pub fn diag_embed(x: &Tensor, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
    let Some((&n, rest)) = x.shape().split_last() else {
        fail!(Value, "diag_embed: expected at least one dimension, got a tensor of shape ()");
    };
    let place = place("diag_embed", x.ndim() + 1, offset, dim1, dim2)?;
    let mut to: Dims = rest.into();
    for d in [place.dim1.min(place.dim2), place.dim1.max(place.dim2)] {
        to.insert(d, n.saturating_add(offset.unsigned_abs()));
    }
    checked_numel("diag_embed", &to)?;
    apply(Embed { place, to }, &[x])
}

/// A vector (n,) on a diagonal of zeros (n + |diagonal|, n + |diagonal|), or a diagonal of a matrix as a view.
#[op(method, diagonal = 0)]
pub fn diag(x: &Tensor, diagonal: isize) -> Result<Tensor> {
    match x.ndim() {
        1 => diag_embed(x, diagonal, 0, 1),
        2 => self::diagonal(x, diagonal, 0, 1),
        _ => fail!(Value, "diag: expected a vector or a matrix, got {}; write diagonal or diag_embed", Show(x.shape())),
    }
}

/// Sum of the main diagonal of a matrix; int64 for integers.
#[op(method)]
pub fn trace(x: &Tensor) -> Result<Tensor> {
    if x.ndim() != 2 {
        fail!(Value, "trace: expected a matrix, got {}; write x.diagonal(dim1=-2, dim2=-1).sum(-1)", Show(x.shape()));
    }
    sum(&diagonal(x, 0, 0, 1)?, None, false)
}

/// `x` where `keep` holds of the column and the row plus `offset`, else 0.
fn triangle(op: &str, x: &Tensor, offset: isize, keep: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let &[.., rows, cols] = x.shape() else {
        fail!(Value, "{op}: expected a matrix or a stack of them, got {}", Show(x.shape()));
    };
    let numbers = |from: isize, n: usize| {
        arange(Number::Int(from as i64), Number::Int((from + n as isize) as i64), Number::Int(1), None)
    };
    let row = super::views::reshape_to(&numbers(offset.clamp(-(rows as isize), cols as isize), rows)?, &[rows, 1])?;
    let zero = number(x, 0.0)?;
    where_(&keep(&numbers(0, cols)?, &row)?, x, &zero)
}

/// The lower triangle of the last two dimensions, up to the diagonal `diagonal`, and zeros above it.
#[op(method, diagonal = 0)]
pub fn tril(x: &Tensor, diagonal: isize) -> Result<Tensor> {
    triangle("tril", x, diagonal, le)
}

/// The upper triangle of the last two dimensions, from the diagonal `diagonal` on, and zeros below it.
#[op(method, diagonal = 0)]
pub fn triu(x: &Tensor, diagonal: isize) -> Result<Tensor> {
    triangle("triu", x, diagonal, ge)
}
