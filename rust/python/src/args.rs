//! Conversion of Python arguments to the engine's types.

use pyo3::exceptions::{PyMemoryError, PyOverflowError, PyTypeError};
use pyo3::inspect::PyStaticExpr;
use pyo3::types::{PyBool, PyInt, PyList, PySequence, PyString, PyTuple};
use pyo3::{PyTypeInfo, type_hint_identifier, type_hint_subscript, type_hint_union};
use rgrad_engine::tensor::room_for_tensors;
use rgrad_engine::{Tensor as EngineTensor, ops};

use crate::dtype::value_error;
use crate::entry::boundary;
use crate::entry::prelude::*;
use crate::error::{room, to_py};
use crate::interop;
use crate::make::from_list;
use crate::operands::{no_operand, number, type_name};
use crate::tensor::PyTensor;

/// An operand: a tensor, an array or NumPy scalar, nested lists of numbers, or a Python number, whose dtype adapts.
pub(crate) struct Tensor(pub(crate) EngineTensor);

impl<'a, 'py> FromPyObject<'a, 'py> for Tensor {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        PyTensor::TYPE_HINT,
        type_hint_identifier!("builtins", "float"),
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), type_hint_identifier!("typing", "Any"))
    );

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(t) = ob.cast::<PyTensor>() {
            return Ok(Self(t.get().inner.clone()));
        }
        // The common case skips the fallible conversions.
        boundary(|| {
            if let Some(n) = number(&ob)? {
                return EngineTensor::weak(n).map(Self).map_err(to_py);
            }
            if let Some(t) = interop::converted(&ob)? {
                return Ok(Self(t));
            }
            if ob.cast::<PyList>().is_ok() || ob.cast::<PyTuple>().is_ok() {
                return from_list(&ob).map(Self);
            }
            Err(no_operand(&ob))
        })
    }
}

/// How a quotient is rounded, by its name.
pub(crate) struct Rounding(pub(crate) ops::Rounding);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Rounding {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = String::INPUT_TYPE;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        ops::Rounding::from_name(&ob.extract::<String>()?).map(Self).map_err(to_py)
    }
}

/// A sequence of tensors.
pub(crate) struct Tensors(pub(crate) Vec<EngineTensor>);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Tensors {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("collections.abc", "Iterable"), PyTensor::TYPE_HINT);

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let mut all = room_for_tensors(ob.len().unwrap_or(0)).map_err(to_py)?;
        for item in ob.try_iter()? {
            let item = item?;
            let t = match item.cast::<PyTensor>() {
                Ok(t) => t.get().inner.clone(),
                Err(_) => interop::converted(&item)?.ok_or_else(|| {
                    let (i, name) = (all.len(), type_name(&item));
                    PyTypeError::new_err(format!("expected tensors, got {name} at position {i}"))
                })?,
            };
            if all.len() == all.capacity() {
                // The iterable may make its tensors as it goes on.
                let mut more = room_for_tensors(2 * all.len().max(2)).map_err(to_py)?;
                more.append(&mut all);
                all = more;
            }
            all.push(t);
        }
        Ok(Self(all))
    }
}

/// An operand for every term of an equation, given one by one or as one sequence, which may have no end.
pub(crate) fn operands_of(equation: &str, args: &Bound<'_, PyTuple>) -> PyResult<Vec<EngineTensor>> {
    let terms = equation.split(',').count();
    let first = args.get_item(0).ok().filter(|first| args.len() == 1 && first.cast::<PySequence>().is_ok());
    let list = match &first {
        Some(list) => list.try_iter()?,
        None => args.try_iter()?,
    };
    let mut all = Vec::new();
    for item in list {
        if all.len() == terms {
            return Err(value_error(format!(
                "einsum: {equation:?} has {terms} terms, one for every operand, and more operands were given"
            )));
        }
        all.push(item?.extract::<Tensor>()?.0);
    }
    Ok(all)
}

/// An integer of Python or NumPy, or a tensor of one, but not a bool: `var(x, True)` does not mean dimension 1.
#[derive(Clone, Copy)]
pub(crate) struct Int<T = isize>(pub(crate) T);

#[conversion]
impl<'a, 'py, T: FromPyObject<'a, 'py, Error = PyErr>> FromPyObject<'a, 'py> for Int<T> {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_identifier!("typing", "SupportsIndex");

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        refuse_truth(&ob)?;
        ob.extract().map(Self)
    }
}

/// An [`Int`] whose default is written as a number.
pub(crate) fn integer(ob: &Bound<'_, PyAny>) -> PyResult<isize> {
    ob.extract::<Int>().map(|int| int.0)
}

fn refuse_truth(ob: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(truth) = ob.cast::<PyBool>() else { return Ok(()) };
    let name = if truth.is_true() { "True" } else { "False" };
    Err(PyTypeError::new_err(format!(
        "expected an integer, got {name}; name the argument that it is meant for: keepdim={name}, unbiased={name}"
    )))
}

/// The longest sequence of sizes: that of the pieces of a split.
const MOST_DIMS: usize = 1 << 20;

/// One or several integers: dimensions, or sizes.
pub(crate) struct Ints(pub(crate) Vec<isize>);

/// The size of every piece, or the sizes of the pieces.
pub(crate) struct Sections(pub(crate) ops::Sections);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Sections {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = Ints::INPUT_TYPE;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(size) = ob.extract::<Int>() {
            return Ok(Self(ops::Sections::Every(size.0)));
        }
        ob.extract::<Ints>().map(|sizes| Self(ops::Sections::Each(sizes.0)))
    }
}

/// The items of a sequence of at most `most`. Longer ones hold anything but sizes or dimensions, and may be endless; the length
/// that they report may be wrong.
fn few<'py, T>(ob: &Bound<'py, PyAny>, most: usize) -> PyResult<Vec<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let mut all = Vec::new();
    for item in ob.cast::<PySequence>()?.try_iter()? {
        if all.len() == most {
            return Err(value_error(format!("expected sizes or dimensions, got a sequence of more than {most}")));
        }
        // `push` alone would end the process where memory ends.
        let room = all.try_reserve(1);
        room.map_err(|_| PyMemoryError::new_err(format!("no memory for more than {} sizes", all.len())))?;
        all.push(item?.extract()?);
    }
    Ok(all)
}

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Ints {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        type_hint_identifier!("builtins", "int"),
        type_hint_subscript!(
            type_hint_identifier!("collections.abc", "Sequence"),
            type_hint_identifier!("builtins", "int")
        )
    );

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        refuse_truth(&ob)?;
        if let Ok(one) = ob.extract::<isize>() {
            return Ok(Self(vec![one]));
        }
        let error = match few::<Int>(&ob, MOST_DIMS) {
            Ok(all) => return Ok(Self(all.into_iter().map(|int| int.0).collect())),
            Err(error) => error,
        };
        let py = ob.py();
        if !error.is_instance_of::<PyTypeError>(py) && !error.is_instance_of::<PyOverflowError>(py) {
            // A sequence's own error, or one of the core, says more than that it holds no integers.
            return Err(error);
        }
        if ob.cast::<PyInt>().is_ok() || error.is_instance_of::<PyOverflowError>(py) {
            return Err(PyOverflowError::new_err(format!("no size or dimension can be as large as {}", ob.repr()?)));
        }
        Err(PyTypeError::new_err(format!("expected an integer or a sequence of them, got {}", ob.repr()?)))
    }
}

/// Sizes or dimensions, given one by one or as one sequence: `reshape(2, 3)` or `reshape((2, 3))`.
pub(crate) fn sequence(args: &Bound<'_, PyTuple>) -> PyResult<Vec<isize>> {
    if args.len() == 1 {
        return Ok(args.get_item(0)?.extract::<Ints>()?.0);
    }
    Ok(args.extract::<Ints>()?.0)
}

/// A shape: an integer or a sequence of them, none negative.
pub(crate) struct Shape(pub(crate) Vec<usize>);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Shape {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = Ints::INPUT_TYPE;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        sizes(&ob.extract::<Ints>()?.0).map(Self)
    }
}

/// Sizes, none of which may be negative.
pub(crate) fn sizes(all: &[isize]) -> PyResult<Vec<usize>> {
    let size = |&n: &isize| {
        usize::try_from(n).map_err(|_| value_error(format!("a tensor cannot have a dimension of size {n}")))
    };
    let mut found = room(all.len())?;
    for n in all {
        found.push(size(n)?);
    }
    Ok(found)
}

/// The order of a norm: a number, or "fro" for 2, which is also what None stands for.
pub(crate) struct Order(pub(crate) f64);

impl From<f64> for Order {
    fn from(p: f64) -> Self {
        Self(p)
    }
}

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Order {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        type_hint_identifier!("builtins", "float"),
        type_hint_identifier!("builtins", "str"),
        type_hint_identifier!("builtins", "None")
    );

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if ob.is_none() {
            return Ok(Self(2.0));
        }
        let Ok(name) = ob.cast::<PyString>() else { return ob.extract().map(Self) };
        match &*name.to_cow()? {
            "fro" => Ok(Self(2.0)),
            "nuc" => Err(value_error(
                "norm: the nuclear norm is the sum of the singular values, which rgrad does not compute; use \"fro\"",
            )),
            other => Err(value_error(format!("norm: expected a number, float(\"inf\") or \"fro\", got {other:?}"))),
        }
    }
}

/// Which dimensions a contraction sums over: how many, or those of the one and those of the other operand.
pub(crate) struct Pairing(pub(crate) ops::Pairing);

impl From<isize> for Pairing {
    /// As many of the last as of the first.
    fn from(n: isize) -> Self {
        Self(ops::Pairing::Last(n))
    }
}

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Pairing {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        type_hint_identifier!("builtins", "int"),
        type_hint_subscript!(type_hint_identifier!("collections.abc", "Sequence"), Ints::INPUT_TYPE)
    );

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        refuse_truth(&ob)?;
        if let Ok(n) = ob.extract::<isize>() {
            return Ok(n.into());
        }
        match ob.extract::<(Ints, Ints)>().or_else(|_| {
            let [a, b] = <[Ints; 2]>::try_from(few(&ob, 2)?)
                .map_err(|all| value_error(format!("expected two lists of dims, got {}", all.len())))?;
            PyResult::Ok((a, b))
        }) {
            Ok((a, b)) => Ok(Self(ops::Pairing::Lists(a.0, b.0))),
            Err(_) => Err(PyTypeError::new_err(format!(
                "tensordot: dims is a number of dimensions or a pair of lists of them, got {}",
                ob.repr()?
            ))),
        }
    }
}
