//! What the row kernels share: maxima, sums, and blocks of narrow rows held a column at a time.

use crate::lanes::load_or;
use crate::math;
use crate::simd::{Real, Simd};

/// Vectors whose sum is taken before it is added to the row's: bounds the error of long rows.
const BLOCK: usize = 32;
/// Maxima and sums that are followed side by side: hides latencies, and keeps loops so short that their ends are foreseen.
const CHAINS: usize = 4;
/// The most columns of a narrow row: the lanes of the longest vector.
const MAX_NARROW: usize = 16;

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
    for (v, acc) in steps.remainder().chunks(S::LANES).zip(&mut acc) {
        *acc = s.max(load_or(s, v, T::NEG_INFINITY), *acc);
    }
    s.reduce_max(s.max(s.max(acc[0], acc[1]), s.max(acc[2], acc[3])))
}

/// The sum of `exp(x - max)`.
#[inline(always)]
pub(super) fn sum_exp_row<T: Real, S: Simd<T>>(s: S, x: &[T], max: T) -> T {
    // SAFETY: nothing is written.
    unsafe { exp_row::<T, S, false>(s, x, max, std::ptr::null_mut()) }
}

/// The sum of `exp(x - max)`, whose terms are written to `out`.
#[inline(always)]
pub(super) fn write_exp_row<T: Real, S: Simd<T>>(s: S, out: &mut [T], x: &[T], max: T) -> T {
    assert_eq!(out.len(), x.len());
    // SAFETY: the lengths are equal.
    unsafe { exp_row::<T, S, true>(s, x, max, out.as_mut_ptr()) }
}

/// # Safety
/// If `WRITE`, `out` must be valid for writes of as many elements as `x` has.
#[inline(always)]
unsafe fn exp_row<T: Real, S: Simd<T>, const WRITE: bool>(s: S, x: &[T], max: T, mut out: *mut T) -> T {
    let max = s.splat(max);
    let mut total = s.splat(T::ZERO);
    for block in x.chunks(BLOCK * S::LANES) {
        let mut acc = [s.splat(T::ZERO); CHAINS];
        let mut steps = block.chunks_exact(CHAINS * S::LANES);
        for step in &mut steps {
            for (c, acc) in acc.iter_mut().enumerate() {
                // SAFETY: the chunk holds `CHAINS` vectors; and the caller's.
                unsafe {
                    let e = math::exp(s, s.sub(s.load(step.as_ptr().add(c * S::LANES)), max));
                    if WRITE {
                        s.store(out, e);
                        out = out.add(S::LANES);
                    }
                    *acc = s.add(*acc, e);
                }
            }
        }
        for (v, acc) in steps.remainder().chunks(S::LANES).zip(&mut acc) {
            // e^−∞ adds nothing.
            let e = math::exp(s, s.sub(load_or(s, v, T::NEG_INFINITY), max));
            if WRITE {
                // SAFETY: the caller's.
                unsafe {
                    s.store_head(out, e, v.len());
                    out = out.add(v.len());
                }
            }
            *acc = s.add(*acc, e);
        }
        total = s.add(total, s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3])));
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
    debug_assert!(cols <= S::LANES && x.len() <= S::LANES * cols);
    let mut tile = [T::Lanes::default(); MAX_NARROW];
    let mut v = [s.splat(T::ZERO); MAX_NARROW];
    // SAFETY: `Real::Lanes` is a vector's array, the tile has a row for every column, and `x` has so many rows.
    unsafe {
        s.transpose(x.as_ptr(), cols, x.len() / cols, cols, tile.as_mut_ptr().cast(), S::LANES);
        for (v, column) in v.iter_mut().zip(&tile) {
            *v = s.load(column.as_ref().as_ptr());
        }
    }
    v
}

/// The reverse of [`narrow_read`].
#[inline(always)]
pub(super) fn narrow_write<T: Real, S: Simd<T>>(s: S, out: &mut [T], v: &[S::V], cols: usize) {
    debug_assert!(cols <= S::LANES && v.len() == cols && out.len() <= S::LANES * cols);
    let (mut columns, mut rows) = ([T::Lanes::default(); MAX_NARROW], [T::Lanes::default(); MAX_NARROW]);
    let (n, out) = (out.len(), out.as_mut_ptr());
    // SAFETY: `Real::Lanes` is a vector's array, and both tiles have `LANES` of them at least; a row begins and ends within
    // `out`.
    unsafe {
        for (column, &v) in columns.iter_mut().zip(v) {
            s.store(column.as_mut().as_mut_ptr(), v);
        }
        s.transpose(columns.as_ptr().cast(), S::LANES, S::LANES, S::LANES, rows.as_mut_ptr().cast(), S::LANES);
        for (start, row) in (0..n).step_by(cols).zip(&rows) {
            let row = s.load(row.as_ref().as_ptr());
            // What a whole vector writes behind its row, the next row overwrites; the last rows have no room for that.
            if start + S::LANES <= n {
                s.store(out.add(start), row);
            } else {
                s.store_head(out.add(start), row, cols);
            }
        }
    }
}

/// The largest element of every row; with NaN in it, any.
#[inline(always)]
pub(super) fn max_narrow<T: Real, S: Simd<T>>(s: S, v: &[S::V]) -> S::V {
    let mut max = s.splat(T::NEG_INFINITY);
    for &v in v {
        max = s.max(v, max);
    }
    max
}

/// Subtracts from every row its largest element; returns those.
#[inline(always)]
pub(super) fn shift_narrow<T: Real, S: Simd<T>>(s: S, v: &mut [S::V]) -> S::V {
    let max = max_narrow(s, v);
    for v in v {
        *v = s.sub(*v, max);
    }
    max
}
