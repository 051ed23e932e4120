//! Forward mode: tangents pushed along the values.
//!
//! A tensor may carry tangents. An operation on such a tensor computes its value as ever, and then the tangent of its result
//! by its forward rule: one pass, no tape. Every evaluation of a derivative has its own *level*, so that an evaluation inside
//! another keeps its tangents apart from the outer one's. A tangent is a tensor like any other: it may be taped, which gives
//! reverse over forward mode, and carry tangents of earlier levels, which gives derivatives of any order; and reverse rules,
//! being made of the same operations, push the tangents of what they saved, which gives forward over reverse mode.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use smallvec::SmallVec;

use crate::error::{Result, fail};
use crate::ops;
use crate::shape::Show;
use crate::tape::Op;
use crate::tensor::Tensor;

/// One evaluation of a derivative by forward mode. Its tangents count until it ends; what was saved of them meanwhile, by the
/// tape or by the user, counts as constant afterwards.
#[derive(Debug)]
pub struct Level {
    number: u64,
    ended: AtomicBool,
}

impl Level {
    /// A level later than all before.
    #[must_use]
    pub fn begin() -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { number: NUMBERS.fetch_add(1, Relaxed), ended: AtomicBool::new(false) })
    }

    /// Ends the evaluation.
    pub fn end(&self) {
        self.ended.store(true, Relaxed);
    }
}

/// The tangents of a tensor, latest level first.
#[derive(Debug)]
pub(crate) struct Tangents {
    level: Arc<Level>,
    tangent: Tensor,
    earlier: Option<Arc<Tangents>>,
}

/// Those of the tangents that count: an inner evaluation ends before an outer one.
pub(crate) fn current(mut tangents: Option<&Arc<Tangents>>) -> Option<&Arc<Tangents>> {
    while let Some(t) = tangents
        && t.level.ended.load(Relaxed)
    {
        tangents = t.earlier.as_ref();
    }
    tangents
}

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

/// `y` without its tangent of this level, and that tangent; `None` stands for zero.
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

/// The sum of those parts of a tangent that are not zero.
pub(crate) fn total<const N: usize>(parts: [Option<Tensor>; N]) -> Result<Tensor> {
    let mut parts = parts.into_iter().flatten();
    let first = parts.next().expect("one of the inputs has a tangent");
    parts.try_fold(first, |sum, part| ops::add(&sum, &part))
}
