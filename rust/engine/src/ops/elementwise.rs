//! Element-wise operations of one and two tensors, and comparisons.

use rgrad_kernels::map::{self, Binary, Compare, IntBinary, IntUnary, Unary};

use super::views::expand_to;
use super::{cast, only, op_table, strides_over, view_of};
use crate::dtype::{DType, match_any, match_float, match_int};
use crate::error::{Result, fail};
use crate::forward;
use crate::shape::{Dims, broadcast};
use crate::tape::{Grads, Op, Saved, Saves, Want, apply};
use crate::tensor::{Number, Tensor, result_dtype};

// ---- One tensor ----

/// What integers become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Integers {
    /// They stay integers: −x, |x|, x².
    Stay(IntUnary),
    /// They stay as they are: ⌊x⌋.
    Unchanged,
    /// They become floats of the default dtype: eˣ, √x.
    BecomeFloats,
}

/// What the derivative reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    Input,
    Output,
}

/// An element-wise function: one row of the table below.
struct UnaryRule {
    name: &'static str,
    kernel: Unary,
    integers: Integers,
    reads: Reads,
    /// `g ↦ g · f′`, where the second argument is what `reads` names: the reverse rule, and, because f acts on each element
    /// alone, the forward rule as well.
    derivative: fn(&Tensor, &Tensor) -> Result<Tensor>,
}

impl Op for &'static UnaryRule {
    fn name(&self) -> &'static str {
        self.name
    }
    fn saves(&self) -> Saves {
        match self.reads {
            Reads::Nothing => Saves::NOTHING,
            Reads::Input => Saves::INPUTS,
            Reads::Output => Saves::OUTPUT,
        }
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let x = x[0];
        match x.dtype() {
            DType::Float32 | DType::Float64 => match_float!(x.dtype(), self.name, T => {
                let a = x.read::<T>();
                Tensor::build::<T>(self.name, x.shape(), x.dtype(), |out| {
                    map::unary(self.kernel, out, x.shape(), a.view());
                    Ok(())
                })
            }),
            dtype => {
                let Integers::Stay(kernel) = self.integers else {
                    fail!(Type, "{}: expected a tensor of floats, got {dtype}", self.name)
                };
                match_int!(dtype, self.name, T => {
                    let a = x.read::<T>();
                    Tensor::build::<T>(self.name, x.shape(), dtype, |out| {
                        map::unary_int(kernel, out, x.shape(), a.view());
                        Ok(())
                    })
                })
            }
        }
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let read = match self.reads {
            Reads::Nothing => g,
            Reads::Input => saved.input(0),
            Reads::Output => saved.output(),
        };
        Ok([Some((self.derivative)(g, read)?)].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        (self.derivative)(only(t), if self.reads == Reads::Output { y } else { x[0] })
    }
}

/// The table: name, kernel, what integers become, and `g · f′` in terms of `x`, of `y = f(x)`, or of `g` alone.
macro_rules! unary {
    ($($(#[$doc:meta])* fn $name:ident = $kernel:ident, $integers:ident, |$g:ident $(, $read:ident)?| $derivative:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(x: &Tensor) -> Result<Tensor> {
                static RULE: UnaryRule = UnaryRule {
                    name: stringify!($name),
                    kernel: Unary::$kernel,
                    integers: unary!(@integers $integers $kernel),
                    reads: unary!(@reads $($read)?),
                    derivative: |$g, unary!(@arg $($read)?)| $derivative,
                };
                match RULE.integers {
                    _ if x.dtype().is_float() => apply(&RULE, &[x]),
                    Integers::Stay(_) => apply(&RULE, &[x]),
                    Integers::Unchanged => Ok(x.clone()),
                    Integers::BecomeFloats => apply(&RULE, &[&cast(x, DType::default_float())?]),
                }
            }
        )*
        op_table! { $ unary_ops $( $(#[$doc])* method $name(x: Tensor); )* }
    };
    (@integers Stay $kernel:ident) => { Integers::Stay(IntUnary::$kernel) };
    (@integers $other:ident $kernel:ident) => { Integers::$other };
    (@reads) => { Reads::Nothing };
    (@reads x) => { Reads::Input };
    (@reads y) => { Reads::Output };
    (@arg) => { _ };
    (@arg $read:ident) => { $read };
}

unary! {
    /// Negation, −x.
    fn neg = Neg, Stay, |g| neg(g);
    /// Absolute value, |x|. The derivative at 0 is 0.
    fn abs = Abs, Stay, |g, x| mul(g, &sign(x)?);
    /// Sign: −1, 0 or 1, and NaN for NaN. The derivative is 0.
    fn sign = Sign, Stay, |g| zeros_like(g);
    /// Square, x².
    fn square = Square, Stay, |g, x| mul(g, &add(x, x)?);
    /// Reciprocal, 1/x.
    fn reciprocal = Reciprocal, BecomeFloats, |g, y| neg(&mul(g, &square(y)?)?);
    /// Square root, √x.
    fn sqrt = Sqrt, BecomeFloats, |g, y| div(g, &add(y, y)?);
    /// Exponential, eˣ.
    fn exp = Exp, BecomeFloats, |g, y| mul(g, y);
    /// eˣ − 1, accurate near 0.
    fn expm1 = Expm1, BecomeFloats, |g, y| add(g, &mul(g, y)?);
    /// Natural logarithm, ln x: NaN below 0, −∞ at 0.
    fn log = Log, BecomeFloats, |g, x| div(g, x);
    /// ln(1 + x), accurate near 0.
    fn log1p = Log1p, BecomeFloats, |g, x| div(g, &add(x, &number(x, 1.0)?)?);
    /// Hyperbolic tangent.
    fn tanh = Tanh, BecomeFloats, |g, y| tanh_grad(g, y);
    /// Logistic function, 1 / (1 + e⁻ˣ).
    fn sigmoid = Sigmoid, BecomeFloats, |g, y| sigmoid_grad(g, y);
    /// ln(1 / (1 + e⁻ˣ)), without overflow.
    fn logsigmoid = LogSigmoid, BecomeFloats, |g, x| mul(g, &sigmoid(&neg(x)?)?);
    /// ln(1 + eˣ), without overflow.
    fn softplus = Softplus, BecomeFloats, |g, x| mul(g, &sigmoid(x)?);
    /// Rectified linear unit, max(x, 0). The derivative at 0 is 0.
    fn relu = Relu, Stay, |g, y| relu_grad(g, y);
    /// The largest integer that is not above x. The derivative is 0.
    fn floor = Floor, Unchanged, |g| zeros_like(g);
}

/// A constant that takes the dtype of `like`.
pub(super) fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    Tensor::scalar(Number::Float(value), like.dtype())
}

pub(super) fn zeros_like(x: &Tensor) -> Result<Tensor> {
    Tensor::full(x.shape(), Number::Int(0), x.dtype())
}

// ---- Two tensors ----

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

const FIRST: Saves = Saves { inputs: 1, output: false };
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
    /// `x` limited to the range from `min` to `max`, either of which may be None. The derivative is 1 within the range, ends
    /// included, and 0 outside.
    method clamp(x: Tensor, min: OptionalTensor = None, max: OptionalTensor = None);
    /// Elements of `x` where `condition` is true, elements of `other` elsewhere.
    function where_(condition: Tensor, x: Tensor, other: Tensor) = "where";
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

// ---- Comparison and choice ----

/// Compares element by element; the result is of bool and has no gradient.
pub fn compare(op: Compare, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = result_dtype(&[a, b]);
    let (a, b) = (cast(&a.without_history(), dtype)?, cast(&b.without_history(), dtype)?);
    let shape = broadcast("comparison", a.shape(), b.shape())?;
    let mut rooms = [Dims::new(), Dims::new()];
    let [room_a, room_b] = &mut rooms;
    let (sa, sb) = (strides_over(&a, &shape, room_a), strides_over(&b, &shape, room_b));
    match_any!(dtype, T => {
        let (ra, rb) = (a.read::<T>(), b.read::<T>());
        Tensor::build::<u8>("comparison", &shape, DType::Bool, |out| {
            map::compare(op, out, &shape, view_of(&ra, sa), view_of(&rb, sb));
            Ok(())
        })
    })
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* fn $name:ident = $op:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(x: &Tensor, other: &Tensor) -> Result<Tensor> {
                compare(Compare::$op, x, other)
            }
        )*
        op_table! { $ compare_ops $( $(#[$doc])* method $name(x: Tensor, other: Tensor); )* }
    };
}

comparisons! {
    /// Whether a < b, as a tensor of bool.
    fn lt = Lt;
    /// Whether a ≤ b, as a tensor of bool.
    fn le = Le;
    /// Whether a > b, as a tensor of bool.
    fn gt = Gt;
    /// Whether a ≥ b, as a tensor of bool.
    fn ge = Ge;
    /// Whether a = b, as a tensor of bool.
    fn eq = Eq;
    /// Whether a ≠ b, as a tensor of bool.
    fn ne = Ne;
}

struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }
    fn saves(&self) -> Saves {
        FIRST
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        let [c, a, b] = [x[0], x[1], x[2]];
        let shape = broadcast("where", &broadcast("where", a.shape(), b.shape())?, c.shape())?;
        let mut rooms = [Dims::new(), Dims::new(), Dims::new()];
        let [room_c, room_a, room_b] = &mut rooms;
        let sc = strides_over(c, &shape, room_c);
        let (sa, sb) = (strides_over(a, &shape, room_a), strides_over(b, &shape, room_b));
        let rc = c.read::<u8>();
        match_any!(a.dtype(), T => {
            let (ra, rb) = (a.read::<T>(), b.read::<T>());
            Tensor::build::<T>("where", &shape, a.dtype(), |out| {
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

/// Elements of `x` where `condition` is true, elements of `other` elsewhere; all three broadcast.
///
/// The gradient of what was not selected is 0, even where that side's own derivative is infinite or NaN further up only if
/// it was computed safely: select the argument, not only the result.
pub fn where_(condition: &Tensor, x: &Tensor, other: &Tensor) -> Result<Tensor> {
    if condition.dtype() != DType::Bool {
        fail!(Type, "where: the condition must be of bool, got {}; write condition != 0", condition.dtype());
    }
    let dtype = result_dtype(&[x, other]);
    apply(Where, &[condition, &cast(x, dtype)?, &cast(other, dtype)?])
}

/// `x` limited to the range from `min` to `max`, either of which may be missing.
///
/// The derivative to `x` is 1 within the range, ends included, and 0 outside, as in PyTorch. `ValueError` if both limits
/// are missing.
pub fn clamp(x: &Tensor, min: Option<&Tensor>, max: Option<&Tensor>) -> Result<Tensor> {
    if min.is_none() && max.is_none() {
        fail!(Value, "clamp: give min, max or both");
    }
    let mut y = x.clone();
    // As a choice, not as maximum: at a limit the whole gradient goes to x.
    if let Some(low) = min {
        y = where_(&compare(Compare::Lt, &y, low)?, low, &y)?;
    }
    if let Some(high) = max {
        y = where_(&compare(Compare::Gt, &y, high)?, high, &y)?;
    }
    Ok(y)
}
