//! Parameter groups: parameters, and settings that are checked when they are set.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyIterator, PyList, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::optim::{AnyRule, Setting};
use rgrad_kernels::lock::Lock;

use crate::entry::prelude::*;

/// A rule with the settings of a group.
#[derive(Clone, Copy)]
struct Typed {
    rule: AnyRule,
    /// Which settings, by their numbers, are objects that can change, such as tensors: they are read at every step.
    live: u16,
}

impl Typed {
    /// Reads the value of a setting; does nothing for other entries.
    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.rule.setting(name) {
            None => return Ok(()),
            Some(Setting::NotNegative(x)) => *x = not_negative(value, name)?,
            Some(Setting::Fraction(x)) => *x = fraction(value, name)?,
            Some(Setting::Fractions(x)) => {
                let Ok(two) = value.extract::<[Bound<'_, PyAny>; 2]>() else {
                    return Err(PyTypeError::new_err(format!("{name} must be two numbers, got {}", value.repr()?)));
                };
                *x = [fraction(&two[0], &format!("{name}[0]"))?, fraction(&two[1], &format!("{name}[1]"))?];
            }
            Some(Setting::Flag(x)) => {
                let Ok(on) = value.extract() else {
                    let text = format!("{name} must be True or False, got {}", value.repr()?);
                    return Err(PyTypeError::new_err(text));
                };
                *x = on;
            }
        }
        let bit = 1 << self.rule.settings().iter().take_while(|other| **other != name).count();
        self.live = if is_constant(value) { self.live & !bit } else { self.live | bit };
        Ok(())
    }
}

fn not_negative(value: &Bound<'_, PyAny>, name: &str) -> PyResult<f64> {
    number(value, name, |x| x.is_finite() && x >= 0.0, "a finite number, at least 0")
}

fn fraction(value: &Bound<'_, PyAny>, name: &str) -> PyResult<f64> {
    number(value, name, |x| (0.0..1.0).contains(&x), "at least 0 and less than 1")
}

fn number(value: &Bound<'_, PyAny>, name: &str, fits: impl Fn(f64) -> bool, words: &str) -> PyResult<f64> {
    let Some(x) = value.extract::<f64>().ok().filter(|_| value.cast::<PyBool>().is_err()) else {
        return Err(PyTypeError::new_err(format!("{name} must be a number, got {}", value.repr()?)));
    };
    if fits(x) { Ok(x) } else { Err(PyValueError::new_err(format!("{name} must be {words}, got {}", value.repr()?))) }
}

/// Whether a value stays what it is as long as it is the same object.
fn is_constant(value: &Bound<'_, PyAny>) -> bool {
    value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|item| is_constant(&item)))
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
}

/// The parameters and settings of a group: a mapping, whose settings are checked when they are set.
#[pyclass(name = "ParamGroup", module = "rgrad._core", subclass, frozen)]
pub struct PyGroup {
    /// Everything, as it was given.
    values: Py<PyDict>,
    /// The settings as numbers; None if a fork has torn them from another thread.
    typed: Lock<Option<Typed>>,
    name: &'static str,
    /// Grows whenever an entry is set.
    version: AtomicU64,
}

impl PyGroup {
    /// The rule of the next step. `TypeError` or `ValueError` if a setting that can change is no longer what it has to be.
    pub(super) fn rule(&self, py: Python<'_>) -> PyResult<AnyRule> {
        let mut typed = self.typed(py)?;
        if typed.live != 0 {
            let values = self.values.bind(py);
            for name in live_settings(typed) {
                if let Some(value) = values.get_item(name)? {
                    typed.set(name, &value)?;
                }
            }
        }
        match typed.rule.conflict() {
            None => Ok(typed.rule),
            Some(text) => Err(PyValueError::new_err(text)),
        }
    }

    /// What has changed if it has: a number that grows with every write; None if settings can change without one.
    pub(super) fn version(&self) -> Option<u64> {
        let fixed = self.typed.lock().is_some_and(|typed| typed.live == 0);
        fixed.then(|| self.version.load(Relaxed))
    }

    pub(super) fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let params = self.values.bind(py).get_item(intern!(py, "params"))?;
        let Some(params) = params else {
            return Err(PyValueError::new_err("a parameter group lacks its params"));
        };
        params
            .cast_into()
            .map_err(|e| PyTypeError::new_err(format!("a group's params must be a list, got {}", e.into_inner())))
    }

    /// The entry of this name, if there is one.
    pub(crate) fn get<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.values.bind(name.py()).get_item(name)
    }

    fn typed(&self, py: Python<'_>) -> PyResult<Typed> {
        let typed = *self.typed.lock();
        typed.map_or_else(|| read(self.name, self.values.bind(py)), Ok)
    }

    /// Makes all changes, or none and raises an error.
    fn change(&self, changes: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = changes.py();
        let mut typed = self.typed(py)?;
        for (name, value) in changes {
            if let Ok(name) = name.cast::<PyString>() {
                typed.set(name.to_str()?, &value)?;
            }
        }
        self.values.bind(py).update(changes.as_mapping())?;
        *self.typed.lock() = Some(typed);
        self.version.fetch_add(1, Relaxed);
        Ok(())
    }

    fn is_needed(&self, name: &Bound<'_, PyAny>) -> bool {
        let is = |name: &str, mut rule: AnyRule| name == "params" || rule.setting(name).is_some();
        name.cast::<PyString>().is_ok_and(|name| {
            name.to_str().is_ok_and(|name| AnyRule::named(self.name).is_some_and(|rule| is(name, rule)))
        })
    }
}

fn live_settings(typed: Typed) -> impl Iterator<Item = &'static str> {
    typed.rule.settings().iter().enumerate().filter(move |(i, _)| typed.live >> i & 1 == 1).map(|(_, name)| *name)
}

/// The settings of a rule among the entries of a dict.
fn read(rule: &str, values: &Bound<'_, PyDict>) -> PyResult<Typed> {
    let Some(rule) = AnyRule::named(rule) else {
        return Err(PyValueError::new_err(format!("there is no update rule {rule:?}")));
    };
    let mut typed = Typed { rule, live: 0 };
    for name in rule.settings() {
        let Some(value) = values.get_item(name)? else {
            return Err(PyValueError::new_err(format!("a parameter group lacks the setting {name}")));
        };
        typed.set(name, &value)?;
    }
    match typed.rule.conflict() {
        None => Ok(typed),
        Some(text) => Err(PyValueError::new_err(text)),
    }
}

#[pymethods]
impl PyGroup {
    /// A group of an optimizer with this update rule, with all of its settings.
    #[new]
    #[pyo3(signature = (rule, values: "dict[str, Any]"))]
    fn new(rule: &str, values: &Bound<'_, PyDict>) -> PyResult<Self> {
        let typed = read(rule, values)?;
        let name = typed.rule.name();
        Ok(Self { values: values.copy()?.unbind(), typed: Lock::new(Some(typed)), name, version: AtomicU64::new(0) })
    }

    /// The name of the update rule.
    #[getter]
    fn _rule(&self) -> &'static str {
        self.name
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.values.bind(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.values.bind(py).try_iter()
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.values.bind(name.py()).contains(name)
    }

    fn __getitem__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.get(name)?.ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
    }

    fn __setitem__(&self, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let changes = PyDict::new(name.py());
        changes.set_item(name, value)?;
        self.change(&changes)
    }

    fn __delitem__(&self, name: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.is_needed(name) {
            let text = format!("a parameter group needs its {}; assign another value instead", name.str()?);
            return Err(PyValueError::new_err(text));
        }
        self.version.fetch_add(1, Relaxed);
        self.values.bind(name.py()).del_item(name)
    }

    /// Sets entries from a mapping or pairs, and from keywords: all, or none if one is not what it has to be.
    #[pyo3(signature = (other=None, /, **entries))]
    fn update(
        &self,
        py: Python<'_>,
        other: Option<Bound<'_, PyAny>>,
        entries: Option<Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let changes = py.get_type::<PyDict>().call(PyTuple::new(py, other)?, entries.as_ref())?;
        self.change(changes.cast()?)
    }

    // Its dict can be cleared.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.values)
    }
}

/// Checks the settings of a parameter group, and names what the optimizer `rule` keeps of each parameter: the tensors that
/// it needs with these settings, those that it may need, and the numbers. `ValueError` or `TypeError` if a setting is
/// missing or out of range.
#[pyfunction]
#[pyo3(signature = (rule, group: "dict[str, Any]"))]
pub fn _optim_state(
    rule: &str,
    group: &Bound<'_, PyDict>,
) -> PyResult<(Vec<&'static str>, Vec<&'static str>, Vec<&'static str>)> {
    let rule = read(rule, group)?.rule;
    Ok((rule.states().to_vec(), rule.all_states().to_vec(), rule.counts().to_vec()))
}
