//! Compiled steps: recording a function, and the recorded program.
//!
//! `rgrad._compile.compiled` calls [`_record`], the function itself, and [`_recorded`], or [`_abandon`] after an exception, and
//! keeps the program in a [`PyCompiled`], which finds it again in later calls. A program runs in three steps:
//! [`prepare`](PyProgram::prepare) copies Python's state of optimizers to it, the engine replays it, and
//! [`settle`](PyProgram::settle) copies the state back.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::compile::{self, Program, Recording, Replay};
use rgrad_engine::{Error, ErrorKind, Tensor};
use rgrad_kernels::lock::{Guard, Lock};

use crate::args::Tensors;
use crate::autograd::place;
use crate::compiled::PyCompiled;
use crate::entry::boundary;
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::guards::{Change, Guards, Met, real_changes};
use crate::places::PyPlaces;
use crate::tensor::PyTensor;
use crate::turn::{Mine, Turn};

/// State that Python can change and a program depends on: the parameters, settings and state of an optimizer.
pub(crate) trait Outside: Send + Sync {
    /// Copies Python's current state to the program, which is about to run; false if the program updates another one.
    fn prepare(&self, py: Python<'_>) -> PyResult<bool>;
    /// Undoes the recorded step, which failed later.
    fn undo(&self, py: Python<'_>) -> PyResult<()>;
    /// Names the Python objects that it keeps.
    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError>;
}

/// The recording on this thread.
struct Watch {
    turn: Mine,
    recording: Recording,
    arguments: Vec<Tensor>,
    outsides: Vec<Box<dyn Outside>>,
    met: Vec<Met>,
    changes: Vec<Change>,
    /// Called with each of the user's functions that the engine is about to call.
    called: Option<Py<PyAny>>,
}

thread_local! {
    static RECORDING: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

pub(crate) use rgrad_engine::compile::is_recording;

fn watch(f: impl FnOnce(&mut Watch)) {
    RECORDING.with_borrow_mut(|slot| slot.as_mut().map(f));
}

/// Registers state that the step being recorded depends on.
pub(crate) fn note(outside: Box<dyn Outside>) {
    watch(|w| w.outsides.push(outside));
}

/// Records that the step is about to call a function that the user has registered.
pub(crate) fn note_called(function: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut called = None;
    watch(|w| called = w.called.as_ref().map(|called| called.clone_ref(function.py())));
    called.map_or(Ok(()), |called| called.call1(function.py(), (function,)).map(drop))
}

/// Starts recording on this thread what a function does with `arguments`. The function must be called with the returned tensors,
/// and must not change them if they are `fixed`. `called` gets each hook before it runs. Until the recording ends, no other
/// thread holds a program of the same `compiled` function.
#[pyfunction]
#[pyo3(signature = (compiled, arguments, fixed=false, called: "collections.abc.Callable[[Any], None] | None"=None))]
pub fn _record(
    compiled: &Bound<'_, PyCompiled>,
    arguments: Tensors,
    fixed: bool,
    called: Option<Py<PyAny>>,
) -> PyResult<Vec<PyTensor>> {
    let turn = compiled.get().turn.take(compiled.py());
    compile::set_place(place);
    let (recording, copies) = Recording::begin(&arguments.0).map_err(to_py)?;
    if fixed {
        recording.fix(&arguments.0);
    }
    let watch = Watch {
        turn,
        recording,
        arguments: arguments.0,
        outsides: Vec::new(),
        met: Vec::new(),
        changes: Vec::new(),
        called,
    };
    RECORDING.set(Some(watch));
    Ok(copies.into_iter().map(Into::into).collect())
}

/// Whether this thread is recording.
#[pyfunction]
pub fn _is_recording() -> bool {
    is_recording()
}

/// Records that the step calls a module.
#[pyfunction]
pub fn _meet(module: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut result = Ok(());
    watch(|w| {
        if !w.met.iter().any(|met| met.is(module)) {
            result = Met::new(module).map(|met| w.met.push(met));
        }
    });
    result
}

/// Records that an attribute of a module is about to change.
#[pyfunction]
pub fn _changing(module: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let change = Change::new(module, name)?;
    watch(|w| w.changes.extend(change));
    Ok(())
}

/// `RuntimeError` while a step is being recorded: `what` cannot be replayed, and `instead` says what to write.
#[pyfunction]
pub fn _refuse(what: &str, instead: &str) -> PyResult<()> {
    if is_recording() {
        let text = format!("compile: {what} inside a compiled step ({}): {instead}", place());
        return Err(PyRuntimeError::new_err(text));
    }
    Ok(())
}

fn undo(py: Python<'_>, outsides: &[Box<dyn Outside>], changes: Vec<Change>) -> PyResult<()> {
    outsides.iter().rev().try_for_each(|outside| outside.undo(py))?;
    changes.into_iter().rev().try_for_each(|change| change.undo(py))
}

/// Aborts the recording, and undoes all of its changes.
#[pyfunction]
pub fn _abandon(py: Python<'_>) -> PyResult<()> {
    let Some(Watch { turn: _turn, recording, outsides, changes, .. }) = RECORDING.take() else { return Ok(()) };
    drop(recording);
    undo(py, &outsides, changes)
}

/// Ends the recording of a function that returned `outputs`. Returns its program, after all passes but those in `without`, the
/// results, and the names of what the function has changed, at `places` and in modules.
#[pyfunction]
pub fn _recorded(
    py: Python<'_>,
    outputs: Tensors,
    without: Vec<String>,
    places: Py<PyPlaces>,
) -> PyResult<(PyProgram, Vec<PyTensor>, Vec<String>)> {
    let Some(Watch { turn, recording, arguments, outsides, met, changes, .. }) = RECORDING.take() else {
        return Err(PyRuntimeError::new_err("compile: nothing is being recorded on this thread"));
    };
    let finish = || -> PyResult<_> {
        let mut names = real_changes(py, &changes)?;
        names.extend(places.get().changes(py)?);
        let guards = Guards::new(py, places, met, &changes)?;
        let (mut before, without) = (String::new(), without.iter().map(String::as_str).collect::<Vec<_>>());
        let make = |program: Program| {
            before = program.to_string();
            Replay::new(program, &without)
        };
        let (replay, results) = recording.finish(&outputs.0, &arguments, make).map_err(to_py)?;
        Ok((guards, replay, before, results, names))
    };
    match boundary(finish) {
        Ok((guards, replay, before, results, names)) => {
            let program = PyProgram { replay: Lock::new(Some(replay)), turn: turn.of(), outsides, guards, before };
            Ok((program, results.into_iter().map(Into::into).collect(), names))
        }
        Err(error) => {
            undo(py, &outsides, changes)?;
            Err(error)
        }
    }
}

/// A recorded function that can be replayed.
#[pyclass(name = "Program", module = "rgrad", frozen)]
pub struct PyProgram {
    /// Locked only by the thread whose turn it is.
    replay: Lock<Option<Replay>>,
    turn: Arc<Turn>,
    outsides: Vec<Box<dyn Outside>>,
    guards: Guards,
    before: String,
}

impl PyProgram {
    /// Whether everything that it was recorded with is unchanged.
    pub(crate) fn fits(&self, py: Python<'_>) -> PyResult<bool> {
        self.guards.hold(py)
    }

    /// The name of something that has changed.
    pub(crate) fn change(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.guards.change(py)
    }

    /// Whether it was recorded with modules that no longer exist.
    pub(crate) fn is_gone(&self, py: Python<'_>) -> bool {
        self.guards.are_gone(py)
    }

    /// Lets `f` run the program, after reading the state that Python keeps; None if something that it was recorded with no
    /// longer exists.
    pub(crate) fn with<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Replay) -> rgrad_engine::Result<R> + Send,
    ) -> PyResult<Option<R>> {
        let _turn = self.turn(py);
        if !self.prepare(py)? {
            return Ok(None);
        }
        run(py, usize::MAX, || match &mut *self.replay()? {
            Some(replay) if replay.is_valid() => f(replay).map(Some),
            _ => Ok(None),
        })
    }

    /// The program itself, for a thread that has the turn but not the GIL, which the holder of the program may need. None if a
    /// fork happened while another thread held it. `RuntimeError` if this thread holds it already.
    pub(crate) fn replay(&self) -> rgrad_engine::Result<Guard<'_, Option<Replay>>> {
        self.replay.try_lock().ok_or_else(|| Error {
            kind: ErrorKind::Runtime,
            message:
                "compile: a step was asked for its program by what it was dropping while it ran; let the finalizer \
                      only note what is to be done, and do it after the step"
                    .into(),
        })
    }

    /// The result of `f` on the program.
    fn ask<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Replay) -> rgrad_engine::Result<R> + Send,
    ) -> PyResult<R> {
        let _turn = self.turn(py);
        run(py, usize::MAX, || {
            match &mut *self.replay()? {
            Some(replay) => f(replay),
            None => Err(Error {
                kind: ErrorKind::Runtime,
                message: "compile: this program was running in another thread when the process forked; call the function again, \
                          which records it anew"
                    .into(),
            }),
        }
        })
    }

    /// Waits until no other thread holds a program of the function.
    pub(crate) fn turn(&self, py: Python<'_>) -> Mine {
        self.turn.take(py)
    }

    /// Copies Python's state to the program, which is about to run; false if it has to be recorded again.
    pub(crate) fn prepare(&self, py: Python<'_>) -> PyResult<bool> {
        for outside in &self.outsides {
            if !outside.prepare(py)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[pymethods]
impl PyProgram {
    /// Runs the program `times` times, and returns the minimum time of each instruction in seconds.
    fn profile(&self, py: Python<'_>, arguments: Tensors, times: usize) -> PyResult<Vec<f64>> {
        self.ask(py, |replay| replay.profile(&arguments.0, times))
    }

    // No `__clear__`: the other members of any cycle can be cleared.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.outsides.iter().try_for_each(|outside| outside.visit(&visit))?;
        self.guards.visit(&visit)
    }

    /// The program as it runs.
    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |replay| Ok(replay.program().to_string()))
    }

    /// The program as it was recorded.
    #[getter]
    fn recorded(&self) -> &str {
        &self.before
    }

    /// Floating-point operations, bytes read and written, instructions, and bytes of buffers.
    #[pyo3(signature = () -> "dict[str, float]")]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let cost = self.ask(py, |replay| Ok(replay.program().cost()))?;
        let all = PyDict::new(py);
        all.set_item("flops", cost.flops)?;
        all.set_item("bytes", cost.bytes)?;
        all.set_item("instructions", cost.instructions)?;
        all.set_item("memory", cost.memory)?;
        Ok(all)
    }
}
