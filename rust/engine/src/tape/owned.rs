//! Ownership: what only one tensor keeps alive.
//!
//! Hooks and operations of the bindings refer to objects under a garbage collector, from nodes and tensors that several handles
//! share. A handle may report such an object to the collector only if nothing else keeps it alive; and a gradient with a history
//! may refer to its own tensor. One search answers both: it counts the references among everything reachable, and what has no
//! others is kept alive by this handle alone.

use std::collections::HashMap;
use std::sync::Arc;

use crate::tensor::{Edge, Foreign, Hooks, Node, Saved, Tensor};

/// The largest number of nodes and tensors that are searched when a tensor is dropped.
const SEARCH_LIMIT: usize = 100_000;

/// Whether hooks or operations of the bindings may be behind `t`: cheap, and seldom true.
#[must_use]
pub fn may_own(t: &Tensor) -> bool {
    let foreign = |t: &Tensor| t.node().is_some_and(|node| node.is_foreign());
    foreign(t) || t.hooks().get().is_some() || (keeps_grad(t) && t.try_grad().is_some_and(|g| foreign(&g)))
}

/// The objects held by hooks and operations that only `t` keeps alive; none if the search takes more than `budget` steps, which
/// are subtracted from it. It waits for no lock: what is in use is not `t`'s alone.
pub fn owned(t: &Tensor, budget: &mut usize) -> Vec<Foreign> {
    let Some(search) = Search::of(t, *budget) else {
        *budget = 0;
        return Vec::new();
    };
    *budget -= search.found.len();
    let mut all = Vec::new();
    for found in search.owned() {
        match &found.item {
            Item::Tensor(t) => all.extend(t.hooks().get().into_iter().flat_map(|hooks| hooks.foreign())),
            Item::Node(node) => {
                all.extend(node.op().foreign());
                all.extend(node.hooks.get().into_iter().flat_map(|hooks| hooks.foreign()));
            }
        }
    }
    all
}

/// Removes the hooks that only `t` keeps alive.
pub fn remove_hooks(t: &Tensor) {
    let Some(search) = Search::of(t, SEARCH_LIMIT) else { return };
    let hooks = |found: &Found| match &found.item {
        Item::Tensor(t) => t.hooks().get().cloned(),
        Item::Node(node) => node.hooks.get().cloned(),
    };
    let all: Vec<Arc<Hooks>> = search.owned().filter_map(hooks).collect();
    drop(search);
    for hooks in &all {
        hooks.clear();
    }
}

/// Called before a user's handle of `t` is dropped: clears a gradient that nobody could access any more, but whose history (from
/// `create_graph`) refers to `t`, so that they would keep each other alive.
pub fn break_cycle(t: &Tensor) {
    let linked = t.handles() > 1 && keeps_grad(t) && t.try_grad().is_some_and(|g| g.node().is_some());
    let Some(search) = linked.then(|| Search::of(t, SEARCH_LIMIT)).flatten() else { return };
    if search.owned().any(|found| found.is(t)) {
        // Those of other tensors, which only this one kept alive, may refer to it too.
        let tensor = |found: &Found| if let Item::Tensor(t) = &found.item { Some(t.clone()) } else { None };
        let all: Vec<Tensor> = search.owned().filter_map(tensor).collect();
        drop(search);
        let grads: Vec<_> = all.iter().map(|t| t.swap_grad(None)).collect();
        drop(grads);
    }
}

/// Whether `t` may have a gradient: cheaper than reading it.
fn keeps_grad(t: &Tensor) -> bool {
    t.node().map_or_else(|| t.requires_grad(), |node| node.hooks.get().is_some())
}

enum Item {
    /// Without history.
    Tensor(Tensor),
    Node(Arc<Node>),
}

struct Found {
    item: Item,
    /// The number of references from what was found.
    references: usize,
    /// What it refers to.
    uses: Vec<usize>,
    /// Whether something outside refers to it.
    shared: bool,
}

impl Found {
    fn is(&self, t: &Tensor) -> bool {
        matches!(&self.item, Item::Tensor(own) if own.is_same(t))
    }
}

#[derive(Default)]
struct Search {
    found: Vec<Found>,
    places: HashMap<usize, usize>,
}

impl Search {
    /// Everything that can be reached from this handle, unless it is more than `limit`.
    fn of(t: &Tensor, limit: usize) -> Option<Self> {
        let mut search = Self::default();
        search.reach(None, t);
        let mut next = 0;
        while next < search.found.len() {
            if search.found.len() > limit {
                return None;
            }
            search.expand(next);
            next += 1;
        }
        search.mark_shared();
        Some(search)
    }

    /// What nothing outside refers to, directly or not.
    fn owned(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| !found.shared)
    }

    fn count(&mut self, from: Option<usize>, address: usize, item: impl FnOnce() -> Item) {
        let at = *self.places.entry(address).or_insert_with(|| {
            self.found.push(Found { item: item(), references: 0, uses: Vec::new(), shared: false });
            self.found.len() - 1
        });
        self.found[at].references += 1;
        if let Some(from) = from {
            self.found[from].uses.push(at);
        }
    }

    /// Counts the references of a handle.
    fn reach(&mut self, from: Option<usize>, t: &Tensor) {
        self.count(from, t.identity(), || Item::Tensor(t.without_history()));
        if let Some(node) = t.node() {
            self.node(from, node);
        }
    }

    fn node(&mut self, from: Option<usize>, node: &Arc<Node>) {
        self.count(from, Arc::as_ptr(node).addr(), || Item::Node(node.clone()));
    }

    fn expand(&mut self, at: usize) {
        let from = Some(at);
        let kept = |hooks: Option<&Arc<Hooks>>| hooks.and_then(|hooks| hooks.kept().cloned());
        match &self.found[at].item {
            Item::Tensor(t) => {
                let (base, grad, kept) = (t.base(), t.try_grad(), kept(t.hooks().get()));
                for t in [base, grad, kept].into_iter().flatten() {
                    self.reach(from, &t);
                }
            }
            Item::Node(node) => {
                let node = node.clone();
                for edge in &node.inputs {
                    match edge {
                        Edge::Nowhere => {}
                        Edge::Leaf(t) => self.reach(from, t),
                        Edge::Node(node) => self.node(from, node),
                    }
                }
                let saved = node.saved.try_lock();
                for t in saved.iter().filter_map(|slot| slot.as_ref()).flat_map(Saved::tensors) {
                    self.reach(from, t);
                }
                if let Some(t) = kept(node.hooks.get()) {
                    self.reach(from, &t);
                }
            }
        }
    }

    /// Finds what others refer to, and what that refers to in turn.
    fn mark_shared(&mut self) {
        let mut open = Vec::new();
        for (at, found) in self.found.iter().enumerate() {
            let all = match &found.item {
                Item::Tensor(t) => t.handles(),
                Item::Node(node) => Arc::strong_count(node),
            };
            // One is the search's own.
            if all > found.references + 1 {
                open.push(at);
            }
        }
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut self.found[at].shared, true) {
                open.extend(&self.found[at].uses);
            }
        }
    }
}
