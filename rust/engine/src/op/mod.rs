//! How operations run: [`apply`], which every one of them passes, and what it hands them on to.

mod anomaly;
mod primitive;

use std::cell::Cell;
use std::sync::Arc;

use crate::error::Result;
use crate::forward;
use crate::tensor::{Node, Tensor, watch};

pub(crate) use crate::tensor::Action;
pub use crate::tensor::{Foreign, Grads, Kind, Op, Reduction, Saved, Saves, Want};
pub use anomaly::{Place, is_anomaly_enabled, set_anomaly};
pub(crate) use anomaly::{check_gradients, unchecked};
pub(crate) use primitive::{Check, Plain, check, drawn, plain, plain_as, write_as};

thread_local! {
    static GRAD_ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations are taped on this thread.
#[inline]
#[must_use]
pub fn is_grad_enabled() -> bool {
    GRAD_ENABLED.get()
}

/// Switches taping on this thread, and returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_grad_enabled(on: bool) -> bool {
    GRAD_ENABLED.replace(on)
}

/// Switches taping for the length of `f`, which may fail or unwind.
pub(crate) fn with_grad_enabled<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_grad_enabled(self.0);
        }
    }
    let _restore = Restore(set_grad_enabled(on));
    f()
}

/// Runs an operation, tapes it if gradients may be asked for, and pushes the inputs' tangents through it.
#[inline]
pub fn apply<O: Op>(op: O, x: &[&Tensor]) -> Result<Tensor> {
    if watch::is_recording() {
        return recorded(Arc::new(op), x);
    }
    let y = op.forward(x)?;
    taped(op, x, y)
}

/// The same, written down for a compiled step.
#[cold]
fn recorded(op: Arc<dyn Op>, x: &[&Tensor]) -> Result<Tensor> {
    let y = watch::made(Arc::new(op.clone()), x, false, || op.forward(x))?;
    taped(op, x, y)
}

#[inline]
fn taped<O: Op>(op: O, x: &[&Tensor], y: Tensor) -> Result<Tensor> {
    let tangents = x.iter().any(|t| t.has_tangent());
    let taped = is_grad_enabled() && x.iter().any(|t| t.requires_grad());
    if (tangents || taped || is_anomaly_enabled()) && y.dtype().is_float() {
        return follow(op, x, y, taped, tangents);
    }
    Ok(y)
}

impl Op for Arc<dyn Op> {
    fn foreign(&self) -> Option<Foreign> {
        (**self).foreign()
    }
    fn kind(&self) -> Kind {
        (**self).kind()
    }
    fn name(&self) -> &str {
        (**self).name()
    }
    fn saves(&self) -> Saves {
        (**self).saves()
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        (**self).forward(x)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        (**self).backward(saved, g, want)
    }
    fn add_backward(&self, g: &Tensor, total: &Tensor) -> Result<bool> {
        (**self).add_backward(g, total)
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        (**self).jvp(x, y, t)
    }
}

fn follow<O: Op>(op: O, x: &[&Tensor], y: Tensor, taped: bool, tangents: bool) -> Result<Tensor> {
    anomaly::check_result(op.name(), x, &y)?;
    if !taped {
        return if tangents { forward::push(&op, x, y) } else { Ok(y) };
    }
    let saved = Saved::new(op.saves(), x, &y, tangents);
    let node = Node::record(op, x, &y, saved, anomaly::place());
    let y = y.with_node(node.clone());
    if tangents { forward::push(node.op(), x, y) } else { Ok(y) }
}
