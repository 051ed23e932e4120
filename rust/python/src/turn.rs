//! Turns: the threads that call one compiled function have its programs one after the other.

use std::sync::Arc;

use pyo3::prelude::*;
use rgrad_kernels::lock::{Holder, Lock, Wait};

/// Lets one thread after the other have the programs of a function: from before one reads what Python keeps until it has written
/// that, and while one is recorded.
#[derive(Default)]
pub(crate) struct Turn {
    /// Who has it, and how often: what a program or its end drops may call the function again.
    taken: Lock<Option<(Holder, usize)>>,
}

/// The turn of this thread, until it is dropped.
pub(crate) struct Mine(Arc<Turn>);

impl Turn {
    /// Waits without the interpreter, which whoever has the turn may need.
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

    /// Gives it to this thread, unless another one has it. One that a fork has left behind does not.
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
