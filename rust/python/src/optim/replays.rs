//! Steps of optimizers in compiled steps, whose settings are those of the time when the program runs.

use std::sync::Arc;

use pyo3::types::{PyDict, PyList};
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::optim::{AnyRule, Update};
use rgrad_kernels::lock::Lock;

use super::{Before, PyGroup, PyState, group_at};
use crate::compile;
use crate::entry::prelude::*;

/// A parameter that the program updates.
pub(super) struct Stepped {
    /// Its group, and its place there.
    at: (usize, usize),
    param: Py<PyAny>,
    rule: AnyRule,
    /// What is kept of it, if its rule keeps anything, and the version after the step.
    state: Option<(Py<PyState>, u64)>,
    /// What was kept before the step, if there was anything.
    before: Option<Before>,
}

impl Stepped {
    pub(super) fn new(
        at: (usize, usize),
        param: Bound<'_, PyAny>,
        rule: AnyRule,
        state: Option<Bound<'_, PyState>>,
        before: Option<Before>,
    ) -> Self {
        let state = state.map(|state| {
            let version = state.get().version();
            (state.unbind(), version)
        });
        Self { at, param: param.unbind(), rule, state, before }
    }
}

/// A recorded step.
pub(super) struct Replays {
    list: Py<PyList>,
    /// The groups, and how many parameters each has.
    groups: Vec<(Py<PyGroup>, usize)>,
    state: Py<PyDict>,
    update: Arc<Update>,
    parameters: Vec<Stepped>,
    /// The version of each group that the program has; None if it has to be asked for its settings.
    versions: Lock<Vec<Option<u64>>>,
}

impl Replays {
    pub(super) fn new(groups: &Bound<'_, PyList>, state: &Bound<'_, PyDict>, update: Arc<Update>) -> PyResult<Self> {
        let py = groups.py();
        let each = |number| {
            let group = group_at(groups, number)?;
            let len = group.get().params(py)?.len();
            Ok((group.unbind(), len))
        };
        Ok(Self {
            list: groups.clone().unbind(),
            groups: (0..groups.len()).map(each).collect::<PyResult<_>>()?,
            state: state.clone().unbind(),
            update,
            parameters: Vec::new(),
            versions: Lock::default(),
        })
    }

    pub(super) fn add(&mut self, stepped: Stepped) {
        self.parameters.push(stepped);
    }

    /// Whether groups have the parameters that they had.
    fn has_same_parameters(&self, py: Python<'_>) -> PyResult<bool> {
        let list = self.list.bind(py);
        if list.len() != self.groups.len() {
            return Ok(false);
        }
        let mut own = self.parameters.iter().peekable();
        for (number, (group, len)) in self.groups.iter().enumerate() {
            let params = group.get().params(py)?;
            if !list.get_item(number)?.is(group) || params.len() != *len {
                return Ok(false);
            }
            while let Some(parameter) = own.next_if(|p| p.at.0 == number) {
                if !params.get_item(parameter.at.1)?.is(&parameter.param) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether the program updates the state that there is.
    fn has_same_state(&self, py: Python<'_>) -> PyResult<bool> {
        let all = self.state.bind(py);
        for parameter in &self.parameters {
            if let Some((state, version)) = &parameter.state
                && (state.get().version() != *version || !all.get_item(&parameter.param)?.is_some_and(|s| s.is(state)))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl compile::Outside for Replays {
    fn prepare(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.has_same_parameters(py)? || !self.has_same_state(py)? {
            return Ok(false);
        }
        let is_known = {
            let versions = self.versions.lock();
            versions.len() == self.groups.len()
                && self.groups.iter().zip(&*versions).all(|((group, _), v)| v.is_some() && group.get().version() == *v)
        };
        if is_known {
            return Ok(true);
        }
        let versions = self.groups.iter().map(|(group, _)| group.get().version()).collect();
        let rules = self.groups.iter().map(|(group, _)| group.get().rule(py)).collect::<PyResult<Vec<_>>>()?;
        let rules: Vec<_> = self.parameters.iter().map(|p| rules[p.at.0]).collect();
        if self.parameters.iter().zip(&rules).any(|(p, rule)| p.rule.states() != rule.states()) {
            return Ok(false);
        }
        self.update.set(rules);
        *self.versions.lock() = versions;
        Ok(true)
    }

    fn undo(&self, py: Python<'_>) -> PyResult<()> {
        let all = self.state.bind(py);
        for parameter in &self.parameters {
            match (&parameter.state, &parameter.before) {
                (Some((state, _)), Some(before)) => state.get().restore(py, before),
                (_, None) if all.contains(&parameter.param)? => all.del_item(&parameter.param)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.list)?;
        visit.call(&self.state)?;
        self.groups.iter().try_for_each(|(group, _)| visit.call(group))?;
        for parameter in &self.parameters {
            visit.call(&parameter.param)?;
            if let Some((state, _)) = &parameter.state {
                visit.call(state)?;
            }
        }
        Ok(())
    }
}
