//! Programs: cells, and instructions from cells into cells.

use std::sync::Arc;

use smallvec::SmallVec;

use super::action::{Action, Nothing};
use super::alias::Conflict;
use crate::dtype::DType;
use crate::shape::Layout;
use crate::tape;
use crate::tensor::Tensor;

/// A storage that a program reads or writes.
#[derive(Clone)]
pub(super) struct Cell {
    pub home: Home,
    pub dtype: DType,
    /// As it was made; of arguments and captured tensors, as they came. Offsets count from the cell's first element.
    pub layout: Layout,
}

impl Cell {
    /// Whether it was recorded for such a tensor.
    pub fn is_like(&self, x: &Tensor) -> bool {
        let Layout { shape, strides, .. } = &self.layout;
        let alike = x.layout().strides == *strides || (self.layout.is_contiguous() && x.is_contiguous());
        *x.shape() == shape[..] && x.dtype() == self.dtype && alike
    }

    /// Bytes of all of its elements.
    pub fn bytes(&self) -> usize {
        self.layout.numel() * self.dtype.size()
    }
}

/// Where a cell's elements come from.
#[derive(Clone)]
pub(super) enum Home {
    /// The argument of this number.
    Argument(usize),
    /// A tensor from outside: a parameter, its gradient, a state of an optimizer, running statistics.
    Captured(Tensor),
    /// A tensor that the recorded function made from what does not change.
    Constant(Tensor),
    /// A value of the step's own.
    Temporary,
}

/// A part of a cell, or all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Operand {
    pub cell: usize,
    pub layout: Layout,
}

/// One instruction.
#[derive(Clone)]
pub(super) struct Instr {
    pub action: Arc<dyn Action>,
    pub inputs: SmallVec<[Operand; 4]>,
    pub outputs: SmallVec<[Operand; 2]>,
    /// Whether the outputs are changed in place rather than made.
    pub in_place: bool,
    /// Whether it does more than its outputs show: draws from a generator.
    pub effect: bool,
}

/// A result of the recorded function.
#[derive(Clone)]
pub(super) enum Output {
    /// A copy of a part of a cell.
    Copy(Operand),
    /// A tensor from outside itself, or a view of it.
    Alias(Operand),
}

/// A leaf whose gradient the program sets.
#[derive(Clone)]
pub(super) struct Gradient {
    pub leaf: Tensor,
    /// Whether the program starts from the gradient that there is before, or from its absence.
    pub read: bool,
    /// The storage of the gradient that the program starts from.
    pub expected: Option<usize>,
    /// Whether the gradient is the program's own: made in its memory, rather than added to.
    pub made: bool,
    /// What it has afterwards.
    pub after: Option<Operand>,
}

/// What the function asks the gradients of by itself, not through `.grad`.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    Argument(usize),
    /// A leaf or a result from before.
    Outside(tape::Key),
}

/// A recorded function.
#[derive(Clone, Default)]
pub struct Program {
    pub(super) cells: Vec<Cell>,
    pub(super) instrs: Vec<Instr>,
    pub(super) outputs: Vec<Output>,
    /// Of each output, the cell that it was a part of when it was recorded: those of one share memory.
    pub(super) groups: Vec<usize>,
    /// Of each output, whether a gradient could have been asked of what the function returned: see [`crate::tape::seal`].
    pub(super) sealed: Vec<bool>,
    pub(super) gradients: Vec<Gradient>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) aims: Vec<Aim>,
    /// The arguments that require gradients, if there are aims.
    pub(super) followed: Vec<usize>,
}

/// What a program takes.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes that are read and written.
    pub bytes: f64,
    /// Instructions.
    pub instructions: usize,
    /// Bytes of the buffers that hold the values in between.
    pub memory: usize,
}

impl Instr {
    /// Makes it an instruction that does nothing, for its pass to remove: no pass takes it for what it was.
    pub fn clear(&mut self) {
        let (inputs, outputs) = Default::default();
        *self = Self { action: Arc::new(Nothing), inputs, outputs, in_place: false, effect: false };
    }

    pub fn is_nothing(&self) -> bool {
        self.outputs.is_empty() && !self.effect
    }
}

impl Program {
    /// Whether an operand is all of a value of the step's own, or of an argument, in row-major order.
    pub(super) fn is_whole(&self, x: &Operand) -> bool {
        let cell = &self.cells[x.cell];
        x.layout.offset == 0 && x.layout.is_contiguous() && x.layout.numel() == cell.layout.numel()
    }

    /// Whether an instruction between `i` and `j` writes to a cell.
    pub(super) fn is_written(&self, cell: usize, i: usize, j: usize) -> bool {
        self.instrs[i + 1..j].iter().flat_map(|instr| &instr.outputs).any(|y| y.cell == cell)
    }

    /// Whether an instruction between `i` and `j` writes to what `i` reads.
    pub(super) fn is_changed(&self, i: usize, j: usize) -> bool {
        self.instrs[i].inputs.iter().any(|x| self.is_written(x.cell, i, j))
    }

    /// Whether the function returns a part of a cell.
    pub(super) fn is_returned(&self, cell: usize) -> bool {
        self.outputs.iter().any(|output| {
            let (Output::Copy(operand) | Output::Alias(operand)) = output;
            operand.cell == cell
        })
    }

    /// The instruction that reads what `i` makes, if there is exactly one, which reads it once, and `i` makes one value of the
    /// step's own.
    pub(super) fn only_reader(&self, i: usize) -> Option<usize> {
        let [made] = &self.instrs[i].outputs[..] else { return None };
        if self.instrs[i].in_place
            || !matches!(self.cells[made.cell].home, Home::Temporary)
            || self.is_returned(made.cell)
        {
            return None;
        }
        let mut readers = (0..self.instrs.len()).filter(|&j| {
            let instr = &self.instrs[j];
            j != i && instr.inputs.iter().chain(&instr.outputs).any(|x| x.cell == made.cell)
        });
        let reader = readers.next().filter(|_| readers.next().is_none())?;
        let instr = &self.instrs[reader];
        let reads = instr.inputs.iter().filter(|x| x.cell == made.cell).count();
        (reads == 1 && instr.outputs.iter().all(|y| y.cell != made.cell)).then_some(reader)
    }

    /// Lets `to` stand for `from`.
    pub(super) fn rename(&mut self, from: usize, to: usize) {
        let operands = self.instrs.iter_mut().flat_map(|instr| instr.inputs.iter_mut().chain(&mut instr.outputs));
        operands.filter(|x| x.cell == from).for_each(|x| x.cell = to);
        for output in &mut self.outputs {
            let (Output::Copy(operand) | Output::Alias(operand)) = output;
            if operand.cell == from {
                operand.cell = to;
            }
        }
    }
}
