//! What primitives and tensors tell the recording that watches their thread.

use std::sync::Arc;

use rgrad_kernels::lock::Lock;
use smallvec::SmallVec;

use super::action::{Action, Check, Kind as What, Plain, Write};
use super::program::Instr;
use super::record::{WATCHING, is_recording, place, unwatched, with};
use crate::create::{Generator, State};
use crate::error::{Result, fail};
use crate::tape::Registered;
use crate::tensor::{Mark, Tensor};

// ---- For primitives ----

/// Runs `f`, which makes a tensor of what is no tensor: a constant of a compiled step.
pub fn constant(f: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    let t = unwatched(f)?;
    if is_recording() {
        t.set_mark(Mark::Built { recording: watching() });
    }
    Ok(t)
}

/// Runs a primitive that makes a tensor, and writes it down unless its result is a view of what was there.
pub(crate) fn compute(
    action: Arc<dyn Action>,
    x: &[&Tensor],
    effect: bool,
    f: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    with(|r| r.check_apart(x))?;
    let y = unwatched(f)?;
    let view =
        y.mark() != Mark::None && with(|r| r.known(&y).is_some() || y.mark() == Mark::Built { recording: r.number });
    if !view && !x.iter().any(|x| x.shares_storage(&y)) {
        with(|r| r.push(action, x, &y, effect))?;
    }
    Ok(y)
}

/// Runs `f`, a primitive without derivatives, which reads nothing but its inputs.
#[inline]
pub(crate) fn plain<F>(name: &'static str, x: &[&Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    plain_as(What::Other, name, x, f)
}

/// The same for one that passes know.
#[inline]
pub(crate) fn plain_as<F>(kind: What, name: &'static str, x: &[&Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    if !is_recording() {
        return f(x);
    }
    let action = Arc::new(Plain { kind, name, f });
    compute(action.clone(), x, false, || (action.f)(x))
}

/// Runs `f`, a primitive that draws from a generator.
pub(crate) fn drawn<F>(name: &'static str, generator: &Generator, f: F) -> Result<Tensor>
where
    F: Fn(&Generator) -> Result<Tensor> + Send + Sync + 'static,
{
    if !is_recording() {
        return f(generator);
    }
    with(|r| r.generator(generator));
    let generator = generator.clone();
    let action = Arc::new(Plain { kind: What::Other, name, f: move |_: &[&Tensor]| f(&generator) });
    compute(action.clone(), &[], true, || (action.f)(&[]))
}

/// Runs `f`, which refuses some inputs.
pub(crate) fn check<F>(name: &'static str, x: &[&Tensor], f: F) -> Result<()>
where
    F: Fn(&[&Tensor]) -> Result<()> + Send + Sync + 'static,
{
    if !is_recording() {
        return f(x);
    }
    with(|r| r.check_apart(x))?;
    unwatched(|| f(x))?;
    with(|r| {
        let inputs = x.iter().map(|t| r.operand(t)).collect::<Result<SmallVec<_>>>()?;
        let action = Arc::new(Check { name, f });
        r.program.instrs.push(Instr { action, inputs, outputs: SmallVec::new(), in_place: false, effect: true });
        Ok(())
    })
}

/// Runs `f`, which is an action that changes tensors in place.
pub(crate) fn change(
    action: Arc<dyn Action>,
    x: &[&Tensor],
    out: &[&Tensor],
    f: impl FnOnce() -> Result<()>,
) -> Result<()> {
    with(|r| {
        r.check_apart(x)?;
        r.check_apart(out)?;
        out.iter().try_for_each(|t| r.keep(t))
    })?;
    unwatched(f)?;
    with(|r| {
        let inputs = x.iter().map(|t| r.operand(t)).collect::<Result<SmallVec<_>>>()?;
        let outputs = out.iter().map(|t| r.operand(t)).collect::<Result<SmallVec<_>>>()?;
        r.program.instrs.push(Instr { action, inputs, outputs, in_place: true, effect: false });
        Ok(())
    })
}

/// Runs `f`, which changes `out` in place.
pub(crate) fn write_as<F>(kind: What, name: &'static str, out: &Tensor, x: &[&Tensor], f: F) -> Result<()>
where
    F: Fn(&Tensor, &[&Tensor]) -> Result<()> + Send + Sync + 'static,
{
    if !is_recording() {
        return f(out, x);
    }
    let action = Arc::new(Write { kind, name, f });
    change(action.clone(), x, &[out], || (action.f)(out, x))
}

/// Where a generator stands, for [`set_state`].
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

/// Puts a generator somewhere; a repeated step puts it where [`state_of`] was called in it, if the state is from there.
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

/// Writes down something that is done to no tensor.
fn effect(name: &'static str, f: impl Fn() + Send + Sync + 'static) {
    let action = Arc::new(Check {
        name,
        f: move |_: &[&Tensor]| {
            f();
            Ok(())
        },
    });
    let instr = Instr { action, inputs: SmallVec::new(), outputs: SmallVec::new(), in_place: false, effect: true };
    with(|r| r.program.instrs.push(instr));
}

// ---- For tensors ----

/// The recording that watches this thread, or 0.
pub(crate) fn watching() -> u32 {
    WATCHING.get()
}

/// Notes that it is looked at whether `t` requires gradients, or which hooks it has, or that this is about to change.
#[inline]
pub fn look_at_asked(t: &Tensor) -> Result<()> {
    if is_recording() { with(|r| r.look_at_asked(t)) } else { Ok(()) }
}

/// `RuntimeError` if a hook on `t` would be lost.
pub(crate) fn check_hook(t: &Tensor) -> Result<()> {
    if is_recording() { with(|r| r.check_hook(t)) } else { Ok(()) }
}

/// Notes that a hook was registered.
pub(crate) fn hooked(hook: &Registered) {
    if is_recording() {
        with(|r| r.hooks.push(hook.clone()));
    }
}

/// Notes that a backward pass was made.
pub(crate) fn differentiated() {
    if is_recording() {
        with(|r| r.differentiated = true);
    }
}

/// Notes that a rule uses these, which a node with this clock saved.
pub(crate) fn relied<'a>(saved: impl Iterator<Item = &'a Tensor>, clock: u64) {
    if is_recording() {
        with(|r| r.relied(saved, clock));
    }
}

/// Notes that gradients of these are asked for.
pub(crate) fn aimed(inputs: &[Tensor]) {
    if is_recording() {
        with(|r| r.aims.extend(inputs.iter().cloned()));
    }
}

/// The mark of a storage that is made now.
pub(crate) fn built() -> u64 {
    u64::from(WATCHING.get()) << 32
}

/// Makes a tensor one that was there before the recording.
pub(crate) fn forget(t: &Tensor) {
    t.set_mark(Mark::None);
}

/// Notes that elements are read or written by something that is not written down: the step can be recorded only if they are
/// a constant's.
#[inline]
pub(crate) fn touched(t: &Tensor) {
    if is_recording() {
        with(|r| r.touched(t));
    }
}

/// `RuntimeError` if the elements of `t` may be others when the step is repeated.
pub fn check_free(what: &str, t: &Tensor) -> Result<()> {
    if is_recording() && with(|r| !r.is_constant(t)) {
        fail!(Runtime, "{}", refusal(what));
    }
    Ok(())
}

/// `RuntimeError` if the elements of `t` may lie elsewhere when the step is repeated.
pub fn check_place(what: &str, t: &Tensor) -> Result<()> {
    if is_recording() && with(|r| r.moves(t)) {
        fail!(Runtime, "{}", refusal(what));
    }
    Ok(())
}

/// Whether the elements of `t` are the same whenever the step runs.
pub(crate) fn is_known(t: &Tensor) -> bool {
    !is_recording() || with(|r| r.is_constant(t))
}

/// Notes that a leaf's gradient is looked at or added to.
#[inline]
pub(crate) fn grad_read(leaf: &Tensor) {
    if is_recording() {
        with(|r| r.leaf(leaf, true));
    }
}

/// Notes that a leaf's gradient is replaced.
#[inline]
pub(crate) fn grad_written(leaf: &Tensor) {
    if is_recording() {
        with(|r| r.leaf(leaf, false));
    }
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
