//! Programs: cells, and instructions from cells into cells.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Action;
use crate::dtype::DType;
use crate::shape::{Dims, Layout};
use crate::tensor::Tensor;

/// A storage that a program reads or writes.
#[derive(Clone)]
pub(super) struct Cell {
    pub home: Home,
    pub dtype: DType,
    /// As it was made; of arguments and captured tensors, as they came.
    pub shape: Dims,
}

impl Cell {
    /// Bytes of all of its elements.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}

/// Where a cell's elements come from.
#[derive(Clone)]
pub(super) enum Home {
    /// The argument of this number, contiguous.
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
    /// Of an argument, relative to its first element.
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

/// A recorded function.
#[derive(Clone, Default)]
pub struct Program {
    pub(super) cells: Vec<Cell>,
    pub(super) instrs: Vec<Instr>,
    pub(super) outputs: Vec<Output>,
    pub(super) gradients: Vec<Gradient>,
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
