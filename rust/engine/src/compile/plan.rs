//! Places for the values of a step's own: each lives from the instruction that makes it to the last one that reads it, and
//! its place is then another's.

use super::program::{Home, Output, Program};

/// Where temporaries lie.
#[derive(Default, Debug)]
pub(super) struct Places {
    /// Of every cell, the number of its slot, if it is a temporary.
    pub slot: Vec<Option<usize>>,
    /// Bytes of every slot.
    pub bytes: Vec<usize>,
}

/// Gives every temporary a slot that no other value needs meanwhile: the smallest that is free and large enough, or else the
/// largest that is free, made larger.
pub(super) fn places(program: &Program) -> Places {
    let cells = &program.cells;
    let mut last = vec![0; cells.len()];
    for (i, instr) in program.instrs.iter().enumerate() {
        for operand in instr.inputs.iter().chain(&instr.outputs) {
            last[operand.cell] = i;
        }
    }
    for output in &program.outputs {
        let (Output::Copy(operand) | Output::Alias(operand)) = output;
        last[operand.cell] = usize::MAX;
    }
    let mut places = Places { slot: vec![None; cells.len()], bytes: Vec::new() };
    let mut free: Vec<usize> = Vec::new();
    for (i, instr) in program.instrs.iter().enumerate() {
        for operand in &instr.outputs {
            let cell = &cells[operand.cell];
            if places.slot[operand.cell].is_some() || !matches!(cell.home, Home::Temporary) {
                continue;
            }
            let need = cell.bytes();
            let fits = |&&s: &&usize| places.bytes[s] >= need;
            let best = free.iter().filter(fits).min_by_key(|&&s| places.bytes[s]);
            let slot = best.or_else(|| free.iter().max_by_key(|&&s| places.bytes[s])).copied().unwrap_or_else(|| {
                places.bytes.push(0);
                places.bytes.len() - 1
            });
            free.retain(|&s| s != slot);
            places.bytes[slot] = places.bytes[slot].max(need);
            places.slot[operand.cell] = Some(slot);
        }
        let mut dead: Vec<usize> = instr.inputs.iter().chain(&instr.outputs).map(|o| o.cell).collect();
        dead.sort_unstable();
        dead.dedup();
        free.extend(dead.into_iter().filter(|&c| last[c] == i).filter_map(|c| places.slot[c]));
    }
    places
}
