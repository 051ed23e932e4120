//! Epochs: many steps with one call from Python, which is asked for signals and told of the progress now and then.

use std::time::{Duration, Instant};

use rgrad_engine::Tensor;
use rgrad_engine::compile::{Batches, Stacked};

use crate::args::Tensors;
use crate::compile::PyProgram;
use crate::create::{PyGenerator, draw};
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::tensor::PyTensor;

/// How long steps run before Python is asked: short for who waits, long beside the microseconds that asking takes.
const SLICE: Duration = Duration::from_millis(5);

/// An epoch on its way: batches of rows, how many of them are done, and their results.
///
/// `columns` (rows, …) are divided into batches of `batch_size` rows, in their own order or a random one. `progress` is called
/// with batches done, batches in all and the first result of the last one.
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

    /// How many batches are done.
    #[getter]
    fn done(&self) -> usize {
        self.done
    }

    /// The next batch: a tensor of each column.
    fn batch(&self, py: Python<'_>) -> PyResult<Vec<PyTensor>> {
        let made = run(py, usize::MAX, || self.batches.get(self.done))?;
        Ok(made.into_iter().map(Into::into).collect())
    }

    /// `TypeError` unless these can be results of a step.
    fn check(&mut self, results: Tensors) -> PyResult<()> {
        self.places(&results.0).map(|_| ())
    }

    /// Notes the results of the next batch, on which Python ran the step.
    fn put(&mut self, py: Python<'_>, results: Tensors) -> PyResult<()> {
        let at = self.done;
        self.places(&results.0)?.put(at, results.0.iter()).map_err(to_py)?;
        self.done += 1;
        if self.asked.elapsed() < SLICE && self.done < self.batches.count() { Ok(()) } else { self.ask(py) }
    }

    /// Runs a program on the next batches of the size of the first, until Python is to be asked, which may change what the
    /// program was recorded with; False if it was on none, because that is no longer there.
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
        let settled = program.settle(py);
        // What Python is asked may call the step.
        drop(turn);
        ran.and(settled)?;
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
    /// Where results go, the first of which are these.
    fn places(&mut self, first: &[Tensor]) -> PyResult<&Stacked> {
        let places = match self.results.take() {
            Some(there) => there,
            None => Stacked::new(self.batches.count(), first.iter().map(|t| (t.shape(), t.dtype()))).map_err(to_py)?,
        };
        Ok(self.results.insert(places))
    }

    /// Lets Python act on signals, and tells it how far the epoch is.
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
