//! Programs: cells, and instructions from cells into cells.

use std::sync::Arc;

use smallvec::SmallVec;

use super::alias::Conflict;
use super::grad_state::{GradState, Watched};
use crate::dtype::DType;
use crate::error::Result;
use crate::op::{Op, Out};
use crate::shape::Layout;
use crate::tensor::Tensor;

/// A storage that a program reads or writes.
#[derive(Clone)]
pub(super) struct Cell {
    pub home: Home,
    pub dtype: DType,
    /// Its layout when it was recorded. Offsets count from the cell's first element.
    pub layout: Layout,
    /// Its gradient state when it was recorded.
    pub grad_state: GradState,
}

impl Cell {
    /// A temporary.
    pub fn temporary(dtype: DType, layout: Layout) -> Self {
        Self { home: Home::Temporary, dtype, layout, grad_state: GradState::default() }
    }

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
    /// A tensor captured from outside: a parameter, its gradient, optimizer state, running statistics.
    Captured(Tensor),
    /// A tensor that the recorded function made from constants.
    Constant(Tensor),
    /// An intermediate value.
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
    pub op: Arc<dyn Op>,
    pub inputs: SmallVec<[Operand; 4]>,
    pub outputs: SmallVec<[Operand; 2]>,
    /// Whether the outputs are changed in place rather than made.
    pub in_place: bool,
    /// Whether it has side effects, such as drawing from a generator.
    pub effect: bool,
}

/// A result of the recorded function.
#[derive(Clone)]
pub(super) enum Output {
    /// A copy of a part of a cell.
    Copy(Operand),
    /// A captured tensor, or a view of it.
    Alias(Operand),
}

impl Output {
    pub fn operand(&self) -> &Operand {
        let (Self::Copy(operand) | Self::Alias(operand)) = self;
        operand
    }

    pub fn operand_mut(&mut self) -> &mut Operand {
        let (Self::Copy(operand) | Self::Alias(operand)) = self;
        operand
    }
}

/// A leaf whose gradient the program sets.
#[derive(Clone)]
pub(super) struct Gradient {
    pub leaf: Tensor,
    /// Whether the program reads the previous gradient, or relies on its absence.
    pub read: bool,
    /// The storage of the previous gradient.
    pub expected: Option<usize>,
    /// Whether the gradient is in the program's memory, rather than accumulated in the previous one.
    pub made: bool,
    /// The gradient afterwards.
    pub after: Option<Operand>,
}

/// A tensor with respect to which the function computes gradients other than through `.grad`.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Argument(usize),
    /// A leaf or an earlier result.
    Outside(crate::tensor::Key),
}

/// A recorded function.
#[derive(Clone, Default)]
pub struct Program {
    pub(super) cells: Vec<Cell>,
    pub(super) instrs: Vec<Instr>,
    pub(super) outputs: Vec<Output>,
    /// For each output, the cell that it was a part of when recorded: outputs of one cell share memory.
    pub(super) groups: Vec<usize>,
    /// For each output, whether what the function returned required gradients: see [`crate::tape::seal`].
    pub(super) sealed: Vec<bool>,
    pub(super) gradients: Vec<Gradient>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) watched: Vec<Watched>,
    /// The arguments whose `requires_grad` the function sets, and the values.
    pub(super) set: Vec<(usize, bool)>,
    pub(super) targets: Vec<Target>,
    /// The arguments that require gradients, if there are targets.
    pub(super) followed: Vec<usize>,
}

/// The cost of a program.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes read and written.
    pub bytes: f64,
    /// Instructions.
    pub instructions: usize,
    /// Bytes of the buffers for temporaries.
    pub memory: usize,
}

impl Instr {
    /// Turns it into an instruction that does nothing, which is removed later and which no pass recognizes.
    pub fn clear(&mut self) {
        let (inputs, outputs) = Default::default();
        *self = Self { op: Arc::new(Nothing), inputs, outputs, in_place: false, effect: false };
    }

    pub fn is_nothing(&self) -> bool {
        self.outputs.is_empty() && !self.effect
    }
}

/// The action of an instruction that a pass has eliminated.
struct Nothing;

impl Op for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn forward(&self, _: &[&Tensor], _: &mut Out<'_>) -> Result<()> {
        Ok(())
    }
}
