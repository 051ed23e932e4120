//! Finding the operation that produced the first NaN.

use std::cell::Cell;

use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::tensor::{Node, Saved, Tensor};

/// Finds the line of the user's program that is running.
pub type CallSite = fn() -> String;

thread_local! {
    static CALL_SITE: Cell<Option<CallSite>> = const { Cell::new(None) };
    /// Whether a reverse rule runs, whose gradients are checked as a whole.
    static UNCHECKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether results and gradients are checked for NaN on this thread.
#[inline]
#[must_use]
pub fn is_anomaly_enabled() -> bool {
    CALL_SITE.get().is_some()
}

/// Switches the checks on this thread: on, if given a way to find the line of the user's program. Returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_anomaly(place: Option<CallSite>) -> Option<CallSite> {
    CALL_SITE.replace(place)
}

/// The line of the user's program, to be kept in a node while the checks are on.
pub(super) fn place() -> Option<Box<str>> {
    CALL_SITE.get().map(|find| find().into())
}

/// Runs a reverse rule without checking its operations: the one whose rule it is gets reported.
pub(crate) fn unchecked<R>(rule: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNCHECKED.set(self.0);
        }
    }
    // Also if the rule unwinds, or the checks would stay off on this thread.
    let _restore = Restore(UNCHECKED.replace(true));
    rule()
}

fn has_nan(t: &Tensor) -> Result<bool> {
    if !t.dtype().is_float() {
        return Ok(false);
    }
    let t = if t.is_contiguous() { t.without_history() } else { t.packed()? };
    Ok(match_float!(t.dtype(), "anomaly", T => t.read::<T>().slice().iter().any(|v| v.is_nan())))
}

/// Refuses a result with a NaN that no input has, while the checks are on.
pub(super) fn check_result(name: &str, x: &[&Tensor], y: &Tensor) -> Result<()> {
    let Some(find) = CALL_SITE.get() else { return Ok(()) };
    if UNCHECKED.get() || !has_nan(y)? {
        return Ok(());
    }
    for t in x {
        if has_nan(t)? {
            return Ok(());
        }
    }
    fail!(Runtime, "anomaly: `{name}` made the first NaN, from inputs without one, at {}", find())
}

/// Refuses a cotangent with a NaN that nothing it was computed from has, while the checks are on.
pub(crate) fn check_gradients(node: &Node, saved: &Saved, g: &Tensor, grads: &[Option<Tensor>]) -> Result<()> {
    if !is_anomaly_enabled() {
        return Ok(());
    }
    for t in saved.tensors().chain([g]) {
        if has_nan(t)? {
            return Ok(());
        }
    }
    let name = node.name();
    for (i, grad) in grads.iter().enumerate() {
        if let Some(grad) = grad
            && has_nan(grad)?
        {
            let place = node.place.as_deref().unwrap_or("a line run outside detect_anomaly");
            fail!(
                Runtime,
                "anomaly: the derivative of `{name}` made the first NaN, in the gradient of its input {i}; \
                 it was computed at {place}"
            );
        }
    }
    Ok(())
}
