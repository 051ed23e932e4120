//! Epochs: many steps in one call from Python, which handles signals and gets progress at intervals.

use std::time::{Duration, Instant};

use rgrad_engine::Tensor;
use rgrad_engine::compile::{Batches, Stacked};

use crate::args::Tensors;
use crate::compile::PyProgram;
use crate::create::{PyGenerator, draw};
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::tensor::PyTensor;

/// How long steps run before Python gets control: short for a waiting user, long compared with the microseconds that it takes.
const SLICE: Duration = Duration::from_millis(5);

/// A running epoch: batches of rows, the number of finished ones, and their results.
///
/// `columns` (rows, …) are divided into batches of `batch_size` rows, in order or shuffled. `progress` is called with the number
/// of finished batches, the number of all batches, and the first result of the last one.
#[pyclass(name = "_Epoch", module = "rgrad._core")]
pub struct PyEpoch {
    batches: Batches,
    progress: Option<Py<PyAny>>,
    done: usize,
    results: Option<Stacked>,
    asked: Instant,
}

#[pymethods]
impl PyEpoch {
    #[new]
    #[pyo3(signature = (
        columns, batch_size, shuffle, generator, drop_last, progress: "collections.abc.Callable[[int, int, float], object] | None"
    ))]
    fn new(
        py: Python<'_>,
        columns: Tensors,
        batch_size: usize,
        shuffle: bool,
        generator: Option<&Bound<'_, PyGenerator>>,
        drop_last: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut batches = run(py, usize::MAX, || Batches::new(&columns.0, batch_size, drop_last))?;
        if shuffle {
            batches = draw(py, generator, usize::MAX, |g| batches.shuffled(g))?;
        }
        Ok(Self { batches, progress, done: 0, results: None, asked: Instant::now() })
    }

    /// Whether all batches are done.
    #[getter]
    fn finished(&self) -> bool {
        self.done == self.batches.count()
    }

    /// Number of finished batches.
    #[getter]
    fn done(&self) -> usize {
        self.done
    }

    /// The next batch: a tensor of each column.
    fn batch(&self, py: Python<'_>) -> PyResult<Vec<PyTensor>> {
        let made = run(py, usize::MAX, || self.batches.get(self.done))?;
        Ok(made.into_iter().map(Into::into).collect())
    }

    /// `TypeError` unless these are valid results of a step.
    fn check(&mut self, results: Tensors) -> PyResult<()> {
        self.places(&results.0).map(|_| ())
    }

    /// Stores the results of the next batch, on which Python ran the step.
    fn put(&mut self, py: Python<'_>, results: Tensors) -> PyResult<()> {
        let at = self.done;
        self.places(&results.0)?.put(at, results.0.iter()).map_err(to_py)?;
        self.done += 1;
        if self.asked.elapsed() < SLICE && self.done < self.batches.count() { Ok(()) } else { self.ask(py) }
    }

    /// Runs a program on the following batches of equal size, until it is time to return to Python, which may change what the
    /// program was recorded with. False if it ran on none, because something that it was recorded with no longer exists.
    fn replay(&mut self, py: Python<'_>, program: &Bound<'_, PyProgram>) -> PyResult<bool> {
        let (program, first) = (program.get(), self.done);
        let turn = program.turn(py);
        if !program.prepare(py)? {
            return Ok(false);
        }
        let ran = run(py, usize::MAX, || {
            let mut program = program.replay()?;
            let Some(replay) = &mut *program else { return Ok(()) };
            let results = match self.results.take() {
                Some(there) => there,
                None => Stacked::new(self.batches.count(), replay.result_types())?,
            };
            let (results, start) = (self.results.insert(results), Instant::now());
            replay.run_batches(&self.batches, &mut self.done, results, || start.elapsed() > SLICE)
        });
        // Python code may call the step.
        drop(turn);
        ran?;
        if self.done == first {
            return Ok(false);
        }
        self.ask(py)?;
        Ok(true)
    }

    /// The results of all batches, stacked.
    fn results(&self) -> Vec<PyTensor> {
        self.results.iter().flat_map(|r| r.tensors().iter().cloned().map(Into::into)).collect()
    }
}

impl PyEpoch {
    /// The stacked results, allocated for results like these, the first ones.
    fn places(&mut self, first: &[Tensor]) -> PyResult<&Stacked> {
        let places = match self.results.take() {
            Some(there) => there,
            None => Stacked::new(self.batches.count(), first.iter().map(|t| (t.shape(), t.dtype()))).map_err(to_py)?,
        };
        Ok(self.results.insert(places))
    }

    /// Lets Python handle signals, and reports progress.
    fn ask(&mut self, py: Python<'_>) -> PyResult<()> {
        py.check_signals()?;
        if let (Some(progress), Some(results)) = (&self.progress, &self.results) {
            let last = results.first(self.done - 1).map_err(to_py)?;
            progress.call1(py, (self.done, self.batches.count(), last))?;
        }
        self.asked = Instant::now();
        Ok(())
    }
}
