//! Tiles that read a transposed B, whose columns are contiguous: a few steps of k at a time are turned in registers and
//! copied to where rows are expected, between the multiply-adds of the steps before.

use super::micro::{Panel, Rows, rows, step, store};
use super::{lanes, share};
use crate::lanes::prefetch;
use crate::simd::{Kernel, Real, Simd, opaque};
use crate::tuning::{max_turned_rows, max_turned_vectors};

/// Steps of k that are turned at once.
pub(super) const STEPS: usize = 8;

/// Steps of k that are fetched before they are turned: with 32 100×784×10 takes 15 µs if A is in memory, with 128 18, without 29.
const AHEAD: usize = 32;

/// One tile whose B is read from a copy that it makes first.
#[derive(Clone, Copy, Debug)]
pub struct Turned<'a, T> {
    /// Its `b` is where the copy goes, `fetch` fetches columns of B, and `k_whole` has no meaning.
    pub panel: &'a Panel<T>,
    /// The first element of B's columns.
    pub from: *const T,
    /// The distance between columns.
    pub column: usize,
    /// Keeps the copy; else it has only as many rows as are turned at once.
    pub keep: bool,
}

/// Computes a panel of one tile of `rows` rows in pieces as wide as tiles that turn B may be. `from` has the first element of
/// B's columns and the distance between them.
///
/// # Safety
/// As for [`tile`].
pub(super) unsafe fn panel<T: Real>(
    panel: &Panel<T>,
    rows: usize,
    vectors: usize,
    (from, column): (*const T, usize),
    keep: bool,
) {
    let pieces = vectors.div_ceil(max_turned_vectors(rows));
    for i in 0..pieces {
        let own = share(0..vectors, pieces, i);
        let skip = own.start * lanes::<T>();
        let last = if own.end == vectors { panel.last } else { lanes::<T>() };
        let (panel, from) = (panel.columns(skip, last), from.wrapping_add(skip * column));
        // SAFETY: the caller's.
        unsafe { T::turned(rows, own.len(), Turned { panel: &panel, from, column, keep }) };
    }
}

/// # Safety
/// All that the panel describes must be valid for what is done with it, and so must `k` elements of each of the tile's columns
/// of B, and the copy for writes of whole vectors.
#[inline(always)]
unsafe fn tile<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(s: S, t: Turned<T>) {
    let p = t.panel;
    let mut columns = [[t.from; 16]; NV];
    for (v, columns) in columns.iter_mut().enumerate() {
        // If the compiler knew how the vectors' columns are related, it would scatter pointers to all of them.
        let first = opaque(t.from.wrapping_add(v * S::LANES * t.column));
        // Lanes behind the last column repeat it.
        let last = if v == NV - 1 { p.last - 1 } else { S::LANES - 1 };
        for (lane, column) in columns[..S::LANES].iter_mut().enumerate() {
            *column = first.wrapping_add(lane.min(last) * t.column);
        }
    }
    // SAFETY: it is the same array, of which the compiler would compute parts again and again.
    let columns = unsafe { &*opaque(&raw const columns) };
    let mut acc = [[s.splat(T::ZERO); NV]; MR];
    let mut a = rows(p, p.a);
    let whole = p.k / STEPS * STEPS;
    for k in (0..whole).step_by(STEPS) {
        // SAFETY: the caller's.
        unsafe {
            if MR == 1 {
                for (columns, sum) in columns.iter().zip(&mut acc[0]) {
                    *sum = row(s, p, s.columns(columns.as_ptr(), k), a[0], *sum);
                }
                a[0] = a[0].wrapping_add(STEPS * p.a_step);
            } else {
                let at = turn(s, &t, columns, k);
                steps(s, p, at, STEPS, &mut a, &mut acc);
            }
        }
    }
    if whole < p.k {
        // The last steps overlap those before: there are fewer than are turned at once.
        // SAFETY: the caller's.
        unsafe {
            let at = turn(s, &t, columns, p.k - STEPS);
            let left = p.k - whole;
            steps(s, p, at.wrapping_add((STEPS - left) * p.b_step), left, &mut a, &mut acc);
        }
    }
    // SAFETY: the caller's.
    unsafe { store(s, p, 0, acc) };
}

/// Turns `STEPS` steps from `k` on, and copies them to where it says.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn turn<T: Real, S: Simd<T>, const NV: usize>(
    s: S,
    t: &Turned<T>,
    columns: &[[*const T; 16]; NV],
    k: usize,
) -> *const T {
    let p = t.panel;
    let to = p.b.cast_mut().wrapping_add(if t.keep { k * p.b_step } else { 0 });
    for (v, columns) in columns.iter().enumerate() {
        // Half of the tile's columns now, and half with the next steps, which are in the same line.
        if p.fetch && (k / STEPS + v).is_multiple_of(2) {
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

/// Multiplies `count` steps, which have been copied to `b`.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn steps<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    mut b: *const T,
    count: usize,
    a: &mut Rows<T>,
    acc: &mut [[S::V; NV]; MR],
) {
    // If the compiler knew how many steps there are, it would mix them up, and the sums would leave their registers.
    let end = opaque(b.wrapping_add(count * p.b_step));
    while b != end {
        // SAFETY: the caller's.
        unsafe { step::<T, S, MR, NV, false, true>(s, p, a, &mut b, acc) };
    }
}

/// Multiplies `STEPS` steps with a single row, straight from their registers.
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

/// A tile's shape, as a kernel.
pub(super) struct Shape<'a, T, const MR: usize, const NV: usize>(pub Turned<'a, T>);

impl<T: Real, const MR: usize, const NV: usize> Kernel<T> for Shape<'_, T, MR, NV> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // What the instruction set has no registers for is not compiled.
        if MR <= max_turned_rows(S::REGISTERS) && NV <= max_turned_vectors(MR) {
            // SAFETY: the caller of `Tiles::turned` sees to it.
            unsafe { tile::<T, S, MR, NV>(s, self.0) }
        } else {
            unreachable!("a turned tile of {MR} rows and {NV} vectors does not fit");
        }
    }
}
