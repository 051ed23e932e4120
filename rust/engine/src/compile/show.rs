//! Programs as text, and what they cost.

use std::fmt::{self, Write as _};
use std::ops::RangeFrom;

use super::plan::assign_slots;
use super::program::{Cell, Cost, Home, Instr, Operand, Program};
use crate::shape::{Layout, Show};

impl Program {
    /// The cost of one run: floating-point operations, one per element of an element-wise function, and bytes that instructions
    /// read and write, from whatever level of the memory hierarchy.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let mut total = Cost { instructions: self.instrs.len(), ..Cost::default() };
        for instr in &self.instrs {
            let cost = self.cost_of(instr);
            total.flops += cost.flops;
            total.bytes += cost.bytes;
        }
        total.memory = assign_slots(self).bytes.iter().sum();
        total
    }

    fn cost_of(&self, instr: &Instr) -> Cost {
        let shapes =
            |operands: &[Operand]| -> Vec<Vec<usize>> { operands.iter().map(|o| o.layout.shape.to_vec()).collect() };
        let (x, out) = (shapes(&instr.inputs), shapes(&instr.outputs));
        let operands = instr.inputs.iter().chain(&instr.outputs);
        // Repeated elements are read once.
        let bytes = |o: &Operand| {
            let elements: usize =
                o.layout.shape.iter().zip(&o.layout.strides).filter(|&(_, &s)| s != 0).map(|(&n, _)| n).product();
            (elements * self.cells[o.cell].dtype.size()) as f64
        };
        let changed = if instr.in_place { instr.outputs.iter().map(bytes).sum() } else { 0.0 };
        Cost { flops: instr.op.flops(&x, &out), bytes: operands.map(bytes).sum::<f64>() + changed, ..Cost::default() }
    }
}

/// A program with the names of its cells.
struct Named<'a> {
    program: &'a Program,
    names: Vec<String>,
}

impl<'a> Named<'a> {
    fn of(program: &'a Program) -> Self {
        let (mut outer, mut constants, mut own) = (0.., 0.., 0..);
        let next = |numbers: &mut RangeFrom<usize>| numbers.next().unwrap_or_default();
        let name = |cell: &Cell| match cell.home {
            Home::Argument(i) => format!("arg{i}"),
            Home::Captured(_) => format!("outer{}", next(&mut outer)),
            Home::Constant(_) => format!("const{}", next(&mut constants)),
            Home::Temporary => format!("%{}", next(&mut own)),
        };
        Self { program, names: program.cells.iter().map(name).collect() }
    }

    /// A part of a cell: its name, with shape and strides unless it is the whole cell with its own layout.
    fn part(&self, operand: &Operand) -> String {
        let name = self.names[operand.cell].clone();
        if operand.layout == self.program.cells[operand.cell].layout {
            return name;
        }
        let Layout { shape, strides, offset } = &operand.layout;
        let mut text = format!("{name}[{}", Show(shape));
        if !operand.layout.is_contiguous() {
            let _ = write!(text, " by {}", Show(strides));
        }
        if *offset > 0 {
            let _ = write!(text, " from {offset}");
        }
        text + "]"
    }

    fn list(&self, operands: &[Operand]) -> String {
        operands.iter().map(|o| self.part(o)).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slots, named) = (assign_slots(self), Named::of(self));
        let mut seen = vec![false; self.cells.len()];
        for operand in self.instrs.iter().flat_map(|instr| instr.inputs.iter().chain(&instr.outputs)) {
            seen[operand.cell] = true;
        }
        for ((cell, name), seen) in self.cells.iter().zip(&named.names).zip(seen) {
            if seen && !matches!(cell.home, Home::Temporary) {
                writeln!(f, "{name:<10}: {} {}", cell.dtype, Show(&cell.layout.shape))?;
            }
        }
        for instr in &self.instrs {
            let cost = self.cost_of(instr);
            let sign = if instr.in_place { "<-" } else { "=" };
            let made = match &instr.outputs[..] {
                [] => String::new(),
                all => format!("{} {sign} ", named.list(all)),
            };
            let mut line = format!("{made}{}({})", instr.op.describe(), named.list(&instr.inputs));
            if let Some(first) = instr.outputs.first().filter(|_| !instr.in_place) {
                let _ = write!(line, ": {} {}", self.cells[first.cell].dtype, Show(&first.layout.shape));
                if let Some(slot) = slots.slot[first.cell] {
                    let _ = write!(line, " in buffer {slot}");
                }
            }
            writeln!(f, "{line:<78} # {} flop, {} B", round(cost.flops), round(cost.bytes))?;
        }
        let results: Vec<String> = self.outputs.iter().map(|output| named.part(output.operand())).collect();
        writeln!(f, "return {}", results.join(", "))?;
        let cost = self.cost();
        let count = slots.bytes.len();
        write!(
            f,
            "# {} instructions, {} flop, {} B moved, {} B in {count} buffers",
            cost.instructions,
            round(cost.flops),
            round(cost.bytes),
            round(cost.memory as f64)
        )
    }
}

/// A number with three digits and a metric prefix.
fn round(x: f64) -> String {
    for (unit, prefix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if x >= unit {
            let scaled = x / unit;
            let digits = if scaled >= 100.0 {
                0
            } else if scaled >= 10.0 {
                1
            } else {
                2
            };
            return format!("{scaled:.digits$} {prefix}");
        }
    }
    format!("{x}")
}
