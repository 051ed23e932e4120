//! Python's operators on tensors, and their in-place forms.

use rgrad_engine::{Tensor, ops};

use crate::args::{self, Int};
use crate::entry::prelude::*;
use crate::error::run;
use crate::operands::{beside, no_operand};
use crate::tensor::{Out, PyTensor};

type Unary = fn(&Tensor) -> rgrad_engine::Result<Tensor>;
type Binary = fn(&Tensor, &Tensor) -> rgrad_engine::Result<Tensor>;

impl PyTensor {
    /// `f(self, other)`, or NotImplemented if `other` cannot be combined with a tensor.
    fn binary(&self, other: &Bound<'_, PyAny>, f: Binary) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Some(b) = beside(other, &self.inner)? else { return Ok(py.NotImplemented()) };
        let y = run(py, self.inner.numel().max(b.numel()), || f(&self.inner, &b))?;
        Ok(Bound::new(py, PyTensor::from(y))?.into_any().unbind())
    }

    /// `f(other, self)`.
    fn reflected(&self, other: &Bound<'_, PyAny>, f: Binary) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Some(b) = beside(other, &self.inner)? else { return Ok(py.NotImplemented()) };
        let y = run(py, self.inner.numel().max(b.numel()), || f(&b, &self.inner))?;
        Ok(Bound::new(py, PyTensor::from(y))?.into_any().unbind())
    }

    /// Overwrites the elements with `f(self, other)`.
    fn in_place(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>, f: Binary) -> PyResult<()> {
        let Some(b) = beside(other, &slf.get().inner)? else {
            return Err(no_operand(other));
        };
        Self::overwrite(slf, |t| f(t, &b))
    }

    /// Overwrites the elements with `f(self)`.
    fn overwrite(
        slf: &Bound<'_, Self>,
        f: impl FnOnce(&Tensor) -> rgrad_engine::Result<Tensor> + Send,
    ) -> PyResult<()> {
        let t = &slf.get().inner;
        run(slf.py(), t.numel(), || {
            let y = f(t)?;
            if y.dtype() != t.dtype() {
                return Err(rgrad_engine::Error {
                    kind: rgrad_engine::ErrorKind::Type,
                    message: format!(
                        "a result of {} cannot be written in place to a tensor of {}",
                        y.dtype(),
                        t.dtype()
                    ),
                });
            }
            t.copy_from(&y)
        })
    }
}

/// In-place operators and methods: `x += y`, `x.add_(y)`.
macro_rules! in_place {
    ($($operator:ident $method:ident $f:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                fn $operator(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
                    Self::in_place(slf, other, ops::$f)
                }
                #[doc = concat!("Writes `", stringify!($f), "(self, other)` over this tensor's elements, and returns it.")]
                fn $method<'py>(slf: Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                    Self::in_place(&slf, other, ops::$f)?;
                    Ok(slf)
                }
            )*
        }
    };
}

in_place! {
    __iadd__ add_ add;
    __isub__ sub_ sub;
    __imul__ mul_ mul;
    __itruediv__ div_ div;
    __ifloordiv__ floor_divide_ floor_divide;
    __imod__ remainder_ remainder;
    __iand__ bitwise_and_ bitwise_and;
    __ior__ bitwise_or_ bitwise_or;
    __ixor__ bitwise_xor_ bitwise_xor;
}

/// In-place functions of the tensor alone: `x.neg_()`.
macro_rules! in_place_unary {
    ($($method:ident $f:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                #[doc = concat!("Writes `", stringify!($f), "(self)` over this tensor's elements, and returns it.")]
                fn $method(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
                    Self::overwrite(&slf, ops::$f as Unary)?;
                    Ok(slf)
                }
            )*
        }
    };
}

in_place_unary! {
    neg_ neg;
    abs_ abs;
    square_ square;
    sqrt_ sqrt;
    exp_ exp;
    log_ log;
    floor_ floor;
    ceil_ ceil;
    trunc_ trunc;
}

/// Operators and their reflected forms.
macro_rules! operators {
    ($($operator:ident $reflected:ident $f:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                fn $operator(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                    self.binary(other, ops::$f)
                }
                fn $reflected(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                    self.reflected(other, ops::$f)
                }
            )*
        }
    };
}

operators! {
    __add__ __radd__ add;
    __sub__ __rsub__ sub;
    __mul__ __rmul__ mul;
    __truediv__ __rtruediv__ div;
    __floordiv__ __rfloordiv__ floor_divide;
    __mod__ __rmod__ remainder;
    __and__ __rand__ bitwise_and;
    __or__ __ror__ bitwise_or;
    __xor__ __rxor__ bitwise_xor;
    __matmul__ __rmatmul__ matmul;
}

macro_rules! comparisons {
    ($($operator:ident $f:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                fn $operator(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                    self.binary(other, ops::$f)
                }
            )*
        }
    };
}

comparisons! {
    __lt__ lt;
    __le__ le;
    __gt__ gt;
    __ge__ ge;
    __eq__ eq;
    __ne__ ne;
}

#[pymethods]
impl PyTensor {
    fn __neg__(&self, py: Python<'_>) -> Out {
        run(py, self.inner.numel(), || ops::neg(&self.inner)).map(Into::into)
    }
    fn __pos__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }
    fn __abs__(&self, py: Python<'_>) -> Out {
        run(py, self.inner.numel(), || ops::abs(&self.inner)).map(Into::into)
    }
    fn __invert__(&self, py: Python<'_>) -> Out {
        run(py, self.inner.numel(), || ops::bitwise_not(&self.inner)).map(Into::into)
    }
    #[pyo3(signature = (ndigits=None))]
    fn __round__(&self, py: Python<'_>, ndigits: Option<Int>) -> Out {
        run(py, self.inner.numel(), || ops::rounded(&self.inner, ndigits.map_or(0, |n| n.0))).map(Into::into)
    }
    fn __pow__(&self, other: &Bound<'_, PyAny>, modulo: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        if modulo.is_some() {
            return Ok(other.py().NotImplemented());
        }
        self.binary(other, ops::pow)
    }
    fn __rpow__(&self, other: &Bound<'_, PyAny>, modulo: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        if modulo.is_some() {
            return Ok(other.py().NotImplemented());
        }
        self.reflected(other, ops::pow)
    }
    fn __ipow__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>, _modulo: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Self::in_place(slf, other, ops::pow)
    }
    /// Overwrites the elements with `pow(self, exponent)`, and returns this tensor.
    fn pow_<'py>(slf: Bound<'py, Self>, exponent: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        Self::in_place(&slf, exponent, ops::pow)?;
        Ok(slf)
    }
    /// Overwrites the elements with `clamp(self, min, max)`, and returns this tensor.
    #[pyo3(signature = (min=None, max=None))]
    fn clamp_(slf: Bound<'_, Self>, min: Option<args::Tensor>, max: Option<args::Tensor>) -> PyResult<Bound<'_, Self>> {
        let (min, max) = (min.as_ref().map(|t| &t.0), max.as_ref().map(|t| &t.0));
        Self::overwrite(&slf, |t| ops::clamp(t, min, max))?;
        Ok(slf)
    }
    /// Whether all elements are close: see `isclose`.
    #[pyo3(signature = (other, rtol=1e-5, atol=1e-8, equal_nan=false))]
    fn allclose(&self, py: Python<'_>, other: args::Tensor, rtol: f64, atol: f64, equal_nan: bool) -> PyResult<bool> {
        run(py, self.inner.numel(), || ops::allclose(&self.inner, &other.0, rtol, atol, equal_nan))
    }
    /// Whether shapes and all elements are equal.
    fn equal(&self, py: Python<'_>, other: args::Tensor) -> PyResult<bool> {
        run(py, self.inner.numel(), || ops::equal(&self.inner, &other.0))
    }
}

/// Whether all elements are close: see `isclose`.
#[pyfunction]
#[pyo3(signature = (x, other, rtol=1e-5, atol=1e-8, equal_nan=false))]
pub fn allclose(
    py: Python<'_>,
    x: args::Tensor,
    other: args::Tensor,
    rtol: f64,
    atol: f64,
    equal_nan: bool,
) -> PyResult<bool> {
    run(py, x.0.numel(), || ops::allclose(&x.0, &other.0, rtol, atol, equal_nan))
}

/// Whether shapes and all elements are equal.
#[pyfunction]
pub fn equal(py: Python<'_>, x: args::Tensor, other: args::Tensor) -> PyResult<bool> {
    run(py, x.0.numel(), || ops::equal(&x.0, &other.0))
}
