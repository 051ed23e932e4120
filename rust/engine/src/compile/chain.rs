//! Fused chains of element-wise operations, in one pass over memory.

use std::any::Any;

use rgrad_kernels::View;
use rgrad_kernels::buffer::Write;
use rgrad_kernels::chain::{Chain, Chains, Input, Kind as Is, MAX_INPUTS, MAX_OUTPUTS, Output, Step, run_chain};
use smallvec::SmallVec;

use super::program::Operand;
use crate::dtype::{DType, match_float};
use crate::error::Result;
use crate::op::{Op, Out};
use crate::shape::Dims;
use crate::tensor::{Reader, Tensor};

/// A chain over tensors of one shape; broadcast operands have strides of 0.
#[derive(Clone)]
pub(crate) struct Fused {
    pub chain: Chain,
    pub steps: Vec<Step>,
    /// The operands that are stored.
    pub stored: Vec<usize>,
    pub shape: Dims,
    pub dtype: DType,
    /// The names of the operations, for display.
    pub names: Vec<String>,
}

/// An operand, locked.
enum Guard<'a, T> {
    Numbers(Reader<'a, T>),
    Mask(Reader<'a, u8>),
    /// Shares memory with an output.
    Output(usize),
}

/// An output, locked.
enum Target<'a, T> {
    Numbers(Write<'a, T>),
    Mask(Write<'a, u8>),
}

impl Fused {
    /// The chain that an operation is, if it is one.
    pub(super) fn of(op: &dyn Op) -> Option<&Self> {
        op.as_any()?.downcast_ref()
    }

    /// The same chain with its only result written over `target`, which it may also read, and the remaining inputs.
    pub(super) fn in_place(&self, inputs: &[Operand], target: &Operand) -> Option<(Self, SmallVec<[Operand; 4]>)> {
        let same = |x: &Operand| x.cell == target.cell;
        if inputs.iter().any(|x| same(x) && x.layout != target.layout) || self.chain.inputs().len() != inputs.len() {
            return None;
        }
        let kinds = inputs.iter().zip(self.chain.inputs()).map(|(x, &kind)| if same(x) { Is::Output(0) } else { kind });
        let chain = Chain::new(&kinds.collect::<Vec<_>>(), &self.steps, &self.stored).ok()?;
        Some((Self { chain, ..self.clone() }, inputs.iter().filter(|x| !same(x)).cloned().collect()))
    }

    fn run<T: Chains>(&self, x: &[&Tensor], out: &[&Tensor]) {
        let mut tensors = x.iter();
        let guards: SmallVec<[Guard<'_, T>; MAX_INPUTS]> = (self.chain.inputs().iter())
            .filter_map(|kind| match kind {
                Is::Output(j) => Some(Guard::Output(*j)),
                Is::Number => tensors.next().map(|t| Guard::Numbers(t.read())),
                Is::Mask => tensors.next().map(|t| Guard::Mask(t.read())),
            })
            .collect();
        let mut layouts = x.iter().map(|t| &t.layout().strides);
        let inputs: SmallVec<[Input<'_, T>; MAX_INPUTS]> = guards
            .iter()
            .filter_map(|guard| match guard {
                Guard::Output(j) => Some(Input::Output(*j)),
                Guard::Numbers(data) => layouts.next().map(|s| Input::Numbers(View::new(data.tail(), s))),
                Guard::Mask(data) => layouts.next().map(|s| Input::Mask(View::new(data.tail(), s))),
            })
            .collect();
        let mut targets: SmallVec<[Target<'_, T>; MAX_OUTPUTS]> = (out.iter().zip(self.chain.outputs()))
            .map(|(t, mask)| if *mask { Target::Mask(t.write()) } else { Target::Numbers(t.write()) })
            .collect();
        let mut outputs: SmallVec<[Output<'_, T>; MAX_OUTPUTS]> = (targets.iter_mut().zip(out))
            .map(|(place, t)| {
                let range = t.layout().offset..t.layout().offset + t.numel();
                match place {
                    Target::Numbers(data) => Output::Numbers(&mut data[range]),
                    Target::Mask(data) => Output::Mask(&mut data[range]),
                }
            })
            .collect();
        run_chain(&self.chain, &self.shape, &inputs, &mut outputs);
    }
}

impl Op for Fused {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn describe(&self) -> String {
        format!("chain[{}]", self.names.join(" "))
    }

    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        match_float!(self.dtype, "chain", T => self.run::<T>(x, out.places()));
        Ok(())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn flops(&self, _: &[Vec<usize>], _: &[Vec<usize>]) -> f64 {
        (self.names.len() * self.shape.iter().product::<usize>()) as f64
    }
}
