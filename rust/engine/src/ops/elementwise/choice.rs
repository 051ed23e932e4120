//! Comparisons, and choices between tensors.

use rgrad_kernels::map::{self, Compare};
use rgrad_macros::op;

use super::{isnan, logical_or, number};
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::op::{self, Kind};
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::ops::views::expand_to;
use crate::ops::{cast, strides_over, view_of};
use crate::shape::{Dims, broadcast};
use crate::tensor::{Number, Tensor, result_dtype};

const FIRST: Saves = Saves { inputs: 1, output: false };

/// Compares element by element; the result is of bool and has no gradient.
pub fn compare(op: Compare, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let name = match op {
        Compare::Lt => "lt",
        Compare::Le => "le",
        Compare::Gt => "gt",
        Compare::Ge => "ge",
        Compare::Eq => "eq",
        Compare::Ne => "ne",
        Compare::Same => "same",
    };
    let mut dtype = result_dtype(&[a, b]);
    if [a, b].into_iter().any(|x| x.is_weak() && matches!(x.item(), Ok(Number::Int(n)) if !dtype.holds(n))) {
        dtype = DType::Int64;
    }
    let (a, b) = (cast(&a.without_history(), dtype)?, cast(&b.without_history(), dtype)?);
    op::plain_as(Kind::Compare(op), name, &[&a, &b], move |x, out| compared(name, op, x[0], x[1], out))
}

/// The comparison of tensors of one dtype.
fn compared(name: &str, op: Compare, a: &Tensor, b: &Tensor, out: &mut Out<'_>) -> Result<()> {
    let shape = broadcast(name, a.shape(), b.shape())?;
    let mut rooms = [Dims::new(), Dims::new()];
    let [room_a, room_b] = &mut rooms;
    let (sa, sb) = (strides_over(a, &shape, room_a), strides_over(b, &shape, room_b));
    match_any!(a.dtype(), T => {
        let (ra, rb) = (a.read::<T>(), b.read::<T>());
        out.build::<u8>(name, &shape, DType::Bool, |out| {
            map::compare(op, out, &shape, view_of(&ra, sa), view_of(&rb, sb));
            Ok(())
        })
    })
}

macro_rules! comparisons {
    ($($(#[$meta:meta])* pub fn $name:ident($x:ident, $other:ident) = $op:ident;)*) => {$(
        $(#[$meta])*
        pub fn $name($x: &Tensor, $other: &Tensor) -> Result<Tensor> {
            compare(Compare::$op, $x, $other)
        }
    )*};
}

comparisons! {
    /// Whether a < b, as a tensor of bool.
    #[op(method)]
    pub fn lt(x, other) = Lt;
    /// Whether a ≤ b, as a tensor of bool.
    #[op(method)]
    pub fn le(x, other) = Le;
    /// Whether a > b, as a tensor of bool.
    #[op(method)]
    pub fn gt(x, other) = Gt;
    /// Whether a ≥ b, as a tensor of bool.
    #[op(method)]
    pub fn ge(x, other) = Ge;
    /// Whether a = b, as a tensor of bool.
    #[op(method)]
    pub fn eq(x, other) = Eq;
    /// Whether a ≠ b, as a tensor of bool.
    #[op(method)]
    pub fn ne(x, other) = Ne;
}

#[derive(Clone, Copy)]
struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }
    fn kind(&self) -> Kind {
        Kind::Where
    }
    fn saves(&self) -> Saves {
        FIRST
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let [c, a, b] = [x[0], x[1], x[2]];
        let shape = broadcast("where", &broadcast("where", a.shape(), b.shape())?, c.shape())?;
        let mut rooms = [Dims::new(), Dims::new(), Dims::new()];
        let [room_c, room_a, room_b] = &mut rooms;
        let sc = strides_over(c, &shape, room_c);
        let (sa, sb) = (strides_over(a, &shape, room_a), strides_over(b, &shape, room_b));
        let rc = c.read::<u8>();
        match_any!(a.dtype(), T => {
            let (ra, rb) = (a.read::<T>(), b.read::<T>());
            out.build::<T>("where", &shape, a.dtype(), |out| {
                map::select(out, &shape, view_of(&rc, sc), view_of(&ra, sa), view_of(&rb, sb));
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let (c, zero) = (saved.input(0), number(g, 0.0)?);
        let a = if want.input(1) { Some(where_(c, g, &zero)?) } else { None };
        let b = if want.input(2) { Some(where_(c, &zero, g)?) } else { None };
        Ok([None, a, b].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let zero = number(y, 0.0)?;
        expand_to(&where_(x[0], t[1].unwrap_or(&zero), t[2].unwrap_or(&zero))?, y.shape())
    }
}

/// Elements of `x` where `condition` is true, elements of `other` elsewhere.
#[op(function, name = "where")]
pub fn where_(condition: &Tensor, x: &Tensor, other: &Tensor) -> Result<Tensor> {
    if condition.dtype() != DType::Bool {
        fail!(Type, "where: the condition must be of bool, got {}; write condition != 0", condition.dtype());
    }
    let dtype = result_dtype(&[x, other]);
    apply(Where, &[condition, &cast(x, dtype)?, &cast(other, dtype)?])
}

/// `x` limited to the range from `min` to `max`, either of which may be None. The derivative is 1 within the range,
/// ends included, and 0 outside. `ValueError` if both limits are missing.
#[op(method, min = None, max = None)]
pub fn clamp(x: &Tensor, min: Option<&Tensor>, max: Option<&Tensor>) -> Result<Tensor> {
    if min.is_none() && max.is_none() {
        fail!(Value, "clamp: give min, max or both");
    }
    let mut y = x.clone();
    // As a choice, not as maximum: at a limit the whole gradient goes to x.
    if let Some(low) = min {
        y = where_(&beyond(Compare::Lt, &y, low)?, low, &y)?;
    }
    if let Some(high) = max {
        y = where_(&beyond(Compare::Gt, &y, high)?, high, &y)?;
    }
    Ok(y)
}

/// Where a limit stands for `y`: beyond it, and where the limit is NaN.
fn beyond(side: Compare, y: &Tensor, limit: &Tensor) -> Result<Tensor> {
    let beyond = compare(side, y, limit)?;
    // The number that a limit nearly always is costs no pass over the elements.
    let is_nan = match limit.dtype() {
        dtype if !dtype.is_float() => false,
        _ if limit.is_weak() => matches!(limit.item()?, Number::Float(n) if n.is_nan()),
        _ => true,
    };
    if is_nan { logical_or(&beyond, &isnan(limit)?) } else { Ok(beyond) }
}

/// `x` limited from below. The derivative to `x` at the limit is 1.
#[op(method)]
pub fn clamp_min(x: &Tensor, min: &Tensor) -> Result<Tensor> {
    clamp(x, Some(min), None)
}

/// `x` limited from above. The derivative to `x` at the limit is 1.
#[op(method)]
pub fn clamp_max(x: &Tensor, max: &Tensor) -> Result<Tensor> {
    clamp(x, None, Some(max))
}
