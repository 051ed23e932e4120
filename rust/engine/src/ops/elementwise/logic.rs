//! Logic of truth values, of bits, and of floats that are no numbers. Results have no gradient.

use rgrad_kernels::map::{self, Compare, IntBinary};
use rgrad_macros::op;

use super::binary::operand;
use super::choice::compare;
use super::number;
use super::unary::abs;
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op::{self, Out};
use crate::ops::{cast, strides_over, view_of};
use crate::shape::{Dims, broadcast};
use crate::tensor::{Number, Tensor, result_dtype};

/// Whether an element is NaN, as a tensor of bool.
#[op(method)]
pub fn isnan(x: &Tensor) -> Result<Tensor> {
    compare(Compare::Ne, x, x)
}

/// Whether an element is ∞ or −∞, as a tensor of bool.
#[op(method)]
pub fn isinf(x: &Tensor) -> Result<Tensor> {
    size_is(Compare::Eq, x)
}

/// Whether an element is neither infinite nor NaN, as a tensor of bool.
#[op(method)]
pub fn isfinite(x: &Tensor) -> Result<Tensor> {
    size_is(Compare::Lt, x)
}

/// Whether |x| ⋛ ∞.
fn size_is(order: Compare, x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Tensor::full(x.shape(), Number::Bool(order == Compare::Lt), DType::Bool);
    }
    compare(order, &abs(&x.without_history())?, &number(x, f64::INFINITY)?)
}

macro_rules! bitwise {
    ($(
        $(#[$of_bits:meta])* pub fn $bits:ident($x:ident, $other:ident),
        $(#[$of_truth:meta])* pub fn $truth:ident($p:ident, $q:ident) = $kernel:ident;
    )*) => {$(
        $(#[$of_bits])*
        pub fn $bits($x: &Tensor, $other: &Tensor) -> Result<Tensor> {
            bitwise(stringify!($bits), IntBinary::$kernel, $x, $other)
        }
        $(#[$of_truth])*
        pub fn $truth($p: &Tensor, $q: &Tensor) -> Result<Tensor> {
            let (p, q) = ($p.without_history(), $q.without_history());
            bitwise(stringify!($truth), IntBinary::$kernel, &cast(&p, DType::Bool)?, &cast(&q, DType::Bool)?)
        }
    )*};
}

bitwise! {
    /// The bits that are set in both, of integers or bool.
    #[op(method)]
    pub fn bitwise_and(x, other),
    /// Whether both are true, as a tensor of bool; any number but 0 is true.
    #[op(method)]
    pub fn logical_and(x, other) = And;
    /// The bits that are set in at least one, of integers or bool.
    #[op(method)]
    pub fn bitwise_or(x, other),
    /// Whether at least one is true, as a tensor of bool; any number but 0 is true.
    #[op(method)]
    pub fn logical_or(x, other) = Or;
    /// The bits that are set in exactly one, of integers or bool.
    #[op(method)]
    pub fn bitwise_xor(x, other),
    /// Whether exactly one is true, as a tensor of bool; any number but 0 is true.
    #[op(method)]
    pub fn logical_xor(x, other) = Xor;
}

fn bitwise(name: &'static str, kernel: IntBinary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = result_dtype(&[a, b]);
    if dtype.is_float() {
        let (a, b) = (a.dtype(), b.dtype());
        fail!(Type, "{name}: expected integers or bool, got {a} and {b}");
    }
    let (a, b) = (operand(name, a, dtype)?, operand(name, b, dtype)?);
    op::plain(name, &[&a, &b], move |x, out| combined(name, kernel, x[0], x[1], out))
}

/// The combination of tensors of one dtype.
fn combined(name: &str, kernel: IntBinary, a: &Tensor, b: &Tensor, out: &mut Out<'_>) -> Result<()> {
    let dtype = a.dtype();
    let shape = broadcast(name, a.shape(), b.shape())?;
    let mut rooms = [Dims::new(), Dims::new()];
    let [room_a, room_b] = &mut rooms;
    let (sa, sb) = (strides_over(a, &shape, room_a), strides_over(b, &shape, room_b));
    macro_rules! compute {
        ($t:ident) => {{
            let (ra, rb) = (a.read::<$t>(), b.read::<$t>());
            out.build::<$t>(name, &shape, dtype, |out| {
                map::binary_int(kernel, out, &shape, view_of(&ra, sa), view_of(&rb, sb));
                Ok(())
            })
        }};
    }
    match dtype {
        DType::Int64 => compute!(i64),
        DType::Int32 => compute!(i32),
        _ => compute!(u8),
    }
}

/// Whether an element is false, as a tensor of bool; any number but 0 is true.
#[op(method)]
pub fn logical_not(x: &Tensor) -> Result<Tensor> {
    compare(Compare::Eq, x, &number(x, 0.0)?)
}

/// All bits inverted, of integers or bool.
#[op(method)]
pub fn bitwise_not(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::Bool => logical_not(x),
        dtype if dtype.is_float() => fail!(Type, "bitwise_not: expected integers or bool, got {dtype}"),
        dtype => bitwise_xor(x, &Tensor::scalar(Number::Int(-1), dtype)?),
    }
}
