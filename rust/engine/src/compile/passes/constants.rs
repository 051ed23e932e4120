//! Constant folding: operations on constants run once, when the program is compiled.

use crate::error::Result;
use crate::op::Out;
use crate::tensor::Tensor;

use super::super::edit::Edit;
use super::super::program::{Home, Program};

pub(super) fn run(program: &mut Program) {
    let mut program = Edit::of(program);
    for i in 0..program.count() {
        let instr = program.instr(i);
        let known = instr.inputs.iter().all(|x| matches!(program.cell(x.cell).home, Home::Constant(_)));
        let own = instr.outputs.iter().all(|y| program.is_own(y.cell) && program.is_whole(y));
        // Errors, including lack of memory, are left to occur when the program runs.
        if known
            && own
            && !instr.effect
            && !instr.in_place
            && !instr.outputs.is_empty()
            && let Ok(made) = computed(&program, i)
        {
            for (k, t) in made.into_iter().enumerate() {
                let cell = program.instr(i).outputs[k].cell;
                program.set_home(cell, Home::Constant(t));
            }
            program.clear(i);
        }
    }
    program.finish();
}

fn computed(program: &Edit, i: usize) -> Result<Vec<Tensor>> {
    let instr = program.instr(i);
    let inputs = instr.inputs.iter().filter_map(|x| match &program.cell(x.cell).home {
        Home::Constant(t) => Some(t.with_layout(x.layout.clone())),
        _ => None,
    });
    let inputs: Vec<Tensor> = inputs.collect();
    let zeros = |y: &super::super::program::Operand| {
        let cell = program.cell(y.cell);
        Tensor::full(&cell.layout.shape, crate::tensor::Number::Int(0), cell.dtype)
    };
    let outputs = instr.outputs.iter().map(zeros).collect::<Result<Vec<_>>>()?;
    instr.op.forward(&inputs.iter().collect::<Vec<_>>(), &mut Out::at(&outputs.iter().collect::<Vec<_>>()))?;
    Ok(outputs)
}
