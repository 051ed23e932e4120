//! Comparison and selection, for every element type.

use super::driver::{self, Body, Two};
use crate::View;
use crate::entries::entries;
use crate::simd::{Element, Real, Simd};
use crate::split::GRAIN_CHEAP;

/// A comparison. With NaN, all are false except `Ne`, and `Same` of two NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compare {
    /// `a < b`
    Lt,
    /// `a <= b`
    Le,
    /// `a > b`
    Gt,
    /// `a >= b`
    Ge,
    /// `a == b`
    Eq,
    /// `a != b`
    Ne,
    /// `a == b`, or both are NaN
    Same,
}

entries! { Choices for [f32 f64 i64 i32 u8] where T: Element {
    /// `out[i] = op(a[i], b[i])` as 1 or 0, for the indices `i` of `shape` in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
    pub fn compare(op: Compare, out: &mut [u8], shape: &[usize], a: View<T>, b: View<T>) = compare_body;
    /// `out[i] = cond[i] != 0 ? a[i] : b[i]` for the indices `i` of `shape`, in row-major order.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
    pub fn select(out: &mut [T], shape: &[usize], cond: View<u8>, a: View<T>, b: View<T>) = select_body;
} }

fn compare_body<T: Element>(op: Compare, out: &mut [u8], shape: &[usize], a: View<T>, b: View<T>) {
    driver::run::<f32, _, _>(op, GRAIN_CHEAP, out, shape, (a, b));
}

fn select_body<T: Element>(out: &mut [T], shape: &[usize], cond: View<u8>, a: View<T>, b: View<T>) {
    driver::run::<f32, _, _>(Select, GRAIN_CHEAP, out, shape, (cond, a, b));
}

// The vectors' type is irrelevant here and below: the loops are compiled for the instruction set.
impl<R: Real, T: Element> Body<R, Two<'_, T>, u8> for Compare {
    #[inline(always)]
    fn tile<S: Simd<R>>(self, _: S, out: &mut [u8], (a, b): (&[T], &[T])) {
        macro_rules! each {
            ($op:tt) => {
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = u8::from(a $op b);
                }
            };
        }
        match self {
            Compare::Lt => each!(<),
            Compare::Le => each!(<=),
            Compare::Gt => each!(>),
            Compare::Ge => each!(>=),
            Compare::Eq => each!(==),
            Compare::Ne => each!(!=),
            Compare::Same => {
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = u8::from((a == b) | (is_nan(a) & is_nan(b)));
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::eq_op, reason = "only NaN differs from itself; integers have none")]
fn is_nan<T: Element>(x: &T) -> bool {
    x != x
}

/// The body of [`select`].
#[derive(Clone, Copy)]
pub(crate) struct Select;

impl<'a, R: Real, T: Element> Body<R, (View<'a, u8>, View<'a, T>, View<'a, T>), T> for Select {
    #[inline(always)]
    fn tile<S: Simd<R>>(self, _: S, out: &mut [T], (cond, a, b): (&[u8], &[T], &[T])) {
        for (((out, &cond), &a), &b) in out.iter_mut().zip(cond).zip(a).zip(b) {
            *out = if cond == 0 { b } else { a };
        }
    }
}
