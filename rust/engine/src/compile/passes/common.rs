//! Common subexpressions: what was computed already from the same values is not computed again.

use super::super::Kind;
use super::super::program::{Home, Program};

pub(super) fn run(program: &mut Program) {
    for j in 0..program.instrs.len() {
        let again = &program.instrs[j];
        if !is_function(again.action.kind()) || !program.is_own(again.outputs[0].cell) {
            continue;
        }
        let first = (0..j).rev().find(|&i| {
            let first = &program.instrs[i];
            first.action.kind() == again.action.kind()
                && first.inputs == again.inputs
                && first.outputs.len() == 1
                && first.outputs[0].layout == again.outputs[0].layout
                && program.cells[first.outputs[0].cell].dtype == program.cells[again.outputs[0].cell].dtype
                && program.is_own(first.outputs[0].cell)
                && !program.is_changed(i, j)
        });
        if let Some(i) = first {
            let (from, to) = (program.instrs[j].outputs[0].cell, program.instrs[i].outputs[0].cell);
            program.instrs[j].clear();
            program.rename(from, to);
        }
    }
    program.instrs.retain(|instr| !instr.is_nothing());
}

/// Whether the kind and the inputs say all about the result.
fn is_function(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Unary(_)
            | Kind::Binary(_)
            | Kind::Curve(_)
            | Kind::Slope(_)
            | Kind::Compare(_)
            | Kind::Where
            | Kind::Copy
    )
}

impl Program {
    /// Whether a cell is the step's own and made by one instruction, whole and once.
    pub(super) fn is_own(&self, cell: usize) -> bool {
        let writes = self.instrs.iter().flat_map(|i| &i.outputs).filter(|o| o.cell == cell);
        matches!(self.cells[cell].home, Home::Temporary) && writes.count() == 1
    }
}
