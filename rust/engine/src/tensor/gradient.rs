//! The gradients of tensors.

use std::sync::atomic::Ordering::Relaxed;

use super::{Tensor, watch};
use crate::error::{Result, fail};
use crate::shape::Show;

impl Tensor {
    /// Sets whether gradients are computed for this leaf. `RuntimeError` for disabling them on a taped result, `TypeError` for
    /// integers.
    pub fn set_requires_grad(&self, on: bool) -> Result<()> {
        if on && !self.dtype().is_float() {
            fail!(Type, "requires_grad: only tensors of floats have gradients, this one holds {}", self.dtype());
        }
        watch::note_grad_state(self)?;
        if self.node.is_some() {
            if on {
                return Ok(());
            }
            fail!(Runtime, "requires_grad: this tensor is the result of a taped operation; write x.detach() instead");
        }
        self.data.requires_grad.store(on, Relaxed);
        Ok(())
    }

    /// The gradient accumulated so far.
    #[must_use]
    pub fn grad(&self) -> Option<Tensor> {
        watch::tell(|watcher| watcher.gradient(self, true));
        self.data.grad.lock().clone()
    }

    /// The gradient, without recording the access.
    pub(crate) fn peek_grad(&self) -> Option<Tensor> {
        self.data.grad.lock().clone()
    }

    /// The gradient without waiting for its lock; none if it is in use.
    pub(crate) fn try_grad(&self) -> Option<Tensor> {
        self.data.grad.try_lock()?.clone()
    }

    /// Replaces the gradient by one of this tensor's shape and dtype, and returns the old one, to be dropped without the lock.
    pub(crate) fn swap_grad(&self, grad: Option<Tensor>) -> Option<Tensor> {
        std::mem::replace(&mut *self.data.grad.lock(), grad)
    }

    /// Replaces the gradient. `ValueError` or `TypeError` unless shape and dtype are this tensor's.
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(g) = &grad {
            if g.identity() == self.identity() {
                fail!(Value, "grad: a tensor cannot be its own gradient; write x.grad = x.detach().clone()");
            }
            if g.shape() != self.shape() {
                let (got, want) = (Show(g.shape()), Show(self.shape()));
                fail!(Value, "grad: a tensor of shape {want} cannot have a gradient of shape {got}");
            }
            if g.dtype() != self.dtype() {
                fail!(Type, "grad: a tensor of {} cannot have a gradient of {}", self.dtype(), g.dtype());
            }
        }
        watch::tell(|watcher| watcher.gradient(self, false));
        drop(self.swap_grad(grad));
        Ok(())
    }

    /// Lets `f` change the gradient. What it returns is dropped without the lock: its owner may be another library, whose code
    /// may read this gradient, or wait for a thread that does.
    pub(crate) fn with_grad(&self, f: impl FnOnce(&mut Option<Tensor>) -> Result<Option<Tensor>>) -> Result<()> {
        watch::tell(|watcher| watcher.gradient(self, true));
        let old = f(&mut self.data.grad.lock())?;
        drop(old);
        Ok(())
    }
}
