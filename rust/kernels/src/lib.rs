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
