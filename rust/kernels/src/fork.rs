//! Fork safety: the child has its parent's memory, and of its threads only the one that forked.
//!
//! State that outlives a call and could be in use by another thread at the fork: the thread pool is recreated, the lock
//! of the shared buffer cache is held across the fork, and every other lock records its holder and the holder's process
//! generation. A child takes over locks of threads that it does not have. What such a thread was writing may be half
//! written: a tensor has some new elements and some old ones; any other value is replaced by its default.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The process generation: the number of forks between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// The number of the thread that survived the last fork.
static SURVIVOR: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Relaxed)
}

pub(crate) fn survivor() -> u32 {
    SURVIVOR.load(Relaxed)
}

/// Registers the fork handlers at the first call.
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
        // Only once: `before` locks.
        if !WATCHED.load(Relaxed) && !WATCHED.swap(true, Relaxed) && !cfg!(miri) {
            // SAFETY: the handlers live as long as the program. They run in the thread that forks, outside this crate.
            let failed = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } != 0;
            if failed {
                WATCHED.store(false, Relaxed);
            }
        }
    }

    extern "C" fn before() {
        // Here, because the child cannot assign a number to its thread.
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
