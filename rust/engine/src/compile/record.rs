//! The recorder: it watches the primitives that run on its thread.
//!
//! Every storage carries a mark with its recording and cell. A storage that was made during the recording, but by no primitive
//! that it saw, holds a constant; one that existed before is captured. Reading a temporary outside a primitive would freeze its
//! value into the program, so that is an error.

use std::cell::{Cell as Slot, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rgrad_kernels::lock::Lock;
use smallvec::SmallVec;

use super::alias;
use super::arguments::{fixed_data, part_of, put_back, target};
use super::grad_state::grad_state;
use super::program::{Cell, Gradient, Home, Instr, Operand, Output, Program};
use super::watcher::{OfThread, refusal};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::op::{Kind, Op, Out, Plain, with_grad_enabled};
use crate::ops;
use crate::random::{Generator, State};
use crate::shape::Layout;
use crate::tape::{clock, seal};
use crate::tensor::watch::{self, unwatched};
use crate::tensor::{Mark, Registered, Tensor};

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
    static PLACE: Slot<Option<fn() -> String>> = const { Slot::new(None) };
}

/// Sets how messages find the line of the user's program that is running.
pub fn set_place(place: fn() -> String) {
    PLACE.set(Some(place));
}

pub(super) fn place() -> String {
    PLACE.get().map_or_else(String::new, |find| format!(" ({})", find()))
}

pub(super) struct Recorder {
    pub(super) number: u32,
    pub(super) program: Program,
    /// The storages that the function must not change: all arguments, if they are rows of an epoch's data.
    fixed: Option<Vec<usize>>,
    /// The function's arguments: copies, so that captured tensors are never mistaken for arguments.
    pub(super) arguments: Vec<Tensor>,
    /// The originals of the copies.
    pub(super) given: Vec<Tensor>,
    /// The arguments and captured tensors that were changed, with the clock of the last change.
    pub(super) changed: Vec<(usize, u64)>,
    /// The cells of captured storages, by identity: another thread may mark the same ones.
    captured: HashMap<usize, usize>,
    /// For each cell, its content before the recording changed it, if it did.
    before: Vec<Option<Tensor>>,
    /// The previous gradients of the program's leaves.
    gradients: Vec<Option<Tensor>>,
    generators: Vec<(Generator, State)>,
    /// States of generators that the function has read.
    pub(super) states: Vec<(Generator, State, Arc<Lock<State>>)>,
    /// Whether a backward pass was made.
    pub(super) differentiated: bool,
    /// What gradients were computed with respect to, other than for `.grad`.
    pub(super) targets: Vec<Tensor>,
    /// The clock when it began.
    since: u64,
    /// The hooks that were registered.
    pub(super) hooks: Vec<Registered>,
    /// Why the function cannot be recorded.
    refused: Option<Error>,
}

/// A function being recorded. Dropped before [`Recording::finish`], it undoes all changes in place.
pub struct Recording(());

impl Recording {
    /// Starts watching this thread, and returns the tensors to call the function with instead of `arguments`. `RuntimeError`
    /// inside another recording.
    pub fn begin(arguments: &[Tensor]) -> Result<(Self, Vec<Tensor>)> {
        static NUMBERS: AtomicU32 = AtomicU32::new(0);
        if RECORDER.with_borrow(Option::is_some) {
            fail!(Runtime, "compile: a step is being recorded on this thread already");
        }
        // 0 means no recording, even after four billion of them.
        let number = NUMBERS.fetch_add(1, Relaxed).checked_add(1).unwrap_or(1).max(1);
        let copied = |x: &Tensor| -> Result<Tensor> {
            let copy = ops::copy_as_it_lies(x)?;
            copy.set_requires_grad(x.requires_grad())?;
            Ok(copy)
        };
        let copies = arguments.iter().map(copied).collect::<Result<Vec<_>>>()?;
        let mut recorder = Recorder {
            number,
            program: Program::default(),
            fixed: None,
            arguments: copies.clone(),
            given: arguments.to_vec(),
            changed: Vec::new(),
            captured: HashMap::new(),
            before: Vec::new(),
            gradients: Vec::new(),
            generators: Vec::new(),
            states: Vec::new(),
            differentiated: false,
            targets: Vec::new(),
            since: clock(),
            hooks: Vec::new(),
            refused: None,
        };
        for (i, x) in copies.iter().enumerate() {
            recorder.cell(x, Home::Argument(i));
        }
        RECORDER.set(Some(recorder));
        watch::install(&OfThread);
        watch::set_watching(number);
        Ok((Self(()), copies))
    }

    /// Makes it a `ValueError` to change the arguments, which are rows of an epoch's data.
    pub fn fix(&self, arguments: &[Tensor]) {
        with(|recorder| recorder.fixed = Some(arguments.iter().map(Tensor::storage_identity).collect()));
    }

    /// The result of `make` for the program of the function, which was called with the tensors from [`Recording::begin`] and
    /// returned `outputs`; and the results of this call. `arguments` are those of `begin`. After an error, because something
    /// cannot be replayed or from `make`, all changes in place are undone.
    pub fn finish<R>(
        self,
        outputs: &[Tensor],
        arguments: &[Tensor],
        make: impl FnOnce(Program) -> Result<R>,
    ) -> Result<(R, Vec<Tensor>)> {
        watch::set_watching(0);
        let program = with(|recorder| {
            recorder.finish(outputs)?;
            recorder.program.conflicts.extend(alias::conflicts(&recorder.program));
            alias::check_captured(&recorder.program)?;
            alias::check(&recorder.program, arguments)?;
            Ok::<_, Error>(recorder.program.clone())
        })?;
        let made = make(program)?;
        let results = with(|recorder| recorder.results(outputs, arguments))?;
        RECORDER.set(None);
        Ok((made, results))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        watch::set_watching(0);
        if let Some(recorder) = RECORDER.take() {
            recorder.undo();
        }
    }
}

impl Recorder {
    /// The cell of a storage, if it has one.
    pub(super) fn known(&self, t: &Tensor) -> Option<usize> {
        match t.mark() {
            Mark::Cell { recording, cell } if recording == self.number => Some(cell),
            Mark::None => None,
            Mark::Built { recording } if recording == self.number => None,
            _ => self.captured.get(&t.storage_identity()).copied(),
        }
    }

    fn cell(&mut self, t: &Tensor, home: Home) -> usize {
        let cell = self.program.cells.len();
        let layout = match home {
            Home::Argument(_) => t.layout().clone(),
            _ => Layout::contiguous(t.shape()),
        };
        self.program.cells.push(Cell { home, dtype: t.dtype(), layout, grad_state: grad_state(t) });
        self.before.push(None);
        t.set_mark(Mark::Cell { recording: self.number, cell });
        cell
    }

    /// `t` as an operand; if it is new, a constant or a captured tensor.
    pub(super) fn operand(&mut self, t: &Tensor) -> Result<Operand> {
        let cell = match self.known(t) {
            Some(cell) => cell,
            None if self.is_built(t) => {
                // A copy, because the step may go on to change it.
                let whole = t.whole();
                let held = unwatched(|| ops::copy(&whole))?;
                self.cell(&whole, Home::Constant(held))
            }
            None => {
                let whole = t.whole();
                let cell = self.cell(&whole, Home::Captured(whole.clone()));
                self.captured.insert(whole.storage_identity(), cell);
                cell
            }
        };
        self.watch_grad_state(t, cell);
        Ok(Operand { cell, layout: t.layout().clone() })
    }

    /// Writes down an operation that made or changed tensors, or neither.
    pub(super) fn push(&mut self, op: Arc<dyn Op>, x: &[&Tensor], out: &Out<'_>, effect: bool) -> Result<()> {
        let inputs = x.iter().map(|t| self.operand(t)).collect::<Result<_>>()?;
        let in_place = !out.places().is_empty();
        let mut outputs = out.places().iter().map(|t| self.operand(t)).collect::<Result<SmallVec<_>>>()?;
        for t in out.made() {
            outputs.push(Operand { cell: self.cell(t, Home::Temporary), layout: t.layout().clone() });
        }
        self.push_instr(op, inputs, outputs, in_place, effect);
        Ok(())
    }

    pub(super) fn push_instr(
        &mut self,
        op: Arc<dyn Op>,
        inputs: SmallVec<[Operand; 4]>,
        outputs: SmallVec<[Operand; 2]>,
        in_place: bool,
        effect: bool,
    ) {
        self.program.instrs.push(Instr { op, inputs, outputs, in_place, effect });
    }

    /// Prepares for a change of `t` in place: saves the content of a captured tensor, and lets every replay start from a copy of
    /// a constant.
    pub(super) fn keep(&mut self, t: &Tensor) -> Result<()> {
        let cell = self.operand(t)?.cell;
        let data = self.fixed.as_ref().is_some_and(|data| match &self.program.cells[cell].home {
            Home::Argument(_) => true,
            Home::Captured(t) => data.contains(&t.storage_identity()),
            _ => false,
        });
        if data {
            return fixed_data(&place());
        }
        if let Home::Constant(_) = self.program.cells[cell].home {
            let Cell { dtype, layout, .. } = self.program.cells[cell].clone();
            let f = |x: &[&Tensor], out: &mut Out<'_>| x[0].pack_into(out);
            let op = Arc::new(Plain { kind: Kind::Other, name: "copy", f });
            let inputs = [Operand { cell, layout: layout.clone() }].into_iter().collect();
            let own = self.program.cells.len();
            self.program.cells.push(Cell::temporary(dtype, layout.clone()));
            self.before.push(None);
            t.set_mark(Mark::Cell { recording: self.number, cell: own });
            let outputs = [Operand { cell: own, layout }].into_iter().collect();
            self.push_instr(op, inputs, outputs, false, false);
            return Ok(());
        }
        if let Home::Captured(_) | Home::Argument(_) = self.program.cells[cell].home {
            if self.before[cell].is_none() {
                self.before[cell] = Some(unwatched(|| ops::copy(&t.whole()))?);
            }
            self.changed.retain(|&(other, _)| other != cell);
            self.changed.push((cell, clock()));
        }
        Ok(())
    }

    /// Whether `t` was made by something that the recording did not see. Memory of other libraries existed before.
    pub(super) fn is_built(&self, t: &Tensor) -> bool {
        t.mark() == Mark::Built { recording: self.number } && !t.is_foreign()
    }

    pub(super) fn is_constant(&self, t: &Tensor) -> bool {
        match t.mark() {
            Mark::Built { .. } => self.is_built(t),
            Mark::Cell { recording, cell } if recording == self.number => {
                matches!(self.program.cells[cell].home, Home::Constant(_))
            }
            _ => false,
        }
    }

    /// Whether a replay uses other memory for `t`: that of an argument, or a temporary.
    pub(super) fn moves(&self, t: &Tensor) -> bool {
        let home = self.known(t).map(|cell| &self.program.cells[cell].home);
        matches!(home, Some(Home::Argument(_) | Home::Temporary))
    }

    pub(super) fn touched(&mut self, t: &Tensor) {
        if !self.is_constant(t) && self.refused.is_none() {
            let message = refusal("an operation that looks at elements to decide what it does");
            self.refused = Some(Error { kind: ErrorKind::Runtime, message });
        }
    }

    /// Saves the initial state of a generator.
    pub(super) fn generator(&mut self, generator: &Generator) {
        if !self.generators.iter().any(|(g, _)| g.is(generator)) {
            self.generators.push((generator.clone(), generator.state()));
        }
    }

    /// Records the first access to a leaf's gradient: whether the program reads the previous one.
    pub(super) fn leaf(&mut self, leaf: &Tensor, read: bool) {
        // The gradient of a leaf that the function makes is a value like any other.
        if leaf.recording() != self.number
            && !self.program.gradients.iter().any(|g| g.leaf.identity() == leaf.identity())
        {
            let before = leaf.peek_grad();
            let expected = before.as_ref().filter(|_| read).map(Tensor::storage_identity);
            let gradient = Gradient { leaf: leaf.without_history(), read, expected, made: false, after: None };
            self.program.gradients.push(gradient);
            self.gradients.push(before);
        }
    }

    fn finish(&mut self, outputs: &[Tensor]) -> Result<()> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        for (i, x) in self.arguments.iter().enumerate() {
            if self.program.gradients.iter().any(|g| g.leaf.is_same(x)) {
                fail!(
                    Runtime,
                    "compile: the gradient of argument {i}, which requires gradients, is set inside the step, and would not be \
                     when the step is replayed: return what rg.autograd.grad gives, compile rg.value_and_grad(f), or pass \
                     argument.detach()"
                );
            }
        }
        for i in 0..self.program.gradients.len() {
            let leaf = self.program.gradients[i].leaf.clone();
            if let Some(grad) = leaf.peek_grad() {
                let operand = self.operand(&grad)?;
                let cell = &mut self.program.cells[operand.cell];
                // From now on the program writes to the memory of the gradient.
                if let Home::Temporary = cell.home {
                    cell.home = Home::Captured(grad.whole());
                    cell.grad_state = grad_state(&grad.whole());
                    self.program.gradients[i].made = true;
                }
                self.program.gradients[i].after = Some(operand);
            }
        }
        let flags = self.arguments.iter().zip(&self.given).enumerate();
        self.program.set = flags
            .filter(|(_, (x, given))| x.requires_grad() != given.requires_grad())
            .map(|(i, (x, _))| (i, x.requires_grad()))
            .collect();
        self.program.followed = (0..self.arguments.len()).filter(|&i| self.arguments[i].requires_grad()).collect();
        if !self.program.followed.is_empty() {
            self.program.targets =
                self.targets.drain(..).filter_map(|t| target(&t, &self.arguments, self.number, self.since)).collect();
        }
        for y in outputs {
            let operand = self.operand(y)?;
            self.program.groups.push(operand.cell);
            self.program.outputs.push(match self.program.cells[operand.cell].home {
                Home::Temporary | Home::Constant(_) => Output::Copy(operand),
                Home::Argument(_) | Home::Captured(_) => Output::Alias(operand),
            });
            self.program.sealed.push(y.requires_grad() && !self.differentiated);
        }
        Ok(())
    }

    /// The results of the recorded call: like those of later calls, they have no history, and do not share memory with the copies
    /// of the arguments, whose changes are written back to the arguments.
    fn results(&self, outputs: &[Tensor], arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        let changed = || arguments.iter().enumerate().filter(|&(i, _)| self.before[i].is_some());
        // Other checks were made where the function wrote to the copies.
        with_grad_enabled(false, || {
            changed().try_for_each(|(_, x)| x.check_write(&x.detach()))?;
            changed().try_for_each(|(i, x)| put_back(x, &self.arguments[i]))
        })?;
        self.program.set_requires_grad(arguments)?;
        let one = |((y, output), &sealed): ((&Tensor, &Output), &bool)| -> Result<Tensor> {
            let part = match output {
                Output::Alias(Operand { cell, layout }) => match self.program.cells[*cell].home {
                    Home::Argument(i) => Some(part_of(&arguments[i], layout)),
                    _ => None,
                },
                Output::Copy(_) => None,
            };
            let result = part.unwrap_or_else(|| y.detach());
            if sealed { seal(result) } else { Ok(result) }
        };
        outputs.iter().zip(&self.program.outputs).zip(&self.program.sealed).map(one).collect()
    }

    /// Undoes all changes.
    fn undo(self) {
        for (generator, state) in self.generators {
            generator.set_state(state);
        }
        for (cell, before) in self.program.cells.iter().zip(self.before) {
            let Home::Captured(t) = &cell.home else { continue };
            // Cannot fail: it was done a moment ago, and `before` has the shape of `t`.
            if let Some(before) = before {
                let _ = with_grad_enabled(false, || t.whole().copy_from(&before));
            }
            if t.requires_grad() != cell.grad_state.0 {
                let _ = t.set_requires_grad(cell.grad_state.0);
            }
        }
        for (gradient, before) in self.program.gradients.into_iter().zip(self.gradients) {
            drop(gradient.leaf.swap_grad(before));
        }
        self.hooks.iter().for_each(Registered::remove);
    }
}

pub(super) fn with<R>(f: impl FnOnce(&mut Recorder) -> R) -> R {
    RECORDER.with_borrow_mut(|slot| f(slot.as_mut().expect("a watched thread has a recorder")))
}
