//! Copy elimination: a value that is only copied to another place is computed there, such as running statistics and accumulated
//! gradients.

use super::super::chain::Fused;
use super::super::edit::Edit;
use super::super::program::Program;
use crate::op::Kind;

pub(super) fn run(program: &mut Program) {
    let mut program = Edit::of(program);
    for i in 0..program.count() {
        let Some(c) = program.only_reader(i) else { continue };
        let copy = program.instr(c);
        if copy.op.kind() != Kind::Overwrite || !program.is_whole(&copy.inputs[0]) {
            continue;
        }
        let (made, target) = (&program.instr(i).outputs[0], &copy.outputs[0]);
        let fits = program.is_whole(made)
            && target.layout.is_contiguous()
            && target.layout.shape == made.layout.shape
            && copy.inputs[0].layout.shape == made.layout.shape
            && program.cell(target.cell).dtype == program.cell(made.cell).dtype;
        if !fits || program.is_used(target.cell, i, c) {
            continue;
        }
        let target = target.clone();
        if program.instr(i).inputs.iter().any(|x| x.cell == target.cell) {
            // Only element-wise operations may read what they overwrite.
            let Some(fused) = Fused::of(&*program.instr(i).op) else { continue };
            let Some((fused, inputs)) = fused.in_place(&program.instr(i).inputs, &target) else { continue };
            program.change(i, |instr| {
                instr.op = std::sync::Arc::new(fused);
                instr.inputs = inputs;
                instr.in_place = true;
            });
        }
        program.clear(c);
        program.change(i, |instr| instr.outputs[0] = target);
    }
    program.finish();
}
