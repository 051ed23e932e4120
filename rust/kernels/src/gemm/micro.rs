//! The microkernel: a tile of C that stays in registers while k runs.

use super::Activation;
use crate::math;
use crate::simd::{Kernel, Real, Simd};
use crate::tuning::{max_rows, max_vectors};

/// One call of the microkernel: `rows × lanes` elements of C, and one block of k.
#[derive(Clone, Copy)]
pub(super) struct Tile<T> {
    /// The first element of A's rows.
    pub a: *const T,
    /// If the rows run along k, the distance between rows; otherwise (they lie side by side) between steps of k.
    pub a_stride: usize,
    /// The first element of B's columns.
    pub b: *const T,
    /// The distance between steps of k.
    pub b_stride: usize,
    /// The distance between vectors of columns.
    pub b_vector: usize,
    /// Steps of k.
    pub k: usize,
    /// Leading steps of k in which B may be read in whole vectors; behind them only columns of the tile are read.
    pub k_whole: usize,
    /// Columns in the last vector.
    pub last: usize,
    /// Where the result goes.
    pub c: *mut T,
    /// The distance between rows of `c`.
    pub c_stride: usize,
    /// What becomes of the sums.
    pub finish: Finish<T>,
}

/// What becomes of a tile's sums, in this order.
#[derive(Clone, Copy)]
pub(super) struct Finish<T> {
    /// Sums of the blocks before, to be added: with the distance between rows.
    pub partial: Option<(*const T, usize)>,
    /// Adds what `c` held.
    pub accumulate: bool,
    /// The bias of the first column, to be added.
    pub bias: Option<*const T>,
    /// Replaces negative results by zero.
    pub relu: bool,
}

/// Rows that share a pointer: x86 addresses reach two strides from it.
const GROUP: usize = 3;
/// Steps of k in one round of the loop: fewer additions of pointers compete with the FMAs for ports.
const UNROLL: usize = 4;

/// Computes a tile of `MR` rows and `NV` vectors. `ALONG` tells that A's rows run along k.
///
/// # Safety
/// All elements of A, B, C, `partial` and `bias` that the fields describe must be valid for what is done with them.
#[inline(always)]
unsafe fn tile<T: Real, S: Simd<T>, const MR: usize, const NV: usize, const ALONG: bool>(s: S, t: &Tile<T>) {
    let mut acc = [[s.splat(T::ZERO); NV]; MR];
    let mut a = [t.a; 3];
    if ALONG {
        for (g, p) in a.iter_mut().enumerate() {
            *p = t.a.wrapping_add(GROUP * g * t.a_stride);
        }
    }
    let mut b = t.b;
    // One step of k; `$u` steps behind the pointers to A, where they run along k.
    macro_rules! step {
        ($u:expr, $load_last:expr) => {{
            let mut columns = [s.splat(T::ZERO); NV];
            for v in 0..NV {
                let p = b.wrapping_add(v * t.b_vector);
                // SAFETY: the caller's: `NV - 1` whole vectors and the last, whole or in part, are readable.
                columns[v] = unsafe { if v == NV - 1 { $load_last(p) } else { s.load(p) } };
            }
            for i in 0..MR {
                let p =
                    if ALONG { a[i / GROUP].wrapping_add(i % GROUP * t.a_stride + $u) } else { a[0].wrapping_add(i) };
                // SAFETY: the caller's: A has `MR` rows and `k` steps.
                let x = s.splat(unsafe { *p });
                for v in 0..NV {
                    acc[i][v] = s.mul_add(x, columns[v], acc[i][v]);
                }
            }
            if !ALONG {
                a[0] = a[0].wrapping_add(t.a_stride);
            }
            b = b.wrapping_add(t.b_stride);
        }};
    }
    let rounds = if S::REGISTERS < 8 { 0 } else { t.k_whole / UNROLL };
    for _ in 0..rounds {
        step!(0, |p| s.load(p));
        step!(1, |p| s.load(p));
        step!(2, |p| s.load(p));
        step!(3, |p| s.load(p));
        if ALONG {
            a = a.map(|p| p.wrapping_add(UNROLL));
        }
    }
    for _ in rounds * UNROLL..t.k {
        step!(0, |p| s.load_head(p, t.last));
        if ALONG {
            a = a.map(|p| p.wrapping_add(1));
        }
    }
    // SAFETY: the caller's.
    unsafe { finish(s, t, acc) };
}

/// Adds, activates and stores a tile's sums.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn finish<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(s: S, t: &Tile<T>, mut acc: [[S::V; NV]; MR]) {
    let lanes = S::LANES;
    // SAFETY (all blocks below): the caller's; the last vector is read and written as far as the tile goes.
    let load = |p: *const T, v: usize| unsafe { if v == NV - 1 { s.load_head(p, t.last) } else { s.load(p) } };
    if let Some((partial, stride)) = t.finish.partial {
        for i in 0..MR {
            for v in 0..NV {
                acc[i][v] = s.add(load(partial.wrapping_add(i * stride + v * lanes), v), acc[i][v]);
            }
        }
    }
    if t.finish.accumulate {
        for i in 0..MR {
            for v in 0..NV {
                acc[i][v] = s.add(acc[i][v], load(t.c.wrapping_add(i * t.c_stride + v * lanes), v));
            }
        }
    }
    if let Some(bias) = t.finish.bias {
        for v in 0..NV {
            let bias = load(bias.wrapping_add(v * lanes), v);
            for row in &mut acc {
                row[v] = s.add(row[v], bias);
            }
        }
    }
    if t.finish.relu {
        for x in acc.as_flattened_mut() {
            *x = s.max(s.splat(T::ZERO), *x);
        }
    }
    for i in 0..MR {
        for v in 0..NV {
            let p = t.c.wrapping_add(i * t.c_stride + v * lanes);
            // SAFETY: the caller's.
            unsafe {
                if v < NV - 1 || t.last == lanes { s.store(p, acc[i][v]) } else { s.store_head(p, acc[i][v], t.last) }
            }
        }
    }
}

/// A tile's shape, as a kernel: each is compiled as a function of its own.
struct Shape<'a, T, const MR: usize, const NV: usize, const ALONG: bool>(&'a Tile<T>);

impl<T: Real, const MR: usize, const NV: usize, const ALONG: bool> Kernel<T> for Shape<'_, T, MR, NV, ALONG> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // What the instruction set has no registers for is not compiled.
        if NV <= max_vectors(S::REGISTERS) && MR <= max_rows(S::REGISTERS, NV) {
            // SAFETY: `run`'s caller's.
            unsafe { tile::<T, S, MR, NV, ALONG>(s, self.0) }
        } else {
            unreachable!("a tile of {MR} rows and {NV} vectors does not fit");
        }
    }
}

/// Computes a tile of `rows` rows and `vectors` vectors, at most what [`max_rows`] and [`max_vectors`] allow. `along` tells
/// that A's rows run along k.
///
/// # Safety
/// As for [`tile`].
#[inline]
pub(super) unsafe fn run<T: Real>(rows: usize, vectors: usize, along: bool, t: &Tile<T>) {
    macro_rules! shapes {
        ($($nv:literal: $($mr:literal)*;)*) => {
            match (vectors, rows, along) {
                $($(($nv, $mr, true) => T::run(Shape::<T, $mr, $nv, true>(t)),
                ($nv, $mr, false) => T::run(Shape::<T, $mr, $nv, false>(t)),)*)*
                _ => unreachable!("no tile has {rows} rows and {vectors} vectors"),
            }
        };
    }
    shapes! {
        1: 1 2 3 4 5 6 7 8;
        2: 1 2 3 4 5 6 7 8;
        3: 1 2 3 4 5 6 7 8;
        4: 1 2 3 4 5 6;
    }
}

/// The rest of an epilogue, for activations that are too long for unrolled code: applied to a tile in C.
pub(super) struct Activate<'a, T> {
    pub tile: &'a Tile<T>,
    pub rows: usize,
    pub vectors: usize,
    pub activation: Activation,
}

impl<T: Real> Kernel<T> for Activate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for i in 0..self.rows {
            for v in 0..self.vectors {
                let p = self.tile.c.wrapping_add(i * self.tile.c_stride + v * S::LANES);
                let lanes = if v == self.vectors - 1 { self.tile.last } else { S::LANES };
                // SAFETY: the tile has been written here.
                unsafe {
                    let x = s.load_head(p, lanes);
                    let y = if self.activation == Activation::Tanh { math::tanh(s, x) } else { math::sigmoid(s, x) };
                    s.store_head(p, y, lanes);
                }
            }
        }
    }
}

/// Asks how many vectors fit into registers.
pub(super) struct Registers;

impl<T: Real> Kernel<T> for Registers {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        S::REGISTERS
    }
}
