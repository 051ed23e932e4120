//! Numbers from outside, and the dtype that tensors and numbers have together.

use rgrad_kernels::simd::Element;

use super::Tensor;
use crate::dtype::DType;
use crate::error::{Result, fail};

/// 2⁶³, the first number above all of int64.
const TWO_63: f64 = (1_u64 << 63) as f64;

/// A rust type that tensors hold, with its dtype.
pub trait Scalar: Element {
    /// The dtype of tensors made from this type.
    const DTYPE: DType;
}

macro_rules! scalar {
    ($($t:ident $d:ident),*) => {$(
        impl Scalar for $t {
            const DTYPE: DType = DType::$d;
        }
    )*};
}
scalar!(f32 Float32, f64 Float64, i64 Int64, i32 Int32, u8 UInt8);

/// A number from outside, before it has a dtype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    /// `ValueError` unless tensors of `dtype` can hold this number, a float without its fraction.
    pub fn check_fits(self, op: &str, dtype: DType) -> Result<()> {
        // Not beyond any integer, and no NaN.
        let whole = |v: f64| (-TWO_63..TWO_63).contains(&v) && dtype.holds(v as i64);
        match self {
            Number::Int(n) if !dtype.holds(n) => fail!(Value, "{op}: {n} is no value of {dtype}"),
            Number::Float(v) if dtype.is_integer() && !whole(v) => fail!(Value, "{op}: {v:?} is no value of {dtype}"),
            _ => Ok(()),
        }
    }

    pub(super) fn cast<T: Element>(self, f: impl Fn(f64) -> T, i: impl Fn(i64) -> T) -> T {
        match self {
            Number::Bool(b) => i(i64::from(b)),
            Number::Int(v) => i(v),
            Number::Float(v) => f(v),
        }
    }
}

impl Tensor {
    /// `ValueError` if this is a Python number that tensors of `dtype` cannot hold.
    pub(crate) fn check_number_fits(&self, op: &str, dtype: DType) -> Result<()> {
        if self.is_weak() { self.item()?.check_fits(op, dtype) } else { Ok(()) }
    }
}

/// The dtype that an operation on these tensors computes in: [`DType::promote`] over all, where a Python number counts
/// only if it is of a higher kind (bool, integer, float) than every tensor, and then as `int64` or the default float.
#[must_use]
pub fn result_dtype(tensors: &[&Tensor]) -> DType {
    let kind = |d: DType| if d.is_float() { 2 } else { u8::from(d != DType::Bool) };
    let strong = tensors.iter().filter(|t| !t.is_weak()).map(|t| t.dtype()).max();
    let weak = tensors.iter().filter(|t| t.is_weak()).map(|t| t.dtype()).max();
    let weak = weak.map(|d| if d.is_float() { DType::default_float() } else { d });
    match (strong, weak) {
        (Some(s), Some(w)) if kind(w) > kind(s) => w,
        (Some(s), _) => s,
        (None, Some(w)) => w,
        (None, None) => DType::default_float(),
    }
}
