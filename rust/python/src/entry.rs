//! The one way in from Python: every function, method and conversion that the interpreter calls passes [`boundary`].

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

/// Runs what Python has called. A panic becomes a `RuntimeError`, or a `MemoryError`: as PyO3's `PanicException` it would pass
/// through `except Exception`.
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

/// Runs what another library's code calls, which knows no errors.
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

/// Entries until one panics, for tests of what a panic leaves behind; 0 if none is to.
static LEFT: AtomicUsize = AtomicUsize::new(0);

#[cold]
fn count_down() {
    assert!(LEFT.fetch_sub(1, Relaxed) != 1, "as a test has asked for");
}

/// Lets the entry of this number from now on panic, or none if it is 0; returns how many were left of the last such count.
// Not behind the boundary, where it would count itself.
#[pyo3::pyfunction]
pub fn _panic_at(entry: usize) -> usize {
    LEFT.swap(entry, Relaxed)
}
