//! Tensors from nothing: ranges, identity, random numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rgrad_kernels::random as kernels;

use crate::compile;
use crate::dtype::{DType, match_float};
use crate::error::{Result, fail};
use crate::ops::{cast, pow};
use crate::shape::{Dims, checked_numel};
use crate::tensor::{Number, Tensor};

/// `start, start + step, …` up to but without `end`. Integers if all three are and no dtype is given.
pub fn arange(start: Number, end: Number, step: Number, dtype: Option<DType>) -> Result<Tensor> {
    if let (Number::Int(from), Number::Int(to), Number::Int(by)) = (start, end, step) {
        if by == 0 {
            fail!(Value, "arange: the step must not be 0");
        }
        let count = (i128::from(to) - i128::from(from) + i128::from(by) - i128::from(by.signum())) / i128::from(by);
        let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
        let dtype = dtype.unwrap_or(DType::Int64);
        checked_numel("arange", &[count])?;
        let last = from.wrapping_add(by.wrapping_mul(count as i64 - 1));
        if count > 0 && !(dtype.holds(from) && dtype.holds(last)) {
            fail!(Value, "arange: {dtype} does not hold all integers from {from} to {last}");
        }
        let whole = Tensor::build::<i64>("arange", &[count], DType::Int64, |out| {
            for (i, o) in out.iter_mut().enumerate() {
                *o = from + by * i as i64;
            }
            Ok(())
        })?;
        return cast(&whole, dtype);
    }
    let [from, to, by] = [start, end, step].map(to_f64);
    let count = ((to - from) / by).ceil();
    if by == 0.0 || !count.is_finite() {
        fail!(Value, "arange: cannot go from {from} to {to} in steps of {by}");
    }
    sequence("arange", count.max(0.0) as usize, dtype, |i| from + by * i as f64)
}

/// `steps` numbers from `start` to `end`, both included.
pub fn linspace(start: f64, end: f64, steps: usize, dtype: Option<DType>) -> Result<Tensor> {
    let gaps = steps.saturating_sub(1).max(1) as f64;
    // From both ends, so that the last number is `end` exactly.
    let at = |i: usize| {
        let (a, b) = (i as f64, gaps - i as f64);
        if a <= b { start + (end - start) / gaps * a } else { end - (end - start) / gaps * b }
    };
    sequence("linspace", steps, dtype, at)
}

/// `steps` powers of `base`, whose exponents go from `start` to `end`, both included.
pub fn logspace(start: f64, end: f64, steps: usize, base: f64, dtype: Option<DType>) -> Result<Tensor> {
    let exponents = linspace(start, end, steps, Some(DType::Float64))?;
    let powers = pow(&Tensor::scalar(Number::Float(base), DType::Float64)?, &exponents)?;
    cast(&powers, dtype.unwrap_or_else(DType::default_float))
}

fn sequence(op: &str, count: usize, dtype: Option<DType>, at: impl Fn(usize) -> f64) -> Result<Tensor> {
    let all = Tensor::build::<f64>(op, &[count], DType::Float64, |out| {
        for (i, o) in out.iter_mut().enumerate() {
            *o = at(i);
        }
        Ok(())
    })?;
    cast(&all, dtype.unwrap_or_else(DType::default_float))
}

fn to_f64(n: Number) -> f64 {
    match n {
        Number::Bool(b) => f64::from(u8::from(b)),
        Number::Int(i) => i as f64,
        Number::Float(f) => f,
    }
}

/// Ones on the diagonal of zeros.
pub fn eye(n: usize, m: usize, dtype: DType) -> Result<Tensor> {
    let flat = Tensor::build::<f64>("eye", &[n, m], DType::Float64, |out| {
        out.fill(0.0);
        for i in 0..n.min(m) {
            out[i * m + i] = 1.0;
        }
        Ok(())
    })?;
    cast(&flat, dtype)
}

/// A stream of random numbers: element `i` of everything drawn so far depends on the seed and on `i` alone, on every
/// platform, instruction set and number of threads.
///
/// A clone is another handle to the same stream.
#[derive(Clone, Debug)]
pub struct Generator {
    state: Arc<Place>,
}

/// The [`State`], without a lock: it is never half changed for longer than it takes to write two numbers.
#[derive(Debug)]
struct Place {
    seed: AtomicU64,
    offset: AtomicU64,
}

/// Where a generator stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What the stream is made from.
    pub seed: u64,
    /// How many numbers were drawn.
    pub offset: u64,
}

impl Generator {
    /// The stream of this seed, from its beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Place { seed: AtomicU64::new(seed), offset: AtomicU64::new(0) }) }
    }

    /// Where the stream stands.
    #[must_use]
    pub fn state(&self) -> State {
        State { seed: self.state.seed.load(Relaxed), offset: self.state.offset.load(Relaxed) }
    }

    /// Goes to another place, or another stream.
    pub fn set_state(&self, state: State) {
        self.state.seed.store(state.seed, Relaxed);
        self.state.offset.store(state.offset, Relaxed);
    }

    /// Whether two handles are of one stream.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Reserves `count` numbers of the stream.
    fn take(&self, count: usize) -> State {
        let seed = self.state.seed.load(Relaxed);
        State { seed, offset: self.state.offset.fetch_add(count as u64, Relaxed) }
    }

    /// Uniform on [0, 1).
    pub fn rand(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let shape: Dims = shape.into();
        compile::drawn("rand", self, move |g| {
            match_float!(dtype, "rand", T => Tensor::build::<T>("rand", &shape, dtype, |out| {
                let s = g.take(out.len());
                kernels::uniform(out, s.seed, s.offset);
                Ok(())
            }))
        })
    }

    /// Standard normal.
    pub fn randn(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let shape: Dims = shape.into();
        compile::drawn("randn", self, move |g| {
            match_float!(dtype, "randn", T => Tensor::build::<T>("randn", &shape, dtype, |out| {
                let s = g.take(out.len());
                kernels::normal(out, s.seed, s.offset);
                Ok(())
            }))
        })
    }

    /// `scale` with probability `keep`, else 0: what dropout multiplies by.
    pub fn mask(&self, shape: &[usize], dtype: DType, keep: f64, scale: f64) -> Result<Tensor> {
        let shape: Dims = shape.into();
        compile::drawn("dropout", self, move |g| {
            match_float!(dtype, "dropout", T => Tensor::build::<T>("dropout", &shape, dtype, |out| {
                let s = g.take(out.len());
                kernels::bernoulli_mask(out, keep, scale as T, s.seed, s.offset);
                Ok(())
            }))
        })
    }

    /// Integers, uniform on `low` to `high − 1`. `ValueError` if there are none, or not all have a place in the dtype.
    pub fn randint(&self, low: i64, high: i64, shape: &[usize], dtype: DType) -> Result<Tensor> {
        if low >= high {
            fail!(Value, "randint: no integers from {low} to below {high}");
        }
        let (least, end) = match dtype {
            DType::Bool => (0, 2),
            DType::UInt8 => (0, 1 << 8),
            DType::Int32 => (i64::from(i32::MIN), 1 << 31),
            _ => (i64::MIN, i64::MAX),
        };
        if low < least || high > end {
            fail!(Value, "randint: {dtype} does not hold all integers from {low} to below {high}");
        }
        let shape: Dims = shape.into();
        let all = compile::drawn("randint", self, move |g| {
            Tensor::build::<i64>("randint", &shape, DType::Int64, |out| {
                let s = g.take(out.len());
                kernels::randint(out, low, high, s.seed, s.offset);
                Ok(())
            })
        })?;
        cast(&all, dtype)
    }

    /// The integers 0 to n − 1 in random order, each order equally likely. `ValueError` if not all have a place in the dtype.
    pub fn randperm(&self, n: usize, dtype: DType) -> Result<Tensor> {
        let highest = i64::try_from(n).unwrap_or(i64::MAX).saturating_sub(1);
        if !dtype.holds(highest) || dtype == DType::Bool && highest > 1 {
            fail!(Value, "randperm: {dtype} does not hold all integers from 0 to {highest}");
        }
        let all = compile::drawn("randperm", self, move |g| {
            Tensor::build::<i64>("randperm", &[n], DType::Int64, |out| {
                let s = g.take(out.len());
                kernels::permutation(out, s.seed, s.offset);
                Ok(())
            })
        })?;
        cast(&all, dtype)
    }
}
