//! What the row kernels share: maxima, sums, and blocks of narrow rows held a column at a time.

use crate::math;
use crate::simd::{Real, Simd};

/// Vectors whose sum is taken one after the other before it is added to the row's: bounds the error of long rows.
const BLOCK: usize = 32;
/// Maxima that are followed side by side.
const CHAINS: usize = 4;
/// The most columns of a narrow row: the lanes of the longest vector.
const MAX_NARROW: usize = 16;

/// The first `n < LANES` elements, and `fill` in the other lanes.
///
/// # Safety
/// `p` must be valid for reads of `n` elements.
#[inline(always)]
unsafe fn load_head_or<T: Real, S: Simd<T>>(s: S, p: *const T, n: usize, fill: T) -> S::V {
    let mut places = T::Lanes::default();
    for (i, place) in places.as_mut().iter_mut().enumerate() {
        *place = T::from_f64(i as f64);
    }
    // SAFETY: `Real::Lanes` is a vector's array; and the caller's.
    let (places, v) = unsafe { (s.load(places.as_ref().as_ptr()), s.load_head(p, n)) };
    s.select(s.lt(places, s.splat(T::from_f64(n as f64))), v, s.splat(fill))
}

/// The largest element; with NaN in the row, any.
#[inline(always)]
pub(super) fn max_row<T: Real, S: Simd<T>>(s: S, x: &[T]) -> T {
    let mut acc = [s.splat(T::NEG_INFINITY); CHAINS];
    let mut steps = x.chunks_exact(CHAINS * S::LANES);
    for step in &mut steps {
        for (c, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the chunk holds `CHAINS` vectors.
            *acc = s.max(unsafe { s.load(step.as_ptr().add(c * S::LANES)) }, *acc);
        }
    }
    let mut vectors = steps.remainder().chunks_exact(S::LANES);
    for v in &mut vectors {
        // SAFETY: the chunk is a vector.
        acc[0] = s.max(unsafe { s.load(v.as_ptr()) }, acc[0]);
    }
    let tail = vectors.remainder();
    if !tail.is_empty() {
        // SAFETY: so many elements are left.
        acc[1] = s.max(unsafe { load_head_or(s, tail.as_ptr(), tail.len(), T::NEG_INFINITY) }, acc[1]);
    }
    s.reduce_max(s.max(s.max(acc[0], acc[1]), s.max(acc[2], acc[3])))
}

/// The sum of `exp(x - max)`, whose terms are written to `out`.
#[inline(always)]
pub(super) fn exp_row<T: Real, S: Simd<T>>(s: S, x: &[T], max: T, out: Option<&mut [T]>) -> T {
    let max = s.splat(max);
    let write = out.map(|out| {
        assert_eq!(out.len(), x.len());
        out.as_mut_ptr()
    });
    let mut total = s.splat(T::ZERO);
    for (b, block) in x.chunks(BLOCK * S::LANES).enumerate() {
        let write = write.map(|out| out.wrapping_add(b * BLOCK * S::LANES));
        let mut sum = s.splat(T::ZERO);
        let mut vectors = block.chunks_exact(S::LANES);
        for (i, v) in (&mut vectors).enumerate() {
            // SAFETY: the chunk is a vector, and `out` is as long as `x`.
            unsafe {
                let e = math::exp(s, s.sub(s.load(v.as_ptr()), max));
                if let Some(out) = write {
                    s.store(out.add(i * S::LANES), e);
                }
                sum = s.add(sum, e);
            }
        }
        let tail = vectors.remainder();
        if !tail.is_empty() {
            // SAFETY: so many elements are left, and `out` is as long as `x`.
            unsafe {
                // e^−∞ adds nothing.
                let x = load_head_or(s, tail.as_ptr(), tail.len(), T::NEG_INFINITY);
                let e = math::exp(s, s.sub(x, max));
                if let Some(out) = write {
                    s.store_head(out.add(block.len() - tail.len()), e, tail.len());
                }
                sum = s.add(sum, e);
            }
        }
        total = s.add(total, sum);
    }
    s.reduce_add(total)
}

/// `Σ x[i]`, or `Σ x[i]·y[i]`.
#[inline(always)]
pub(super) fn sum_row<T: Real, S: Simd<T>>(s: S, x: &[T], y: Option<&[T]>) -> T {
    let n = x.len();
    assert!(y.is_none_or(|y| y.len() == n));
    let y = y.map(<[T]>::as_ptr);
    let mut total = s.splat(T::ZERO);
    for first in (0..n).step_by(BLOCK * S::LANES) {
        let last = n.min(first + BLOCK * S::LANES);
        let mut sum = s.splat(T::ZERO);
        let mut i = first;
        while i < last {
            let lanes = S::LANES.min(last - i);
            // SAFETY: both have `n` elements, of which at least `lanes` are left from `i` on.
            let term = unsafe {
                let x =
                    if lanes == S::LANES { s.load(x.as_ptr().add(i)) } else { s.load_head(x.as_ptr().add(i), lanes) };
                match y {
                    None => x,
                    Some(y) if lanes == S::LANES => s.mul(x, s.load(y.add(i))),
                    Some(y) => s.mul(x, s.load_head(y.add(i), lanes)),
                }
            };
            sum = s.add(sum, term);
            i += lanes;
        }
        total = s.add(total, sum);
    }
    s.reduce_add(total)
}

/// Up to `LANES` rows of at most `LANES` columns, transposed: lane `i` of vector `j` is element `j` of row `i`. Lanes behind
/// the last row are 0.
#[inline(always)]
pub(super) fn narrow_read<T: Real, S: Simd<T>>(s: S, x: &[T], cols: usize) -> [S::V; MAX_NARROW] {
    let mut tile = [T::Lanes::default(); MAX_NARROW];
    for (i, row) in x.chunks_exact(cols).enumerate() {
        for (column, &x) in tile.iter_mut().zip(row) {
            column.as_mut()[i] = x;
        }
    }
    let mut vectors = [s.splat(T::ZERO); MAX_NARROW];
    for (v, column) in vectors.iter_mut().zip(&tile) {
        // SAFETY: `Real::Lanes` is a vector's array.
        *v = unsafe { s.load(column.as_ref().as_ptr()) };
    }
    vectors
}

/// The reverse of [`narrow_read`].
#[inline(always)]
pub(super) fn narrow_write<T: Real, S: Simd<T>>(s: S, out: &mut [T], v: &[S::V], cols: usize) {
    let mut tile = [T::Lanes::default(); MAX_NARROW];
    for (column, &v) in tile.iter_mut().zip(v) {
        *column = s.to_array(v);
    }
    for (i, row) in out.chunks_exact_mut(cols).enumerate() {
        for (out, column) in row.iter_mut().zip(&tile) {
            *out = column.as_ref()[i];
        }
    }
}

/// Subtracts from every row its largest element; returns those.
#[inline(always)]
pub(super) fn shift_narrow<T: Real, S: Simd<T>>(s: S, v: &mut [S::V]) -> S::V {
    let max = v.iter().fold(s.splat(T::NEG_INFINITY), |max, &v| s.max(v, max));
    v.iter_mut().for_each(|v| *v = s.sub(*v, max));
    max
}
