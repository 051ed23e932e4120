//! Reductions of integers.

use super::{Axes, Reduce, check};
use crate::View;
use crate::entries::entries;
use crate::map::Int;
use crate::reader::{Reader, TILE};
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, split};
use crate::walk::Dim;

entries! { IntReductions for [i64 i32 u8] where T: Int {
    /// Reduces dimensions of integers, wrapping around; see [`super::reduce`]. The maximum of no elements is the type's
    /// lowest value, the minimum its highest.
    ///
    /// # Panics
    /// If `out` does not have one element for each index of the kept dimensions, or the dimensions reach outside `x`.
    pub fn reduce_int(op: Reduce, out: &mut [T], x: &[T], kept: Axes, reduced: Axes) = reduce_int_body;
    /// Sums integers of any width into 64 bits; see [`super::reduce`].
    ///
    /// # Panics
    /// If `out` does not have one element for each index of the kept dimensions, or the dimensions reach outside `x`.
    pub fn sum_int(out: &mut [i64], x: &[T], kept: Axes, reduced: Axes) = sum_int_body;
} }

fn reduce_int_body<T: Int>(op: Reduce, out: &mut [T], x: &[T], kept: Axes, reduced: Axes) {
    match op {
        Reduce::Sum => fold(out, x, kept, reduced, T::default(), T::add),
        Reduce::Prod => fold(out, x, kept, reduced, T::ONE, T::mul),
        Reduce::Max => fold(out, x, kept, reduced, T::MIN, T::max),
        Reduce::Min => fold(out, x, kept, reduced, T::MAX, T::min),
    }
}

fn sum_int_body<T: Int>(out: &mut [i64], x: &[T], kept: Axes, reduced: Axes) {
    fold(out, x, kept, reduced, 0, |sum: i64, x| sum.wrapping_add(x.to_i64()));
}

/// Folds the elements of every output into `initial`.
fn fold<T: Element, A: Element>(
    out: &mut [A],
    x: &[T],
    kept: Axes,
    reduced: Axes,
    initial: A,
    f: impl Fn(A, T) -> A + Sync + Copy,
) {
    let some = check(out.len(), x.len(), kept, reduced);
    out.fill(initial);
    let mut room = None;
    let reduced = reduced.by_stride(&mut room);
    if some {
        split(out, 1, GRAIN_CHEAP.div_ceil(reduced.len()), |start, out| {
            f32::run(FoldInt { out, x, kept, reduced, start, f });
        });
    }
}

struct FoldInt<'a, T, A, F> {
    out: &'a mut [A],
    x: &'a [T],
    kept: Axes<'a>,
    reduced: Axes<'a>,
    start: usize,
    f: F,
}

// The kernel's element type is irrelevant: it enters the shell only to be compiled for the instruction set.
impl<T: Element, A: Element, F: Fn(A, T) -> A> Kernel<f32> for FoldInt<'_, T, A, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let (mut outer, mut inner) = (self.kept.walk(), self.reduced.walk());
        let length = inner.len();
        let mut at = outer.seek(self.start);
        let mut out = self.out;
        let rows_lie_together = inner.dims().iter().all(|d| d.strides == [1]);
        while !out.is_empty() {
            let columns = match outer.dims().last() {
                Some(&Dim { size, strides: [1], at }) if !rows_lie_together => (size - at).min(TILE).min(out.len()),
                _ => 1,
            };
            let (part, rest) = out.split_at_mut(columns);
            let x = &self.x[at[0]..];
            if rows_lie_together {
                part[0] = x[..length].iter().fold(part[0], |a, &x| (self.f)(a, x));
            } else if columns > 1 {
                let mut place = inner.seek(0);
                for _ in 0..length {
                    for (out, &x) in part.iter_mut().zip(&x[place[0]..]) {
                        *out = (self.f)(*out, x);
                    }
                    inner.step(1, &mut place);
                }
            } else {
                let mut stream = Reader::new(View::new(x, self.reduced.strides), self.reduced.shape, 0);
                let mut left = length;
                while left > 0 {
                    let n = left.min(TILE);
                    part[0] = stream.next(n).iter().fold(part[0], |a, &x| (self.f)(a, x));
                    left -= n;
                }
            }
            outer.step(columns, &mut at);
            out = rest;
        }
    }
}
