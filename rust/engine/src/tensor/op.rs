//! What an operation is: a value, and the rules of its derivatives.

use std::any::Any;
use std::sync::Arc;

use rgrad_kernels::map::{Binary, Compare, Curve, Unary};
use smallvec::SmallVec;

use super::{Out, Tensor};
use crate::error::{Result, fail};

/// Cotangents of an operation's inputs, `None` where none was wanted or none flows.
pub type Grads = SmallVec<[Option<Tensor>; 2]>;

/// An operation: a value and, unless it has no derivative, the rules of one. Most implementations stand in `ops`, one place each;
/// passes of compiled steps have some of their own.
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

    /// Shape rule and value: checks everything before it computes anything, and hands its results to `out`. Not taped.
    ///
    /// A second result of an operation with a derivative is for its own reverse rule: see [`Saved::extra`].
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()>;

    /// Reverse rule: the cotangents of the inputs from the output's, `g`, written in tensor functions, so that it can be
    /// differentiated itself. Sums over broadcast dimensions are left to the caller.
    fn backward(&self, _saved: &Saved, _g: &Tensor, _want: Want) -> Result<Grads> {
        fail!(Runtime, "`{}` has no derivative", self.name())
    }

    /// Adds the cotangent of the only input to `total`, which has the input's shape, lies in row-major order and is nobody
    /// else's: for operations that read a part of their input, and whose `backward` would go through all of it. Says whether
    /// it did; nothing is taped.
    fn add_backward(&self, _g: &Tensor, _total: &Tensor) -> Result<bool> {
        Ok(false)
    }

    /// Forward rule: the tangent of the result `y` from those of the inputs `x`, `None` being zero, and at least one being
    /// something else; written in tensor functions likewise. It has the shape and dtype of `y`.
    fn jvp(&self, _x: &[&Tensor], _y: &Tensor, _t: &[Option<&Tensor>]) -> Result<Tensor> {
        fail!(Runtime, "`{}` has no derivative", self.name())
    }

    /// What printed programs call it.
    fn describe(&self) -> String {
        self.name().into()
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

/// What a node keeps for its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    /// Bit `i` stands for input `i`.
    pub inputs: u32,
    /// The result itself.
    pub output: bool,
}

impl Saves {
    /// Nothing; shapes are always known.
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
    /// A second result, which is nobody else's.
    extra: Option<Tensor>,
    /// Versions of the storages when they were saved, inputs first.
    versions: SmallVec<[u32; 3]>,
    /// Whether to recompute the output's tangents from the inputs'.
    pub(crate) renew_tangents: bool,
}

impl Saved {
    pub(crate) fn new(saves: Saves, x: &[&Tensor], y: &Tensor, extra: Option<Tensor>, tangents: bool) -> Self {
        let mut saved = Self { renew_tangents: tangents && saves.output, extra, ..Self::default() };
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
            // Without its node and tangents, which would hold the node that holds this: a reference cycle.
            saved.versions.push(y.version());
            saved.output = Some(y.without_history());
        }
        if let Some(extra) = &saved.extra {
            saved.versions.push(extra.version());
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

    /// The second result, if the operation made one: without history.
    pub(crate) fn extra(&self) -> Option<&Tensor> {
        self.extra.as_ref()
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
        self.inputs.iter().flatten().chain(&self.output).chain(&self.extra)
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
    /// An element-wise comparison.
    Compare(Compare),
}
