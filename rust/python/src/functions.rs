//! The functions and methods that the tables of operations describe.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rgrad_engine::ops;

use crate::args::{Dims, OptionalTensor, Pass, Reduction, Tensor, Tensors, int, sequence};
use crate::dtype::value_error;
use crate::error::run;
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
    ($(#[$doc:meta])* method $name:ident(x: Tensor $(, $arg:ident: $ty:ident $(= $default:expr)?)*); $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x $(, $arg $(= $default)?)*))]
        pub fn $name(py: Python<'_>, x: Tensor $(, $arg: $ty)*) -> Out {
            $(let $arg = $arg.pass()?;)*
            run(py, x.0.numel(), || ops::$name(&x.0 $(, $arg)*)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = ($($arg $(= $default)?),*))]
            fn $name(&self, py: Python<'_> $(, $arg: $ty)*) -> Out {
                $(let $arg = $arg.pass()?;)*
                run(py, self.inner.numel(), || ops::$name(&self.inner $(, $arg)*)).map(Into::into)
            }
        }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* function $name:ident($($arg:ident: $ty:ident $(= $default:expr)?),*) $(= $python:literal)?; $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3($(name = $python,)? signature = ($($arg $(= $default)?),*))]
        pub fn $name(py: Python<'_> $(, $arg: $ty)*) -> Out {
            $(let $arg = $arg.pass()?;)*
            run(py, usize::MAX, || ops::$name($($arg),*)).map(Into::into)
        }
        bind! { $($rest)* }
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

/// One dimension, or None for all.
type Dim = Option<int>;

impl Pass for Dim {
    type As<'a> = Option<isize>;
    fn pass(&self) -> PyResult<Option<isize>> {
        Ok(*self)
    }
}

rgrad_engine::for_each_op!(bind);
