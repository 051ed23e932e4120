//! Fork safety: the child has its parent's memory, and of its threads only the one that forked.
//!
//! State that outlives a call and could be in use by another thread at the fork registers [`Handlers`]: the thread pool is
//! recreated, the lock of the shared buffer cache is held across the fork. Every other lock records its holder and the
//! holder's process generation. A child takes over locks of threads that it does not have. What such a thread was writing may
//! be half written: a tensor has some new elements and some old ones; any other value is replaced by its default.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

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

/// The number of this thread, from 1.
#[inline]
pub(crate) fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: Cell<u32> = const { Cell::new(0) };
    }
    #[cold]
    fn first() -> u32 {
        FORKS.register();
        let number = LAST.fetch_add(1, Relaxed) + 1;
        NUMBER.set(number);
        number
    }
    match NUMBER.get() {
        0 => first(),
        number => number,
    }
}

/// What the thread that forks calls, outside this crate: before the fork, and afterwards in both processes.
pub(crate) struct Handlers {
    registered: AtomicBool,
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
}

extern "C" fn nothing() {}

impl Handlers {
    pub(crate) const fn new(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) -> Self {
        Self { registered: AtomicBool::new(false), before, in_parent, in_child }
    }

    pub(crate) const fn of_child(in_child: extern "C" fn()) -> Self {
        Self::new(nothing, nothing, in_child)
    }

    /// Registers the handlers at the first call, and those that count forks.
    #[inline]
    pub(crate) fn register(&self) {
        if !self.registered.load(Relaxed) {
            FORKS.register_once();
            self.register_once();
        }
    }

    #[cold]
    fn register_once(&self) {
        // Only once: a handler may take a lock.
        #[cfg(all(unix, not(miri)))]
        if !self.registered.swap(true, Relaxed) {
            // SAFETY: the handlers live as long as the program.
            let failed =
                unsafe { libc::pthread_atfork(Some(self.before), Some(self.in_parent), Some(self.in_child)) } != 0;
            if failed {
                self.registered.store(false, Relaxed);
            }
        }
    }
}

static FORKS: Handlers = Handlers::new(before, nothing, in_child);

/// The child cannot assign a number to its thread.
extern "C" fn before() {
    number();
}

extern "C" fn in_child() {
    SURVIVOR.store(number(), Relaxed);
    GENERATION.fetch_add(1, Relaxed);
}
