//! The functions and methods that the tables of operations describe.

use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTypeInfo, type_hint_identifier, type_hint_subscript};
use rgrad_engine::ops;

use crate::args::{Dims, Ints, OptionalTensor, Pass, Reduction, Sections, Tensor, Tensors, int, sequence};
use crate::dtype::value_error;
use crate::error::run;
use crate::index::Indices;
use crate::tensor::{Out, PyTensor};

/// NumPy's spelling of an argument beside PyTorch's: whichever was given.
fn either<T>(name: &str, ours: Option<T>, theirs: Option<T>) -> PyResult<Option<T>> {
    if ours.is_some() && theirs.is_some() {
        return Err(value_error(format!("{name} was given twice, in PyTorch's and in NumPy's spelling")));
    }
    Ok(ours.or(theirs))
}

/// Takes the rows one by one, and writes for each the function and, where it is to be one, the method.
macro_rules! bind {
    () => {};
    ($(#[$doc:meta])* reduction $name:ident(x: Tensor); $($rest:tt)*) => {
        bind! { @reduction $(#[$doc])* $name Dims }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* index_reduction $name:ident(x: Tensor); $($rest:tt)*) => {
        bind! { @reduction $(#[$doc])* $name Dim }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* method $name:ident(x: Tensor, *$shape:ident: Shape); $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x, *$shape: "int | Sequence[int]"))]
        pub fn $name(py: Python<'_>, x: Tensor, $shape: &Bound<'_, PyTuple>) -> Out {
            let list = sequence($shape)?;
            run(py, x.0.numel(), || ops::$name(&x.0, &list)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = (*$shape: "int | Sequence[int]"))]
            fn $name(&self, py: Python<'_>, $shape: &Bound<'_, PyTuple>) -> Out {
                let list = sequence($shape)?;
                run(py, self.inner.numel(), || ops::$name(&self.inner, &list)).map(Into::into)
            }
        }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* method $name:ident($($args:tt)*); $($rest:tt)*) => {
        bind! { @method PyTensor $(#[$doc])* $name($($args)*) }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* method $name:ident($($args:tt)*) -> $out:ident; $($rest:tt)*) => {
        bind! { @method $out $(#[$doc])* $name($($args)*) }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* function $name:ident($($args:tt)*) $(= $python:literal)?; $($rest:tt)*) => {
        bind! { @function PyTensor $(#[$doc])* $name($($args)*) $(= $python)? }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* function $name:ident($($args:tt)*) -> $out:ident; $($rest:tt)*) => {
        bind! { @function $out $(#[$doc])* $name($($args)*) }
        bind! { $($rest)* }
    };
    (@method $out:ident $(#[$doc:meta])* $name:ident(x: Tensor $(, $arg:ident: $ty:ident $(= $default:expr)?)*)) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x $(, $arg $(= $default)?)*))]
        pub fn $name(py: Python<'_>, x: Tensor $(, $arg: $ty)*) -> PyResult<$out> {
            $(let $arg = $arg.pass()?;)*
            run(py, x.0.numel(), || ops::$name(&x.0 $(, $arg)*)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = ($($arg $(= $default)?),*))]
            fn $name(&self, py: Python<'_> $(, $arg: $ty)*) -> PyResult<$out> {
                $(let $arg = $arg.pass()?;)*
                run(py, self.inner.numel(), || ops::$name(&self.inner $(, $arg)*)).map(Into::into)
            }
        }
    };
    (@function $out:ident $(#[$doc:meta])* $name:ident($($arg:ident: $ty:ident $(= $default:expr)?),*) $(= $python:literal)?) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3($(name = $python,)? signature = ($($arg $(= $default)?),*))]
        pub fn $name(py: Python<'_> $(, $arg: $ty)*) -> PyResult<$out> {
            $(let $arg = $arg.pass()?;)*
            run(py, usize::MAX, || ops::$name($($arg),*)).map(Into::into)
        }
    };
    (@reduction $(#[$doc:meta])* $name:ident $dims:ident) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x, dim=None, keepdim=None, *, axis=None, keepdims=None))]
        pub fn $name(py: Python<'_>, x: Tensor, dim: $dims, keepdim: Option<bool>, axis: $dims, keepdims: Option<bool>) -> Out {
            let (dim, keepdim) = (either("dim", dim, axis)?, either("keepdim", keepdim, keepdims)?.unwrap_or(false));
            let dim = dim.pass()?;
            run(py, x.0.numel(), || ops::$name(&x.0, dim, keepdim)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = (dim=None, keepdim=None, *, axis=None, keepdims=None))]
            fn $name(&self, py: Python<'_>, dim: $dims, keepdim: Option<bool>, axis: $dims, keepdims: Option<bool>) -> Out {
                let (dim, keepdim) = (either("dim", dim, axis)?, either("keepdim", keepdim, keepdims)?.unwrap_or(false));
                let dim = dim.pass()?;
                run(py, self.inner.numel(), || ops::$name(&self.inner, dim, keepdim)).map(Into::into)
            }
        }
    };
}

/// Several results, as a tuple.
pub struct Tuple(Vec<PyTensor>);

impl From<Vec<rgrad_engine::Tensor>> for Tuple {
    fn from(all: Vec<rgrad_engine::Tensor>) -> Self {
        Self(all.into_iter().map(Into::into).collect())
    }
}

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

/// One dimension, or None for all.
type Dim = Option<int>;

impl Pass for Dim {
    type As<'a> = Option<isize>;
    fn pass(&self) -> PyResult<Option<isize>> {
        Ok(*self)
    }
}

rgrad_engine::for_each_op!(bind);
