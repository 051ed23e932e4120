//! Numbers from outside, and the dtype that tensors and numbers have together.

use rgrad_kernels::simd::Element;

use super::Tensor;
use crate::dtype::DType;

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
    pub(super) fn cast<T: Element>(self, f: impl Fn(f64) -> T, i: impl Fn(i64) -> T) -> T {
        match self {
            Number::Bool(b) => i(i64::from(b)),
            Number::Int(v) => i(v),
            Number::Float(v) => f(v),
        }
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
