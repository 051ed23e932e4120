//! A program being edited by a pass: instructions are replaced in place, and a use-def index holds the readers and writers of
//! each cell, so that no pass scans the whole program for each of its instructions.

use super::program::{Cell, Home, Instr, Operand, Output, Program};

/// The instructions that use a cell, by their numbers, in order.
#[derive(Clone, Default)]
struct Use {
    readers: Vec<usize>,
    writers: Vec<usize>,
    /// Whether the function returns a part of it.
    returned: bool,
}

pub(super) struct Edit<'a> {
    program: &'a mut Program,
    uses: Vec<Use>,
}

#[cfg(test)]
thread_local! {
    /// How often instructions were accessed: passes have no other access.
    pub(super) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The cells of operands, each once.
fn cells(operands: &[Operand]) -> impl Iterator<Item = usize> {
    let first = |&(k, x): &(usize, &Operand)| operands[..k].iter().all(|y| y.cell != x.cell);
    operands.iter().enumerate().filter(first).map(|(_, x)| x.cell)
}

fn put(list: &mut Vec<usize>, i: usize) {
    if list.last().is_none_or(|&last| last < i) {
        list.push(i);
    } else if let Err(at) = list.binary_search(&i) {
        list.insert(at, i);
    }
}

fn take(list: &mut Vec<usize>, i: usize) {
    if let Ok(at) = list.binary_search(&i) {
        list.remove(at);
    }
}

/// Those of a list between `i` and `j`, without these.
fn between(list: &[usize], i: usize, j: usize) -> &[usize] {
    &list[list.partition_point(|&k| k <= i)..list.partition_point(|&k| k < j)]
}

impl<'a> Edit<'a> {
    pub fn of(program: &'a mut Program) -> Self {
        let mut edit = Self { uses: vec![Use::default(); program.cells.len()], program };
        for output in &edit.program.outputs {
            edit.uses[output.operand().cell].returned = true;
        }
        for i in 0..edit.program.instrs.len() {
            edit.link(i);
        }
        edit
    }

    fn link(&mut self, i: usize) {
        let instr = &self.program.instrs[i];
        cells(&instr.inputs).for_each(|cell| put(&mut self.uses[cell].readers, i));
        cells(&instr.outputs).for_each(|cell| put(&mut self.uses[cell].writers, i));
    }

    fn unlink(&mut self, i: usize) {
        let instr = &self.program.instrs[i];
        cells(&instr.inputs).for_each(|cell| take(&mut self.uses[cell].readers, i));
        cells(&instr.outputs).for_each(|cell| take(&mut self.uses[cell].writers, i));
    }

    /// Changes an instruction.
    pub fn change(&mut self, i: usize, f: impl FnOnce(&mut Instr)) {
        self.unlink(i);
        f(&mut self.program.instrs[i]);
        self.link(i);
    }

    pub fn replace(&mut self, i: usize, instr: Instr) {
        self.change(i, |old| *old = instr);
    }

    /// Replaces it by an instruction that does nothing.
    pub fn clear(&mut self, i: usize) {
        self.change(i, Instr::clear);
    }

    pub fn set_home(&mut self, cell: usize, home: Home) {
        self.program.cells[cell].home = home;
    }

    /// Replaces all uses of `from` by `to`.
    pub fn rename(&mut self, from: usize, to: usize) {
        let Use { readers, writers, returned } = std::mem::take(&mut self.uses[from]);
        for &i in readers.iter().chain(&writers) {
            let instr = &mut self.program.instrs[i];
            let operands = instr.inputs.iter_mut().chain(&mut instr.outputs);
            operands.filter(|x| x.cell == from).for_each(|x| x.cell = to);
        }
        for i in readers {
            put(&mut self.uses[to].readers, i);
        }
        for i in writers {
            put(&mut self.uses[to].writers, i);
        }
        if returned {
            self.uses[to].returned = true;
            let outputs = self.program.outputs.iter_mut().map(Output::operand_mut);
            outputs.filter(|x| x.cell == from).for_each(|x| x.cell = to);
        }
    }

    /// Removes instructions that do nothing.
    pub fn finish(self) {
        self.program.instrs.retain(|instr| !instr.is_nothing());
    }

    // ---- Queries ----

    /// The number of instructions.
    pub fn count(&self) -> usize {
        self.program.instrs.len()
    }

    pub fn instr(&self, i: usize) -> &Instr {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        &self.program.instrs[i]
    }

    pub fn cell(&self, cell: usize) -> &Cell {
        &self.program.cells[cell]
    }

    /// Whether an operand is all of a temporary, or of an argument, in row-major order.
    pub fn is_whole(&self, x: &Operand) -> bool {
        let cell = self.cell(x.cell);
        x.layout.offset == 0 && x.layout.is_contiguous() && x.layout.numel() == cell.layout.numel()
    }

    /// The instructions that read a cell, in order.
    pub fn readers(&self, cell: usize) -> &[usize] {
        &self.uses[cell].readers
    }

    /// The last instruction before `i` that writes a cell.
    pub fn writer_before(&self, cell: usize, i: usize) -> Option<usize> {
        let writers = &self.uses[cell].writers;
        writers[..writers.partition_point(|&k| k < i)].last().copied()
    }

    /// Whether a cell is a temporary that one instruction writes, as a whole and once.
    pub fn is_own(&self, cell: usize) -> bool {
        matches!(self.cell(cell).home, Home::Temporary) && self.uses[cell].writers.len() == 1
    }

    /// Whether an instruction between `i` and `j` writes to a cell.
    pub fn is_written(&self, cell: usize, i: usize, j: usize) -> bool {
        !between(&self.uses[cell].writers, i, j).is_empty()
    }

    /// Whether an instruction between `i` and `j` reads a cell or writes to it.
    pub fn is_used(&self, cell: usize, i: usize, j: usize) -> bool {
        self.is_written(cell, i, j) || !between(&self.uses[cell].readers, i, j).is_empty()
    }

    /// Whether an instruction between `i` and `j` writes to what `i` reads.
    pub fn is_changed(&self, i: usize, j: usize) -> bool {
        self.instr(i).inputs.iter().any(|x| self.is_written(x.cell, i, j))
    }

    /// Whether the function returns a part of a cell.
    pub fn is_returned(&self, cell: usize) -> bool {
        self.uses[cell].returned
    }

    /// The instruction that reads the result of `i`, if it is the only one and reads it once, and `i` has one result, a
    /// temporary.
    pub fn only_reader(&self, i: usize) -> Option<usize> {
        let [made] = &self.instr(i).outputs[..] else { return None };
        if self.instr(i).in_place || !self.is_own(made.cell) || self.is_returned(made.cell) {
            return None;
        }
        let [reader] = self.readers(made.cell)[..] else { return None };
        let reads = self.instr(reader).inputs.iter().filter(|x| x.cell == made.cell).count();
        (reads == 1).then_some(reader)
    }
}
