//! Whether gradients are computed for captured tensors, and hooks called on them: a program is valid only while that is so.

use super::program::Home;
use super::record::{Recorder, place};
use crate::error::{Result, fail};
use crate::tensor::{Hooks, Tensor, Weak};

/// Whether gradients are computed for a tensor, and how often the hooks on them have changed.
pub(super) type Asked = (bool, u64);

pub(super) fn asked(t: &Tensor) -> Asked {
    (t.requires_grad(), Hooks::changes(t))
}

/// A captured tensor that is not a cell by itself, because it is a view or has a history.
#[derive(Clone)]
pub(super) struct Watched {
    tensor: Weak,
    found: Asked,
}

impl Watched {
    /// Whether this is unchanged, or the tensor no longer exists.
    pub fn is_as_found(&self) -> bool {
        self.tensor.upgrade().is_none_or(|t| asked(&t) == self.found)
    }
}

impl Recorder {
    /// Whether it existed before the recording.
    fn is_outside(&self, t: &Tensor) -> bool {
        t.recording() != self.number && !self.is_built(t)
    }

    /// Records the current state of `t`, which is used as this cell.
    pub(super) fn watch(&mut self, t: &Tensor, cell: usize) {
        let Home::Captured(whole) = &self.program.cells[cell].home else { return };
        if !(t.is_same(whole) && t.is_leaf()) && self.is_outside(t) {
            let tensor = t.downgrade();
            if !self.program.watched.iter().any(|other| other.tensor.is_same(&tensor)) {
                self.program.watched.push(Watched { tensor, found: asked(t) });
            }
        }
    }

    /// Records that the function reads this state of `t`, or is about to change it.
    pub(super) fn look_at_asked(&mut self, t: &Tensor) -> Result<()> {
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
