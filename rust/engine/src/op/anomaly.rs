//! Finding the operation that makes the first NaN.

use std::cell::Cell;

use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::tensor::{Node, Saved, Tensor};

/// Says where in the user's program it is called.
pub type Place = fn() -> String;

thread_local! {
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
    /// Whether a reverse rule runs, whose gradients are checked as a whole.
    static UNCHECKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether results and gradients are checked for NaN on this thread.
#[inline]
#[must_use]
pub fn is_anomaly_enabled() -> bool {
    PLACE.get().is_some()
}

/// Switches the checks on this thread: on, if told how to find the place in the user's program. Returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_anomaly(place: Option<Place>) -> Option<Place> {
    PLACE.replace(place)
}

/// Where the user's program is, for a node to remember while the checks are on.
pub(super) fn place() -> Option<Box<str>> {
    PLACE.get().map(|find| find().into())
}

/// Runs a reverse rule: not its operations are of interest, but the one whose rule it is.
pub(crate) fn unchecked<R>(rule: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNCHECKED.set(self.0);
        }
    }
    // Also where the rule unwinds: the checks would be off for the rest of the thread's life.
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
    let Some(find) = PLACE.get() else { return Ok(()) };
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
