//! Buffer planning: a temporary lives from the instruction that makes it to the last one that reads it; its slot is reused
//! afterwards.

use std::collections::BTreeSet;

use super::program::{Home, Program};

/// The buffers of temporaries.
#[derive(Default, Debug)]
pub(super) struct Slots {
    /// The slot of each cell, if it is a temporary.
    pub slot: Vec<Option<usize>>,
    /// The size of each slot in bytes.
    pub bytes: Vec<usize>,
}

/// Assigns each temporary a slot that is free for its lifetime: the smallest one that is large enough, or else the largest one,
/// enlarged.
pub(super) fn assign_slots(program: &Program) -> Slots {
    let cells = &program.cells;
    let mut last = vec![0; cells.len()];
    for (i, instr) in program.instrs.iter().enumerate() {
        for operand in instr.inputs.iter().chain(&instr.outputs) {
            last[operand.cell] = i;
        }
    }
    for output in &program.outputs {
        last[output.operand().cell] = usize::MAX;
    }
    let mut slots = Slots { slot: vec![None; cells.len()], bytes: Vec::new() };
    // By bytes, and then by number.
    let mut free: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (i, instr) in program.instrs.iter().enumerate() {
        for operand in &instr.outputs {
            let cell = &cells[operand.cell];
            if slots.slot[operand.cell].is_some() || !matches!(cell.home, Home::Temporary) {
                continue;
            }
            let need = cell.bytes();
            let best = free.range((need, 0)..).next().or_else(|| free.last()).copied();
            let slot = best.map_or_else(
                || {
                    slots.bytes.push(0);
                    slots.bytes.len() - 1
                },
                |(_, slot)| slot,
            );
            free.remove(&(slots.bytes[slot], slot));
            slots.bytes[slot] = slots.bytes[slot].max(need);
            slots.slot[operand.cell] = Some(slot);
        }
        let mut dead: Vec<usize> = instr.inputs.iter().chain(&instr.outputs).map(|o| o.cell).collect();
        dead.sort_unstable();
        dead.dedup();
        let freed = dead.into_iter().filter(|&c| last[c] == i).filter_map(|c| slots.slot[c]);
        free.extend(freed.map(|slot| (slots.bytes[slot], slot)));
    }
    slots
}
