//! Epilogue fusion: products apply a bias, an activation, or its slope in the backward pass, while the result is in registers or
//! in the L1 cache.

use std::sync::Arc;

use rgrad_kernels::gemm::Activation;

use super::super::edit::Edit;
use super::super::product::FusedProduct;
use super::super::program::{Instr, Operand, Program};
use crate::op::Kind;

pub(super) fn run(program: &mut Program) {
    let mut products: Vec<Option<FusedProduct>> = program.instrs.iter_mut().map(product).collect();
    let mut program = Edit::of(program);
    for i in 0..program.count() {
        let Some(product) = products[i].clone() else { continue };
        let Some(j) = program.only_reader(i) else { continue };
        let (made, user) = (&program.instr(i).outputs[0], program.instr(j));
        let whole =
            |k: usize| program.is_whole(&user.inputs[k]) && user.inputs[k].layout.numel() == made.layout.numel();
        if user.inputs[0].cell != made.cell || !whole(0) || program.is_changed(i, j) {
            continue;
        }
        let plain = product.activation.is_none() && product.slope.is_none();
        let taken = match user.op.kind() {
            Kind::Unary(function) if plain => {
                let activation = Activation::ALL.into_iter().find(|activation| activation.function() == function);
                activation.map(|_| FusedProduct { activation, ..product })
            }
            Kind::Binary(function) if product.slope.is_none() && user.inputs[1].cell != made.cell && whole(1) => {
                let slope = Activation::ALL.into_iter().find(|activation| activation.backward() == function);
                slope.map(|_| FusedProduct { slope, ..product })
            }
            _ => None,
        };
        let Some(product) = taken else { continue };
        let mut inputs = program.instr(i).inputs.clone();
        inputs.extend(user.inputs[1..].iter().cloned());
        let outputs = user.outputs.clone();
        program.clear(i);
        program.replace(j, Instr { op: Arc::new(product.clone()), inputs, outputs, in_place: false, effect: false });
        products[j] = Some(product);
    }
    for (i, product) in products.iter().enumerate() {
        if let Some(product) = product {
            take_sums(&mut program, i, product);
        }
    }
    program.finish();
}

/// Lets a product with a transposed A also sum its columns, if another instruction sums the rows of the original.
fn take_sums(program: &mut Edit, i: usize, product: &FusedProduct) {
    let [a, ..] = &program.instr(i).inputs[..] else { return };
    let sums = |j: &usize| {
        let other = program.instr(*j);
        other.op.kind() == Kind::SumRows
            && other.inputs[0].cell == a.cell
            && other.inputs[0].layout.offset == a.layout.offset
            && other.inputs[0].layout.shape.iter().eq(a.layout.shape.iter().rev())
            && other.inputs[0].layout.strides.iter().eq(a.layout.strides.iter().rev())
            && program.cell(a.cell).dtype == program.cell(other.outputs[0].cell).dtype
    };
    let Some(j) = program.readers(a.cell).iter().copied().filter(|&j| j > i).find(sums) else { return };
    let sum = program.instr(j).outputs[0].clone();
    let uses = |x: &Operand| x.cell == sum.cell;
    let used = program.instr(i).inputs.iter().chain(&program.instr(i).outputs).any(uses);
    if program.is_written(a.cell, i, j) || used || program.is_used(sum.cell, i, j) {
        return;
    }
    program.clear(j);
    program.change(i, |instr| {
        instr.outputs.push(sum);
        instr.op = Arc::new(FusedProduct { sums: true, ..product.clone() });
    });
}

/// Writes a layer or a product of two matrices as a product whose operands are (m, k) and (k, n).
fn product(instr: &mut Instr) -> Option<FusedProduct> {
    let matrices = instr.inputs.len() > 1 && instr.inputs[..2].iter().all(|x| x.layout.shape.len() == 2);
    let product = match instr.op.kind() {
        Kind::Linear if matrices => {
            let weight = &mut instr.inputs[1].layout;
            weight.shape.reverse();
            weight.strides.reverse();
            FusedProduct { bias: instr.inputs.len() == 3, ..FusedProduct::default() }
        }
        Kind::Matmul if matrices => FusedProduct::default(),
        _ => return None,
    };
    instr.op = Arc::new(product.clone());
    Some(product)
}
