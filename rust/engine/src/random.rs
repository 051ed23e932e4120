//! Generators of random numbers. The distributions are in `ops/random.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A stream of random numbers: element `i` of everything drawn so far depends on the seed and on `i` alone, on every
/// platform, instruction set and number of threads.
///
/// A clone is another handle to the same stream.
#[derive(Clone, Debug)]
pub struct Generator {
    state: Arc<AtomicState>,
}

/// The [`State`] without a lock; it is inconsistent only between two stores.
#[derive(Debug)]
struct AtomicState {
    seed: AtomicU64,
    offset: AtomicU64,
}

/// The state of a generator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The seed of the stream.
    pub seed: u64,
    /// How many numbers were drawn.
    pub offset: u64,
}

impl Generator {
    /// The stream of this seed, from its beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(AtomicState { seed: AtomicU64::new(seed), offset: AtomicU64::new(0) }) }
    }

    /// The current state.
    #[must_use]
    pub fn state(&self) -> State {
        State { seed: self.state.seed.load(Relaxed), offset: self.state.offset.load(Relaxed) }
    }

    /// Moves to another position, or another stream.
    pub fn set_state(&self, state: State) {
        self.state.seed.store(state.seed, Relaxed);
        self.state.offset.store(state.offset, Relaxed);
    }

    /// Whether two handles are of one stream.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Reserves `count` numbers of the stream.
    pub(crate) fn take(&self, count: usize) -> State {
        let seed = self.state.seed.load(Relaxed);
        State { seed, offset: self.state.offset.fetch_add(count as u64, Relaxed) }
    }
}
