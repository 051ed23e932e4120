//! Steps of optimizers: Python keeps settings and state in dicts, which are read and written here, once a step.

mod recorded;

use std::fmt::Display;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::types::{PyBool, PyDict, PyList, PyString};
use rgrad_engine::optim::{self, Adadelta, Adagrad, Adam, Counts, NAdam, RmsProp, Rule, Sgd, Slot, Update};
use rgrad_engine::{Number, Tensor};
use rgrad_kernels::lock::Lock;

use crate::compile;
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::tensor::PyTensor;
use recorded::{Parameter, Recorded, Seen};

/// A parameter group's settings.
struct Settings<'a, 'py>(&'a Bound<'py, PyDict>);

/// The ranges that settings can be asked to lie in.
#[derive(Clone, Copy)]
enum Range {
    /// Finite and not negative.
    NotNegative,
    /// At least 0 and less than 1.
    Fraction,
}

fn number(value: &Bound<'_, PyAny>, range: Range, name: &str) -> PyResult<f64> {
    let Some(x) = value.extract::<f64>().ok().filter(|_| value.cast::<PyBool>().is_err()) else {
        return Err(PyTypeError::new_err(format!("{name} must be a number, got {}", value.repr()?)));
    };
    let (fits, words) = match range {
        Range::NotNegative => (x.is_finite() && x >= 0.0, "a finite number, at least 0"),
        Range::Fraction => ((0.0..1.0).contains(&x), "at least 0 and less than 1"),
    };
    if fits { Ok(x) } else { Err(PyValueError::new_err(format!("{name} must be {words}, got {}", value.repr()?))) }
}

impl<'py> Settings<'_, 'py> {
    fn get(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.0
            .get_item(name)?
            .ok_or_else(|| PyValueError::new_err(format!("a parameter group lacks the setting {name}")))
    }
    fn not_negative(&self, name: &Bound<'py, PyString>) -> PyResult<f64> {
        number(&self.get(name)?, Range::NotNegative, name.to_str()?)
    }
    fn fraction(&self, name: &Bound<'py, PyString>) -> PyResult<f64> {
        number(&self.get(name)?, Range::Fraction, name.to_str()?)
    }
    fn flag(&self, name: &Bound<'py, PyString>) -> PyResult<bool> {
        let value = self.get(name)?;
        let refuse = |_| PyTypeError::new_err(format!("{name} must be True or False, got {}", shown(&value)));
        value.extract::<bool>().map_err(refuse)
    }
    fn params(&self) -> PyResult<Bound<'py, PyList>> {
        let params = self.get(intern!(self.0.py(), "params"))?;
        params
            .cast_into()
            .map_err(|e| PyTypeError::new_err(format!("a group's params must be a list, got {}", e.into_inner())))
    }
    fn betas(&self) -> PyResult<(f64, f64)> {
        let betas = self.get(intern!(self.0.py(), "betas"))?;
        let Ok([a, b]) = betas.extract::<[Bound<'_, PyAny>; 2]>() else {
            return Err(PyTypeError::new_err(format!("betas must be two numbers, got {}", betas.repr()?)));
        };
        Ok((number(&a, Range::Fraction, "betas[0]")?, number(&b, Range::Fraction, "betas[1]")?))
    }
}

/// Reads settings into the fields of the same names.
macro_rules! fields {
    ($group:ident, $rule:ident { $($kind:ident: $($name:ident),+;)+ } $($field:ident: $value:expr),*) => {
        $rule { $($($name: $group.$kind(intern!($group.0.py(), stringify!($name)))?,)+)+ $($field: $value),* }
    };
}

fn sgd(group: &Settings<'_, '_>) -> PyResult<Sgd> {
    let rule = fields!(group, Sgd {
        not_negative: lr, momentum, dampening, weight_decay;
        flag: nesterov, maximize;
    });
    if rule.nesterov && (rule.momentum == 0.0 || rule.dampening != 0.0) {
        return Err(PyValueError::new_err("nesterov needs a momentum above 0 and a dampening of 0"));
    }
    Ok(rule)
}

fn adam(group: &Settings<'_, '_>, decoupled: bool) -> PyResult<Adam> {
    let (beta1, beta2) = group.betas()?;
    Ok(fields!(group, Adam { not_negative: lr, eps, weight_decay; flag: amsgrad, maximize; }
        beta1: beta1, beta2: beta2, decoupled: decoupled))
}

fn nadam(group: &Settings<'_, '_>) -> PyResult<NAdam> {
    let (beta1, beta2) = group.betas()?;
    let decoupled = group.flag(intern!(group.0.py(), "decoupled_weight_decay"))?;
    Ok(fields!(group, NAdam { not_negative: lr, eps, weight_decay, momentum_decay; flag: maximize; }
        beta1: beta1, beta2: beta2, decoupled: decoupled))
}

fn rmsprop(group: &Settings<'_, '_>) -> PyResult<RmsProp> {
    Ok(fields!(group, RmsProp {
        not_negative: lr, eps, weight_decay, momentum;
        fraction: alpha;
        flag: centered, maximize;
    }))
}

fn adagrad(group: &Settings<'_, '_>) -> PyResult<Adagrad> {
    Ok(fields!(group, Adagrad {
        not_negative: lr, lr_decay, weight_decay, initial_accumulator_value, eps;
        flag: maximize;
    }))
}

fn adadelta(group: &Settings<'_, '_>) -> PyResult<Adadelta> {
    Ok(fields!(group, Adadelta { not_negative: lr, eps, weight_decay; fraction: rho; flag: maximize; }))
}

/// Evaluates the expression with what reads the settings of the named optimizer.
macro_rules! with_rule {
    ($name:expr, $read:ident => $body:expr) => {
        match $name {
            "SGD" => with_rule!(@ $read = sgd; $body),
            "Adam" => with_rule!(@ $read = |g: &Settings<'_, '_>| adam(g, false); $body),
            "AdamW" => with_rule!(@ $read = |g: &Settings<'_, '_>| adam(g, true); $body),
            "NAdam" => with_rule!(@ $read = nadam; $body),
            "RMSprop" => with_rule!(@ $read = rmsprop; $body),
            "Adagrad" => with_rule!(@ $read = adagrad; $body),
            "Adadelta" => with_rule!(@ $read = adadelta; $body),
            other => Err(PyValueError::new_err(format!("there is no update rule {other:?}"))),
        }
    };
    (@ $read:ident = $value:expr; $body:expr) => {{
        let $read = $value;
        $body
    }};
}

type Names = Vec<&'static str>;

/// Checks the settings of a parameter group, and names what the optimizer `rule` keeps of each parameter: the tensors that
/// it needs with these settings, those that it may need, and the numbers. `ValueError` or `TypeError` if a setting is
/// missing or out of range.
#[pyfunction]
#[pyo3(signature = (rule, group: "dict[str, Any]"))]
pub fn _optim_state(rule: &str, group: &Bound<'_, PyDict>) -> PyResult<(Names, Names, Names)> {
    fn names<R: Rule>(rule: R) -> (Names, Names, Names) {
        (rule.states().to_vec(), R::STATES.to_vec(), R::COUNTS.to_vec())
    }
    with_rule!(rule, read => read(&Settings(group)).map(names))
}

/// One step of the optimizer `rule` over the parameters of all `groups` that have a gradient. `state` maps parameters to
/// dicts; what is missing in it begins at its initial value. An error leaves everything as it was.
#[pyfunction]
#[pyo3(signature = (rule, groups: "list[dict[str, Any]]", state: "dict[Tensor, dict[str, Any]]"))]
pub fn _optim_step(rule: &str, groups: &Bound<'_, PyList>, state: &Bound<'_, PyDict>) -> PyResult<()> {
    with_rule!(rule, read => step(groups, state, read))
}

/// The state of one parameter, as Python keeps it.
struct Entry<'py> {
    param: Bound<'py, PyAny>,
    dict: Option<Bound<'py, PyDict>>,
    /// What the dict has to be given after the step.
    made: Vec<(Bound<'py, PyString>, Tensor)>,
}

fn step<'py, R: Rule + 'static>(
    groups: &Bound<'py, PyList>,
    state: &Bound<'py, PyDict>,
    read: impl for<'a, 'b> Fn(&Settings<'a, 'b>) -> PyResult<R> + Send + Sync + 'static,
) -> PyResult<()> {
    let py = groups.py();
    let (mut slots, mut entries) = (Vec::new(), Vec::new());
    let mut index = 0;
    let mut owners = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let settings = Settings(group.cast::<PyDict>()?);
        let rule = read(&settings)?;
        let names: Vec<_> = rule.states().iter().map(|name| PyString::intern(py, name)).collect();
        for (place, param) in settings.params()?.iter().enumerate() {
            let t = &param.cast::<PyTensor>()?.get().inner;
            if let Some(grad) = t.grad() {
                let t = t.clone();
                let mut entry = Entry { param, dict: None, made: Vec::new() };
                slots.push(slot(rule, &names, (index, t, grad), state, &mut entry)?);
                entries.push(entry);
                owners.push((number, place));
            }
            index += 1;
        }
    }
    let elements = slots.iter().map(|s| s.param.numel()).sum();
    if !compile::is_recording() {
        run(py, elements, || optim::step(&slots))?;
        for (entry, slot) in entries.into_iter().zip(slots) {
            keep::<R>(py, entry, slot.counts, state)?;
        }
        return Ok(());
    }
    let params: Vec<_> = entries.iter().map(|entry| entry.param.clone()).collect();
    let counts = if R::COUNTS.is_empty() { None } else { compile::counts_of(state, &params)? };
    let sizes = groups.iter().map(|group| Ok(Settings(group.cast()?).params()?.len()));
    let sizes = sizes.collect::<PyResult<Vec<_>>>()?;
    let update = run(py, elements, || Update::record(&slots, counts))?;
    let seen = Lock::new(Seen { groups: Vec::new(), steps: slots.iter().map(|_| None).collect() });
    let (groups, kept) = (groups.clone().unbind(), state.clone().unbind());
    let parameters = Vec::with_capacity(slots.len());
    let mut recorded = Recorded { groups, state: kept, read: Box::new(read), update, parameters, sizes, seen };
    let mut all = entries.into_iter().zip(slots).zip(owners);
    if let Err(error) = all.try_for_each(|((entry, slot), at)| recorded.add(state, entry, slot, at)) {
        compile::Outside::undo(&recorded, py)?;
        return Err(error);
    }
    compile::note(Box::new(recorded));
    Ok(())
}

impl<R: Rule + 'static> Recorded<R> {
    /// Gives the state its first values of a parameter that the step has updated, and takes note of it.
    fn add(&mut self, all: &Bound<'_, PyDict>, entry: Entry<'_>, slot: Slot<R>, at: (usize, usize)) -> PyResult<()> {
        let py = all.py();
        let before = entry.dict.as_ref().map(PyDictMethods::copy).transpose()?.map(Bound::unbind);
        let param = entry.param.clone();
        // For who undoes this, whatever fails from here on.
        self.parameters.push(Parameter { at, param: param.clone().unbind(), dict: None, state: Vec::new(), before });
        keep::<R>(py, entry, slot.counts, all)?;
        let dict = all.get_item(&param)?.and_then(|dict| dict.cast_into::<PyDict>().ok());
        let mut objects = Vec::with_capacity(slot.state.len());
        for (name, tensor) in slot.rule.states().iter().zip(slot.state) {
            let name = PyString::intern(py, name);
            let object = dict.as_ref().map(|dict| dict.get_item(&name)).transpose()?.flatten();
            objects.push((name.unbind(), object.unwrap_or_else(|| py.None().into_bound(py)).unbind(), tensor));
        }
        if let Some(last) = self.parameters.last_mut() {
            (last.dict, last.state) = (dict.map(Bound::unbind), objects);
        }
        Ok(())
    }
}

/// The slot of a parameter with a gradient.
fn slot<'py, R: Rule>(
    rule: R,
    names: &[Bound<'py, PyString>],
    (index, param, grad): (usize, Tensor, Tensor),
    all: &Bound<'py, PyDict>,
    entry: &mut Entry<'py>,
) -> PyResult<Slot<R>> {
    let mut counts = Counts::default();
    let mut state = optim::States::new();
    if !names.is_empty() {
        entry.dict = all
            .get_item(&entry.param)?
            .map(|kept| kept.cast_into().map_err(|e| unfit("the state", index, &e.into_inner(), "a dict")))
            .transpose()?;
        for name in names {
            let kept = entry.dict.as_ref().map(|d| d.get_item(name)).transpose()?.flatten();
            if let Some(value) = kept.filter(|value| !value.is_none()) {
                let Ok(value) = value.cast::<PyTensor>() else { return Err(unfit(name, index, &value, "a tensor")) };
                state.push(value.get().inner.clone());
            } else {
                let first = Number::Float(rule.initial());
                let first = Tensor::full(param.shape(), first, param.dtype()).map_err(to_py)?;
                entry.made.push((name.clone(), first.clone()));
                state.push(first);
            }
        }
        if let Some(dict) = &entry.dict {
            counts = counts_of::<R>(dict, index)?;
        }
    }
    let fresh = !entry.made.is_empty();
    Ok(Slot { index, param, grad, state, rule, counts: rule.count(counts), fresh })
}

/// Steps that a float can count.
const MAX_STEP: u64 = 1 << 53;

/// The numbers that are kept of a parameter.
fn counts_of<R: Rule>(dict: &Bound<'_, PyDict>, index: usize) -> PyResult<Counts> {
    let py = dict.py();
    let mut counts = Counts::default();
    if !R::COUNTS.is_empty()
        && let Some(step) = dict.get_item(intern!(py, "step"))?
    {
        counts.step = step.extract().map_err(|_| unfit("step", index, &step, "an integer, at least 0"))?;
        if counts.step > MAX_STEP {
            let text = format!("step of parameter {index} must be at most 2**53, got {}", counts.step);
            return Err(PyValueError::new_err(text));
        }
    }
    if R::COUNTS.len() > 1
        && let Some(product) = dict.get_item(intern!(py, "mu_product"))?
    {
        counts.mu_product = product.extract().map_err(|_| unfit("mu_product", index, &product, "a number"))?;
    }
    Ok(counts)
}

fn set_counts<R: Rule>(dict: &Bound<'_, PyDict>, counts: Counts) -> PyResult<()> {
    let py = dict.py();
    for name in R::COUNTS {
        match *name {
            "step" => dict.set_item(intern!(py, "step"), counts.step)?,
            _ => dict.set_item(intern!(py, "mu_product"), counts.mu_product)?,
        }
    }
    Ok(())
}

/// What an entry of the state should have been.
fn unfit(name: impl Display, index: usize, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    PyTypeError::new_err(format!("{name} of parameter {index} must be {expected}, got {}", shown(value)))
}

fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|e| e.to_string(), |text| text.to_string())
}

/// Writes back what the dict does not share with the slot.
fn keep<'py, R: Rule>(py: Python<'py>, entry: Entry<'py>, counts: Counts, all: &Bound<'py, PyDict>) -> PyResult<()> {
    if entry.dict.is_none() && entry.made.is_empty() {
        return Ok(());
    }
    let dict = entry.dict.unwrap_or_else(|| PyDict::new(py));
    set_counts::<R>(&dict, counts)?;
    if !entry.made.is_empty() {
        for (name, tensor) in entry.made {
            dict.set_item(name, Bound::new(py, PyTensor::from(tensor))?)?;
        }
        all.set_item(entry.param, dict)?;
    }
    Ok(())
}

/// Forgets the gradients of all parameters of the groups, or writes zeros over them.
#[pyfunction]
#[pyo3(signature = (groups: "list[dict[str, Any]]", set_to_none))]
pub fn _zero_grad(groups: &Bound<'_, PyList>, set_to_none: bool) -> PyResult<()> {
    let py = groups.py();
    for group in groups.iter() {
        for param in Settings(group.cast::<PyDict>()?).params()?.iter() {
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
