//! What an instruction does.

use std::sync::Arc;

use rgrad_kernels::map::{Binary, Compare, Curve, Unary};

use super::chain::Fused;
use super::product::Product;
use crate::error::Result;
use crate::ops::Reduction;
use crate::tape::Op;
use crate::tensor::{Tensor, offer};

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

    /// The product that it is, if it is one.
    fn product(&self) -> Option<&Product> {
        None
    }

    /// The chain that it is, if it is one.
    fn fused(&self) -> Option<&Fused> {
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

/// The primitives that passes know.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Anything else: it stays as it is.
    Other,
    /// As `Other`, of what refuses some values: an index that is out of range.
    Refuses,
    /// x Wᵀ, with a bias as the third input or none.
    Linear,
    /// A product of matrices, or of stacks of them.
    Matmul,
    /// A function of one number.
    Unary(Unary),
    /// A function of two numbers.
    Binary(Binary),
    /// An activation.
    Curve(Curve),
    /// An activation's derivative, times the first input, at the second.
    Slope(Curve),
    /// Elements of the second or the third input, as the first one says.
    Where,
    /// Another dtype.
    Cast,
    /// The same elements in row-major order.
    Copy,
    /// A value written over elements, broadcast and cast.
    Overwrite,
    /// The sum of a matrix's rows.
    SumRows,
    /// A sum over dimensions, or another reduction.
    Reduce,
    /// Softmax cross-entropy of logits and labels.
    CrossEntropy {
        /// Of the rows' losses.
        reduction: Reduction,
        /// The label that does not count.
        ignored: Option<i64>,
    },
    /// An element-wise comparison.
    Compare(Compare),
    /// The gradient of the mean or the sum of softmax cross-entropies, from logits and labels.
    CrossEntropySlope {
        /// Of the mean.
        mean: bool,
        /// The label that does not count.
        ignored: Option<i64>,
    },
}

impl Kind {
    /// Whether it is an error for some values of its inputs, which stays one if nobody reads the result.
    pub(super) fn refuses(self) -> bool {
        matches!(self, Self::Refuses | Self::CrossEntropy { .. })
    }
}

impl Action for Arc<dyn Op> {
    fn name(&self) -> String {
        Op::name(&**self).into()
    }

    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()> {
        into(out[0], || self.forward(x))
    }

    fn kind(&self) -> Kind {
        Op::kind(&**self)
    }
}

/// A primitive without derivatives, from a function.
pub(super) struct Plain<F> {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) f: F,
}

impl<F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync> Action for Plain<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()> {
        into(out[0], || (self.f)(x))
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

/// A primitive that refuses some inputs.
pub(super) struct Check<F> {
    pub(super) name: &'static str,
    pub(super) f: F,
}

impl<F: Fn(&[&Tensor]) -> Result<()> + Send + Sync> Action for Check<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self, x: &[&Tensor], _: &[&Tensor]) -> Result<()> {
        (self.f)(x)
    }
}

/// What is left of an instruction that a pass has made superfluous.
pub(super) struct Nothing;

impl Action for Nothing {
    fn name(&self) -> String {
        "nothing".into()
    }

    fn run(&self, _: &[&Tensor], _: &[&Tensor]) -> Result<()> {
        Ok(())
    }
}

/// A primitive that changes a tensor in place.
pub(super) struct Write<F> {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) f: F,
}

impl<F: Fn(&Tensor, &[&Tensor]) -> Result<()> + Send + Sync> Action for Write<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()> {
        (self.f)(out[0], x)
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

/// Computes a tensor in the place of `out`: a primitive that makes one tensor of its size takes that place, and needs no
/// other; what another one makes is copied there.
pub(super) fn into(out: &Tensor, f: impl FnOnce() -> Result<Tensor>) -> Result<()> {
    let made = offer(out, f)?;
    if made.shares_storage(out) { Ok(()) } else { out.copy_from(&made) }
}
