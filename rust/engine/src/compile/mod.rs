//! Compiled steps: what a function executes is recorded once, as one linear program, and replayed.
//!
//! [`record`] watches every primitive that runs on its thread, forward, backward and update alike (they call
//! [`watch`](crate::tensor::watch), which calls [`hooks`]), and writes down an
//! [`program::Instr`] for each: which action, from which cells, into which. A cell stands for a storage: an argument, a
//! tensor from outside, a constant, or a value of the step's own. [`passes`] make the program shorter without changing a
//! bit of its results, [`plan`] gives the step's own values places in memory that are used again as soon as they may, and
//! [`replay`] runs it all, with no allocation; [`epoch`] many times in a row.

mod alias;
mod arguments;
mod asked;
mod chain;
mod edit;
mod epoch;
mod hooks;
mod passes;
mod plan;
mod product;
mod program;
mod record;
mod replay;
mod show;

pub use crate::tensor::watch::{asked, check_free, check_place, constant, is_recording};
pub use epoch::{Batches, Stacked};
pub use hooks::{set_state, state_of};
pub use passes::passes;
pub use program::{Cost, Program};
pub use record::{Recording, set_place};
pub use replay::Replay;
