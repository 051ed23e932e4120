//! Algebraic simplifications that change no bit: x·1, x/1, x − 0, −(−x), and copies of values that do not change any more, are
//! x itself. Not x + 0, which is 0 for −0.

use rgrad_kernels::map::{Binary, Unary};

use super::super::edit::Edit;
use super::super::program::{Home, Operand, Program};
use crate::dtype::DType;
use crate::op::Kind;
use crate::tensor::Number;

pub(super) fn run(program: &mut Program) {
    let mut program = Edit::of(program);
    for i in 0..program.count() {
        let Some(source) = same(&program, i) else { continue };
        let made = &program.instr(i).outputs[0];
        if !program.is_own(made.cell) || !program.is_whole(made) || !source.layout.is_contiguous() {
            continue;
        }
        let same_size = source.layout.numel() == made.layout.numel();
        let same_dtype = program.cell(source.cell).dtype == program.cell(made.cell).dtype;
        let last = program.readers(made.cell).last();
        let stays = last.is_none_or(|&j| !program.is_written(source.cell, i, j)) && !program.is_returned(made.cell);
        if same_size && same_dtype && stays && !matches!(program.cell(source.cell).home, Home::Argument(_)) {
            let (from, offset) = (made.cell, source.layout.offset);
            program.clear(i);
            for j in program.readers(from).to_vec() {
                program.change(j, |instr| {
                    for x in instr.inputs.iter_mut().filter(|x| x.cell == from) {
                        x.cell = source.cell;
                        x.layout.offset += offset;
                    }
                });
            }
        }
    }
    program.finish();
}

/// The input that the instruction gives back.
fn same(program: &Edit, i: usize) -> Option<Operand> {
    let x = &program.instr(i).inputs;
    let is = |k: usize, value: f64| number(program, &x[k]) == Some(value);
    match program.instr(i).op.kind() {
        Kind::Copy => Some(x[0].clone()),
        Kind::Binary(Binary::Mul | Binary::Div) if is(1, 1.0) => Some(x[0].clone()),
        Kind::Binary(Binary::Sub) if is(1, 0.0) => Some(x[0].clone()),
        Kind::Binary(Binary::Mul) if is(0, 1.0) => Some(x[1].clone()),
        Kind::Unary(Unary::Neg) => {
            let first = program.writer_before(x[0].cell, i)?;
            let inner = program.instr(first);
            let twice = inner.op.kind() == Kind::Unary(Unary::Neg)
                && program.is_own(x[0].cell)
                && x[0].layout == inner.outputs[0].layout
                && !program.is_changed(first, i);
            twice.then(|| inner.inputs[0].clone())
        }
        _ => None,
    }
}

/// The float that all elements of an operand are, if they are a constant. A negative zero is none.
fn number(program: &Edit, x: &Operand) -> Option<f64> {
    let cell = program.cell(x.cell);
    let Home::Constant(t) = &cell.home else { return None };
    if t.numel() != 1 || !matches!(cell.dtype, DType::Float32 | DType::Float64) {
        return None;
    }
    match t.item() {
        Ok(Number::Float(value)) if value != 0.0 || value.is_sign_positive() => Some(value),
        _ => None,
    }
}
