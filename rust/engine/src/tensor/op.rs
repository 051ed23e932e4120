//! What an operation is: a value, and the rules of its derivatives.

use std::any::Any;
use std::sync::Arc;

use rgrad_kernels::map::{Binary, Compare, Curve, Unary};
use smallvec::SmallVec;

use super::Tensor;
use crate::error::Result;

/// Cotangents of an operation's inputs, `None` where none was wanted or none flows.
pub type Grads = SmallVec<[Option<Tensor>; 2]>;

/// An operation with its derivative rules. Implementations stand in `ops`, one place each.
pub trait Op: Send + Sync + 'static {
    /// The name that users know it by.
    fn name(&self) -> &str;

    /// What it holds of the bindings' objects.
    fn foreign(&self) -> Option<Foreign> {
        None
    }

    /// What passes over programs need to know of it.
    fn kind(&self) -> Kind {
        Kind::Other
    }

    /// Which tensors the reverse rule reads.
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    /// Shape rule and value: checks everything before it computes anything. Not taped.
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor>;

    /// Reverse rule: the cotangents of the inputs from the output's, `g`, written in tensor functions, so that it can be
    /// differentiated itself. Sums over broadcast dimensions are left to the caller.
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads>;

    /// Adds the cotangent of the only input to `total`, which has the input's shape, lies in row-major order and is nobody
    /// else's: for operations that read a part of their input, and whose `backward` would go through all of it. Says whether
    /// it did; nothing is taped.
    fn add_backward(&self, _g: &Tensor, _total: &Tensor) -> Result<bool> {
        Ok(false)
    }

    /// Forward rule: the tangent of the result `y` from those of the inputs `x`, `None` being zero, and at least one being
    /// something else; written in tensor functions likewise. It has the shape and dtype of `y`.
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor>;
}

/// What a node keeps for its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    /// Bit `i` stands for input `i`.
    pub inputs: u32,
    /// The result itself.
    pub output: bool,
}

impl Saves {
    /// Nothing: shapes are known anyway.
    pub const NOTHING: Self = Self { inputs: 0, output: false };
    /// Every input.
    pub const INPUTS: Self = Self { inputs: u32::MAX, output: false };
    /// The result.
    pub const OUTPUT: Self = Self { inputs: 0, output: true };
}

/// Which inputs need a cotangent.
#[derive(Clone, Copy, Debug)]
pub struct Want(pub(crate) u64);

impl Want {
    /// Whether input `i` needs one. Operations with more than 64 inputs compute all.
    #[must_use]
    pub fn input(self, i: usize) -> bool {
        i >= 64 || self.0 & (1 << i) != 0
    }
}

/// The tensors that a rule asked for.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    pub(crate) inputs: SmallVec<[Option<Tensor>; 2]>,
    pub(crate) output: Option<Tensor>,
    /// Versions of the storages when they were saved, inputs first.
    versions: SmallVec<[u32; 3]>,
    /// Whether the output's tangents are to be computed again from the inputs'.
    pub(crate) renew_tangents: bool,
}

impl Saved {
    pub(crate) fn new(saves: Saves, x: &[&Tensor], y: &Tensor, tangents: bool) -> Self {
        let mut saved = Self { renew_tangents: tangents && saves.output, ..Self::default() };
        if saves.inputs != 0 || saved.renew_tangents {
            for (i, t) in x.iter().enumerate() {
                let keep = saves.inputs & (1 << i.min(31)) != 0 || saved.renew_tangents;
                saved.inputs.push(keep.then(|| {
                    saved.versions.push(t.version());
                    (*t).clone()
                }));
            }
        }
        if saves.output {
            // Without its node and tangents: they would hold the node that holds this, and all would live for ever.
            saved.versions.push(y.version());
            saved.output = Some(y.without_history());
        }
        saved
    }

    /// What a reverse rule would find, for a forward rule that is written in the same terms.
    pub(crate) fn of(x: &[&Tensor], y: &Tensor) -> Self {
        let inputs = x.iter().map(|t| Some((*t).clone())).collect();
        Self { inputs, output: Some(y.clone()), ..Self::default() }
    }

    /// Input `i`.
    ///
    /// # Panics
    /// If [`Op::saves`] does not name it.
    #[must_use]
    pub fn input(&self, i: usize) -> &Tensor {
        self.inputs[i].as_ref().expect("the rule reads only what it saves")
    }

    /// Input `i`, if [`Op::saves`] names it.
    #[must_use]
    pub fn try_input(&self, i: usize) -> Option<&Tensor> {
        self.inputs[i].as_ref()
    }

    /// The result.
    ///
    /// # Panics
    /// If [`Op::saves`] does not name it.
    #[must_use]
    pub fn output(&self) -> &Tensor {
        self.output.as_ref().expect("the rule reads only what it saves")
    }

    /// Number of inputs that the operation had.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    pub(crate) fn changed(&self) -> bool {
        self.tensors().zip(&self.versions).any(|(t, &v)| t.version() != v)
    }

    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.inputs.iter().flatten().chain(&self.output)
    }
}

/// An object of the bindings that a hook or an operation holds.
pub type Foreign = Arc<dyn Any + Send + Sync>;

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
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::Refuses | Self::CrossEntropy { .. })
    }
}

/// How the losses of the examples become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// To their mean.
    Mean,
    /// To their sum.
    Sum,
    /// Not at all.
    None,
}
