//! Arguments as Python users write them, and what the engine takes.

#![allow(non_camel_case_types, reason = "the rows of the operations' tables spell Python's types")]

use pyo3::exceptions::{PyMemoryError, PyOverflowError, PyTypeError};
use pyo3::inspect::PyStaticExpr;
use pyo3::types::{PyBool, PyInt, PySequence, PyString, PyTuple};
use pyo3::{PyTypeInfo, type_hint_identifier, type_hint_subscript, type_hint_union};
use rgrad_engine::tensor::room_for_tensors;
use rgrad_engine::{Tensor as EngineTensor, ops};

use crate::dtype::value_error;
use crate::entry::boundary;
use crate::entry::prelude::*;
use crate::error::{room, to_py};
use crate::interop;
use crate::operands::{no_operand, number, settle, type_name};
use crate::tensor::PyTensor;

/// What an argument of the bindings becomes for the engine.
pub(crate) trait Pass {
    type As<'a>
    where
        Self: 'a;
    fn pass(&self) -> PyResult<Self::As<'_>>;
    /// The operand that it is.
    fn operand(&mut self) -> Option<&mut EngineTensor> {
        None
    }
}

/// An operand: a tensor, an array or NumPy scalar, or a Python number, whose dtype adapts.
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
        // What nearly always is one need not pay for what can fail.
        boundary(|| {
            if let Some(n) = number(&ob)? {
                return EngineTensor::weak(n).map(Self).map_err(to_py);
            }
            if let Some(t) = interop::converted(&ob)? {
                return Ok(Self(t));
            }
            Err(no_operand(&ob))
        })
    }
}

impl Tensor {
    /// The only operand.
    pub(crate) fn alone(mut self) -> PyResult<EngineTensor> {
        settle(None, [Some(&mut self.0)])?;
        Ok(self.0)
    }
}

impl Pass for Tensor {
    type As<'a> = &'a EngineTensor;
    fn pass(&self) -> PyResult<&EngineTensor> {
        Ok(&self.0)
    }
    fn operand(&mut self) -> Option<&mut EngineTensor> {
        Some(&mut self.0)
    }
}

/// An operand that may be None.
pub(crate) type OptionalTensor = Option<Tensor>;

impl Pass for Option<Tensor> {
    type As<'a> = Option<&'a EngineTensor>;
    fn pass(&self) -> PyResult<Option<&EngineTensor>> {
        Ok(self.as_ref().map(|t| &t.0))
    }
    fn operand(&mut self) -> Option<&mut EngineTensor> {
        self.as_mut().map(|t| &mut t.0)
    }
}

/// How a quotient is rounded, by its name or None.
pub(crate) type RoundingMode = Option<String>;

impl Pass for RoundingMode {
    type As<'a> = Option<ops::Rounding>;
    fn pass(&self) -> PyResult<Option<ops::Rounding>> {
        self.as_deref().map(ops::Rounding::from_name).transpose().map_err(to_py)
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
            let Ok(t) = item.cast::<PyTensor>() else {
                let (i, name) = (all.len(), type_name(&item));
                return Err(PyTypeError::new_err(format!("expected tensors, got {name} at position {i}")));
            };
            if all.len() == all.capacity() {
                // The iterable may make its tensors as it goes on.
                let mut more = room_for_tensors(2 * all.len().max(2)).map_err(to_py)?;
                more.append(&mut all);
                all = more;
            }
            all.push(t.get().inner.clone());
        }
        Ok(Self(all))
    }
}

impl Pass for Tensors {
    type As<'a> = &'a [EngineTensor];
    fn pass(&self) -> PyResult<&[EngineTensor]> {
        Ok(&self.0)
    }
}

/// An operand for every term of an equation, given one by one or as one sequence, which may have no end.
pub(crate) fn operands(equation: &str, args: &Bound<'_, PyTuple>) -> PyResult<Vec<EngineTensor>> {
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

/// An integer of Python or NumPy, or a tensor of one, but no truth value: `var(x, True)` is not meant to be along dimension 1.
#[derive(Clone, Copy)]
pub(crate) struct Int<T>(pub(crate) T);

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
    ob.extract::<Int<isize>>().map(|int| int.0)
}

fn refuse_truth(ob: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(truth) = ob.cast::<PyBool>() else { return Ok(()) };
    let name = if truth.is_true() { "True" } else { "False" };
    Err(PyTypeError::new_err(format!(
        "expected an integer, got {name}; name the argument that it is meant for: keepdim={name}, unbiased={name}"
    )))
}

pub(crate) type int = Int<isize>;

impl Pass for int {
    type As<'a> = isize;
    fn pass(&self) -> PyResult<isize> {
        Ok(self.0)
    }
}

impl Pass for isize {
    type As<'a> = isize;
    fn pass(&self) -> PyResult<isize> {
        Ok(*self)
    }
}

/// The longest sequence of sizes: that of the pieces of a split.
const MOST_DIMS: usize = 1 << 20;

/// One or several dimensions.
pub(crate) struct DimList(Vec<isize>);

/// One or several integers.
pub(crate) type Ints = DimList;

impl Pass for DimList {
    type As<'a> = &'a [isize];
    fn pass(&self) -> PyResult<&[isize]> {
        Ok(&self.0)
    }
}

/// The size of every piece, or the sizes of the pieces.
pub(crate) struct Sections(ops::Sections);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Sections {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = DimList::INPUT_TYPE;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(size) = ob.extract::<int>() {
            return Ok(Self(ops::Sections::Every(size.0)));
        }
        ob.extract::<DimList>().map(|sizes| Self(ops::Sections::Each(sizes.0)))
    }
}

impl Pass for Sections {
    type As<'a> = &'a ops::Sections;
    fn pass(&self) -> PyResult<&ops::Sections> {
        Ok(&self.0)
    }
}

/// The items of a sequence, of which there are at most so many. A long one holds anything but sizes or dimensions, and may go on
/// for ever; what it says of its length may be wrong.
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

/// One or several dimensions, or None for all.
pub(crate) type Dims = Option<DimList>;

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for DimList {
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
        let error = match few::<int>(&ob, MOST_DIMS) {
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

impl Pass for Dims {
    type As<'a> = Option<&'a [isize]>;
    fn pass(&self) -> PyResult<Option<&[isize]>> {
        Ok(self.as_ref().map(|d| d.0.as_slice()))
    }
}

/// Sizes or dimensions, given one by one or as one sequence: `reshape(2, 3)` or `reshape((2, 3))`.
pub(crate) fn sequence(args: &Bound<'_, PyTuple>) -> PyResult<Vec<isize>> {
    if args.len() == 1 {
        return Ok(args.get_item(0)?.extract::<DimList>()?.0);
    }
    Ok(args.extract::<DimList>()?.0)
}

/// A shape: an integer or a sequence of them, none negative.
pub(crate) struct Shape(pub(crate) Vec<usize>);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Shape {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = DimList::INPUT_TYPE;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        sizes(&ob.extract::<DimList>()?.0).map(Self)
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

pub(crate) type float = f64;

impl Pass for f64 {
    type As<'a> = f64;
    fn pass(&self) -> PyResult<f64> {
        Ok(*self)
    }
}

pub(crate) type OptionalFloat = Option<float>;

impl Pass for OptionalFloat {
    type As<'a> = Option<f64>;
    fn pass(&self) -> PyResult<Option<f64>> {
        Ok(*self)
    }
}

/// One of the names that an argument may have.
pub(crate) type Name<'a> = &'a str;

impl Pass for &str {
    type As<'a>
        = &'a str
    where
        Self: 'a;
    fn pass(&self) -> PyResult<&str> {
        Ok(self)
    }
}

impl Pass for bool {
    type As<'a> = bool;
    fn pass(&self) -> PyResult<bool> {
        Ok(*self)
    }
}

/// The order of a norm: a number, or "fro" for 2, which is also what None stands for.
pub(crate) struct OrderOf(f64);

pub(crate) type Order = Option<OrderOf>;

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for OrderOf {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_union!(type_hint_identifier!("builtins", "float"), type_hint_identifier!("builtins", "str"));

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
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

impl Pass for Order {
    type As<'a> = f64;
    fn pass(&self) -> PyResult<f64> {
        Ok(self.as_ref().map_or(2.0, |order| order.0))
    }
}

/// Which dimensions a contraction sums over: how many, or those of the one and those of the other operand.
pub(crate) struct Pairing(ops::Pairing);

impl Pairing {
    /// As many of the last as of the first.
    pub(crate) fn last(n: isize) -> Self {
        Self(ops::Pairing::Last(n))
    }
}

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Pairing {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        type_hint_identifier!("builtins", "int"),
        type_hint_subscript!(type_hint_identifier!("collections.abc", "Sequence"), DimList::INPUT_TYPE)
    );

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        refuse_truth(&ob)?;
        if let Ok(n) = ob.extract::<isize>() {
            return Ok(Self::last(n));
        }
        match ob.extract::<(DimList, DimList)>().or_else(|_| {
            let [a, b] = <[DimList; 2]>::try_from(few(&ob, 2)?)
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

impl Pass for Pairing {
    type As<'a> = &'a ops::Pairing;
    fn pass(&self) -> PyResult<&ops::Pairing> {
        Ok(&self.0)
    }
}
