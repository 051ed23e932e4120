//! Tensors, operations with their derivative rules, and the tape of rgrad.
//!
//! Start with [`tensor::Tensor`]. What happens in a step:
//!
//! 1. A function of [`ops`], such as [`ops::linear`], casts and reshapes its operands, and calls [`op::apply`] with an
//!    [`op::Op`]. Its `forward` checks shapes, reads the operands as slices, and lets a kernel fill the result, for which
//!    [`op::Out`] has the memory. If an operand requires gradients, `apply` makes a [`tape::Node`] with what the reverse rule
//!    needs; [`forward`](mod@forward) mode attaches tangents instead, or as well.
//! 2. [`tape::backward`] visits the nodes, latest first, and applies their reverse rules, which call functions of [`ops`] again.
//! 3. An optimizer's step is one call of [`optim`], which updates all parameters in place.
//!
//! [`compile`] records the operations of all three as a program, and replays it: the same `forward` of the same operations,
//! with planned memory as [`op::Out`].

#![forbid(unsafe_code)]

pub mod compile;
pub mod dtype;
pub mod error;
pub mod forward;
pub mod op;
pub mod ops;
pub mod optim;
pub mod random;
pub mod shape;
pub mod tape;
pub mod tensor;

pub use dtype::DType;
pub use error::{Error, ErrorKind, Result};
pub use tensor::{Number, Tensor};
