//! Reductions of columns: the elements of neighbouring outputs lie side by side, and so are folded side by side, each in the
//! order in which a row is.

use std::marker::PhantomData;

use super::fold::{CHAINS, Cascade, Fold, MAX_LANES};
use super::real::PIECE;
use crate::lanes::load_or;
use crate::map::{GRAIN_CHEAP, UNIT};
use crate::reader::TILE;
use crate::simd::{Kernel, Real, Simd};
use crate::split::split;
use crate::walk::{Dim, Walk};

/// Vectors of columns that are reduced side by side: their accumulators stay in registers, and a row's cache lines are
/// read together.
const WIDE: usize = 8;
/// The same where there are few registers.
const NARROW: usize = 4;

/// A reduction of columns.
pub(super) struct Columns<'a, T> {
    pub(super) x: &'a [T],
    /// One for each column, or none.
    pub(super) about: &'a [T],
    /// Columns.
    pub(super) outer: &'a Walk<1>,
    /// Rows.
    pub(super) inner: &'a Walk<1>,
}

impl<T: Real> Columns<'_, T> {
    /// Folds every column of every piece of rows, into `out` (pieces, columns).
    pub(super) fn fold<F: Fold<T>>(&self, out: &mut [T], pieces: usize) {
        let columns = out.len() / pieces;
        let grain = GRAIN_CHEAP.div_ceil(self.inner.len().min(PIECE));
        split(out, UNIT, grain, |start, out| {
            T::run(ColumnsKernel { all: self, out, columns, start, fold: PhantomData::<F> });
        });
    }
}

/// Combines the pieces of `x` (pieces, columns) in pairs, pairs of pairs and so on, into the first.
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
    /// Number of the first output.
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
            let mut rows = Rows::new(self.all.inner, piece);
            while !part.is_empty() {
                let left = walk.dims().last().map_or(1, |d| d.size - d.at).min(part.len());
                let n = match left / S::LANES {
                    WIDE.. if S::REGISTERS >= 32 => WIDE * S::LANES,
                    NARROW.. => NARROW * S::LANES,
                    _ => left.min(S::LANES),
                };
                let (now, later) = part.split_at_mut(n);
                let (center, others) = about.split_at(n.min(about.len()));
                let x = self.all.x[at[0]..].as_ptr();
                // SAFETY: the kept and reduced dimensions were checked to stay within `x`, and `n` columns are left.
                unsafe {
                    if n == WIDE * S::LANES {
                        fold_columns::<T, S, F, WIDE>(s, now, x, center, &mut rows);
                    } else if n == NARROW * S::LANES {
                        fold_columns::<T, S, F, NARROW>(s, now, x, center, &mut rows);
                    } else {
                        fold_columns::<T, S, F, 1>(s, now, x, center, &mut rows);
                    }
                }
                walk.step(n, &mut at);
                (part, about) = (later, others);
            }
        }
    }
}

/// Where the rows of a piece begin, a tile of them at a time.
struct Rows<'a> {
    walk: &'a Walk<1>,
    /// The piece's first row.
    first: usize,
    /// Rows of the piece.
    length: usize,
    /// The place of the tile's first row, and from one row to the next; unless the places are in the table.
    line: Option<[usize; 2]>,
    /// The tile of which the table has the places.
    known: usize,
    places: [usize; TILE],
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn new(walk: &'a Walk<1>, piece: usize) -> Self {
        let first = piece * PIECE;
        Self { walk, first, length: PIECE.min(walk.len() - first), line: None, known: usize::MAX, places: [0; TILE] }
    }

    /// Goes to a tile; returns how many rows it has.
    #[inline(always)]
    fn go(&mut self, tile: usize) -> usize {
        let (first, rows) = (self.first + tile * TILE, TILE.min(self.length - tile * TILE));
        if let [Dim { strides: [stride], .. }] = *self.walk.dims() {
            self.line = Some([first * stride, stride]);
        } else if self.known != tile {
            self.known = tile;
            let mut walk = self.walk.clone();
            let mut at = walk.seek(first);
            for place in &mut self.places[..rows] {
                *place = at[0];
                walk.step(1, &mut at);
            }
        }
        rows
    }

    #[inline(always)]
    fn place(&self, row: usize) -> usize {
        match self.line {
            Some([first, stride]) => first + row * stride,
            None => self.places[row],
        }
    }
}

/// For each lane of a row's vectors, `W` vectors of columns.
type Lanes<T, const W: usize> = [[<T as Real>::Lanes; W]; MAX_LANES];

/// Folds the rows of `W` vectors of columns, or of a single vector's head if there are fewer outputs.
///
/// # Safety
/// `x`, and all places of rows from there, must be valid for reads of as many elements as `out` has.
#[inline(always)]
unsafe fn fold_columns<T: Real, S: Simd<T>, F: Fold<T>, const W: usize>(
    s: S,
    out: &mut [T],
    x: *const T,
    about: &[T],
    rows: &mut Rows,
) {
    let n = out.len();
    let mut center = [s.splat(T::ZERO); W];
    for (center, about) in center.iter_mut().zip(about.chunks(S::LANES)) {
        *center = load_or(s, about, T::ZERO);
    }
    let mut lanes: Lanes<T, W> = [[T::Lanes::default(); W]; MAX_LANES];
    let tiles = rows.length.div_ceil(TILE);
    if tiles == 1 {
        // SAFETY: the caller's.
        unsafe { fold_tile::<T, S, F, W>(s, &mut lanes, x, n, &center, rows, 0) };
    } else {
        let mut cascades: [Cascade<T, W>; MAX_LANES] = std::array::from_fn(|_| Cascade::new());
        for tile in 0..tiles {
            // SAFETY: the caller's.
            unsafe { fold_tile::<T, S, F, W>(s, &mut lanes, x, n, &center, rows, tile) };
            for (cascade, lane) in cascades[..S::LANES].iter_mut().zip(&lanes) {
                cascade.push::<S, F>(s, load::<T, S, W>(s, lane));
            }
        }
        for (cascade, lane) in cascades[..S::LANES].iter().zip(&mut lanes) {
            store::<T, S, W>(s, lane, cascade.finish::<S, F>(s));
        }
    }
    // As the lanes of a row's vector are folded; those behind the last row are neutral.
    let mut half = S::LANES / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        for (a, b) in low.iter_mut().zip(&high[..half]).take(rows.length) {
            let (x, y) = (load::<T, S, W>(s, a), load::<T, S, W>(s, b));
            let mut folded = x;
            for ((folded, x), y) in folded.iter_mut().zip(x).zip(y) {
                *folded = F::vectors(s, x, y);
            }
            store::<T, S, W>(s, a, folded);
        }
        half /= 2;
    }
    for (out, v) in out.chunks_mut(S::LANES).zip(load::<T, S, W>(s, &lanes[0])) {
        // SAFETY: the chunk has so many elements.
        unsafe { s.store_head(out.as_mut_ptr(), v, out.len()) };
    }
}

/// Folds a tile: row `i` into accumulator `i` modulo `CHAINS` times the lanes, then the chains of each lane in pairs. What has
/// no rows is left out, for it would change nothing.
///
/// # Safety
/// As for [`fold_columns`].
#[inline(always)]
unsafe fn fold_tile<T: Real, S: Simd<T>, F: Fold<T>, const W: usize>(
    s: S,
    lanes: &mut Lanes<T, W>,
    x: *const T,
    n: usize,
    center: &[S::V; W],
    rows: &mut Rows,
    tile: usize,
) {
    let length = rows.go(tile);
    for (lane, folded) in lanes[..S::LANES].iter_mut().enumerate() {
        let mut all = [s.splat(F::IDENTITY); W];
        let mut pair = all;
        for (c, first) in (lane..length).step_by(S::LANES).take(CHAINS).enumerate() {
            let mut acc = [s.splat(F::IDENTITY); W];
            for row in (first..length).step_by(CHAINS * S::LANES) {
                let x = x.wrapping_add(rows.place(row));
                for (v, (acc, &center)) in acc.iter_mut().zip(center).enumerate() {
                    // SAFETY: the caller's.
                    let x = unsafe { if W == 1 { s.load_head(x, n) } else { s.load(x.wrapping_add(v * S::LANES)) } };
                    *acc = F::step(s, *acc, x, center);
                }
            }
            let to = if c < CHAINS / 2 { &mut all } else { &mut pair };
            for (to, acc) in to.iter_mut().zip(acc) {
                *to = F::vectors(s, *to, acc);
            }
        }
        if lane + CHAINS / 2 * S::LANES < length {
            for (all, pair) in all.iter_mut().zip(pair) {
                *all = F::vectors(s, *all, pair);
            }
        }
        store::<T, S, W>(s, folded, all);
    }
}

#[inline(always)]
fn load<T: Real, S: Simd<T>, const W: usize>(s: S, from: &[T::Lanes; W]) -> [S::V; W] {
    let mut vectors = [s.splat(T::ZERO); W];
    for (v, from) in vectors.iter_mut().zip(from) {
        *v = s.load_array(from);
    }
    vectors
}

#[inline(always)]
fn store<T: Real, S: Simd<T>, const W: usize>(s: S, to: &mut [T::Lanes; W], vectors: [S::V; W]) {
    for (to, v) in to.iter_mut().zip(vectors) {
        *to = s.to_array(v);
    }
}
