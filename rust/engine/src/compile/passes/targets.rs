//! What is made only to be copied over something else is made there at once: running statistics, gradients that are added up.

use super::super::Kind;
use super::super::program::Program;

pub(super) fn run(program: &mut Program) {
    for i in 0..program.instrs.len() {
        let Some(c) = program.only_reader(i) else { continue };
        let copy = &program.instrs[c];
        if copy.action.kind() != Kind::Overwrite || !program.is_whole(&copy.inputs[0]) {
            continue;
        }
        let (made, target) = (&program.instrs[i].outputs[0], &copy.outputs[0]);
        let fits = program.is_whole(made)
            && target.layout.is_contiguous()
            && target.layout.shape == made.layout.shape
            && copy.inputs[0].layout.shape == made.layout.shape
            && program.cells[target.cell].dtype == program.cells[made.cell].dtype;
        let used = program.instrs[i + 1..c]
            .iter()
            .any(|instr| instr.inputs.iter().chain(&instr.outputs).any(|x| x.cell == target.cell));
        if !fits || used {
            continue;
        }
        let target = target.clone();
        if program.instrs[i].inputs.iter().any(|x| x.cell == target.cell) {
            // Only element by element may it be read meanwhile.
            let Some(fused) = program.instrs[i].action.fused() else { continue };
            let Some((fused, inputs)) = fused.in_place(&program.instrs[i].inputs, &target) else { continue };
            program.instrs[i].action = std::sync::Arc::new(fused);
            program.instrs[i].inputs = inputs;
            program.instrs[i].in_place = true;
        }
        program.instrs[i].outputs[0] = target;
        program.instrs[c].clear();
    }
    program.instrs.retain(|instr| !instr.is_nothing());
}
