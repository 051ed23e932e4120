//! Arrays of other libraries as tensors, and back, without copying where memory allows.
//!
//! The only unsafe code outside the kernels: it vouches for memory that Python's buffer protocol lends.

use std::ptr::NonNull;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use rgrad_engine::shape::Layout;
use rgrad_engine::{DType, Tensor, ops};
use rgrad_kernels::buffer::Buffer;

use crate::dtype::from_format;
use crate::error::run;

/// Memory that somebody lends, with the type of its elements.
struct Exported {
    buffer: PyUntypedBuffer,
    dtype: DType,
    /// Whether it is one element without dimensions, which is lent as a vector of one.
    scalar: bool,
}

/// A tensor over lent memory, or `None` if its strides or alignment are not ours (negative, or not whole elements).
fn borrow(Exported { buffer, dtype, scalar }: Exported) -> Option<Tensor> {
    let size = dtype.size();
    let mut layout = Layout::contiguous(&[]);
    if !scalar {
        layout.shape = buffer.shape().into();
        for &theirs in buffer.strides() {
            let bytes = usize::try_from(theirs).ok()?;
            if !bytes.is_multiple_of(size) {
                return None;
            }
            layout.strides.push(bytes / size);
        }
    }
    let empty = layout.numel() == 0;
    let ptr =
        NonNull::new(buffer.buf_ptr().cast::<u8>()).or(empty.then(NonNull::<u64>::dangling).map(NonNull::cast))?;
    if ptr.addr().get() % size != 0 {
        return None;
    }
    let last: usize = layout.shape.iter().zip(&layout.strides).map(|(&n, &s)| n.saturating_sub(1) * s).sum();
    let bytes = if empty { 0 } else { (last + 1) * size };
    // SAFETY: the exporter keeps the memory valid until the buffer is released, which happens when the tensor's storage
    // drops its owner; `bytes` reaches to the end of the last element of the exported shape and strides; the address is
    // aligned for the dtype, in whose native format the exporter says the elements are. Callers refuse read-only memory
    // for tensors that can be written. That nobody else writes during an operation is the user's part, as everywhere in
    // NumPy.
    let memory = unsafe { Buffer::foreign(ptr, bytes, Box::new(buffer)) };
    Some(Tensor::from_foreign(memory, layout, dtype))
}

/// The array behind `ob` if it exports a buffer: `Ok(None)` if it does not.
fn exported(ob: &Bound<'_, PyAny>) -> PyResult<Option<Exported>> {
    let (buffer, scalar) = match PyUntypedBuffer::get(ob) {
        Ok(buffer) => (buffer, false),
        // NumPy lends 0-d arrays and scalars without a shape, which PyO3 takes for an error.
        Err(_) => match ob.call_method1("reshape", (1,)).and_then(|one| PyUntypedBuffer::get(&one)) {
            Ok(buffer) => (buffer, true),
            Err(_) => return Ok(None),
        },
    };
    let format = buffer.format().to_string_lossy().into_owned();
    if let Some(dtype) = from_format(&format, buffer.item_size()) {
        return Ok(Some(Exported { buffer, dtype, scalar }));
    }
    Err(PyTypeError::new_err(unsupported(ob, &format)))
}

fn unsupported(ob: &Bound<'_, PyAny>, format: &str) -> String {
    let name = ob.getattr("dtype").map_or_else(|_| format!("format {format:?}"), |d| d.to_string());
    format!("rgrad has no dtype for elements of {name}; convert first, for example with array.astype(\"float32\")")
}

/// A tensor with a copy of the elements of an array, NumPy scalar or other exporter of a buffer; `None` if `ob` is none.
pub(crate) fn copied(ob: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    if let Ok(dtype) = ob.getattr("dtype")
        && dtype.getattr("isnative").is_ok_and(|native| native.is_truthy().is_ok_and(|native| !native))
    {
        // The other byte order: NumPy swaps the bytes.
        return copied(&ob.call_method1("astype", (dtype.call_method1("newbyteorder", ("=",))?,))?);
    }
    let Some(lent) = exported(ob)? else { return Ok(None) };
    let elements = lent.buffer.item_count();
    if let Some(view) = borrow(lent) {
        return run(ob.py(), elements, || ops::clone(&view)).map(Some);
    }
    let straight = ob.py().import("numpy")?.call_method1("array", (ob,))?;
    match exported(&straight)?.and_then(borrow) {
        Some(view) => run(ob.py(), elements, || ops::clone(&view)).map(Some),
        None => Err(PyTypeError::new_err("cannot read this array")),
    }
}

/// A tensor that shares the memory of a NumPy array (or of another exporter of a writable buffer).
///
/// Writing to one changes the other. `TypeError` if the dtype has no counterpart, `ValueError` if the array is read-only or
/// its strides are negative: copy it then with rg.tensor(array).
#[pyfunction]
#[pyo3(signature = (array))]
pub fn from_numpy(array: &Bound<'_, PyAny>) -> PyResult<crate::tensor::PyTensor> {
    let Some(lent) = exported(array)? else {
        return Err(PyTypeError::new_err(format!("from_numpy: expected an array, got {}", array.get_type().name()?)));
    };
    if lent.buffer.readonly() {
        return Err(PyValueError::new_err("from_numpy: the array is read-only; copy it with rg.tensor(array)"));
    }
    borrow(lent).map(Into::into).ok_or_else(|| {
        PyValueError::new_err("from_numpy: a tensor cannot share these strides; copy with rg.tensor(array)")
    })
}
