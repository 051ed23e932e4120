//! Element-wise functions of two tensors.

use rgrad_kernels::map::{self, Binary, Compare, IntBinary};
use rgrad_macros::op;

use super::super::total;
use super::choice::{compare, where_};
use super::logic::{isinf, logical_and};
use super::unary::{log, neg, sigmoid, trunc};
use super::{number, zeros_like};
use crate::dtype::{DType, match_float, match_int};
use crate::error::{Result, fail};
use crate::op::{self, Kind};
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::ops::views::expand_to;
use crate::ops::{cast, strides_over, view_of};
use crate::shape::{Dims, broadcast};
use crate::tensor::{Number, Tensor, result_dtype};

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
    fn kind(&self) -> Kind {
        Kind::Binary(self.kernel)
    }
    fn saves(&self) -> Saves {
        self.saves
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (a, b) = (x[0], x[1]);
        if a.shape() == b.shape() {
            return self.compute(a, b, a.shape(), &a.layout().strides, &b.layout().strides, out);
        }
        let shape = broadcast(self.name, a.shape(), b.shape())?;
        let mut rooms = [Dims::new(), Dims::new()];
        let [room_a, room_b] = &mut rooms;
        let (sa, sb) = (strides_over(a, &shape, room_a), strides_over(b, &shape, room_b));
        self.compute(a, b, &shape, sa, sb, out)
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
        total([part(0, self.wrt_a)?, part(1, self.wrt_b)?])
    }
}

impl BinaryRule {
    /// The value, for operands with these strides over the shape of the result.
    fn compute(
        &self,
        a: &Tensor,
        b: &Tensor,
        shape: &[usize],
        sa: &[usize],
        sb: &[usize],
        out: &mut Out<'_>,
    ) -> Result<()> {
        match a.dtype() {
            DType::Float32 | DType::Float64 => match_float!(a.dtype(), self.name, T => {
                let (ra, rb) = (a.read::<T>(), b.read::<T>());
                out.build::<T>(self.name, shape, a.dtype(), |out| {
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
                    out.build::<T>(self.name, shape, dtype, |out| {
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
    let (a, b) = (operand(rule.name, a, dtype)?, operand(rule.name, b, dtype)?);
    match rule.integers {
        _ if dtype.is_float() => {}
        Some(IntBinary::Pow) => op::check(rule.name, &[&is_so(Compare::Lt, &b)?], |bad| {
            if !any(bad[0]) {
                return Ok(());
            }
            let name = rule.name;
            fail!(Value, "{name}: integers have no negative integer powers; make one of them a float: x.to(rg.float32)")
        })?,
        Some(IntBinary::FloorDivide | IntBinary::Remainder | IntBinary::Fmod) => {
            op::check(rule.name, &[&is_so(Compare::Eq, &b)?], |bad| {
                if !any(bad[0]) {
                    return Ok(());
                }
                let name = rule.name;
                fail!(ZeroDivision, "{name}: an integer is divided by 0; floats give inf or nan: x.to(rg.float32)")
            })?;
        }
        _ => {}
    }
    apply(rule, &[&a, &b])
}

/// `x` as `dtype`. `ValueError` for a Python integer that this dtype cannot hold.
pub(super) fn operand(name: &str, x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.is_weak()
        && let Number::Int(n) = x.item()?
        && !dtype.holds(n)
    {
        fail!(Value, "{name}: {n} is no value of {dtype}; write x.to(rg.int64)");
    }
    cast(x, dtype)
}

/// Which elements ⋛ 0.
fn is_so(order: Compare, x: &Tensor) -> Result<Tensor> {
    compare(order, x, &number(x, 0.0)?)
}

fn any(bits: &Tensor) -> bool {
    bits.read::<u8>().slice().contains(&1)
}

/// The table: name, kernel, what integers become, what the rule saves, and `g · ∂f/∂a`, `g · ∂f/∂b`.
macro_rules! binary {
    ($($(#[$doc:meta])* $visibility:vis fn $name:ident($a:ident, $b:ident) = $kernel:ident, $integers:ident, $saves:expr, $wrt_a:expr, $wrt_b:expr;)*) => {
        $(
            $(#[$doc])*
            $visibility fn $name($a: &Tensor, $b: &Tensor) -> Result<Tensor> {
                static RULE: BinaryRule = BinaryRule {
                    name: stringify!($name),
                    kernel: Binary::$kernel,
                    integers: binary!(@integers $integers $kernel),
                    saves: $saves,
                    wrt_a: $wrt_a,
                    wrt_b: $wrt_b,
                };
                apply_binary(&RULE, $a, $b)
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
    pub fn add(x, other) = Add, Stay, Saves::NOTHING, |g, _| Ok(g.clone()), |g, _| Ok(g.clone());
    /// Difference, a − b.
    pub fn sub(x, other) = Sub, Stay, Saves::NOTHING, |g, _| Ok(g.clone()), |g, _| neg(g);
    /// Product, a × b.
    #[op(method)]
    pub fn mul(x, other) = Mul, Stay, Saves::INPUTS, |g, s| mul_grad(g, s.input(1)), |g, s| mul_grad(g, s.input(0));
    /// True quotient, a ÷ b: integers give floats.
    pub fn div(x, other) = Div, BecomeFloats, SECOND_AND_OUTPUT,
        |g, s| div_grad(g, s.input(1)),
        |g, s| neg(&div_grad(&mul_grad(g, s.output())?, s.input(1))?);
    /// ⌊a ÷ b⌋. The derivative is 0. Integers divided by 0 are a `ZeroDivisionError`.
    #[op(method)]
    pub fn floor_divide(x, other) = FloorDivide, Stay, Saves::NOTHING, |g, _| zeros_like(g), |g, _| zeros_like(g);
    /// The remainder of a ÷ b with the sign of b, as Python's `%`. Integers divided by 0 are a `ZeroDivisionError`.
    #[op(method)]
    pub fn remainder(x, other) = Remainder, Stay, Saves::INPUTS,
        |g, _| Ok(g.clone()),
        |g, s| neg(&mul_grad(g, &floor_divide(s.input(0), s.input(1))?)?);
    /// The remainder of a ÷ b with the sign of a, as C's `fmod`. Integers divided by 0 are a `ZeroDivisionError`.
    #[op(method)]
    pub fn fmod(x, other) = Fmod, Stay, Saves::INPUTS,
        |g, _| Ok(g.clone()),
        |g, s| neg(&mul_grad(g, &trunc(&div(s.input(0), s.input(1))?)?)?);
    /// Power, aᵇ; of integers an integer, and a `ValueError` if one of the exponents is negative.
    ///
    /// The derivative to b where a = 0 is 0 for b ≥ 0.
    #[op(method)]
    pub fn pow(x, other) = Pow, Stay, Saves { inputs: 3, output: true },
        |g, s| pow_wrt_base(g, s.input(0), s.input(1)),
        |g, s| pow_wrt_exponent(g, s.input(0), s.input(1), s.output());
    /// √(x² + other²), without overflow. The derivative at (0, 0) is 0.
    #[op(method)]
    pub fn hypot(x, other) = Hypot, BecomeFloats, Saves { inputs: 3, output: true },
        |g, s| mul_grad(g, &div(s.input(0), &or_one(s.output())?)?),
        |g, s| mul_grad(g, &div(s.input(1), &or_one(s.output())?)?);
    /// The angle of the point with ordinate x and abscissa other, in radians. The derivative at (0, 0) is 0.
    #[op(method)]
    pub fn atan2(x, other) = Atan2, BecomeFloats, Saves::INPUTS,
        |g, s| turn(g, s.input(1), s),
        |g, s| neg(&turn(g, s.input(0), s)?);
    /// ln(eᵃ + eᵇ), without overflow. Equal infinities get half of the gradient each.
    #[op(method)]
    pub fn logaddexp(x, other) = Logaddexp, BecomeFloats, Saves::INPUTS,
        |g, s| mul_grad(g, &sigmoid(&apart(s.input(0), s.input(1))?)?),
        |g, s| mul_grad(g, &sigmoid(&apart(s.input(1), s.input(0))?)?);
    /// x ln other, and 0 where x = 0 unless other is NaN.
    #[op(method)]
    pub fn xlogy(x, other) = Xlogy, BecomeFloats, Saves::INPUTS,
        |g, s| xlogy_wrt_factor(g, s.input(0), s.input(1)),
        |g, s| div_grad(&mul_grad(g, s.input(0))?, s.input(1));
    /// The larger of two; NaN if either is NaN. Where they are equal or both NaN, each gets half of the gradient; else all of it
    /// goes to the one that was chosen.
    #[op(method)]
    pub fn maximum(x, other) = Maximum, Stay, Saves { inputs: 3, output: true },
        |g, s| chosen(g, s.input(0), s.input(1), s.output()),
        |g, s| chosen(g, s.input(1), s.input(0), s.output());
    /// The smaller of two; NaN if either is NaN. Where they are equal or both NaN, each gets half of the gradient; else all of it
    /// goes to the one that was chosen.
    #[op(method)]
    pub fn minimum(x, other) = Minimum, Stay, Saves { inputs: 3, output: true },
        |g, s| chosen(g, s.input(0), s.input(1), s.output()),
        |g, s| chosen(g, s.input(1), s.input(0), s.output());
    /// `g` where `y > 0`, else 0: the derivative of ReLU applied, in one pass.
    pub(crate) fn relu_grad(g, y) = ReluGrad, BecomeFloats, SECOND,
        |g, s| relu_grad(g, s.input(1)),
        |g, _| zeros_like(g);
    /// `g (1 − y²)`: the derivative of tanh applied, in one pass.
    pub(crate) fn tanh_grad(g, y) = TanhGrad, BecomeFloats, Saves::INPUTS,
        |g, s| tanh_grad(g, s.input(1)),
        |g, s| mul_grad(&mul_grads(g, s.input(0))?, &mul(s.input(1), &number(g, -2.0)?)?);
    /// `g y (1 − y)`: the derivative of the logistic function applied, in one pass.
    pub(crate) fn sigmoid_grad(g, y) = SigmoidGrad, BecomeFloats, Saves::INPUTS,
        |g, s| sigmoid_grad(g, s.input(1)),
        |g, s| {
            let slope = sub(&number(g, 1.0)?, &add(s.input(1), s.input(1))?)?;
            mul_grad(&mul_grads(g, s.input(0))?, &slope)
        };
    /// `g · slope`, and 0 where `g` is 0 however steep the function is: what was not selected has no gradient, not NaN.
    pub(crate) fn mul_grad(g, slope) = MulGrad, BecomeFloats, Saves::INPUTS,
        |g, s| mul_grad(g, s.input(1)),
        |g, s| mul_grads(g, s.input(0));
    /// `g ÷ x`, and 0 where `g` is 0, likewise.
    pub(crate) fn div_grad(g, x) = DivGrad, BecomeFloats, Saves::INPUTS,
        |g, s| div_grad(g, s.input(1)),
        |g, s| neg(&div_grad(&div_grad(&mul_grads(g, s.input(0))?, s.input(1))?, s.input(1))?);
    /// `ln(1 + eˣ) − x t`: the binary cross-entropy of `σ(x)` against `t`, with its limits where `x` is infinite.
    pub(crate) fn logits_cross_entropy(x, t) = LogitsCrossEntropy, BecomeFloats, Saves::INPUTS,
        |g, s| mul_grad(g, &logits_slope(s.input(0), s.input(1))?),
        |g, s| neg(&mul_grad(g, s.input(0))?);
    /// `σ(x) − t`, its slope.
    pub(crate) fn logits_slope(x, t) = LogitsSlope, BecomeFloats, Saves { inputs: 1, output: false },
        |g, s| sigmoid_grad(g, &sigmoid(s.input(0))?),
        |g, _| neg(g);
    /// The product of two gradients, and 0 where either is 0: a bilinear function, unlike a choice of 0.
    pub(crate) fn mul_grads(g, h) = MulGrads, BecomeFloats, Saves::INPUTS,
        |g, s| mul_grads(g, s.input(1)),
        |g, s| mul_grads(g, s.input(0));
}

/// `b · aᵇ⁻¹`, and 0 where b = 0, where a = 0 would give 0 · ∞.
fn pow_wrt_base(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let slope = mul(b, &pow(a, &sub(b, &number(b, 1.0)?)?)?)?;
    let zero = number(b, 0.0)?;
    where_(&compare(Compare::Eq, b, &zero)?, &zero, &mul_grad(g, &slope)?)
}

/// `aᵇ · ln a`, and 0 where a = 0 and b ≥ 0. The logarithm is taken of 1 there, so that no NaN hides behind the choice.
fn pow_wrt_exponent(g: &Tensor, a: &Tensor, b: &Tensor, y: &Tensor) -> Result<Tensor> {
    let zero = number(a, 0.0)?;
    let flat = logical_and(&compare(Compare::Eq, a, &zero)?, &compare(Compare::Ge, b, &zero)?)?;
    let base = where_(&flat, &number(a, 1.0)?, a)?;
    where_(&flat, &zero, &mul_grad(g, &mul(y, &log(&base)?)?)?)
}

/// `g` where `this` was chosen, half of it where `other` is the same, and else 0.
fn chosen(g: &Tensor, this: &Tensor, other: &Tensor, y: &Tensor) -> Result<Tensor> {
    let half = mul(g, &number(g, 0.5)?)?;
    let g = where_(&compare(Compare::Same, this, other)?, &half, g)?;
    where_(&compare(Compare::Same, this, y)?, &g, &number(&g, 0.0)?)
}

/// `y`, and 1 where it is 0.
fn or_one(y: &Tensor) -> Result<Tensor> {
    where_(&compare(Compare::Eq, y, &number(y, 0.0)?)?, &number(y, 1.0)?, y)
}

/// `g · leg / r²`, where r is the hypotenuse of both inputs: divided twice, because r² may overflow.
fn turn(g: &Tensor, leg: &Tensor, s: &Saved) -> Result<Tensor> {
    let r = or_one(&hypot(s.input(0), s.input(1))?)?;
    div_grad(&mul_grad(g, &div(leg, &r)?)?, &r)
}

/// `a − b`, and 0 for two equal infinities, which have no difference.
fn apart(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let same = logical_and(&isinf(a)?, &compare(Compare::Eq, a, b)?)?;
    let difference = sub(a, b)?;
    where_(&same, &number(&difference, 0.0)?, &difference)
}

/// `g · ln b`, and 0 where a = 0 and b ≤ 0.
fn xlogy_wrt_factor(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let zero = number(a, 0.0)?;
    let flat = logical_and(&compare(Compare::Eq, a, &zero)?, &compare(Compare::Le, b, &zero)?)?;
    where_(&flat, &zero, &mul_grad(g, &log(&where_(&flat, &number(b, 1.0)?, b)?)?)?)
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
