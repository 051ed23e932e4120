//! Every operation: shape rule, value and derivative rules in one place.
//!
//! The functions of this module are the same that Python users call, and the derivative rules are written with them. One that
//! is marked [`op`](rgrad_macros::op) becomes a function of Python, with the names of its arguments and its documentation, and
//! an entry in `_core.OPS` and the stub: `rust/python/build` writes it.
//!
//! To add one, write it in the file of its kind, and a case in the table of that kind in `tests`; a test fails while the case
//! is missing.

#![allow(
    clippy::doc_markdown,
    clippy::doc_lazy_continuation,
    reason = "the documentation of operations is Python's, too"
)]

mod activation;
mod arrange;
mod assign;
mod create;
mod curve;
mod diagonal;
mod einsum;
mod elementwise;
mod extremes;
mod index;
mod join;
mod linalg;
mod loss;
mod matmul;
mod norm;
mod normalize;
mod pad;
mod pieces;
mod random;
mod reduce;
mod scan;
mod softmax;
mod sort;
mod standardize;
mod statistics;
mod views;

pub use activation::*;
pub use arrange::*;
pub use create::*;
pub use diagonal::*;
pub use einsum::*;
pub use elementwise::*;
pub use extremes::*;
pub use index::*;
pub use join::*;
pub use linalg::*;
pub use loss::*;
pub use matmul::*;
pub use norm::*;
pub use normalize::*;
pub use pad::*;
pub use pieces::*;
pub use reduce::*;
pub use scan::*;
pub use softmax::*;
pub use sort::*;
pub use statistics::*;
pub use views::*;

use crate::dtype::{DType, match_any};
use crate::error::Result;
use crate::op::{self, Kind};
use crate::op::{Grads, Op, Out, Saved, Want, apply};
use crate::shape::Dims;
use crate::shape::Layout;
use crate::tensor::Tensor;
use rgrad_kernels::{View, copy as kernels};

/// What an operation finds, and the indices at which it stood.
pub type ValuesIndices = (Tensor, Tensor);

/// `x` with its elements in a new row-major block; no history.
pub(crate) fn copy(x: &Tensor) -> Result<Tensor> {
    op::plain_as(Kind::Copy, "copy", &[&x.without_history()], |x, out| x[0].pack_into(out))
}

/// The same with the strides that `x` has, whatever lies between its elements.
pub(crate) fn copy_as_it_lies(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() {
        return copy(x);
    }
    let layout = Layout { offset: 0, ..x.layout().clone() };
    match_any!(x.dtype(), T => {
        let (n, from) = (layout.end(), x.read::<T>());
        let block = Tensor::build::<T>("copy", &[n], x.dtype(), |out| {
            out.copy_from_slice(&from.tail()[..n]);
            Ok(())
        })?;
        Ok(block.with_layout(layout))
    })
}

/// Zeros of the shape `to`, with the elements of `x` where `part` of them is.
fn embed(op: &str, x: &Tensor, to: &[usize], part: &Layout, out: &mut Out<'_>) -> Result<()> {
    match_any!(x.dtype(), T => {
        let from = x.read::<T>();
        out.build::<T>(op, to, x.dtype(), |out| {
            out.fill(T::default());
            if x.numel() > 0 {
                kernels::copy_into(&mut out[part.offset..], &part.strides, &part.shape, from.view());
            }
            Ok(())
        })
    })
}

/// The sum of those parts of a tangent that are not zero.
fn total<const N: usize>(parts: [Option<Tensor>; N]) -> Result<Tensor> {
    let mut parts = parts.into_iter().flatten();
    let first = parts.next().expect("one of the inputs has a tangent");
    parts.try_fold(first, |sum, part| add(&sum, &part))
}

/// The tangent of an operation's only input.
fn only<'a>(t: &[Option<&'a Tensor>]) -> &'a Tensor {
    t[0].expect("the only input has the tangent")
}

#[derive(Clone, Copy)]
struct Contiguous;

impl Op for Contiguous {
    fn name(&self) -> &'static str {
        "contiguous"
    }
    fn kind(&self) -> Kind {
        Kind::Copy
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        x[0].pack_into(out)
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(g.clone())].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        Ok(only(t).clone())
    }
}

/// `x` itself if its elements lie in row-major order, else a copy of which they do.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() { Ok(x.clone()) } else { apply(Contiguous, &[x]) }
}

/// A copy with its own memory, through which gradients flow.
pub fn clone(x: &Tensor) -> Result<Tensor> {
    apply(Contiguous, &[x])
}

#[derive(Clone, Copy)]
struct Cast {
    from: DType,
    to: DType,
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "to"
    }
    fn kind(&self) -> Kind {
        Kind::Cast
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        match_any!(self.from, S => x.with_packed(|from: &[S]| {
            if self.to == DType::Bool {
                return out.build::<u8>("to", x.shape(), self.to, |out| {
                    kernels::cast_to_bool(out, from);
                    Ok(())
                });
            }
            match_any!(self.to, D => out.build::<D>("to", x.shape(), self.to, |out| {
                kernels::cast(out, from);
                Ok(())
            }))
        }))
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(cast(g, self.from)?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        cast(only(t), self.to)
    }
}

/// `x` as another dtype; `x` itself if it has that dtype. Floats become integers by truncation, saturating at the ends of
/// the range, NaN becoming 0; anything but 0 is true.
pub fn cast(x: &Tensor, to: DType) -> Result<Tensor> {
    if x.dtype() == to { Ok(x.clone()) } else { apply(Cast { from: x.dtype(), to }, &[x]) }
}

/// The strides of an operand that is broadcast to `shape`: its own, or new ones that `room` keeps.
fn strides_over<'a>(x: &'a Tensor, shape: &[usize], room: &'a mut Dims) -> &'a [usize] {
    if x.shape() == shape {
        return &x.layout().strides;
    }
    *room = x.layout().expand(shape).strides;
    room
}

/// Reads an operand, with the strides that [`strides_over`] gave.
fn view_of<'a, T: rgrad_kernels::simd::Element>(
    reader: &'a crate::tensor::Reader<'_, T>,
    strides: &'a [usize],
) -> View<'a, T> {
    View::new(reader.tail(), strides)
}
