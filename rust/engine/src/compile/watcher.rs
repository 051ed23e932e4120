//! The [`Watcher`] of compiled steps: passes each event on to the recorder of the calling thread.

use std::sync::Arc;

use rgrad_kernels::lock::Lock;
use smallvec::SmallVec;

use super::record::{place, with};
use crate::error::{Result, fail};
use crate::op::{Kind, Op, Out, Plain};
use crate::random::{Generator, State};
use crate::tensor::watch::{Watcher, is_recording};
use crate::tensor::{Mark, Registered, Tensor};

/// The recorder of the calling thread.
pub(super) struct OfThread;

impl Watcher for OfThread {
    fn check_apart(&self, used: &[&Tensor]) -> Result<()> {
        with(|r| r.check_apart(used))
    }

    fn changes(&self, out: &[&Tensor]) -> Result<()> {
        with(|r| out.iter().try_for_each(|t| r.keep(t)))
    }

    fn ran(&self, op: Arc<dyn Op>, x: &[&Tensor], out: &Out<'_>, effect: bool) -> Result<()> {
        with(|r| {
            let known = |y: &Tensor| {
                y.mark() != Mark::None && (r.known(y).is_some() || y.mark() == Mark::Built { recording: r.number })
            };
            // A view of an existing tensor is not a new value.
            let old = |y: &Tensor| known(y) || x.iter().any(|x| x.shares_storage(y));
            if !out.made().is_empty() && out.made().iter().all(old) { Ok(()) } else { r.push(op, x, out, effect) }
        })
    }

    fn draws(&self, generator: &Generator) {
        with(|r| r.generator(generator));
    }

    fn touched(&self, t: &Tensor) {
        with(|r| r.touched(t));
    }

    fn is_known(&self, t: &Tensor) -> bool {
        with(|r| r.is_constant(t))
    }

    fn check_free(&self, what: &str, t: &Tensor) -> Result<()> {
        if self.is_known(t) { Ok(()) } else { refuse(what) }
    }

    fn check_place(&self, what: &str, t: &Tensor) -> Result<()> {
        if with(|r| r.moves(t)) { refuse(what) } else { Ok(()) }
    }

    fn gradient(&self, leaf: &Tensor, read: bool) {
        with(|r| r.leaf(leaf, read));
    }

    fn note_grad_state(&self, t: &Tensor) -> Result<()> {
        with(|r| r.note_grad_state(t))
    }

    fn check_hook(&self, t: &Tensor) -> Result<()> {
        with(|r| r.check_hook(t))
    }

    fn hooked(&self, hook: &Registered) {
        with(|r| r.hooks.push(hook.clone()));
    }

    fn differentiated(&self) {
        with(|r| r.differentiated = true);
    }

    fn targets(&self, inputs: &[Tensor]) {
        with(|r| r.targets.extend(inputs.iter().cloned()));
    }

    fn relied(&self, saved: &[&Tensor], clock: u64) {
        with(|r| r.relied(saved.iter().copied(), clock));
    }
}

/// The state of a generator, for [`set_state`].
#[must_use]
pub fn state_of(generator: &Generator) -> State {
    let state = generator.state();
    if is_recording() {
        let kept = Arc::new(Lock::new(state));
        let slot = kept.clone();
        let from = generator.clone();
        effect("save_rng_state", move || *kept.lock() = from.state());
        with(|r| r.states.push((generator.clone(), state, slot)));
    }
    state
}

/// Sets the state of a generator. If it comes from [`state_of`] in the same step, a replay sets the state of that call in the
/// replay.
pub fn set_state(generator: &Generator, state: State) {
    if is_recording() {
        let kept = with(|r| {
            r.generator(generator);
            let mut known = r.states.iter().rev().filter(|(g, s, _)| g.is(generator) && *s == state);
            known.next().map(|(_, _, slot)| slot.clone())
        });
        let to = generator.clone();
        effect("set_rng_state", move || {
            let kept = kept.as_ref().map(|slot| *slot.lock());
            to.set_state(kept.unwrap_or(state));
        });
    }
    generator.set_state(state);
}

/// Records an effect without tensors.
fn effect(name: &'static str, f: impl Fn() + Send + Sync + 'static) {
    let op = Plain {
        kind: Kind::Other,
        name,
        f: move |_: &[&Tensor], _: &mut Out<'_>| {
            f();
            Ok(())
        },
    };
    with(|r| r.push_instr(Arc::new(op), SmallVec::new(), SmallVec::new(), false, true));
}

/// The error for what cannot be replayed.
fn refuse(what: &str) -> Result<()> {
    fail!(Runtime, "{}", refusal(what))
}

/// Why a step cannot be recorded.
pub(super) fn refusal(what: &str) -> String {
    format!(
        "compile: {what} inside a compiled step{}: the value is known only when the step runs, and what depends on it could \
         not be repeated. Return the tensor and read it outside, decide with rg.where instead of if, join tensors with \
         rg.stack, or set rg.config.compile = False to run the step eagerly",
        place()
    )
}
