//! Elementwise maps: the output is contiguous, the operands are views that may be broadcast, transposed or sliced.

mod compare;
mod curve;
mod integer;
mod real;

pub use crate::math::GELU_TANH;
pub use compare::Choices;
pub use compare::{Compare, compare, select};
pub(crate) use compare::{compare_tile, select_tile};
pub(crate) use curve::CurveTile;
pub use curve::Curves;
pub use curve::{Curve, curve, curve_grad};
pub use integer::{Int, IntBinary, IntMaps, IntUnary, binary_int, unary_int};
pub use real::Maps;
pub use real::{Binary, Unary, add_assign, binary, unary};
pub(crate) use real::{BinaryTile, Power, UnaryTile};
