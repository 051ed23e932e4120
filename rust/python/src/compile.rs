//! Compiled steps: recording, and programs that are run again; `rgrad.compile` is written with these.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::compile::{self, Program, Recording, Replay};
use rgrad_engine::optim::SharedCounts;
use rgrad_engine::{Error, Kind, Tensor};
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

/// What a program depends on that Python keeps: settings and counts of an optimizer.
pub(crate) trait Outside: Send + Sync {
    /// Hands what Python has now to the program, which is about to run; false if it is no longer what the program updates.
    fn prepare(&self, py: Python<'_>) -> PyResult<bool>;
    /// Hands what the program has now to Python.
    fn settle(&self, py: Python<'_>) -> PyResult<()>;
    /// Undoes what the recorded step did, which failed later.
    fn undo(&self, py: Python<'_>) -> PyResult<()>;
    /// The counts of these parameters, if the state is that of the same optimizer.
    fn counts_of(&self, state: &Bound<'_, PyDict>, params: &[Bound<'_, PyAny>]) -> PyResult<Option<SharedCounts>>;
    /// Names the Python objects that it keeps.
    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError>;
}

/// What this thread records.
struct Watch {
    turn: Mine,
    recording: Recording,
    arguments: Vec<Tensor>,
    outsides: Vec<Box<dyn Outside>>,
    met: Vec<Met>,
    changes: Vec<Change>,
    /// What to tell of the user's functions that the engine calls.
    called: Option<Py<PyAny>>,
}

thread_local! {
    static RECORDING: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

pub(crate) use rgrad_engine::compile::is_recording;

fn watch(f: impl FnOnce(&mut Watch)) {
    RECORDING.with_borrow_mut(|slot| slot.as_mut().map(f));
}

/// Notes what the step being recorded depends on.
pub(crate) fn note(outside: Box<dyn Outside>) {
    watch(|w| w.outsides.push(outside));
}

/// The counts of an optimizer's parameters in the step being recorded, if it has made a step of theirs already.
pub(crate) fn counts_of(state: &Bound<'_, PyDict>, params: &[Bound<'_, PyAny>]) -> PyResult<Option<SharedCounts>> {
    let mut found = Ok(None);
    watch(|w| found = w.outsides.iter().rev().find_map(|o| o.counts_of(state, params).transpose()).transpose());
    found
}

/// Notes that the step being recorded is about to call a function that the user has registered.
pub(crate) fn note_called(function: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut called = None;
    watch(|w| called = w.called.as_ref().map(|called| called.clone_ref(function.py())));
    called.map_or(Ok(()), |called| called.call1(function.py(), (function,)).map(drop))
}

/// Starts recording on this thread what a function does with `arguments`: it is to be called with the tensors that are
/// returned, and must not change them if they are `fixed`. Hooks that are called meanwhile are told to `called` before. Until
/// the recording ends, no other thread has a program of the same `compiled` function.
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

/// Whether this thread records.
#[pyfunction]
pub fn _is_recording() -> bool {
    is_recording()
}

/// Notes that the step being recorded calls a module.
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

/// Notes that an attribute of a module is about to change.
#[pyfunction]
pub fn _changing(module: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let change = Change::new(module, name)?;
    watch(|w| w.changes.extend(change));
    Ok(())
}

/// `RuntimeError` while a step is being recorded: `what` cannot be repeated, `instead` says what to write.
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

/// Ends the recording, and puts everything back that it has changed.
#[pyfunction]
pub fn _abandon(py: Python<'_>) -> PyResult<()> {
    let Some(Watch { turn: _turn, recording, outsides, changes, .. }) = RECORDING.take() else { return Ok(()) };
    drop(recording);
    undo(py, &outsides, changes)
}

/// Ends the recording of a function that returned `outputs`: its program, after the passes that are not named in `without`,
/// the results, and the names of what it has left otherwise than it found it, at `places` and in modules.
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

/// A recorded function that can be run again.
#[pyclass(name = "Program", module = "rgrad", frozen)]
pub struct PyProgram {
    /// Locked by who has the turn only.
    replay: Lock<Option<Replay>>,
    turn: Arc<Turn>,
    outsides: Vec<Box<dyn Outside>>,
    guards: Guards,
    before: String,
}

impl PyProgram {
    /// Whether what it was recorded with is as it was then.
    pub(crate) fn fits(&self, py: Python<'_>) -> PyResult<bool> {
        self.guards.hold(py)
    }

    /// The name of something that is not as it was.
    pub(crate) fn change(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.guards.change(py)
    }

    /// Whether it was recorded with modules that are no longer there.
    pub(crate) fn is_gone(&self, py: Python<'_>) -> bool {
        self.guards.are_gone(py)
    }

    /// Lets `f` run the program, after what Python keeps was read, which is written afterwards; None if what it was recorded
    /// with is no longer there.
    pub(crate) fn with<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Replay) -> rgrad_engine::Result<R> + Send,
    ) -> PyResult<Option<R>> {
        let _turn = self.turn(py);
        if !self.prepare(py)? {
            return Ok(None);
        }
        let made = run(py, usize::MAX, || match &mut *self.replay()? {
            Some(replay) if replay.is_valid() => f(replay).map(Some),
            _ => Ok(None),
        });
        self.settle(py)?;
        made
    }

    /// The program itself, for a thread that has the turn, and not the interpreter: whoever has the program may need that. None if
    /// a fork has torn it from another thread. `RuntimeError` if this thread has it already.
    pub(crate) fn replay(&self) -> rgrad_engine::Result<Guard<'_, Option<Replay>>> {
        self.replay.try_lock().ok_or_else(|| Error {
            kind: Kind::Runtime,
            message:
                "compile: a step was asked for its program by what it was dropping while it ran; let the finalizer \
                      only note what is to be done, and do it after the step"
                    .into(),
        })
    }

    /// What `f` finds out about the program.
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
                kind: Kind::Runtime,
                message: "compile: this program was running in another thread when the process forked; call the function again, \
                          which records it anew"
                    .into(),
            }),
        }
        })
    }

    /// Waits until no other thread has a program of the function.
    pub(crate) fn turn(&self, py: Python<'_>) -> Mine {
        self.turn.take(py)
    }

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
        self.ask(py, |replay| replay.profile(&arguments.0, times))
    }

    // Whatever it could be part of a cycle with can be cleared.
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

    /// Floating-point operations, bytes that are read and written, instructions, and bytes of buffers.
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
