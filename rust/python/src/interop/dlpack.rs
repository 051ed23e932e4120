//! DLPack 1.0: a tensor's memory for other array libraries, and theirs for us (<https://dmlc.github.io/dlpack>).
//!
//! The structures are those of `dlpack.h`. A capsule named `dltensor` or `dltensor_versioned` owns what it points to until a
//! consumer renames it to `used_…`; from then on the consumer calls the deleter.

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};

use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::types::PyDict;
use rgrad_engine::shape::{Dims, Layout, checked_numel, contiguous_strides};
use rgrad_engine::{DType, Tensor, ops};
use rgrad_kernels::buffer::Access;

use super::array::{are_truths, copy_of, refuse_mask};
use super::{strides, tensor_over, unlendable};
use crate::entry::contained;
use crate::entry::prelude::*;
use crate::error::run;
use crate::tensor::{Out, PyTensor};

#[derive(Clone, Copy)]
#[repr(C)]
struct Device {
    kind: i32,
    id: i32,
}

const CPU: Device = Device { kind: 1, id: 0 };

#[derive(Clone, Copy)]
#[repr(C)]
struct Type {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: Type,
    shape: *mut i64,
    /// In elements; null for row-major order.
    strides: *mut i64,
    byte_offset: u64,
}

type Deleter<M> = Option<unsafe extern "C" fn(*mut M)>;

/// `DLManagedTensor`, as before version 1.
#[repr(C)]
struct Legacy {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Deleter<Self>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct Versioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Deleter<Self>,
    flags: u64,
    tensor: DlTensor,
}

const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 2;

/// What the two forms have in common.
trait Managed: Sized {
    const NAME: &CStr;
    const USED: &CStr;
    fn new(tensor: DlTensor, flags: u64, deleter: Deleter<Self>) -> Self;
    /// The tensor, and how its memory may be accessed. `BufferError` for a structure of a later major version.
    fn tensor(&self) -> PyResult<(&DlTensor, Access)>;
    fn deleter(&self) -> Deleter<Self>;
}

impl Managed for Legacy {
    const NAME: &CStr = c"dltensor";
    const USED: &CStr = c"used_dltensor";
    fn new(tensor: DlTensor, _flags: u64, deleter: Deleter<Self>) -> Self {
        Self { tensor, context: ptr::null_mut(), deleter }
    }
    fn tensor(&self) -> PyResult<(&DlTensor, Access)> {
        Ok((&self.tensor, Access::ReadWrite))
    }
    fn deleter(&self) -> Deleter<Self> {
        self.deleter
    }
}

impl Managed for Versioned {
    const NAME: &CStr = c"dltensor_versioned";
    const USED: &CStr = c"used_dltensor_versioned";
    fn new(tensor: DlTensor, flags: u64, deleter: Deleter<Self>) -> Self {
        Self { major: 1, minor: 0, context: ptr::null_mut(), deleter, flags, tensor }
    }
    fn tensor(&self) -> PyResult<(&DlTensor, Access)> {
        if self.major != 1 {
            let (major, minor) = (self.major, self.minor);
            let text = format!("from_dlpack: the array comes as DLPack {major}.{minor}, and rgrad understands 1.x");
            return Err(PyBufferError::new_err(text));
        }
        Ok((&self.tensor, if self.flags & READ_ONLY == 0 { Access::ReadWrite } else { Access::ReadOnly }))
    }
    fn deleter(&self) -> Deleter<Self> {
        self.deleter
    }
}

fn code(dtype: DType) -> u8 {
    match dtype {
        DType::Int32 | DType::Int64 => 0,
        DType::UInt8 => 1,
        DType::Float32 | DType::Float64 => 2,
        DType::Bool => 6,
    }
}

// ---- Ours for others ----

/// What a capsule of ours points to: the structure first, then what it points to in turn.
#[repr(C)]
struct Export<M> {
    managed: M,
    shape: Vec<i64>,
    strides: Vec<i64>,
    tensor: Tensor,
}

unsafe extern "C" fn free_export<M>(managed: *mut M) {
    // SAFETY: `export` made the pointer from a box of this type, whose first field it points to, and a consumer, or the
    // capsule if there is none, calls this once.
    let export = unsafe { Box::from_raw(managed.cast::<Export<M>>()) };
    contained(|| drop(export));
}

/// A capsule's destructor: frees the tensor if nobody has taken it out of the capsule.
unsafe extern "C" fn free_capsule<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: the interpreter passes the capsule that is going away. While it has its first name, it points to a structure
    // that was not deleted.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast::<M>();
            if let Some(delete) = (*managed).deleter() {
                delete(managed);
            }
        }
    }
}

fn export<M: Managed>(py: Python<'_>, tensor: Tensor, flags: u64) -> PyResult<Py<PyAny>> {
    let dtype = tensor.dtype();
    let mut shape: Vec<i64> = tensor.shape().iter().map(|&n| n as i64).collect();
    let mut strides: Vec<i64> = tensor.layout().strides.iter().map(|&s| s as i64).collect();
    let described = DlTensor {
        data: tensor.as_ptr().cast(),
        device: CPU,
        ndim: tensor.ndim() as i32,
        dtype: Type { code: code(dtype), bits: 8 * dtype.size() as u8, lanes: 1 },
        shape: shape.as_mut_ptr(),
        strides: strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let managed = M::new(described, flags, Some(free_export::<M>));
    let export = Box::into_raw(Box::new(Export { managed, shape, strides, tensor }));
    // SAFETY: the pointer is not null, the name is static, and the destructor fits the name. If there is no capsule, the box
    // is ours again.
    unsafe {
        let capsule = ffi::PyCapsule_New(export.cast(), M::NAME.as_ptr(), Some(free_capsule::<M>));
        if capsule.is_null() {
            drop(Box::from_raw(export));
        }
        Bound::from_owned_ptr_or_err(py, capsule).map(Bound::unbind)
    }
}

#[pymethods]
impl PyTensor {
    /// DLPack's protocol: a capsule that shares this tensor's memory, of the versioned form if `max_version` is (1, 0) or
    /// later.
    ///
    /// `BufferError` if the tensor requires gradients or has a tangent, if another device or a stream is requested, or if the
    /// memory is read-only and the consumer only supports the unversioned form, which cannot express that.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None) -> "Any")]
    fn __dlpack__(
        &self,
        py: Python<'_>,
        stream: Option<&Bound<'_, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Py<PyAny>> {
        let mut t = self.inner.clone();
        if let Some(refused) = unlendable(&t, PyBufferError::new_err) {
            return Err(refused);
        }
        if stream.is_some() {
            return Err(PyBufferError::new_err("__dlpack__: a tensor on a CPU has no streams; leave stream out"));
        }
        if let Some((kind, id)) = dl_device
            && (kind, id) != (CPU.kind, CPU.id)
        {
            return Err(PyBufferError::new_err(format!(
                "__dlpack__: the tensor is on the CPU, device (1, 0), and cannot go to device ({kind}, {id})"
            )));
        }
        let mut flags = 0;
        if copy == Some(true) {
            t = run(py, t.numel(), || ops::clone(&t))?;
            flags |= IS_COPIED;
        }
        if t.is_read_only() {
            flags |= READ_ONLY;
        }
        if max_version.is_some_and(|(major, _)| major >= 1) {
            return export::<Versioned>(py, t, flags);
        }
        if t.is_read_only() {
            return Err(PyBufferError::new_err(
                "__dlpack__: the tensor's memory is read-only, which a consumer without max_version=(1, 0) cannot be told; \
                 export x.clone()",
            ));
        }
        export::<Legacy>(py, t, flags)
    }
    /// DLPack's device type and number: the CPU.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (CPU.kind, CPU.id)
    }
}

// ---- Others' for us ----

/// A structure that was taken out of its capsule; dropping it calls the deleter.
struct Taken<M: Managed>(NonNull<M>);

// SAFETY: DLPack lets a consumer call the deleter from any thread, and nothing else is done with the structure.
unsafe impl<M: Managed> Send for Taken<M> {}
// SAFETY: as above; a shared reference gives no access.
unsafe impl<M: Managed> Sync for Taken<M> {}

impl<M: Managed> Drop for Taken<M> {
    fn drop(&mut self) {
        // SAFETY: whoever takes a structure out of its capsule owns it and deletes it once.
        unsafe {
            if let Some(delete) = self.0.as_ref().deleter() {
                delete(self.0.as_ptr());
            }
        }
    }
}

/// Our dtype for DLPack's. `TypeError` if there is none.
fn dtype_of(theirs: Type) -> PyResult<DType> {
    let Type { code: kind, bits, lanes } = theirs;
    let ours = DType::ALL.into_iter().find(|&d| lanes == 1 && code(d) == kind && 8 * d.size() == usize::from(bits));
    ours.ok_or_else(|| {
        let names = ["int", "uint", "float", "opaque handle", "bfloat", "complex", "bool"];
        let name = names.get(usize::from(kind)).copied().unwrap_or("unknown type");
        let lanes = if lanes == 1 { String::new() } else { format!(" in vectors of {lanes}") };
        let all = DType::ALL.map(DType::name).join(", ");
        PyTypeError::new_err(format!(
            "from_dlpack: rgrad has no dtype for elements of {name}{bits}{lanes}; convert to one of {all} first"
        ))
    })
}

/// Address, shape and strides of the elements.
///
/// # Safety
/// `shape`, and `strides` unless it is null, must point to `ndim` numbers.
unsafe fn place(tensor: &DlTensor, dtype: DType) -> PyResult<(*mut u8, Dims, Dims)> {
    let refuse = |what: &str| Err(PyBufferError::new_err(format!("from_dlpack: {what}")));
    if tensor.device.kind != CPU.kind {
        let kind = tensor.device.kind;
        return refuse(&format!(
            "the array is on a device of kind {kind}, and tensors are on the CPU (1); move it there"
        ));
    }
    let Ok(ndim) = usize::try_from(tensor.ndim) else { return refuse("the number of dimensions is negative") };
    let read = |at: *mut i64| -> Vec<i64> {
        // SAFETY: the caller vouches for `ndim` numbers.
        (0..ndim).map(|i| unsafe { at.add(i).read() }).collect()
    };
    let Ok(shape) = read(tensor.shape).into_iter().map(usize::try_from).collect::<Result<Dims, _>>() else {
        return refuse("a dimension is negative");
    };
    let too_far = "the array has more elements, or elements farther away, than memory has places";
    if checked_numel("from_dlpack", &shape).is_err() {
        return refuse(too_far);
    }
    let strides = if tensor.strides.is_null() {
        contiguous_strides(&shape)
    } else {
        match strides(&shape, read(tensor.strides).into_iter().map(|s| s as isize)) {
            Some(strides) => strides,
            None => {
                return refuse("a tensor cannot share memory with negative strides; make a copy of the array first");
            }
        }
    };
    if Layout::foreign(shape.clone(), strides.clone()).is_none() {
        return refuse(too_far);
    }
    let ptr = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
    let empty = shape.contains(&0);
    if !empty && (tensor.data.is_null() || !ptr.addr().is_multiple_of(dtype.size())) {
        return refuse(
            "a tensor cannot share memory that is not aligned for its elements; make a copy of the array first",
        );
    }
    Ok((ptr, shape, strides))
}

/// The tensor in a capsule of this form. The capsule keeps it if there is an error.
fn take<M: Managed + 'static>(capsule: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    // SAFETY: the caller has checked the name, so the pointer is one to this structure, which lives as long as the capsule
    // has that name; its producer filled it as DLPack says.
    let (managed, ptr, shape, strides, dtype, access) = unsafe {
        let managed = ffi::PyCapsule_GetPointer(capsule.as_ptr(), M::NAME.as_ptr()).cast::<M>();
        let managed = NonNull::new(managed).ok_or_else(|| PyErr::fetch(capsule.py()))?;
        let (tensor, access) = managed.as_ref().tensor()?;
        let dtype = dtype_of(tensor.dtype)?;
        let (ptr, shape, strides) = place(tensor, dtype)?;
        (managed, ptr, shape, strides, dtype, access)
    };
    // SAFETY: as above; the new name is static.
    if unsafe { ffi::PyCapsule_SetName(capsule.as_ptr(), M::USED.as_ptr()) } != 0 {
        return Err(PyErr::fetch(capsule.py()));
    }
    let owner = Box::new(Taken(managed));
    // SAFETY: the producer keeps the memory that it describes, writable unless its flag says otherwise, until the deleter is
    // called, which happens when the storage drops the owner.
    let tensor = unsafe { tensor_over(ptr, shape, strides, dtype, access, owner) };
    tensor.ok_or_else(|| PyBufferError::new_err("from_dlpack: the memory is not aligned for its elements"))
}

/// A tensor over the memory of an object with `__dlpack__`.
pub(super) fn import(ob: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = ob.py();
    refuse_mask(ob)?;
    if !ob.hasattr("__dlpack__")? {
        let name = ob.get_type().name()?;
        return Err(PyTypeError::new_err(format!("from_dlpack: expected an array with __dlpack__, got {name}")));
    }
    if ob.hasattr("__dlpack_device__")? {
        let (kind, _): (i32, i32) = ob.call_method0("__dlpack_device__")?.extract()?;
        if kind != CPU.kind {
            return Err(PyBufferError::new_err(format!(
                "from_dlpack: the array is on a device of kind {kind}, and tensors are on the CPU (1); move it there first"
            )));
        }
    }
    let newest = PyDict::new(py);
    newest.set_item("max_version", (1, 0))?;
    let capsule = match ob.call_method("__dlpack__", (), Some(&newest)) {
        // A producer from before version 1 does not know the argument.
        Err(e) if e.is_instance_of::<PyTypeError>(py) => ob.call_method0("__dlpack__")?,
        other => other?,
    };
    // SAFETY: any object may be asked whether it is a capsule of this name.
    let is = |name: &CStr| unsafe { ffi::PyCapsule_IsValid(capsule.as_ptr(), name.as_ptr()) == 1 };
    if is(Versioned::NAME) {
        take::<Versioned>(&capsule)
    } else if is(Legacy::NAME) {
        take::<Legacy>(&capsule)
    } else {
        Err(PyBufferError::new_err(format!(
            "from_dlpack: {}.__dlpack__() gave no DLPack capsule, or one that was used before",
            ob.get_type().name()?
        )))
    }
}

/// A tensor over the memory of another library's array on the CPU, by DLPack's protocol; a copy if `copy` is true.
///
/// Writing to one changes the other; a tensor over read-only memory cannot be written to. `TypeError` if `x` has no `__dlpack__`,
/// or a dtype that rgrad lacks, `BufferError` if its memory cannot be shared: it is on another device or misaligned, strides are
/// negative, or bools are bytes other than 0 and 1.
#[pyfunction]
#[pyo3(signature = (x: "Any", *, copy=None))]
pub fn from_dlpack(x: &Bound<'_, PyAny>, copy: Option<bool>) -> Out {
    let shared = import(x)?;
    if copy == Some(true) {
        return run(x.py(), shared.numel(), || copy_of(&shared)).map(Into::into);
    }
    if !are_truths(x.py(), &shared)? {
        return Err(PyBufferError::new_err(
            "from_dlpack: memory cannot be shared whose truth values are other bytes than 0 and 1; write copy=True",
        ));
    }
    Ok(shared.into())
}
