//! The reverse pass.
//!
//! [`run`] keeps the cotangents that are not used yet, one for each node or leaf, in an ordered map, and takes out the one with
//! the greatest clock: a node's clock is greater than those of its inputs, so all that contributes to that cotangent has been
//! accumulated. [`Node::vjp`] applies the rule of the node's operation, and [`accumulate`] adds the cotangents of its inputs to
//! the map. Leaves have clock 0; [`backward`] adds what reaches them to `.grad` when the pass has succeeded, and [`gradients`]
//! returns what reaches chosen tensors. Nothing recurses: a chain of a million operations is differentiated with a flat stack.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::error::{Result, fail};
use crate::forward;
use crate::op::{
    Grads, Saves, Want, check_gradients, is_anomaly_enabled, is_grad_enabled, unchecked, with_grad_enabled,
};
use crate::ops;
use crate::shape::Show;
use crate::tensor::{Edge, Hook, Hooks, Key, Node, Number, Tensor, watch};

/// How to run the reverse pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep saved tensors, so that the pass can be run again.
    pub retain_graph: bool,
    /// Tape the rules themselves, so that gradients can be differentiated.
    pub create_graph: bool,
    /// End every path at the first input that it meets: the gradients are partial derivatives then, even if an input was computed
    /// from another one.
    pub stop_at_inputs: bool,
}

/// The cotangent of a node or leaf that the pass has not reached yet: the sum of the contributions so far.
struct Pending {
    to: Edge,
    grad: Tensor,
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
        None if y.numel() == 1 => Tensor::full(y.shape(), Number::Int(1), y.dtype()),
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
/// an earlier pass, or if a tensor that a rule needs was changed since; whatever a hook raises. No leaf's `.grad` has changed
/// then.
pub fn backward(y: &Tensor, grad: Option<&Tensor>, options: Options) -> Result<()> {
    let start = Pending { to: Edge::of(y), grad: seed(y, grad)? };
    let mut found = Vec::new();
    run(vec![start], options, None, &mut |leaf, g| found.push((leaf.clone(), g)))?;
    with_grad_enabled(options.create_graph, || {
        found.into_iter().try_for_each(|(leaf, g)| add_to_grad(&leaf, g, options.create_graph))
    })
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
    watch::tell(|watcher| watcher.targets(inputs));
    let mut found: BTreeMap<Key, Tensor> = BTreeMap::new();
    let needed = reaching(start.iter().map(|p| &p.to), &keys, options.stop_at_inputs);
    let targets = Targets { keys: &keys, needed, found: &mut found };
    run(start, options, Some(targets), &mut |_, _| ())?;
    let mut all: Vec<Option<Tensor>> = keys.iter().map(|k| found.get(k).cloned()).collect();
    drop(found);
    with_grad_enabled(options.create_graph, || {
        for g in all.iter_mut().flatten() {
            *g = apart(g)?;
        }
        Ok(all)
    })
}

/// The current time, for [`captured`].
#[must_use]
pub fn clock() -> u64 {
    Node::now()
}

/// The leaves and earlier results that the graph of `outputs` depends on, apart from the leaves `own` and what was computed after
/// `since`. They only serve to take gradients: results from before have no elements worth reading.
pub fn captured(outputs: &[Tensor], own: &[Tensor], since: u64) -> Result<Vec<Tensor>> {
    let mut seen: HashSet<Key> = own.iter().filter(|t| t.is_leaf()).filter_map(|t| Edge::of(t).key()).collect();
    let mut open: Vec<Edge> = outputs.iter().map(Edge::of).collect();
    let mut found = Vec::new();
    while let Some(edge) = open.pop() {
        let Some(key) = edge.key() else { continue };
        match edge {
            Edge::Node(node) if node.clock > since => {
                if seen.insert(key) {
                    open.extend(node.inputs.iter().cloned());
                }
            }
            _ if !seen.insert(key) => {}
            Edge::Node(node) => {
                let zero = Tensor::full(&[], Number::Int(0), node.dtype)?;
                found.push(zero.with_layout(zero.layout().expand(&node.shape)).with_node(node));
            }
            Edge::Leaf(leaf) => found.push(leaf),
            Edge::Nowhere => {}
        }
    }
    Ok(found)
}

/// What a pass for chosen inputs looks for.
struct Targets<'a> {
    keys: &'a [Key],
    /// Every node and leaf from which a target can be reached, the targets among them.
    needed: HashSet<Key>,
    found: &'a mut BTreeMap<Key, Tensor>,
}

/// The node or leaf of `t` in a reverse pass, if gradients are computed for it.
pub(crate) fn key(t: &Tensor) -> Option<Key> {
    Edge::of(t).key()
}

/// Whether a reverse pass from `t` reaches one of `keys`, or starts there.
pub(crate) fn reaches(t: &Tensor, keys: &[Key]) -> bool {
    let edge = Edge::of(t);
    edge.key().is_some_and(|key| reaching([&edge].into_iter(), keys, false).contains(&key))
}

/// Everything on the way from `start` to one of `targets`, or to the first of them.
fn reaching<'a>(start: impl Iterator<Item = &'a Edge>, targets: &[Key], first: bool) -> HashSet<Key> {
    let mut needed: HashSet<Key> = targets.iter().copied().collect();
    let mut nodes: BTreeMap<Key, Arc<Node>> = BTreeMap::new();
    let mut open: Vec<Edge> = start.cloned().collect();
    while let Some(edge) = open.pop() {
        if let (Some(key), Edge::Node(node)) = (edge.key(), edge)
            && !(first && targets.contains(&key))
            && let Entry::Vacant(slot) = nodes.entry(key)
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

/// Propagates cotangents from `start`, to all leaves or to the targets.
fn run(
    start: Vec<Pending>,
    options: Options,
    mut targets: Option<Targets<'_>>,
    at_leaf: &mut dyn FnMut(&Tensor, Tensor),
) -> Result<()> {
    watch::tell(|watcher| watcher.differentiated());
    with_grad_enabled(options.create_graph, || {
        let mut pending: BTreeMap<Key, Pending> = BTreeMap::new();
        for p in start {
            accumulate(&mut pending, &p.to, p.grad)?;
        }
        // Latest first: everything that adds to a node's gradient is younger than the node.
        while let Some((key, Pending { to, grad })) = pending.pop_last() {
            let target = targets.as_ref().is_some_and(|t| t.keys.contains(&key));
            let grad = match to.hooks() {
                // A partial derivative is not yet the gradient that hooks are for.
                Some(hooks) if !(target && options.stop_at_inputs) => hooks.run(grad)?,
                _ => grad,
            };
            if target && let Some(t) = &mut targets {
                t.found.insert(key, grad.clone());
                if options.stop_at_inputs {
                    continue;
                }
            }
            match to {
                Edge::Nowhere => {}
                Edge::Leaf(leaf) => at_leaf(&leaf, grad),
                Edge::Node(node) => {
                    let wanted = |e: &Edge| match (e.key(), &targets) {
                        (None, _) => false,
                        (Some(_), None) => true,
                        (Some(k), Some(t)) => t.needed.contains(&k),
                    };
                    // One bit for each of the first 64 inputs; the cotangents of others are always computed.
                    let bits = node.inputs.iter().take(64).enumerate();
                    let want = Want(bits.fold(0, |m, (i, e)| m | (u64::from(wanted(e)) << i)));
                    if want.0 == 0 {
                        continue;
                    }
                    if node.accumulate_in_place(&grad, &mut pending)? {
                        continue;
                    }
                    let grads = node.vjp(&grad, want, options)?;
                    drop(grad);
                    debug_assert_eq!(grads.len(), node.inputs.len());
                    for (edge, g) in node.inputs.iter().zip(grads) {
                        if let Some(g) = g
                            && wanted(edge)
                        {
                            accumulate(&mut pending, edge, g)?;
                        }
                    }
                }
            }
        }
        Ok(())
    })
}

impl Edge {
    fn hooks(&self) -> Option<&Hooks> {
        match self {
            Edge::Nowhere => None,
            Edge::Leaf(t) => t.hooks().get().map(|h| &**h),
            Edge::Node(n) => n.hooks.get().map(|h| &**h),
        }
    }
}

impl Hooks {
    /// The gradient after every hook has seen it.
    pub(super) fn run(&self, mut g: Tensor) -> Result<Tensor> {
        // Copied, because a hook may remove itself.
        let all: Vec<Arc<dyn Hook>> = self.registered.lock().values().cloned().collect();
        for hook in all {
            if let Some(new) = hook.call(apart(&g)?)? {
                if new.shape() != g.shape() || new.dtype() != g.dtype() {
                    let (got, want) = (Show(new.shape()), Show(g.shape()));
                    fail!(
                        Value,
                        "a hook returned {got} of {} for a gradient of {want} of {}; return one like it, or None",
                        new.dtype(),
                        g.dtype()
                    );
                }
                g = new;
            }
        }
        if let Some(t) = self.kept() {
            add_to_grad(t, g.clone(), is_grad_enabled())?;
        }
        Ok(g)
    }
}

impl Node {
    /// Accumulates the cotangent of the only input in place, where the operation supports it: a million gradients of small pieces of
    /// a tensor must not each be as large as the tensor.
    fn accumulate_in_place(&self, g: &Tensor, pending: &mut BTreeMap<Key, Pending>) -> Result<bool> {
        let [edge] = &self.inputs[..] else { return Ok(false) };
        if is_grad_enabled() || is_anomaly_enabled() || g.has_tangent() {
            return Ok(false);
        }
        let Some(waiting) = edge.key().and_then(|key| pending.get_mut(&key)) else { return Ok(false) };
        if waiting.grad.is_exclusive() { self.op.add_backward(g, &waiting.grad) } else { Ok(false) }
    }

    /// The vector-Jacobian product: applies the operation's reverse rule to saved tensors, which must not have changed.
    fn vjp(self: &Arc<Self>, g: &Tensor, want: Want, options: Options) -> Result<Grads> {
        let retain = options.retain_graph || options.create_graph || self.op.saves() == Saves::NOTHING;
        let mut slot = self.saved.lock();
        // Retained, it stays there for passes on other threads and in hooks.
        let Some(mut saved) = (if retain { slot.clone() } else { slot.take() }) else {
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
        watch::tell(|watcher| watcher.relied(&saved.tensors().collect::<Vec<_>>(), self.clock));
        if let Some(mut y) = saved.output.take() {
            if options.create_graph {
                y = y.with_node(self.clone());
            }
            if saved.renew_tangents {
                let inputs: Vec<&Tensor> = saved.inputs.iter().flatten().collect();
                y = forward::push(self.op(), &inputs, y)?;
            }
            saved.output = Some(y);
        }
        let result = unchecked(|| self.op.backward(&saved, g, want)).and_then(|grads| {
            check_gradients(self, &saved, g, &grads)?;
            Ok(grads)
        });
        if result.is_err() && !retain {
            saved.output = saved.output.map(|y| y.without_history());
            *self.saved.lock() = Some(saved);
        }
        result
    }
}

/// Accumulates a cotangent at `edge`, after undoing broadcasting and promotion: the only place that does.
fn accumulate(pending: &mut BTreeMap<Key, Pending>, edge: &Edge, grad: Tensor) -> Result<()> {
    let (shape, dtype) = match edge {
        Edge::Nowhere => return Ok(()),
        Edge::Leaf(t) => (t.shape(), t.dtype()),
        Edge::Node(n) => (&n.shape[..], n.dtype),
    };
    let grad = ops::sum_to(grad, shape)?;
    let grad = if grad.dtype() == dtype { grad } else { ops::cast(&grad, dtype)? };
    let key = edge.key().expect("the edge leads somewhere");
    match pending.entry(key) {
        Entry::Vacant(slot) => {
            slot.insert(Pending { to: edge.clone(), grad });
        }
        Entry::Occupied(mut slot) => add_into(&mut slot.get_mut().grad, &grad)?,
    }
    Ok(())
}

/// `total += grad`, in place if nobody else holds `total` and nothing is taped.
fn add_into(total: &mut Tensor, grad: &Tensor) -> Result<()> {
    // A recording sees values, not who else holds them.
    let plain = !is_grad_enabled() && !watch::is_recording();
    if plain && total.is_exclusive() && grad.is_contiguous() && !grad.has_tangent() {
        return ops::add_assign(total, grad);
    }
    *total = ops::add(total, grad)?;
    Ok(())
}

/// A gradient for users, who may write to it: a copy, unless no other tensor shares its memory.
pub fn apart(g: &Tensor) -> Result<Tensor> {
    if g.is_sole() && g.check_distinct().is_ok() { Ok(g.clone()) } else { ops::clone(g) }
}

/// `all` for users, each with memory that it shares with neither `others` nor earlier ones.
pub fn all_apart(all: Vec<Tensor>, others: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut seen: HashSet<usize> = others.iter().map(Tensor::storage_identity).collect();
    let own = |t: Tensor| if seen.insert(t.storage_identity()) { Ok(t) } else { ops::clone(&t) };
    all.into_iter().map(own).collect()
}

/// Adds to a leaf's `.grad`, whose memory no other tensor shares afterwards, so that writing to it in place is safe.
pub(super) fn add_to_grad(leaf: &Tensor, mut grad: Tensor, create_graph: bool) -> Result<()> {
    let with_history = create_graph || grad.has_tangent();
    // The user may have assigned one that cannot be written to.
    let fixed = |t: &Tensor| t.has_tangent() || t.is_read_only() || t.check_distinct().is_err();
    leaf.with_grad(|slot| {
        let total = match slot {
            Some(total) if with_history || fixed(total) => ops::add(total, &grad)?,
            Some(total) => {
                total.copy_from(&ops::add(total, &grad)?)?;
                return Ok(None);
            }
            None if with_history => apart(&grad)?,
            None if grad.is_exclusive() => grad,
            None => ops::copy(&grad)?,
        };
        Ok(slot.replace(total))
    })
}
