//! Tensors from nothing: ranges and the identity.

use super::{cast, pow};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::shape::checked_numel;
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
