//! The gradient state of captured tensors, `requires_grad` and hooks: a program is valid only while it is as recorded.

use super::program::Home;
use super::record::{Recorder, place};
use crate::error::{Result, fail};
use crate::tensor::{Hooks, Tensor, Weak};

/// `requires_grad` of a tensor, and how often its hooks have changed.
pub(super) type GradState = (bool, u64);

pub(super) fn grad_state(t: &Tensor) -> GradState {
    (t.requires_grad(), Hooks::changes(t))
}

/// A captured tensor that is not a cell by itself, because it is a view or has a history.
#[derive(Clone)]
pub(super) struct Watched {
    tensor: Weak,
    found: GradState,
}

impl Watched {
    /// Whether this is unchanged, or the tensor no longer exists.
    pub fn is_as_found(&self) -> bool {
        self.tensor.upgrade().is_none_or(|t| grad_state(&t) == self.found)
    }
}

impl Recorder {
    /// Whether it existed before the recording.
    fn is_outside(&self, t: &Tensor) -> bool {
        t.recording() != self.number && !self.is_built(t)
    }

    /// Records the current gradient state of `t`, which is used as this cell.
    pub(super) fn watch_grad_state(&mut self, t: &Tensor, cell: usize) {
        let Home::Captured(whole) = &self.program.cells[cell].home else { return };
        if !(t.is_same(whole) && t.is_leaf()) && self.is_outside(t) {
            let tensor = t.downgrade();
            if !self.program.watched.iter().any(|other| other.tensor.is_same(&tensor)) {
                self.program.watched.push(Watched { tensor, found: grad_state(t) });
            }
        }
    }

    /// Captures `t`, whose gradient state the function is about to read or change, so that replays compare it.
    pub(super) fn note_grad_state(&mut self, t: &Tensor) -> Result<()> {
        if self.is_outside(t) { self.operand(t).map(|_| ()) } else { Ok(()) }
    }

    /// `RuntimeError` if `t` is an argument: a hook would be left on the copy that replaces it.
    pub(super) fn check_hook(&self, t: &Tensor) -> Result<()> {
        if self.arguments.iter().any(|x| x.is_same(t)) {
            fail!(
                Runtime,
                "compile: a hook is registered on an argument inside a compiled step{}, where it would stay for later calls: \
                 register it outside, or on a result, such as x * 1",
                place()
            );
        }
        Ok(())
    }
}
