//! The tape: what was computed from what, and the reverse pass over it.
//!
//! Every taped result holds its [`Node`], and a node holds the nodes of its inputs, so a graph lives exactly as long as
//! somebody can still ask for its gradients. Nothing here recurses over the graph: a chain of a million operations is
//! ordered, differentiated and dropped with a flat stack.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::ops;
use crate::shape::{Dims, Show};
use crate::tensor::Tensor;

thread_local! {
    static GRAD_ENABLED: Cell<bool> = const { Cell::new(true) };
    static CLOCK: Cell<u64> = const { Cell::new(0) };
    /// Parts of dead nodes that wait to be dropped.
    static GRAVEYARD: RefCell<Vec<Remains>> = const { RefCell::new(Vec::new()) };
    /// Whether a drop is under way on this thread.
    static BURYING: Cell<bool> = const { Cell::new(false) };
}

/// Whether operations are taped on this thread.
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

/// An operation with its derivative rule. Implementations stand in `ops`, one place each.
pub trait Op: Send + Sync + 'static {
    /// The name that users know it by.
    fn name(&self) -> &'static str;

    /// Which tensors the reverse rule reads.
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    /// Shape rule and value: checks everything before it computes anything. Not taped.
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor>;

    /// Reverse rule: the cotangents of the inputs from the output's, `g`, written in tensor functions, so that it can be
    /// differentiated itself. Sums over broadcast dimensions are left to the caller.
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads>;
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

/// The tensors that a reverse rule asked for.
#[derive(Debug, Default)]
pub struct Saved {
    inputs: SmallVec<[Option<Tensor>; 2]>,
    output: Option<Tensor>,
    /// Versions of the storages when they were saved, inputs first.
    versions: SmallVec<[u32; 3]>,
}

impl Saved {
    /// Input `i`.
    ///
    /// # Panics
    /// If [`Op::saves`] does not name it.
    #[must_use]
    pub fn input(&self, i: usize) -> &Tensor {
        self.inputs[i].as_ref().expect("the rule reads only what it saves")
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
        let tensors = self.inputs.iter().flatten().chain(&self.output);
        tensors.zip(&self.versions).any(|(t, &v)| t.version() != v)
    }
}

/// Where a cotangent goes.
#[derive(Clone)]
enum Edge {
    /// The input needs none.
    Nowhere,
    /// Into the gradient of a leaf.
    Leaf(Tensor),
    /// On to the operation that made the input.
    Node(Arc<Node>),
}

/// One taped operation.
pub struct Node<O: ?Sized = dyn Op> {
    /// Greater than that of every input: the order of a node is known when it is made.
    clock: u64,
    shape: Dims,
    dtype: DType,
    inputs: SmallVec<[Edge; 2]>,
    /// `None` once a backward pass has used it and was not told to retain it.
    saved: Mutex<Option<Saved>>,
    op: O,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}Backward>", self.op.name())
    }
}

impl Node {
    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.op.name()
    }
}

/// Runs an operation, and tapes it if gradients may be asked for.
#[inline]
pub(crate) fn apply<O: Op>(op: O, x: &[&Tensor]) -> Result<Tensor> {
    let y = op.forward(x)?;
    if is_grad_enabled() && x.iter().any(|t| t.requires_grad()) && y.dtype().is_float() {
        return Ok(record(op, x, y));
    }
    Ok(y)
}

fn record<O: Op>(op: O, x: &[&Tensor], y: Tensor) -> Tensor {
    let mut clock = CLOCK.get();
    let mut inputs: SmallVec<[Edge; 2]> = SmallVec::with_capacity(x.len());
    for t in x {
        inputs.push(match t.node() {
            Some(node) => {
                clock = clock.max(node.clock);
                Edge::Node(node.clone())
            }
            None if t.requires_grad() => Edge::Leaf((*t).clone()),
            None => Edge::Nowhere,
        });
    }
    CLOCK.set(clock + 1);
    let saves = op.saves();
    let mut saved = Saved::default();
    if saves.inputs != 0 {
        for (i, t) in x.iter().enumerate() {
            let keep = saves.inputs & (1 << i.min(31)) != 0;
            saved.inputs.push(keep.then(|| {
                saved.versions.push(t.version());
                (*t).clone()
            }));
        }
    }
    if saves.output {
        // Without its node: with it, node and result would keep each other alive.
        saved.versions.push(y.version());
        saved.output = Some(y.without_node());
    }
    let (shape, dtype) = (Dims::from_slice(y.shape()), y.dtype());
    let node = Node { clock: clock + 1, shape, dtype, inputs, saved: Mutex::new(Some(saved)), op };
    y.with_node(Arc::new(node))
}

// ---- Dropping ----

/// What is left of a node that died.
#[allow(dead_code, reason = "held only to be dropped")]
struct Remains(SmallVec<[Edge; 2]>, Option<Saved>);

impl<O: ?Sized> Drop for Node<O> {
    /// Dropping a node may drop its inputs' nodes, and so on down the graph. The outermost drop on a thread therefore
    /// collects the parts of the nodes that die meanwhile, and drops them one after another.
    fn drop(&mut self) {
        let saved = self.saved.get_mut().unwrap_or_else(PoisonError::into_inner).take();
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

// ---- The reverse pass ----

/// How to run the reverse pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep what the rules saved, so that the pass can be run again.
    pub retain_graph: bool,
    /// Tape the rules themselves, so that gradients can be differentiated.
    pub create_graph: bool,
}

/// Where a pass stands in the order of processing: leaves have clock 0, so they come last.
type Key = (u64, usize);

struct Pending {
    to: Edge,
    grad: Tensor,
}

impl Edge {
    fn of(t: &Tensor) -> Edge {
        match t.node() {
            Some(node) => Edge::Node(node.clone()),
            None if t.requires_grad() => Edge::Leaf(t.clone()),
            None => Edge::Nowhere,
        }
    }

    fn key(&self) -> Option<Key> {
        match self {
            Edge::Nowhere => None,
            Edge::Leaf(t) => Some((0, t.identity())),
            Edge::Node(n) => Some((n.clock, Arc::as_ptr(n).addr())),
        }
    }
}

/// The gradient that the pass starts from: the one given, or 1 for a scalar.
fn seed(y: &Tensor, grad: Option<&Tensor>) -> Result<Tensor> {
    if !y.requires_grad() {
        fail!(
            Runtime,
            "backward: this tensor does not depend on any tensor that requires gradients; \
             make one with requires_grad=True, and compute outside rg.no_grad()"
        );
    }
    match grad {
        Some(g) if g.shape() == y.shape() => ops::cast(g, y.dtype()),
        Some(g) => {
            let (got, want) = (Show(g.shape()), Show(y.shape()));
            fail!(Value, "backward: the gradient has shape {got}, the tensor has shape {want}")
        }
        None if y.numel() == 1 => Tensor::full(y.shape(), crate::tensor::Number::Int(1), y.dtype()),
        None => fail!(
            Runtime,
            "backward: only a scalar has one gradient, this tensor has shape {}; \
             reduce it first, for example y.sum().backward(), or pass gradient=",
            Show(y.shape())
        ),
    }
}

/// Adds the gradient of `y` to the `.grad` of every leaf that it depends on.
///
/// `RuntimeError` if nothing requires gradients, if `y` is no scalar and no `grad` is given, if the graph was used up by
/// an earlier pass, or if a tensor that a rule needs was changed since; no `.grad` has changed then.
pub fn backward(y: &Tensor, grad: Option<&Tensor>, options: Options) -> Result<()> {
    let start = Pending { to: Edge::of(y), grad: seed(y, grad)? };
    run(vec![start], options, None, &mut |leaf, g| accumulate(leaf, g, options.create_graph))
}

/// The gradients of `outputs`, weighted by `grads`, with respect to `inputs`; `None` for an input that no output depends
/// on. No `.grad` changes. Errors as [`backward`]'s.
pub fn gradients(
    outputs: &[Tensor],
    inputs: &[Tensor],
    grads: &[Option<Tensor>],
    options: Options,
) -> Result<Vec<Option<Tensor>>> {
    let mut start = Vec::new();
    for (y, g) in outputs.iter().zip(grads) {
        start.push(Pending { to: Edge::of(y), grad: seed(y, g.as_ref())? });
    }
    let mut keys = Vec::new();
    for (i, x) in inputs.iter().enumerate() {
        match Edge::of(x).key() {
            Some(key) => keys.push(key),
            None => fail!(Runtime, "grad: input {i} does not require gradients; make it with requires_grad=True"),
        }
    }
    let mut found: BTreeMap<Key, Tensor> = BTreeMap::new();
    let needed = reaching(start.iter().map(|p| &p.to), &keys);
    let targets = Targets { keys: &keys, needed, found: &mut found };
    run(start, options, Some(targets), &mut |_, _| Ok(()))?;
    Ok(keys.iter().map(|k| found.get(k).cloned()).collect())
}

/// What a pass for chosen inputs looks for.
struct Targets<'a> {
    keys: &'a [Key],
    /// Every node and leaf from which a target can be reached, the targets among them.
    needed: HashSet<Key>,
    found: &'a mut BTreeMap<Key, Tensor>,
}

/// Everything on the way from `start` to one of `targets`.
fn reaching<'a>(start: impl Iterator<Item = &'a Edge>, targets: &[Key]) -> HashSet<Key> {
    let mut needed: HashSet<Key> = targets.iter().copied().collect();
    let mut nodes: BTreeMap<Key, Arc<Node>> = BTreeMap::new();
    let mut open: Vec<Edge> = start.cloned().collect();
    while let Some(edge) = open.pop() {
        if let (Some(key), Edge::Node(node)) = (edge.key(), edge)
            && let std::collections::btree_map::Entry::Vacant(slot) = nodes.entry(key)
        {
            open.extend(node.inputs.iter().cloned());
            slot.insert(node);
        }
    }
    // Inputs have smaller clocks, so going up the clocks sees them before the nodes that use them.
    for (key, node) in &nodes {
        if node.inputs.iter().filter_map(Edge::key).any(|k| needed.contains(&k)) {
            needed.insert(*key);
        }
    }
    needed
}

fn run(
    start: Vec<Pending>,
    options: Options,
    mut targets: Option<Targets<'_>>,
    at_leaf: &mut dyn FnMut(&Tensor, Tensor) -> Result<()>,
) -> Result<()> {
    with_grad_enabled(options.create_graph, || {
        let mut pending: BTreeMap<Key, Pending> = BTreeMap::new();
        for p in start {
            push(&mut pending, &p.to, p.grad)?;
        }
        // Latest first: everything that adds to a node's gradient is younger than the node.
        while let Some((key, Pending { to, grad })) = pending.pop_last() {
            if let Some(t) = &mut targets
                && t.keys.contains(&key)
            {
                t.found.insert(key, grad.clone());
            }
            match to {
                Edge::Nowhere => {}
                Edge::Leaf(leaf) => at_leaf(&leaf, grad)?,
                Edge::Node(node) => {
                    let wanted = |e: &Edge| match (e.key(), &targets) {
                        (None, _) => false,
                        (Some(_), None) => true,
                        (Some(k), Some(t)) => t.needed.contains(&k),
                    };
                    let bits = node.inputs.iter().take(64).enumerate();
                    let want = Want(bits.fold(0, |m, (i, e)| m | (u64::from(wanted(e)) << i)));
                    if want.0 == 0 {
                        continue;
                    }
                    let grads = node.pull(&node, &grad, want, options)?;
                    drop(grad);
                    debug_assert_eq!(grads.len(), node.inputs.len());
                    for (edge, g) in node.inputs.iter().zip(grads) {
                        if let Some(g) = g
                            && wanted(edge)
                        {
                            push(&mut pending, edge, g)?;
                        }
                    }
                }
            }
        }
        Ok(())
    })
}

impl Node {
    /// Applies the reverse rule.
    fn pull(&self, this: &Arc<Node>, g: &Tensor, want: Want, options: Options) -> Result<Grads> {
        let mut slot = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut saved) = slot.take() else {
            fail!(
                Runtime,
                "backward: the graph at `{}` was already used by an earlier backward pass, which freed it; \
                 pass retain_graph=True to the first call if you need both",
                self.name()
            );
        };
        if saved.changed() {
            let name = self.name();
            *slot = Some(saved);
            fail!(
                Runtime,
                "backward: a tensor that `{name}` needs for its derivative was changed in place after it was computed; \
                 write the change as a new tensor (x = x + 1, not x += 1), or change a clone()"
            );
        }
        drop(slot);
        if options.create_graph
            && let Some(y) = saved.output.take()
        {
            saved.output = Some(y.with_node(this.clone()));
        }
        let result = self.op.backward(&saved, g, want);
        if options.retain_graph || options.create_graph || result.is_err() || self.op.saves() == Saves::NOTHING {
            saved.output = saved.output.map(|y| y.without_node());
            *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        }
        result
    }
}

/// Adds a cotangent to what waits at `edge`, after undoing broadcasting and promotion: the one place that does.
fn push(pending: &mut BTreeMap<Key, Pending>, edge: &Edge, grad: Tensor) -> Result<()> {
    let (shape, dtype) = match edge {
        Edge::Nowhere => return Ok(()),
        Edge::Leaf(t) => (t.shape(), t.dtype()),
        Edge::Node(n) => (&n.shape[..], n.dtype),
    };
    let grad = ops::sum_to(grad, shape)?;
    let grad = if grad.dtype() == dtype { grad } else { ops::cast(&grad, dtype)? };
    let key = edge.key().expect("the edge leads somewhere");
    match pending.entry(key) {
        std::collections::btree_map::Entry::Vacant(slot) => {
            slot.insert(Pending { to: edge.clone(), grad });
        }
        std::collections::btree_map::Entry::Occupied(mut slot) => add_into(&mut slot.get_mut().grad, &grad)?,
    }
    Ok(())
}

/// `total += grad`, in place where nobody else holds `total` and nothing is taped.
fn add_into(total: &mut Tensor, grad: &Tensor) -> Result<()> {
    if !is_grad_enabled() && total.is_exclusive() && grad.is_contiguous() {
        return ops::add_assign(total, grad);
    }
    *total = ops::add(total, grad)?;
    Ok(())
}

/// Adds to a leaf's `.grad`, whose memory no other tensor shares afterwards, so that writing to it in place is safe.
fn accumulate(leaf: &Tensor, mut grad: Tensor, create_graph: bool) -> Result<()> {
    leaf.with_grad(|slot| {
        match slot {
            Some(total) if create_graph => *total = ops::add(total, &grad)?,
            Some(total) => total.copy_from(&ops::add(total, &grad)?)?,
            None if create_graph || grad.is_exclusive() => *slot = Some(grad),
            None => *slot = Some(ops::copy(&grad)?),
        }
        Ok(())
    })
}
