//! Softmax cross-entropy and its gradient read the same logits: one pass makes both.

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::edit::Edit;
use super::super::program::{Cell, Instr, Operand, Program};
use crate::op::Kind;
use crate::ops::CrossEntropyWithSlope;
use crate::shape::Layout;

pub(super) fn run(program: &mut Program) {
    let mut program = Edit::of(program);
    for i in 0..program.count() {
        let Kind::CrossEntropy { reduction, ignored } = program.instr(i).action.kind() else { continue };
        let slope = Kind::CrossEntropySlope { mean: reduction.is_mean(), ignored };
        let same = |j: &usize| {
            let (a, b) = (program.instr(i), program.instr(*j));
            b.action.kind() == slope && a.inputs == b.inputs
        };
        let readers = program.readers(program.instr(i).inputs[0].cell).iter().copied();
        let Some(j) = readers.filter(|&j| j > i).find(same) else { continue };
        if program.is_changed(i, j) {
            continue;
        }
        let logits = &program.instr(i).inputs[0];
        let (rows, dtype) = (logits.layout.shape[0], program.cell(logits.cell).dtype);
        let layout = Layout::contiguous(&[rows]);
        let cell = program.new_cell(Cell::temporary(dtype, layout.clone()));
        let losses = Operand { cell, layout };
        let mut outputs: SmallVec<[Operand; 2]> = program.instr(i).outputs.clone();
        outputs.extend(program.instr(j).outputs.clone());
        outputs.push(losses);
        let inputs = program.instr(i).inputs.clone();
        let action = Arc::new(CrossEntropyWithSlope { reduction, ignored });
        program.clear(j);
        program.replace(i, Instr { action, inputs, outputs, in_place: false, effect: false });
    }
    program.finish();
}
