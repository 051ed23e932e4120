//! Tiles that read a transposed B, whose columns are contiguous: a few steps of k at a time are transposed in registers
//! and packed into rows, interleaved with the multiply-adds of the previous steps.

use super::{Panel, RowPointers, Size, Tiles, rows, step, store};
use crate::gemm::{Mat, lanes, share};
use crate::lanes::prefetch;
use crate::simd::{Kernel, Real, Simd, opaque};
use crate::tuning::{max_transposed_b_rows, max_transposed_b_vectors};

/// Steps of k that are transposed at once.
pub(in crate::gemm) const STEPS: usize = 8;

/// Prefetch distance in steps of k: with 32, 100×784×10 takes 15 µs if A is in memory, with 128 18, without prefetching
/// 29.
const AHEAD: usize = 32;

/// One tile that packs the transposed B which it reads.
#[derive(Clone, Copy, Debug)]
pub struct TransposedB<'a, T> {
    /// Its `b` is where B is packed, `prefetch` applies to columns of B, and `k_whole` is unused.
    panel: &'a Panel<T>,
    /// The first element of the tile's columns of B.
    from: *const T,
    /// Column stride of B.
    column: usize,
    /// Keeps the packed block; otherwise there is room only for the rows that are transposed at once.
    keep: bool,
}

impl<T> TransposedB<'_, T> {
    /// Its rows and vectors.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.panel.size.rows, self.panel.size.vectors)
    }
}

/// Computes a panel of one tile in pieces no wider than tiles with a transposed B may be; `from` has B's columns.
///
/// # Safety
/// As for [`Panel::run_transposing`].
pub(super) unsafe fn panel<T: Tiles>(panel: &Panel<T>, from: Mat<T>, keep: bool) {
    let Size { rows, vectors, last, .. } = panel.size;
    let column = from.col_stride;
    let pieces = vectors.div_ceil(max_transposed_b_vectors(rows));
    for i in 0..pieces {
        let own = share(0..vectors, pieces, i);
        let skip = own.start * lanes::<T>();
        let last = if own.end == vectors { last } else { lanes::<T>() };
        let (panel, from) = (panel.columns(skip, own.len(), last), from.data[skip * column..].as_ptr());
        T::transposed_b(TransposedB { panel: &panel, from, column, keep });
    }
}

/// # Safety
/// The tile must have this size.
#[inline(always)]
unsafe fn tile<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(s: S, t: TransposedB<T>) {
    let p = t.panel;
    let mut columns = [[t.from; 16]; NV];
    for (v, columns) in columns.iter_mut().enumerate() {
        // If the compiler knew how the columns of the vectors are related, it would compute all pointers by scatters.
        let first = opaque(t.from.wrapping_add(v * S::LANES * t.column));
        // Lanes past the last column repeat it.
        let last = if v == NV - 1 { p.size.last - 1 } else { S::LANES - 1 };
        for (lane, column) in columns[..S::LANES].iter_mut().enumerate() {
            *column = first.wrapping_add(lane.min(last) * t.column);
        }
    }
    // SAFETY: it is the same array; hidden because the compiler would recompute parts of it again and again.
    let columns = unsafe { &*opaque(&raw const columns) };
    let mut acc = [[s.splat(T::ZERO); NV]; MR];
    let mut a = rows(p, p.a);
    let whole = p.size.k / STEPS * STEPS;
    for k in (0..whole).step_by(STEPS) {
        // SAFETY: the caller's.
        unsafe {
            if MR == 1 {
                for (columns, sum) in columns.iter().zip(&mut acc[0]) {
                    *sum = row(s, p, s.columns(columns.as_ptr(), k), a[0], *sum);
                }
                a[0] = a[0].wrapping_add(STEPS * p.a_step);
            } else {
                let at = transpose(s, &t, columns, k);
                steps(s, p, at, STEPS, &mut a, &mut acc);
            }
        }
    }
    if whole < p.size.k {
        // The last group of steps overlaps the one before: fewer are left than are transposed at once.
        // SAFETY: the caller's.
        unsafe {
            let at = transpose(s, &t, columns, p.size.k - STEPS);
            let left = p.size.k - whole;
            steps(s, p, at.wrapping_add((STEPS - left) * p.b_step), left, &mut a, &mut acc);
        }
    }
    // SAFETY: the caller's.
    unsafe { store(s, p, 0, acc) };
}

/// Transposes and packs `STEPS` steps from `k` on; returns where they are.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn transpose<T: Real, S: Simd<T>, const NV: usize>(
    s: S,
    t: &TransposedB<T>,
    columns: &[[*const T; 16]; NV],
    k: usize,
) -> *const T {
    let p = t.panel;
    let to = p.b.cast_mut().wrapping_add(if t.keep { k * p.b_step } else { 0 });
    for (v, columns) in columns.iter().enumerate() {
        // Half of the tile's columns now and half with the next steps, which are in the same cache lines.
        if p.prefetch && (k / STEPS + v).is_multiple_of(2) {
            for &column in &columns[..S::LANES] {
                prefetch(column.wrapping_add(k + AHEAD));
            }
        }
        // SAFETY: the caller's.
        for (i, x) in unsafe { s.columns(columns.as_ptr(), k) }.into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { s.store(to.wrapping_add(i * p.b_step + v * S::LANES), x) };
        }
    }
    to
}

/// Accumulates `count` steps, packed at `b`.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn steps<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    mut b: *const T,
    count: usize,
    a: &mut RowPointers<T>,
    acc: &mut [[S::V; NV]; MR],
) {
    // If the compiler knew the number of steps, it would interleave them, and spill the accumulators.
    let end = opaque(b.wrapping_add(count * p.b_step));
    while b != end {
        // SAFETY: the caller's.
        unsafe { step::<T, S, MR, NV, false, true>(s, p, a, &mut b, acc) };
    }
}

/// Accumulates `STEPS` steps of a single row, with B in registers.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn row<T: Real, S: Simd<T>>(s: S, p: &Panel<T>, b: [S::V; STEPS], a: *const T, mut sum: S::V) -> S::V {
    for (i, b) in b.into_iter().enumerate() {
        // SAFETY: the caller's.
        sum = s.mul_add(s.splat(unsafe { *a.wrapping_add(i * p.a_step) }), b, sum);
    }
    sum
}

/// A tile of one shape, as a kernel.
pub(super) struct TransposedBKernel<'a, T, const MR: usize, const NV: usize>(pub TransposedB<'a, T>);

impl<T: Real, const MR: usize, const NV: usize> Kernel<T> for TransposedBKernel<'_, T, MR, NV> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // Tiles for which the instruction set has too few registers are not compiled.
        if MR <= max_transposed_b_rows(S::REGISTERS) && NV <= max_transposed_b_vectors(MR) {
            // SAFETY: `Tiles::transposed_b` chose the size.
            unsafe { tile::<T, S, MR, NV>(s, self.0) }
        } else {
            unreachable!("a tile with a transposed B of {MR} rows and {NV} vectors does not fit");
        }
    }
}
