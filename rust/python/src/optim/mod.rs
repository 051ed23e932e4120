//! Steps of optimizers: groups and states are typed here, and Python sees them as mappings.

mod group;
mod replays;
mod state;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::types::{PyDict, PyList, PyMapping};
use rgrad_engine::optim::{self, AnyRule, Parameter, States, Update};
use rgrad_engine::{Number, Tensor};

use crate::compile;
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::tensor::PyTensor;
pub use group::{_optim_state, PyGroup};
use replays::{Replays, Stepped};
pub use state::PyState;
use state::{Before, unfit};

/// The group at this place of an optimizer's list.
fn group_at<'py>(groups: &Bound<'py, PyList>, number: usize) -> PyResult<Bound<'py, PyGroup>> {
    groups.get_item(number)?.cast_into().map_err(|e| {
        let name = e.into_inner().get_type().to_string();
        PyTypeError::new_err(format!("param_groups[{number}] is no parameter group, but {name}; call add_param_group"))
    })
}

/// The state of a parameter that is about to be updated.
struct Entry<'py> {
    /// Its group, and its place there.
    at: (usize, usize),
    param: Bound<'py, PyAny>,
    /// What is kept of it, if its rule keeps anything.
    state: Option<Bound<'py, PyState>>,
    /// Whether that is not among the states of the optimizer yet.
    is_new: bool,
    /// What the state has to be given after the step.
    made: Vec<(&'static str, Tensor)>,
}

/// One step over the parameters of all `groups` that have a gradient. `state` maps parameters to what is kept of them, which is
/// of the class `kind`; what is missing in it begins at its initial value. An error leaves everything as it was.
#[pyfunction]
#[pyo3(signature = (groups: "list[Any]", state: "dict[Tensor, Any]", kind: "type[ParamState]"))]
pub fn _optim_step(groups: &Bound<'_, PyList>, state: &Bound<'_, PyDict>, kind: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = groups.py();
    let (mut parameters, mut entries) = (Vec::new(), Vec::new());
    let mut index = 0;
    for number in 0..groups.len() {
        let group = group_at(groups, number)?;
        let rule = group.get().rule(py)?;
        for (place, param) in group.get().params(py)?.iter().enumerate() {
            let t = &param.cast::<PyTensor>()?.get().inner;
            if let Some(grad) = t.grad() {
                let t = t.clone();
                let mut entry = Entry { at: (number, place), param, state: None, is_new: false, made: Vec::new() };
                parameters.push(parameter(rule, (index, t, grad), (state, kind), &mut entry)?);
                entries.push(entry);
            }
            index += 1;
        }
    }
    let elements = parameters.iter().map(|p| p.param.numel()).sum();
    if !compile::is_recording() {
        run(py, elements, || optim::step(&parameters))?;
        return entries.into_iter().try_for_each(|entry| keep(entry, state).map(drop));
    }
    let before = |e: &Entry<'_>| e.state.as_ref().filter(|_| !e.is_new).map(|state| state.get().before(py));
    let before: Vec<_> = entries.iter().map(before).collect();
    let update = run(py, elements, || Update::record(&parameters))?;
    let mut replays = Replays::new(groups, state, update)?;
    for ((entry, parameter), before) in entries.into_iter().zip(parameters).zip(before) {
        let (at, param) = (entry.at, entry.param.clone());
        let kept = keep(entry, state);
        replays.add(Stepped::new(at, param, parameter.rule, kept.as_ref().ok().cloned().flatten(), before));
        if let Err(error) = kept {
            compile::Outside::undo(&replays, py)?;
            return Err(error);
        }
    }
    compile::note(Box::new(replays));
    Ok(())
}

/// A parameter with a gradient, and with its state as far as there is one.
fn parameter<'py>(
    rule: AnyRule,
    (index, param, grad): (usize, Tensor, Tensor),
    all: (&Bound<'py, PyDict>, &Bound<'py, PyAny>),
    entry: &mut Entry<'py>,
) -> PyResult<Parameter> {
    let names = rule.states();
    let (mut state, mut counts) = (States::new(), None);
    if !names.is_empty() {
        let state_of = state_of(rule, index, &entry.param, all)?;
        entry.is_new = state_of.is_none();
        let kept = entry.state.insert(state_of.map_or_else(|| new_state(rule, all.1), Ok)?).get();
        for name in names {
            state.push(if let Some(tensor) = kept.tensor(name) {
                tensor
            } else {
                let first = Number::Float(rule.initial());
                let first = Tensor::full(param.shape(), first, param.dtype()).map_err(to_py)?;
                entry.made.push((name, first.clone()));
                first
            });
        }
        counts = Some(kept.counts());
    }
    let fresh = !entry.made.is_empty();
    Ok(Parameter { index, param, grad, state, rule, counts, fresh })
}

/// What is kept of a parameter, which may have been put there as a plain dict.
fn state_of<'py>(
    rule: AnyRule,
    index: usize,
    param: &Bound<'py, PyAny>,
    (all, kind): (&Bound<'py, PyDict>, &Bound<'py, PyAny>),
) -> PyResult<Option<Bound<'py, PyState>>> {
    let Some(found) = all.get_item(param)? else { return Ok(None) };
    let found = match found.cast_into::<PyState>() {
        Ok(state) if state.get().is_of(rule) => return Ok(Some(state)),
        Ok(state) => state.into_any(),
        Err(other) => other.into_inner(),
    };
    let Ok(mapping) = found.cast::<PyMapping>() else {
        return Err(unfit(format!("the state of parameter {index}"), &found, "a dict"));
    };
    let entries = PyDict::new(all.py());
    entries.update(mapping)?;
    let state = new_state(rule, kind)?;
    state.get().fill(&entries, &format!(" of parameter {index}"))?;
    all.set_item(param, &state)?;
    Ok(Some(state))
}

/// A state without entries, which is not among those of the optimizer yet.
fn new_state<'py>(rule: AnyRule, kind: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyState>> {
    Ok(kind.call1((rule.name(),))?.cast_into()?)
}

/// Gives the state what a step has made: the state, if the rule keeps one.
fn keep<'py>(entry: Entry<'py>, all: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, PyState>>> {
    if let Some(state) = &entry.state {
        state.get().keep(all.py(), entry.made)?;
        if entry.is_new {
            all.set_item(entry.param, state)?;
        }
    }
    Ok(entry.state)
}

/// Forgets the gradients of all parameters of the groups, or writes zeros over them.
#[pyfunction]
#[pyo3(signature = (groups: "list[Any]", set_to_none))]
pub fn _zero_grad(groups: &Bound<'_, PyList>, set_to_none: bool) -> PyResult<()> {
    let py = groups.py();
    for group in groups.iter() {
        let params = match group.cast::<PyGroup>() {
            Ok(group) => group.get().params(py)?,
            Err(_) => group.get_item(intern!(py, "params"))?.cast_into()?,
        };
        for param in params.iter() {
            let t = &param.cast::<PyTensor>()?.get().inner;
            if set_to_none {
                t.set_grad(None).map_err(to_py)?;
            } else if let Some(grad) = t.grad() {
                let zero = Tensor::scalar(Number::Float(0.0), grad.dtype()).map_err(to_py)?;
                run(py, grad.numel(), || grad.detach().copy_from(&zero))?;
            }
        }
    }
    Ok(())
}
