//! Compiled steps: what a function executes is recorded once, as a linear program, and replayed.
//!
//! [`record`] watches every primitive that runs on its thread, forward, backward and update alike (they call
//! [`watch`](crate::tensor::watch), which calls [`watcher`]), and appends an [`program::Instr`] for each: an action, and the cells
//! that it reads and writes. A cell stands for a storage: an argument, a captured tensor, a constant, or a temporary. [`passes`]
//! shorten the program without changing a bit of its results, [`plan`] assigns temporaries to buffers that are reused as soon as
//! possible, and [`replay`] runs the program without allocating; [`epoch`] runs it many times in a row.

mod alias;
mod arguments;
mod chain;
mod edit;
mod epoch;
mod grad_state;
mod passes;
mod plan;
mod product;
mod program;
mod record;
mod replay;
mod show;
mod watcher;

pub use crate::tensor::watch::{check_free, check_place, constant, is_recording, note_grad_state};
pub use epoch::{Batches, Stacked};
pub use passes::passes;
pub use program::{Cost, Program};
pub use record::{Recording, set_place};
pub use replay::Replay;
pub use watcher::{set_state, state_of};
