//! Construction of chains: checks of the steps, and allocation of tiles to their results.

use std::fmt::{Display, Formatter};

use super::Step;
use crate::map::Binary;
use crate::split::{GRAIN_CHEAP, UNIT};

/// The largest number of inputs: each takes up to 8 KiB of a task's stack, for elements that are not contiguous.
pub const MAX_INPUTS: usize = 12;
/// The largest number of outputs.
pub const MAX_OUTPUTS: usize = 8;
/// The largest number of live results that are not outputs: at 2 KiB each they take half of an L1 cache of 32 KiB, and
/// leave the rest to inputs and outputs.
pub const MAX_TILES: usize = 8;

/// The kind of a chain's input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Numbers
    Number,
    /// Truth values
    Mask,
    /// The previous contents of an output of numbers
    Output(usize),
}

/// Why steps cannot form a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// More than [`MAX_INPUTS`]
    Inputs,
    /// More than [`MAX_OUTPUTS`], or none
    Outputs,
    /// At this step more than [`MAX_TILES`] results are live.
    Tiles(usize),
    /// An operand of this step is not defined before it.
    Operand(usize),
    /// An operand of this step is a mask where a number is needed, or vice versa.
    Kind(usize),
    /// The exponent of this step, a power, is not an input.
    Exponent(usize),
    /// This output is not the result of a step.
    Output(usize),
    /// This input is the previous contents of an output that does not exist or is a mask.
    InPlace(usize),
}

impl Display for Unfit {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::Inputs => write!(f, "a chain has at most {MAX_INPUTS} inputs"),
            Unfit::Outputs => write!(f, "a chain has 1 to {MAX_OUTPUTS} outputs"),
            Unfit::Tiles(step) => write!(f, "step {step} of a chain needs more than {MAX_TILES} results at one time"),
            Unfit::Operand(step) => write!(f, "step {step} of a chain has an operand that does not exist before it"),
            Unfit::Kind(step) => {
                write!(f, "step {step} of a chain mistakes a mask for a number or a number for a mask")
            }
            Unfit::Exponent(step) => write!(f, "the exponent of step {step} of a chain is not an input"),
            Unfit::Output(output) => write!(f, "output {output} of a chain is not the result of a step"),
            Unfit::InPlace(input) => write!(f, "input {input} of a chain does not stand for an output of numbers"),
        }
    }
}

impl std::error::Error for Unfit {}

/// A checked program of element-wise operations.
#[derive(Clone, Debug)]
pub struct Chain {
    inputs: Vec<Kind>,
    /// Whether each is a mask.
    outputs: Vec<bool>,
    instructions: Vec<Instruction>,
    grain: usize,
}

/// An operation on one tile of elements. Operands and results are slots: first the inputs, then the tiles, then the
/// outputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    /// Computes a result into a slot that is not one of its operands.
    Step(Step, usize),
    /// Copies a slot of numbers, or a mask, to another slot.
    Copy { from: usize, to: usize, is_mask: bool },
}

/// The slot of the first tile.
pub(super) const TILES: usize = MAX_INPUTS;
/// The slot of the first output.
pub(super) const OUTPUTS: usize = TILES + MAX_TILES;
/// The number of slots.
pub(super) const SLOTS: usize = OUTPUTS + MAX_OUTPUTS;

/// An operand's number, and whether it is a mask.
type Operand = (usize, bool);

impl Step {
    /// The operands, each with whether it must be a mask.
    fn operands(self) -> ([Operand; 3], usize) {
        let none = (0, false);
        match self {
            Step::Unary(_, x) | Step::Curve(_, x) => ([(x, false), none, none], 1),
            Step::Not(x) | Step::Number(x) => ([(x, true), none, none], 1),
            Step::Binary(_, a, b) | Step::CurveGrad(_, a, b) | Step::Compare(_, a, b) => {
                ([(a, false), (b, false), none], 2)
            }
            Step::Logic(_, a, b) => ([(a, true), (b, true), none], 2),
            Step::Select(cond, a, b) => ([(cond, true), (a, false), (b, false)], 3),
        }
    }

    /// Whether the result is a mask.
    fn makes_mask(self) -> bool {
        matches!(self, Step::Compare(..) | Step::Logic(..) | Step::Not(_))
    }

    /// The step with its operands renumbered.
    fn with(self, renumber: impl Fn(usize) -> usize) -> Self {
        match self {
            Step::Unary(op, x) => Step::Unary(op, renumber(x)),
            Step::Binary(op, a, b) => Step::Binary(op, renumber(a), renumber(b)),
            Step::Curve(curve, x) => Step::Curve(curve, renumber(x)),
            Step::CurveGrad(curve, g, x) => Step::CurveGrad(curve, renumber(g), renumber(x)),
            Step::Compare(op, a, b) => Step::Compare(op, renumber(a), renumber(b)),
            Step::Select(cond, a, b) => Step::Select(renumber(cond), renumber(a), renumber(b)),
            Step::Logic(op, a, b) => Step::Logic(op, renumber(a), renumber(b)),
            Step::Not(x) => Step::Not(renumber(x)),
            Step::Number(x) => Step::Number(renumber(x)),
        }
    }

    /// Elements of this step alone that pay for a thread.
    fn grain(self) -> usize {
        match self {
            Step::Unary(op, _) => op.grain(),
            Step::Binary(op, ..) => op.grain(),
            Step::Curve(curve, _) | Step::CurveGrad(curve, ..) => curve.grain(),
            _ => GRAIN_CHEAP,
        }
    }
}

impl Chain {
    /// A chain of `steps` that stores operand `outputs[j]`, the result of a step, in output `j`. Inputs that stand for
    /// the previous contents of an output keep them until their last use.
    pub fn new(inputs: &[Kind], steps: &[Step], outputs: &[usize]) -> Result<Self, Unfit> {
        if inputs.len() > MAX_INPUTS {
            return Err(Unfit::Inputs);
        }
        if outputs.is_empty() || outputs.len() > MAX_OUTPUTS {
            return Err(Unfit::Outputs);
        }
        let mut masks: Vec<bool> = inputs.iter().map(|kind| *kind == Kind::Mask).collect();
        // The last step that reads each operand; for results that are never read, the step itself.
        let mut last: Vec<usize> = vec![0; inputs.len()];
        for (at, &step) in steps.iter().enumerate() {
            let (operands, count) = step.operands();
            for (x, mask) in operands.into_iter().take(count) {
                match masks.get(x) {
                    None => return Err(Unfit::Operand(at)),
                    Some(&is) if is != mask => return Err(Unfit::Kind(at)),
                    _ => last[x] = at,
                }
            }
            if matches!(step, Step::Binary(Binary::Pow, _, b) if !matches!(inputs.get(b), Some(Kind::Number))) {
                return Err(Unfit::Exponent(at));
            }
            masks.push(step.makes_mask());
            last.push(at);
        }
        for (j, &x) in outputs.iter().enumerate() {
            if x < inputs.len() || x >= masks.len() {
                return Err(Unfit::Output(j));
            }
        }
        for (i, kind) in inputs.iter().enumerate() {
            if matches!(*kind, Kind::Output(j) if outputs.get(j).is_none_or(|&x| masks[x])) {
                return Err(Unfit::InPlace(i));
            }
        }
        let instructions = allocate_slots(inputs, steps, outputs, &masks, &last)?;
        let cost: usize = steps.iter().map(|step| GRAIN_CHEAP / step.grain()).sum();
        Ok(Chain {
            inputs: inputs.to_vec(),
            outputs: outputs.iter().map(|&x| masks[x]).collect(),
            instructions,
            grain: (GRAIN_CHEAP / cost.max(1)).max(UNIT),
        })
    }

    /// The kinds of the inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Kind] {
        &self.inputs
    }

    /// For every output, whether it is a mask.
    #[must_use]
    pub fn outputs(&self) -> &[bool] {
        &self.outputs
    }

    pub(super) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Elements that pay for a thread.
    pub(super) fn grain(&self) -> usize {
        self.grain
    }
}

/// Allocates a slot to every result: the output itself if its previous contents are not read any more, else a free
/// tile.
fn allocate_slots(
    inputs: &[Kind],
    steps: &[Step],
    outputs: &[usize],
    masks: &[bool],
    last: &[usize],
) -> Result<Vec<Instruction>, Unfit> {
    let mut slots: Vec<usize> = (0..inputs.len()).collect();
    let mut free: Vec<usize> = (TILES..OUTPUTS).rev().collect();
    let mut instructions = Vec::new();
    let mut copies = Vec::new();
    // For every step, the results that it is the last to read; outputs are live to the end.
    let mut over: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for x in (inputs.len()..last.len()).filter(|x| !outputs.contains(x)) {
        over[last[x]].push(x);
    }
    for (at, &step) in steps.iter().enumerate() {
        let result = slots.len();
        let read_after = |j| inputs.iter().zip(last).any(|(kind, &last)| *kind == Kind::Output(j) && last >= at);
        let stored = || (0..outputs.len()).filter(|&j| outputs[j] == result);
        let direct = stored().find(|&j| !read_after(j));
        let slot = match direct {
            Some(j) => OUTPUTS + j,
            None => free.pop().ok_or(Unfit::Tiles(at))?,
        };
        instructions.push(Instruction::Step(step.with(|x| slots[x]), slot));
        let is_mask = masks[result];
        copies.extend(stored().filter(|&j| Some(j) != direct).map(|j| Instruction::Copy {
            from: slot,
            to: OUTPUTS + j,
            is_mask,
        }));
        slots.push(slot);
        free.extend(over[at].iter().map(|&x| slots[x]));
    }
    instructions.extend(copies);
    Ok(instructions)
}
