//! Dtypes as Python objects, and all the ways of naming one.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString, PyType};
use pyo3::{PyTypeInfo, type_hint_identifier, type_hint_union};
use rgrad_engine::DType;

use crate::entry::prelude::*;

/// The type of a tensor's elements: `rgrad.float32`, `float64`, `int64`, `int32`, `uint8` or `bool`.
#[pyclass(name = "DType", module = "rgrad", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyDType(pub(crate) DType);

#[pymethods]
impl PyDType {
    /// The dtype of that name.
    #[new]
    fn new(name: &str) -> PyResult<Self> {
        DType::from_name(name).map(Self).ok_or_else(|| unknown(name))
    }
    /// NumPy's name for it.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name()
    }
    /// Bytes of an element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }
    /// Whether it is `float32` or `float64`.
    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_float()
    }
    fn __repr__(&self) -> String {
        format!("rgrad.{}", self.0)
    }
    fn __reduce__(slf: &Bound<'_, Self>) -> (Py<PyType>, (&'static str,)) {
        (slf.get_type().unbind(), (slf.get().0.name(),))
    }
}

fn unknown(name: &str) -> PyErr {
    let names = DType::ALL.map(DType::name).join(", ");
    PyTypeError::new_err(format!("rgrad has no dtype {name}; it has {names}"))
}

/// An argument that names a dtype: one of rgrad's, its name, a NumPy dtype or scalar type, or Python's float, int or bool.
pub(crate) struct AnyDType(pub(crate) DType);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for AnyDType {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_union!(PyDType::TYPE_HINT, type_hint_identifier!("numpy.typing", "DTypeLike"));

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(own) = ob.cast::<PyDType>() {
            return Ok(Self(own.get().0));
        }
        let py = ob.py();
        if ob.is(PyFloat::type_object(py)) {
            return Ok(Self(DType::default_float()));
        }
        if ob.is(PyInt::type_object(py)) {
            return Ok(Self(DType::Int64));
        }
        if ob.is(PyBool::type_object(py)) {
            return Ok(Self(DType::Bool));
        }
        if let Ok(name) = ob.cast::<PyString>() {
            let name = name.to_string();
            return DType::from_name(&name).map(Self).ok_or_else(|| unknown(&name));
        }
        let name = py.import("numpy")?.getattr("dtype")?.call1((ob,)).and_then(|d| d.getattr("name"));
        match name {
            Ok(name) => {
                let name: String = name.extract()?;
                DType::from_name(&name).map(Self).ok_or_else(|| unknown(&name))
            }
            Err(_) => Err(PyTypeError::new_err(format!("expected a dtype, got {}", ob.repr()?))),
        }
    }
}

/// The dtype of a buffer's PEP 3118 format; `None` if rgrad has no such dtype in native byte order.
pub(crate) fn from_format(format: &str, itemsize: usize) -> Option<DType> {
    let native = if cfg!(target_endian = "little") { '<' } else { '>' };
    let code = format.strip_prefix(['@', '=', native]).unwrap_or(format);
    match (code, itemsize) {
        ("f", 4) => Some(DType::Float32),
        ("d", 8) => Some(DType::Float64),
        ("q" | "l", 8) => Some(DType::Int64),
        ("i" | "l", 4) => Some(DType::Int32),
        ("B", 1) => Some(DType::UInt8),
        ("?", 1) => Some(DType::Bool),
        _ => None,
    }
}

/// The dtype of Python floats.
#[pyfunction]
pub fn get_default_dtype() -> PyDType {
    PyDType(DType::default_float())
}

/// Sets the dtype of Python floats: float32 or float64. `TypeError` for any other.
#[pyfunction]
pub fn set_default_dtype(dtype: AnyDType) -> PyResult<()> {
    dtype.0.set_default_float().map_err(crate::error::to_py)
}

/// A `ValueError`, for arguments that are checked here.
pub(crate) fn value_error(message: impl Into<String>) -> PyErr {
    PyValueError::new_err(message.into())
}
