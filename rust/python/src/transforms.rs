//! Primitives of the function transforms in `rgrad.transforms`.

use std::sync::Arc;

use pyo3::types::PyTuple;
use rgrad_engine::forward::{self, Level};
use rgrad_engine::ops;

use crate::args::Tensor;
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::tensor::{Out, PyTensor};

/// `x` as a new variable, with gradients of its own, which flow on to `x` if it requires gradients.
#[pyfunction]
pub fn _alias(py: Python<'_>, x: Tensor) -> Out {
    run(py, 0, || ops::alias(&x.0)).map(Into::into)
}

/// `x` as a leaf that requires gradients, which do not flow on to `x`.
#[pyfunction]
pub fn _leaf(x: Tensor) -> Out {
    x.0.leaf().map(Into::into).map_err(to_py)
}

/// `x` detached from the tape, but with its tangents.
#[pyfunction]
pub fn _untaped(x: Tensor) -> PyTensor {
    x.0.untaped().into()
}

/// How often the storage of `x` has been written to.
#[pyfunction]
pub fn _version(x: Tensor) -> u32 {
    x.0.version()
}

/// Whether forward mode has given `x` a tangent.
#[pyfunction]
pub fn _has_tangent(x: Tensor) -> bool {
    x.0.has_tangent()
}

/// One evaluation of a derivative by forward mode, in a `with` block: a level later than all before.
#[pyclass(name = "_Level", module = "rgrad._core", frozen)]
pub struct PyLevel(Arc<Level>);

#[pymethods]
impl PyLevel {
    #[new]
    fn new() -> Self {
        Self(Level::begin())
    }
    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }
    #[pyo3(signature = (*_error: "object"))]
    fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
        self.0.end();
    }
}

/// `x` with a tangent of this level.
#[pyfunction]
pub fn _with_tangent(x: Tensor, tangent: Tensor, level: &Bound<'_, PyLevel>) -> Out {
    forward::with_tangent(&x.0, tangent.0, &level.get().0).map(Into::into).map_err(to_py)
}

/// `y` without its tangent of this level, and that tangent; None means zero.
#[pyfunction]
pub fn _split(y: Tensor, level: &Bound<'_, PyLevel>) -> (PyTensor, Option<PyTensor>) {
    let (value, tangent) = forward::split(&y.0, &level.get().0);
    (value.into(), tangent.map(Into::into))
}
