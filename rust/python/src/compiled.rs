//! `rgrad.compile`'s functions: finding the program of a call.
//!
//! A call looks for a program three times, each slower than the one before: the most recently used one by its positional
//! arguments ([`Entry::flat`]), the others likewise, and, in Python (`Compiled._call`), any by the structure of its arguments
//! ([`Entry::is_for`]). In each case [`guards`](crate::guards) must hold as well. Then the function is recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::intern;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};
use rgrad_engine::{DType, Tensor, op};
use rgrad_kernels::lock::Lock;

use crate::args::Tensors;
use crate::compile::{PyProgram, is_recording};
use crate::entry::prelude::*;
use crate::tensor::PyTensor;
use crate::turn::Turn;

/// What a program assumes about a tensor argument.
struct Signature {
    shape: Vec<usize>,
    /// Of non-contiguous tensors.
    strides: Option<Vec<usize>>,
    dtype: DType,
    requires_grad: bool,
}

impl Signature {
    fn of(t: &Tensor) -> Self {
        let strides = (!t.is_contiguous()).then(|| t.layout().strides.to_vec());
        Self { shape: t.shape().into(), strides, dtype: t.dtype(), requires_grad: t.requires_grad() }
    }

    fn fits(&self, t: &Tensor) -> bool {
        *t.shape() == self.shape[..]
            && t.dtype() == self.dtype
            && t.requires_grad() == self.requires_grad
            && match &self.strides {
                None => t.is_contiguous(),
                Some(strides) => !t.is_contiguous() && t.layout().strides[..] == strides[..],
            }
    }
}

/// A positional argument that can be compared without taking it apart.
enum Flat {
    Tensor,
    Object(Py<PyAny>),
    Weak(Py<PyWeakrefReference>),
}

/// How to build the function's return value from the resulting tensors.
#[derive(Clone, Copy)]
enum Kinds {
    /// One tensor.
    One,
    /// A tuple of tensors.
    Tuple,
    /// An immutable value without tensors.
    Constant,
    Other,
}

/// A program with the arguments for which it was recorded.
struct Entry {
    /// The structure of the arguments, and those that are not tensors.
    key: Py<PyAny>,
    tensors: Vec<Signature>,
    flat: Option<Vec<Flat>>,
    grad: bool,
    default: DType,
    program: Py<PyProgram>,
    kinds: Kinds,
    /// What the function returned, with placeholders for tensors.
    form: Py<PyAny>,
}

type Arguments = Vec<Tensor>;

impl Entry {
    /// The tensors among the arguments, if they have the signatures of this entry.
    fn flat(&self, args: &Bound<'_, PyTuple>) -> Option<Arguments> {
        let flat = self.flat.as_ref().filter(|flat| flat.len() == args.len())?;
        let (py, mut found) = (args.py(), Arguments::new());
        for (one, arg) in flat.iter().zip(args.iter_borrowed()) {
            match one {
                Flat::Tensor => {
                    let t = &arg.cast::<PyTensor>().ok()?.get().inner;
                    if !self.tensors[found.len()].fits(t) {
                        return None;
                    }
                    found.push(t.clone());
                }
                Flat::Object(own) if own.bind(py).is(&*arg) => {}
                Flat::Weak(own) if own.bind(py).upgrade().is_some_and(|own| own.is(&*arg)) => {}
                _ => return None,
            }
        }
        Some(found)
    }

    /// Whether it was recorded for such arguments.
    fn is_for(&self, py: Python<'_>, key: &Bound<'_, PyAny>, tensors: &[Tensor]) -> PyResult<bool> {
        Ok(self.tensors.len() == tensors.len()
            && self.tensors.iter().zip(tensors).all(|(kind, t)| kind.fits(t))
            && self.key.bind(py).eq(key)?)
    }

    fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.grad == op::is_grad_enabled()
            && self.default == DType::default_float()
            && self.program.get().fits(py)?)
    }

    fn run<'py>(&self, py: Python<'py>, arguments: &[Tensor]) -> PyResult<Option<Bound<'py, PyAny>>> {
        static REBUILD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let Some(mut results) = self.program.get().with(py, |replay| replay.run(arguments))? else { return Ok(None) };
        Ok(Some(match self.kinds {
            Kinds::One => Bound::new(py, PyTensor::from(results.remove(0)))?.into_any(),
            Kinds::Tuple => PyTuple::new(py, results.into_iter().map(PyTensor::from))?.into_any(),
            Kinds::Constant => self.form.bind(py).clone(),
            Kinds::Other => {
                let results: Vec<PyTensor> = results.into_iter().map(Into::into).collect();
                REBUILD.import(py, "rgrad.autograd.trees", "rebuilt")?.call1((&self.form, results))?
            }
        }))
    }
}

/// The part of `rgrad.compile`'s functions that keeps programs, and looks up the one for a call.
#[pyclass(name = "_Compiled", module = "rgrad._core", subclass, frozen)]
pub struct PyCompiled {
    /// Most recently used first.
    entries: Lock<Vec<Arc<Entry>>>,
    most: usize,
    pub(crate) turn: Arc<Turn>,
    /// How often programs were replayed.
    hits: AtomicU64,
}

impl PyCompiled {
    fn hit(&self, times: u64) {
        // Threads may lose a count: exactness is not worth an atomic read-modify-write in every call.
        self.hits.store(self.hits.load(Relaxed).wrapping_add(times), Relaxed);
    }

    fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.lock().iter().cloned().collect()
    }

    fn first(&self) -> Option<Arc<Entry>> {
        self.entries.lock().first().cloned()
    }

    fn to_front(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries.lock();
        if let Some(at) = entries.iter().position(|e| Arc::ptr_eq(e, entry)) {
            entries[..=at].rotate_right(1);
        }
    }

    fn remove(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries.lock();
        let at = entries.iter().position(|e| Arc::ptr_eq(e, entry));
        let removed = at.map(|at| entries.remove(at));
        // Dropping programs may run Python code.
        drop(entries);
        drop(removed);
    }

    /// Runs a matching program, or drops it if something that it was recorded with no longer exists.
    fn call<'py>(
        &self,
        py: Python<'py>,
        entry: &Arc<Entry>,
        arguments: &[Tensor],
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !entry.holds(py)? {
            return Ok(None);
        }
        let done = entry.run(py, arguments)?;
        match done {
            Some(_) => {
                self.hit(1);
                self.to_front(entry);
            }
            None => self.remove(entry),
        }
        Ok(done)
    }
}

/// Whether functions are recorded: `rgrad.config.compile`.
fn is_on(py: Python<'_>) -> PyResult<bool> {
    static CONFIG: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let config = CONFIG.get_or_try_init(py, || -> PyResult<_> {
        Ok(py.import("rgrad.config")?.getattr("__dict__")?.cast_into::<PyDict>()?.unbind())
    })?;
    config.bind(py).get_item(intern!(py, "compile"))?.map_or(Ok(true), |on| on.is_truthy())
}

#[pymethods]
impl PyCompiled {
    #[new]
    #[pyo3(signature = (most))]
    fn new(most: usize) -> Self {
        Self { entries: Lock::default(), most, turn: Arc::default(), hits: AtomicU64::new(0) }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A program in use is not garbage.
        let Some(entries) = self.entries.try_lock() else { return Ok(()) };
        for entry in entries.iter() {
            visit.call(&entry.key)?;
            visit.call(&entry.program)?;
            visit.call(&entry.form)?;
            for one in entry.flat.iter().flatten() {
                if let Flat::Object(own) = one {
                    visit.call(own)?;
                }
            }
        }
        Ok(())
    }

    fn __clear__(&self) -> PyResult<()> {
        self.clear()
    }

    /// Calls the function, or replays its program.
    #[pyo3(signature = (*args: "Any", **kwargs: "Any") -> "Any")]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if kwargs.is_none() && !is_recording() && is_on(py)? {
            let own = slf.get();
            if let Some(first) = own.first() {
                if let Some(arguments) = first.flat(args)
                    && first.holds(py)?
                {
                    match first.run(py, &arguments)? {
                        Some(results) => {
                            own.hit(1);
                            return Ok(results);
                        }
                        None => own.remove(&first),
                    }
                }
                for entry in own.all() {
                    if !Arc::ptr_eq(&entry, &first)
                        && let Some(arguments) = entry.flat(args)
                        && let Some(results) = own.call(py, &entry, &arguments)?
                    {
                        return Ok(results);
                    }
                }
            }
        }
        let none = PyDict::new(py);
        slf.call_method1(intern!(py, "_call"), (args, kwargs.unwrap_or(&none)))
    }

    /// What the program of these arguments returns, in a tuple; None if there is none.
    #[pyo3(signature = (key: "object", tensors) -> "tuple[Any] | None")]
    fn _find<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        tensors: Tensors,
    ) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        let (py, own) = (slf.py(), slf.get());
        for entry in own.all() {
            if entry.is_for(py, key, &tensors.0)?
                && let Some(results) = own.call(py, &entry, &tensors.0)?
            {
                return Ok(Some((results,)));
            }
        }
        Ok(None)
    }

    /// The program of these arguments, and what it returns, with placeholders for tensors; None if there is none.
    #[pyo3(signature = (key: "object", tensors) -> "tuple[Program, Any] | None")]
    fn _program_for(
        slf: &Bound<'_, Self>,
        key: &Bound<'_, PyAny>,
        tensors: Tensors,
    ) -> PyResult<Option<(Py<PyProgram>, Py<PyAny>)>> {
        let py = slf.py();
        for entry in slf.get().all() {
            if entry.is_for(py, key, &tensors.0)? && entry.holds(py)? {
                return Ok(Some((entry.program.clone_ref(py), entry.form.clone_ref(py))));
            }
        }
        Ok(None)
    }

    /// How often programs were replayed, after adding `more` for those of an epoch.
    #[pyo3(signature = (more=0))]
    fn _hits(&self, more: u64) -> u64 {
        self.hit(more);
        self.hits.load(Relaxed)
    }

    /// The function's name for what has changed since the most recently used program of such arguments was recorded; None if there
    /// is no program, or nothing with a name has changed.
    #[pyo3(signature = (key: "object", tensors))]
    fn _change(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, tensors: Tensors) -> PyResult<Option<String>> {
        let py = slf.py();
        for entry in slf.get().all() {
            if entry.is_for(py, key, &tensors.0)? {
                return entry.program.get().change(py);
            }
        }
        Ok(None)
    }

    /// Keeps a program; false if the least recently used one was dropped for it.
    ///
    /// `flat` has an item for each argument if all are positional and none is a container: None for a tensor, else a tuple of
    /// the object itself or a weak reference to it. `kind` says what the results are: "one" tensor, a "tuple" of tensors, an
    /// immutable "constant", or a `form` with placeholders for tensors.
    #[pyo3(signature = (key: "object", tensors, flat: "list[tuple[Any] | None] | None", program, kind, form: "object"))]
    fn _keep(
        slf: &Bound<'_, Self>,
        key: Py<PyAny>,
        tensors: Tensors,
        flat: Option<Vec<Option<(Bound<'_, PyAny>,)>>>,
        program: Py<PyProgram>,
        kind: &str,
        form: Py<PyAny>,
    ) -> PyResult<bool> {
        let (py, own) = (slf.py(), slf.get());
        let flat = flat.map(|all| {
            let one = |item: Option<(Bound<'_, PyAny>,)>| match item {
                None => Flat::Tensor,
                Some((object,)) => match object.cast_into::<PyWeakrefReference>() {
                    Ok(weak) => Flat::Weak(weak.unbind()),
                    Err(error) => Flat::Object(error.into_inner().unbind()),
                },
            };
            all.into_iter().map(one).collect()
        });
        let kinds = match kind {
            "one" => Kinds::One,
            "tuple" => Kinds::Tuple,
            "constant" => Kinds::Constant,
            _ => Kinds::Other,
        };
        // Programs of modules or objects that no longer exist, or of the same signature, are obsolete.
        for old in own.all() {
            let program = old.program.get();
            if program.is_gone(py) || (old.is_for(py, key.bind(py), &tensors.0)? && old.holds(py)?) {
                own.remove(&old);
            }
        }
        let tensors = tensors.0.iter().map(Signature::of).collect();
        let entry = Entry {
            key,
            tensors,
            flat,
            grad: op::is_grad_enabled(),
            default: DType::default_float(),
            program,
            kinds,
            form,
        };
        let mut entries = own.entries.lock();
        entries.insert(0, Arc::new(entry));
        let dropped = if entries.len() > own.most { entries.pop() } else { None };
        drop(entries);
        Ok(dropped.is_none())
    }

    /// The programs, most recently used first.
    fn _programs(slf: &Bound<'_, Self>) -> Vec<Py<PyProgram>> {
        slf.get().all().iter().map(|entry| entry.program.clone_ref(slf.py())).collect()
    }

    /// Drops all programs.
    fn clear(&self) {
        let dropped = std::mem::take(&mut *self.entries.lock());
        drop(dropped);
    }
}
