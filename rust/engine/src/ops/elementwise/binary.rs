//! Element-wise functions of two tensors.

use rgrad_kernels::map::{self, Binary, Compare, IntBinary};

use super::choice::{compare, where_};
use super::unary::{log, neg};
use super::{number, zeros_like};
use crate::dtype::{DType, match_float, match_int};
use crate::error::{Result, fail};
use crate::forward;
use crate::ops::views::expand_to;
use crate::ops::{cast, op_table, strides_over, view_of};
use crate::shape::{Dims, broadcast};
use crate::tape::{Grads, Op, Saved, Saves, Want, apply};
use crate::tensor::{Tensor, result_dtype};

/// An element-wise function of two tensors: one row of the table below.
struct BinaryRule {
    name: &'static str,
    kernel: Binary,
    /// `None` if integers become floats of the default dtype, as in true division.
    integers: Option<IntBinary>,
    saves: Saves,
    /// `g ↦ g · ∂f/∂a`: also the forward rule for a tangent of `a`.
    wrt_a: fn(&Tensor, &Saved) -> Result<Tensor>,
    /// `g ↦ g · ∂f/∂b`.
    wrt_b: fn(&Tensor, &Saved) -> Result<Tensor>,
}

impl Op for &'static BinaryRule {
    fn name(&self) -> &'static str {
        self.name
    }
    fn saves(&self) -> Saves {
        self.saves
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (a, b) = (x[0], x[1]);
        if a.shape() == b.shape() {
            return self.compute(a, b, a.shape(), &a.layout().strides, &b.layout().strides);
        }
        let shape = broadcast(self.name, a.shape(), b.shape())?;
        let mut rooms = [Dims::new(), Dims::new()];
        let [room_a, room_b] = &mut rooms;
        let (sa, sb) = (strides_over(a, &shape, room_a), strides_over(b, &shape, room_b));
        self.compute(a, b, &shape, sa, sb)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let a = if want.input(0) { Some((self.wrt_a)(g, saved)?) } else { None };
        let b = if want.input(1) { Some((self.wrt_b)(g, saved)?) } else { None };
        Ok([a, b].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let saved = Saved::of(x, y);
        let part = |i: usize, rule: fn(&Tensor, &Saved) -> Result<Tensor>| {
            t[i].map(|t| rule(&expand_to(t, y.shape())?, &saved)).transpose()
        };
        forward::total([part(0, self.wrt_a)?, part(1, self.wrt_b)?])
    }
}

impl BinaryRule {
    /// The value, for operands with these strides over the shape of the result.
    fn compute(&self, a: &Tensor, b: &Tensor, shape: &[usize], sa: &[usize], sb: &[usize]) -> Result<Tensor> {
        match a.dtype() {
            DType::Float32 | DType::Float64 => match_float!(a.dtype(), self.name, T => {
                let (ra, rb) = (a.read::<T>(), b.read::<T>());
                Tensor::build::<T>(self.name, shape, a.dtype(), |out| {
                    map::binary(self.kernel, out, shape, view_of(&ra, sa), view_of(&rb, sb));
                    Ok(())
                })
            }),
            dtype => {
                let Some(kernel) = self.integers else {
                    fail!(Type, "{}: expected tensors of floats, got {dtype}", self.name)
                };
                match_int!(dtype, self.name, T => {
                    let (ra, rb) = (a.read::<T>(), b.read::<T>());
                    Tensor::build::<T>(self.name, shape, dtype, |out| {
                        map::binary_int(kernel, out, shape, view_of(&ra, sa), view_of(&rb, sb));
                        Ok(())
                    })
                })
            }
        }
    }
}

fn apply_binary(rule: &'static BinaryRule, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dtype() == b.dtype() && a.dtype().is_float() && !a.is_weak() && !b.is_weak() {
        return apply(rule, &[a, b]);
    }
    let mut dtype = result_dtype(&[a, b]);
    if rule.integers.is_none() {
        dtype = dtype.or_float();
    }
    apply(rule, &[&cast(a, dtype)?, &cast(b, dtype)?])
}

/// The table: name, kernel, what integers become, what the rule saves, and `g · ∂f/∂a`, `g · ∂f/∂b`.
macro_rules! binary {
    ($($(#[$doc:meta])* $visibility:vis fn $name:ident = $kernel:ident, $integers:ident, $saves:expr, $wrt_a:expr, $wrt_b:expr;)*) => {
        $(
            $(#[$doc])*
            $visibility fn $name(a: &Tensor, b: &Tensor) -> Result<Tensor> {
                static RULE: BinaryRule = BinaryRule {
                    name: stringify!($name),
                    kernel: Binary::$kernel,
                    integers: binary!(@integers $integers $kernel),
                    saves: $saves,
                    wrt_a: $wrt_a,
                    wrt_b: $wrt_b,
                };
                apply_binary(&RULE, a, b)
            }
        )*
    };
    (@integers Stay $kernel:ident) => { Some(IntBinary::$kernel) };
    (@integers BecomeFloats $kernel:ident) => { None };
}

const SECOND: Saves = Saves { inputs: 2, output: false };
const SECOND_AND_OUTPUT: Saves = Saves { inputs: 2, output: true };

binary! {
    /// Sum, a + b.
    pub fn add = Add, Stay, Saves::NOTHING, |g, _| Ok(g.clone()), |g, _| Ok(g.clone());
    /// Difference, a − b.
    pub fn sub = Sub, Stay, Saves::NOTHING, |g, _| Ok(g.clone()), |g, _| neg(g);
    /// Product, a × b.
    pub fn mul = Mul, Stay, Saves::INPUTS, |g, s| mul(g, s.input(1)), |g, s| mul(g, s.input(0));
    /// True quotient, a ÷ b: integers give floats.
    pub fn div = Div, BecomeFloats, SECOND_AND_OUTPUT,
        |g, s| div(g, s.input(1)),
        |g, s| neg(&div(&mul(g, s.output())?, s.input(1))?);
    /// Power, aᵇ. The derivative to b where a = 0 is 0 for b ≥ 0.
    pub fn pow = Pow, BecomeFloats, Saves { inputs: 3, output: true },
        |g, s| pow_wrt_base(g, s.input(0), s.input(1)),
        |g, s| pow_wrt_exponent(g, s.input(0), s.input(1), s.output());
    /// The larger of two; NaN if either is NaN. Where they are equal, each gets half of the gradient.
    pub fn maximum = Maximum, Stay, Saves::INPUTS,
        |g, s| chosen(g, Compare::Gt, s.input(0), s.input(1)),
        |g, s| chosen(g, Compare::Gt, s.input(1), s.input(0));
    /// The smaller of two; NaN if either is NaN. Where they are equal, each gets half of the gradient.
    pub fn minimum = Minimum, Stay, Saves::INPUTS,
        |g, s| chosen(g, Compare::Lt, s.input(0), s.input(1)),
        |g, s| chosen(g, Compare::Lt, s.input(1), s.input(0));
    /// `g` where `y > 0`, else 0: the derivative of ReLU applied, in one pass.
    pub(crate) fn relu_grad = ReluGrad, BecomeFloats, SECOND,
        |g, s| relu_grad(g, s.input(1)),
        |g, _| zeros_like(g);
    /// `g (1 − y²)`: the derivative of tanh applied, in one pass.
    pub(crate) fn tanh_grad = TanhGrad, BecomeFloats, Saves::INPUTS,
        |g, s| tanh_grad(g, s.input(1)),
        |g, s| mul(&mul(g, s.input(0))?, &mul(s.input(1), &number(g, -2.0)?)?);
    /// `g y (1 − y)`: the derivative of the logistic function applied, in one pass.
    pub(crate) fn sigmoid_grad = SigmoidGrad, BecomeFloats, Saves::INPUTS,
        |g, s| sigmoid_grad(g, s.input(1)),
        |g, s| mul(&mul(g, s.input(0))?, &sub(&number(g, 1.0)?, &add(s.input(1), s.input(1))?)?);
}

op_table! { $ binary_ops
    /// Sum, a + b.
    method add(x: Tensor, other: Tensor);
    /// Difference, a − b.
    method sub(x: Tensor, other: Tensor);
    /// Product, a × b.
    method mul(x: Tensor, other: Tensor);
    /// True quotient, a ÷ b: integers give floats.
    method div(x: Tensor, other: Tensor);
    /// Power, aᵇ. The derivative to b where a = 0 is 0 for b ≥ 0.
    method pow(x: Tensor, other: Tensor);
    /// The larger of two; NaN if either is NaN. Where they are equal, each gets half of the gradient.
    method maximum(x: Tensor, other: Tensor);
    /// The smaller of two; NaN if either is NaN. Where they are equal, each gets half of the gradient.
    method minimum(x: Tensor, other: Tensor);
}

/// `b · aᵇ⁻¹`, and 0 where b = 0, where a = 0 would give 0 · ∞.
fn pow_wrt_base(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let slope = mul(b, &pow(a, &sub(b, &number(b, 1.0)?)?)?)?;
    let zero = number(b, 0.0)?;
    where_(&compare(Compare::Eq, b, &zero)?, &zero, &mul(g, &slope)?)
}

/// `aᵇ · ln a`, and 0 where a = 0 and b ≥ 0. The logarithm is taken of 1 there, so that no NaN hides behind the choice.
fn pow_wrt_exponent(g: &Tensor, a: &Tensor, b: &Tensor, y: &Tensor) -> Result<Tensor> {
    let zero = number(a, 0.0)?;
    let flat = mul(&compare(Compare::Eq, a, &zero)?, &cast(&compare(Compare::Ge, b, &zero)?, DType::UInt8)?)?;
    let flat = cast(&flat, DType::Bool)?;
    let base = where_(&flat, &number(a, 1.0)?, a)?;
    where_(&flat, &zero, &mul(g, &mul(y, &log(&base)?)?)?)
}

/// `g` where `this ⋛ other` holds, half of it where they are equal, else 0.
fn chosen(g: &Tensor, order: Compare, this: &Tensor, other: &Tensor) -> Result<Tensor> {
    let half = where_(&compare(Compare::Eq, this, other)?, &number(g, 0.5)?, &number(g, 0.0)?)?;
    mul(g, &where_(&compare(order, this, other)?, &number(g, 1.0)?, &half)?)
}

/// `total += x` in place; `total` is exclusive and contiguous, as the tape has checked.
pub(crate) fn add_assign(total: &mut Tensor, x: &Tensor) -> Result<()> {
    match_float!(total.dtype(), "add", T => {
        let x = x.read::<T>();
        if let Some(out) = total.get_mut::<T>() {
            map::add_assign(out, x.slice());
        }
    });
    Ok(())
}
