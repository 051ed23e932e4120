//! Reductions of columns: the elements of adjacent outputs are contiguous, and folded as vectors, each output in the
//! order of a row reduction.

use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::fold::{CHAINS, Fold, LEVELS, MAX_LANES};
use super::real::PIECE;
use crate::lanes::load_or;
use crate::reader::TILE;
use crate::simd::{Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, UNIT, split};
use crate::walk::{Dim, Walk};

/// Vectors of columns that are folded together, so that adjacent cache lines of a row are read together.
const WIDE: usize = 4;

/// A reduction of columns.
pub(super) struct Columns<'a, T> {
    pub(super) x: &'a [T],
    /// One element for each column, or none.
    pub(super) about: &'a [T],
    /// The columns.
    pub(super) outer: &'a Walk<1>,
    /// The rows.
    pub(super) inner: &'a Walk<1>,
}

impl<T: Real> Columns<'_, T> {
    /// Folds every column of every piece of rows into `out`, of shape (pieces, columns).
    pub(super) fn fold<F: Fold<T>>(&self, out: &mut [T], pieces: usize) {
        let columns = out.len() / pieces;
        let grain = GRAIN_CHEAP.div_ceil(self.inner.len().min(PIECE));
        split(out, UNIT, grain, |start, out| {
            T::run(ColumnsKernel { all: self, out, columns, start, fold: PhantomData::<F> });
        });
    }
}

/// Combines the pieces of `x`, of shape (pieces, columns), pairwise into the first.
pub(super) fn fold_pieces<T: Real, F: Fold<T>>(x: &mut [T], columns: usize) {
    let pieces = x.len() / columns;
    if pieces > 1 {
        let (a, b) = x.split_at_mut(pieces.div_ceil(2) * columns);
        fold_pieces::<T, F>(a, columns);
        fold_pieces::<T, F>(b, columns);
        for (a, b) in a[..columns].iter_mut().zip(b) {
            *a = F::numbers(*a, *b);
        }
    }
}

struct ColumnsKernel<'a, T, F> {
    all: &'a Columns<'a, T>,
    out: &'a mut [T],
    columns: usize,
    /// Index of the first output.
    start: usize,
    fold: PhantomData<F>,
}

impl<T: Real, F: Fold<T>> Kernel<T> for ColumnsKernel<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (mut out, mut start) = (self.out, self.start);
        while !out.is_empty() {
            let (piece, column) = (start / self.columns, start % self.columns);
            let mut walk = self.all.outer.clone();
            let mut at = walk.seek(column);
            let (mut part, rest) = out.split_at_mut(out.len().min(self.columns - column));
            (out, start) = (rest, start + part.len());
            let mut about = self.all.about.get(column..).unwrap_or_default();
            let mut rows = RowOffsets::new(self.all.inner, piece);
            while !part.is_empty() {
                let left = walk.dims().last().map_or(1, |d| d.size - d.at).min(part.len());
                // With fewer registers, one vector.
                let wide = if S::REGISTERS > WIDE { WIDE * S::LANES } else { S::LANES };
                let n = if left >= wide { wide } else { left.min(S::LANES) };
                let (now, later) = part.split_at_mut(n);
                let (center, others) = about.split_at(n.min(about.len()));
                let x = self.all.x[at[0]..].as_ptr();
                // SAFETY: the kept and reduced dimensions were checked to stay within `x`, and `n` columns are left.
                unsafe {
                    if S::REGISTERS <= WIDE || n <= S::LANES {
                        fold_columns::<T, S, F, 1>(s, now, x, center, &mut rows);
                    } else {
                        fold_columns::<T, S, F, WIDE>(s, now, x, center, &mut rows);
                    }
                }
                walk.step(n, &mut at);
                (part, about) = (later, others);
            }
        }
    }
}

/// The offsets of the rows of a piece, a tile of them at a time.
struct RowOffsets<'a> {
    walk: &'a Walk<1>,
    /// The piece's first row.
    first: usize,
    /// Rows of the piece.
    length: usize,
    /// The offset of the tile's first row and the row stride; unless the offsets are in the table.
    line: Option<[usize; 2]>,
    /// The tile whose offsets are in the table, which is empty until it is needed.
    tabulated: usize,
    /// How many rows it has.
    rows: usize,
    offsets: [MaybeUninit<usize>; TILE],
}

impl<'a> RowOffsets<'a> {
    #[inline(always)]
    fn new(walk: &'a Walk<1>, piece: usize) -> Self {
        let first = piece * PIECE;
        Self {
            walk,
            first,
            length: PIECE.min(walk.len() - first),
            line: None,
            tabulated: usize::MAX,
            rows: 0,
            offsets: [MaybeUninit::uninit(); TILE],
        }
    }

    /// Moves to a tile; returns its number of rows.
    #[inline(always)]
    fn seek(&mut self, tile: usize) -> usize {
        let (first, rows) = (self.first + tile * TILE, TILE.min(self.length - tile * TILE));
        if let [Dim { strides: [stride], .. }] = *self.walk.dims() {
            self.line = Some([first * stride, stride]);
        } else if self.tabulated != tile {
            self.tabulated = tile;
            self.rows = rows;
            let mut walk = self.walk.clone();
            let mut at = walk.seek(first);
            for offset in &mut self.offsets[..rows] {
                offset.write(at[0]);
                walk.step(1, &mut at);
            }
        }
        rows
    }

    #[inline(always)]
    fn offset(&self, row: usize) -> usize {
        match self.line {
            Some([first, stride]) => first + row * stride,
            // SAFETY: `seek` wrote the first `rows` offsets.
            None => unsafe { self.offsets[..self.rows][row].assume_init() },
        }
    }
}

/// `W` vectors of columns for each lane of a row's vectors; in memory, because they exceed the registers.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct LaneVectors<T: Real, const W: usize>([[MaybeUninit<T::Lanes>; W]; MAX_LANES]);

impl<T: Real, const W: usize> LaneVectors<T, W> {
    const NONE: Self = Self([[MaybeUninit::uninit(); W]; MAX_LANES]);

    /// # Safety
    /// The lane must have been stored.
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(&self, s: S, lane: usize) -> [S::V; W] {
        let mut vectors = [s.splat(T::ZERO); W];
        for (v, from) in vectors.iter_mut().zip(&self.0[lane]) {
            // SAFETY: the caller's; `Real::Lanes` is a vector's array.
            *v = unsafe { s.load(from.as_ptr().cast()) };
        }
        vectors
    }

    #[inline(always)]
    fn store<S: Simd<T>>(&mut self, s: S, lane: usize, vectors: [S::V; W]) {
        for (to, v) in self.0[lane].iter_mut().zip(vectors) {
            // SAFETY: `Real::Lanes` is a vector's array.
            unsafe { s.store(to.as_mut_ptr().cast(), v) };
        }
    }
}

/// Folds the rows of `W` vectors of columns, or of a partial vector if there are fewer outputs, in the order of a row
/// reduction: the vectors of a tile in chains, tiles in a cascade, and finally the lanes. Lanes without rows are
/// skipped; they would change nothing.
///
/// # Safety
/// `x`, at all row offsets, must be valid for reads of as many elements as `out` has.
#[inline(always)]
unsafe fn fold_columns<T: Real, S: Simd<T>, F: Fold<T>, const W: usize>(
    s: S,
    out: &mut [T],
    x: *const T,
    about: &[T],
    rows: &mut RowOffsets,
) {
    let n = out.len();
    let mut center = [s.splat(T::ZERO); W];
    for (center, about) in center.iter_mut().zip(about.chunks(S::LANES)) {
        *center = load_or(s, about, T::ZERO);
    }
    // A loop over lanes that is not unrolled is as fast, with a tenth of the code.
    let lanes = black_box(S::LANES).min(rows.length);
    let tiles = rows.length.div_ceil(TILE);
    // As in a `Cascade`.
    let mut levels = [LaneVectors::<T, W>::NONE; LEVELS];
    for tile in 0..tiles {
        let length = rows.seek(tile);
        for lane in 0..lanes {
            // SAFETY: the caller's.
            let mut v = unsafe { fold_lane::<T, S, F, W>(s, x, n, &center, rows, lane, length) };
            let mut level = 0;
            while tile >> level & 1 == 1 {
                // SAFETY: the bit of the number of tiles is set, so the level was stored.
                v = combine::<T, S, F, W>(s, unsafe { levels[level].load(s, lane) }, v);
                level += 1;
            }
            levels[level].store(s, lane, v);
        }
    }
    if tiles > 1 {
        for lane in 0..lanes {
            let mut total = [s.splat(F::IDENTITY); W];
            for (_, values) in levels.iter().enumerate().filter(|(level, _)| tiles >> level & 1 == 1) {
                // SAFETY: see above.
                total = combine::<T, S, F, W>(s, unsafe { values.load(s, lane) }, total);
            }
            levels[0].store(s, lane, total);
        }
    }
    // Lane i with lane i + LANES/2, and so on.
    let (all, mut used, mut half) = (&mut levels[0], lanes, S::LANES / 2);
    while half > 0 {
        for lane in half..used {
            // SAFETY: all lanes were stored.
            let (a, b) = unsafe { (all.load(s, lane - half), all.load(s, lane)) };
            all.store(s, lane - half, combine::<T, S, F, W>(s, a, b));
        }
        used = used.min(half);
        half /= 2;
    }
    // SAFETY: all lanes were stored, and there is a row.
    let total = unsafe { all.load(s, 0) };
    for (out, v) in out.chunks_mut(S::LANES).zip(total) {
        // SAFETY: the chunk has so many elements.
        unsafe { s.store_head(out.as_mut_ptr(), v, out.len()) };
    }
}

/// Folds a lane of the vectors of a tile: row `i` into chain `i / LANES` modulo `CHAINS`, then the chains in pairs.
///
/// # Safety
/// As for [`fold_columns`].
#[inline(always)]
unsafe fn fold_lane<T: Real, S: Simd<T>, F: Fold<T>, const W: usize>(
    s: S,
    x: *const T,
    n: usize,
    center: &[S::V; W],
    rows: &RowOffsets,
    lane: usize,
    length: usize,
) -> [S::V; W] {
    let mut all = [s.splat(F::IDENTITY); W];
    let mut chain = lane;
    while chain < length.min(CHAINS * S::LANES) {
        let mut pair = [s.splat(F::IDENTITY); W];
        let next = chain + CHAINS / 2 * S::LANES;
        while chain < next.min(length) {
            let mut acc = [s.splat(F::IDENTITY); W];
            let mut row = chain;
            while row < length {
                let x = x.wrapping_add(rows.offset(row));
                for (v, (acc, &center)) in acc.iter_mut().zip(center).enumerate() {
                    // SAFETY: the caller's.
                    let x = unsafe { if W == 1 { s.load_head(x, n) } else { s.load(x.wrapping_add(v * S::LANES)) } };
                    *acc = F::step(s, *acc, x, center);
                }
                row += CHAINS * S::LANES;
            }
            pair = combine::<T, S, F, W>(s, pair, acc);
            chain += S::LANES;
        }
        all = combine::<T, S, F, W>(s, all, pair);
        chain = next;
    }
    all
}

#[inline(always)]
fn combine<T: Real, S: Simd<T>, F: Fold<T>, const W: usize>(s: S, mut a: [S::V; W], b: [S::V; W]) -> [S::V; W] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = F::vectors(s, *a, b);
    }
    a
}
