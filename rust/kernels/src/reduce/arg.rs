//! The place of the largest or smallest element.

use super::{Axes, check};
use crate::View;
use crate::map::GRAIN_CHEAP;
use crate::reader::{Reader, TILE};
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::split;
use crate::walk::Walk;

/// Candidates that are followed side by side, so that the compiler can make vectors of them.
const LANES: usize = 16;

/// `out[k]` is the number of the largest element (or the smallest, unless `max`) among those that are reduced to output
/// `k`, counted in row-major order of the reduced dimensions: the first of equals. The first NaN counts as the largest and
/// the smallest.
///
/// # Panics
/// If `out` does not have one element for every kept one, the dimensions reach outside `x`, or there are outputs but no
/// elements.
pub fn arg_reduce<T: Element>(max: bool, out: &mut [i64], x: &[T], kept: Axes, reduced: Axes) {
    if !check(out.len(), x.len(), kept, reduced) {
        assert!(out.is_empty(), "nothing has no largest element");
        return;
    }
    let length = reduced.len();
    split(out, 1, GRAIN_CHEAP.div_ceil(length), |start, out| {
        let walk = kept.walk();
        // The element type is no vector's: the shell serves the compiler's own vectors.
        f32::run(Arg { max, out, x, walk, reduced, start });
    });
}

struct Arg<'a, T> {
    max: bool,
    out: &'a mut [i64],
    x: &'a [T],
    walk: Walk<1>,
    reduced: Axes<'a>,
    start: usize,
}

impl<T: Element> Kernel<f32> for Arg<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(mut self, _: S) {
        let mut at = self.walk.seek(self.start);
        let length = self.reduced.len();
        let contiguous = self.reduced.walk().dims().iter().all(|d| d.strides == [1]);
        for out in self.out {
            let x = &self.x[at[0]..];
            let best = |x: &[T]| if self.max { best(x, |a, b| a > b) } else { best(x, |a, b| a < b) };
            *out = if contiguous {
                best(&x[..length]).1 as i64
            } else {
                let mut stream = Reader::new(View::new(x, self.reduced.strides), self.reduced.shape, 0);
                best_of_stream(&mut stream, length, best, self.max)
            };
            self.walk.step(1, &mut at);
        }
    }
}

/// Whether `a`, which comes later, takes the place of `b`.
#[inline(always)]
// Only NaN differs from itself; and without branches the loop stays a loop of vectors.
#[allow(clippy::eq_op, clippy::needless_bitwise_bool)]
fn beats<T: Element>(a: T, b: T, better: impl Fn(T, T) -> bool) -> bool {
    better(a, b) | ((a != a) & (b == b))
}

#[inline(always)]
fn best_of_stream<T: Element>(x: &mut Reader<T>, length: usize, best: impl Fn(&[T]) -> (T, usize), max: bool) -> i64 {
    let (mut value, mut place) = best(x.next(length.min(TILE)));
    let mut done = length.min(TILE);
    while done < length {
        let n = TILE.min(length - done);
        let (v, p) = best(x.next(n));
        if beats(v, value, |a, b| if max { a > b } else { a < b }) {
            (value, place) = (v, done + p);
        }
        done += n;
    }
    place as i64
}

/// The best element and its place; `x` is not empty.
#[inline(always)]
fn best<T: Element>(x: &[T], better: impl Fn(T, T) -> bool + Copy) -> (T, usize) {
    let (vectors, tail) = x.as_chunks::<LANES>();
    let (mut value, mut place, mut first_of_tail) = (x[0], 0, 0);
    if let Some((first, others)) = vectors.split_first() {
        let mut values = *first;
        let mut steps = [0_u32; LANES];
        for (step, v) in (1..).zip(others) {
            for l in 0..LANES {
                let take = beats(v[l], values[l], better);
                values[l] = if take { v[l] } else { values[l] };
                steps[l] = if take { step } else { steps[l] };
            }
        }
        for (l, (&v, &step)) in values.iter().zip(&steps).enumerate() {
            let p = step as usize * LANES + l;
            let equal = !beats(v, value, better) && !beats(value, v, better);
            if beats(v, value, better) || equal && p < place {
                (value, place) = (v, p);
            }
        }
        first_of_tail = vectors.len() * LANES;
    }
    for (i, &v) in tail.iter().enumerate() {
        if beats(v, value, better) {
            (value, place) = (v, first_of_tail + i);
        }
    }
    (value, place)
}
