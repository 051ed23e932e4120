//! Operations whose rules are written in Python, for `rgrad.autograd.Function`.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use rgrad_engine::Tensor;
use rgrad_engine::op::{Foreign, Grads, Op, Out, Saved, Saves, Want, apply};
use rgrad_engine::ops;
use rgrad_engine::tape;

use crate::args::Tensors;
use crate::cycles;
use crate::entry::prelude::*;
use crate::error::{raised, run};
use crate::tensor::PyTensor;

/// An operation whose value has been computed, and whose rules are Python functions.
#[derive(Clone)]
struct Custom {
    name: String,
    value: Tensor,
    saves: Saves,
    rules: Arc<Rules>,
}

/// What a collector of reference cycles has to visit.
pub(crate) struct Rules {
    pub(crate) backward: Py<PyAny>,
    pub(crate) jvp: Py<PyAny>,
}

fn wrap(t: &Tensor) -> PyTensor {
    t.clone().into()
}

fn unwrap(item: &Bound<'_, PyAny>, rule: &str) -> PyResult<Option<Tensor>> {
    if item.is_none() {
        return Ok(None);
    }
    let Ok(t) = item.cast::<PyTensor>() else {
        let name = item.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{rule} must return tensors, or None, got {name}")));
    };
    Ok(Some(t.get().inner.clone()))
}

impl Op for Custom {
    fn name(&self) -> &str {
        &self.name
    }
    fn foreign(&self) -> Option<Foreign> {
        Some(self.rules.clone())
    }
    fn saves(&self) -> Saves {
        self.saves
    }
    fn forward(&self, _: &[&Tensor], out: &mut Out<'_>) -> rgrad_engine::Result<()> {
        out.give(self.value.clone());
        Ok(())
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> rgrad_engine::Result<Grads> {
        let g = tape::apart(g)?;
        let call = move |py: Python<'_>| -> PyResult<Grads> {
            let inputs: Vec<_> = (0..saved.inputs()).map(|i| saved.try_input(i).map(wrap)).collect();
            let output = self.saves.output.then(|| wrap(saved.output()));
            let grads = self.rules.backward.bind(py).call1((PyTensor::from(g), inputs, output))?;
            grads.try_iter()?.map(|item| unwrap(&item?, "backward")).collect()
        };
        Python::attach(call).map_err(raised)
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> rgrad_engine::Result<Tensor> {
        // Copies: the rule may write to them, and they are shared.
        let copies = t.iter().map(|t| t.map(ops::clone).transpose());
        let tangents = copies.collect::<rgrad_engine::Result<Vec<_>>>()?;
        let call = move |py: Python<'_>| -> PyResult<Tensor> {
            let tangents: Vec<_> = tangents.into_iter().map(|t| t.map(PyTensor::from)).collect();
            let inputs: Vec<_> = x.iter().map(|t| wrap(t)).collect();
            let tangent = self.rules.jvp.bind(py).call1((tangents, inputs, wrap(y)))?;
            Ok(tangent.cast::<PyTensor>()?.get().inner.clone())
        };
        Python::attach(call).map_err(raised)
    }
}

/// `value` as the result of an operation on `inputs`; see `rgrad.autograd.Function`, which checks what its rules return.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one call instead of an object with setters")]
pub fn _custom(
    py: Python<'_>,
    name: String,
    inputs: Tensors,
    value: &Bound<'_, PyTensor>,
    saved_inputs: u32,
    saves_output: bool,
    backward: Py<PyAny>,
    jvp: Py<PyAny>,
) -> PyResult<PyTensor> {
    let saves = Saves { inputs: saved_inputs, output: saves_output };
    cycles::watch(py)?;
    let rules = Arc::new(Rules { backward, jvp });
    let op = Custom { name, value: value.get().inner.detach(), saves, rules };
    let inputs: Vec<&Tensor> = inputs.0.iter().collect();
    run(py, 0, || apply(op, &inputs)).map(Into::into)
}
