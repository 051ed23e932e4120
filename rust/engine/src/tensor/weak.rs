//! Handles that do not keep their tensors alive.

use std::sync::{self, Arc};

use super::{Data, Node, Tensor};

/// A handle that does not keep its tensor alive.
#[derive(Clone)]
pub(crate) struct Weak {
    data: sync::Weak<Data>,
    node: Option<sync::Weak<Node>>,
}

impl Weak {
    /// The tensor, without tangents, if somebody has it.
    pub fn upgrade(&self) -> Option<Tensor> {
        let node = match &self.node {
            Some(node) => Some(node.upgrade()?),
            None => None,
        };
        Some(Tensor { data: self.data.upgrade()?, node, tangents: None })
    }

    /// Whether two handles are of one tensor with one history.
    pub fn is_same(&self, other: &Weak) -> bool {
        let node = |weak: &Weak| weak.node.as_ref().map(sync::Weak::as_ptr);
        self.data.ptr_eq(&other.data) && node(self) == node(other)
    }
}

impl Tensor {
    /// A handle that does not keep the tensor alive.
    pub(crate) fn downgrade(&self) -> Weak {
        Weak { data: Arc::downgrade(&self.data), node: self.node.as_ref().map(Arc::downgrade) }
    }
}
