//! The tangents of a tensor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::Tensor;

/// One evaluation of a derivative by forward mode. Its tangents are valid until it ends; those saved meanwhile, by the tape or by
/// the user, are constants afterwards.
#[derive(Debug)]
pub struct Level {
    pub(crate) number: u64,
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
    pub level: Arc<Level>,
    pub tangent: Tensor,
    pub earlier: Option<Arc<Tangents>>,
}

/// Those of the tangents that count: an inner evaluation ends before an outer one.
pub(super) fn current(mut tangents: Option<&Arc<Tangents>>) -> Option<&Arc<Tangents>> {
    while let Some(t) = tangents
        && t.level.ended.load(Relaxed)
    {
        tangents = t.earlier.as_ref();
    }
    tangents
}
