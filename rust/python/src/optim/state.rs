//! What an optimizer keeps of a parameter: the tensors and numbers of its rule, and whatever else programs put there.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::types::{PyDict, PyIterator, PyString};
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::Tensor;
use rgrad_engine::optim::{AnyRule, Counts, MAX_STATES, SharedCounts};
use rgrad_kernels::lock::{Guard, Lock};

use crate::entry::prelude::*;
use crate::tensor::PyTensor;

/// Steps that a float can count.
const MAX_STEP: u64 = 1 << 53;

/// The entries of a state that belong to a rule.
#[derive(Default)]
struct Kept {
    /// By their places among all the names of the rule.
    tensors: [Option<Py<PyTensor>>; MAX_STATES],
    /// Shared with programs that make steps.
    counts: Arc<SharedCounts>,
    /// Whether there are any counts yet.
    counted: bool,
}

impl Kept {
    fn copy(&self, py: Python<'_>) -> Self {
        let tensors = self.tensors.each_ref().map(|t| t.as_ref().map(|t| t.clone_ref(py)));
        Self { tensors, counts: self.counts.clone(), counted: self.counted }
    }
}

/// What was kept at some time.
pub(super) struct Before {
    kept: Kept,
    counts: Counts,
    version: u64,
}

/// What an optimizer keeps of a parameter: a mapping, whose entries are checked when they are set.
#[pyclass(name = "ParamState", module = "rgrad._core", subclass, frozen)]
pub struct PyState {
    rule: AnyRule,
    kept: Lock<Kept>,
    /// Everything that the rule does not know.
    others: Py<PyDict>,
    /// Grows whenever a tensor is replaced.
    version: AtomicU64,
}

/// An entry of the rule.
enum Name {
    Tensor(usize),
    Step,
    MuProduct,
}

impl PyState {
    fn name(&self, name: &Bound<'_, PyAny>) -> Option<Name> {
        let name = name.cast::<PyString>().ok()?.to_str().ok()?;
        match name {
            _ if !self.rule.counts().contains(&name) => self.place(name).map(Name::Tensor),
            "step" => Some(Name::Step),
            _ => Some(Name::MuProduct),
        }
    }

    /// The place of a tensor.
    fn place(&self, name: &str) -> Option<usize> {
        self.rule.all_states().iter().position(|other| *other == name)
    }

    // Nothing that Python could run is called while it is locked.
    fn kept(&self) -> Guard<'_, Kept> {
        self.kept.lock()
    }

    /// Whether it is of an optimizer with this rule, whatever its settings.
    pub(super) fn is_of(&self, rule: AnyRule) -> bool {
        self.rule.name() == rule.name()
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// The tensor of this name, if there is one.
    pub(super) fn tensor(&self, name: &str) -> Option<Tensor> {
        let place = self.place(name)?;
        self.kept().tensors[place].as_ref().map(|t| t.get().inner.clone())
    }

    /// The counts, for all who go on with them.
    pub(super) fn counts(&self) -> Arc<SharedCounts> {
        self.kept().counts.clone()
    }

    /// Takes the tensors that a step has made, which has counted itself.
    pub(super) fn keep(&self, py: Python<'_>, made: Vec<(&'static str, Tensor)>) -> PyResult<()> {
        if !made.is_empty() {
            self.version.fetch_add(1, Relaxed);
        }
        for (name, tensor) in made {
            let tensor = Py::new(py, PyTensor::from(tensor))?;
            if let Some(place) = self.place(name) {
                self.kept().tensors[place] = Some(tensor);
            }
        }
        self.kept().counted = true;
        Ok(())
    }

    pub(super) fn before(&self, py: Python<'_>) -> Before {
        let kept = self.kept().copy(py);
        let counts = kept.counts.get();
        Before { kept, counts, version: self.version() }
    }

    /// Goes back to what was kept before.
    pub(super) fn restore(&self, py: Python<'_>, before: &Before) {
        let kept = before.kept.copy(py);
        kept.counts.set(before.counts);
        let old = std::mem::replace(&mut *self.kept(), kept);
        self.version.store(before.version, Relaxed);
        drop(old);
    }

    /// Sets an entry of parameter `of`, as messages call it.
    fn set(&self, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, of: &str) -> PyResult<()> {
        let unfit = |expected| unfit(format!("{name}{of}"), value, expected);
        match self.name(name) {
            None => self.others.bind(name.py()).set_item(name, value),
            Some(Name::Tensor(place)) => {
                let tensor = if value.is_none() {
                    None
                } else {
                    Some(value.cast::<PyTensor>().map_err(|_| unfit("a tensor"))?.clone().unbind())
                };
                let old = std::mem::replace(&mut self.kept().tensors[place], tensor);
                self.version.fetch_add(1, Relaxed);
                drop(old);
                Ok(())
            }
            Some(Name::Step) => {
                let step = value.extract().map_err(|_| unfit("an integer, at least 0"))?;
                if step > MAX_STEP {
                    let text = format!("step{of} must be at most 2**53, got {step}");
                    return Err(PyValueError::new_err(text));
                }
                self.set_counts(|counts| counts.step = step);
                Ok(())
            }
            Some(Name::MuProduct) => {
                let mu_product = value.extract().map_err(|_| unfit("a number"))?;
                self.set_counts(|counts| counts.mu_product = mu_product);
                Ok(())
            }
        }
    }

    fn set_counts(&self, change: impl FnOnce(&mut Counts)) {
        let kept = &mut *self.kept();
        let mut counts = kept.counts.get();
        change(&mut counts);
        kept.counts.set(counts);
        kept.counted = true;
    }

    fn get<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let Some(own) = self.name(name) else { return self.others.bind(py).get_item(name) };
        let (tensor, counts) = {
            let kept = self.kept();
            let tensor = if let Name::Tensor(place) = own { kept.tensors[place].as_ref() } else { None };
            (tensor.map(|t| t.clone_ref(py)), kept.counted.then(|| kept.counts.get()))
        };
        Ok(match (own, counts) {
            (Name::Tensor(_), _) => tensor.map(|t| t.into_bound(py).into_any()),
            (_, None) => None,
            (Name::Step, Some(counts)) => Some(counts.step.into_pyobject(py)?.into_any()),
            (Name::MuProduct, Some(counts)) => Some(counts.mu_product.into_pyobject(py)?.into_any()),
        })
    }

    /// The names of all entries: those of the rule first.
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let names = PyDict::new(py);
        {
            let kept = self.kept();
            let counts = if kept.counted { self.rule.counts() } else { &[] };
            let tensors = self.rule.all_states().iter().zip(&kept.tensors).filter(|(_, t)| t.is_some());
            for name in counts.iter().chain(tensors.map(|(name, _)| name)) {
                names.set_item(PyString::intern(py, name), ())?;
            }
        }
        names.update(self.others.bind(py).as_mapping())?;
        Ok(names)
    }

    /// A state with these entries, of parameter `of`, as messages call it.
    pub(super) fn fill(&self, entries: &Bound<'_, PyDict>, of: &str) -> PyResult<()> {
        entries.iter().try_for_each(|(name, value)| self.set(&name, &value, of))
    }
}

/// What an entry of the state should have been.
pub(super) fn unfit(name: impl Display, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let shown = value.repr().map_or_else(|e| e.to_string(), |text| text.to_string());
    PyTypeError::new_err(format!("{name} must be {expected}, got {shown}"))
}

#[pymethods]
impl PyState {
    /// The state of a parameter of an optimizer with this update rule.
    #[new]
    #[pyo3(signature = (rule, entries: "dict[str, Any] | None"=None))]
    fn new(py: Python<'_>, rule: &str, entries: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let Some(rule) = AnyRule::named(rule) else {
            return Err(PyValueError::new_err(format!("there is no update rule {rule:?}")));
        };
        let others = PyDict::new(py).unbind();
        let state = Self { rule, kept: Lock::default(), others, version: AtomicU64::new(0) };
        if let Some(entries) = entries {
            state.fill(entries, "")?;
        }
        Ok(state)
    }

    /// The name of the update rule.
    #[getter]
    fn _rule(&self) -> &'static str {
        self.rule.name()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.names(py).map(|names| names.len())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.names(py)?.try_iter()
    }

    fn __getitem__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.get(name)?.ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
    }

    fn __setitem__(&self, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(name, value, "")
    }

    /// The numbers of the rule are deleted together.
    fn __delitem__(&self, name: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.get(name)?.is_none() {
            return Err(PyKeyError::new_err(name.clone().unbind()));
        }
        match self.name(name) {
            None => self.others.bind(name.py()).del_item(name),
            Some(Name::Tensor(place)) => {
                let old = self.kept().tensors[place].take();
                self.version.fetch_add(1, Relaxed);
                drop(old);
                Ok(())
            }
            Some(_) => {
                let kept = &mut *self.kept();
                kept.counts.set(Counts::default());
                kept.counted = false;
                Ok(())
            }
        }
    }

    // Its dict and the tensors' attributes can be cleared.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.others)?;
        // What is in use is not garbage.
        let Some(kept) = self.kept.try_lock() else { return Ok(()) };
        kept.tensors.iter().flatten().try_for_each(|tensor| visit.call(tensor))
    }
}
