//! Running operations: [`apply`], which every differentiable operation goes through, and the interpreters that it calls.
//!
//! A recorder of compiled steps is called around the value's computation, and then, if they are concerned, the check for NaN, the
//! tape, and forward mode, which pushes tangents through what has been taped. Operations without derivatives (copies, checks,
//! writes, draws) are functions that `primitive` runs; only the recorder hears of them.

mod anomaly;
mod primitive;

use std::cell::Cell;
use std::sync::Arc;

use crate::error::Result;
use crate::forward;
use crate::tensor::{Node, Tensor, watch};

pub use crate::tensor::{Foreign, Grads, Kind, Op, Out, Saved, Saves, Want};
pub use anomaly::{CallSite, is_anomaly_enabled, set_anomaly};
pub(crate) use anomaly::{check_gradients, unchecked};
pub(crate) use primitive::{Plain, check, drawn, plain, plain_as, several, write_as};

thread_local! {
    static GRAD_ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations are taped on this thread.
#[inline]
#[must_use]
pub fn is_grad_enabled() -> bool {
    GRAD_ENABLED.get()
}

/// Turns taping on this thread on or off, and returns the previous mode.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_grad_enabled(on: bool) -> bool {
    GRAD_ENABLED.replace(on)
}

/// Turns taping on or off during `f`, which may fail or unwind.
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

/// Whether a reverse rule may use kernels that make values without history: nobody will differentiate what it computes.
pub(crate) fn is_plain(saved: &Saved, g: &Tensor) -> bool {
    !is_grad_enabled() && !saved.tensors().chain([g]).any(Tensor::has_tangent)
}

/// Runs an operation, tapes it if gradients may be asked for, and pushes the inputs' tangents through it.
#[inline]
pub fn apply<O: Op + Clone>(op: O, x: &[&Tensor]) -> Result<Tensor> {
    let mut out = Out::new();
    if watch::is_recording() {
        recorded(&(Arc::new(op.clone()) as Arc<dyn Op>), x, &mut out)?;
    } else {
        op.forward(x, &mut out)?;
    }
    let (y, extra) = out.result();
    let tangents = x.iter().any(|t| t.has_tangent());
    let taped = is_grad_enabled() && x.iter().any(|t| t.requires_grad());
    if (tangents || taped || is_anomaly_enabled()) && y.dtype().is_float() {
        return follow(op, x, y, extra, taped, tangents);
    }
    Ok(y)
}

/// Runs it for a compiled step, which writes it down.
#[cold]
fn recorded(op: &Arc<dyn Op>, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
    watch::ran(op.clone(), x, out, false, |out| op.forward(x, out))
}

fn follow<O: Op>(
    op: O,
    x: &[&Tensor],
    y: Tensor,
    extra: Option<Tensor>,
    taped: bool,
    tangents: bool,
) -> Result<Tensor> {
    anomaly::check_result(op.name(), x, &y)?;
    if !taped {
        return if tangents { forward::push(&op, x, y) } else { Ok(y) };
    }
    let saved = Saved::new(op.saves(), x, &y, extra, tangents);
    let node = Node::record(op, x, &y, saved, anomaly::place());
    let y = y.with_node(node.clone());
    if tangents { forward::push(node.op(), x, y) } else { Ok(y) }
}
