//! Replaying a program.
//!
//! [`Replay::new`] runs the passes and binds each operand to a tensor once: captured tensors, constants and planned buffers are
//! fixed, arguments are filled in at each run. [`Replay::run`] then calls each instruction's `forward` with places for its
//! results, and moves the gradients that the program makes from and to their leaves.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rgrad_kernels::threads;
use smallvec::SmallVec;

use super::arguments::{part_of, put_back};
use super::grad_state::{Watched, grad_state};
use super::passes;
use super::plan::assign_slots;
use super::program::{Cell, Gradient, Home, Operand, Output, Program};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op::with_grad_enabled;
use crate::op::{Op, Out};
use crate::ops;
use crate::shape::Layout;
use crate::tape::seal;
use crate::tensor::{Number, Tensor};

/// Below both, a program runs on the calling thread alone. A step of 0.3 MFLOP takes 3.6 µs on one core and 3.9 on two: the
/// operands of every product would move from one core to the other and back.
const ALONE_BELOW_FLOPS: f64 = 1e6;
const ALONE_BELOW_BYTES: f64 = 1e6;

/// A program with memory for all of its values, ready to run.
pub struct Replay {
    pub(super) program: Program,
    steps: Vec<Step>,
    outputs: Vec<Ref>,
    /// For outputs that share a cell: a tensor over the whole cell.
    wholes: Vec<Option<Ref>>,
    /// Whether it is too little work for a second thread.
    alone: bool,
    /// Parts of arguments that instructions read; views of them exist while the program runs.
    parts: Vec<(usize, Layout)>,
    views: Vec<Tensor>,
    nothing: Tensor,
    /// Memory for the operands of an instruction.
    operands: [Vec<&'static Tensor>; 2],
    /// The minimum time of each instruction, while profiling.
    shortest: Option<Vec<f64>>,
    /// Arguments for the shuffled rows of an epoch, allocated for the first one.
    pub(super) gathered: Vec<Tensor>,
    /// For each cell, the number of handles to its tensor that the program holds.
    held: Vec<usize>,
    /// Arguments that the program changes.
    pub(super) changed: Vec<usize>,
    /// The addresses of the captured tensors that it changes.
    pub(super) written: Vec<Range<usize>>,
}

/// An instruction with its tensors.
struct Step {
    op: Arc<dyn Op>,
    inputs: SmallVec<[Ref; 4]>,
    outputs: SmallVec<[Ref; 2]>,
}

/// A tensor of an instruction.
#[derive(Clone)]
enum Ref {
    /// A tensor that does not change between runs.
    Fixed(Tensor),
    /// An argument.
    Argument(usize),
    /// A part of an argument.
    Part(usize),
}

/// An empty list in the same memory, for references with another lifetime.
fn emptied<'a>(mut list: Vec<&Tensor>) -> Vec<&'a Tensor> {
    list.clear();
    list.into_iter().map(|_| unreachable!("the list is empty")).collect()
}

/// The arguments that instructions write to, and the addresses of the captured tensors that they write to.
fn changes(program: &Program) -> (Vec<usize>, Vec<Range<usize>>) {
    let (mut changed, mut written) = (Vec::new(), Vec::new());
    for operand in program.instrs.iter().flat_map(|instr| &instr.outputs) {
        match &program.cells[operand.cell].home {
            Home::Argument(i) if !changed.contains(i) => changed.push(*i),
            Home::Captured(t) if !written.contains(&t.reach()) => written.push(t.reach()),
            _ => {}
        }
    }
    (changed, written)
}

impl Replay {
    /// Prepares a recorded program, after all passes but those in `without`.
    pub fn new(mut program: Program, without: &[&str]) -> Result<Self> {
        passes::run(&mut program, without);
        let cost = program.cost();
        let mut replay = Self {
            steps: Vec::new(),
            outputs: Vec::new(),
            wholes: Vec::new(),
            alone: cost.flops < ALONE_BELOW_FLOPS && cost.bytes < ALONE_BELOW_BYTES,
            parts: Vec::new(),
            views: Vec::new(),
            nothing: Tensor::full(&[0], Number::Int(0), DType::UInt8)?,
            operands: [Vec::new(), Vec::new()],
            shortest: None,
            gathered: Vec::new(),
            held: vec![1; program.cells.len()],
            changed: Vec::new(),
            written: Vec::new(),
            program,
        };
        replay.bind()?;
        Ok(replay)
    }

    /// Creates the tensors of all instructions.
    fn bind(&mut self) -> Result<()> {
        let slots = assign_slots(&self.program);
        let buffers = slots.bytes.iter().map(|&bytes| Tensor::full(&[bytes], Number::Int(0), DType::UInt8));
        let buffers = buffers.collect::<Result<Vec<_>>>()?;
        self.held.fill(1);
        self.parts.clear();
        self.views.clear();
        let program = std::mem::take(&mut self.program);
        let mut make = |operand: &Operand| -> Result<Ref> {
            let cell = &program.cells[operand.cell];
            let base = match &cell.home {
                Home::Argument(i) => {
                    if operand.layout == cell.layout {
                        return Ok(Ref::Argument(*i));
                    }
                    self.parts.push((*i, operand.layout.clone()));
                    return Ok(Ref::Part(self.parts.len() - 1));
                }
                Home::Captured(t) | Home::Constant(t) => t,
                Home::Temporary => match slots.slot[operand.cell] {
                    Some(slot) => &buffers[slot],
                    None => fail!(Runtime, "compile: a value is read before it is made; please report it"),
                },
            };
            self.held[operand.cell] += 1;
            if *base.layout() == operand.layout && base.dtype() == cell.dtype {
                return Ok(Ref::Fixed(base.clone()));
            }
            Ok(Ref::Fixed(base.with_layout_as(operand.layout.clone(), cell.dtype)))
        };
        let mut steps = Vec::with_capacity(program.instrs.len());
        for instr in &program.instrs {
            steps.push(Step {
                op: instr.op.clone(),
                inputs: instr.inputs.iter().map(&mut make).collect::<Result<_>>()?,
                outputs: instr.outputs.iter().map(&mut make).collect::<Result<_>>()?,
            });
        }
        let outputs = program.outputs.iter().map(|output| match output {
            Output::Copy(operand) | Output::Alias(operand) => make(operand),
        });
        self.outputs = outputs.collect::<Result<_>>()?;
        let wholes = program.outputs.iter().zip(&program.groups).map(|(output, group)| match output {
            Output::Copy(Operand { cell, .. }) if program.groups.iter().filter(|g| *g == group).count() > 1 => {
                make(&Operand { cell: *cell, layout: program.cells[*cell].layout.clone() }).map(Some)
            }
            _ => Ok(None),
        });
        self.wholes = wholes.collect::<Result<_>>()?;
        (self.changed, self.written) = changes(&program);
        self.steps = steps;
        self.program = program;
        Ok(())
    }

    /// The program, as it runs.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Whether the assumptions of the recording still hold: captured tensors exist, the same ones require gradients, and the
    /// gradients that it accumulates into are the same.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let gradients = &self.program.gradients;
        let same = |g: &Gradient| g.leaf.peek_grad().map(|t| t.storage_identity()) == g.expected;
        if !gradients.iter().filter(|g| g.read).all(same) {
            return false;
        }
        let cells = self.program.cells.iter().zip(&self.held).enumerate();
        let valid = |(i, (cell, &held)): (usize, (&Cell, &usize))| {
            let Home::Captured(t) = &cell.home else { return true };
            if t.is_foreign() {
                return true;
            }
            let gradient = || gradients.iter().any(|g| g.after.as_ref().is_some_and(|after| after.cell == i));
            let leaves = || gradients.iter().filter(|g| g.leaf.is_same(t)).count();
            // Somebody else holds it, too; the condition that nearly always holds is tested first.
            let others = t.handles() > held + gradients.len() || t.handles() > held + leaves() || gradient();
            grad_state(t) == cell.grad_state && others
        };
        cells.into_iter().all(valid) && self.program.watched.iter().all(Watched::is_as_found)
    }

    /// Runs the program on arguments of the recorded shapes and dtypes, and returns what the function returned.
    ///
    /// After an error, the effects of earlier instructions remain, as in eager execution; gradients that would have been replaced
    /// are lost.
    pub fn run(&mut self, arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        let copies = self.copies(arguments)?;
        let used = copies.as_deref().unwrap_or(arguments);
        let done = self.execute(used).and_then(|()| with_grad_enabled(false, || self.returned(arguments, used)));
        self.release_arguments();
        done
    }

    /// What the function returned, after a run on `used` instead of `arguments`.
    fn returned(&self, arguments: &[Tensor], used: &[Tensor]) -> Result<Vec<Tensor>> {
        for &i in self.changed.iter().filter(|&&i| !used[i].is_same(&arguments[i])) {
            put_back(&arguments[i], &used[i])?;
        }
        self.program.set_requires_grad(arguments)?;
        let made = self.outputs.iter().zip(&self.wholes).zip(&self.program.outputs).zip(&self.program.sealed);
        let mut shared: SmallVec<[(usize, Tensor); 2]> = SmallVec::new();
        let made = made.enumerate().map(|(i, (((reference, whole), output), &sealed))| {
            let t = self.tensor(reference, used);
            let t = match output {
                Output::Copy(Operand { layout, .. }) => match whole {
                    None => ops::copy_as_it_lies(t)?,
                    Some(whole) => {
                        let group = self.program.groups[i];
                        let known = shared.iter().position(|(g, _)| *g == group);
                        if known.is_none() {
                            shared.push((group, ops::copy(self.tensor(whole, used))?));
                        }
                        shared[known.unwrap_or(shared.len() - 1)].1.with_layout(layout.clone())
                    }
                },
                Output::Alias(Operand { cell, layout }) => match self.program.cells[*cell].home {
                    Home::Argument(i) => part_of(&arguments[i], layout),
                    _ => t.detach(),
                },
            };
            if sealed { seal(t) } else { Ok(t) }
        });
        made.collect()
    }

    /// What the function returned, after the program has run on these arguments; in the program's memory.
    pub(super) fn results<'a>(&'a self, arguments: &'a [Tensor]) -> impl ExactSizeIterator<Item = &'a Tensor> + Clone {
        self.outputs.iter().map(|reference| self.tensor(reference, arguments))
    }

    /// Shape and dtype of each of the results.
    pub fn result_types(&self) -> impl Iterator<Item = (&[usize], DType)> {
        self.program.outputs.iter().map(|output| {
            let operand = output.operand();
            (&operand.layout.shape[..], self.program.cells[operand.cell].dtype)
        })
    }

    /// Runs the program `times` times, and returns the minimum time of each instruction in seconds.
    pub fn profile(&mut self, arguments: &[Tensor], times: usize) -> Result<Vec<f64>> {
        self.check_arguments(arguments)?;
        let copies = self.copies(arguments)?;
        let arguments = copies.as_deref().unwrap_or(arguments);
        let mut best = vec![f64::INFINITY; self.steps.len()];
        for _ in 0..times {
            self.shortest = Some(std::mem::take(&mut best));
            let done = self.execute(arguments);
            best = self.shortest.take().unwrap_or_default();
            self.release_arguments();
            done?;
        }
        Ok(best)
    }

    /// `ValueError` unless the arguments have the shapes and dtypes that were recorded.
    pub(super) fn check_arguments(&self, arguments: &[Tensor]) -> Result<()> {
        for cell in &self.program.cells {
            if let Home::Argument(i) = cell.home
                && !arguments.get(i).is_some_and(|x| cell.is_like(x))
            {
                fail!(Value, "compile: argument {i} has another shape, layout or dtype than the one that was recorded");
            }
        }
        Ok(())
    }

    /// Releases the memory of arguments. Their views are kept for the next run, and are of nothing until then.
    pub(super) fn release_arguments(&mut self) {
        for view in &mut self.views {
            view.move_to(&self.nothing, 0);
        }
    }

    fn tensor<'a>(&'a self, reference: &'a Ref, arguments: &'a [Tensor]) -> &'a Tensor {
        match reference {
            Ref::Fixed(t) => t,
            Ref::Argument(i) => &arguments[*i],
            Ref::Part(i) => &self.views[*i],
        }
    }

    /// Runs the instructions. Views of arguments are kept for the next run, until [`Replay::release_arguments`].
    pub(super) fn execute(&mut self, arguments: &[Tensor]) -> Result<()> {
        self.take_gradients()?;
        self.run_steps(arguments)?;
        self.put_gradients();
        Ok(())
    }

    /// Whether the program may run twice in a row: not if it relies on leaves without gradients.
    pub(super) fn repeats(&self) -> bool {
        !self.program.gradients.iter().any(|g| g.read && g.made)
    }

    /// Runs the instructions; the program holds the gradients that it makes.
    pub(super) fn run_steps(&mut self, arguments: &[Tensor]) -> Result<()> {
        let mut shortest = self.shortest.take();
        self.bind_views(arguments);
        let [mut x, mut out] = std::mem::take(&mut self.operands).map(emptied);
        let alone = self.alone;
        let mut steps = || {
            for (i, step) in self.steps.iter().enumerate() {
                let start = shortest.as_ref().map(|_| Instant::now());
                x.clear();
                x.extend(step.inputs.iter().map(|r| self.tensor(r, arguments)));
                out.clear();
                out.extend(step.outputs.iter().map(|r| self.tensor(r, arguments)));
                step.op.forward(&x, &mut Out::at(&out))?;
                if let (Some(shortest), Some(start)) = (&mut shortest, start) {
                    shortest[i] = shortest[i].min(start.elapsed().as_secs_f64());
                }
            }
            Ok(())
        };
        let done: Result<()> = with_grad_enabled(false, || if alone { threads::alone(steps) } else { steps() });
        self.operands = [emptied(x), emptied(out)];
        self.shortest = shortest;
        done
    }

    /// Creates the views of parts of arguments, or moves them.
    fn bind_views(&mut self, arguments: &[Tensor]) {
        for (k, (i, layout)) in self.parts.iter().enumerate() {
            let x = &arguments[*i];
            match self.views.get_mut(k) {
                Some(view) => view.move_to(x, layout.offset + x.layout().offset),
                None => self.views.push(part_of(x, layout)),
            }
        }
    }

    /// Takes the gradients that the program makes back from their leaves. One that somebody else holds is left to them, and the
    /// program allocates another.
    pub(super) fn take_gradients(&mut self) -> Result<()> {
        let mut fresh = false;
        for g in &self.program.gradients {
            if let Some(after) = g.after.as_ref().filter(|_| g.made) {
                drop(g.leaf.swap_grad(None));
                let cell = &mut self.program.cells[after.cell];
                if let Home::Captured(t) = &cell.home
                    && t.handles() > self.held[after.cell]
                {
                    cell.home = Home::Captured(Tensor::full(t.shape(), Number::Int(0), t.dtype())?);
                    fresh = true;
                }
            }
        }
        if fresh { self.bind() } else { Ok(()) }
    }

    pub(super) fn put_gradients(&self) {
        for g in self.program.gradients.iter().filter(|g| g.made || g.after.is_none()) {
            let grad = g.after.as_ref().and_then(|after| match &self.program.cells[after.cell].home {
                Home::Captured(t) if *t.layout() == after.layout => Some(t.clone()),
                Home::Captured(t) => Some(t.with_layout(after.layout.clone())),
                _ => None,
            });
            drop(g.leaf.swap_grad(grad));
        }
    }
}
