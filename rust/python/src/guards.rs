//! What a program assumes of the modules that the recorded function called.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyType, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::tensor::PyTensor;

/// Counts the changes of attributes of modules: as long as there are none, nothing needs to be looked at.
static CHANGES: AtomicU64 = AtomicU64::new(1);

/// An attribute of a module that the function being recorded changes, as it was.
pub(crate) struct Change {
    module: Py<PyAny>,
    name: Py<PyAny>,
    before: Option<Py<PyAny>>,
}

fn attributes<'py>(module: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Ok(module.getattr(intern!(module.py(), "__dict__"))?.cast_into()?)
}

impl Change {
    /// Counts the change; what it was, if a step is being recorded.
    pub(crate) fn new(module: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        CHANGES.fetch_add(1, Relaxed);
        if !crate::compile::is_recording() {
            return Ok(None);
        }
        let before = attributes(module)?.get_item(name)?.map(Bound::unbind);
        Ok(Some(Self { module: module.clone().unbind(), name: name.clone().unbind(), before }))
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

/// A module that was called, and whether it was in training then.
pub(crate) struct Met {
    module: Py<PyWeakrefReference>,
    training: bool,
}

fn training(module: &Bound<'_, PyAny>) -> PyResult<bool> {
    module.getattr(intern!(module.py(), "training"))?.is_truthy()
}

impl Met {
    pub(crate) fn new(module: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { module: PyWeakrefReference::new(module)?.unbind(), training: training(module)? })
    }

    pub(crate) fn is(&self, module: &Bound<'_, PyAny>) -> bool {
        self.module.bind(module.py()).upgrade().is_some_and(|own| own.is(module))
    }
}

/// What an attribute was: neither tensors nor modules are kept alive.
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
                    own.get_type().is(value.get_type())
                        && (value.is_exact_instance_of::<PyFloat>()
                            || value.is_exact_instance_of::<PyInt>()
                            || value.is_exact_instance_of::<PyBool>()
                            || value.is_exact_instance_of::<PyString>())
                };
                own.is(value) || (plain() && own.eq(value)?)
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
    fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(module) = self.module.bind(py).upgrade() else { return Ok(false) };
        let all = attributes(&module)?;
        if training(&module)? != self.training || all.len() != self.attributes.len() {
            return Ok(false);
        }
        for (name, value) in &self.attributes {
            match all.get_item(name)? {
                Some(now) if value.is(&now)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// The modules that a recorded function called: in training or not as they were then, with the attributes that they had
/// afterwards.
pub(crate) struct Guards {
    all: Vec<Guard>,
    /// The number of changes after which they were looked at last.
    seen: AtomicU64,
}

impl Guards {
    pub(crate) fn new(py: Python<'_>, met: Vec<Met>) -> PyResult<Self> {
        let mut all = Vec::with_capacity(met.len());
        for Met { module, training } in met {
            let Some(own) = module.bind(py).upgrade() else { continue };
            let mut found = Vec::new();
            for (name, value) in attributes(&own)?.iter() {
                // Whether it is in training was noted when it was called.
                let value = if name.eq(intern!(py, "training"))? {
                    Value::Other(PyBool::new(py, training).to_owned().into_any().unbind())
                } else {
                    Value::of(&value)?
                };
                found.push((name.unbind(), value));
            }
            all.push(Guard { module, training, attributes: found });
        }
        Ok(Self { all, seen: AtomicU64::new(0) })
    }

    /// Whether one of the modules is no longer there.
    pub(crate) fn are_gone(&self, py: Python<'_>) -> bool {
        self.all.iter().any(|guard| guard.module.bind(py).upgrade().is_none())
    }

    /// Names the Python objects that they keep.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for (name, value) in self.all.iter().flat_map(|guard| &guard.attributes) {
            visit.call(name)?;
            if let Value::Other(value) = value {
                visit.call(value)?;
            }
        }
        Ok(())
    }

    /// Whether all is still so.
    pub(crate) fn hold(&self, py: Python<'_>) -> PyResult<bool> {
        let now = CHANGES.load(Relaxed);
        if self.seen.load(Relaxed) == now {
            return Ok(true);
        }
        for guard in &self.all {
            if !guard.holds(py)? {
                return Ok(false);
            }
        }
        self.seen.store(now, Relaxed);
        Ok(true)
    }
}
