//! The microkernel: a tile of C that stays in registers while k runs.

use crate::simd::{Kernel, Real, Simd};
use crate::tuning::{max_rows, max_vectors};

/// One call of the microkernel: `rows × lanes` elements of C, and one block of k.
#[derive(Clone, Copy)]
pub struct Tile<T> {
    /// The first elements of A's rows 0, 3 and 6. x86 addresses reach two strides from a pointer; the compiler must not know
    /// how these are related, or it makes each row's address from the one before, one addition after the other.
    pub a: [*const T; 3],
    /// The distance between rows of A.
    pub a_row: usize,
    /// The distance between steps of k in A.
    pub a_step: usize,
    /// The first element of B's columns.
    pub b: *const T,
    /// The distance between steps of k in B.
    pub b_step: usize,
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
pub struct Finish<T> {
    /// Sums of the blocks before, to be added: with the distance between rows.
    pub partial: Option<(*const T, usize)>,
    /// Adds what `c` held.
    pub accumulate: bool,
    /// The bias of the first column, to be added.
    pub bias: Option<*const T>,
    /// Replaces negative results by zero.
    pub relu: bool,
}

/// Computes a tile of `MR` rows and `NV` vectors.
///
/// # Safety
/// All elements of A, B, C, `partial` and `bias` that the fields describe must be valid for what is done with them.
#[inline(always)]
unsafe fn tile<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(s: S, t: &Tile<T>) {
    let mut acc = [[s.splat(T::ZERO); NV]; MR];
    let (mut a, mut b) = (t.a, t.b);
    // Two loops of one body: in the first, masks are left out.
    for _ in 0..t.k_whole {
        // SAFETY: the caller's.
        unsafe { step(s, t, S::LANES, a, b, &mut acc) };
        a = a.map(|p| p.wrapping_add(t.a_step));
        b = b.wrapping_add(t.b_step);
    }
    for _ in t.k_whole..t.k {
        // SAFETY: the caller's.
        unsafe { step(s, t, t.last, a, b, &mut acc) };
        a = a.map(|p| p.wrapping_add(t.a_step));
        b = b.wrapping_add(t.b_step);
    }
    // SAFETY: the caller's.
    unsafe { finish(s, t, acc) };
}

/// One step of k, with B's row at `b` and A's elements at `a` and in the rows behind; reads `last` columns of the last
/// vector.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn step<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    t: &Tile<T>,
    last: usize,
    a: [*const T; 3],
    b: *const T,
    acc: &mut [[S::V; NV]; MR],
) {
    let mut columns = [s.splat(T::ZERO); NV];
    for (v, column) in columns.iter_mut().enumerate() {
        let p = b.wrapping_add(v * S::LANES);
        // SAFETY: the caller's.
        *column = unsafe { if v < NV - 1 || last == S::LANES { s.load(p) } else { s.load_head(p, last) } };
    }
    for (i, row) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's.
        let x = s.splat(unsafe { *a[i / 3].wrapping_add((i % 3).wrapping_mul(t.a_row)) });
        for v in 0..NV {
            row[v] = s.mul_add(x, columns[v], row[v]);
        }
    }
}

/// Adds, activates and stores a tile's sums.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn finish<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(s: S, t: &Tile<T>, mut acc: [[S::V; NV]; MR]) {
    let at = |start: *const T, stride: usize, i: usize, v: usize| start.wrapping_add(i * stride + v * S::LANES);
    // SAFETY: the caller's; the last vector is read as far as the tile goes.
    let load = |p: *const T, v: usize| unsafe { if v == NV - 1 { s.load_head(p, t.last) } else { s.load(p) } };
    if let Some((partial, stride)) = t.finish.partial {
        for (i, row) in acc.iter_mut().enumerate() {
            for (v, x) in row.iter_mut().enumerate() {
                *x = s.add(load(at(partial, stride, i, v), v), *x);
            }
        }
    }
    if t.finish.accumulate {
        for (i, row) in acc.iter_mut().enumerate() {
            for (v, x) in row.iter_mut().enumerate() {
                *x = s.add(*x, load(at(t.c, t.c_stride, i, v), v));
            }
        }
    }
    if let Some(bias) = t.finish.bias {
        for v in 0..NV {
            let bias = load(at(bias, 0, 0, v), v);
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
    for (i, row) in acc.iter().enumerate() {
        for (v, &x) in row.iter().enumerate() {
            let p = at(t.c, t.c_stride, i, v).cast_mut();
            // SAFETY: the caller's.
            unsafe { if v < NV - 1 || t.last == S::LANES { s.store(p, x) } else { s.store_head(p, x, t.last) } }
        }
    }
}

/// A tile's shape, as a kernel: each is compiled as a function of its own.
struct Shape<'a, T, const MR: usize, const NV: usize>(&'a Tile<T>);

impl<T: Real, const MR: usize, const NV: usize> Kernel<T> for Shape<'_, T, MR, NV> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // What the instruction set has no registers for is not compiled.
        if NV <= max_vectors(S::REGISTERS) && MR <= max_rows(S::REGISTERS, NV) {
            // SAFETY: the caller of `Tiles::tile` sees to it.
            unsafe { tile::<T, S, MR, NV>(s, self.0) }
        } else {
            unreachable!("a tile of {MR} rows and {NV} vectors does not fit");
        }
    }
}

/// The tiles of an element type. A supertrait of [`Real`], so that they are compiled in this crate, once, and not wherever a
/// product is called.
pub trait Tiles: Sized {
    /// Computes a tile of `rows` rows and `vectors` vectors, at most what [`max_rows`] and [`max_vectors`] allow.
    ///
    /// # Safety
    /// All elements of A, B, C, `partial` and `bias` that the tile describes must be valid for what is done with them.
    unsafe fn tile(rows: usize, vectors: usize, tile: &Tile<Self>);
}

macro_rules! tiles {
    ($t:ty { $($nv:literal: $($mr:literal)*;)* }) => {
        impl Tiles for $t {
            unsafe fn tile(rows: usize, vectors: usize, tile: &Tile<$t>) {
                match (vectors, rows) {
                    $($(($nv, $mr) => <$t>::run(Shape::<$t, $mr, $nv>(tile)),)*)*
                    _ => unreachable!("no tile has {rows} rows and {vectors} vectors"),
                }
            }
        }
    };
}

tiles! { f32 { 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8; 3: 1 2 3 4 5 6 7 8; 4: 1 2 3 4 5 6; } }
tiles! { f64 { 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8; 3: 1 2 3 4 5 6 7 8; 4: 1 2 3 4 5 6; } }

/// Asks how many vectors fit into registers.
pub(super) struct Registers;

impl<T: Real> Kernel<T> for Registers {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        S::REGISTERS
    }
}
