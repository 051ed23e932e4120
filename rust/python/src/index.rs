//! Indices: the expression in the brackets of `x[…]`.

use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::inspect::PyStaticExpr;
use pyo3::type_hint_identifier;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PyRange, PySlice, PyTuple};
use rgrad_engine::ops::{self, Index};
use rgrad_engine::{DType, Number, Tensor};

use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::interop;
use crate::make::from_list;
use crate::tensor::PyTensor;

/// The items of an index: slices, integers, `None`, `...`, and positions or masks as tensors, arrays or lists.
pub(crate) struct Indices(pub(crate) Vec<Index>);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Indices {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_identifier!("typing", "Any");

    fn extract(index: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match index.cast::<PyTuple>() {
            Ok(all) => all.iter().map(|i| item(&i)).collect::<PyResult<_>>().map(Self),
            Err(_) => Ok(Self(vec![item(&index)?])),
        }
    }
}

/// `IndexError` unless all integers are rows of a table of so many.
#[pyfunction]
pub fn _check_rows(index: &Bound<'_, PyTensor>, rows: usize) -> PyResult<()> {
    let (py, t) = (index.py(), &index.get().inner);
    run(py, t.numel(), || ops::check_rows("embedding", t, rows))
}

fn item(ob: &Bound<'_, PyAny>) -> PyResult<Index> {
    if ob.is_none() {
        return Ok(Index::NewAxis);
    }
    if ob.is(PyEllipsis::get(ob.py())) {
        return Ok(Index::Ellipsis);
    }
    if let Ok(slice) = ob.cast::<PySlice>() {
        let part = |name: &str| bound(&slice.getattr(name)?);
        return Ok(Index::Slice { start: part("start")?, stop: part("stop")?, step: part("step")?.unwrap_or(1) });
    }
    if let Ok(b) = ob.cast::<PyBool>() {
        return Tensor::scalar(Number::Bool(b.is_true()), DType::Bool).map(Index::Tensor).map_err(to_py);
    }
    if ob.cast::<PyInt>().is_ok() {
        let beyond = |_| PyIndexError::new_err(format!("index: {ob} is out of range for any size"));
        return ob.extract().map(Index::At).map_err(beyond);
    }
    if let Ok(t) = ob.cast::<PyTensor>() {
        return Ok(Index::Tensor(t.get().inner.detach()));
    }
    let is_sequence = ob.is_instance_of::<PyList>() || ob.is_instance_of::<PyRange>() || ob.is_instance_of::<PyTuple>();
    if let Some(t) = if is_sequence { Some(from_list(ob)?) } else { interop::copied(ob)? } {
        // An empty list is an empty list of indices, though NumPy makes floats of it.
        let t = if is_sequence && t.numel() == 0 { ops::cast(&t, DType::Int64).map_err(to_py)? } else { t };
        return Ok(Index::Tensor(t));
    }
    let name = ob.get_type().name()?;
    Err(PyTypeError::new_err(format!("a tensor is indexed by integers, slices, ..., None, or tensors, not by {name}")))
}

/// A bound of a slice. As NumPy does, one beyond all sizes is clipped, not refused.
fn bound(value: &Bound<'_, PyAny>) -> PyResult<Option<isize>> {
    match value.extract() {
        Err(_) if value.cast::<PyInt>().is_ok() => Ok(Some(if value.lt(0)? { isize::MIN } else { isize::MAX })),
        other => other,
    }
}
