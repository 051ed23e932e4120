//! Shared parts of the row kernels: maxima and sums of rows, and transposed blocks of narrow rows.

use std::mem::MaybeUninit;

use crate::lanes::{load_or, prefetch};
use crate::math;
use crate::reduce::fold::{Fold, MAX_LANES};
use crate::simd::{Real, Simd};

/// Vectors of a partial sum: bounds the error of long rows.
const BLOCK: usize = 32;
/// Independent accumulators: hides latencies, and keeps loops so short that their exits are predicted.
const CHAINS: usize = 4;
/// Bytes of the rows that are processed together, so that they and their results stay in the L1 cache.
const GROUP_BYTES: usize = 8 << 10;

/// The number of rows that are processed together: their results fill a vector, unless the rows are long.
#[inline(always)]
pub(crate) fn group_rows<T: Real, S: Simd<T>>(cols: usize) -> usize {
    (GROUP_BYTES / size_of::<T>() / cols).clamp(1, S::LANES)
}

/// Whether all elements are 0.
#[inline(always)]
pub(crate) fn is_zero<T: Real>(x: &[T]) -> bool {
    x.iter().all(|&x| x == T::ZERO)
}

/// The larger number; unspecified with NaN.
#[derive(Clone, Copy)]
pub(super) struct Largest;

impl<T: Real> Fold<T> for Largest {
    const IDENTITY: T = T::NEG_INFINITY;
    #[inline(always)]
    fn vectors<S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
        s.max(a, b)
    }
    #[inline(always)]
    fn numbers(a: T, b: T) -> T {
        if a > b { a } else { b }
    }
}

/// `rows!(s: S, F, rows, expression)`: evaluates the expression for each row index to a vector, and folds its lanes by
/// `F`; the result has one lane for each row.
macro_rules! rows {
    ($s:ident: $S:ident, $F:ty, $i:ident in $rows:expr, $vector:expr) => {{
        let mut vectors = [T::Lanes::default(); crate::reduce::fold::MAX_LANES];
        for ($i, place) in vectors[..$rows].iter_mut().enumerate() {
            let v = $vector;
            // SAFETY: `Real::Lanes` is a vector's array.
            unsafe { $s.store(place.as_mut().as_mut_ptr(), v) };
        }
        crate::reduce::fold::fold_across::<T, $S, $F>($s, &vectors)
    }};
}
pub(crate) use rows;

/// The largest elements of rows of `cols`.
#[inline(always)]
pub(super) fn maxima<T: Real, S: Simd<T>>(s: S, x: &[T], cols: usize) -> S::V {
    rows!(s: S, Largest, i in x.len() / cols, max_row(s, &x[i * cols..][..cols]))
}

/// A vector whose largest lane is the largest element; unspecified with NaN in the row.
#[inline(always)]
fn max_row<T: Real, S: Simd<T>>(s: S, x: &[T]) -> S::V {
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
    s.max(s.max(acc[0], acc[1]), s.max(acc[2], acc[3]))
}

/// A vector whose lanes sum to `Σ exp(x[i] - max)`.
#[inline(always)]
pub(super) fn sum_exp_row<T: Real, S: Simd<T>>(s: S, x: &[T], max: T) -> S::V {
    // SAFETY: nothing is written.
    unsafe { exp_row::<T, S, false>(s, x, max, std::ptr::null_mut(), 0) }
}

/// As [`sum_exp_row`], for `x` of at most `max`; the terms are written to `out`. Elements `ahead` further on are
/// prefetched: memory would be idle otherwise, since exponentials take longer than loads.
#[inline(always)]
pub(super) fn write_exp_row<T: Real, S: Simd<T>>(s: S, out: &mut [T], x: &[T], max: T, ahead: usize) -> S::V {
    assert_eq!(out.len(), x.len());
    // SAFETY: the lengths are equal.
    unsafe { exp_row::<T, S, true>(s, x, max, out.as_mut_ptr(), ahead) }
}

/// # Safety
/// If `WRITE`, `out` must be valid for writes of as many elements as `x` has.
#[inline(always)]
unsafe fn exp_row<T: Real, S: Simd<T>, const WRITE: bool>(
    s: S,
    x: &[T],
    max: T,
    mut out: *mut T,
    ahead: usize,
) -> S::V {
    let max = s.splat(max);
    let mut total = s.splat(T::ZERO);
    for block in x.chunks(BLOCK * S::LANES) {
        let mut acc = [s.splat(T::ZERO); CHAINS];
        let mut steps = block.chunks_exact(CHAINS * S::LANES);
        for step in &mut steps {
            for (c, acc) in acc.iter_mut().enumerate() {
                // SAFETY: the chunk holds `CHAINS` vectors; and the caller's.
                unsafe {
                    let x = step.as_ptr().add(c * S::LANES);
                    let d = s.sub(s.load(x), max);
                    let e = if WRITE { math::exp_bounded(s, d) } else { math::exp(s, d) };
                    if WRITE {
                        prefetch(x.wrapping_add(ahead));
                        prefetch(out.wrapping_add(ahead));
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
    total
}

/// A vector whose lanes sum to `Σ x[i]`, or to `Σ x[i]·y[i]`.
#[inline(always)]
pub(crate) fn sum_row<T: Real, S: Simd<T>>(s: S, x: &[T], y: Option<&[T]>) -> S::V {
    let n = x.len();
    assert!(y.is_none_or(|y| y.len() == n));
    let (x, y) = (x.as_ptr(), y.map(<[T]>::as_ptr));
    let mut total = s.splat(T::ZERO);
    for first in (0..n).step_by(BLOCK * S::LANES) {
        let last = n.min(first + BLOCK * S::LANES);
        let mut acc = [s.splat(T::ZERO); CHAINS];
        let mut i = first;
        while i + CHAINS * S::LANES <= last {
            for (c, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `CHAINS` vectors are left from `i` on.
                unsafe {
                    let v = s.load(x.add(i + c * S::LANES));
                    *acc = match y {
                        None => s.add(*acc, v),
                        Some(y) => s.mul_add(v, s.load(y.add(i + c * S::LANES)), *acc),
                    };
                }
            }
            i += CHAINS * S::LANES;
        }
        for acc in &mut acc {
            if i >= last {
                break;
            }
            let lanes = S::LANES.min(last - i);
            // SAFETY: `lanes` elements are left from `i` on.
            unsafe {
                let v = s.load_head(x.add(i), lanes);
                *acc = match y {
                    None => s.add(*acc, v),
                    Some(y) => s.mul_add(v, s.load_head(y.add(i), lanes), *acc),
                };
            }
            i += lanes;
        }
        total = s.add(total, s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3])));
    }
    total
}

/// Up to `LANES` rows of at most `LANES` columns, transposed: lane `i` of vector `j` is element `j` of row `i`. Lanes
/// after the last row are 0.
pub(super) struct Narrow<T: Real> {
    /// `cols` of them. As memory, not as vectors: their number is not a compile-time constant.
    columns: [MaybeUninit<T::Lanes>; MAX_LANES],
    cols: usize,
}

impl<T: Real> Narrow<T> {
    #[inline(always)]
    pub(super) fn read<S: Simd<T>>(s: S, x: &[T], cols: usize) -> Self {
        assert!(0 < cols && cols <= S::LANES && x.len() <= S::LANES * cols);
        let mut columns = [MaybeUninit::<T::Lanes>::uninit(); MAX_LANES];
        let to = columns.as_mut_ptr().cast();
        if cols < 4 {
            // Four columns are transposed faster than fewer, so the rows are copied to padded memory, for reads of
            // four.
            let mut padded = [T::Lanes::default(); 4];
            for (x, padded) in x.chunks(S::LANES).zip(&mut padded) {
                // SAFETY: `Real::Lanes` is a vector's array.
                unsafe { s.store(padded.as_mut().as_mut_ptr(), s.load_head(x.as_ptr(), x.len())) };
            }
            // SAFETY: as above; the last of `LANES` rows starts at least a vector before the end of the padding.
            unsafe { s.transpose(padded.as_ptr().cast(), cols, S::LANES, 4, to, S::LANES) };
        } else {
            // SAFETY: `Real::Lanes` is a vector's array, there is one for every column, and `x` has so many rows.
            unsafe { s.transpose(x.as_ptr(), cols, x.len() / cols, cols, to, S::LANES) };
        }
        Self { columns, cols }
    }

    /// Column `j`.
    #[inline(always)]
    pub(super) fn get<S: Simd<T>>(&self, s: S, j: usize) -> S::V {
        assert!(j < self.cols);
        // SAFETY: `read` wrote the columns.
        unsafe { s.load(self.columns[j].as_ptr().cast()) }
    }

    #[inline(always)]
    pub(super) fn set<S: Simd<T>>(&mut self, s: S, j: usize, v: S::V) {
        assert!(j < self.cols);
        // SAFETY: `Real::Lanes` is a vector's array.
        unsafe { s.store(self.columns[j].as_mut_ptr().cast(), v) };
    }

    /// The reverse of [`Self::read`].
    #[inline(always)]
    pub(super) fn write<S: Simd<T>>(&self, s: S, out: &mut [T]) {
        let cols = self.cols;
        assert!(out.len() <= S::LANES * cols);
        // The rows, and what the last quad writes past them.
        let mut rows = [MaybeUninit::<T::Lanes>::uninit(); MAX_LANES + 1];
        let rows = rows.as_mut_ptr().cast::<T>();
        // What a quad writes past its row is overwritten by an earlier column of the next row.
        for j in (0..cols.div_ceil(4)).rev().map(|quad| 4 * quad) {
            let column = |i: usize| self.get(s, (j + i).min(cols - 1));
            // SAFETY: there is room for `LANES` rows, and a vector more.
            unsafe { s.store_quads(rows.add(j), cols, [column(0), column(1), column(2), column(3)]) };
        }
        for (i, out) in out.chunks_mut(S::LANES).enumerate() {
            // SAFETY: the rows were written, and the chunk has so many elements.
            unsafe { s.store_head(out.as_mut_ptr(), s.load(rows.add(i * S::LANES)), out.len()) };
        }
    }

    /// The largest element of every row; unspecified with NaN in it.
    #[inline(always)]
    pub(super) fn maxima<S: Simd<T>>(&self, s: S) -> S::V {
        let mut max = s.splat(T::NEG_INFINITY);
        for j in 0..self.cols {
            max = s.max(self.get(s, j), max);
        }
        max
    }
}
