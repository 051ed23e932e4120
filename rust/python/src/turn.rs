//! Turns: the threads that call one compiled function have its programs one after the other.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use pyo3::prelude::*;

/// Lets one thread after the other have the programs of a function: from before one reads what Python keeps until it has written
/// that, and while one is recorded.
#[derive(Default)]
pub(crate) struct Turn {
    taken: Mutex<Taken>,
    given: Condvar,
}

#[derive(Default)]
struct Taken {
    /// Who has it, and how often: what a program or its end drops may call the function again.
    by: Option<(ThreadId, usize)>,
    /// How many threads wait: without one there is nobody to wake, which would be a system call in every replay.
    waiting: usize,
}

/// The turn of this thread, until it is dropped.
pub(crate) struct Mine(Arc<Turn>);

impl Turn {
    /// Waits without the interpreter, which whoever has the turn may need.
    pub(crate) fn take(self: &Arc<Self>, py: Python<'_>) -> Mine {
        let own = thread::current().id();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut taken.by {
            Some((holder, times)) if *holder == own => *times += 1,
            Some(_) => {
                drop(taken);
                py.detach(|| {
                    let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
                    taken.waiting += 1;
                    let free = self.given.wait_while(taken, |taken| taken.by.is_some());
                    let mut free = free.unwrap_or_else(PoisonError::into_inner);
                    free.waiting -= 1;
                    free.by = Some((own, 1));
                });
            }
            None => taken.by = Some((own, 1)),
        }
        Mine(self.clone())
    }
}

impl Mine {
    pub(crate) fn of(&self) -> Arc<Turn> {
        self.0.clone()
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut taken.by {
            Some((_, times)) if *times > 1 => *times -= 1,
            _ => {
                taken.by = None;
                if taken.waiting > 0 {
                    self.0.given.notify_one();
                }
            }
        }
    }
}
