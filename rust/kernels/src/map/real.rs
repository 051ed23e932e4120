//! Maps of `f32` and `f64`.

use super::{GRAIN_CHEAP, GRAIN_TRANSCENDENTAL, UNIT};
use crate::View;
use crate::math;
use crate::reader::{Reader, chunk};
use crate::simd::{Kernel, Real, Simd};
use crate::split::split;

/// A function of one number.
///
/// NaN gives NaN; zeros keep their sign where the function is odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `eˣ`
    Exp,
    /// `eˣ - 1`, accurate near 0
    Expm1,
    /// `ln x`
    Log,
    /// `ln(1 + x)`, accurate near 0
    Log1p,
    /// `√x`
    Sqrt,
    /// `1/√x`
    Rsqrt,
    /// `1/x`
    Reciprocal,
    /// `x²`
    Square,
    /// The hyperbolic tangent
    Tanh,
    /// `1/(1 + e⁻ˣ)`
    Sigmoid,
    /// `max(x, 0)`
    Relu,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `-ln(1 + e⁻ˣ)`
    LogSigmoid,
    /// -1, 0 or 1
    Sign,
    /// The largest integer not above `x`
    Floor,
    /// The smallest integer not below `x`
    Ceil,
    /// The nearest integer, ties to even
    Round,
}

impl Unary {
    /// Elements that pay for a thread.
    fn grain(self) -> usize {
        match self {
            Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log1p | Unary::Tanh | Unary::Sigmoid => {
                GRAIN_TRANSCENDENTAL
            }
            Unary::Softplus | Unary::LogSigmoid | Unary::Sqrt | Unary::Rsqrt => GRAIN_TRANSCENDENTAL,
            _ => GRAIN_CHEAP,
        }
    }
}

/// A function of two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a × b`
    Mul,
    /// `a ÷ b`
    Div,
    /// `aᵇ`, with the special cases of C99
    Pow,
    /// The larger; NaN if either is
    Maximum,
    /// The smaller; NaN if either is
    Minimum,
    /// `b > 0 ? a : 0`: the gradient `a` of a rectifier whose value was `b`
    ReluGrad,
    /// `a·(1 - b²)`: the gradient `a` of a hyperbolic tangent whose value was `b`
    TanhGrad,
    /// `a·b·(1 - b)`: the gradient `a` of a logistic function whose value was `b`
    SigmoidGrad,
}

/// `out[i] = op(x[i])` for the indices `i` of `shape`, in row-major order.
///
/// # Panics
/// If `out` does not have the shape's number of elements, or `x` does not reach over the shape.
pub fn unary<T: Real>(op: Unary, out: &mut [T], shape: &[usize], x: View<T>) {
    assert_eq!(out.len(), shape.iter().product(), "the output has the wrong number of elements");
    x.check(shape);
    if !out.is_empty() {
        split(out, UNIT, op.grain(), |start, out| T::run(UnaryKernel { op, out, shape, x, start }));
    }
}

/// `out[i] = op(a[i], b[i])` for the indices `i` of `shape`, in row-major order.
///
/// # Panics
/// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
pub fn binary<T: Real>(op: Binary, out: &mut [T], shape: &[usize], a: View<T>, b: View<T>) {
    assert_eq!(out.len(), shape.iter().product(), "the output has the wrong number of elements");
    a.check(shape);
    b.check(shape);
    if out.is_empty() {
        return;
    }
    let power = if op == Binary::Pow { Power::of(b) } else { Power::General };
    let grain = if op == Binary::Pow && power == Power::General { GRAIN_POW } else { GRAIN_CHEAP };
    split(out, UNIT, grain, |start, out| T::run(BinaryKernel { op, power, out, shape, a, b, start }));
}

/// `out[i] += x[i]`.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign<T: Real>(out: &mut [T], x: &[T]) {
    assert_eq!(out.len(), x.len(), "adding in place needs equal lengths");
    split(out, UNIT, GRAIN_CHEAP, |start, out| T::run(AddAssign { x: &x[start..start + out.len()], out }));
}

/// A general power costs some 20 ns.
const GRAIN_POW: usize = 512;

struct UnaryKernel<'a, T> {
    op: Unary,
    out: &'a mut [T],
    shape: &'a [usize],
    x: View<'a, T>,
    /// The place of `out` in the whole output.
    start: usize,
}

impl<T: Real> Kernel<T> for UnaryKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut x = Reader::new(self.x, self.shape, self.start);
        let mut out = self.out;
        while !out.is_empty() {
            let (part, rest) = out.split_at_mut(chunk(x.run(), out.len()));
            unary_run(s, self.op, part, x.next(part.len()));
            out = rest;
        }
    }
}

#[inline(always)]
fn unary_run<T: Real, S: Simd<T>>(s: S, op: Unary, out: &mut [T], x: &[T]) {
    let one = s.splat(T::ONE);
    match op {
        Unary::Neg => map1(s, out, x, |x| s.neg(x)),
        Unary::Abs => map1(s, out, x, |x| s.abs(x)),
        Unary::Exp => map1(s, out, x, |x| math::exp(s, x)),
        Unary::Expm1 => map1(s, out, x, |x| math::expm1(s, x)),
        Unary::Log => map1(s, out, x, |x| math::log(s, x)),
        Unary::Log1p => map1(s, out, x, |x| math::log1p(s, x)),
        Unary::Sqrt => map1(s, out, x, |x| s.sqrt(x)),
        Unary::Rsqrt => map1(s, out, x, |x| s.div(one, s.sqrt(x))),
        Unary::Reciprocal => map1(s, out, x, |x| s.div(one, x)),
        Unary::Square => map1(s, out, x, |x| s.mul(x, x)),
        Unary::Tanh => map1(s, out, x, |x| math::tanh(s, x)),
        Unary::Sigmoid => map1(s, out, x, |x| math::sigmoid(s, x)),
        Unary::Relu => map1(s, out, x, |x| math::relu(s, x)),
        Unary::Softplus => map1(s, out, x, |x| math::softplus(s, x)),
        Unary::LogSigmoid => map1(s, out, x, |x| s.neg(math::softplus(s, s.neg(x)))),
        Unary::Sign => map1(s, out, x, |x| math::sign(s, x)),
        Unary::Floor => map1(s, out, x, |x| s.floor(x)),
        Unary::Ceil => map1(s, out, x, |x| s.neg(s.floor(s.neg(x)))),
        Unary::Round => map1(s, out, x, |x| s.round(x)),
    }
}

/// The exponents for which a power takes no general routine, if one exponent serves all elements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    General,
    Reciprocal,
    Root,
    Identity,
    Square,
    Cube,
}

impl Power {
    fn of<T: Real>(b: View<T>) -> Self {
        if b.strides.iter().any(|&s| s != 0) {
            return Power::General;
        }
        match b.data[0].to_f64() {
            -1.0 => Power::Reciprocal,
            0.5 => Power::Root,
            1.0 => Power::Identity,
            2.0 => Power::Square,
            3.0 => Power::Cube,
            _ => Power::General,
        }
    }
}

struct BinaryKernel<'a, T> {
    op: Binary,
    power: Power,
    out: &'a mut [T],
    shape: &'a [usize],
    a: View<'a, T>,
    b: View<'a, T>,
    start: usize,
}

impl<T: Real> Kernel<T> for BinaryKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut a = Reader::new(self.a, self.shape, self.start);
        let mut b = Reader::new(self.b, self.shape, self.start);
        let mut out = self.out;
        while !out.is_empty() {
            let (part, rest) = out.split_at_mut(chunk(a.run().min(b.run()), out.len()));
            let (a, b) = (a.next(part.len()), b.next(part.len()));
            match self.op {
                Binary::Pow => power_run(s, self.power, part, a, b),
                op => binary_run(s, op, part, a, b),
            }
            out = rest;
        }
    }
}

#[inline(always)]
fn binary_run<T: Real, S: Simd<T>>(s: S, op: Binary, out: &mut [T], a: &[T], b: &[T]) {
    let (zero, one) = (s.splat(T::ZERO), s.splat(T::ONE));
    match op {
        Binary::Add => map2(s, out, a, b, |a, b| s.add(a, b)),
        Binary::Sub => map2(s, out, a, b, |a, b| s.sub(a, b)),
        Binary::Mul => map2(s, out, a, b, |a, b| s.mul(a, b)),
        Binary::Div => map2(s, out, a, b, |a, b| s.div(a, b)),
        Binary::Maximum => map2(s, out, a, b, |a, b| math::maximum(s, a, b)),
        Binary::Minimum => map2(s, out, a, b, |a, b| math::minimum(s, a, b)),
        Binary::ReluGrad => map2(s, out, a, b, |g, y| s.select(s.lt(zero, y), g, zero)),
        Binary::TanhGrad => map2(s, out, a, b, |g, y| s.mul(g, s.mul_add(s.neg(y), y, one))),
        Binary::SigmoidGrad => map2(s, out, a, b, |g, y| s.mul(g, s.mul_add(s.neg(y), y, y))),
        Binary::Pow => unreachable!("powers have a routine of their own"),
    }
}

#[inline(always)]
fn power_run<T: Real, S: Simd<T>>(s: S, power: Power, out: &mut [T], a: &[T], b: &[T]) {
    let one = s.splat(T::ONE);
    match power {
        Power::Reciprocal => map1(s, out, a, |x| s.div(one, x)),
        // C99: the power ½ of −0 is +0 and that of −∞ is +∞.
        Power::Root => map1(s, out, a, |x| {
            let infinity = s.splat(T::INFINITY);
            s.select(s.eq(x, s.neg(infinity)), infinity, s.sqrt(s.add(x, s.splat(T::ZERO))))
        }),
        Power::Identity => out.copy_from_slice(a),
        Power::Square => map1(s, out, a, |x| s.mul(x, x)),
        Power::Cube => map1(s, out, a, |x| s.mul(s.mul(x, x), x)),
        Power::General => {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = a.pow(b);
            }
        }
    }
}

struct AddAssign<'a, T> {
    out: &'a mut [T],
    x: &'a [T],
}

impl<T: Real> Kernel<T> for AddAssign<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let n = self.out.len();
        assert_eq!(self.x.len(), n);
        let (out, x) = (self.out.as_mut_ptr(), self.x.as_ptr());
        let mut i = 0;
        // SAFETY: both have `n` elements, and `i` stays below.
        unsafe {
            while i + S::LANES <= n {
                s.store(out.add(i), s.add(s.load(out.add(i)), s.load(x.add(i))));
                i += S::LANES;
            }
            let rest = n - i;
            if rest > 0 {
                let y = s.add(s.load_head(out.add(i), rest), s.load_head(x.add(i), rest));
                s.store_head(out.add(i), y, rest);
            }
        }
    }
}

/// `out[i] = f(x[i])`.
#[inline(always)]
fn map1<T: Real, S: Simd<T>>(s: S, out: &mut [T], x: &[T], f: impl Fn(S::V) -> S::V) {
    let n = out.len();
    assert_eq!(x.len(), n);
    let (out, x) = (out.as_mut_ptr(), x.as_ptr());
    let mut i = 0;
    // SAFETY: both have `n` elements, and `i` stays below.
    unsafe {
        while i + S::LANES <= n {
            s.store(out.add(i), f(s.load(x.add(i))));
            i += S::LANES;
        }
        if i < n {
            s.store_head(out.add(i), f(s.load_head(x.add(i), n - i)), n - i);
        }
    }
}

/// `out[i] = f(a[i], b[i])`.
#[inline(always)]
fn map2<T: Real, S: Simd<T>>(s: S, out: &mut [T], a: &[T], b: &[T], f: impl Fn(S::V, S::V) -> S::V) {
    let n = out.len();
    assert!(a.len() == n && b.len() == n);
    let (out, a, b) = (out.as_mut_ptr(), a.as_ptr(), b.as_ptr());
    let mut i = 0;
    // SAFETY: all have `n` elements, and `i` stays below.
    unsafe {
        while i + S::LANES <= n {
            s.store(out.add(i), f(s.load(a.add(i)), s.load(b.add(i))));
            i += S::LANES;
        }
        if i < n {
            let rest = n - i;
            s.store_head(out.add(i), f(s.load_head(a.add(i), rest), s.load_head(b.add(i), rest)), rest);
        }
    }
}
