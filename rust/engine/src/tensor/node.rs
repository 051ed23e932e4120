//! Nodes of the graph, and hooks on the gradients that reach them.
//!
//! Nothing here recurses over the graph: a chain of a million operations is dropped with a flat stack.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use rgrad_kernels::lock::Lock;
use smallvec::SmallVec;

use super::{Foreign, Op, Saved, Tensor, watch};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::shape::Dims;

/// Counts the nodes of all threads: who uses a node was made after it.
static CLOCK: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Parts of dead nodes that wait to be dropped.
    static GRAVEYARD: RefCell<Vec<Remains>> = const { RefCell::new(Vec::new()) };
    /// Whether a drop is under way on this thread.
    static BURYING: Cell<bool> = const { Cell::new(false) };
}

/// Where a cotangent goes.
#[derive(Clone)]
pub(crate) enum Edge {
    /// The input needs none.
    Nowhere,
    /// Into the gradient of a leaf.
    Leaf(Tensor),
    /// On to the operation that made the input.
    Node(Arc<Node>),
}

/// Where a pass stands in the order of processing: leaves have clock 0, so they come last.
pub(crate) type Key = (u64, usize);

impl Edge {
    pub(crate) fn of(t: &Tensor) -> Edge {
        match t.node() {
            Some(node) => Edge::Node(node.clone()),
            None if t.requires_grad() => Edge::Leaf(t.without_history()),
            None => Edge::Nowhere,
        }
    }

    fn is_foreign(&self) -> bool {
        match self {
            Edge::Nowhere => false,
            Edge::Leaf(t) => t.hooks().get().is_some(),
            Edge::Node(node) => node.is_foreign(),
        }
    }

    pub(crate) fn key(&self) -> Option<Key> {
        match self {
            Edge::Nowhere => None,
            Edge::Leaf(t) => Some((0, t.identity())),
            Edge::Node(n) => Some((n.clock, Arc::as_ptr(n).addr())),
        }
    }
}

/// One taped operation.
pub struct Node<O: ?Sized = dyn Op> {
    /// Greater than that of every input: the order of a node is known when it is made.
    pub(crate) clock: u64,
    pub(crate) shape: Dims,
    pub(crate) dtype: DType,
    pub(crate) inputs: SmallVec<[Edge; 2]>,
    /// `None` once a backward pass has used it and was not told to retain it.
    pub(crate) saved: Lock<Option<Saved>>,
    /// Where in the user's program it was made, if anomalies are being looked for.
    pub(crate) place: Option<Box<str>>,
    pub(crate) hooks: OnceLock<Arc<Hooks>>,
    /// Whether operations or hooks of the bindings were behind it when it was made.
    foreign: bool,
    pub(crate) op: O,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}Backward>", self.op.name())
    }
}

impl Node {
    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.op.name()
    }

    /// Whether operations or hooks of the bindings may be behind it.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign || self.hooks.get().is_some()
    }

    pub(crate) fn op(&self) -> &dyn Op {
        &self.op
    }

    /// The moment: nodes made from now on, on whatever thread, have greater clocks.
    pub(crate) fn now() -> u64 {
        CLOCK.load(Relaxed)
    }

    pub(crate) fn record<O: Op>(op: O, x: &[&Tensor], y: &Tensor, saved: Saved, place: Option<Box<str>>) -> Arc<Node> {
        let inputs: SmallVec<[Edge; 2]> = x.iter().map(|t| Edge::of(t)).collect();
        let foreign = op.foreign().is_some() || inputs.iter().any(Edge::is_foreign);
        Arc::new(Node {
            clock: CLOCK.fetch_add(1, Relaxed) + 1,
            shape: Dims::from_slice(y.shape()),
            dtype: y.dtype(),
            inputs,
            saved: Lock::new(Some(saved)),
            place,
            hooks: OnceLock::new(),
            foreign,
            op,
        })
    }
}

// ---- Dropping ----

/// What is left of a node that died.
#[allow(dead_code, reason = "held only to be dropped")]
struct Remains(SmallVec<[Edge; 2]>, Option<Saved>);

impl<O: ?Sized> Drop for Node<O> {
    /// Dropping a node may drop its inputs' nodes, and so on down the graph. The outermost drop on a thread therefore
    /// collects the parts of the nodes that die meanwhile, and drops them one after another.
    fn drop(&mut self) {
        let saved = self.saved.get_mut().take();
        let remains = Remains(std::mem::take(&mut self.inputs), saved);
        let waiting = GRAVEYARD.try_with(|g| g.borrow_mut().push(remains)).is_ok();
        if !waiting || BURYING.replace(true) {
            return;
        }
        // The borrow must end before the remains are dropped, because that comes back here.
        while let Some(next) = GRAVEYARD.with(|g| g.borrow_mut().pop()) {
            drop(next);
        }
        BURYING.set(false);
    }
}

// ---- Hooks ----

/// Something that is called with the gradient of a tensor when it is complete.
pub trait Hook: Any + Send + Sync {
    /// May give another gradient to go on with, of the shape and dtype of `g`.
    fn call(&self, g: Tensor) -> Result<Option<Tensor>>;
}

/// The hooks of one tensor.
#[derive(Default)]
pub(crate) struct Hooks {
    /// By their numbers, in the order in which they were registered.
    pub(crate) registered: Lock<BTreeMap<u64, Arc<dyn Hook>>>,
    /// How often one was registered or removed.
    changes: AtomicU64,
    /// The tensor itself, if it is the result of an operation and keeps its gradient.
    keeps: OnceLock<Tensor>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", self.registered.lock().len())
    }
}

impl Hooks {
    /// How often the hooks on a tensor's gradient have changed.
    pub(crate) fn changes(t: &Tensor) -> u64 {
        t.node().map_or(t.hooks(), |node| &node.hooks).get().map_or(0, |hooks| hooks.changes.load(Relaxed))
    }

    fn of(t: &Tensor) -> &Arc<Hooks> {
        t.node().map_or(t.hooks(), |node| &node.hooks).get_or_init(Arc::default)
    }

    /// The tensor whose gradient is kept.
    pub(crate) fn kept(&self) -> Option<&Tensor> {
        self.keeps.get()
    }

    /// The hooks, for who must not wait.
    pub(crate) fn foreign(&self) -> Vec<Foreign> {
        let Some(registered) = self.registered.try_lock() else { return Vec::new() };
        registered.values().map(|hook| hook.clone() as Foreign).collect()
    }

    /// Removes all hooks.
    pub(crate) fn clear(&self) {
        self.changes.fetch_add(1, Relaxed);
        let gone = std::mem::take(&mut *self.registered.lock());
        drop(gone);
    }
}

/// A hook's place, which keeps neither the hook nor its tensor alive.
#[derive(Clone, Debug)]
pub struct Registered {
    hooks: Weak<Hooks>,
    number: u64,
}

impl Registered {
    /// Removes the hook, if it is still there.
    pub fn remove(&self) {
        let Some(hooks) = self.hooks.upgrade() else { return };
        hooks.changes.fetch_add(1, Relaxed);
        let gone = hooks.registered.lock().remove(&self.number);
        // Dropped after the lock: it may hold tensors, even the one whose hook it is.
        drop(gone);
    }
}

/// Registers a hook on the gradient of `t`. `RuntimeError` if `t` requires no gradients.
pub fn register_hook(t: &Tensor, hook: Arc<dyn Hook>) -> Result<Registered> {
    if !t.requires_grad() {
        fail!(Runtime, "register_hook: the tensor does not require gradients, so none would reach the hook");
    }
    watch::note_grad_state(t)?;
    watch::check_hook(t)?;
    let hooks = Hooks::of(t);
    hooks.changes.fetch_add(1, Relaxed);
    let registered = {
        let mut all = hooks.registered.lock();
        let number = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(number, hook);
        Registered { hooks: Arc::downgrade(hooks), number }
    };
    watch::tell(|watcher| watcher.hooked(&registered));
    Ok(registered)
}

/// Keeps the gradient of the result of an operation in its `grad`, as a leaf's is kept anyway: what it is after all hooks.
/// `RuntimeError` if `t` requires no gradients.
pub fn retain_grad(t: &Tensor) -> Result<()> {
    if !t.requires_grad() {
        fail!(Runtime, "retain_grad: the tensor does not require gradients, so there would be none to keep");
    }
    if !t.is_leaf() {
        // Without its node: the node holds this.
        Hooks::of(t).keeps.get_or_init(|| t.without_history());
    }
    Ok(())
}
