//! Random numbers.

use rgrad_kernels::random as kernels;

use super::cast;
use crate::dtype::{DType, match_float};
use crate::error::{Result, fail};
use crate::op;
use crate::random::Generator;
use crate::shape::Dims;
use crate::tensor::Tensor;

impl Generator {
    /// Uniform on [0, 1).
    pub fn rand(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let shape: Dims = shape.into();
        op::drawn("rand", self, move |g, out| {
            match_float!(dtype, "rand", T => out.build::<T>("rand", &shape, dtype, |out| {
                let s = g.take(out.len());
                kernels::uniform(out, s.seed, s.offset);
                Ok(())
            }))
        })
    }

    /// Standard normal.
    pub fn randn(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let shape: Dims = shape.into();
        op::drawn("randn", self, move |g, out| {
            match_float!(dtype, "randn", T => out.build::<T>("randn", &shape, dtype, |out| {
                let s = g.take(out.len());
                kernels::normal(out, s.seed, s.offset);
                Ok(())
            }))
        })
    }

    /// `scale` with probability `keep`, else 0: what dropout multiplies by.
    pub fn mask(&self, shape: &[usize], dtype: DType, keep: f64, scale: f64) -> Result<Tensor> {
        let shape: Dims = shape.into();
        op::drawn("dropout", self, move |g, out| {
            match_float!(dtype, "dropout", T => out.build::<T>("dropout", &shape, dtype, |out| {
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
        let all = op::drawn("randint", self, move |g, out| {
            out.build::<i64>("randint", &shape, DType::Int64, |out| {
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
        let all = op::drawn("randperm", self, move |g, out| {
            out.build::<i64>("randperm", &[n], DType::Int64, |out| {
                let s = g.take(out.len());
                kernels::permutation(out, s.seed, s.offset);
                Ok(())
            })
        })?;
        cast(&all, dtype)
    }
}
