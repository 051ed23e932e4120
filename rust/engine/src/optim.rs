//! Optimizer updates: all parameters of a step in one call.

use std::collections::HashSet;

use rgrad_kernels::optim as kernels;
pub use rgrad_kernels::optim::{Adam, Sgd};

use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::ops::contiguous;
use crate::shape::Show;
use crate::tensor::Tensor;

/// One parameter with its gradient and the optimizer's state of it.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The parameter, updated in place.
    pub param: Tensor,
    /// Its gradient.
    pub grad: Tensor,
    /// SGD: the momentum buffer, if there is momentum. Adam: the first and second moments.
    pub state: Vec<Tensor>,
}

/// Checks everything that an update relies on, so that no parameter changes if one is unusable.
fn check(op: &str, slots: &[Slot], states: usize) -> Result<()> {
    for (i, s) in slots.iter().enumerate() {
        let p = &s.param;
        if s.state.len() != states {
            fail!(Value, "{op}: parameter {i} needs {states} state tensors, got {}", s.state.len());
        }
        for t in s.state.iter().chain([&s.grad]) {
            if t.shape() != p.shape() || t.dtype() != p.dtype() {
                fail!(
                    Value,
                    "{op}: parameter {i} is {} of {}, its gradient or state is {} of {}",
                    Show(p.shape()),
                    p.dtype(),
                    Show(t.shape()),
                    t.dtype()
                );
            }
        }
        if !p.is_contiguous() || s.state.iter().any(|t| !t.is_contiguous()) {
            fail!(Value, "{op}: parameter {i} or its state is not contiguous; make it with x.contiguous()");
        }
        if p.dtype() != slots[0].param.dtype() {
            fail!(Type, "{op}: all parameters of one call must have one dtype");
        }
    }
    // What is written is locked for writing, so nothing else in the call may lie in the same memory.
    let mut written = HashSet::new();
    for (i, s) in slots.iter().enumerate() {
        if !s.state.iter().chain([&s.param]).all(|t| written.insert(t.storage_identity())) {
            fail!(Value, "{op}: parameter {i} or its state shares memory with another one; make it with x.clone()");
        }
    }
    if let Some(i) = slots.iter().position(|s| written.contains(&s.grad.storage_identity())) {
        fail!(Value, "{op}: the gradient of parameter {i} shares memory with a parameter; make it with g.clone()");
    }
    Ok(())
}

/// One step of stochastic gradient descent over parameters of one dtype. `first` says which momentum buffers are new.
pub fn sgd(slots: &[Slot], first: &[bool], rule: Sgd) -> Result<()> {
    check("SGD", slots, usize::from(rule.momentum != 0.0))?;
    let Some(head) = slots.first() else { return Ok(()) };
    match_float!(head.param.dtype(), "SGD", T => {
        let grads = slots.iter().map(|s| contiguous(&s.grad)).collect::<Result<Vec<_>>>()?;
        let reads: Vec<_> = grads.iter().map(Tensor::read::<T>).collect();
        let mut params: Vec<_> = slots.iter().map(|s| (s.param.write::<T>(), range(&s.param))).collect();
        let mut bufs: Vec<_> = slots.iter().map(|s| s.state.first().map(|b| (b.write::<T>(), range(b)))).collect();
        let mut all: Vec<_> = params
            .iter_mut()
            .zip(&mut bufs)
            .zip(reads.iter().zip(first))
            .map(|(((p, at), buf), (g, &first))| kernels::SgdSlot {
                p: &mut p[at.clone()],
                g: g.slice(),
                buf: buf.as_mut().map(|(b, at)| &mut b[at.clone()]),
                first,
            })
            .collect();
        kernels::sgd(&mut all, rule);
    });
    Ok(())
}

/// One step of Adam or `AdamW` over parameters of one dtype.
pub fn adam(slots: &[Slot], rule: Adam) -> Result<()> {
    check("Adam", slots, 2)?;
    let Some(head) = slots.first() else { return Ok(()) };
    match_float!(head.param.dtype(), "Adam", T => {
        let grads = slots.iter().map(|s| contiguous(&s.grad)).collect::<Result<Vec<_>>>()?;
        let reads: Vec<_> = grads.iter().map(Tensor::read::<T>).collect();
        let mut writes: Vec<_> = slots
            .iter()
            .map(|s| [&s.param, &s.state[0], &s.state[1]].map(|t| (t.write::<T>(), range(t))))
            .collect();
        let mut all: Vec<_> = writes
            .iter_mut()
            .zip(&reads)
            .map(|([(p, ap), (m, am), (v, av)], g)| kernels::AdamSlot {
                p: &mut p[ap.clone()],
                g: g.slice(),
                m: &mut m[am.clone()],
                v: &mut v[av.clone()],
            })
            .collect();
        kernels::adam(&mut all, rule);
    });
    Ok(())
}

/// Where a contiguous tensor's elements stand in its storage.
fn range(t: &Tensor) -> std::ops::Range<usize> {
    t.layout().offset..t.layout().offset + t.numel()
}
