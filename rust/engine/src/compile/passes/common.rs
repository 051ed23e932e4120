//! Common subexpression elimination: equal operations on the same values are computed once.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use super::super::edit::Edit;
use super::super::program::{Instr, Program};
use crate::op::Kind;

/// What equal computations have in common, and few others.
type Key = (Discriminant<Kind>, Vec<(usize, usize)>);

fn key(instr: &Instr) -> Key {
    (discriminant(&instr.op.kind()), instr.inputs.iter().map(|x| (x.cell, x.layout.offset)).collect())
}

pub(super) fn run(program: &mut Program) {
    let mut program = Edit::of(program);
    let mut known: HashMap<Key, Vec<usize>> = HashMap::new();
    for j in 0..program.count() {
        let again = program.instr(j);
        if !is_function(again.op.kind()) || again.outputs.len() != 1 || !program.is_own(again.outputs[0].cell) {
            continue;
        }
        let alike = known.entry(key(again)).or_default();
        let first = alike.iter().rev().copied().find(|&i| {
            let first = program.instr(i);
            first.op.kind() == again.op.kind()
                && first.inputs == again.inputs
                && first.outputs[0].layout == again.outputs[0].layout
                && program.cell(first.outputs[0].cell).dtype == program.cell(again.outputs[0].cell).dtype
                && !program.is_changed(i, j)
        });
        if let Some(i) = first {
            let (from, to) = (again.outputs[0].cell, program.instr(i).outputs[0].cell);
            program.clear(j);
            program.rename(from, to);
        } else {
            alike.push(j);
        }
    }
    program.finish();
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
