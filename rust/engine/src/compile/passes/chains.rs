//! Runs of element-wise operations become one pass: what one makes and the next one reads never leaves the nearest cache.

use std::sync::Arc;

use rgrad_kernels::chain::{Chain, Kind as Is, Step};

use super::super::Kind;
use super::super::chain::Fused;
use super::super::program::{Home, Instr, Operand, Program};
use crate::dtype::DType;
use crate::shape::Dims;

/// Instructions that run together where the last of them stands.
struct Group {
    members: Vec<usize>,
    shape: Dims,
    dtype: DType,
}

pub(super) fn run(program: &mut Program) {
    let mut groups: Vec<Group> = Vec::new();
    for j in 0..program.instrs.len() {
        let Some((shape, dtype)) = form(program, j) else { continue };
        let mut members = vec![j];
        // The latest first: they are the nearest.
        for g in (0..groups.len()).rev() {
            let group = &groups[g];
            let fits = group.shape == shape && group.dtype == dtype;
            if fits && feeds(program, group, j) && may_wait(program, group, j) {
                let mut all: Vec<usize> = group.members.iter().chain(&members).copied().collect();
                all.sort_unstable();
                if fuse(program, &all, &shape, dtype).is_some() {
                    members = all;
                    groups.remove(g);
                }
            }
        }
        groups.push(Group { members, shape, dtype });
    }
    for group in groups.into_iter().filter(|group| group.members.len() > 1) {
        let Some(fused) = fuse(program, &group.members, &group.shape, group.dtype) else { continue };
        let (last, before) = group.members.split_last().expect("a group has members");
        program.instrs[*last] = fused;
        for &i in before {
            program.instrs[i].clear();
        }
    }
    program.instrs.retain(|instr| !instr.is_nothing());
}

/// The shape and the dtype of the numbers of an element-wise instruction that a chain can do.
fn form(program: &Program, i: usize) -> Option<(Dims, DType)> {
    let instr = &program.instrs[i];
    let dtype = |x: &Operand| program.cells[x.cell].dtype;
    let [made] = &instr.outputs[..] else { return None };
    let (numbers, masks) = match instr.action.kind() {
        Kind::Unary(_) | Kind::Binary(_) | Kind::Curve(_) | Kind::Slope(_) | Kind::Compare(_) => {
            (&instr.inputs[..], &[][..])
        }
        Kind::Where => (&instr.inputs[1..], &instr.inputs[..1]),
        Kind::Cast if dtype(&instr.inputs[0]) == DType::Bool => (&[][..], &instr.inputs[..]),
        _ => return None,
    };
    let of = numbers.first().map_or(dtype(made), dtype);
    let makes = if let Kind::Compare(_) = instr.action.kind() { DType::Bool } else { of };
    let fits = of.is_float()
        && numbers.iter().all(|x| dtype(x) == of)
        && masks.iter().all(|x| dtype(x) == DType::Bool)
        && dtype(made) == makes
        && made.layout.is_contiguous()
        && !made.layout.shape.contains(&0);
    fits.then(|| (made.layout.shape.clone(), of))
}

/// Whether `j` reads what the group makes, as it is made.
fn feeds(program: &Program, group: &Group, j: usize) -> bool {
    let made = |x: &Operand| group.members.iter().any(|&i| program.instrs[i].outputs[0] == *x);
    program.instrs[j].inputs.iter().any(made)
}

/// Whether the group may as well run where `j` stands: nobody reads its results before, or changes what it reads.
fn may_wait(program: &Program, group: &Group, j: usize) -> bool {
    let last = *group.members.last().expect("a group has members");
    let made = |x: &Operand| group.members.iter().any(|&i| program.instrs[i].outputs[0].cell == x.cell);
    let read = |y: &Operand| group.members.iter().any(|&i| program.instrs[i].inputs.iter().any(|x| x.cell == y.cell));
    program.instrs[last + 1..j]
        .iter()
        .all(|between| !between.inputs.iter().any(made) && !between.outputs.iter().any(|y| made(y) || read(y)))
}

/// The instruction that does what the members do, if there is one.
fn fuse(program: &Program, members: &[usize], shape: &Dims, dtype: DType) -> Option<Instr> {
    let mut inputs: Vec<Operand> = Vec::new();
    for &i in members {
        for x in &program.instrs[i].inputs {
            let made = members.iter().take_while(|&&k| k < i).any(|&k| program.instrs[k].outputs[0] == *x);
            let spread = Operand { cell: x.cell, layout: x.layout.expand(shape) };
            if !made && !inputs.contains(&spread) {
                inputs.push(spread);
            }
        }
    }
    let number = |i: usize, x: &Operand| -> Option<usize> {
        let made = members.iter().take_while(|&&k| k < i).position(|&k| program.instrs[k].outputs[0] == *x);
        match made {
            Some(step) => Some(inputs.len() + step),
            None => inputs.iter().position(|y| y.cell == x.cell && y.layout == x.layout.expand(shape)),
        }
    };
    let mut steps = Vec::with_capacity(members.len());
    for &i in members {
        let instr = &program.instrs[i];
        let x = instr.inputs.iter().map(|x| number(i, x)).collect::<Option<Vec<_>>>()?;
        steps.push(match instr.action.kind() {
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
        let made = &program.instrs[i].outputs[0];
        let others = program.instrs.iter().enumerate().filter(|(k, _)| !members.contains(k));
        let reads = |instr: &Instr| instr.inputs.iter().chain(&instr.outputs).any(|x| x.cell == made.cell);
        !matches!(program.cells[made.cell].home, Home::Temporary)
            || program.is_returned(made.cell)
            || others.into_iter().any(|(_, instr)| reads(instr))
            // A view of it, such as a row of it repeated, is read from memory.
            || inputs.iter().any(|x| x.cell == made.cell)
    };
    // What is read from memory must be there before.
    let views = |x: &Operand| members.iter().any(|&i| program.instrs[i].outputs[0].cell == x.cell);
    if inputs.iter().any(views) {
        return None;
    }
    let stored: Vec<(usize, &usize)> = members.iter().enumerate().filter(needed).collect();
    let kinds: Vec<Is> =
        inputs.iter().map(|x| if program.cells[x.cell].dtype == DType::Bool { Is::Mask } else { Is::Number }).collect();
    let outputs: Vec<usize> = stored.iter().map(|(step, _)| inputs.len() + step).collect();
    let chain = Chain::new(&kinds, &steps, &outputs).ok()?;
    let names = members.iter().map(|&i| program.instrs[i].action.name()).collect();
    let action = Arc::new(Fused { chain, steps, stored: outputs, shape: shape.clone(), dtype, names });
    let outputs = stored.iter().map(|&(_, &i)| program.instrs[i].outputs[0].clone()).collect();
    Some(Instr { action, inputs: inputs.into_iter().collect(), outputs, in_place: false, effect: false })
}
