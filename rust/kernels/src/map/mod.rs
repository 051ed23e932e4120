//! Elementwise maps: the output is contiguous, the operands are views that may be broadcast, transposed or sliced.

mod compare;
mod curve;
mod integer;
mod real;

pub use crate::math::GELU_TANH;
pub(crate) use compare::{Choices, compare_tile, select_tile};
pub use compare::{Compare, compare, select};
pub use curve::{Curve, curve, curve_grad};
pub(crate) use curve::{CurveTile, Curves};
pub use integer::{Int, IntBinary, IntUnary, binary_int, unary_int};
pub use real::{Binary, Unary, add_assign, binary, unary};
pub(crate) use real::{BinaryTile, Maps, Power, UnaryTile};

/// Elements that pay for a thread where each costs a load or two and a store: below that, memory is not the bottleneck
/// and waking a thread does not pay off.
pub(crate) const GRAIN_CHEAP: usize = 32 * 1024;
/// The same where each costs an exponential or the like, about five times as much.
pub(crate) const GRAIN_TRANSCENDENTAL: usize = 8 * 1024;

/// Parts of outputs start at multiples of this number of elements: whole cache lines and whole vectors.
pub(crate) const UNIT: usize = 64;
