//! Element-wise fusion: runs of element-wise operations become one pass, whose intermediate values never leave the L1 cache.

use std::collections::HashMap;
use std::sync::Arc;

use rgrad_kernels::chain::{Chain, Kind as Is, MAX_INPUTS, Step};

use super::super::chain::Fused;
use super::super::edit::Edit;
use super::super::program::{Home, Instr, Operand, Program};
use crate::dtype::DType;
use crate::op::Kind;
use crate::shape::Dims;

/// The largest number of instructions in a chain. Work grows with its square, and longer chains would hardly gain more.
const MOST: usize = 64;

/// Instructions to be fused at the position of the last one.
struct Group {
    members: Vec<usize>,
    shape: Dims,
    dtype: DType,
}

/// The groups, and the group of each instruction.
struct Groups<'a> {
    program: Edit<'a>,
    all: Vec<Option<Group>>,
    of: Vec<Option<usize>>,
}

pub(super) fn run(program: &mut Program) {
    let count = program.instrs.len();
    let mut groups = Groups { program: Edit::of(program), all: Vec::new(), of: vec![None; count] };
    for j in 0..count {
        groups.add(j);
    }
    let groups: Vec<Group> = groups.all.into_iter().flatten().filter(|group| group.members.len() > 1).collect();
    let fused: Vec<_> = {
        let program = Edit::of(program);
        groups.iter().map(|group| fuse(&program, &group.members, &group.shape, group.dtype)).collect()
    };
    for (group, fused) in groups.iter().zip(fused) {
        let (Some(fused), Some((last, before))) = (fused, group.members.split_last()) else { continue };
        program.instrs[*last] = fused;
        for &i in before {
            program.instrs[i].clear();
        }
    }
    program.instrs.retain(|instr| !instr.is_nothing());
}

impl Groups<'_> {
    /// Merges `j` with the groups that it reads from, as far as they are compatible.
    fn add(&mut self, j: usize) {
        let program = &self.program;
        let Some((shape, dtype)) = form(program, j) else { return };
        let made = |x: &Operand| program.writer_before(x.cell, j).filter(|&i| program.instr(i).outputs[0] == *x);
        let mut feeding: Vec<usize> =
            program.instr(j).inputs.iter().filter_map(made).filter_map(|i| self.of[i]).collect();
        // Latest first: they are the closest.
        feeding.sort_unstable_by(|a, b| b.cmp(a));
        feeding.dedup();
        let mut members = vec![j];
        for g in feeding {
            let Some(group) = &self.all[g] else { continue };
            let fits = group.shape == shape && group.dtype == dtype && group.members.len() + members.len() <= MOST;
            if fits && may_wait(program, group, j) {
                let mut all: Vec<usize> = group.members.iter().chain(&members).copied().collect();
                all.sort_unstable();
                if fuse(program, &all, &shape, dtype).is_some() {
                    members = all;
                    self.all[g] = None;
                }
            }
        }
        for &i in &members {
            self.of[i] = Some(self.all.len());
        }
        self.all.push(Some(Group { members, shape, dtype }));
    }
}

/// The shape and the dtype of the numbers of an element-wise instruction that a chain can do.
fn form(program: &Edit, i: usize) -> Option<(Dims, DType)> {
    let instr = program.instr(i);
    let dtype = |x: &Operand| program.cell(x.cell).dtype;
    let [made] = &instr.outputs[..] else { return None };
    let (numbers, masks) = match instr.op.kind() {
        Kind::Unary(_) | Kind::Binary(_) | Kind::Curve(_) | Kind::Slope(_) | Kind::Compare(_) => {
            (&instr.inputs[..], &[][..])
        }
        Kind::Where => (&instr.inputs[1..], &instr.inputs[..1]),
        Kind::Cast if dtype(&instr.inputs[0]) == DType::Bool => (&[][..], &instr.inputs[..]),
        _ => return None,
    };
    let of = numbers.first().map_or(dtype(made), dtype);
    let makes = if let Kind::Compare(_) = instr.op.kind() { DType::Bool } else { of };
    let fits = of.is_float()
        && numbers.iter().all(|x| dtype(x) == of)
        && masks.iter().all(|x| dtype(x) == DType::Bool)
        && dtype(made) == makes
        && made.layout.is_contiguous()
        && !made.layout.shape.contains(&0);
    fits.then(|| (made.layout.shape.clone(), of))
}

/// Whether the group may as well run where `j` stands: nobody reads its results before, or changes what it reads.
fn may_wait(program: &Edit, group: &Group, j: usize) -> bool {
    let last = *group.members.last().expect("a group has members");
    group.members.iter().all(|&i| {
        let instr = program.instr(i);
        !program.is_used(instr.outputs[0].cell, last, j)
            && !instr.inputs.iter().any(|x| program.is_written(x.cell, last, j))
    })
}

/// The instruction that does what the members do, if there is one.
fn fuse(program: &Edit, members: &[usize], shape: &Dims, dtype: DType) -> Option<Instr> {
    // The members' results; all other operands are read from memory, expanded to the shape.
    let made: HashMap<usize, usize> =
        members.iter().enumerate().map(|(step, &i)| (program.instr(i).outputs[0].cell, step)).collect();
    let step_of = |x: &Operand, before: usize| {
        let step = made.get(&x.cell).copied().filter(|&step| step < before)?;
        (program.instr(members[step]).outputs[0] == *x).then_some(step)
    };
    let mut inputs: Vec<Operand> = Vec::new();
    for (step, &i) in members.iter().enumerate() {
        for x in program.instr(i).inputs.iter().filter(|x| step_of(x, step).is_none()) {
            // A view of a member's result must already be in memory.
            if made.contains_key(&x.cell) || inputs.len() > MAX_INPUTS {
                return None;
            }
            let spread = Operand { cell: x.cell, layout: x.layout.expand(shape) };
            if !inputs.contains(&spread) {
                inputs.push(spread);
            }
        }
    }
    let mut steps = Vec::with_capacity(members.len());
    for (step, &i) in members.iter().enumerate() {
        let instr = program.instr(i);
        let number = |x: &Operand| match step_of(x, step) {
            Some(earlier) => Some(inputs.len() + earlier),
            None => inputs.iter().position(|y| y.cell == x.cell && y.layout == x.layout.expand(shape)),
        };
        let x = instr.inputs.iter().map(number).collect::<Option<Vec<_>>>()?;
        steps.push(match instr.op.kind() {
            Kind::Unary(function) => Step::Unary(function, x[0]),
            Kind::Binary(function) => Step::Binary(function, x[0], x[1]),
            Kind::Curve(curve) => Step::Curve(curve, x[0]),
            Kind::Slope(curve) => Step::CurveGrad(curve, x[0], x[1]),
            Kind::Compare(order) => Step::Compare(order, x[0], x[1]),
            Kind::Where => Step::Select(x[0], x[1], x[2]),
            Kind::Cast => Step::Number(x[0]),
            _ => return None,
        });
    }
    let needed = |&(_, &i): &(usize, &usize)| {
        let cell = program.instr(i).outputs[0].cell;
        let inside = |k: &usize| members.binary_search(k).is_ok();
        !matches!(program.cell(cell).home, Home::Temporary)
            || program.is_returned(cell)
            || !program.readers(cell).iter().all(inside)
            || !program.is_own(cell)
    };
    let stored: Vec<(usize, &usize)> = members.iter().enumerate().filter(needed).collect();
    let kinds: Vec<Is> =
        inputs.iter().map(|x| if program.cell(x.cell).dtype == DType::Bool { Is::Mask } else { Is::Number }).collect();
    let outputs: Vec<usize> = stored.iter().map(|(step, _)| inputs.len() + step).collect();
    let chain = Chain::new(&kinds, &steps, &outputs).ok()?;
    let names = members.iter().map(|&i| program.instr(i).op.describe()).collect();
    let op = Arc::new(Fused { chain, steps, stored: outputs, shape: shape.clone(), dtype, names });
    let outputs = stored.iter().map(|&(_, &i)| program.instr(i).outputs[0].clone()).collect();
    Some(Instr { op, inputs: inputs.into_iter().collect(), outputs, in_place: false, effect: false })
}
