//! Argmax and argmin.

use super::{Axes, check};
use crate::View;
use crate::entries::entries;
use crate::reader::{Reader, TILE};
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, split};

/// Candidates that are tracked in parallel, so that the compiler can vectorise.
const LANES: usize = 16;

entries! { ArgReductions for [f32 f64 i64 i32 u8] where T: Ordered {
    /// `out[k]` is the index of the largest element (or the smallest, unless `max`) among those that are reduced to
    /// output `k`, in row-major order of the reduced dimensions: the first one of equals. The first NaN counts as the
    /// largest and the smallest.
    ///
    /// # Panics
    /// If `out` does not have one element for each index of the kept dimensions, the dimensions reach outside `x`, or
    /// there are outputs but no elements.
    pub fn arg_reduce(max: bool, out: &mut [i64], x: &[T], kept: Axes, reduced: Axes) = arg_reduce_body;
} }

fn arg_reduce_body<T: Ordered>(max: bool, out: &mut [i64], x: &[T], kept: Axes, reduced: Axes) {
    if !check(out.len(), x.len(), kept, reduced) {
        assert!(out.is_empty(), "a reduction of no elements has no largest one");
        return;
    }
    let length = reduced.len();
    split(out, 1, GRAIN_CHEAP.div_ceil(length), |start, out| {
        // No explicit vectors: it enters the shell for the compiler's vectorization.
        if max {
            f32::run(Arg::<T, false> { out, x, kept, reduced, start });
        } else {
            f32::run(Arg::<T, true> { out, x, kept, reduced, start });
        }
    });
}

/// Elements that map to integers in the same order.
pub trait Ordered: Element {
    /// The integer.
    type Key: Ord + Copy;
    /// The element's sort key, in increasing or in reverse order; NaN comes last in both, and -0 equals 0.
    fn key(self, reverse: bool) -> Self::Key;
}

macro_rules! ordered {
    ($($t:ident: $key:ident = |$x:ident| $in_order:expr, $last:expr;)*) => {$(
        impl Ordered for $t {
            type Key = $key;
            #[inline(always)]
            fn key(self, reverse: bool) -> $key {
                let $x = self;
                let key = if reverse { !$in_order } else { $in_order };
                if $last { $key::MAX } else { key }
            }
        }
    )*};
}

ordered! {
    // As integers, negative numbers are in reverse order: all bits but the sign are flipped.
    f32: i32 = |x| { let bits = (x + 0.0).to_bits() as i32; bits ^ (bits >> 31) & i32::MAX }, x.is_nan();
    f64: i64 = |x| { let bits = (x + 0.0).to_bits() as i64; bits ^ (bits >> 63) & i64::MAX }, x.is_nan();
    i64: i64 = |x| x, false;
    i32: i32 = |x| x, false;
    u8: i32 = |x| i32::from(x), false;
}

/// For the largest element, or in the reverse order.
struct Arg<'a, T, const REVERSE: bool> {
    out: &'a mut [i64],
    x: &'a [T],
    kept: Axes<'a>,
    reduced: Axes<'a>,
    start: usize,
}

impl<T: Ordered, const REVERSE: bool> Kernel<f32> for Arg<'_, T, REVERSE> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let mut walk = self.kept.walk();
        let mut at = walk.seek(self.start);
        let length = self.reduced.len();
        let contiguous = self.reduced.walk().dims().iter().all(|d| d.strides == [1]);
        for out in self.out {
            let x = &self.x[at[0]..];
            *out = if contiguous {
                first_largest::<T, REVERSE>(&x[..length]).1 as i64
            } else {
                first_largest_of::<T, REVERSE>(
                    Reader::new(View::new(x, self.reduced.strides), self.reduced.shape, 0),
                    length,
                )
            };
            walk.step(1, &mut at);
        }
    }
}

/// As [`first_largest`], for a stream of elements.
fn first_largest_of<T: Ordered, const REVERSE: bool>(mut x: Reader<T>, length: usize) -> i64 {
    let (mut key, mut place) = first_largest::<T, REVERSE>(x.next(length.min(TILE)));
    for done in (TILE..length).step_by(TILE) {
        let (k, p) = first_largest::<T, REVERSE>(x.next(TILE.min(length - done)));
        if k > key {
            (key, place) = (k, done + p);
        }
    }
    place as i64
}

/// The largest key and its first index; `x` is not empty.
#[inline(always)]
fn first_largest<T: Ordered, const REVERSE: bool>(x: &[T]) -> (T::Key, usize) {
    let (vectors, tail) = x.as_chunks::<LANES>();
    let (mut key, mut place) = (x[0].key(REVERSE), 0);
    if let Some((first, others)) = vectors.split_first() {
        let mut keys = first.map(|x| x.key(REVERSE));
        let mut steps = [0_u32; LANES];
        for (step, v) in (1..).zip(others) {
            for l in 0..LANES {
                let k = v[l].key(REVERSE);
                steps[l] = if k > keys[l] { step } else { steps[l] };
                keys[l] = if k > keys[l] { k } else { keys[l] };
            }
        }
        for (l, (&k, &step)) in keys.iter().zip(&steps).enumerate() {
            let p = step as usize * LANES + l;
            if k > key || k == key && p < place {
                (key, place) = (k, p);
            }
        }
    }
    for (p, &x) in (vectors.len() * LANES..).zip(tail) {
        let k = x.key(REVERSE);
        place = if k > key { p } else { place };
        key = key.max(k);
    }
    (key, place)
}
