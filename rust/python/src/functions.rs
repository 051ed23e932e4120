//! Python's functions and methods of the operations, which `build` writes from the engine's signatures.

#![allow(clippy::too_many_arguments, reason = "as many as Python users may name")]

use pyo3::exceptions::PyTypeError;
use pyo3::types::PyTuple;
use rgrad_engine::{Tensor as EngineTensor, ops};

use crate::args::{Int, Ints, Order, Pairing, Rounding, Sections, Tensor, Tensors, integer, operands_of, sequence};
use crate::dtype::{AnyDType, value_error};
use crate::entry::prelude::*;
use crate::error::run;
use crate::index::Indices;
use crate::operands::settle;
use crate::results::{Asked, DimOrTensor, Extreme, Pair, Tuple, ValuesIndices, extreme};
use crate::tensor::PyTensor;

/// NumPy's spelling of an argument beside PyTorch's: whichever was given.
pub(crate) fn either<T>(name: &str, ours: Option<T>, theirs: Option<T>) -> PyResult<Option<T>> {
    if ours.is_some() && theirs.is_some() {
        return Err(value_error(format!("{name} was given twice, in PyTorch's and in NumPy's spelling")));
    }
    Ok(ours.or(theirs))
}

/// The dimension, which must be given.
fn required(op: &str, dim: Option<Int>) -> PyResult<isize> {
    let missing = || PyTypeError::new_err(format!("{op}: give the dim along which elements are combined"));
    dim.map(|dim| dim.0).ok_or_else(missing)
}

/// What `f` gives of `x` as another dtype, in that dtype; of `x` itself if there is none.
fn in_dtype(
    x: &EngineTensor,
    dtype: Option<AnyDType>,
    f: impl FnOnce(&EngineTensor) -> rgrad_engine::Result<EngineTensor>,
) -> rgrad_engine::Result<EngineTensor> {
    match dtype {
        Some(AnyDType(dtype)) => ops::cast(&f(&ops::cast(x, dtype)?)?, dtype),
        None => f(x),
    }
}

include!(concat!(env!("OUT_DIR"), "/operations.rs"));
