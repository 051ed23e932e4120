//! What a process does when it forks: the child has its parent's memory, and of its threads only the one that forked.
//!
//! What outlives a call and could be in use by another thread then: the team of workers is made anew, the shared cache of buffers
//! is held over the fork, and locks know in which generation of processes, and by whom, they were taken. A child takes those of
//! threads that it does not have. What such a thread was writing may be half written: of a tensor some elements are new; any other
//! value is replaced by its default.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How often this process's line has forked.
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// The number of the thread that was the only one after the last fork.
static SURVIVOR: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Relaxed)
}

pub(crate) fn survivor() -> u32 {
    SURVIVOR.load(Relaxed)
}

/// Sees to it that forks are followed, from the first call on.
#[inline]
pub(crate) fn watch() {
    #[cfg(unix)]
    handlers::register();
}

#[cfg(unix)]
mod handlers {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::{GENERATION, SURVIVOR};
    use crate::{buffer::forking, lock, threads::forget_team};

    static WATCHED: AtomicBool = AtomicBool::new(false);

    #[inline]
    pub(super) fn register() {
        // Once only: `before` locks.
        if !WATCHED.load(Relaxed) && !WATCHED.swap(true, Relaxed) && !cfg!(miri) {
            // SAFETY: the handlers live as long as the program. They run in the thread that forks, outside this crate.
            let failed = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } != 0;
            if failed {
                WATCHED.store(false, Relaxed);
            }
        }
    }

    extern "C" fn before() {
        // The child cannot number its thread.
        lock::number();
        forking::before();
    }

    extern "C" fn in_parent() {
        forking::in_parent();
    }

    extern "C" fn in_child() {
        SURVIVOR.store(lock::number(), Relaxed);
        GENERATION.fetch_add(1, Relaxed);
        forking::in_child();
        forget_team();
    }
}
