//! Calls from Python: every function, method and conversion that the interpreter calls passes [`boundary`], which catches panics.
//! From there, [`run`](crate::error::run) leads into the engine.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rgrad_kernels::buffer::AllocError;

use crate::error::to_py;

/// What a file of the bindings imports instead of PyO3's own prelude: its attributes lead through the boundary.
pub(crate) mod prelude {
    pub(crate) use pyo3::prelude::*;
    pub(crate) use rgrad_macros::{conversion, pyfunction, pymethods};
}

/// Runs a call from Python. A panic becomes a `RuntimeError` or a `MemoryError`: PyO3's `PanicException` would pass through
/// `except Exception`.
#[inline]
pub(crate) fn boundary<R>(f: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    let checked = || {
        if LEFT.load(Relaxed) != 0 {
            count_down();
        }
        f()
    };
    catch_unwind(AssertUnwindSafe(checked)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Runs a callback of another library, which cannot report errors.
pub(crate) fn contained(f: impl FnOnce()) {
    // The panic's own message has been printed.
    let _ = catch_unwind(AssertUnwindSafe(f));
}

/// The exception that a panic becomes, by its payload.
#[cold]
fn panicked(panic: &(dyn Any + Send)) -> PyErr {
    if let Some(&no_memory) = panic.downcast_ref::<AllocError>() {
        return to_py(no_memory.into());
    }
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    PyRuntimeError::new_err(format!("internal error, please report it: {text}"))
}

/// Entries until one panics, for tests of the state after a panic; 0 for none.
static LEFT: AtomicUsize = AtomicUsize::new(0);

#[cold]
fn count_down() {
    assert!(LEFT.fetch_sub(1, Relaxed) != 1, "as a test has asked for");
}

/// Makes the `n`th entry from now on panic, or none if it is 0; returns what was left of the previous count.
// Not behind the boundary, where it would count itself.
#[pyo3::pyfunction]
pub fn _panic_at(entry: usize) -> usize {
    LEFT.swap(entry, Relaxed)
}
