//! The one place that runs work on more than one thread.

/// Calls `f(0), f(1), … f(tasks - 1)`, each once, on the calling thread and the pool's workers, and returns when all are
/// done. Which thread runs which task is unspecified, so tasks must write disjoint data.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    for t in 0..tasks {
        f(t);
    }
}

/// The number of threads that [`run`] may use, the caller included.
#[must_use]
pub fn num_threads() -> usize {
    1
}
