//! What a recorder of compiled steps hears of from the rest of the engine: which tensors are made, read and written, and which
//! primitives run.
//!
//! [`crate::compile`] is above everything that it watches, so it is called through a trait: it [installs](install) a [`Watcher`],
//! and code below [reports](tell) events to it. A thread is watched while it records; otherwise each event costs one test of a
//! thread-local number.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use super::{Mark, Op, Out, Registered, Tensor};
use crate::error::Result;
use crate::random::Generator;

/// Who hears of what the thread that it watches does.
pub(crate) trait Watcher: Sync {
    /// `RuntimeError` if a primitive must not use these: they share memory with what was changed.
    fn check_apart(&self, used: &[&Tensor]) -> Result<()>;
    /// A primitive is about to change `out`.
    fn changes(&self, out: &[&Tensor]) -> Result<()>;
    /// A primitive has made or changed its results, or has looked at `x`, which it might have refused; with an effect, it is run
    /// although nobody reads them.
    fn ran(&self, op: Arc<dyn Op>, x: &[&Tensor], out: &Out<'_>, effect: bool) -> Result<()>;
    /// A primitive is about to draw.
    fn draws(&self, generator: &Generator);
    /// Elements are read or written by something that is no primitive.
    fn touched(&self, t: &Tensor);
    /// Whether the elements are the same whenever the step runs.
    fn is_known(&self, t: &Tensor) -> bool;
    /// `RuntimeError` if the elements may be others when the step is repeated.
    fn check_free(&self, what: &str, t: &Tensor) -> Result<()>;
    /// `RuntimeError` if the elements may lie elsewhere when the step is repeated.
    fn check_place(&self, what: &str, t: &Tensor) -> Result<()>;
    /// The gradient of a leaf is read or accumulated into (`read`), or else replaced.
    fn gradient(&self, leaf: &Tensor, read: bool);
    /// `requires_grad` or the hooks of `t` are about to be read or changed.
    fn note_grad_state(&self, t: &Tensor) -> Result<()>;
    /// A hook is about to be registered on `t`: `RuntimeError` if it would be lost.
    fn check_hook(&self, t: &Tensor) -> Result<()>;
    /// The hook was registered.
    fn hooked(&self, hook: &Registered);
    /// A reverse pass runs.
    fn differentiated(&self);
    /// Gradients with respect to these are about to be computed, other than for `.grad`.
    fn targets(&self, inputs: &[Tensor]);
    /// A reverse rule uses these tensors, which a node with this clock saved.
    fn relied(&self, saved: &[&Tensor], clock: u64);
}

static WATCHER: OnceLock<&'static dyn Watcher> = OnceLock::new();

thread_local! {
    /// The number of the recording that watches this thread now, or 0.
    static WATCHING: Cell<u32> = const { Cell::new(0) };
}

/// Names the watcher of all recordings; the first one stays.
pub(crate) fn install(watcher: &'static dyn Watcher) {
    WATCHER.get_or_init(|| watcher);
}

/// The watcher of this thread, if it is being watched.
#[inline]
fn watcher() -> Option<&'static dyn Watcher> {
    if is_recording() { WATCHER.get().copied() } else { None }
}

/// Reports an event to the watcher of this thread, if it is being watched.
#[inline]
pub(crate) fn tell(event: impl FnOnce(&dyn Watcher)) {
    if let Some(watcher) = watcher() {
        event(watcher);
    }
}

/// Whether primitives on this thread are being written down.
#[inline]
#[must_use]
pub fn is_recording() -> bool {
    WATCHING.get() != 0
}

/// The recording that watches this thread, or 0.
pub(crate) fn watching() -> u32 {
    WATCHING.get()
}

/// Lets this recording watch this thread, or none.
pub(crate) fn set_watching(recording: u32) {
    WATCHING.set(recording);
}

/// Runs `f` unwatched: what it does is one primitive, or none.
pub(crate) fn unwatched<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            WATCHING.set(self.0);
        }
    }
    let _restore = Restore(WATCHING.replace(0));
    f()
}

/// Runs `f`, which makes a tensor of what is no tensor: a constant of a compiled step.
pub fn constant(f: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    let t = unwatched(f)?;
    if is_recording() {
        t.set_mark(Mark::Built { recording: watching() });
    }
    Ok(t)
}

/// The mark of a storage that is made now.
pub(super) fn built() -> u64 {
    u64::from(WATCHING.get()) << 32
}

/// Makes a tensor one that was there before the recording.
pub(crate) fn forget(t: &Tensor) {
    t.set_mark(Mark::None);
}

/// Tells the watcher that `op` ran, which makes or changes its results by `f`.
pub(crate) fn ran<'a>(
    op: Arc<dyn Op>,
    x: &[&Tensor],
    out: &mut Out<'a>,
    effect: bool,
    f: impl FnOnce(&mut Out<'a>) -> Result<()>,
) -> Result<()> {
    let Some(watcher) = watcher() else { return f(out) };
    watcher.check_apart(x)?;
    watcher.check_apart(out.places())?;
    watcher.changes(out.places())?;
    unwatched(|| f(out))?;
    watcher.ran(op, x, out, effect)
}

pub(crate) fn is_known(t: &Tensor) -> bool {
    watcher().is_none_or(|watcher| watcher.is_known(t))
}

/// `RuntimeError` in a compiled step, if the elements of `t` may be others when it is repeated.
pub fn check_free(what: &str, t: &Tensor) -> Result<()> {
    watcher().map_or(Ok(()), |watcher| watcher.check_free(what, t))
}

/// `RuntimeError` in a compiled step, if the elements of `t` may lie elsewhere when it is repeated.
pub fn check_place(what: &str, t: &Tensor) -> Result<()> {
    watcher().map_or(Ok(()), |watcher| watcher.check_place(what, t))
}

/// To be called before `requires_grad` or the hooks of `t` are read or changed.
#[inline]
pub fn note_grad_state(t: &Tensor) -> Result<()> {
    watcher().map_or(Ok(()), |watcher| watcher.note_grad_state(t))
}

pub(crate) fn check_hook(t: &Tensor) -> Result<()> {
    watcher().map_or(Ok(()), |watcher| watcher.check_hook(t))
}
