//! Compiled steps: recording, and programs that are run again; `rgrad.compile` is written with these.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rgrad_engine::compile::{self, Recording, Replay};

use crate::args::Tensors;
use crate::autograd::place;
use crate::error::{run, to_py};
use crate::tensor::PyTensor;

/// What a program depends on that Python keeps: settings and counts of an optimizer.
pub(crate) trait Outside: Send + Sync {
    /// Hands what Python has now to the program, which is about to run; false if it is no longer what the program updates.
    fn prepare(&self, py: Python<'_>) -> PyResult<bool>;
    /// Hands what the program has now to Python.
    fn settle(&self, py: Python<'_>) -> PyResult<()>;
    /// Undoes what the recorded step did, which failed later.
    fn undo(&self, py: Python<'_>) -> PyResult<()>;
}

type Outsides = Vec<Box<dyn Outside>>;

thread_local! {
    static RECORDING: RefCell<Option<(Recording, Outsides)>> = const { RefCell::new(None) };
}

pub(crate) use rgrad_engine::compile::is_recording;

/// Notes what the step being recorded depends on.
pub(crate) fn note(outside: Box<dyn Outside>) {
    RECORDING.with_borrow_mut(|slot| {
        if let Some((_, outsides)) = slot {
            outsides.push(outside);
        }
    });
}

/// Starts recording on this thread what a function does with `arguments`, which are contiguous, and which it must not change
/// if they are `fixed`.
#[pyfunction]
#[pyo3(signature = (arguments, fixed=false))]
pub fn _record(arguments: Tensors, fixed: bool) -> PyResult<()> {
    compile::set_place(place);
    let recording = Recording::begin(&arguments.0).map_err(to_py)?;
    if fixed {
        recording.fix_arguments();
    }
    RECORDING.set(Some((recording, Vec::new())));
    Ok(())
}

/// Ends the recording, and puts everything back that it has changed.
#[pyfunction]
pub fn _abandon(py: Python<'_>) -> PyResult<()> {
    let Some((recording, outsides)) = RECORDING.take() else { return Ok(()) };
    drop(recording);
    outsides.iter().rev().try_for_each(|outside| outside.undo(py))
}

/// Ends the recording: the program of a function that returned `outputs`, after the passes that are not named in `without`.
#[pyfunction]
pub fn _recorded(py: Python<'_>, outputs: Tensors, without: Vec<String>) -> PyResult<PyProgram> {
    let Some((recording, outsides)) = RECORDING.take() else {
        return Err(PyRuntimeError::new_err("compile: nothing is being recorded on this thread"));
    };
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    let replay = recording.finish(&outputs.0).and_then(|program| Replay::new(program, &without));
    match replay {
        Ok(replay) => Ok(PyProgram { replay: Mutex::new(replay), outsides }),
        Err(error) => {
            outsides.iter().rev().try_for_each(|outside| outside.undo(py))?;
            Err(to_py(error))
        }
    }
}

/// A recorded function that can be run again.
#[pyclass(name = "Program", module = "rgrad", frozen)]
pub struct PyProgram {
    pub(crate) replay: Mutex<Replay>,
    outsides: Outsides,
}

impl PyProgram {
    /// Hands what Python has to the program, which is about to run; false if it has to be recorded anew.
    pub(crate) fn prepare(&self, py: Python<'_>) -> PyResult<bool> {
        for outside in &self.outsides {
            if !outside.prepare(py)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands what the program has to Python, after it has run or failed.
    pub(crate) fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.outsides.iter().try_for_each(|outside| outside.settle(py))
    }
}

#[pymethods]
impl PyProgram {
    /// Runs the program `times` times, and returns the least time that each instruction took, in seconds.
    fn profile(&self, py: Python<'_>, arguments: Tensors, times: usize) -> PyResult<Vec<f64>> {
        run(py, usize::MAX, || self.replay.lock().unwrap_or_else(PoisonError::into_inner).profile(&arguments.0, times))
    }
    fn __str__(&self) -> String {
        self.replay.lock().unwrap_or_else(PoisonError::into_inner).program().to_string()
    }

    /// Runs the program on arguments of the recorded shapes and dtypes; None if what it was recorded with is no longer there.
    fn run(&self, py: Python<'_>, arguments: Tensors) -> PyResult<Option<Vec<PyTensor>>> {
        if !self.prepare(py)? {
            return Ok(None);
        }
        let made = run(py, usize::MAX, || {
            let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
            if replay.is_valid() { replay.run(&arguments.0).map(Some) } else { Ok(None) }
        });
        self.settle(py)?;
        Ok(made?.map(|all| all.into_iter().map(Into::into).collect()))
    }
}
