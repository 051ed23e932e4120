//! The functions and methods that the tables of operations describe.

#![allow(clippy::too_many_arguments, reason = "as many as Python users may name")]

use pyo3::exceptions::PyTypeError;
use pyo3::types::PyTuple;
use rgrad_engine::ops;

use crate::args::{
    Dims, Ints, Name, OptionalFloat, OptionalTensor, Order, Pairing, Pass, RoundingMode, Sections, Tensor, Tensors,
    float, int, integer, operands, sequence,
};
use crate::dtype::{AnyDType, value_error};
use crate::entry::prelude::*;
use crate::error::run;
use crate::index::Indices;
use crate::operands::settle;
use crate::results::{Asked, DimOrTensor, Extreme, Pair, Tuple, ValuesIndices, extreme};
use crate::tensor::{Out, PyTensor};

/// NumPy's spelling of an argument beside PyTorch's: whichever was given.
pub(crate) fn either<T>(name: &str, ours: Option<T>, theirs: Option<T>) -> PyResult<Option<T>> {
    if ours.is_some() && theirs.is_some() {
        return Err(value_error(format!("{name} was given twice, in PyTorch's and in NumPy's spelling")));
    }
    Ok(ours.or(theirs))
}

/// The dimension, which must be given.
fn required(op: &str, dim: Dim) -> PyResult<isize> {
    dim.pass()?.ok_or_else(|| PyTypeError::new_err(format!("{op}: give the dim along which elements are combined")))
}

/// Takes the rows one by one, and writes for each the function and, where it is to be one, the method.
macro_rules! bind {
    () => {};
    ($(#[$doc:meta])* reduction $name:ident(x: Tensor); $($rest:tt)*) => {
        bind! { @reduction PyTensor $(#[$doc])* $name Dims [keepdim=None, *,] plain }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* index_reduction $name:ident(x: Tensor); $($rest:tt)*) => {
        bind! { @reduction PyTensor $(#[$doc])* $name Dim [keepdim=None, *,] plain }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* typed_reduction $name:ident(x: Tensor); $($rest:tt)*) => {
        bind! { @reduction PyTensor $(#[$doc])* $name Dims [keepdim=None, *,] typed dtype: Option<AnyDType> }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* statistic $name:ident(x: Tensor); $($rest:tt)*) => {
        bind! { @reduction PyTensor $(#[$doc])* $name Dims [*, keepdim=None,] plain correction: Option<f64>, unbiased: Option<bool> }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* statistic $name:ident(x: Tensor) -> $out:ident; $($rest:tt)*) => {
        bind! { @reduction $out $(#[$doc])* $name Dims [*, keepdim=None,] plain correction: Option<f64>, unbiased: Option<bool> }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* cumulation $name:ident(x: Tensor); $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x, dim=None, *, dtype=None, axis=None))]
        pub fn $name(py: Python<'_>, x: Tensor, dim: Dim, dtype: Option<AnyDType>, axis: Dim) -> Out {
            let (x, dim) = (x.alone()?, required(stringify!($name), either("dim", dim, axis)?)?);
            run(py, x.numel(), || bind!(@cast $name &x, dtype, dim)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = (dim=None, *, dtype=None, axis=None))]
            fn $name(&self, py: Python<'_>, dim: Dim, dtype: Option<AnyDType>, axis: Dim) -> Out {
                let dim = required(stringify!($name), either("dim", dim, axis)?)?;
                let x = &self.inner;
                run(py, x.numel(), || bind!(@cast $name x, dtype, dim)).map(Into::into)
            }
        }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* extremum $name:ident($whole:ident, $along:ident, $pair:ident); $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x, dim=None, keepdim=None, *, other=None, axis=None, keepdims=None) -> "Any")]
        pub fn $name(
            py: Python<'_>, x: Tensor, dim: Option<DimOrTensor>, keepdim: Option<bool>, other: OptionalTensor,
            axis: Dim, keepdims: Option<bool>,
        ) -> PyResult<Extreme> {
            let asked = Asked { dim, keepdim, other, axis, keepdims };
            let x = if asked.is_pairwise() { x.0 } else { x.alone()? };
            extreme(py, &x, stringify!($name), asked, (ops::$whole, ops::$along, ops::$pair))
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = (dim=None, keepdim=None, *, other=None, axis=None, keepdims=None) -> "Any")]
            fn $name(
                &self, py: Python<'_>, dim: Option<DimOrTensor>, keepdim: Option<bool>, other: OptionalTensor,
                axis: Dim, keepdims: Option<bool>,
            ) -> PyResult<Extreme> {
                let asked = Asked { dim, keepdim, other, axis, keepdims };
                extreme(py, &self.inner, stringify!($name), asked, (ops::$whole, ops::$along, ops::$pair))
            }
        }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* method $name:ident(x: Tensor, *$shape:ident: Shape); $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x, *$shape: "int | Sequence[int]"))]
        pub fn $name(py: Python<'_>, x: Tensor, $shape: &Bound<'_, PyTuple>) -> Out {
            let (x, list) = (x.alone()?, sequence($shape)?);
            run(py, x.numel(), || ops::$name(&x, &list)).map(Into::into)
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
    ($(#[$doc:meta])* function $name:ident($text:ident: Text, *$operands:ident: Tensors); $($rest:tt)*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = ($text, *$operands: "Tensor | Sequence[Tensor]"))]
        pub fn $name(py: Python<'_>, $text: &str, $operands: &Bound<'_, PyTuple>) -> Out {
            let all = operands($text, $operands)?;
            run(py, usize::MAX, || ops::$name($text, &all)).map(Into::into)
        }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* method $name:ident($($args:tt)*) $(= $python:literal)?; $($rest:tt)*) => {
        bind! { @arguments method PyTensor { $(#[$doc])* $name $($python)? } [] $($args)* }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* method $name:ident($($args:tt)*) -> $out:ident; $($rest:tt)*) => {
        bind! { @arguments method $out { $(#[$doc])* $name } [] $($args)* }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* function $name:ident($($args:tt)*) $(= $python:literal)?; $($rest:tt)*) => {
        bind! { @arguments function PyTensor { $(#[$doc])* $name $($python)? } [] $($args)* }
        bind! { $($rest)* }
    };
    ($(#[$doc:meta])* function $name:ident($($args:tt)*) -> $out:ident; $($rest:tt)*) => {
        bind! { @arguments function $out { $(#[$doc])* $name } [] $($args)* }
        bind! { $($rest)* }
    };
    // Each argument with its attribute, name, type, hint and default. The default of an integer must be written as one, which
    // `Int` has no literals for.
    (@arguments $kind:ident $out:ident $head:tt [$($done:tt)*]) => {
        bind! { @$kind $out $head $($done)* }
    };
    (@arguments $kind:ident $out:ident $head:tt [$($done:tt)*] $arg:ident: int = $default:expr $(, $($rest:tt)*)?) => {
        bind! {
            @arguments $kind $out $head
            [$($done)* { [from_py_with = integer] $arg isize [: "SupportsIndex" = $default] }] $($($rest)*)?
        }
    };
    (@arguments $kind:ident $out:ident $head:tt [$($done:tt)*] $arg:ident: $ty:ident $(= $default:expr)? $(, $($rest:tt)*)?) => {
        bind! { @arguments $kind $out $head [$($done)* { [] $arg $ty [$(= $default)?] }] $($($rest)*)? }
    };
    (@method $out:ident { $(#[$doc:meta])* $name:ident $($python:literal)? } { [] x Tensor [] } $({ [$($how:tt)*] $arg:ident $ty:ident [$($default:tt)*] })*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3($(name = $python,)? signature = (x $(, $arg $($default)*)*))]
        pub fn $name(py: Python<'_>, mut x: Tensor $(, #[pyo3($($how)*)] mut $arg: $ty)*) -> PyResult<$out> {
            settle(None, [x.operand() $(, $arg.operand())*])?;
            $(let $arg = $arg.pass()?;)*
            run(py, x.0.numel(), || ops::$name(&x.0 $(, $arg)*)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3($(name = $python,)? signature = ($($arg $($default)*),*))]
            fn $name(&self, py: Python<'_> $(, #[pyo3($($how)*)] mut $arg: $ty)*) -> PyResult<$out> {
                settle(Some(&self.inner), [$($arg.operand()),*])?;
                $(let $arg = $arg.pass()?;)*
                run(py, self.inner.numel(), || ops::$name(&self.inner $(, $arg)*)).map(Into::into)
            }
        }
    };
    (@function $out:ident { $(#[$doc:meta])* $name:ident $($python:literal)? } $({ [$($how:tt)*] $arg:ident $ty:ident [$($default:tt)*] })*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3($(name = $python,)? signature = ($($arg $($default)*),*))]
        pub fn $name(py: Python<'_> $(, #[pyo3($($how)*)] mut $arg: $ty)*) -> PyResult<$out> {
            settle(None, [$($arg.operand()),*])?;
            $(let $arg = $arg.pass()?;)*
            run(py, usize::MAX, || ops::$name($($arg),*)).map(Into::into)
        }
    };
    // The order of the keywords is that of the signature: those after the star must be named.
    (@reduction $out:ident $(#[$doc:meta])* $name:ident $dims:ident [$($order:tt)*] $how:ident $($extra:ident: $ty:ty),*) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (x, dim=None, $($order)* $($extra=None,)* axis=None, keepdims=None))]
        pub fn $name(
            py: Python<'_>, x: Tensor, dim: $dims, keepdim: Option<bool> $(, $extra: $ty)*, axis: $dims,
            keepdims: Option<bool>,
        ) -> PyResult<$out> {
            let (dim, keepdim) = (either("dim", dim, axis)?, either("keepdim", keepdim, keepdims)?.unwrap_or(false));
            let (x, dim) = (x.alone()?, dim.pass()?);
            run(py, x.numel(), || bind!(@reduce $how $name &x, dim, keepdim $(, $extra)*)).map(Into::into)
        }
        #[pymethods]
        impl PyTensor {
            $(#[$doc])*
            #[pyo3(signature = (dim=None, $($order)* $($extra=None,)* axis=None, keepdims=None))]
            fn $name(
                &self, py: Python<'_>, dim: $dims, keepdim: Option<bool> $(, $extra: $ty)*, axis: $dims,
                keepdims: Option<bool>,
            ) -> PyResult<$out> {
                let (dim, keepdim) = (either("dim", dim, axis)?, either("keepdim", keepdim, keepdims)?.unwrap_or(false));
                let dim = dim.pass()?;
                let x = &self.inner;
                run(py, x.numel(), || bind!(@reduce $how $name x, dim, keepdim $(, $extra)*)).map(Into::into)
            }
        }
    };
    (@reduce typed $name:ident $x:expr, $dim:ident, $keepdim:ident, $dtype:ident) => {
        bind!(@cast $name $x, $dtype, $dim, $keepdim)
    };
    (@cast $name:ident $x:expr, $dtype:ident $(, $arg:ident)*) => {
        match $dtype {
            Some(AnyDType(dtype)) => ops::cast(&ops::$name(&ops::cast($x, dtype)?, $($arg),*)?, dtype),
            None => ops::$name($x, $($arg),*),
        }
    };
    (@reduce plain $name:ident $x:expr, $dim:ident, $keepdim:ident $(, $extra:ident)*) => {
        ops::$name($x, $dim, $keepdim $(, $extra)*)
    };
}

/// One dimension, or None for all.
type Dim = Option<int>;

impl Pass for Dim {
    type As<'a> = Option<isize>;
    fn pass(&self) -> PyResult<Option<isize>> {
        Ok(self.map(|dim| dim.0))
    }
}

rgrad_engine::for_each_op!(bind);
