//! Switches of the tape, and gradients of chosen tensors.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rgrad_engine::tape;

use crate::args::Tensors;
use crate::error::run;
use crate::tensor::PyTensor;

/// Whether operations are taped on this thread.
#[pyfunction]
pub fn is_grad_enabled() -> bool {
    tape::is_grad_enabled()
}

/// Switches taping on this thread, and returns what it was.
#[pyfunction]
pub fn _set_grad_enabled(on: bool) -> bool {
    tape::set_grad_enabled(on)
}

/// Gradients of outputs with respect to inputs; see `rgrad.autograd.grad`.
#[pyfunction]
pub fn _gradients(
    py: Python<'_>,
    outputs: Tensors,
    inputs: Tensors,
    grads: Vec<Option<Py<PyTensor>>>,
    retain_graph: bool,
    create_graph: bool,
) -> PyResult<Vec<Option<PyTensor>>> {
    if grads.len() != outputs.0.len() {
        let (n, m) = (grads.len(), outputs.0.len());
        return Err(PyValueError::new_err(format!("grad: {n} gradients given for {m} outputs")));
    }
    let grads: Vec<_> = grads.iter().map(|g| g.as_ref().map(|g| g.get().inner.clone())).collect();
    let options = tape::Options { retain_graph, create_graph };
    let found = run(py, usize::MAX, || tape::gradients(&outputs.0, &inputs.0, &grads, options))?;
    Ok(found.into_iter().map(|g| g.map(Into::into)).collect())
}
