//! Comparison and selection, for every element type.

use crate::View;
use crate::entries::entries;
use crate::reader::{Reader, chunk};
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, UNIT, split};
use crate::view::size;

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
    assert_eq!(out.len(), size(shape), "the output has the wrong number of elements");
    a.check(shape);
    b.check(shape);
    if !out.is_empty() {
        split(out, UNIT, GRAIN_CHEAP, |start, out| f32::run(CompareKernel { op, out, shape, a, b, start }));
    }
}

fn select_body<T: Element>(out: &mut [T], shape: &[usize], cond: View<u8>, a: View<T>, b: View<T>) {
    assert_eq!(out.len(), size(shape), "the output has the wrong number of elements");
    cond.check(shape);
    a.check(shape);
    b.check(shape);
    if !out.is_empty() {
        split(out, UNIT, GRAIN_CHEAP, |start, out| f32::run(Select { out, shape, cond, a, b, start }));
    }
}

struct CompareKernel<'a, T> {
    op: Compare,
    out: &'a mut [u8],
    shape: &'a [usize],
    a: View<'a, T>,
    b: View<'a, T>,
    start: usize,
}

// The kernel's element type is irrelevant: it enters the shell only to be compiled for the instruction set.
impl<T: Element> Kernel<f32> for CompareKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let mut a = Reader::new(self.a, self.shape, self.start);
        let mut b = Reader::new(self.b, self.shape, self.start);
        let mut out = self.out;
        while !out.is_empty() {
            let (part, rest) = out.split_at_mut(chunk(a.run().min(b.run()), out.len()));
            compare_tile(self.op, part, a.next(part.len()), b.next(part.len()));
            out = rest;
        }
    }
}

struct Select<'a, T> {
    out: &'a mut [T],
    shape: &'a [usize],
    cond: View<'a, u8>,
    a: View<'a, T>,
    b: View<'a, T>,
    start: usize,
}

// As above.
impl<T: Element> Kernel<f32> for Select<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let mut cond = Reader::new(self.cond, self.shape, self.start);
        let mut a = Reader::new(self.a, self.shape, self.start);
        let mut b = Reader::new(self.b, self.shape, self.start);
        let mut out = self.out;
        while !out.is_empty() {
            let run = cond.run().min(a.run()).min(b.run());
            let (part, rest) = out.split_at_mut(chunk(run, out.len()));
            let n = part.len();
            select_tile(part, cond.next(n), a.next(n), b.next(n));
            out = rest;
        }
    }
}

/// [`compare`] of contiguous operands, in a loop that the compiler vectorises.
#[inline(always)]
pub(crate) fn compare_tile<T: Element>(op: Compare, out: &mut [u8], a: &[T], b: &[T]) {
    macro_rules! each {
        ($op:tt) => {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = u8::from(a $op b);
            }
        };
    }
    match op {
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

#[inline(always)]
#[allow(clippy::eq_op, reason = "only NaN differs from itself; integers have none")]
fn is_nan<T: Element>(x: &T) -> bool {
    x != x
}

/// [`select`] from contiguous operands.
#[inline(always)]
pub(crate) fn select_tile<T: Element>(out: &mut [T], cond: &[u8], a: &[T], b: &[T]) {
    for (((out, &cond), &a), &b) in out.iter_mut().zip(cond).zip(a).zip(b) {
        *out = if cond == 0 { b } else { a };
    }
}
