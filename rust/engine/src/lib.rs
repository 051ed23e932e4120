//! Tensors, operations with their derivative rules, and the tape of rgrad.
//!
//! Start with [`tensor::Tensor`]; [`tape`] is reverse mode; every operation is one place in [`ops`].

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
