//! Functions that make tensors, and the random generator.

use std::sync::LazyLock;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::types::PyTuple;
use rgrad_engine::compile;
use rgrad_engine::ops;
use rgrad_engine::random::{Generator, State};
use rgrad_engine::{DType, Number, Tensor};

use crate::args::{self, Int, Shape, sequence, sizes};
use crate::dtype::AnyDType;
use crate::entry::prelude::*;
use crate::error::{run, to_py};
use crate::make::make;
use crate::operands::number;
use crate::results::Tuple;
use crate::tensor::{Out, PyTensor};

fn finish(t: Tensor, requires_grad: bool) -> Out {
    t.set_requires_grad(requires_grad).map_err(to_py)?;
    Ok(t.into())
}

fn or_default(dtype: Option<AnyDType>) -> DType {
    dtype.map_or_else(DType::default_float, |d| d.0)
}

/// A Python number.
pub(crate) struct Num(pub(crate) Number);

#[conversion]
impl<'a, 'py> FromPyObject<'a, 'py> for Num {
    type Error = PyErr;
    const INPUT_TYPE: pyo3::inspect::PyStaticExpr = pyo3::type_hint_identifier!("builtins", "float");
    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match number(&ob)? {
            Some(n) => Ok(Self(n)),
            // NumPy's scalars, and tensors of one element.
            None => match ob.extract::<args::Tensor>() {
                Ok(t) => t.0.item().map(Self).map_err(to_py),
                Err(_) => Ok(Self(Number::Float(ob.extract()?))),
            },
        }
    }
}

/// A tensor with a copy of `data`: numbers, nested lists, an array or a tensor.
///
/// Unless `dtype` is given, Python floats get the default dtype, integers int64, and arrays keep theirs. `ValueError` if nested
/// lists are ragged or hold a number that `dtype` cannot represent, `TypeError` if no dtype can hold the elements.
#[pyfunction]
#[pyo3(signature = (data: "Any", dtype=None, requires_grad=false))]
pub fn tensor(data: &Bound<'_, PyAny>, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    make(data, dtype, requires_grad).map(Into::into)
}

macro_rules! filled {
    ($($(#[$doc:meta])* $name:ident $like:ident $value:expr;)*) => {$(
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (*size: "int | Sequence[int]", dtype=None, requires_grad=false))]
        pub fn $name(size: &Bound<'_, PyTuple>, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
            let shape = sizes(&sequence(size)?)?;
            finish(Tensor::full(&shape, $value, or_default(dtype)).map_err(to_py)?, requires_grad)
        }
        #[doc = concat!("As `", stringify!($name), "`, with the shape and, unless given, the dtype of `x`.")]
        #[pyfunction]
        #[pyo3(signature = (x, dtype=None, requires_grad=false))]
        pub fn $like(x: args::Tensor, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
            let dtype = dtype.map_or(x.0.dtype(), |d| d.0);
            finish(Tensor::full(x.0.shape(), $value, dtype).map_err(to_py)?, requires_grad)
        }
    )*};
}

filled! {
    /// Zeros.
    zeros zeros_like Number::Int(0);
    /// Ones.
    ones ones_like Number::Int(1);
    /// A tensor to be filled later; its elements are 0, so that no result depends on uninitialised memory.
    empty empty_like Number::Int(0);
}

/// A tensor filled with one number. `ValueError` if the dtype cannot hold it.
#[pyfunction]
#[pyo3(signature = (size, fill_value, dtype=None, requires_grad=false))]
pub fn full(size: Shape, fill_value: Num, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    let own = match fill_value.0 {
        Number::Bool(_) => DType::Bool,
        Number::Int(_) => DType::Int64,
        Number::Float(_) => DType::default_float(),
    };
    let dtype = dtype.map_or(own, |d| d.0);
    fill_value.0.check_fits("full", dtype).map_err(to_py)?;
    finish(Tensor::full(&size.0, fill_value.0, dtype).map_err(to_py)?, requires_grad)
}

/// A tensor filled with one number, of the shape and, unless given, the dtype of `x`. `ValueError` if the dtype cannot hold
/// the number.
#[pyfunction]
#[pyo3(signature = (x, fill_value, dtype=None, requires_grad=false))]
pub fn full_like(x: args::Tensor, fill_value: Num, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    let dtype = dtype.map_or(x.0.dtype(), |d| d.0);
    fill_value.0.check_fits("full_like", dtype).map_err(to_py)?;
    finish(Tensor::full(x.0.shape(), fill_value.0, dtype).map_err(to_py)?, requires_grad)
}

/// A number of elements, which must not be negative.
fn count(n: Int) -> PyResult<usize> {
    Ok(sizes(&[n.0])?[0])
}

/// Ones on the diagonal of an (n, m) matrix of zeros; `m` is `n` unless given.
#[pyfunction]
#[pyo3(signature = (n, m=None, dtype=None, requires_grad=false))]
pub fn eye(n: Int, m: Option<Int>, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    finish(ops::eye(count(n)?, count(m.unwrap_or(n))?, or_default(dtype)).map_err(to_py)?, requires_grad)
}

/// `start, start + step, …` up to but excluding `end`; with one argument, from 0 up to it. Unless `dtype` is given, integers
/// give int64, and floats the default dtype.
#[pyfunction]
#[pyo3(signature = (start, end=None, step=None, dtype=None, requires_grad=false))]
pub fn arange(start: Num, end: Option<Num>, step: Option<Num>, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    let (from, to) = match end {
        Some(end) => (start.0, end.0),
        None => (Number::Int(0), start.0),
    };
    let step = step.map_or(Number::Int(1), |s| s.0);
    if [from, to, step].iter().any(|n| matches!(n, Number::Bool(_))) {
        return Err(PyTypeError::new_err(
            "arange: expected numbers, got a truth value; write requires_grad=True by its name",
        ));
    }
    finish(ops::arange(from, to, step, dtype.map(|d| d.0)).map_err(to_py)?, requires_grad)
}

/// `steps` numbers from `start` to `end`, both included, evenly spaced.
#[pyfunction]
#[pyo3(signature = (start, end, steps, dtype=None, requires_grad=false))]
pub fn linspace(start: f64, end: f64, steps: Int, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    finish(ops::linspace(start, end, count(steps)?, dtype.map(|d| d.0)).map_err(to_py)?, requires_grad)
}

/// `steps` powers of `base`, with exponents evenly spaced from `start` to `end`, both included.
#[pyfunction]
#[pyo3(signature = (start, end, steps, base=10.0, dtype=None, requires_grad=false))]
pub fn logspace(start: f64, end: f64, steps: Int, base: f64, dtype: Option<AnyDType>, requires_grad: bool) -> Out {
    finish(ops::logspace(start, end, count(steps)?, base, dtype.map(|d| d.0)).map_err(to_py)?, requires_grad)
}

/// The coordinates of a grid: each vector expanded along the dimensions of the others, as views.
///
/// With `indexing="ij"` the first vector varies along the first dimension, and so on; with `"xy"` the first two dimensions are
/// swapped. `ValueError` for tensors of more than one dimension.
#[pyfunction]
#[pyo3(signature = (*tensors: "Tensor | Sequence[Tensor]", indexing="ij"))]
pub fn meshgrid(tensors: &Bound<'_, PyTuple>, indexing: &str) -> PyResult<Tuple> {
    let xy = match indexing {
        "ij" => false,
        "xy" => true,
        other => return Err(PyValueError::new_err(format!("meshgrid: indexing is \"ij\" or \"xy\", got {other:?}"))),
    };
    let all = match tensors.get_item(0) {
        Ok(list) if tensors.len() == 1 && !list.is_instance_of::<PyTensor>() => list.extract::<args::Tensors>()?,
        _ => tensors.extract::<args::Tensors>()?,
    };
    ops::meshgrid(&all.0, xy).map(Into::into).map_err(to_py)
}

/// A random number generator: a seed gives the same numbers on every platform, instruction set and number of threads.
#[pyclass(name = "Generator", module = "rgrad", frozen)]
pub struct PyGenerator(Generator);

static DEFAULT: LazyLock<Generator> = LazyLock::new(|| Generator::new(0));

fn seed_of(ob: &Bound<'_, PyAny>) -> PyResult<u64> {
    ob.extract::<Int<u64>>().map(|int| int.0)
}

#[pymethods]
impl PyGenerator {
    #[new]
    #[pyo3(signature = (seed: "SupportsIndex"=0))]
    fn new(#[pyo3(from_py_with = seed_of)] seed: u64) -> Self {
        Self(Generator::new(seed))
    }
    /// Reseeds the generator, and returns it.
    fn manual_seed(slf: Bound<'_, Self>, seed: Int<u64>) -> Bound<'_, Self> {
        compile::set_state(&slf.get().0, State { seed: seed.0, offset: 0 });
        slf
    }
    /// The seed.
    fn initial_seed(&self) -> u64 {
        self.0.state().seed
    }
    /// Seed and position, for `set_state`.
    fn get_state(&self) -> (u64, u64) {
        let s = compile::state_of(&self.0);
        (s.seed, s.offset)
    }
    /// Restores a state from `get_state`.
    fn set_state(&self, state: (u64, u64)) {
        compile::set_state(&self.0, State { seed: state.0, offset: state.1 });
    }
    fn __repr__(&self) -> String {
        let s = self.0.state();
        format!("Generator(seed={}, offset={})", s.seed, s.offset)
    }
    fn __reduce__(slf: &Bound<'_, Self>) -> (Py<pyo3::types::PyType>, (u64,), (u64, u64)) {
        let s = slf.get().0.state();
        (slf.get_type().unbind(), (s.seed,), (s.seed, s.offset))
    }
    fn __setstate__(&self, state: (u64, u64)) -> PyResult<()> {
        self.set_state(state)
    }
}

/// Reseeds the default generator.
#[pyfunction]
pub fn manual_seed(seed: Int<u64>) -> PyGenerator {
    compile::set_state(&DEFAULT, State { seed: seed.0, offset: 0 });
    PyGenerator(DEFAULT.clone())
}

/// Seed and position of the default generator.
#[pyfunction]
pub fn get_rng_state() -> (u64, u64) {
    let s = compile::state_of(&DEFAULT);
    (s.seed, s.offset)
}

/// Restores a state of the default generator from `get_rng_state`.
#[pyfunction]
pub fn set_rng_state(state: (u64, u64)) {
    compile::set_state(&DEFAULT, State { seed: state.0, offset: state.1 });
}

/// Runs `f` with a generator, or the default one.
pub(crate) fn draw<R: Send>(
    py: Python<'_>,
    generator: Option<&Bound<'_, PyGenerator>>,
    elements: usize,
    f: impl FnOnce(&Generator) -> rgrad_engine::Result<R> + Send,
) -> PyResult<R> {
    let own = generator.map(|g| g.get().0.clone());
    run(py, elements, || f(own.as_ref().unwrap_or(&DEFAULT)))
}

macro_rules! random {
    ($($(#[$doc:meta])* $name:ident $like:ident;)*) => {$(
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (*size: "int | Sequence[int]", dtype=None, requires_grad=false, generator=None))]
        pub fn $name(
            py: Python<'_>,
            size: &Bound<'_, PyTuple>,
            dtype: Option<AnyDType>,
            requires_grad: bool,
            generator: Option<&Bound<'_, PyGenerator>>,
        ) -> Out {
            let (shape, dtype) = (sizes(&sequence(size)?)?, or_default(dtype));
            finish(draw(py, generator, usize::MAX, |g| g.$name(&shape, dtype))?, requires_grad)
        }
        #[doc = concat!("As `", stringify!($name), "`, with the shape and, unless given, the dtype of `x`.")]
        #[pyfunction]
        #[pyo3(signature = (x, dtype=None, requires_grad=false, generator=None))]
        pub fn $like(
            py: Python<'_>,
            x: args::Tensor,
            dtype: Option<AnyDType>,
            requires_grad: bool,
            generator: Option<&Bound<'_, PyGenerator>>,
        ) -> Out {
            let dtype = dtype.map_or(x.0.dtype(), |d| d.0);
            finish(draw(py, generator, usize::MAX, |g| g.$name(x.0.shape(), dtype))?, requires_grad)
        }
    )*};
}

random! {
    /// Random numbers, uniform on [0, 1).
    rand rand_like;
    /// Random numbers from the standard normal distribution.
    randn randn_like;
}

/// Random integers, uniform from `low` to `high − 1`: `randint(high, size)` or `randint(low, high, size)`.
#[pyfunction]
#[pyo3(signature = (low=None, high: "int | Sequence[int] | None"=None, size=None, *, dtype=None, generator=None))]
pub fn randint(
    py: Python<'_>,
    low: Option<Int<i64>>,
    high: Option<&Bound<'_, PyAny>>,
    size: Option<Shape>,
    dtype: Option<AnyDType>,
    generator: Option<&Bound<'_, PyGenerator>>,
) -> Out {
    let (low, high, size) = match (low, high, size) {
        (Some(low), Some(high), Some(size)) => (low, high.extract::<Int<i64>>()?, size),
        (Some(high), None, Some(size)) => (Int(0), high, size),
        (None, Some(high), Some(size)) => (Int(0), high.extract::<Int<i64>>()?, size),
        (Some(high), Some(size), None) if size.extract::<i64>().is_err() => (Int(0), high, size.extract()?),
        _ => return Err(PyTypeError::new_err("randint: write randint(high, size) or randint(low, high, size)")),
    };
    let dtype = dtype.map_or(DType::Int64, |d| d.0);
    draw(py, generator, usize::MAX, |g| g.randint(low.0, high.0, &size.0, dtype)).map(Into::into)
}

/// The integers 0 to n − 1 in random order.
#[pyfunction]
#[pyo3(signature = (n, *, dtype=None, generator=None))]
pub fn randperm(py: Python<'_>, n: Int, dtype: Option<AnyDType>, generator: Option<&Bound<'_, PyGenerator>>) -> Out {
    let (n, dtype) = (count(n)?, dtype.map_or(DType::Int64, |d| d.0));
    draw(py, generator, usize::MAX, |g| g.randperm(n, dtype)).map(Into::into)
}

/// `x` with each element set to 0 with probability `p`, the others divided by 1 − p. `ValueError` unless 0 ≤ p ≤ 1.
#[pyfunction]
#[pyo3(signature = (x, p=0.5, generator=None))]
pub fn dropout(py: Python<'_>, x: &Bound<'_, PyTensor>, p: f64, generator: Option<&Bound<'_, PyGenerator>>) -> Out {
    if !(0.0..=1.0).contains(&p) {
        return Err(PyValueError::new_err(format!("dropout: expected a probability from 0 to 1, got {p}")));
    }
    let x = &x.get().inner;
    let keep = 1.0 - p;
    let factor = if keep == 0.0 { 0.0 } else { 1.0 / keep };
    draw(py, generator, x.numel(), |g| ops::mul(x, &g.mask(x.shape(), x.dtype(), keep, factor)?)).map(Into::into)
}
