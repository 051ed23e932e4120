//! Shared parts of the benches: fresh processes for each number of threads, the limits of the machine, tables and JSON.

mod case;
pub mod peak;
mod runs;
mod sampler;

pub use case::Case;
pub use runs::{NEAR, Results, run};
pub use sampler::{Sampler, Work, timed};
