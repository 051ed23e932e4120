//! Optimizer updates: all parameters of a step in one call.

use std::array::from_fn;
use std::iter::once;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rgrad_kernels::Float;
use rgrad_kernels::buffer::Write;
use rgrad_kernels::lock::Lock;
pub use rgrad_kernels::optim::{AnyRule, Counts, MAX_STATES, Setting};
use rgrad_kernels::optim::{Ready, Slot};
use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::ops::contiguous;
use crate::shape::Show;
use crate::tensor::{Op, Out, Reader, Tensor, watch};

/// A parameter with its gradient and the optimizer's state of it.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The parameter's number among all of the optimizer, for messages.
    pub index: usize,
    /// The parameter, updated in place.
    pub param: Tensor,
    /// Its gradient.
    pub grad: Tensor,
    /// The tensors that the rule names, updated in place.
    pub state: States,
    /// How it is updated.
    pub rule: AnyRule,
    /// The numbers kept of it, which the step updates; nothing if the rule has none.
    pub counts: Option<Arc<SharedCounts>>,
    /// Whether the state holds initial values.
    pub fresh: bool,
}

/// The state tensors of a parameter.
pub type States = SmallVec<[Tensor; MAX_STATES]>;

/// The numbers that an optimizer keeps of a parameter, for all who read and write them.
#[derive(Debug)]
pub struct SharedCounts {
    step: AtomicU64,
    /// As bits.
    mu_product: AtomicU64,
}

impl SharedCounts {
    /// The numbers now.
    pub fn get(&self) -> Counts {
        Counts { step: self.step.load(Relaxed), mu_product: f64::from_bits(self.mu_product.load(Relaxed)) }
    }

    /// Replaces the numbers.
    pub fn set(&self, counts: Counts) {
        self.step.store(counts.step, Relaxed);
        self.mu_product.store(counts.mu_product.to_bits(), Relaxed);
    }
}

impl Default for SharedCounts {
    fn default() -> Self {
        let Counts { step, mu_product } = Counts::default();
        Self { step: AtomicU64::new(step), mu_product: AtomicU64::new(mu_product.to_bits()) }
    }
}

/// One step over parameters of any dtypes. Errors are raised before anything is changed.
pub fn step(parameters: &[Parameter]) -> Result<()> {
    check(parameters)?;
    let (grads, written) = operands(parameters);
    Room::default().step(&grads, &written, parameters.iter().map(|p| (p.rule, p.counts.as_deref(), p.fresh)))
}

/// The gradients, and what is written: of each parameter itself and its state.
fn operands(parameters: &[Parameter]) -> (Vec<&Tensor>, Vec<&Tensor>) {
    let grads = parameters.iter().map(|p| &p.grad).collect();
    (grads, parameters.iter().flat_map(|p| once(&p.param).chain(&p.state)).collect())
}

/// A step that programs replay, with the settings of the next one.
pub struct Update {
    name: &'static str,
    rules: Lock<Vec<AnyRule>>,
    counts: Vec<Option<Arc<SharedCounts>>>,
    room: Lock<Room>,
}

impl Update {
    /// Does a step, which the recording on this thread writes down. Errors as [`step`]'s.
    pub fn record(parameters: &[Parameter]) -> Result<Arc<Self>> {
        check(parameters)?;
        let op = Arc::new(Self {
            name: parameters.first().map_or("optimizer", |p| p.rule.name()),
            rules: Lock::new(parameters.iter().map(|p| p.rule).collect()),
            counts: parameters.iter().map(|p| p.counts.clone()).collect(),
            room: Lock::default(),
        });
        // Unlike temporaries, state that the step has created outlives it.
        parameters.iter().flat_map(|p| &p.state).for_each(watch::forget);
        let (grads, written) = operands(parameters);
        let all = parameters.iter().map(|p| (p.rule, p.counts.as_deref(), p.fresh));
        let update = |_: &mut Out<'_>| Room::default().step(&grads, &written, all);
        watch::ran(op.clone(), &grads, &mut Out::at(&written), false, update)?;
        Ok(op)
    }

    /// Sets the rules of the next step, one for each parameter.
    pub fn set(&self, rules: Vec<AnyRule>) {
        *self.rules.lock() = rules;
    }
}

impl Op for Update {
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&self, grads: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let rules = self.rules.lock();
        let all = rules.iter().zip(&self.counts).map(|(rule, counts)| (*rule, counts.as_deref(), false));
        self.room.lock().step(grads, out.places(), all)
    }

    fn flops(&self, x: &[Vec<usize>], _: &[Vec<usize>]) -> f64 {
        // An average each, and some more of them with the step itself.
        let rules = self.rules.lock();
        let each = |(shape, rule): (&Vec<usize>, &AnyRule)| {
            2 * shape.iter().product::<usize>() * (1 + 2 * rule.states().len())
        };
        x.iter().zip(rules.iter()).map(each).sum::<usize>() as f64
    }
}

/// Lists that a step fills, and leaves empty, so that the next one allocates nothing.
#[derive(Default)]
struct Room {
    grads: Vec<Tensor>,
    ready: Vec<Ready>,
    single: Slices<f32>,
    double: Slices<f64>,
}

impl Room {
    /// A checked step, with rule, numbers, and whether the state holds initial values, of each parameter.
    fn step<'a>(
        &mut self,
        grads: &[&Tensor],
        written: &[&Tensor],
        all: impl Iterator<Item = (AnyRule, Option<&'a SharedCounts>, bool)>,
    ) -> Result<()> {
        // Before anything changes, because copies need memory.
        self.grads.clear();
        for grad in grads {
            self.grads.push(contiguous(grad)?);
        }
        self.ready.clear();
        // Most parameters are at the same step of the same rule, so its factors, which contain powers, are computed once
        // for them.
        let mut last: Option<(AnyRule, Counts, bool, Ready)> = None;
        for (rule, shared, fresh) in all {
            let counts = rule.count(shared.map(SharedCounts::get).unwrap_or_default());
            if let Some(shared) = shared {
                shared.set(counts);
            }
            let ready = match last {
                Some((r, c, f, ready)) if (r, c, f) == (rule, counts, fresh) => ready,
                _ => rule.ready(counts, fresh),
            };
            last = Some((rule, counts, fresh, ready));
            self.ready.push(ready);
        }
        self.single.step(DType::Float32, &self.grads, written, &self.ready);
        self.double.step(DType::Float64, &self.grads, written, &self.ready);
        self.grads.clear();
        Ok(())
    }
}

/// The parameters of one dtype.
#[derive(Default)]
struct Slices<T: 'static> {
    read: Vec<Reader<'static, T>>,
    written: Vec<Write<'static, T>>,
    slots: Vec<Slot<'static, T>>,
}

impl<T: Float> Slices<T> {
    fn step(&mut self, dtype: DType, grads: &[Tensor], written: &[&Tensor], ready: &[Ready]) {
        let is_own = |t: &Tensor| t.dtype() == dtype;
        if !grads.iter().any(is_own) {
            return;
        }
        let (mut read, mut guards) = (recycled(take(&mut self.read)), recycled(take(&mut self.written)));
        let mut slots = recycled(take(&mut self.slots));
        read.extend(grads.iter().filter(|g| is_own(g)).map(Tensor::read::<T>));
        let written = || written.iter().filter(|t| is_own(t));
        guards.extend(written().map(|t| t.write::<T>()));
        let mut parts = guards.iter_mut().zip(written()).map(|(guard, t)| &mut guard[range(t)]);
        let ready = grads.iter().zip(ready).filter(|(g, _)| is_own(g)).map(|(_, ready)| *ready);
        slots.extend(read.iter().zip(ready).map(|(g, ready)| {
            let p = parts.next().unwrap_or_default();
            let state = from_fn(|i| if i < ready.kept() { parts.next() } else { None }.unwrap_or_default());
            Slot::new(ready, p, g.slice(), state)
        }));
        rgrad_kernels::optim::step(&mut slots);
        self.slots = recycled(slots);
        (self.read, self.written) = (recycled(read), recycled(guards));
    }
}

/// The memory of a list, for another one of the same type but for lifetimes.
fn recycled<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    // Collected in place.
    list.into_iter().map(|_| unreachable!("the list is empty")).collect()
}

/// Checks everything that an update relies on.
fn check(parameters: &[Parameter]) -> Result<()> {
    let op = parameters.first().map_or("", |p| p.rule.name());
    for Parameter { index, param: p, grad, state, rule, .. } in parameters {
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
    let written =
        parameters.iter().flat_map(|p| once(&p.param).chain(&p.state).map(|t| (t.storage_identity(), p.index)));
    let mut written: Vec<_> = written.collect();
    written.sort_unstable();
    if let Some(pair) = written.windows(2).find(|w| w[0].0 == w[1].0) {
        let i = pair[1].1;
        fail!(Value, "{op}: parameter {i} or its state shares memory with another one; make it with x.clone()");
    }
    let lies_in = |g: &Tensor| written.binary_search_by_key(&g.storage_identity(), |w| w.0).is_ok();
    if let Some(p) = parameters.iter().find(|p| lies_in(&p.grad)) {
        let i = p.index;
        fail!(Value, "{op}: the gradient of parameter {i} shares memory with a parameter; make it with g.clone()");
    }
    Ok(())
}

/// Where a contiguous tensor's elements stand in its storage.
fn range(t: &Tensor) -> Range<usize> {
    t.layout().offset..t.layout().offset + t.numel()
}
