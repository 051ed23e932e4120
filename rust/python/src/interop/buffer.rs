//! Python's buffer protocol: `memoryview(t)`, `bytes(t)`, and NumPy's access to a tensor's memory.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::ptr;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use rgrad_engine::shape::Layout;
use rgrad_engine::{DType, Tensor};

use super::unlendable;
use crate::entry::prelude::*;
use crate::tensor::PyTensor;

/// Shape, and strides in bytes, for the lifetime of a view.
struct Extents {
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
}

/// The format of the elements, as in the `struct` module. Of two integers of one size, C's long is preferred, as NumPy does.
fn format(dtype: DType) -> &'static CStr {
    match dtype {
        DType::Float32 => c"f",
        DType::Float64 => c"d",
        DType::Int64 if size_of::<c_long>() == 8 => c"l",
        DType::Int64 => c"q",
        DType::Int32 if size_of::<c_long>() == 4 => c"l",
        DType::Int32 => c"i",
        DType::UInt8 => c"B",
        DType::Bool => c"?",
    }
}

/// Whether the first index varies fastest.
fn is_fortran(layout: &Layout) -> bool {
    let mut reversed = layout.clone();
    reversed.shape.reverse();
    reversed.strides.reverse();
    reversed.is_contiguous()
}

/// The error for a request that cannot be met.
fn refusal(t: &Tensor, flags: c_int) -> Option<PyErr> {
    let wants = |flag: c_int| flags & flag == flag;
    let (c, f) = (t.is_contiguous(), is_fortran(t.layout()));
    let what = if wants(ffi::PyBUF_WRITABLE) && t.is_read_only() {
        "memory that may be written to, but this tensor's is read-only"
    } else if !c && (wants(ffi::PyBUF_C_CONTIGUOUS) || !wants(ffi::PyBUF_STRIDES)) {
        "elements in row-major order; call contiguous() first"
    } else if wants(ffi::PyBUF_F_CONTIGUOUS) && !f {
        "elements in column-major order"
    } else if wants(ffi::PyBUF_ANY_CONTIGUOUS) && !c && !f {
        "elements without gaps; call contiguous() first"
    } else {
        return unlendable(t, PyBufferError::new_err);
    };
    Some(PyBufferError::new_err(format!("the buffer was asked for {what}")))
}

#[pymethods]
impl PyTensor {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let t = &slf.get().inner;
        let refused = refusal(t, flags);
        let wants = |flag: c_int| flags & flag == flag;
        let size = t.dtype().size();
        let mut extents = Box::new(Extents {
            shape: t.shape().iter().map(|&n| n as ffi::Py_ssize_t).collect(),
            strides: t.layout().strides.iter().map(|&s| (s * size) as ffi::Py_ssize_t).collect(),
        });
        // SAFETY: the interpreter passes a structure to be filled, whose `obj` is null after an error. The memory stays as
        // long as the tensor does, and the view owns a reference to it; a tensor of this frozen class never gets other
        // memory. Shape and strides live in `internal` until `__releasebuffer__`.
        unsafe {
            (*view).obj = ptr::null_mut();
            if let Some(refused) = refused {
                return Err(refused);
            }
            (*view).buf = t.as_ptr().cast();
            (*view).len = (t.numel() * size) as ffi::Py_ssize_t;
            (*view).itemsize = size as ffi::Py_ssize_t;
            (*view).readonly = c_int::from(t.is_read_only());
            (*view).ndim = t.ndim() as c_int;
            let format = format(t.dtype()).as_ptr().cast_mut();
            (*view).format = if wants(ffi::PyBUF_FORMAT) { format } else { ptr::null_mut() };
            (*view).shape = if wants(ffi::PyBUF_ND) { extents.shape.as_mut_ptr() } else { ptr::null_mut() };
            (*view).strides = if wants(ffi::PyBUF_STRIDES) { extents.strides.as_mut_ptr() } else { ptr::null_mut() };
            (*view).suboffsets = ptr::null_mut();
            (*view).internal = Box::into_raw(extents).cast::<c_void>();
            (*view).obj = slf.into_ptr();
        }
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: the interpreter calls this once for each view that `__getbuffer__` filled, with that view.
        drop(unsafe { Box::from_raw((*view).internal.cast::<Extents>()) });
    }
}
