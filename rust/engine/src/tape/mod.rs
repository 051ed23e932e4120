//! The tape: the graph of a computation.
//!
//! Every taped result holds its [`Node`], and a node holds the nodes of its inputs, so a graph lives exactly as long as
//! somebody can still ask for its gradients. [`apply`](crate::op::apply) makes nodes; here is the reverse pass over them.

mod owned;
mod reverse;
mod sealed;

pub use crate::tensor::{Hook, Node, Registered, register_hook, retain_grad};
pub use owned::{break_cycle, may_own, owned, remove_hooks};
pub use reverse::{Options, all_apart, apart, backward, captured, clock, gradients};
pub(crate) use reverse::{key, reaches};
pub(crate) use sealed::seal;
