//! Tensors from Python objects: numbers, nested lists, arrays.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySequence, PyString};
use rgrad_engine::{DType, Number, Tensor, ops};

use crate::args::number;
use crate::dtype::AnyDType;
use crate::error::{run, to_py};
use crate::interop;
use crate::tensor::PyTensor;

/// A tensor with a copy of what any Python object holds.
pub(crate) fn make(data: &Bound<'_, PyAny>, dtype: Option<AnyDType>, requires_grad: bool) -> PyResult<Tensor> {
    let py = data.py();
    let value = if let Ok(t) = data.cast::<PyTensor>() {
        let t = t.get().inner.detach();
        run(py, t.numel(), || ops::clone(&t))?
    } else if let Some(n) = if data.hasattr(intern!(py, "dtype"))? { None } else { number(data)? } {
        let own = match n {
            Number::Bool(_) => DType::Bool,
            Number::Int(_) => DType::Int64,
            Number::Float(_) => DType::default_float(),
        };
        let dtype = dtype.as_ref().map_or(own, |d| d.0);
        n.check_fits("tensor", dtype).map_err(to_py)?;
        Tensor::scalar(n, dtype).map_err(to_py)?
    } else if let Some(t) = interop::converted(data)? {
        t
    } else if let Some(d) = &dtype {
        from_list_for("tensor", data, d.0)?
    } else {
        from_list(data)?
    };
    let value = match dtype {
        Some(d) => run(py, value.numel(), || ops::cast(&value, d.0))?,
        None => value,
    };
    value.set_requires_grad(requires_grad).map_err(to_py)?;
    Ok(value)
}

/// Nested lists, whose floats become the default dtype.
pub(crate) fn from_list(data: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let made = copied(&array(data)?)?;
    let own = data.cast::<PyTensor>().is_ok() || (has_dtype(&first_leaf(data)?)? && holds_float64(data)?);
    if made.dtype() == DType::Float64 && !own {
        return run(data.py(), made.numel(), || ops::cast(&made, DType::default_float()));
    }
    Ok(made)
}

/// Nested lists, still to be converted to `dtype`, without a rounding in between. `ValueError` if it cannot hold them.
pub(crate) fn from_list_for(op: &str, data: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Tensor> {
    let array = array(data)?;
    let made = copied(&array)?;
    if dtype.is_integer() && made.dtype() != dtype && made.numel() > 0 {
        for extreme in ["min", "max"] {
            if let Some(n) = number(&array.call_method0(extreme)?.call_method0("item")?)? {
                n.check_fits(op, dtype).map_err(to_py)?;
            }
        }
    }
    Ok(made)
}

fn refuse(data: &Bound<'_, PyAny>, why: &str) -> PyErr {
    let name = data.get_type().name().map_or_else(|_| String::new(), |n| n.to_string());
    PyTypeError::new_err(format!("tensor: cannot make a tensor from {name}: {why}"))
}

/// Nested lists of numbers as a NumPy array.
fn array<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    if data.cast::<PyString>().is_ok() || data.cast::<PyDict>().is_ok() {
        return Err(refuse(data, "expected numbers, nested lists or an array"));
    }
    let array = py.import("numpy")?.call_method1("array", (data,)).map_err(|e| {
        // A tensor in the list that cannot become an array says why.
        if e.is_instance_of::<PyRuntimeError>(py) {
            return e;
        }
        let text = e.value(py).to_string();
        PyValueError::new_err(format!("tensor: the nested lists do not form an array: {text}"))
    })?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if "OSU".contains(&*kind) {
        return Err(refuse(data, "expected numbers, nested lists of them, or an array"));
    }
    Ok(array)
}

fn copied(array: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    interop::copied(array)?.ok_or_else(|| refuse(array, "expected numbers, nested lists or an array"))
}

fn has_dtype(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    item.hasattr("dtype")
}

/// The first innermost item of nested sequences: if it is a Python number, the others are taken for such, too.
fn first_leaf<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let mut item = data.clone();
    while let Ok(sequence) = item.cast::<PySequence>() {
        if sequence.len()? == 0 {
            break;
        }
        item = sequence.get_item(0)?;
    }
    Ok(item)
}

/// Whether an item of nested sequences, all of which NumPy has understood, is an array, a tensor or a scalar of float64.
fn holds_float64(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(dtype) = item.getattr("dtype") {
        return dtype.getattr("name")?.eq(DType::Float64.name());
    }
    let Ok(sequence) = item.cast::<PySequence>() else { return Ok(false) };
    for item in sequence.try_iter()? {
        if holds_float64(&item?)? {
            return Ok(true);
        }
    }
    Ok(false)
}
