//! The microkernel: a tile of C that stays in registers throughout the loop over k.

mod epilogue;
mod transposed_b;

pub(super) use epilogue::FinishTransposed;
pub(super) use transposed_b::STEPS;

use super::{Activation, Epilogue, Mat};
use crate::lanes::prefetch;
use crate::simd::{Kernel, Real, Simd, opaque};
use crate::tuning::{max_rows, max_vectors};
use epilogue::{Activate, finish};
use transposed_b::{TransposedB, TransposedBKernel};

/// One call of the microkernel: a column of tiles and one block of k, with pointers that are valid for what is done with
/// them.
#[derive(Clone, Copy, Debug)]
pub struct Panel<T> {
    size: Size,
    /// A's first element.
    a: *const T,
    /// Row stride of A.
    a_row: usize,
    /// Column stride of A: from one step of k to the next.
    a_step: usize,
    /// The first element of the panel's columns of B.
    b: *const T,
    /// Row stride of B: from one step of k to the next.
    b_step: usize,
    /// Whether to prefetch the rows of A that the next tile needs: a cache line of each row every `LANES` steps.
    prefetch: bool,
    /// Where the result is stored.
    c: *mut T,
    /// Row stride of `c`.
    c_stride: usize,
    finish: Finish<T>,
}

/// The size of a [`Panel`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Number of tiles.
    pub tiles: usize,
    /// Rows of a tile, at most [`max_rows`].
    pub rows: usize,
    /// Vectors of a tile's rows, at most [`max_vectors`].
    pub vectors: usize,
    /// Columns in the last vector.
    pub last: usize,
    /// Number of steps of k.
    pub k: usize,
    /// Leading steps of k in which B may be read in whole vectors; after them only the tile's columns are read.
    pub k_whole: usize,
}

/// What is applied to a tile's sums, in this order; see [`Epilogue`].
#[derive(Clone, Copy, Debug)]
struct Finish<T> {
    /// Adds the partial sums of the previous blocks of k: with their row stride.
    partial: Option<(*const T, usize)>,
    /// Adds the previous contents of `c`.
    accumulate: bool,
    /// The bias of the first column.
    bias: Option<*const T>,
    activation: Option<Activation>,
    /// With a pointer to the first value; the values have the layout of `c`.
    slope: Option<(Activation, *const T)>,
}

impl<T> Finish<T> {
    /// Whether the activation is too long for unrolled code: then the whole panel is activated after it has been stored.
    fn is_long(&self) -> bool {
        matches!(self.activation, Some(Activation::Tanh | Activation::Sigmoid))
    }

    fn is_plain(&self) -> bool {
        let is_stored = self.is_long() || (self.activation.is_none() && self.slope.is_none());
        self.partial.is_none() && !self.accumulate && self.bias.is_none() && is_stored
    }
}

impl<T: Tiles> Panel<T> {
    /// A panel with A's rows, the first element and the row stride of B's columns, those of the result and of the partial
    /// sums of previous blocks, if there are any, and the epilogue from the panel's first element on.
    ///
    /// # Safety
    /// Until the panel has run, `a` must be valid for reads of all rows and steps; `b` of the panel's columns of all
    /// steps, and of whole vectors in the first `k_whole` of them; `c` for writes, and for reads if the epilogue
    /// accumulates, of the panel's rows and columns; `partial` and the epilogue for reads of as many.
    #[inline]
    pub(super) unsafe fn new(
        a: Mat<T>,
        (b, b_step): (*const T, usize),
        (c, c_stride): (*mut T, usize),
        size: Size,
        partial: Option<(*const T, usize)>,
        epilogue: Epilogue<T>,
    ) -> Self {
        let finish = Finish {
            partial,
            accumulate: epilogue.accumulate,
            bias: epilogue.bias.map(<[T]>::as_ptr),
            activation: epilogue.activation,
            slope: epilogue.slope.map(|(activation, values)| (activation, values.as_ptr())),
        };
        let (a, a_row, a_step) = (a.data.as_ptr(), a.row_stride, a.col_stride);
        Self { size, a, a_row, a_step, b, b_step, prefetch: false, c, c_stride, finish }
    }

    /// Computes the panel; `prefetch` if A comes from memory.
    #[inline]
    pub(super) fn run(mut self, prefetch: bool) {
        self.prefetch = prefetch;
        T::panel(&self);
        self.activate();
    }

    /// Computes a panel of one tile, whose B is packed at the same time: `from` has its columns. Unless `keep`, nobody
    /// needs the packed block, and there may be room only for the steps that are transposed at once.
    ///
    /// # Safety
    /// The panel's B must be valid for writes of whole vectors of as many steps, and `from` be the steps and columns of
    /// the panel.
    #[inline]
    pub(super) unsafe fn run_transposing(mut self, from: Mat<T>, keep: bool, prefetch: bool) {
        self.prefetch = prefetch;
        // SAFETY: the caller's.
        unsafe { transposed_b::panel(&self, from, keep) };
        self.activate();
    }

    fn activate(&self) {
        if self.finish.is_long() {
            T::run(Activate(self));
        }
    }

    /// The panel without its first `skip` columns, with `vectors` vectors, the last of which has `last` columns.
    fn columns(&self, skip: usize, vectors: usize, last: usize) -> Self {
        let by = |p: *const T| p.wrapping_add(skip);
        let finish = Finish {
            partial: self.finish.partial.map(|(p, stride)| (by(p), stride)),
            bias: self.finish.bias.map(by),
            slope: self.finish.slope.map(|(activation, values)| (activation, by(values))),
            ..self.finish
        };
        let size = Size { vectors, last, ..self.size };
        Self { b: by(self.b), c: self.c.wrapping_add(skip), size, finish, ..*self }
    }
}

/// Pointers to rows 0, 3, 6 and 9 of a tile of A. x86 addressing modes reach rows one and two strides from a pointer.
type RowPointers<T> = [*const T; 4];

/// Computes a panel of tiles of `MR` rows and `NV` vectors.
///
/// # Safety
/// The panel must have tiles of this size.
#[inline(always)]
unsafe fn panel<T: Real, S: Simd<T>, const MR: usize, const NV: usize, const QUADS: bool>(s: S, p: &Panel<T>) {
    for tile in 0..p.size.tiles {
        let row = tile * MR;
        // SAFETY: the caller's.
        unsafe {
            let acc = sums::<T, S, MR, NV, QUADS>(s, p, p.a.wrapping_add(row * p.a_row));
            store(s, p, row, acc);
        }
    }
}

/// Finishes and stores the sums of the tile whose first row is `row`.
///
/// # Safety
/// As for [`panel`].
#[inline(always)]
unsafe fn store<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    row: usize,
    acc: [[S::V; NV]; MR],
) {
    let c = p.c.wrapping_add(row * p.c_stride);
    if p.finish.is_plain() && p.size.last == S::LANES {
        for (i, sums) in acc.iter().enumerate() {
            for (v, &x) in sums.iter().enumerate() {
                // SAFETY: the caller's.
                unsafe { s.store(c.wrapping_add(i * p.c_stride + v * S::LANES), x) };
            }
        }
    } else {
        // SAFETY: the caller's.
        unsafe { finish(s, p, row, c, acc) };
    }
}

/// Pointers to the rows of a tile of A that begins at `a`.
#[inline(always)]
fn rows<T: Real>(p: &Panel<T>, a: *const T) -> RowPointers<T> {
    // If the compiler knew how these are related, it would keep a pointer to each row, for which there are no
    // registers.
    let row = |i: usize| opaque(a.wrapping_add(i * p.a_row));
    [row(0), row(3), row(6), row(9)]
}

/// The sums of the tile whose rows of A begin at `a`.
///
/// # Safety
/// As for [`panel`].
#[inline(always)]
unsafe fn sums<T: Real, S: Simd<T>, const MR: usize, const NV: usize, const QUADS: bool>(
    s: S,
    p: &Panel<T>,
    a: *const T,
) -> [[S::V; NV]; MR] {
    let mut acc = [[s.splat(T::ZERO); NV]; MR];
    let mut a = rows(p, a);
    let mut b = p.b;
    let prefetched = if p.prefetch { p.size.k_whole / S::LANES * S::LANES } else { 0 };
    for _ in (0..prefetched).step_by(S::LANES) {
        for i in 0..MR {
            prefetch(a[i / 3].wrapping_add((i % 3 + MR) * p.a_row));
        }
        for _ in 0..S::LANES {
            // SAFETY: the caller's.
            unsafe { step::<T, S, MR, NV, QUADS, true>(s, p, &mut a, &mut b, &mut acc) };
        }
    }
    // Two more loops with the same body, the first of them without masks.
    for _ in prefetched..p.size.k_whole {
        // SAFETY: the caller's.
        unsafe { step::<T, S, MR, NV, QUADS, true>(s, p, &mut a, &mut b, &mut acc) };
    }
    for _ in p.size.k_whole..p.size.k {
        // SAFETY: the caller's.
        unsafe { step::<T, S, MR, NV, QUADS, false>(s, p, &mut a, &mut b, &mut acc) };
    }
    if QUADS {
        let mut last = [T::Lanes::default(); MR];
        for (vector, row) in last.iter_mut().zip(&acc) {
            *vector = s.to_array(row[NV - 1]);
        }
        let last = last.as_ptr().cast::<T>();
        for (i, row) in acc.iter_mut().enumerate() {
            // SAFETY: the first vectors hold four elements for each row.
            row[NV - 1] = unsafe { s.load_head(last.add(4 * i), 4) };
        }
    }
    acc
}

/// One step of k, with B's row at `b` and A's elements at `a` and in the rows that follow; advances both. Unless
/// `WHOLE`, only the tile's columns of the last vector are read.
///
/// With `QUADS`, the last vector has at most four columns, and `acc[i][NV - 1]` holds those of as many rows as fit.
///
/// # Safety
/// As for [`panel`].
#[inline(always)]
unsafe fn step<T: Real, S: Simd<T>, const MR: usize, const NV: usize, const QUADS: bool, const WHOLE: bool>(
    s: S,
    p: &Panel<T>,
    a: &mut RowPointers<T>,
    b: &mut *const T,
    acc: &mut [[S::V; NV]; MR],
) {
    let mut columns = [s.splat(T::ZERO); NV];
    for (v, column) in columns.iter_mut().enumerate() {
        let at = b.wrapping_add(v * S::LANES);
        // SAFETY: the caller's.
        *column = unsafe {
            match (v == NV - 1, QUADS, WHOLE) {
                (true, true, true) => s.load_quad(at),
                (true, true, false) => {
                    let mut quad = [T::ZERO; 4];
                    quad.as_mut_ptr().copy_from_nonoverlapping(at, p.size.last);
                    s.load_quad(quad.as_ptr())
                }
                (true, false, false) => s.load_head(at, p.size.last),
                _ => s.load(at),
            }
        };
    }
    let full = if QUADS { NV - 1 } else { NV };
    let mut rows = [s.splat(T::ZERO); MR];
    for (i, row) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's.
        rows[i] = s.splat(unsafe { *a[i / 3].wrapping_add((i % 3).wrapping_mul(p.a_row)) });
        for v in 0..full {
            row[v] = s.mul_add(rows[i], columns[v], row[v]);
        }
    }
    if QUADS {
        let per_vector = S::LANES / 4;
        for i in 0..MR.div_ceil(per_vector) {
            let row = |j: usize| rows[(i * per_vector + j).min(MR - 1)];
            let x = s.quads([row(0), row(1), row(2), row(3)]);
            acc[i][NV - 1] = s.mul_add(x, columns[NV - 1], acc[i][NV - 1]);
        }
    }
    // A loop because `array::map` is not always inlined.
    for row in a {
        *row = row.wrapping_add(p.a_step);
    }
    *b = b.wrapping_add(p.b_step);
}

/// A panel of tiles of one shape: each shape is compiled as a function of its own.
struct PanelKernel<'a, T, const MR: usize, const NV: usize, const QUADS: bool>(&'a Panel<T>);

impl<T: Real, const MR: usize, const NV: usize, const QUADS: bool> Kernel<T> for PanelKernel<'_, T, MR, NV, QUADS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // Tiles for which the instruction set has too few registers are not compiled.
        if NV <= max_vectors(S::REGISTERS) && MR <= max_rows(S::REGISTERS, NV) {
            // SAFETY: `Tiles::panel` chose the size.
            unsafe { panel::<T, S, MR, NV, QUADS>(s, self.0) }
        } else {
            unreachable!("a tile of {MR} rows and {NV} vectors does not fit");
        }
    }
}

/// The tiles of an element type. A trait, so that they are compiled once, in this crate, and not wherever `gemm` is called.
pub trait Tiles: Real {
    /// Computes a panel.
    fn panel(panel: &Panel<Self>);

    /// Computes a tile with a transposed B.
    fn transposed_b(tile: TransposedB<Self>);
}

macro_rules! tiles {
    (@transposed_b $t:ty, $size:expr, $tile:ident, $($mr:literal)*) => {
        match $size {
            $(
                ($mr, 1) => <$t>::run(TransposedBKernel::<$t, $mr, 1>($tile)),
                ($mr, 2) => <$t>::run(TransposedBKernel::<$t, $mr, 2>($tile)),
            )*
            (1, 3) => <$t>::run(TransposedBKernel::<$t, 1, 3>($tile)),
            (1, 4) => <$t>::run(TransposedBKernel::<$t, 1, 4>($tile)),
            (rows, vectors) => unreachable!("no tile with a transposed B has {rows} rows and {vectors} vectors"),
        }
    };
    ($t:ty { $($nv:literal: $($mr:literal)*;)* }) => {
        impl Tiles for $t {
            fn panel(panel: &Panel<$t>) {
                let Size { rows, vectors, last, .. } = panel.size;
                match (vectors, rows, last <= 4) {
                    $($(
                        ($nv, $mr, false) => <$t>::run(PanelKernel::<$t, $mr, $nv, false>(panel)),
                        ($nv, $mr, true) => <$t>::run(PanelKernel::<$t, $mr, $nv, true>(panel)),
                    )*)*
                    _ => unreachable!("no tile has {rows} rows and {vectors} vectors"),
                }
            }

            fn transposed_b(tile: TransposedB<$t>) {
                tiles! { @transposed_b $t, tile.size(), tile, 1 2 3 4 5 6 7 8 9 10 }
            }
        }
    };
}

tiles! { f32 {
    1: 1 2 3 4 5 6 7 8 9 10 11 12; 2: 1 2 3 4 5 6 7 8 9 10 11 12; 3: 1 2 3 4 5 6 7 8; 4: 1 2 3 4 5 6;
} }
tiles! { f64 {
    1: 1 2 3 4 5 6 7 8 9 10 11 12; 2: 1 2 3 4 5 6 7 8 9 10 11 12; 3: 1 2 3 4 5 6 7 8; 4: 1 2 3 4 5 6;
} }

/// Returns how many logical vectors fit into registers.
pub(in crate::gemm) struct Registers;

impl<T: Real> Kernel<T> for Registers {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        S::REGISTERS
    }
}
