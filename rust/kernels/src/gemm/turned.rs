//! Tiles that read a transposed B in place, for few rows: its columns are contiguous, and vectors of its rows are made in
//! registers between the multiply-adds.

use super::micro::{Panel, store};
use crate::simd::{Kernel, Real, Simd, opaque};
use crate::tuning::{max_turned_rows, max_vectors};

/// Steps of k that are turned at once.
const STEPS: usize = 8;

/// One tile whose B begins at the panel's `b` with columns that lie `column` apart. The panel's `b_step` and `k_whole` have no
/// meaning.
#[derive(Clone, Copy, Debug)]
pub struct Turned<'a, T> {
    pub panel: &'a Panel<T>,
    pub column: usize,
}

/// # Safety
/// All that the panel describes must be valid for what is done with it, and so must `k` elements of each of the tile's columns
/// of B.
#[inline(always)]
unsafe fn tile<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(s: S, t: Turned<T>) {
    let p = t.panel;
    // Lanes behind the last column repeat it.
    let last = (NV - 1) * S::LANES + p.last - 1;
    let mut columns = [[p.b; 16]; NV];
    let mut next = p.b;
    for (at, column) in columns.iter_mut().flat_map(|columns| &mut columns[..S::LANES]).enumerate() {
        // If the compiler knew how these are related, it would scatter vectors of them.
        *column = opaque(next);
        next = next.wrapping_add(if at < last { t.column } else { 0 });
    }
    let mut acc = [[s.splat(T::ZERO); NV]; MR];
    let whole = p.k / STEPS * STEPS;
    let mut a = p.a;
    for k in (0..whole).step_by(STEPS) {
        // Not a loop: if it were not unrolled, the sums would leave their registers.
        // SAFETY: the caller's.
        unsafe {
            steps(s, p, &columns, k, a, &mut acc, 0);
            steps(s, p, &columns, k, a, &mut acc, 1);
            steps(s, p, &columns, k, a, &mut acc, 2);
            steps(s, p, &columns, k, a, &mut acc, 3);
        }
        a = a.wrapping_add(STEPS * p.a_step);
    }
    for k in whole..p.k {
        for (v, columns) in columns.iter().enumerate() {
            let mut lanes = T::Lanes::default();
            for (lane, &column) in lanes.as_mut().iter_mut().zip(columns) {
                // SAFETY: the caller's.
                *lane = unsafe { *column.wrapping_add(k) };
            }
            // SAFETY: `Real::Lanes` is a vector's array.
            let b = unsafe { s.load(lanes.as_ref().as_ptr()) };
            for (r, sums) in acc.iter_mut().enumerate() {
                // SAFETY: the caller's.
                let x = s.splat(unsafe { *a.wrapping_add(r * p.a_row) });
                sums[v] = s.mul_add(x, b, sums[v]);
            }
        }
        a = a.wrapping_add(p.a_step);
    }
    // SAFETY: the caller's.
    unsafe { store(s, p, 0, acc) };
}

/// Steps `k .. k + STEPS` of vector `v`, if the tile is so wide; `a` is at step `k`.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn steps<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    columns: &[[*const T; 16]; NV],
    k: usize,
    a: *const T,
    acc: &mut [[S::V; NV]; MR],
    v: usize,
) {
    if v >= NV {
        return;
    }
    // SAFETY: the caller's.
    let b: [S::V; STEPS] = unsafe { s.columns(columns[v].as_ptr(), k) };
    for (i, &b) in b.iter().enumerate() {
        for (r, sums) in acc.iter_mut().enumerate() {
            // SAFETY: the caller's.
            let x = s.splat(unsafe { *a.wrapping_add(r * p.a_row + i * p.a_step) });
            sums[v] = s.mul_add(x, b, sums[v]);
        }
    }
}

/// A tile's shape, as a kernel.
pub(super) struct Shape<'a, T, const MR: usize, const NV: usize>(pub Turned<'a, T>);

impl<T: Real, const MR: usize, const NV: usize> Kernel<T> for Shape<'_, T, MR, NV> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // What the instruction set has no registers for is not compiled.
        if NV <= max_vectors(S::REGISTERS) && MR <= max_turned_rows(S::REGISTERS) {
            // SAFETY: the caller of `Tiles::turned` sees to it.
            unsafe { tile::<T, S, MR, NV>(s, self.0) }
        } else {
            unreachable!("a turned tile of {MR} rows and {NV} vectors does not fit");
        }
    }
}
