//! The class `Tensor`: everything that is no operation of the engine's.

use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::intern;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyIterator, PyRange, PyString, PyTuple, PyType};
use pyo3::{type_hint_identifier, type_hint_subscript};
use rgrad_engine::ops;
use rgrad_engine::{DType, Number, Tensor, tape};

use crate::args::{self, Int, sequence};
use crate::create::Num;
use crate::dtype::{AnyDType, PyDType};
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::index::Indices;
use crate::interop::array_of;
use crate::make::{from_list_for, is_plain, make};
use crate::operands::{Beside, beside, number};

/// An n-dimensional array that remembers how it was computed.
///
/// The constructor copies numbers, nested lists, arrays or other tensors; `rgrad.from_numpy` shares memory instead. Unlike in
/// `rgrad.tensor`, Python numbers of any kind get the default dtype; arrays keep theirs. `rg.Tensor(3)`, in PyTorch a tensor of
/// three elements, is an error: write `rg.tensor(3)` or `rg.empty(3)`.
#[pyclass(name = "Tensor", module = "rgrad", frozen, subclass, weakref)]
pub struct PyTensor {
    pub(crate) inner: Tensor,
}

impl From<Tensor> for PyTensor {
    fn from(inner: Tensor) -> Self {
        Self { inner }
    }
}

/// A result: the tensor, or the engine's error.
pub(crate) type Out = PyResult<PyTensor>;

/// A shape as Python sees it.
pub(crate) struct Sizes(pub(crate) Vec<usize>);

#[conversion]
impl<'py> IntoPyObject<'py> for Sizes {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;
    const OUTPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "tuple"),
        type_hint_identifier!("builtins", "int"),
        PyStaticExpr::Constant { value: pyo3::inspect::PyStaticConstant::Ellipsis }
    );
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0)
    }
}

/// Python's `map`.
static MAP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The result of `__reduce__`: a function and its arguments.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyType>, Py<PyAny>, bool));

#[pymethods]
impl PyTensor {
    #[new]
    #[pyo3(signature = (data, dtype=None, requires_grad=false))]
    #[classmethod]
    fn new(cls: &Bound<'_, PyType>, data: &Bound<'_, PyAny>, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
        if dtype.is_none() && data.is_exact_instance_of::<PyInt>() && cls.is(PyTensor::type_object(cls.py())) {
            return Err(PyTypeError::new_err(format!(
                "Tensor({data}): write rg.tensor({data}) for the number, or rg.empty({data}) for that many elements"
            )));
        }
        let dtype = if dtype.is_none() && is_plain(data)? { Some(AnyDType(DType::default_float())) } else { dtype };
        make(data, dtype, requires_grad).map(Into::into)
    }

    // ---- What it is ----

    /// Size of every dimension.
    #[getter]
    fn shape(&self) -> Sizes {
        Sizes(self.inner.shape().to_vec())
    }
    /// Size of every dimension, or of dimension `dim`.
    #[pyo3(signature = (dim=None) -> "int | tuple[int, ...]")]
    fn size(&self, py: Python<'_>, dim: Option<Int>) -> PyResult<Py<PyAny>> {
        let Some(Int(dim)) = dim else {
            return Ok(Sizes(self.inner.shape().to_vec()).into_pyobject(py)?.into_any().unbind());
        };
        let at = rgrad_engine::shape::normalize_dim("size", dim, self.inner.ndim()).map_err(to_py)?;
        Ok(self.inner.shape()[at].into_pyobject(py)?.into_any().unbind())
    }
    /// Number of dimensions.
    #[getter]
    fn ndim(&self) -> usize {
        self.inner.ndim()
    }
    /// Number of dimensions.
    fn dim(&self) -> usize {
        self.inner.ndim()
    }
    /// Number of elements.
    fn numel(&self) -> usize {
        self.inner.numel()
    }
    /// Type of the elements.
    #[getter]
    fn dtype(&self) -> PyDType {
        PyDType(self.inner.dtype())
    }
    /// Whether the elements are contiguous in row-major order.
    fn is_contiguous(&self) -> bool {
        self.inner.is_contiguous()
    }
    /// Address of the first element.
    fn data_ptr(&self) -> PyResult<usize> {
        rgrad_engine::compile::check_place("asking for an address", &self.inner).map_err(to_py)?;
        Ok(self.inner.as_ptr().addr())
    }
    fn __len__(&self) -> PyResult<usize> {
        let no = || PyTypeError::new_err("a 0-d tensor has no length");
        self.inner.shape().first().copied().ok_or_else(no)
    }
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let t = &slf.get().inner;
        rgrad_engine::compile::check_free("printing", t).map_err(to_py)?;
        let kwargs = PyDict::new(py);
        kwargs.set_item("separator", ", ")?;
        kwargs.set_item("prefix", "tensor(")?;
        kwargs.set_item("threshold", 1000)?;
        let array = array_of(slf.py(), t)?;
        let elements = py.import("numpy")?.call_method("array2string", (array,), Some(&kwargs))?;
        let mut parts = vec![elements.extract::<String>()?];
        // The elements show whether they are bools, integers or floats.
        let shown = t.dtype() == DType::Float32 || t.numel() > 0 && matches!(t.dtype(), DType::Int64 | DType::Bool);
        if !shown {
            parts.push(format!("dtype=rgrad.{}", t.dtype()));
        }
        if t.numel() == 0 && t.ndim() > 1 {
            parts.push(format!("shape={}", rgrad_engine::shape::Show(t.shape())));
        }
        if let Some(node) = t.node() {
            parts.push(format!("grad_fn={node:?}"));
        } else if t.requires_grad() {
            parts.push("requires_grad=True".into());
        }
        Ok(format!("tensor({})", parts.join(", ")))
    }
    /// A 0-d tensor is formatted as its number: `f"{loss}"`, `f"{loss:.4f}"`.
    #[pyo3(signature = (spec) -> "str")]
    fn __format__<'py>(slf: &Bound<'py, Self>, spec: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get();
        if t.inner.ndim() == 0 {
            return t.item(slf.py())?.into_bound(slf.py()).call_method1("__format__", (spec,));
        }
        if spec.is_empty()? {
            return Ok(slf.str()?.into_any());
        }
        let shape = rgrad_engine::shape::Show(t.inner.shape());
        Err(PyTypeError::new_err(format!(
            "a tensor of shape {shape} cannot be formatted as {spec}; format its elements"
        )))
    }

    // ---- Elements ----

    /// The only element, as a Python number. `ValueError` unless there is exactly one.
    #[pyo3(signature = () -> "float")]
    fn item(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(match self.inner.item().map_err(to_py)? {
            Number::Bool(b) => b.into_pyobject(py)?.to_owned().into_any().unbind(),
            Number::Int(i) => i.into_pyobject(py)?.into_any().unbind(),
            Number::Float(f) => f.into_pyobject(py)?.into_any().unbind(),
        })
    }
    fn __bool__(&self) -> PyResult<bool> {
        if self.inner.numel() != 1 {
            let shape = rgrad_engine::shape::Show(self.inner.shape()).to_string();
            return Err(PyValueError::new_err(format!(
                "the truth of a tensor of shape {shape} is ambiguous; compare with a number and reduce, or call item()"
            )));
        }
        Ok(match self.inner.item().map_err(to_py)? {
            Number::Bool(b) => b,
            Number::Int(i) => i != 0,
            Number::Float(f) => f != 0.0,
        })
    }
    fn __float__(&self) -> PyResult<f64> {
        Ok(match self.inner.item().map_err(to_py)? {
            Number::Bool(b) => f64::from(u8::from(b)),
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        })
    }
    fn __int__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyInt>> {
        let item = slf.call_method0("item")?;
        Ok(slf.py().get_type::<PyInt>().call1((item,))?.cast_into()?)
    }
    fn __index__(&self) -> PyResult<i64> {
        match self.inner.item().map_err(to_py)? {
            Number::Int(i) => Ok(i),
            _ => Err(PyTypeError::new_err("only a tensor of one integer can be used as an index")),
        }
    }
    /// The elements as nested lists of Python numbers.
    #[pyo3(signature = () -> "list[Any]")]
    fn tolist(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let array = array_of(slf.py(), &slf.get().inner)?;
        array.call_method0(slf.py(), "tolist")
    }
    fn __getitem__(&self, py: Python<'_>, index: Indices) -> Out {
        run(py, self.inner.numel(), || ops::getitem(&self.inner, &index.0)).map(Into::into)
    }
    fn __setitem__(&self, index: Indices, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let dtype = self.inner.dtype();
        if let Some(n) = number(value)? {
            n.check_fits("index", dtype).map_err(to_py)?;
        }
        let items = match beside(value, &self.inner)? {
            Some(items) => items,
            None => Beside::Made(from_list_for("index", value, dtype)?),
        };
        run(value.py(), self.inner.numel(), || ops::setitem(&self.inner, &index.0, &items))
    }
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        let py = slf.py();
        let Some(&n) = slf.get().inner.shape().first() else {
            return Err(PyTypeError::new_err("cannot iterate over a 0-d tensor"));
        };
        // One row at a time: an expanded tensor may have more rows than memory could hold.
        let rows = (slf.getattr(intern!(py, "__getitem__"))?, PyRange::new(py, 0, n as isize)?);
        Ok(MAP.import(py, "builtins", "map")?.call1(rows)?.cast_into()?)
    }

    // ---- Other forms ----

    /// A tensor that shares this one's memory, but is not part of any graph.
    fn detach(&self) -> Self {
        self.inner.detach().into()
    }
    /// A copy with its own memory. Gradients flow through it.
    fn clone(&self, py: Python<'_>) -> Out {
        run(py, self.inner.numel(), || ops::clone(&self.inner)).map(Into::into)
    }
    /// The tensor itself if it is contiguous, else a contiguous copy.
    fn contiguous(&self, py: Python<'_>) -> Out {
        run(py, self.inner.numel(), || ops::contiguous(&self.inner)).map(Into::into)
    }
    /// Converts the elements to a dtype; the tensor itself if it has that dtype.
    fn to(&self, py: Python<'_>, dtype: AnyDType) -> Out {
        run(py, self.inner.numel(), || ops::cast(&self.inner, dtype.0)).map(Into::into)
    }
    /// Same as `to(float32)`.
    fn float(&self, py: Python<'_>) -> Out {
        self.to(py, AnyDType(DType::Float32))
    }
    /// Same as `to(float64)`.
    fn double(&self, py: Python<'_>) -> Out {
        self.to(py, AnyDType(DType::Float64))
    }
    /// Same as `to(int64)`.
    fn long(&self, py: Python<'_>) -> Out {
        self.to(py, AnyDType(DType::Int64))
    }
    /// The tensor with another shape, without copying. `ValueError` if its strides do not allow that.
    #[pyo3(signature = (*shape: "int | Sequence[int]"))]
    fn view(&self, py: Python<'_>, shape: &Bound<'_, PyTuple>) -> Out {
        let sizes = sequence(shape)?;
        let y = run(py, 0, || ops::reshape(&self.inner, &sizes))?;
        if !y.shares_storage(&self.inner) {
            return Err(PyValueError::new_err("view: these strides need a copy; call reshape instead"));
        }
        Ok(y.into())
    }
    /// The transposed matrix, as a view; with other than two dimensions, their order is reversed.
    #[getter]
    #[pyo3(name = "T")]
    fn transposed(&self, py: Python<'_>) -> Out {
        let order: Vec<isize> = (0..self.inner.ndim() as isize).rev().collect();
        run(py, 0, || ops::permute(&self.inner, &order)).map(Into::into)
    }
    /// The transpose of the last two dimensions, as a view.
    #[getter]
    #[pyo3(name = "mT")]
    fn matrix_transposed(&self, py: Python<'_>) -> Out {
        run(py, 0, || ops::transpose(&self.inner, -2, -1)).map(Into::into)
    }
    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr().addr() as isize >> 4
    }

    // ---- Writing in place ----

    /// Overwrites the elements with `value`, broadcast and cast, and returns this tensor.
    fn copy_(slf: Bound<'_, Self>, value: args::Tensor) -> PyResult<Bound<'_, Self>> {
        let t = &slf.get().inner;
        run(slf.py(), t.numel(), || t.copy_from(&value.0))?;
        Ok(slf)
    }
    /// Overwrites every element with a number, and returns this tensor. `ValueError` if the dtype cannot hold the number.
    fn fill_(slf: Bound<'_, Self>, value: Num) -> PyResult<Bound<'_, Self>> {
        let t = &slf.get().inner;
        value.0.check_fits("fill_", t.dtype()).map_err(to_py)?;
        run(slf.py(), t.numel(), || t.copy_from(&Tensor::scalar(value.0, t.dtype())?))?;
        Ok(slf)
    }
    /// Overwrites every element with 0, and returns this tensor.
    fn zero_(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        Self::fill_(slf, Num(Number::Int(0)))
    }

    // ---- Gradients ----

    /// Whether gradients flow to or through this tensor.
    #[getter]
    fn requires_grad(&self) -> PyResult<bool> {
        rgrad_engine::compile::note_grad_state(&self.inner).map_err(to_py)?;
        Ok(self.inner.requires_grad())
    }
    #[setter]
    fn set_requires_grad(&self, value: bool) -> PyResult<()> {
        self.inner.set_requires_grad(value).map_err(to_py)
    }
    /// Sets whether this leaf requires gradients, and returns it.
    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_(slf: Bound<'_, Self>, requires_grad: bool) -> PyResult<Bound<'_, Self>> {
        slf.get().inner.set_requires_grad(requires_grad).map_err(to_py)?;
        Ok(slf)
    }
    /// Whether the tensor was created by the user rather than by a taped operation.
    #[getter]
    fn is_leaf(&self) -> bool {
        self.inner.is_leaf()
    }
    /// The name of the taped operation that created this tensor, or None.
    #[getter]
    fn grad_fn(&self) -> Option<String> {
        self.inner.node().map(|n| format!("{n:?}"))
    }
    /// The gradient that backward passes have accumulated, or None.
    #[getter]
    fn grad(&self) -> Option<Self> {
        self.inner.grad().map(Into::into)
    }
    #[setter]
    fn set_grad(&self, value: Option<&Bound<'_, Self>>) -> PyResult<()> {
        self.inner.set_grad(value.map(|g| g.get().inner.clone())).map_err(to_py)
    }
    /// Adds the gradient of this tensor to the `grad` of every leaf that it depends on.
    ///
    /// The cotangent of a scalar is 1; for any other tensor, pass `gradient`, of the tensor's shape. The graph is freed unless
    /// `retain_graph` is true, which defaults to `create_graph`; the latter tapes the backward pass itself, so that gradients
    /// can be differentiated. `RuntimeError` if the tensor depends on nothing that requires gradients, is not a scalar, or the
    /// graph was freed by an earlier pass.
    #[pyo3(signature = (gradient=None, retain_graph=None, create_graph=false))]
    fn backward(
        &self,
        py: Python<'_>,
        gradient: Option<&Bound<'_, Self>>,
        retain_graph: Option<bool>,
        create_graph: bool,
    ) -> PyResult<()> {
        let gradient = gradient.map(|g| g.get().inner.clone());
        let retain_graph = retain_graph.unwrap_or(create_graph);
        let options = tape::Options { retain_graph, create_graph, ..Default::default() };
        // The duration of a pass is unknown here; one over tiny tensors pays some 50 ns for releasing the GIL.
        run(py, usize::MAX, || tape::backward(&self.inner, gradient.as_ref(), options))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let t = &slf.get().inner;
        if !t.is_leaf() {
            return Err(PyRuntimeError::new_err(
                "only leaves can be copied or pickled: the history of this tensor would be lost; write x.detach()",
            ));
        }
        let rebuild = slf.py().import("rgrad._core")?.getattr("_rebuild")?;
        Ok((rebuild, (slf.get_type(), array_of(slf.py(), t)?, t.requires_grad())))
    }
}

/// Called by unpickling and copying. `TypeError` if `cls` is not a class of tensors.
#[pyfunction]
pub fn _rebuild<'py>(
    cls: &Bound<'py, PyType>,
    array: &Bound<'py, PyAny>,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyAny>> {
    if !cls.is_subclass_of::<PyTensor>()? {
        return Err(PyTypeError::new_err(format!("a pickled tensor cannot be a {}", cls.name()?)));
    }
    let kwargs = PyDict::new(cls.py());
    kwargs.set_item("requires_grad", requires_grad)?;
    cls.call((array,), Some(&kwargs))
}
