//! Dead code elimination: what nobody reads is not computed, except for operations that reject some values. Removes gradients of
//! inputs, and derivatives that only a higher order needs.

use super::super::program::{Home, Program};
use crate::op::Kind;

pub(super) fn run(program: &mut Program) {
    let mut live: Vec<bool> = program.cells.iter().map(|c| !matches!(c.home, Home::Temporary)).collect();
    for output in &program.outputs {
        live[output.operand().cell] = true;
    }
    let mut keep = vec![false; program.instrs.len()];
    for (keep, instr) in keep.iter_mut().zip(&program.instrs).rev() {
        *keep = instr.effect || instr.op.kind() == Kind::Refuses || instr.outputs.iter().any(|o| live[o.cell]);
        if *keep {
            instr.inputs.iter().for_each(|o| live[o.cell] = true);
        }
    }
    let mut keep = keep.into_iter();
    program.instrs.retain(|_| keep.next().unwrap_or(true));
}
