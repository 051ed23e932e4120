//! Forward mode: tangents propagated along with values.
//!
//! A tensor may carry tangents. An operation on such a tensor computes its value as ever, and then the tangent of its result
//! by its forward rule: one pass, no tape. Every evaluation of a derivative has its own *level*, which keeps the tangents of
//! nested evaluations apart. A tangent is a tensor like any other: it may be taped, which gives reverse over forward mode, and carry
//! tangents of earlier levels, which gives derivatives of any order; and reverse rules, which consist of the same operations,
//! propagate the tangents of saved tensors, which gives forward over reverse mode.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::{Result, fail};
use crate::shape::Show;
pub use crate::tensor::Level;
use crate::tensor::{Op, Tangents, Tensor};

/// `x` with a tangent of this level, which is later than those that it has. `ValueError` or `TypeError` unless the tangent has
/// the shape and dtype of `x`.
pub fn with_tangent(x: &Tensor, tangent: Tensor, level: &Arc<Level>) -> Result<Tensor> {
    if tangent.shape() != x.shape() {
        let (got, want) = (Show(tangent.shape()), Show(x.shape()));
        fail!(Value, "jvp: a tensor of shape {want} cannot have a tangent of shape {got}");
    }
    if tangent.dtype() != x.dtype() || !x.dtype().is_float() {
        fail!(Type, "jvp: a tensor of {} cannot have a tangent of {}", x.dtype(), tangent.dtype());
    }
    let tangents = Tangents { level: level.clone(), tangent, earlier: x.tangents().cloned() };
    Ok(x.clone().with_tangents(Some(Arc::new(tangents))))
}

/// `y` without its tangent of this level, and that tangent; `None` means zero.
#[must_use]
pub fn split(y: &Tensor, level: &Level) -> (Tensor, Option<Tensor>) {
    match y.tangents() {
        Some(t) if t.level.number == level.number => {
            (y.clone().with_tangents(t.earlier.clone()), Some(t.tangent.clone()))
        }
        tangents => (y.clone().with_tangents(tangents.cloned()), None),
    }
}

/// The result `y` of an operation on `x` with the tangents that its forward rule gives.
pub(crate) fn push(op: &dyn Op, x: &[&Tensor], y: Tensor) -> Result<Tensor> {
    let levels = x.iter().filter_map(|t| t.tangents().map(|d| &d.level));
    let Some(level) = levels.max_by_key(|l| l.number) else { return Ok(y) };
    let (values, tangents): (SmallVec<[Tensor; 3]>, SmallVec<[Option<Tensor>; 3]>) =
        x.iter().map(|t| split(t, level)).unzip();
    let values: SmallVec<[&Tensor; 3]> = values.iter().collect();
    let tangents: SmallVec<[Option<&Tensor>; 3]> = tangents.iter().map(Option::as_ref).collect();
    let y = push(op, &values, y)?;
    let tangent = op.jvp(&values, &y, &tangents)?;
    debug_assert_eq!((tangent.shape(), tangent.dtype()), (y.shape(), y.dtype()), "tangent of {}", op.name());
    with_tangent(&y, tangent, level)
}
