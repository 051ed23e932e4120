//! Turns: threads that call one compiled function take turns in holding its programs. A turn is a reentrant lock that is waited
//! for without the GIL, and that a forked child does not find locked by a thread of its parent.

use std::sync::Arc;

use pyo3::prelude::*;
use rgrad_kernels::lock::{Holder, Lock, Wait};

/// Grants the programs of a function to one thread at a time: from reading Python's state until it is written back, and during a
/// recording.
#[derive(Default)]
pub(crate) struct Turn {
    /// The holder, and how often it holds the turn: what running or dropping a program releases may call the function again.
    taken: Lock<Option<(Holder, usize)>>,
}

/// The turn of this thread, until it is dropped.
pub(crate) struct Mine(Arc<Turn>);

impl Turn {
    /// Waits without the GIL, which the holder of the turn may need.
    pub(crate) fn take(self: &Arc<Self>, py: Python<'_>) -> Mine {
        if !self.is_given() {
            py.detach(|| {
                let mut wait = Wait::default();
                while !self.is_given() {
                    wait.once();
                }
            });
        }
        Mine(self.clone())
    }

    /// Gives the turn to this thread, unless another one holds it. Threads that did not survive a fork do not.
    fn is_given(&self) -> bool {
        let mut taken = self.taken.lock();
        match &mut *taken {
            Some((holder, times)) if holder.is_current() => *times += 1,
            Some((holder, _)) if !holder.is_gone() => return false,
            _ => *taken = Some((Holder::current(), 1)),
        }
        true
    }
}

impl Mine {
    pub(crate) fn of(&self) -> Arc<Turn> {
        self.0.clone()
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock();
        match &mut *taken {
            Some((_, times)) if *times > 1 => *times -= 1,
            _ => *taken = None,
        }
    }
}
