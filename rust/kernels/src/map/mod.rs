//! Elementwise maps: the output is contiguous, the operands are views that may be broadcast, transposed or sliced.

mod compare;
mod curve;
mod driver;
mod integer;
mod real;

pub use crate::math::GELU_TANH;
pub use compare::Choices;
pub(crate) use compare::Select;
pub use compare::{Compare, compare, select};
pub(crate) use curve::CurveGrad;
pub use curve::Curves;
pub use curve::{Curve, curve, curve_grad};
pub(crate) use driver::Body;
pub use integer::{Int, IntBinary, IntMaps, IntUnary, binary_int, unary_int};
pub use real::Maps;
pub(crate) use real::Power;
pub use real::{Binary, Unary, add_assign, binary, unary};
