//! Softmax cross-entropy and its gradient read the same logits: one pass makes both.

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::Kind;
use super::super::program::{Cell, Home, Instr, Operand, Program};
use crate::ops::CrossEntropyWithSlope;
use crate::shape::Layout;

pub(super) fn run(program: &mut Program) {
    for i in 0..program.instrs.len() {
        let Kind::CrossEntropy { reduction, ignored } = program.instrs[i].action.kind() else { continue };
        let slope = Kind::CrossEntropySlope { mean: reduction.is_mean(), ignored };
        let same = |j: &usize| {
            let (a, b) = (&program.instrs[i], &program.instrs[*j]);
            b.action.kind() == slope && a.inputs == b.inputs
        };
        let Some(j) = (i + 1..program.instrs.len()).find(same) else { continue };
        if program.is_changed(i, j) {
            continue;
        }
        let logits = &program.instrs[i].inputs[0];
        let (rows, dtype) = (logits.layout.shape[0], program.cells[logits.cell].dtype);
        let losses = Operand { cell: program.cells.len(), layout: Layout::contiguous(&[rows]) };
        program.cells.push(Cell { home: Home::Temporary, dtype, layout: losses.layout.clone() });
        let mut outputs: SmallVec<[Operand; 2]> = program.instrs[i].outputs.clone();
        outputs.extend(program.instrs[j].outputs.clone());
        outputs.push(losses);
        let inputs = program.instrs[i].inputs.clone();
        let action = Arc::new(CrossEntropyWithSlope { reduction, ignored });
        program.instrs[i] = Instr { action, inputs, outputs, in_place: false, effect: false };
        program.instrs[j].clear();
    }
    program.instrs.retain(|instr| !instr.is_nothing());
}
