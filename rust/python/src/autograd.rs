//! Gradient modes, and gradients of chosen tensors.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use rgrad_engine::{op, tape};

use crate::args::Tensors;
use crate::cycles;
use crate::entry::prelude::*;
use crate::error::{raised, run, to_py};
use crate::tensor::PyTensor;

/// Whether operations are taped on this thread.
#[pyfunction]
pub fn is_grad_enabled() -> bool {
    op::is_grad_enabled()
}

/// Turns taping on this thread on or off, and returns the previous mode.
#[pyfunction]
pub fn _set_grad_enabled(on: bool) -> bool {
    op::set_grad_enabled(on)
}

/// Gradients of outputs with respect to inputs; see `rgrad.autograd.grad`.
#[pyfunction]
#[pyo3(signature = (outputs, inputs, grads, retain_graph, create_graph, stop_at_inputs=false))]
pub fn _gradients(
    py: Python<'_>,
    outputs: Tensors,
    inputs: Tensors,
    grads: Vec<Option<Py<PyTensor>>>,
    retain_graph: bool,
    create_graph: bool,
    stop_at_inputs: bool,
) -> PyResult<Vec<Option<PyTensor>>> {
    if grads.len() != outputs.0.len() {
        let (n, m) = (grads.len(), outputs.0.len());
        return Err(PyValueError::new_err(format!("grad: {n} gradients given for {m} outputs")));
    }
    let grads: Vec<_> = grads.iter().map(|g| g.as_ref().map(|g| g.get().inner.clone())).collect();
    let options = tape::Options { retain_graph, create_graph, stop_at_inputs };
    let found = run(py, usize::MAX, || tape::gradients(&outputs.0, &inputs.0, &grads, options))?;
    Ok(found.into_iter().map(|g| g.map(Into::into)).collect())
}

/// `tensors`, with copies of those that share memory with one of `others` or an earlier one.
#[pyfunction]
pub fn _apart(py: Python<'_>, tensors: Tensors, others: Tensors) -> PyResult<Vec<PyTensor>> {
    let all = run(py, usize::MAX, || tape::all_apart(tensors.0, &others.0))?;
    Ok(all.into_iter().map(Into::into).collect())
}

/// A point in time, for `_captured`.
#[pyfunction]
pub fn _clock() -> u64 {
    tape::clock()
}

/// The tensors that the graph of `outputs` depends on, apart from the leaves `own` and what was computed after `since`.
#[pyfunction]
pub fn _captured(py: Python<'_>, outputs: Tensors, own: Tensors, since: u64) -> PyResult<Vec<PyTensor>> {
    let found = run(py, usize::MAX, || tape::captured(&outputs.0, &own.0, since))?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// Turns the checks for NaN on this thread on or off, and returns the previous mode; see `rgrad.autograd.detect_anomaly`.
#[pyfunction]
pub fn _set_anomaly(on: bool) -> bool {
    op::set_anomaly(on.then_some(place)).is_some()
}

/// The line of the user's program that is running: the innermost one outside this package and `copy`, which calls it.
pub(crate) fn place() -> String {
    let find = |py: Python<'_>| -> PyResult<String> {
        let mut frame = py.import("sys")?.call_method0("_getframe")?;
        let name = |frame: &Bound<'_, PyAny>| frame.getattr("f_globals")?.get_item("__name__")?.extract::<String>();
        while matches!(name(&frame)?.split('.').next(), Some("rgrad" | "copy")) {
            frame = frame.getattr("f_back")?;
        }
        let (code, line) = (frame.getattr("f_code")?, frame.getattr("f_lineno")?);
        let (file, function) = (code.getattr("co_filename")?, code.getattr("co_name")?);
        let text: String = py.import("linecache")?.call_method1("getline", (&file, &line))?.extract()?;
        Ok(format!("{file}:{line}, in {function}: {}", text.trim()))
    };
    Python::attach(|py| find(py).unwrap_or_else(|_| "an unknown line".into()))
}

/// A function that a backward pass calls.
pub(crate) struct Called(pub(crate) Py<PyAny>);

impl tape::Hook for Called {
    fn call(&self, g: rgrad_engine::Tensor) -> rgrad_engine::Result<Option<rgrad_engine::Tensor>> {
        Python::attach(|py| {
            if crate::compile::is_recording() {
                crate::compile::note_called(self.0.bind(py))?;
            }
            let result = self.0.bind(py).call1((PyTensor::from(g),))?;
            if result.is_none() {
                return Ok(None);
            }
            let Ok(new) = result.cast::<PyTensor>() else {
                let name = result.get_type().name()?;
                return Err(PyTypeError::new_err(format!("a hook must return a tensor or None, got {name}")));
            };
            Ok(Some(new.get().inner.clone()))
        })
        .map_err(raised)
    }
}

/// A handle to a hook on a gradient, returned by `Tensor.register_hook`. It keeps neither hook nor tensor alive.
#[pyclass(module = "rgrad", frozen)]
pub struct Hook(tape::Registered);

#[pymethods]
impl Hook {
    /// Removes the hook from its tensor.
    fn remove(&self) {
        self.0.remove();
    }
}

#[pymethods]
impl PyTensor {
    /// Calls `hook` with the complete gradient of this tensor in every backward pass, before it is used or stored.
    ///
    /// The hook returns None, or a replacement of the same shape and dtype. Returns a handle whose `remove()` removes the
    /// hook. `RuntimeError` if the tensor does not require gradients.
    #[pyo3(signature = (hook: "collections.abc.Callable[[Tensor], Tensor | None]"))]
    fn register_hook(&self, py: Python<'_>, hook: Py<PyAny>) -> PyResult<Hook> {
        if !hook.bind(py).is_callable() {
            let name = hook.bind(py).get_type().name()?;
            let text = format!("register_hook: a hook must be a function of the gradient, got {name}");
            return Err(PyTypeError::new_err(text));
        }
        cycles::watch(py)?;
        tape::register_hook(&self.inner, Arc::new(Called(hook))).map(Hook).map_err(to_py)
    }

    /// Stores the gradient of this intermediate result, after all hooks, in its `grad`, as is always done for leaves.
    /// `RuntimeError` if it does not require gradients.
    fn retain_grad(&self) -> PyResult<()> {
        tape::retain_grad(&self.inner).map_err(to_py)
    }
}
