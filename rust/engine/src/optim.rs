//! Optimizer updates: all parameters of a step in one call.

use std::array::from_fn;
use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

use rgrad_kernels::buffer::Write;
use rgrad_kernels::lock::Lock;
use rgrad_kernels::optim::{self as kernels, MAX_STATES};
pub use rgrad_kernels::optim::{Adadelta, Adagrad, Adam, Counts, NAdam, RmsProp, Rule, Sgd};
use smallvec::SmallVec;

use crate::dtype::{DType, match_float};
use crate::error::{Result, fail};
use crate::ops::contiguous;
use crate::shape::Show;
use crate::tensor::{Op, Out, Reader, Tensor, watch};

/// One parameter with its gradient and the optimizer's state of it.
#[derive(Clone, Debug)]
pub struct Slot<R> {
    /// The parameter's number among all of the optimizer, for messages.
    pub index: usize,
    /// The parameter, updated in place.
    pub param: Tensor,
    /// Its gradient.
    pub grad: Tensor,
    /// The tensors that the rule names, updated in place.
    pub state: States,
    /// How it is updated.
    pub rule: R,
    /// Its step counts, including this step.
    pub counts: Counts,
    /// Whether the state holds initial values.
    pub fresh: bool,
}

/// The state tensors of a parameter.
pub type States = SmallVec<[Tensor; MAX_STATES]>;

/// One step over parameters of any dtypes. Errors are raised before anything is changed.
pub fn step<R: Rule>(slots: &[Slot<R>]) -> Result<()> {
    check(slots)?;
    update(slots)
}

/// A step that programs replay, with the settings and counts of the next one.
#[derive(Debug)]
pub struct Update<R> {
    rules: Lock<Vec<R>>,
    counts: SharedCounts,
}

/// The counts of each parameter, which all steps of one optimizer in a program go on with.
pub type SharedCounts = Arc<Lock<Vec<Counts>>>;

impl<R: Rule + 'static> Update<R> {
    /// Does a step, which the recording on this thread writes down. `counts` are those of an earlier step of the same
    /// parameters in the recording. Errors as [`step`]'s.
    pub fn record(slots: &[Slot<R>], counts: Option<SharedCounts>) -> Result<Arc<Self>> {
        check(slots)?;
        let (rules, counts) = (slots.iter().map(|s| s.rule).collect(), counts.unwrap_or_default());
        *counts.lock() = slots.iter().map(|s| s.counts).collect();
        let op = Arc::new(Self { rules: Lock::new(rules), counts });
        // Unlike temporaries, state that the step has created outlives it.
        slots.iter().flat_map(|s| &s.state).for_each(watch::forget);
        let grads: Vec<&Tensor> = slots.iter().map(|s| &s.grad).collect();
        let written: Vec<&Tensor> = slots.iter().flat_map(|s| once(&s.param).chain(&s.state)).collect();
        watch::ran(op.clone(), &grads, &mut Out::at(&written), false, |_| update(slots))?;
        Ok(op)
    }

    /// Sets the settings and counts with which the next step starts, one for each parameter.
    pub fn set(&self, rules: Vec<R>, counts: Vec<Counts>) {
        *self.rules.lock() = rules;
        *self.counts.lock() = counts;
    }

    /// The counts of each parameter after the last step.
    pub fn counts(&self) -> &SharedCounts {
        &self.counts
    }
}

impl<R: Rule + 'static> Op for Update<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn forward(&self, grads: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let mut out = out.places();
        let rules = self.rules.lock();
        let mut all = self.counts.lock();
        // Most parameters are at the same step of the same rule.
        let mut known: Option<(R, Counts, R::Ready)> = None;
        for (grad, (rule, counts)) in grads.iter().zip(rules.iter().zip(all.iter_mut())) {
            *counts = rule.count(*counts);
            let ready = match known {
                Some((r, c, ready)) if (r, c) == (*rule, *counts) => ready,
                _ => rule.ready(*counts, false),
            };
            known = Some((*rule, *counts, ready));
            let kept = rule.states().len();
            let (own, rest) = out.split_at(1 + kept);
            out = rest;
            let grad = contiguous(grad)?;
            match_float!(grad.dtype(), R::NAME, T => {
                let g = grad.read::<T>();
                let mut guards: [Option<Write<'_, T>>; 1 + MAX_STATES] = from_fn(|i| own.get(i).map(|t| t.write::<T>()));
                let mut parts = guards.iter_mut().zip(own).map(|(guard, t)| match guard {
                    Some(guard) => &mut guard[range(t)],
                    None => Default::default(),
                });
                let p = parts.next().unwrap_or_default();
                let state = from_fn(|_| parts.next().unwrap_or_default());
                kernels::step_one::<T, R>(ready, p, g.slice(), state, kept);
            });
        }
        Ok(())
    }

    fn flops(&self, x: &[Vec<usize>], _: &[Vec<usize>]) -> f64 {
        // One pass for each average, and some more for the update.
        let rules = self.rules.lock();
        let each =
            |(shape, rule): (&Vec<usize>, &R)| 2 * shape.iter().product::<usize>() * (1 + 2 * rule.states().len());
        x.iter().zip(rules.iter()).map(each).sum::<usize>() as f64
    }
}

/// A checked step.
fn update<R: Rule>(slots: &[Slot<R>]) -> Result<()> {
    // Before any parameter changes, because copies need memory.
    let grads = slots.iter().map(|s| contiguous(&s.grad)).collect::<Result<Vec<_>>>()?;
    for dtype in [DType::Float32, DType::Float64] {
        let (some, grads): (Vec<_>, Vec<_>) =
            slots.iter().zip(&grads).filter(|(s, _)| s.param.dtype() == dtype).unzip();
        if some.is_empty() {
            continue;
        }
        match_float!(dtype, R::NAME, T => {
            let grads: Vec<_> = grads.into_iter().map(Tensor::read::<T>).collect();
            let written = some.iter().flat_map(|s| once(&s.param).chain(&s.state));
            let mut guards: Vec<_> = written.map(|t| (t.write::<T>(), range(t))).collect();
            let mut parts = guards.iter_mut().map(|(guard, at)| &mut guard[at.clone()]);
            let slot = |(s, g): (&&Slot<R>, _)| {
                let p = parts.next().unwrap_or_default();
                let kept = s.state.len();
                let state = from_fn(|i| if i < kept { parts.next() } else { None }.unwrap_or_default());
                kernels::Slot { p, g, state, rule: s.rule, counts: s.counts, fresh: s.fresh }
            };
            let mut all: Vec<_> = some.iter().zip(grads.iter().map(Reader::slice)).map(slot).collect();
            kernels::step(&mut all);
        });
    }
    Ok(())
}

/// Checks everything that an update relies on.
fn check<R: Rule>(slots: &[Slot<R>]) -> Result<()> {
    let op = R::NAME;
    for Slot { index, param: p, grad, state, rule, .. } in slots {
        let names = rule.states();
        if state.len() != names.len() {
            fail!(Value, "{op}: parameter {index} needs {} state tensors, got {}", names.len(), state.len());
        }
        if p.has_tangent() || grad.has_tangent() {
            fail!(
                Runtime,
                "{op}: the gradient of parameter {index} has a tangent in forward mode (jvp, jacfwd, hessian), which an \
                 update in place would lose; differentiate with rg.grad, or write the update as tensor functions"
            );
        }
        if !p.dtype().is_float() {
            fail!(Type, "{op}: parameter {index} holds {}; only floats can be optimized", p.dtype());
        }
        for (t, name) in once((grad, &"gradient")).chain(state.iter().zip(names)) {
            if t.shape() != p.shape() || t.dtype() != p.dtype() {
                let (want, got) = (Show(p.shape()), Show(t.shape()));
                fail!(
                    Value,
                    "{op}: parameter {index} has shape {want} and {}, its {name} has shape {got} and {}",
                    p.dtype(),
                    t.dtype()
                );
            }
        }
        if p.is_read_only() || state.iter().any(Tensor::is_read_only) {
            fail!(
                Value,
                "{op}: parameter {index} or its state lies in memory that is read-only, such as that of an array with \
                 writeable=False; make it with x.clone()"
            );
        }
        if !p.is_contiguous() || state.iter().any(|t| !t.is_contiguous()) {
            fail!(Value, "{op}: parameter {index} or its state is not contiguous; make it with x.contiguous()");
        }
    }
    // What is written is locked for writing, so nothing else in the call may lie in the same memory.
    let written = slots.iter().flat_map(|s| once(&s.param).chain(&s.state).map(|t| (t.storage_identity(), s.index)));
    let mut written: Vec<_> = written.collect();
    written.sort_unstable();
    if let Some(pair) = written.windows(2).find(|w| w[0].0 == w[1].0) {
        let i = pair[1].1;
        fail!(Value, "{op}: parameter {i} or its state shares memory with another one; make it with x.clone()");
    }
    let lies_in = |g: &Tensor| written.binary_search_by_key(&g.storage_identity(), |w| w.0).is_ok();
    if let Some(s) = slots.iter().find(|s| lies_in(&s.grad)) {
        let i = s.index;
        fail!(Value, "{op}: the gradient of parameter {i} shares memory with a parameter; make it with g.clone()");
    }
    Ok(())
}

/// The range of a contiguous tensor's elements in its storage.
fn range(t: &Tensor) -> Range<usize> {
    t.layout().offset..t.layout().offset + t.numel()
}
