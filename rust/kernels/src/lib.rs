//! CPU kernels of rgrad: slices and strided views in, slices out.
//!
//! This crate knows instruction sets, blocking and threads, and nothing of tensors, derivatives or Python. Every kernel
//! gives the same bits on every instruction set and for any number of threads.

pub mod buffer;
pub mod chain;
pub mod copy;
mod entries;
pub mod flip;
mod fork;
pub mod gather;
pub mod gemm;
mod lanes;
pub mod lock;
pub mod map;
mod math;
pub mod norm;
pub mod optim;
pub mod random;
mod reader;
pub mod reduce;
pub mod scan;
pub mod simd;
pub mod softmax;
pub mod sort;
mod split;
pub mod threads;
pub mod tuning;
mod view;
mod walk;

pub use view::{View, places_differ};

/// A type that the kernels which move and compare are compiled for.
pub trait Number: copy::Copies + gather::Gathers + map::Choices + reduce::ArgReductions {}

/// A type that the kernels on integers are compiled for.
pub trait Integer: Number + map::IntMaps + reduce::IntReductions {}

/// A type that all kernels on floating-point numbers are compiled for: `f32` or `f64`.
pub trait Float:
    Number
    + chain::Chains
    + gather::ScatterAdds
    + gemm::Tiles
    + map::Curves
    + map::Maps
    + norm::Norms
    + random::Draws
    + random::Masks
    + reduce::Reductions
    + softmax::CrossEntropies
    + softmax::Softmaxes
{
}

impl Number for f32 {}
impl Number for f64 {}
impl Number for i64 {}
impl Number for i32 {}
impl Number for u8 {}
impl Integer for i64 {}
impl Integer for i32 {}
impl Integer for u8 {}
impl Float for f32 {}
impl Float for f64 {}
