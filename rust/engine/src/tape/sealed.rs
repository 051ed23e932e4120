//! Results of compiled steps, which have no graph.

use std::sync::OnceLock;

use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Want};
use crate::tensor::{Node, Number, Tensor};

/// A placeholder for the graph of a compiled step.
struct Sealed;

const MESSAGE: &str = "backward: this tensor depends on a result of a compiled step, which keeps no graph when it is replayed: \
                       call backward() inside the step, compile rg.value_and_grad(f) instead of f, or call the step inside \
                       `with rg.no_grad():` if no gradients are wanted";

impl Op for Sealed {
    fn name(&self) -> &'static str {
        "Compiled"
    }
    fn forward(&self, _: &[&Tensor], _: &mut Out<'_>) -> Result<()> {
        fail!(Runtime, "{MESSAGE}")
    }
    fn backward(&self, _: &Saved, _: &Tensor, _: Want) -> Result<Grads> {
        fail!(Runtime, "{MESSAGE}")
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, _: &[Option<&Tensor>]) -> Result<Tensor> {
        fail!(Runtime, "{MESSAGE}")
    }
}

/// `y` as a tensor that requires gradients, but for which computing them is an error that says what to write instead.
pub(crate) fn seal(y: Tensor) -> Result<Tensor> {
    // Passes leave out what no leaf is behind.
    static LEAF: OnceLock<Tensor> = OnceLock::new();
    if LEAF.get().is_none() {
        let leaf = Tensor::scalar(Number::Float(0.0), DType::Float32)?;
        leaf.set_requires_grad(true)?;
        let _ = LEAF.set(leaf);
    }
    let node = Node::record(Sealed, &[LEAF.get().expect("it was set")], &y, Saved::default(), None);
    Ok(y.with_node(node))
}
