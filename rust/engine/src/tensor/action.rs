//! What a program runs: an operation, or a primitive without derivatives.

use std::any::Any;

use super::{Kind, Tensor};
use crate::error::Result;

/// A primitive as programs run it: from tensors into tensors that are there already.
pub(crate) trait Action: Send + Sync {
    /// What printed programs and messages call it.
    fn name(&self) -> String;

    /// Computes `out` from `x`; or changes `out`, if the instruction is one that changes things in place.
    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()>;

    /// What passes need to know of it.
    fn kind(&self) -> Kind {
        Kind::Other
    }

    /// Itself, for passes that know its type.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Floating-point operations for operands of these shapes: one for each element of what it makes, unless it is of a kind
    /// that takes more.
    fn flops(&self, x: &[Vec<usize>], out: &[Vec<usize>]) -> f64 {
        let size = |shape: &Vec<usize>| shape.iter().product::<usize>() as f64;
        let made: f64 = out.iter().map(size).sum();
        match self.kind() {
            Kind::Linear | Kind::Matmul => 2.0 * made * x[0].last().map_or(0.0, |&k| k as f64),
            Kind::SumRows | Kind::Reduce => x.iter().map(size).sum(),
            _ => made,
        }
    }
}
