//! Guards: what a program assumes about the names and modules that the recorded function used.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyType, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::places::{PyPlaces, equal};
use crate::tensor::PyTensor;

/// Counts changes of module attributes: while it is constant, no module needs to be checked.
static CHANGES: AtomicU64 = AtomicU64::new(1);

/// An attribute of a module that the function being recorded changes, as it was.
pub(crate) struct Change {
    module: Py<PyAny>,
    name: Py<PyAny>,
    before: Option<Py<PyAny>>,
    /// Whether it is the module's first attribute: the function has created the module.
    first: bool,
}

fn attributes<'py>(module: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Ok(module.getattr(intern!(module.py(), "__dict__"))?.cast_into()?)
}

impl Change {
    /// Counts the change; returns the old value if a step is being recorded.
    pub(crate) fn new(module: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        CHANGES.fetch_add(1, Relaxed);
        if !crate::compile::is_recording() {
            return Ok(None);
        }
        let all = attributes(module)?;
        let before = all.get_item(name)?.map(Bound::unbind);
        Ok(Some(Self { module: module.clone().unbind(), name: name.clone().unbind(), before, first: all.is_empty() }))
    }

    fn is_of(&self, module: &Bound<'_, PyAny>) -> bool {
        self.module.bind(module.py()).is(module)
    }

    /// Whether the attribute has another value now.
    fn is_real(&self, py: Python<'_>) -> PyResult<bool> {
        let module = self.module.bind(py);
        let before = match &self.before {
            Some(before) => Some(before.bind(py).clone()),
            // The class's default, such as that modules start in training mode.
            None => module.get_type().getattr_opt(self.name.bind(py).cast::<PyString>()?)?,
        };
        Ok(match (before, attributes(module)?.get_item(&self.name)?) {
            (Some(before), Some(now)) => !Value::of(&before)?.is(&now)?,
            (None, None) => false,
            _ => true,
        })
    }

    pub(crate) fn undo(self, py: Python<'_>) -> PyResult<()> {
        CHANGES.fetch_add(1, Relaxed);
        let all = attributes(self.module.bind(py))?;
        match self.before {
            Some(value) => all.set_item(self.name, value),
            None if all.contains(&self.name)? => all.del_item(self.name),
            None => Ok(()),
        }
    }
}

/// Whether the function being recorded has created the module.
fn is_made(changes: &[Change], module: &Bound<'_, PyAny>) -> bool {
    changes.iter().any(|change| change.first && change.is_of(module))
}

/// The names of the attributes that the function has changed.
pub(crate) fn real_changes(py: Python<'_>, changes: &[Change]) -> PyResult<Vec<String>> {
    let mut names = Vec::new();
    for (i, change) in changes.iter().enumerate() {
        let module = change.module.bind(py);
        let known = |other: &Change| other.is_of(module) && other.name.bind(py).eq(&change.name).unwrap_or(false);
        if !is_made(changes, module) && !changes[..i].iter().any(known) && change.is_real(py)? {
            names.push(format!("{}.{}", module.get_type().name()?, change.name.bind(py)));
        }
    }
    Ok(names)
}

/// A module that was called.
pub(crate) struct Met(Py<PyWeakrefReference>);

fn training(module: &Bound<'_, PyAny>) -> PyResult<bool> {
    module.getattr(intern!(module.py(), "training"))?.is_truthy()
}

impl Met {
    pub(crate) fn new(module: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(PyWeakrefReference::new(module)?.unbind()))
    }

    pub(crate) fn is(&self, module: &Bound<'_, PyAny>) -> bool {
        self.0.bind(module.py()).upgrade().is_some_and(|own| own.is(module))
    }
}

/// The value of an attribute; tensors and modules are not kept alive.
enum Value {
    Tensor(usize),
    Module(Py<PyWeakrefReference>),
    Other(Py<PyAny>),
}

impl Value {
    fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        static MODULE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        if let Ok(t) = value.cast::<PyTensor>() {
            return Ok(Self::Tensor(t.get().inner.identity()));
        }
        if value.is_instance(MODULE.import(value.py(), "rgrad.nn.module", "Module")?)? {
            return Ok(Self::Module(PyWeakrefReference::new(value)?.unbind()));
        }
        Ok(Self::Other(value.clone().unbind()))
    }

    fn is(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = value.py();
        Ok(match self {
            Self::Tensor(own) => value.cast::<PyTensor>().is_ok_and(|t| t.get().inner.identity() == *own),
            Self::Module(module) => module.bind(py).upgrade().is_some_and(|own| own.is(value)),
            Self::Other(own) => {
                let own = own.bind(py);
                let plain = || {
                    value.is_exact_instance_of::<PyFloat>()
                        || value.is_exact_instance_of::<PyInt>()
                        || value.is_exact_instance_of::<PyBool>()
                        || value.is_exact_instance_of::<PyString>()
                };
                own.is(value) || (plain() && equal(own, value)?)
            }
        })
    }
}

struct Guard {
    module: Py<PyWeakrefReference>,
    training: bool,
    attributes: Vec<(Py<PyAny>, Value)>,
}

impl Guard {
    /// The name of an attribute that has another value now.
    fn change(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let Some(module) = self.module.bind(py).upgrade() else { return Ok(Some("a module".into())) };
        let all = attributes(&module)?;
        let named = |name: &dyn Display| Ok(Some(format!("{}.{name}", module.get_type().name()?)));
        if training(&module)? != self.training {
            return named(&"training");
        }
        for (name, value) in &self.attributes {
            match all.get_item(name)? {
                Some(now) if value.is(&now)? => {}
                _ => return named(name.bind(py)),
            }
        }
        if all.len() == self.attributes.len() { Ok(None) } else { named(&"__dict__") }
    }
}

/// What a recorded function found by name, and the modules that it found or called, with their attributes before and after.
pub(crate) struct Guards {
    all: Vec<Guard>,
    places: Py<PyPlaces>,
    /// The count of changes at the last check.
    seen: AtomicU64,
}

impl Guards {
    /// `changes` are the function's own. Modules that it has created and dropped do not matter to later calls.
    pub(crate) fn new(py: Python<'_>, places: Py<PyPlaces>, met: Vec<Met>, changes: &[Change]) -> PyResult<Self> {
        let mut all: Vec<Guard> = Vec::with_capacity(met.len());
        let found = places.get().modules.iter().map(|module| module.clone_ref(py));
        for module in met.into_iter().map(|met| met.0).chain(found) {
            let Some(own) = module.bind(py).upgrade() else { continue };
            let known = |guard: &Guard| guard.module.bind(py).upgrade().is_some_and(|other| other.is(&own));
            if is_made(changes, &own) || all.iter().any(known) {
                continue;
            }
            let mut found = Vec::new();
            for (name, value) in attributes(&own)?.iter() {
                found.push((name.unbind(), Value::of(&value)?));
            }
            all.push(Guard { module, training: training(&own)?, attributes: found });
        }
        Ok(Self { all, places, seen: AtomicU64::new(0) })
    }

    /// Whether one of the modules no longer exists.
    pub(crate) fn are_gone(&self, py: Python<'_>) -> bool {
        self.all.iter().any(|guard| guard.module.bind(py).upgrade().is_none())
    }

    /// Visits the Python objects that they hold.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.places)?;
        for (name, value) in self.all.iter().flat_map(|guard| &guard.attributes) {
            visit.call(name)?;
            if let Value::Other(value) = value {
                visit.call(value)?;
            }
        }
        Ok(())
    }

    /// Whether nothing has changed.
    pub(crate) fn hold(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.places.get().hold(py)? {
            return Ok(false);
        }
        let now = CHANGES.load(Relaxed);
        if self.seen.load(Relaxed) == now {
            return Ok(true);
        }
        for guard in &self.all {
            if guard.change(py)?.is_some() {
                return Ok(false);
            }
        }
        self.seen.store(now, Relaxed);
        Ok(true)
    }

    /// The name of something that has changed.
    pub(crate) fn change(&self, py: Python<'_>) -> PyResult<Option<String>> {
        if let Some(name) = self.places.get().changes(py)?.into_iter().next() {
            return Ok(Some(name));
        }
        for guard in &self.all {
            if let Some(name) = guard.change(py)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}
