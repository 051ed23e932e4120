//! Weights that the program does not change, such as those of inference, are kept packed.

use std::sync::Arc;

use super::super::product::FusedProduct;
use super::super::product::Kept;
use super::super::program::{Home, Program};

pub(super) fn run(program: &mut Program) {
    let mut written = vec![false; program.cells.len()];
    for operand in program.instrs.iter().flat_map(|i| &i.outputs) {
        written[operand.cell] = true;
    }
    for instr in &mut program.instrs {
        let Some(product) = FusedProduct::of(&*instr.op).cloned() else { continue };
        let b = &instr.inputs[1];
        // A B whose rows are contiguous is read in place just as fast.
        let outside = matches!(program.cells[b.cell].home, Home::Captured(_) | Home::Constant(_));
        if outside && !written[b.cell] && b.layout.strides[1] != 1 {
            instr.op = Arc::new(Kept::new(product));
        }
    }
}
