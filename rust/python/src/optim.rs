//! Steps of optimizers.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rgrad_engine::optim::{self, Adam, Sgd, Slot};

use crate::args::Tensors;
use crate::error::run;

fn total(params: &Tensors) -> usize {
    params.0.iter().map(rgrad_engine::Tensor::numel).sum()
}

fn slots(params: &Tensors, grads: &Tensors, states: &[&Tensors]) -> PyResult<Vec<Slot>> {
    if grads.0.len() != params.0.len() || states.iter().any(|s| s.0.len() != params.0.len()) {
        return Err(PyValueError::new_err("an optimizer step needs one gradient and one state for every parameter"));
    }
    let slot = |(i, (p, g)): (usize, (&rgrad_engine::Tensor, &rgrad_engine::Tensor))| Slot {
        param: p.clone(),
        grad: g.clone(),
        state: states.iter().map(|s| s.0[i].clone()).collect(),
    };
    Ok(params.0.iter().zip(&grads.0).enumerate().map(slot).collect())
}

/// One step of SGD over parameters of one dtype; see `rgrad.optim.SGD`. `first` says whose momentum buffer is new.
#[pyfunction]
#[pyo3(signature = (params, grads, buffers, first, *, lr, momentum, dampening, weight_decay, nesterov, maximize))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of the optimizer")]
pub fn _sgd_step(
    py: Python<'_>,
    params: Tensors,
    grads: Tensors,
    buffers: Option<Tensors>,
    first: Vec<bool>,
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
) -> PyResult<()> {
    let states: Vec<&Tensors> = buffers.iter().collect();
    let slots = slots(&params, &grads, &states)?;
    let rule = Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize };
    run(py, total(&params), || optim::sgd(&slots, &first, rule))
}

/// One step of Adam over parameters of one dtype; see `rgrad.optim.Adam`.
#[pyfunction]
#[pyo3(signature = (params, grads, m, v, *, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of the optimizer")]
pub fn _adam_step(
    py: Python<'_>,
    params: Tensors,
    grads: Tensors,
    m: Tensors,
    v: Tensors,
    step: u64,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let slots = slots(&params, &grads, &[&m, &v])?;
    let rule = Adam { lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step };
    run(py, total(&params), || optim::adam(&slots, rule))
}
