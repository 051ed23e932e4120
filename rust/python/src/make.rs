//! Tensors from Python objects: numbers, nested lists, arrays.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyRange, PySequence, PyString, PyTuple};
use rgrad_engine::{DType, Number, Tensor, ops};

use crate::dtype::AnyDType;
use crate::error::{run, to_py};
use crate::interop;
use crate::operands::number;
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
    let leaves = Leaves::of(data)?;
    let made = copied(&array(data)?)?;
    let own = data.cast::<PyTensor>().is_ok() || (leaves.arrays && leaves.float64);
    if made.dtype() == DType::Float64 && !own {
        return run(data.py(), made.numel(), || ops::cast(&made, DType::default_float()));
    }
    Ok(made)
}

/// Nested lists, to be converted to `dtype` without intermediate rounding. `ValueError` if it cannot hold them.
pub(crate) fn from_list_for(op: &str, data: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Tensor> {
    Leaves::of(data)?;
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
        // A tensor in the list that cannot become an array says why; gradients are what it mostly is.
        if e.is_instance_of::<PyRuntimeError>(py) {
            if holds_taped(data, interop::MAX_DIMS).unwrap_or(false) {
                return PyRuntimeError::new_err(
                    "tensor: an item of the list requires gradients, which could not flow back from a tensor of copies; \
                     put tensors together with rg.stack([...]) or rg.cat([...]), or write item.detach()",
                );
            }
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

/// Whether an item of a nested list requires gradients.
fn holds_taped(item: &Bound<'_, PyAny>, depth: usize) -> PyResult<bool> {
    if let Ok(t) = item.cast::<PyTensor>() {
        return Ok(t.get().inner.requires_grad());
    }
    let Ok(sequence) = item.cast::<PySequence>() else { return Ok(false) };
    if depth == 0 {
        return Ok(false);
    }
    for item in sequence.try_iter()? {
        if holds_taped(&item?, depth - 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `data` is a Python number, or nested lists that begin with one.
pub(crate) fn is_plain(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
        return Leaves::of(data).map(|leaves| leaves.seen && !leaves.arrays);
    }
    Ok(!data.hasattr("dtype")? && (data.is_instance_of::<PyFloat>() || data.is_instance_of::<PyInt>()))
}

/// What nested sequences contain.
#[derive(Default)]
struct Leaves {
    seen: bool,
    /// Whether the first item has a dtype; if it is a Python number, so are the others assumed to be.
    arrays: bool,
    /// Whether one is an array, a tensor or a scalar of float64.
    float64: bool,
}

impl Leaves {
    /// Inspects all items. `ValueError` if sequences are nested more deeply than tensors have dimensions, or contain themselves,
    /// `TypeError` if an array has a mask.
    fn of(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut found = Self::default();
        found.look(data, interop::MAX_DIMS)?;
        Ok(found)
    }

    fn look(&mut self, item: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        if item.is_exact_instance_of::<PyFloat>()
            || item.is_exact_instance_of::<PyInt>()
            || item.is_exact_instance_of::<PyBool>()
        {
            self.seen = true;
            return Ok(());
        }
        if item.is_exact_instance_of::<PyList>() || item.is_exact_instance_of::<PyTuple>() || is_sequence(item)? {
            let Some(below) = depth.checked_sub(1) else {
                let most = interop::MAX_DIMS;
                let text = format!("tensor: the lists hold themselves, or lie in each other more than {most} times");
                return Err(PyValueError::new_err(text));
            };
            // A length beyond that of any list is an OverflowError here; all items of a range are alike.
            let length = item.len()?;
            let alike = item.is_instance_of::<PyRange>();
            for (i, item) in item.try_iter()?.take(if alike { 1 } else { usize::MAX }).enumerate() {
                if i == length {
                    let text = format!("tensor: a sequence has more items than its length of {length}");
                    return Err(PyValueError::new_err(text));
                }
                self.look(&item?, below)?;
            }
            return Ok(());
        }
        interop::refuse_mask(item)?;
        let dtype = item.getattr_opt(intern!(item.py(), "dtype"))?;
        self.arrays |= !self.seen && dtype.is_some();
        self.seen = true;
        if let Some(dtype) = dtype {
            self.float64 |=
                dtype.getattr_opt("name")?.is_some_and(|name| name.eq(DType::Float64.name()).unwrap_or(false));
        }
        Ok(())
    }
}

/// Whether to look inside: the characters of a string are strings again.
fn is_sequence(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    if item.is_instance_of::<PyString>() || item.is_instance_of::<PyBytes>() || item.hasattr("dtype")? {
        return Ok(false);
    }
    Ok(item.cast::<PySequence>().is_ok())
}
