//! Many replays in a row, on batches of rows: the program's inputs are moved along or gathered, never reallocated.

use std::ops::Range;

use rgrad_kernels::gather;

use super::replay::Replay;
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::ops::contiguous;
use crate::random::Generator;
use crate::shape::Layout;
use crate::tensor::watch::is_recording;
use crate::tensor::{Number, Tensor};

/// The rows of several tensors, divided into batches.
#[derive(Debug)]
pub struct Batches {
    /// Contiguous, all with the same number of rows.
    columns: Vec<Tensor>,
    order: Option<Tensor>,
    size: usize,
    /// Number of rows in batches.
    rows: usize,
}

impl Batches {
    /// Batches of `size` rows of `columns`, each (rows, …), in order. The last batch is smaller if they do not divide evenly, or
    /// dropped.
    ///
    /// `ValueError` if there are no batches, numbers of rows differ, or derivatives of a column would be lost; `RuntimeError`
    /// inside a recording.
    pub fn new(columns: &[Tensor], size: usize, drop_last: bool) -> Result<Self> {
        if is_recording() {
            fail!(Runtime, "epoch: cannot run inside a compiled step; call it between steps");
        }
        let Some(rows) = columns.first().and_then(|x| x.shape().first()).copied() else {
            fail!(Value, "epoch: there must be at least one tensor, with a dimension 0 to divide into batches");
        };
        for (i, x) in columns.iter().enumerate() {
            if x.shape().first() != Some(&rows) {
                let shape = crate::shape::Show(x.shape());
                fail!(Value, "epoch: argument 0 has {rows} rows, but argument {i} has shape {shape}");
            }
            if x.requires_grad() || x.has_tangent() {
                fail!(Value, "epoch: argument {i} has derivatives, which rows cannot keep; pass its detach()");
            }
        }
        if size == 0 {
            fail!(Value, "epoch: batch_size must be at least 1, not 0");
        }
        let used = if drop_last { rows - rows % size } else { rows };
        if used == 0 {
            let left = if rows > 0 {
                format!(": drop_last leaves out all {rows} of fewer than {size}")
            } else {
                String::new()
            };
            fail!(Value, "epoch: there are no batches{left}");
        }
        let columns = columns.iter().map(contiguous).collect::<Result<_>>()?;
        Ok(Self { columns, order: None, size, rows: used })
    }

    /// The same batches of the rows in random order.
    pub fn shuffled(self, generator: &Generator) -> Result<Self> {
        let order = generator.randperm(self.columns[0].shape()[0], DType::Int64)?;
        Ok(Self { order: Some(order), ..self })
    }

    /// The number of batches.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.div_ceil(self.size)
    }

    fn rows_of(&self, batch: usize) -> Range<usize> {
        let start = batch.saturating_mul(self.size).min(self.rows);
        start..self.rows.min(start + self.size)
    }

    /// The end of the run of batches of equal size that starts at `batch`.
    #[must_use]
    pub fn end_of_size(&self, batch: usize) -> usize {
        let full = self.rows / self.size;
        if batch < full { full } else { self.count() }
    }

    /// One batch: a tensor for each column, a view unless shuffled.
    pub fn get(&self, batch: usize) -> Result<Vec<Tensor>> {
        let mut made = self.arguments(batch)?;
        self.load(batch, &mut made)?;
        Ok(made)
    }

    /// Tensors for batches as large as this one, to be loaded.
    fn arguments(&self, batch: usize) -> Result<Vec<Tensor>> {
        let rows = self.rows_of(batch);
        let make = |x: &Tensor| {
            let mut shape = x.shape().to_vec();
            shape[0] = rows.len();
            match self.order {
                None => Ok(x.with_layout(Layout::contiguous(&shape))),
                Some(_) => Tensor::full(&shape, Number::Int(0), x.dtype()),
            }
        };
        self.columns.iter().map(make).collect()
    }

    /// Loads one batch into arguments of its size: views are moved, other tensors overwritten.
    fn load(&self, batch: usize, arguments: &mut [Tensor]) -> Result<()> {
        let rows = self.rows_of(batch);
        let Some(order) = &self.order else {
            for (x, to) in self.columns.iter().zip(arguments) {
                to.move_to(x, x.layout().offset + rows.start * width(x));
            }
            return Ok(());
        };
        let order = order.read::<i64>();
        for (x, to) in self.columns.iter().zip(arguments) {
            let done = match_any!(x.dtype(), T => {
                let at = to.layout().offset;
                let to = &mut to.write::<T>()[at..at + to.numel()];
                gather::gather_rows(to, x.read::<T>().slice(), width(x), &order.slice()[rows.clone()])
            });
            if let Err(bad) = done {
                fail!(Index, "epoch: there is no row {} of {}", bad.index, x.shape()[0]);
            }
        }
        Ok(())
    }
}

/// Elements of a row.
fn width(x: &Tensor) -> usize {
    x.shape()[1..].iter().product()
}

/// The results of many steps, each 0-d, stacked.
#[derive(Debug)]
pub struct Stacked(Vec<Tensor>);

impl Stacked {
    /// Memory for `count` results of each of these shapes and dtypes. `TypeError` unless there is one, and all are 0-d.
    pub fn new<'a>(count: usize, of: impl IntoIterator<Item = (&'a [usize], DType)>) -> Result<Self> {
        let make = |(shape, dtype): (&[usize], DType)| {
            if !shape.is_empty() {
                fail!(
                    Type,
                    "epoch: a step returns its loss, or a tuple, list or dict of such numbers, as 0-d tensors; this one \
                     returns a tensor of shape {}",
                    crate::shape::Show(shape)
                );
            }
            Tensor::full(&[count], Number::Int(0), dtype)
        };
        let all: Vec<Tensor> = of.into_iter().map(make).collect::<Result<_>>()?;
        if all.is_empty() {
            fail!(Type, "epoch: a step must return its loss, a 0-d tensor; this one returns no tensor");
        }
        Ok(Self(all))
    }

    /// The results, (count,) each.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.0
    }

    /// Writes the results of step `at`. `TypeError` unless their number, shapes and dtypes are those of the first step.
    pub fn put<'a>(&self, at: usize, results: impl ExactSizeIterator<Item = &'a Tensor> + Clone) -> Result<()> {
        let alike = |(to, x): (&Tensor, &Tensor)| x.numel() == 1 && x.dtype() == to.dtype();
        if results.clone().len() != self.0.len() || !self.0.iter().zip(results.clone()).all(alike) {
            fail!(Type, "epoch: all steps must return as many 0-d tensors, of the same dtypes, as the first one");
        }
        for (to, result) in self.0.iter().zip(results) {
            match_any!(to.dtype(), T => to.write::<T>()[at] = result.read::<T>().tail()[0]);
        }
        Ok(())
    }

    /// The first result of step `at`.
    pub fn first(&self, at: usize) -> Result<f64> {
        let t = &self.0[0];
        let n = t.with_layout(Layout { offset: t.layout().offset + at, ..Layout::contiguous(&[]) }).item()?;
        Ok(match n {
            Number::Float(x) => x,
            Number::Int(n) => n as f64,
            Number::Bool(b) => f64::from(u8::from(b)),
        })
    }
}

impl Replay {
    /// Runs the program on batches from number `done` on, until one has another size or `pause`, called after each, returns true;
    /// or on none, if the program [is not valid](Replay::is_valid). `done` also counts those before an error.
    ///
    /// Allocates nothing for a batch.
    pub fn run_batches(
        &mut self,
        batches: &Batches,
        done: &mut usize,
        results: &Stacked,
        pause: impl FnMut() -> bool,
    ) -> Result<()> {
        if !self.is_valid() {
            return Ok(());
        }
        let shuffled = batches.order.is_some();
        // Shuffled rows are copies.
        self.check_fixed(if shuffled { &[] } else { &batches.columns })?;
        let mut arguments = std::mem::take(&mut self.gathered);
        if !shuffled || arguments.is_empty() {
            arguments = batches.arguments(*done)?;
        }
        let outcome = self
            .check_arguments(&arguments)
            .and_then(|()| self.run_loaded(&mut arguments, batches, done, results, pause));
        self.release_arguments();
        if shuffled {
            self.gathered = arguments;
        }
        outcome
    }

    fn run_loaded(
        &mut self,
        arguments: &mut [Tensor],
        batches: &Batches,
        done: &mut usize,
        results: &Stacked,
        mut pause: impl FnMut() -> bool,
    ) -> Result<()> {
        let end = if self.repeats() { batches.end_of_size(*done) } else { *done + 1 };
        // Nobody can observe the leaves' gradients between the steps.
        self.take_gradients()?;
        while *done < end {
            batches.load(*done, arguments)?;
            self.run_steps(arguments)?;
            results.put(*done, self.results(arguments))?;
            *done += 1;
            if pause() {
                break;
            }
        }
        self.put_gradients();
        Ok(())
    }
}
