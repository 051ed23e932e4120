//! What a process does when it forks: the child has its parent's memory, and of its threads only the one that forked.

/// Sees to it that forks are followed, from the first call on.
#[inline]
pub(crate) fn watch() {
    #[cfg(unix)]
    handlers::register();
}

#[cfg(unix)]
mod handlers {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use crate::{buffer::forking, threads::forget_team};

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
        forking::before();
    }

    extern "C" fn in_parent() {
        forking::in_parent();
    }

    extern "C" fn in_child() {
        forking::in_child();
        forget_team();
    }
}
