//! Results of several tensors, and `max` and `min`, which return one or two.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use pyo3::{PyTypeInfo, type_hint_identifier, type_hint_subscript, type_hint_union};
use rgrad_engine::{Result, Tensor};

use crate::args::{self, Int};
use crate::dtype::value_error;
use crate::entry::prelude::*;
use crate::error::run;
use crate::functions::either;
use crate::tensor::PyTensor;

/// Several results, as a tuple.
pub struct Tuple(Vec<PyTensor>);

impl From<Vec<Tensor>> for Tuple {
    fn from(all: Vec<Tensor>) -> Self {
        Self(all.into_iter().map(Into::into).collect())
    }
}

#[conversion]
impl<'py> IntoPyObject<'py> for Tuple {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;
    const OUTPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "tuple"),
        PyTensor::TYPE_HINT,
        PyStaticExpr::Constant { value: PyStaticConstant::Ellipsis }
    );
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0)
    }
}

/// Two results, as a tuple.
pub struct Pair(Tensor, Tensor);

impl From<(Tensor, Tensor)> for Pair {
    fn from((a, b): (Tensor, Tensor)) -> Self {
        Self(a, b)
    }
}

#[conversion]
impl<'py> IntoPyObject<'py> for Pair {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;
    const OUTPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("builtins", "tuple"), PyTensor::TYPE_HINT, PyTensor::TYPE_HINT);
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        (PyTensor::from(self.0), PyTensor::from(self.1)).into_pyobject(py)
    }
}

/// Values and their indices, as the named tuple of `rgrad.return_types`.
pub struct ValuesIndices(Tensor, Tensor);

impl From<(Tensor, Tensor)> for ValuesIndices {
    fn from((values, indices): (Tensor, Tensor)) -> Self {
        Self(values, indices)
    }
}

#[conversion]
impl<'py> IntoPyObject<'py> for ValuesIndices {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;
    const OUTPUT_TYPE: PyStaticExpr = type_hint_identifier!("rgrad.return_types", "ValuesIndices");
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let class = CLASS.import(py, "rgrad.return_types", "ValuesIndices")?;
        class.call1((PyTensor::from(self.0), PyTensor::from(self.1)))
    }
}

/// The results of `max` and `min`.
pub enum Extreme {
    One(Tensor),
    Along(ValuesIndices),
}

#[conversion]
impl<'py> IntoPyObject<'py> for Extreme {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;
    const OUTPUT_TYPE: PyStaticExpr = type_hint_identifier!("typing", "Any");
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self {
            Extreme::One(t) => PyTensor::from(t).into_bound_py_any(py),
            Extreme::Along(pair) => pair.into_pyobject(py),
        }
    }
}

/// The second argument of `max` and `min`: a dimension, or another tensor.
pub(crate) enum DimOrTensor {
    Dim(isize),
    Tensor(args::Tensor),
}

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for DimOrTensor {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_union!(type_hint_identifier!("builtins", "int"), args::Tensor::INPUT_TYPE);

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if ob.cast::<PyTensor>().is_err()
            && let Ok(dim) = ob.extract::<Int>()
        {
            return Ok(Self::Dim(dim.0));
        }
        if ob.cast::<PyTuple>().is_ok() {
            return Err(PyTypeError::new_err(
                "max and min take one dim, along which they also give indices; for several write amax or amin",
            ));
        }
        ob.extract().map(Self::Tensor)
    }
}

/// The arguments of `max` and `min`, as given.
pub(crate) struct Asked {
    pub(crate) dim: Option<DimOrTensor>,
    pub(crate) keepdim: Option<bool>,
    pub(crate) other: Option<args::Tensor>,
    pub(crate) axis: Option<Int>,
    pub(crate) keepdims: Option<bool>,
}

impl Asked {
    /// Whether two tensors are to be compared.
    pub(crate) fn is_pairwise(&self) -> bool {
        self.other.is_some() || matches!(self.dim, Some(DimOrTensor::Tensor(_)))
    }
}

type Whole = fn(&Tensor, Option<&[isize]>, bool) -> Result<Tensor>;
type Along = fn(&Tensor, isize, bool) -> Result<(Tensor, Tensor)>;
type Pairwise = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// The largest or smallest of all elements, of those along a dimension, or of two tensors elementwise.
pub(crate) fn extreme(
    py: Python<'_>,
    x: &Tensor,
    name: &str,
    asked: Asked,
    (whole, along, pairwise): (Whole, Along, Pairwise),
) -> PyResult<Extreme> {
    let (dim, other) = match asked.dim {
        Some(DimOrTensor::Tensor(t)) => (None, either("other", Some(t), asked.other)?),
        Some(DimOrTensor::Dim(dim)) => (Some(dim), asked.other),
        None => (None, asked.other),
    };
    let dim = either("dim", dim, asked.axis.map(|axis| axis.0))?;
    let keepdim = either("keepdim", asked.keepdim, asked.keepdims)?;
    match (dim, other) {
        (Some(_), Some(_)) => Err(value_error(format!("{name}: give a dim or another tensor, not both"))),
        (None, Some(_)) if keepdim.is_some() => {
            Err(value_error(format!("{name}: keepdim has no meaning for two tensors")))
        }
        (None, Some(other)) => run(py, x.numel(), || pairwise(x, &other.0)).map(Extreme::One),
        (Some(dim), None) => {
            run(py, x.numel(), || along(x, dim, keepdim.unwrap_or(false))).map(|pair| Extreme::Along(pair.into()))
        }
        (None, None) => run(py, x.numel(), || whole(x, None, keepdim.unwrap_or(false))).map(Extreme::One),
    }
}
