//! Calls into the engine: [`run`] releases the GIL around long ones, and the engine's errors become Python exceptions.

use std::cell::Cell;

use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError, PyZeroDivisionError};
use pyo3::prelude::*;
use rgrad_engine::{Error, ErrorKind};
use rgrad_kernels::buffer::room_for;

/// The exception that an engine error becomes.
pub(crate) fn to_py(e: Error) -> PyErr {
    match e.kind {
        ErrorKind::Value => PyValueError::new_err(e.message),
        ErrorKind::Type => PyTypeError::new_err(e.message),
        ErrorKind::Index => PyIndexError::new_err(e.message),
        ErrorKind::Runtime => PyRuntimeError::new_err(e.message),
        ErrorKind::ZeroDivision => PyZeroDivisionError::new_err(e.message),
        ErrorKind::Memory => PyMemoryError::new_err(e.message),
        ErrorKind::Foreign => RAISED.take().unwrap_or_else(|| PyRuntimeError::new_err(e.message)),
    }
}

/// An empty vector with room for `n` items, or `MemoryError`.
pub(crate) fn room<T>(n: usize) -> PyResult<Vec<T>> {
    room_for(n).map_err(|e| to_py(e.into()))
}

thread_local! {
    /// The exception of a Python function called by the engine, on its way back to Python.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// An exception of a Python function as an engine error; [`to_py`] restores the exception itself.
pub(crate) fn raised(e: PyErr) -> Error {
    let message = e.to_string();
    RAISED.set(Some(e));
    Error { kind: ErrorKind::Foreign, message }
}

/// From this many elements on, an operation may take long enough to let other Python threads run. Below, releasing and
/// reacquiring the GIL costs more than it gains.
const DETACH_FROM: usize = 16 << 10;

/// Runs `f`, which works on about `elements` elements and does not touch Python.
pub(crate) fn run<R: Send>(
    py: Python<'_>,
    elements: usize,
    f: impl FnOnce() -> rgrad_engine::Result<R> + Send,
) -> PyResult<R> {
    if elements < DETACH_FROM { f() } else { py.detach(f) }.map_err(to_py)
}
