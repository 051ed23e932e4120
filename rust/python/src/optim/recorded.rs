//! Steps of optimizers in compiled steps: what Python keeps is read when a program is about to run, and written afterwards.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::Tensor;
use rgrad_engine::optim::{Counts, Rule, SharedCounts, Update};
use rgrad_kernels::lock::Lock;

use super::{Settings, counts_of};
use crate::compile;
use crate::entry::prelude::*;
use crate::tensor::PyTensor;

/// A parameter of a recorded step.
pub(super) struct Parameter {
    /// Its group, and its place there.
    pub(super) at: (usize, usize),
    pub(super) param: Py<PyAny>,
    /// The dict of its state, if it has one.
    pub(super) dict: Option<Py<PyDict>>,
    /// The tensors that the program updates, by the names and as the objects that they are in the dict.
    pub(super) state: Vec<(Py<PyString>, Py<PyAny>, Tensor)>,
    /// The dict of its state before the step, if there was one.
    pub(super) before: Option<Py<PyDict>>,
}

/// Names and values of a group's settings.
pub(super) type Known = Vec<(Py<PyAny>, Py<PyAny>)>;

/// What was read from Python last: as long as it finds the same objects, a program need not convert them again.
pub(super) struct Seen<R> {
    /// Of each group, its settings, and what they are together.
    pub(super) groups: Vec<(Known, R)>,
    /// Of each parameter, the number of its steps as it is in the dict.
    pub(super) steps: Vec<Option<Py<PyAny>>>,
}

impl<R> Default for Seen<R> {
    fn default() -> Self {
        Self { groups: Vec::new(), steps: Vec::new() }
    }
}

/// A recorded step: it reads settings and counts when a program is about to run, and writes counts afterwards.
pub(super) struct Recorded<R> {
    pub(super) groups: Py<PyList>,
    pub(super) state: Py<PyDict>,
    #[expect(clippy::type_complexity, reason = "a function of settings")]
    pub(super) read: Box<dyn for<'a, 'b> Fn(&Settings<'a, 'b>) -> PyResult<R> + Send + Sync>,
    pub(super) update: Arc<Update<R>>,
    pub(super) parameters: Vec<Parameter>,
    /// How many parameters each group has.
    pub(super) sizes: Vec<usize>,
    pub(super) seen: Lock<Seen<R>>,
}

impl<R: Rule + 'static> Recorded<R> {
    fn dict<'py>(&self, py: Python<'py>, parameter: &Parameter) -> PyResult<Option<Bound<'py, PyDict>>> {
        let found = self.state.bind(py).get_item(&parameter.param)?;
        Ok(found.and_then(|kept| kept.cast_into().ok()))
    }

    /// Whether groups have the parameters that they had.
    fn has_same_parameters(&self, groups: &Bound<'_, PyList>) -> PyResult<bool> {
        let py = groups.py();
        if groups.len() != self.sizes.len() {
            return Ok(false);
        }
        let mut own = self.parameters.iter().peekable();
        for (number, (group, &size)) in groups.iter().zip(&self.sizes).enumerate() {
            let params = Settings(group.cast()?).params()?;
            if params.len() != size {
                return Ok(false);
            }
            while let Some(parameter) = own.next_if(|p| p.at.0 == number) {
                if !params.get_item(parameter.at.1)?.is(parameter.param.bind(py)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Reads the settings of groups that have others than before; whether there were any.
    fn read(&self, groups: &Bound<'_, PyList>, seen: &mut Seen<R>) -> PyResult<bool> {
        let py = groups.py();
        let mut changed = false;
        for (number, group) in groups.iter().enumerate() {
            let group = group.cast_into::<PyDict>()?;
            if let Some((known, _)) = seen.groups.get(number)
                && known.len() == group.len()
            {
                let mut same = true;
                for (name, value) in known {
                    same = same && group.get_item(name)?.is_some_and(|now| now.is(value.bind(py)));
                }
                if same {
                    continue;
                }
            }
            let rule = (self.read)(&Settings(&group))?;
            let mut settings: Vec<_> = group.iter().map(|(name, value)| (name.unbind(), value.unbind())).collect();
            // What can change without becoming another object is read every time.
            if group.iter().any(|(name, value)| !is_constant(&value) && !name.eq("params").unwrap_or(false)) {
                settings.clear();
            }
            seen.groups.truncate(number);
            seen.groups.push((settings, rule));
            changed = true;
        }
        Ok(changed)
    }
}

fn is_constant(value: &Bound<'_, PyAny>) -> bool {
    let tuple = value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|item| is_constant(&item)));
    tuple
        || value.is_none()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyString>()
}

impl<R: Rule + 'static> compile::Outside for Recorded<R> {
    fn prepare(&self, py: Python<'_>) -> PyResult<bool> {
        let groups = self.groups.bind(py);
        if !self.has_same_parameters(groups)? {
            return Ok(false);
        }
        let Some(mut seen) = self.seen.try_lock() else {
            return Err(PyRuntimeError::new_err("compile: an optimizer's setting calls the step that reads it"));
        };
        let seen = &mut *seen;
        if seen.steps.len() != self.parameters.len() {
            // It was lost when the process forked.
            return Ok(false);
        }
        let mut changed = self.read(groups, seen)?;
        for (parameter, own) in self.parameters.iter().zip(&seen.steps) {
            if seen.groups[parameter.at.0].1.states().len() != parameter.state.len() {
                return Ok(false);
            }
            if parameter.state.is_empty() {
                continue;
            }
            let Some(dict) = self.dict(py, parameter)? else { return Ok(false) };
            if !parameter.dict.as_ref().is_some_and(|own| own.is(&dict)) {
                return Ok(false);
            }
            for (name, object, tensor) in &parameter.state {
                let Some(theirs) = dict.get_item(name)? else { return Ok(false) };
                let same = || theirs.cast::<PyTensor>().is_ok_and(|theirs| theirs.get().inner.is_same(tensor));
                if !theirs.is(object) && !same() {
                    return Ok(false);
                }
            }
            changed |= R::COUNTS.len() > 1;
            if R::COUNTS.len() == 1 && !changed {
                let step = dict.get_item(intern!(py, "step"))?;
                changed = !step.is_some_and(|step| own.as_ref().is_some_and(|own| step.is(own.bind(py))));
            }
        }
        if changed {
            let (mut rules, mut counts) = (Vec::new(), Vec::new());
            for parameter in &self.parameters {
                counts.push(match &parameter.dict {
                    Some(dict) if !parameter.state.is_empty() => counts_of::<R>(dict.bind(py), parameter.at.1)?,
                    _ => Counts::default(),
                });
                rules.push(seen.groups[parameter.at.0].1);
            }
            self.update.set(rules, counts);
        }
        Ok(true)
    }

    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        if R::COUNTS.is_empty() {
            return Ok(());
        }
        let seen = &mut *self.seen.lock();
        // Nearly always all parameters have made as many steps: one object is enough for them.
        let mut last: Option<(u64, Py<PyAny>)> = None;
        let all = self.update.counts().lock().clone();
        for ((parameter, counts), own) in self.parameters.iter().zip(all).zip(&mut seen.steps) {
            let Some(dict) = parameter.dict.as_ref().filter(|_| !parameter.state.is_empty()) else { continue };
            let step = match &last {
                Some((count, step)) if *count == counts.step => step.clone_ref(py),
                _ => counts.step.into_pyobject(py)?.into_any().unbind(),
            };
            let dict = dict.bind(py);
            dict.set_item(intern!(py, "step"), &step)?;
            if R::COUNTS.len() > 1 {
                dict.set_item(intern!(py, "mu_product"), counts.mu_product)?;
            }
            *own = Some(step.clone_ref(py));
            last = Some((counts.step, step));
        }
        Ok(())
    }

    fn counts_of(&self, state: &Bound<'_, PyDict>, params: &[Bound<'_, PyAny>]) -> PyResult<Option<SharedCounts>> {
        let own = || self.parameters.iter().map(|p| p.param.bind(state.py()));
        if !self.state.bind(state.py()).is(state) || !own().any(|p| params.iter().any(|other| other.is(p))) {
            return Ok(None);
        }
        if own().len() != params.len() || !own().zip(params).all(|(p, other)| p.is(other)) {
            return Err(PyRuntimeError::new_err(
                "compile: an optimizer makes two steps inside a compiled step, with gradients of different parameters, of \
                 which some are in both: give each set of parameters an optimizer of its own",
            ));
        }
        Ok(Some(self.update.counts().clone()))
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.groups)?;
        visit.call(&self.state)?;
        for parameter in &self.parameters {
            visit.call(&parameter.param)?;
            visit.call(&parameter.dict)?;
            visit.call(&parameter.before)?;
            for (name, object, _) in &parameter.state {
                visit.call(name)?;
                visit.call(object)?;
            }
        }
        // What is in use is not garbage.
        let Some(seen) = self.seen.try_lock() else { return Ok(()) };
        for (name, value) in seen.groups.iter().flat_map(|(known, _)| known) {
            visit.call(name)?;
            visit.call(value)?;
        }
        seen.steps.iter().flatten().try_for_each(|step| visit.call(step))
    }

    fn undo(&self, py: Python<'_>) -> PyResult<()> {
        let all = self.state.bind(py);
        for parameter in &self.parameters {
            match &parameter.before {
                Some(before) => {
                    if let Some(dict) = self.dict(py, parameter)? {
                        dict.clear();
                        dict.update(before.bind(py).as_mapping())?;
                    }
                }
                None if all.contains(&parameter.param)? => all.del_item(&parameter.param)?,
                None => {}
            }
        }
        Ok(())
    }
}
