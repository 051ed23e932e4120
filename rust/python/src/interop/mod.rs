//! Sharing memory with other libraries, in both directions, without copying where possible.
//!
//! The only unsafe code outside the kernels: it vouches for memory borrowed through Python's buffer protocol and DLPack, and fills
//! their C structures. The tape does not see writes by the other side, so a tensor that is part of a graph is never exported.

mod array;
mod buffer;
mod dlpack;

use std::any::Any;
use std::ptr::NonNull;

use pyo3::PyErr;
use rgrad_engine::shape::{Dims, Layout};
use rgrad_engine::{DType, Tensor, compile};
use rgrad_kernels::buffer::{Access, Buffer};

use crate::error::to_py;

pub(crate) use array::{MAX_DIMS, array_of, converted, copied, from_numpy, refuse_mask};
pub(crate) use dlpack::from_dlpack;

/// Strides in elements as the engine has them; `None` if one is negative. A dimension of one element may have any.
fn strides(shape: &[usize], theirs: impl Iterator<Item = isize>) -> Option<Dims> {
    shape.iter().zip(theirs).map(|(&n, s)| if n < 2 { Some(0) } else { usize::try_from(s).ok() }).collect()
}

/// A tensor over memory that `owner` keeps alive, or `None` if the address is not aligned for the dtype, or the elements exceed
/// the address space.
///
/// # Safety
/// While `owner` lives, every element that shape and strides reach from `ptr` on must be valid for reads, and for writes if
/// `access` allows them, and hold the dtype's native format.
unsafe fn tensor_over(
    ptr: *mut u8,
    shape: Dims,
    strides: Dims,
    dtype: DType,
    access: Access,
    owner: Box<dyn Any + Send + Sync>,
) -> Option<Tensor> {
    let (layout, end) = Layout::foreign(shape, strides)?;
    let (size, bytes) = (dtype.size(), end * dtype.size());
    // An empty array may have any address, even null.
    let ptr = if end == 0 { NonNull::<u64>::dangling().cast() } else { NonNull::new(ptr)? };
    if ptr.addr().get() % size != 0 || ptr.addr().checked_add(bytes).is_none() {
        return None;
    }
    // SAFETY: `bytes` reaches to the end of the last element; the rest is the caller's promise, and the alignment was checked.
    // That nobody else writes during an operation is the user's part, as everywhere in NumPy.
    let memory = unsafe { Buffer::foreign(ptr, bytes, access, owner) };
    Some(Tensor::from_foreign(memory, layout, dtype))
}

/// Why the memory of this tensor cannot be exported, if it cannot: the tape would not see writes to it.
fn unlendable(t: &Tensor, error: fn(String) -> PyErr) -> Option<PyErr> {
    if let Err(reading) = compile::check_free("reading its elements", t) {
        return Some(to_py(reading));
    }
    if t.requires_grad() {
        let text = "a tensor that requires gradients cannot share its memory with other libraries, \
                    which know nothing of the graph; write x.detach() first, as in x.detach().numpy()";
        return Some(error(text.to_string()));
    }
    t.has_tangent().then(|| {
        let text = "a tensor that forward mode differentiates cannot share its memory with other libraries: \
                    the tangent would be lost; write x.detach() first, as in x.detach().numpy()";
        error(text.to_string())
    })
}
