//! Places for the values of a step's own: each lives from the instruction that makes it to the last one that reads it, and
//! its place is then another's.

use std::collections::BTreeSet;

use super::program::{Home, Program};

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
        last[output.operand().cell] = usize::MAX;
    }
    let mut places = Places { slot: vec![None; cells.len()], bytes: Vec::new() };
    // By bytes, and then by number.
    let mut free: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (i, instr) in program.instrs.iter().enumerate() {
        for operand in &instr.outputs {
            let cell = &cells[operand.cell];
            if places.slot[operand.cell].is_some() || !matches!(cell.home, Home::Temporary) {
                continue;
            }
            let need = cell.bytes();
            let best = free.range((need, 0)..).next().or_else(|| free.last()).copied();
            let slot = best.map_or_else(
                || {
                    places.bytes.push(0);
                    places.bytes.len() - 1
                },
                |(_, slot)| slot,
            );
            free.remove(&(places.bytes[slot], slot));
            places.bytes[slot] = places.bytes[slot].max(need);
            places.slot[operand.cell] = Some(slot);
        }
        let mut dead: Vec<usize> = instr.inputs.iter().chain(&instr.outputs).map(|o| o.cell).collect();
        dead.sort_unstable();
        dead.dedup();
        let slots = dead.into_iter().filter(|&c| last[c] == i).filter_map(|c| places.slot[c]);
        free.extend(slots.map(|slot| (places.bytes[slot], slot)));
    }
    places
}
