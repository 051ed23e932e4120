//! The tape: what was computed from what.
//!
//! Every taped result holds its [`Node`], and a node holds the nodes of its inputs, so a graph lives exactly as long as
//! somebody can still ask for its gradients. The reverse pass over it is in `reverse.rs`; forward mode needs no tape and is
//! in [`crate::forward`], but both meet here, in [`apply`].

mod anomaly;
mod node;
mod owned;
mod reverse;
mod sealed;

use std::cell::Cell;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::compile::{self, Kind};
use crate::error::Result;
use crate::forward;
use crate::tensor::Tensor;

pub use anomaly::{Place, is_anomaly_enabled, set_anomaly};
pub use node::{Hook, Node, Registered, register_hook, retain_grad};
pub(crate) use node::{Hooks, Key};
pub use owned::{Foreign, let_go, may_own, owned, remove_hooks};
pub use reverse::{Options, all_apart, apart, backward, captured, clock, gradients};
pub(crate) use reverse::{key, reaches};
pub(crate) use sealed::seal;

thread_local! {
    static GRAD_ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations are taped on this thread.
#[inline]
#[must_use]
pub fn is_grad_enabled() -> bool {
    GRAD_ENABLED.get()
}

/// Switches taping on this thread, and returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_grad_enabled(on: bool) -> bool {
    GRAD_ENABLED.replace(on)
}

/// Switches taping for the length of `f`, which may fail or unwind.
pub(crate) fn with_grad_enabled<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_grad_enabled(self.0);
        }
    }
    let _restore = Restore(set_grad_enabled(on));
    f()
}

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
pub struct Want(u64);

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
    inputs: SmallVec<[Option<Tensor>; 2]>,
    output: Option<Tensor>,
    /// Versions of the storages when they were saved, inputs first.
    versions: SmallVec<[u32; 3]>,
    /// Whether the output's tangents are to be computed again from the inputs'.
    renew_tangents: bool,
}

impl Saved {
    fn new(saves: Saves, x: &[&Tensor], y: &Tensor, tangents: bool) -> Self {
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

    fn changed(&self) -> bool {
        self.tensors().zip(&self.versions).any(|(t, &v)| t.version() != v)
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.inputs.iter().flatten().chain(&self.output)
    }
}

/// Runs an operation, tapes it if gradients may be asked for, and pushes the inputs' tangents through it.
#[inline]
pub fn apply<O: Op>(op: O, x: &[&Tensor]) -> Result<Tensor> {
    if compile::is_recording() {
        return recorded(Arc::new(op), x);
    }
    let y = op.forward(x)?;
    taped(op, x, y)
}

/// The same, written down for a compiled step.
#[cold]
fn recorded(op: Arc<dyn Op>, x: &[&Tensor]) -> Result<Tensor> {
    let y = compile::compute(Arc::new(op.clone()), x, false, || op.forward(x))?;
    taped(op, x, y)
}

#[inline]
fn taped<O: Op>(op: O, x: &[&Tensor], y: Tensor) -> Result<Tensor> {
    let tangents = x.iter().any(|t| t.has_tangent());
    let taped = is_grad_enabled() && x.iter().any(|t| t.requires_grad());
    if (tangents || taped || is_anomaly_enabled()) && y.dtype().is_float() {
        return follow(op, x, y, taped, tangents);
    }
    Ok(y)
}

impl Op for Arc<dyn Op> {
    fn foreign(&self) -> Option<Foreign> {
        (**self).foreign()
    }
    fn kind(&self) -> Kind {
        (**self).kind()
    }
    fn name(&self) -> &str {
        (**self).name()
    }
    fn saves(&self) -> Saves {
        (**self).saves()
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        (**self).forward(x)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        (**self).backward(saved, g, want)
    }
    fn add_backward(&self, g: &Tensor, total: &Tensor) -> Result<bool> {
        (**self).add_backward(g, total)
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        (**self).jvp(x, y, t)
    }
}

fn follow<O: Op>(op: O, x: &[&Tensor], y: Tensor, taped: bool, tangents: bool) -> Result<Tensor> {
    anomaly::check_result(op.name(), x, &y)?;
    if !taped {
        return if tangents { forward::push(&op, x, y) } else { Ok(y) };
    }
    let saved = Saved::new(op.saves(), x, &y, tangents);
    let node = Node::record(op, x, &y, saved);
    let y = y.with_node(node.clone());
    if tangents { forward::push(node.op(), x, y) } else { Ok(y) }
}
