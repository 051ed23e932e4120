//! What the function transforms of `rgrad.transforms` are made of.

use pyo3::prelude::*;
use rgrad_engine::{forward, ops};

use crate::args::Tensor;
use crate::error::{run, to_py};
use crate::tensor::{Out, PyTensor};

/// `x` as another variable: a tensor of its own for gradients, which flow on to `x` where it requires them itself.
#[pyfunction]
pub fn _alias(py: Python<'_>, x: Tensor) -> Out {
    run(py, 0, || ops::alias(&x.0)).map(Into::into)
}

/// `x` as a leaf that requires gradients, which do not flow on to `x`.
#[pyfunction]
pub fn _leaf(x: Tensor) -> Out {
    x.0.leaf().map(Into::into).map_err(to_py)
}

/// `x` without its place in the tape, but with its tangents.
#[pyfunction]
pub fn _untaped(x: Tensor) -> PyTensor {
    x.0.untaped().into()
}

/// Whether forward mode has given `x` a tangent.
#[pyfunction]
pub fn _has_tangent(x: Tensor) -> bool {
    x.0.has_tangent()
}

/// A level of forward mode later than all before.
#[pyfunction]
pub fn _new_level() -> u64 {
    forward::new_level()
}

/// `x` with a tangent of this level.
#[pyfunction]
pub fn _with_tangent(x: Tensor, tangent: Tensor, level: u64) -> Out {
    forward::with_tangent(&x.0, tangent.0, level).map(Into::into).map_err(to_py)
}

/// `y` without its tangent of this level, and that tangent; None stands for zero.
#[pyfunction]
pub fn _split(y: Tensor, level: u64) -> (PyTensor, Option<PyTensor>) {
    let (value, tangent) = forward::split(&y.0, level);
    (value.into(), tangent.map(Into::into))
}
