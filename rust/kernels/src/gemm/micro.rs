//! The microkernel: a tile of C that stays in registers throughout the loop over k.

use super::Slope;
use super::transposed_b::{self, TransposedB};
use crate::lanes::prefetch;
use crate::math;
use crate::simd::{Kernel, Real, Simd, opaque};
use crate::tuning::{max_rows, max_vectors};

/// One call of the microkernel: a column of tiles, each of `rows × lanes` elements of C, and one block of k.
#[derive(Clone, Copy, Debug)]
pub struct Panel<T> {
    /// A's first element.
    pub a: *const T,
    /// Row stride of A.
    pub a_row: usize,
    /// Column stride of A: from one step of k to the next.
    pub a_step: usize,
    /// The first element of the panel's columns of B.
    pub b: *const T,
    /// Row stride of B: from one step of k to the next.
    pub b_step: usize,
    /// Number of steps of k.
    pub k: usize,
    /// Leading steps of k in which B may be read in whole vectors; after them only the tile's columns are read.
    pub k_whole: usize,
    /// Number of tiles.
    pub tiles: usize,
    /// Whether to prefetch the rows of A that the next tile needs: a cache line of each row every `LANES` steps.
    pub prefetch: bool,
    /// Columns in the last vector.
    pub last: usize,
    /// Where the result is stored.
    pub c: *mut T,
    /// Row stride of `c`.
    pub c_stride: usize,
    /// What is applied to the sums.
    pub finish: Finish<T>,
}

/// What is applied to a tile's sums, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Finish<T> {
    /// Adds the partial sums of the previous blocks of k: with their row stride.
    pub partial: Option<(*const T, usize)>,
    /// Adds the previous contents of `c`.
    pub accumulate: bool,
    /// Adds a bias: a pointer to that of the first column.
    pub bias: Option<*const T>,
    /// Applies ReLU.
    pub relu: bool,
    /// Applies a slope: with a pointer to the first value; the values have the layout of `c`.
    pub slope: Option<(Slope, *const T)>,
}

impl<T> Finish<T> {
    fn is_plain(&self) -> bool {
        self.partial.is_none() && !self.accumulate && self.bias.is_none() && !self.relu && self.slope.is_none()
    }
}

impl<T> Panel<T> {
    /// The panel without its first `skip` columns, with `last` columns in the last vector.
    pub(super) fn columns(&self, skip: usize, last: usize) -> Self {
        let by = |p: *const T| p.wrapping_add(skip);
        let finish = Finish {
            partial: self.finish.partial.map(|(p, stride)| (by(p), stride)),
            bias: self.finish.bias.map(by),
            slope: self.finish.slope.map(|(slope, values)| (slope, by(values))),
            ..self.finish
        };
        Self { b: by(self.b), c: self.c.wrapping_add(skip), last, finish, ..*self }
    }
}

/// Pointers to rows 0, 3, 6 and 9 of a tile of A. x86 addressing modes reach rows one and two strides from a pointer.
pub(super) type RowPointers<T> = [*const T; 4];

/// Computes a panel of tiles of `MR` rows and `NV` vectors.
///
/// # Safety
/// All elements of A, B, C, `partial`, `bias` and `slope` that the fields describe must be valid for what is done with
/// them.
#[inline(always)]
unsafe fn panel<T: Real, S: Simd<T>, const MR: usize, const NV: usize, const QUADS: bool>(s: S, p: &Panel<T>) {
    for tile in 0..p.tiles {
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
pub(super) unsafe fn store<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    row: usize,
    acc: [[S::V; NV]; MR],
) {
    let c = p.c.wrapping_add(row * p.c_stride);
    if p.finish.is_plain() && p.last == S::LANES {
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
pub(super) fn rows<T: Real>(p: &Panel<T>, a: *const T) -> RowPointers<T> {
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
    let prefetched = if p.prefetch { p.k_whole / S::LANES * S::LANES } else { 0 };
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
    for _ in prefetched..p.k_whole {
        // SAFETY: the caller's.
        unsafe { step::<T, S, MR, NV, QUADS, true>(s, p, &mut a, &mut b, &mut acc) };
    }
    for _ in p.k_whole..p.k {
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
pub(super) unsafe fn step<
    T: Real,
    S: Simd<T>,
    const MR: usize,
    const NV: usize,
    const QUADS: bool,
    const WHOLE: bool,
>(
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
                    quad.as_mut_ptr().copy_from_nonoverlapping(at, p.last);
                    s.load_quad(quad.as_ptr())
                }
                (true, false, false) => s.load_head(at, p.last),
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

/// Applies the epilogue to the sums of the tile whose first row is `row`, and stores them at `c`.
///
/// # Safety
/// As for [`panel`].
#[inline(always)]
unsafe fn finish<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    row: usize,
    c: *mut T,
    mut acc: [[S::V; NV]; MR],
) {
    let at = |start: *const T, stride: usize, i: usize, v: usize| start.wrapping_add(i * stride + v * S::LANES);
    // SAFETY: the caller's; of the last vector only the tile's columns are read.
    let load = |x: *const T, v: usize| unsafe { if v == NV - 1 { s.load_head(x, p.last) } else { s.load(x) } };
    if let Some((partial, stride)) = p.finish.partial {
        for (i, sums) in acc.iter_mut().enumerate() {
            for (v, x) in sums.iter_mut().enumerate() {
                *x = s.add(load(at(partial, stride, row + i, v), v), *x);
            }
        }
    }
    if p.finish.accumulate {
        for (i, sums) in acc.iter_mut().enumerate() {
            for (v, x) in sums.iter_mut().enumerate() {
                *x = s.add(*x, load(at(c, p.c_stride, i, v), v));
            }
        }
    }
    if let Some(bias) = p.finish.bias {
        for v in 0..NV {
            let bias = load(at(bias, 0, 0, v), v);
            for sums in &mut acc {
                sums[v] = s.add(sums[v], bias);
            }
        }
    }
    if p.finish.relu {
        for x in acc.as_flattened_mut() {
            *x = math::relu(s, *x);
        }
    }
    if let Some((slope, values)) = p.finish.slope {
        // Loops that contain a branch are not unrolled, and then the sums are spilled to memory.
        macro_rules! apply_slope {
            ($function:path) => {
                for (i, sums) in acc.iter_mut().enumerate() {
                    for (v, x) in sums.iter_mut().enumerate() {
                        *x = $function(s, *x, load(at(values, p.c_stride, row + i, v), v));
                    }
                }
            };
        }
        match slope {
            Slope::Relu => apply_slope!(math::relu_grad),
            Slope::Tanh => apply_slope!(math::tanh_grad),
            Slope::Sigmoid => apply_slope!(math::sigmoid_grad),
        }
    }
    for (i, sums) in acc.iter().enumerate() {
        for (v, &x) in sums.iter().enumerate() {
            let to = at(c, p.c_stride, i, v).cast_mut();
            // SAFETY: the caller's.
            unsafe { if v < NV - 1 || p.last == S::LANES { s.store(to, x) } else { s.store_head(to, x, p.last) } }
        }
    }
}

/// A panel of tiles of one shape: each shape is compiled as a function of its own.
struct PanelKernel<'a, T, const MR: usize, const NV: usize, const QUADS: bool>(&'a Panel<T>);

impl<T: Real, const MR: usize, const NV: usize, const QUADS: bool> Kernel<T> for PanelKernel<'_, T, MR, NV, QUADS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // Tiles for which the instruction set has too few registers are not compiled.
        if NV <= max_vectors(S::REGISTERS) && MR <= max_rows(S::REGISTERS, NV) {
            // SAFETY: guaranteed by the caller of `Tiles::panel`.
            unsafe { panel::<T, S, MR, NV, QUADS>(s, self.0) }
        } else {
            unreachable!("a tile of {MR} rows and {NV} vectors does not fit");
        }
    }
}

/// The tiles of an element type. A trait, so that they are compiled once, in this crate, and not wherever `gemm` is called.
pub trait Tiles: Real {
    /// Computes a panel of tiles of `rows` rows and `vectors` vectors, at most [`max_rows`] and [`max_vectors`].
    ///
    /// # Safety
    /// All elements of A, B, C, `partial`, `bias` and `slope` that the panel describes must be valid for what is done
    /// with them.
    unsafe fn panel(rows: usize, vectors: usize, panel: &Panel<Self>);

    /// Computes a tile with a transposed B, of at most [`max_transposed_b_rows`] rows.
    ///
    /// # Safety
    /// As for `panel`, and `k` elements of each of the tile's columns of B must be readable.
    unsafe fn transposed_b(rows: usize, vectors: usize, tile: TransposedB<Self>);
}

macro_rules! tiles {
    (@transposed_b $t:ty, $size:expr, $tile:ident, $($mr:literal)*) => {
        match $size {
            $(
                ($mr, 1) => <$t>::run(transposed_b::TransposedBKernel::<$t, $mr, 1>($tile)),
                ($mr, 2) => <$t>::run(transposed_b::TransposedBKernel::<$t, $mr, 2>($tile)),
            )*
            (1, 3) => <$t>::run(transposed_b::TransposedBKernel::<$t, 1, 3>($tile)),
            (1, 4) => <$t>::run(transposed_b::TransposedBKernel::<$t, 1, 4>($tile)),
            (rows, vectors) => unreachable!("no tile with a transposed B has {rows} rows and {vectors} vectors"),
        }
    };
    ($t:ty { $($nv:literal: $($mr:literal)*;)* }) => {
        impl Tiles for $t {
            unsafe fn panel(rows: usize, vectors: usize, panel: &Panel<$t>) {
                match (vectors, rows, panel.last <= 4) {
                    $($(
                        ($nv, $mr, false) => <$t>::run(PanelKernel::<$t, $mr, $nv, false>(panel)),
                        ($nv, $mr, true) => <$t>::run(PanelKernel::<$t, $mr, $nv, true>(panel)),
                    )*)*
                    _ => unreachable!("no tile has {rows} rows and {vectors} vectors"),
                }
            }

            unsafe fn transposed_b(rows: usize, vectors: usize, tile: TransposedB<$t>) {
                tiles! { @transposed_b $t, (rows, vectors), tile, 1 2 3 4 5 6 7 8 9 10 }
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
pub(super) struct Registers;

impl<T: Real> Kernel<T> for Registers {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        S::REGISTERS
    }
}
