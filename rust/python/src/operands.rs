//! Conversion of operands that are not tensors: numbers, arrays, other libraries' tensors.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};
use rgrad_engine::{DType, Number, Tensor as EngineTensor};

use crate::error::to_py;
use crate::interop;
use crate::tensor::PyTensor;

/// A Python number, if `ob` is one.
pub(crate) fn number(ob: &Bound<'_, PyAny>) -> PyResult<Option<Number>> {
    if let Ok(f) = ob.cast::<PyFloat>() {
        return Ok(Some(Number::Float(f.value())));
    }
    if let Ok(b) = ob.cast::<PyBool>() {
        return Ok(Some(Number::Bool(b.is_true())));
    }
    if ob.cast::<PyInt>().is_ok() {
        return Ok(Some(Number::Int(ob.extract()?)));
    }
    Ok(None)
}

/// An operand combined with a tensor: a Python number takes their common dtype at once. `Ok(None)` if `ob` cannot be combined
/// with a tensor.
pub(crate) fn beside<'a>(ob: &'a Bound<'_, PyAny>, partner: &EngineTensor) -> PyResult<Option<Beside<'a>>> {
    if let Ok(t) = ob.cast::<PyTensor>() {
        return Ok(Some(Beside::There(&t.get().inner)));
    }
    let made = match number(ob)? {
        Some(n) => Some(partner.number_beside(n).map_err(to_py)?),
        None => interop::converted(ob)?,
    };
    Ok(made.map(Beside::Made))
}

/// The error for an object that is not an operand.
pub(crate) fn no_operand(ob: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("expected a tensor, an array or a number, got {}", type_name(ob)))
}

/// The name of an object's class, with its module unless it is a builtin: other libraries have tensors, too.
pub(crate) fn type_name(ob: &Bound<'_, PyAny>) -> String {
    ob.get_type().fully_qualified_name().map_or_else(|_| "an object".into(), |name| name.to_string())
}

/// The other operand: a tensor, or one converted from something else.
pub(crate) enum Beside<'a> {
    There(&'a EngineTensor),
    Made(EngineTensor),
}

impl std::ops::Deref for Beside<'_> {
    type Target = EngineTensor;
    fn deref(&self) -> &EngineTensor {
        match self {
            Beside::There(t) => t,
            Beside::Made(t) => t,
        }
    }
}

/// Gives Python floats the dtype of floating-point operands, or the default dtype if there are no tensors. With integer
/// operands they stay weak, for the operation to see.
pub(crate) fn settle<const N: usize>(
    beside: Option<&EngineTensor>,
    mut all: [Option<&mut EngineTensor>; N],
) -> PyResult<()> {
    let weak = |t: &EngineTensor| t.is_weak() && t.dtype().is_float();
    if !all.iter().flatten().any(|t| weak(t)) {
        return Ok(());
    }
    let tensors = all.iter().flatten().map(|t| &**t).chain(beside);
    let dtype = match tensors.filter(|t| !t.is_weak()).map(EngineTensor::dtype).max() {
        Some(dtype) if dtype.is_float() => dtype,
        Some(_) => return Ok(()),
        None => DType::default_float(),
    };
    for t in all.iter_mut().flatten().filter(|t| weak(t)) {
        **t = t.item().and_then(|number| EngineTensor::full(&[], number, dtype)).map_err(to_py)?;
    }
    Ok(())
}
