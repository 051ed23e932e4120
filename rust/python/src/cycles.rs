//! Reference cycles through tensors: a hook that refers to its tensor, a rule of a `Function` that refers to its result.
//!
//! Python's collector visits every object several times in one collection, and frees objects in use if the answers differ. Other
//! threads keep running in the engine meanwhile, so a tensor's first answer holds until the collection ends.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::op::Foreign;
use rgrad_engine::tape;
use rgrad_kernels::lock::Lock;

use crate::autograd::Called;
use crate::custom::Rules;
use crate::entry::prelude::*;
use crate::tensor::PyTensor;

/// State of the current collection.
struct Collection {
    /// Remaining search steps.
    budget: usize,
    answers: HashMap<usize, Arc<[Foreign]>>,
}

static COLLECTION: Lock<Option<Collection>> = Lock::new(None);

/// Search steps in a collection of each generation: only a full collection searches a graph of a million nodes.
const BUDGETS: [usize; 3] = [0, 10_000, 1_000_000];

/// Python calls it when a collection starts and stops.
#[pyfunction]
fn _collecting(phase: &str, info: &Bound<'_, PyDict>) -> PyResult<()> {
    let next = if phase == "start" {
        let generation: Option<usize> = info.get_item("generation")?.and_then(|generation| generation.extract().ok());
        let budget = BUDGETS[generation.unwrap_or(2).min(2)];
        Some(Collection { budget, answers: HashMap::new() })
    } else {
        None
    };
    let before = std::mem::replace(&mut *COLLECTION.lock(), next);
    // Dropped after the lock: it may hold the last references to hooks.
    drop(before);
    Ok(())
}

/// Follows Python's collections from the first hook on.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    static WATCHED: PyOnceLock<()> = PyOnceLock::new();
    WATCHED.get_or_try_init(py, || {
        let collecting = wrap_pyfunction!(_collecting, py)?;
        py.import("gc")?.getattr("callbacks")?.call_method1("append", (collecting,)).map(|_| ())
    })?;
    Ok(())
}

/// What only `t` keeps alive, as of the first visit in this collection.
fn answer(t: &PyTensor) -> Arc<[Foreign]> {
    let none = || Arc::from([]);
    let Some(mut collection) = COLLECTION.try_lock() else { return none() };
    let Some(Collection { budget, answers }) = &mut *collection else { return none() };
    let key = std::ptr::from_ref(t).addr();
    match answers.get(&key) {
        Some(answer) => answer.clone(),
        None if !tape::may_own(&t.inner) => none(),
        None => answers.entry(key).or_insert(tape::owned(&t.inner, budget).into()).clone(),
    }
}

#[pymethods]
impl PyTensor {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for foreign in &*answer(self) {
            if let Some(Called(hook)) = foreign.downcast_ref() {
                visit.call(hook)?;
            } else if let Some(Rules { backward, jvp }) = foreign.downcast_ref() {
                visit.call(backward)?;
                visit.call(jvp)?;
            }
        }
        Ok(())
    }

    /// What rules refer to can be cleared by itself.
    fn __clear__(&self) {
        if tape::may_own(&self.inner) {
            tape::remove_hooks(&self.inner);
        }
    }
}

impl Drop for PyTensor {
    fn drop(&mut self) {
        tape::break_cycle(&self.inner);
    }
}
