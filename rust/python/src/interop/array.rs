//! NumPy arrays, NumPy scalars, and whatever else exports a buffer.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyRecursionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use rgrad_engine::shape::Dims;
use rgrad_engine::{DType, Number, Result, Tensor, compile, ops};
use rgrad_kernels::buffer::Access;

use super::{dlpack, strides, tensor_over, unlendable};
use crate::dtype::from_format;
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::operands::{number, type_name};
use crate::tensor::PyTensor;

/// Borrowed memory.
struct Exported {
    buffer: PyUntypedBuffer,
    /// The type of the elements, if rgrad has it.
    dtype: Option<DType>,
    /// Whether it is zero-dimensional, which is exported as a vector of one element.
    scalar: bool,
}

/// A tensor over borrowed memory, or `None` if its elements, strides (negative, or not whole elements) or alignment do not fit.
fn borrow(Exported { buffer, dtype, scalar }: Exported) -> Option<Tensor> {
    let dtype = dtype?;
    if buffer.suboffsets().is_some_and(|all| all.iter().any(|&offset| offset >= 0)) {
        return None;
    }
    let size = dtype.size() as isize;
    let bytes = buffer.strides();
    let shape = if scalar { Dims::new() } else { Dims::from_slice(buffer.shape()) };
    if shape.iter().zip(bytes).any(|(&n, s)| n > 1 && s % size != 0) {
        return None;
    }
    let strides = strides(&shape, bytes.iter().map(|s| s / size))?;
    let access = if buffer.readonly() { Access::ReadOnly } else { Access::ReadWrite };
    let ptr = buffer.buf_ptr().cast();
    // SAFETY: the exporter keeps the memory valid, for writes unless it says that it is read-only, until the buffer is
    // released, which happens when the tensor's storage drops it; it says that the elements are of this dtype, and there are
    // no suboffsets, so shape and strides say where they lie.
    unsafe { tensor_over(ptr, shape, strides, dtype, access, Box::new(buffer)) }
}

/// The memory behind `ob`, if it exports a buffer. `TypeError` if it is a masked array.
fn exported(ob: &Bound<'_, PyAny>) -> PyResult<Option<Exported>> {
    refuse_mask(ob)?;
    let (buffer, scalar) = if let Ok(buffer) = PyUntypedBuffer::get(ob) {
        (buffer, false)
    } else {
        // NumPy exports 0-d arrays without a shape, which PyO3 takes for an error.
        let one = ob.call_method1(intern!(ob.py(), "reshape"), (1,));
        let Ok(buffer) = one.and_then(|one| PyUntypedBuffer::get(&one)) else { return Ok(None) };
        (buffer, true)
    };
    let dtype = from_format(&buffer.format().to_string_lossy(), buffer.item_size());
    Ok(Some(Exported { buffer, dtype, scalar }))
}

/// `TypeError` for an array with a mask, which no tensor has: its gaps would become values.
pub(crate) fn refuse_mask(ob: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = ob.py();
    let ndarray = numpy(py, &NDARRAY, "ndarray")?;
    if ob.get_type().is(ndarray) || !ob.is_instance(ndarray)? || !ob.hasattr(intern!(py, "mask"))? {
        return Ok(());
    }
    let text = "a tensor has no mask: fill the gaps of the masked array first, with array.filled(value)";
    Err(PyTypeError::new_err(text))
}

/// The dtype that holds every value of NumPy's type of this kind and size, in any byte order.
fn holding(kind: &str, itemsize: usize) -> Option<DType> {
    match (kind, itemsize) {
        ("b", 1) => Some(DType::Bool),
        ("u", 1) => Some(DType::UInt8),
        ("i", 1 | 2 | 4) | ("u", 2) => Some(DType::Int32),
        ("i", 8) | ("u", 4) => Some(DType::Int64),
        ("f", 2 | 4) => Some(DType::Float32),
        ("f", 8) => Some(DType::Float64),
        _ => None,
    }
}

fn kind_and_size(array: &Bound<'_, PyAny>) -> PyResult<(String, usize)> {
    let py = array.py();
    let dtype = array.getattr(intern!(py, "dtype"))?;
    Ok((dtype.getattr(intern!(py, "kind"))?.extract()?, dtype.getattr(intern!(py, "itemsize"))?.extract()?))
}

/// The error for an array whose elements no dtype holds, with what to do instead.
fn unsupported(array: &Bound<'_, PyAny>) -> PyErr {
    let build = || -> PyResult<String> {
        let (kind, _) = kind_and_size(array)?;
        let hint = match &*kind {
            "c" => "take array.real and array.imag apart",
            "u" => "if all are below 2**63, convert with array.astype(\"int64\")",
            "f" => "convert with array.astype(\"float64\"), the widest that there is",
            "M" | "m" => "convert with array.astype(\"int64\")",
            "O" => "they are Python objects; if all are numbers, convert with array.astype(\"float64\")",
            "S" | "U" | "T" => "they are strings; if they spell numbers, convert with array.astype(\"float64\")",
            _ => "take one field of a structured array, or convert, for example with array.astype(\"float32\")",
        };
        Ok(format!("rgrad has no dtype for elements of {}: {hint}", array.getattr("dtype")?))
    };
    build().map_or_else(|error| error, PyTypeError::new_err)
}

/// A NumPy scalar as a 0-d tensor.
fn scalar(ob: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let (kind, size) = kind_and_size(ob)?;
    let dtype = holding(&kind, size).ok_or_else(|| unsupported(ob))?;
    let number = number(&ob.call_method0(intern!(ob.py(), "item"))?)?.ok_or_else(|| unsupported(ob))?;
    Tensor::scalar(number, dtype).map_err(to_py)
}

/// A tensor with a copy of the elements of an array, NumPy scalar or other buffer; `None` if `ob` is none of these.
///
/// Elements of types that rgrad lacks are converted to the smallest dtype that holds all of their values: float16 to float32,
/// int8, int16 and uint16 to int32, uint32 to int64, other byte orders to the machine's. `TypeError` if there is none.
pub(crate) fn copied(ob: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    let py = ob.py();
    let ndarray = numpy(py, &NDARRAY, "ndarray")?;
    if !ob.get_type().is(ndarray) && ob.is_instance(numpy(py, &GENERIC, "generic")?)? {
        return scalar(ob).map(Some);
    }
    if let Some(lent) = exported(ob)? {
        if let Some(view) = borrow(lent) {
            return own(py, &view).map(Some);
        }
    } else if !ob.is_instance(ndarray)? {
        return Ok(None);
    }
    let array = asarray(ob)?;
    let (kind, size) = kind_and_size(&array)?;
    let dtype = holding(&kind, size).ok_or_else(|| unsupported(&array))?;
    let order = PyDict::new(py);
    order.set_item("order", "C")?;
    let ours = array.call_method("astype", (dtype.name(),), Some(&order))?;
    let view = exported(&ours)?.and_then(borrow).ok_or_else(|| PyTypeError::new_err("cannot read this array"))?;
    own(py, &view).map(Some)
}

/// A tensor with its own copy of borrowed elements.
fn own(py: Python<'_>, view: &Tensor) -> PyResult<Tensor> {
    run(py, view.numel(), || compile::constant(|| copy_of(view)))
}

pub(super) fn copy_of(view: &Tensor) -> Result<Tensor> {
    if view.dtype() != DType::Bool {
        return ops::clone(view);
    }
    // Any byte but 0 is true for NumPy, as in a mask of 0 and 255 that array.view(bool) made; for the kernels it is 1.
    ops::ne(&ops::cast(view, DType::UInt8)?, &Tensor::scalar(Number::Int(0), DType::UInt8)?)
}

/// Whether borrowed bools are all 0 or 1, as kernels assume. Other dtypes may hold any bytes.
pub(super) fn are_truths(py: Python<'_>, view: &Tensor) -> PyResult<bool> {
    if view.dtype() != DType::Bool || view.numel() == 0 {
        return Ok(true);
    }
    let largest = || compile::constant(|| ops::amax(&ops::cast(view, DType::UInt8)?, None, false))?.item();
    Ok(!matches!(run(py, view.numel(), largest)?, Number::Int(2..)))
}

/// A tensor with a copy of the elements of another library's array or table, through DLPack or NumPy's protocols; `None` if `ob`
/// supports neither. The rows of a table become rows of the tensor, by position, ignoring its index.
pub(crate) fn converted(ob: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    if let Some(t) = copied(ob)? {
        return Ok(Some(t));
    }
    let has_array = ob.hasattr("__array__")? || ob.hasattr("__array_interface__")?;
    if ob.hasattr("__dlpack__")? {
        match dlpack::import(ob) {
            Ok(shared) => return own(ob.py(), &shared).map(Some),
            Err(refused) if !has_array => return Err(refused),
            // Memory that cannot be shared, such as a column with missing values, may still be copied.
            Err(refused) => return asarray(ob).and_then(|array| copied(&array)).map_err(|_| refused),
        }
    }
    if !has_array {
        return Ok(None);
    }
    let array = asarray(ob)?;
    let (kind, size) = kind_and_size(&array)?;
    if holding(&kind, size).is_none()
        && let Some(columns) = columns(ob)?
    {
        return copied(&columns);
    }
    copied(&array)
}

/// The columns of a table stacked into an array of their common dtype; `None` if `ob` is not a table. `TypeError` if a column is
/// not numeric; the message names it.
fn columns<'py>(ob: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    // pyarrow has names in `column_names` and the columns themselves in `columns`.
    let names = ["column_names", "columns"].into_iter().find_map(|name| ob.getattr_opt(name).transpose());
    let Some(names) = names.transpose()? else { return Ok(None) };
    let py = ob.py();
    let mut all = Vec::new();
    for name in names.try_iter()? {
        let name = name?;
        let column = asarray(&ob.get_item(&name)?)?;
        let refuse = |why: String| PyTypeError::new_err(format!("column {} of the table {why}", repr(&name)));
        if column.getattr("ndim")?.extract::<usize>()? != 1 {
            return Err(refuse("is there more than once: rename it".to_string()));
        }
        let (kind, size) = kind_and_size(&column)?;
        if holding(&kind, size).is_none() {
            return Err(refuse(format!("cannot become a part of a tensor: {}", unsupported(&column).value(py))));
        }
        all.push(column);
    }
    py.import("numpy")?.call_method1("column_stack", (PyList::new(py, all)?,)).map(Some)
}

fn repr(ob: &Bound<'_, PyAny>) -> String {
    ob.repr().map_or_else(|_| String::new(), |text| text.to_string())
}

/// A tensor that shares the memory of a NumPy array (or of another exporter of a buffer).
///
/// Writing to one changes the other; a tensor over a read-only array cannot be written to. `TypeError` if rgrad lacks the dtype,
/// `ValueError` if strides are negative, elements are misaligned, or bools have bytes other than 0 and 1: copy the array with
/// rg.tensor(array) then. Other bytes must not be written to an array of bools later, either.
#[pyfunction]
#[pyo3(signature = (array))]
pub fn from_numpy(array: &Bound<'_, PyAny>) -> PyResult<PyTensor> {
    let Some(lent) = exported(array)? else {
        if array.cast::<PyTensor>().is_ok() {
            return Err(PyTypeError::new_err(
                "from_numpy: expected an array, got a tensor; x.detach() shares its memory",
            ));
        }
        // NumPy does not export elements that the protocol cannot describe.
        if array.is_instance(numpy(array.py(), &NDARRAY, "ndarray")?)? {
            return Err(unsupported(array));
        }
        let hint = if array.hasattr("__dlpack__")? {
            "; rg.from_dlpack(x) shares its memory, rg.tensor(x) makes a copy"
        } else if array.hasattr("__array__")? {
            "; rg.tensor(x) makes a copy, rg.from_numpy(numpy.asarray(x)) shares what NumPy shares"
        } else {
            ""
        };
        let name = type_name(array);
        return Err(PyTypeError::new_err(format!("from_numpy: expected a NumPy array, got {name}{hint}")));
    };
    if lent.dtype.is_none() {
        let array = asarray(array)?;
        let (kind, size) = kind_and_size(&array)?;
        return Err(match holding(&kind, size) {
            Some(ours) => PyTypeError::new_err(format!(
                "from_numpy: rgrad has no dtype for elements of {}, so their memory cannot be shared; \
                 rg.tensor(array) makes a copy of {ours}",
                array.getattr("dtype")?
            )),
            None => unsupported(&array),
        });
    }
    let shared = borrow(lent).ok_or_else(|| {
        PyValueError::new_err(
            "from_numpy: a tensor cannot share memory with negative strides or with elements that are not aligned; \
             copy with rg.tensor(array)",
        )
    })?;
    if !are_truths(array.py(), &shared)? {
        return Err(PyValueError::new_err(
            "from_numpy: a tensor cannot share memory whose truth values are other bytes than 0 and 1; \
             copy with rg.tensor(array), for which every byte but 0 is true",
        ));
    }
    Ok(shared.into())
}

type Once = PyOnceLock<Py<PyAny>>;
static ASARRAY: Once = PyOnceLock::new();
static NDARRAY: Once = PyOnceLock::new();
static GENERIC: Once = PyOnceLock::new();

/// An attribute of NumPy, which is imported when it is first needed.
fn numpy<'py>(py: Python<'py>, once: &'static Once, name: &str) -> PyResult<&'py Bound<'py, PyAny>> {
    once.import(py, "numpy", name)
}

/// `numpy.asarray(ob)`.
fn asarray<'py>(ob: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    numpy(ob.py(), &ASARRAY, "asarray")?.call1((ob,))
}

/// `ob` with arrays in place of tensors, also inside lists, tuples and dicts. `RuntimeError` if one requires gradients, unless
/// they are `detached`; `RecursionError` if containers nest more than `depth` deep.
fn with_arrays<'py>(ob: &Bound<'py, PyAny>, detached: bool, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    let py = ob.py();
    if let Ok(t) = ob.cast::<PyTensor>() {
        return Ok(if detached { array_of(py, &t.get().inner)? } else { PyTensor::numpy(t)? }.into_bound(py));
    }
    let inside = |item: Bound<'py, PyAny>| {
        let below = depth.checked_sub(1).ok_or_else(|| {
            let text = "an argument of NumPy's function holds itself, or lists, tuples and dicts that lie too deep";
            PyRecursionError::new_err(text)
        })?;
        with_arrays(&item, detached, below)
    };
    if let Ok(tuple) = ob.cast::<PyTuple>() {
        let items = tuple.iter().map(inside).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyTuple::new(py, items)?.into_any());
    }
    if let Ok(list) = ob.cast::<PyList>() {
        let items = list.iter().map(inside).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyList::new(py, items)?.into_any());
    }
    if let Ok(dict) = ob.cast::<PyDict>() {
        let copy = PyDict::new(py);
        for (key, value) in dict.iter() {
            copy.set_item(key, inside(value)?)?;
        }
        return Ok(copy.into_any());
    }
    Ok(ob.clone())
}

/// NumPy's and the buffer protocol's limit.
pub(crate) const MAX_DIMS: usize = 64;

/// A NumPy array over the memory of `t`, which the array keeps.
pub(crate) fn array_of(py: Python<'_>, t: &Tensor) -> PyResult<Py<PyAny>> {
    if t.ndim() > MAX_DIMS {
        let n = t.ndim();
        return Err(PyValueError::new_err(format!(
            "a NumPy array has at most {MAX_DIMS} dimensions, this tensor has {n}"
        )));
    }
    Ok(asarray(Bound::new(py, PyTensor::from(t.detach()))?.as_any())?.unbind())
}

#[pymethods]
impl PyTensor {
    /// A NumPy array that shares this tensor's memory; it is read-only if that memory is.
    ///
    /// `RuntimeError` if the tensor requires gradients or has a tangent: write x.detach().numpy().
    #[pyo3(signature = () -> "numpy.ndarray")]
    fn numpy(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let t = &slf.get().inner;
        unlendable(t, PyRuntimeError::new_err).map_or_else(|| array_of(slf.py(), t), Err)
    }
    /// NumPy's protocol: an array of the elements, sharing memory unless `dtype` or `copy` require a copy.
    #[pyo3(signature = (dtype=None, copy=None) -> "numpy.ndarray")]
    fn __array__(slf: &Bound<'_, Self>, dtype: Option<&Bound<'_, PyAny>>, copy: Option<bool>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let array = Self::numpy(slf)?;
        if dtype.is_none() && copy != Some(true) {
            return Ok(array);
        }
        let kwargs = PyDict::new(py);
        kwargs.set_item("dtype", dtype)?;
        if copy.is_some() {
            kwargs.set_item("copy", copy)?;
            return Ok(py.import("numpy")?.call_method("array", (array,), Some(&kwargs))?.unbind());
        }
        Ok(py.import("numpy")?.call_method("asarray", (array,), Some(&kwargs))?.unbind())
    }
    /// NumPy's protocol for functions other than ufuncs: `np.sum(t)`, `np.stack([t, u])` and others accept tensors as arrays,
    /// and return arrays. `RuntimeError` if a tensor requires gradients, which would be lost.
    #[pyo3(signature = (func, types, args, kwargs) -> "Any")]
    fn __array_function__<'py>(
        &self,
        func: &Bound<'py, PyAny>,
        types: &Bound<'py, PyAny>,
        args: &Bound<'py, PyAny>,
        kwargs: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = types;
        let name: String = func.getattr("__name__")?.extract()?;
        // These cannot lose a gradient.
        let detached = ["shape", "ndim", "size"].contains(&&*name);
        // Lists of the largest number of dimensions, in a sequence of operands, in the arguments.
        let depth = MAX_DIMS + 2;
        let (args, kwargs) = (with_arrays(args, detached, depth)?, with_arrays(kwargs, detached, depth)?);
        func.call(args.cast::<PyTuple>()?, Some(kwargs.cast::<PyDict>()?))
    }
    /// The bytes of the elements in row-major order.
    fn __bytes__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = Self::numpy(slf)?.bind(slf.py()).call_method0("tobytes")?;
        Ok(bytes.cast_into()?)
    }
    /// NumPy defers operators with tensors to the tensors, so `array + tensor` is a tensor.
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None
    }
    /// So does pandas, whose frames have 4000: `series + tensor` is a tensor.
    #[classattr]
    fn __pandas_priority__() -> u32 {
        5000
    }
}
