//! Reductions of `f32` and `f64`.

use std::marker::PhantomData;

use super::columns::{Columns, fold_pieces};
use super::fold::{
    Cascade, Fold, MAX_LANES, Max, Min, Prod, SquaredDistances, Sum, fold_across, fold_lanes, fold_tile,
};
use super::{Axes, Reduce, check};
use crate::View;
use crate::buffer::Buffer;
use crate::entries::entries;
use crate::reader::{Reader, TILE};
use crate::simd::{Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, split};
use crate::walk::{Dim, Walk};

/// Elements of one output that one task folds: longer reductions are always divided at multiples of it.
pub(super) const PIECE: usize = 64 * 1024;

entries! { Reductions for [f32 f64] where T: Real {
    /// Reduces dimensions: `out[k] = op(x[k + r] for all r)`, where `k` are the offsets of the kept dimensions in
    /// row-major order and `r` those of the reduced ones.
    ///
    /// # Panics
    /// If `out` does not have one element for each index of the kept dimensions, or the dimensions reach outside `x`.
    pub fn reduce(op: Reduce, out: &mut [T], x: &[T], kept: Axes, reduced: Axes) = reduce_body;
    /// Sums of squared distances: `out[k] = Σ (x[k + r] - about[k])²` over all `r`, as [`reduce`] sums.
    ///
    /// # Panics
    /// If `out` or `about` does not have one element for each index of the kept dimensions, or the dimensions reach
    /// outside `x`.
    pub fn squares(out: &mut [T], x: &[T], about: &[T], kept: Axes, reduced: Axes) = squares_body;
} }

fn reduce_body<T: Real>(op: Reduce, out: &mut [T], x: &[T], kept: Axes, reduced: Axes) {
    match op {
        Reduce::Sum => fold::<T, Sum>(out, x, &[], kept, reduced),
        Reduce::Prod => fold::<T, Prod>(out, x, &[], kept, reduced),
        Reduce::Max => fold::<T, Max>(out, x, &[], kept, reduced),
        Reduce::Min => fold::<T, Min>(out, x, &[], kept, reduced),
    }
}

fn squares_body<T: Real>(out: &mut [T], x: &[T], about: &[T], kept: Axes, reduced: Axes) {
    assert_eq!(out.len(), about.len(), "every output needs a reference value");
    fold::<T, SquaredDistances>(out, x, about, kept, reduced);
}

/// `about` has one element for each output, or none if the fold has no reference values.
fn fold<T: Real, F: Fold<T>>(out: &mut [T], x: &[T], about: &[T], kept: Axes, reduced: Axes) {
    if !check(out.len(), x.len(), kept, reduced) {
        return out.fill(F::IDENTITY);
    }
    let mut room = None;
    let reduced = reduced.by_stride(&mut room);
    let (outer, inner) = (kept.walk(), reduced.walk());
    let rows_lie_together = matches!(inner.dims(), [] | [Dim { strides: [1], .. }]);
    let columns_lie_together = matches!(outer.dims(), [.., Dim { strides: [1], .. }]);
    let length = inner.len();
    let pieces = length.div_ceil(PIECE);
    if columns_lie_together && !rows_lie_together {
        let columns = Columns { x, about, outer: &outer, inner: &inner };
        if pieces == 1 {
            return columns.fold::<F>(out, 1);
        }
        let mut room = Buffer::scratch::<T>(out.len() * pieces);
        let partial = room.get_mut();
        columns.fold::<F>(partial, pieces);
        fold_pieces::<T, F>(partial, out.len());
        return out.copy_from_slice(&partial[..out.len()]);
    }
    let rows = RowReduction { x, about, outer: &outer, reduced, length, contiguous: rows_lie_together, pieces };
    if pieces == 1 {
        return rows.fold::<F>(out);
    }
    let mut room = Buffer::scratch::<T>(out.len() * pieces);
    let partial = room.get_mut();
    rows.fold::<F>(partial);
    for (out, partial) in out.iter_mut().zip(partial.chunks_exact(pieces)) {
        *out = fold_pairs::<T, F>(partial);
    }
}

/// Folds numbers pairwise.
fn fold_pairs<T: Real, F: Fold<T>>(x: &[T]) -> T {
    match x {
        [] => F::IDENTITY,
        [x] => *x,
        _ => {
            let (a, b) = x.split_at(x.len().div_ceil(2));
            F::numbers(fold_pairs::<T, F>(a), fold_pairs::<T, F>(b))
        }
    }
}

/// A reduction of rows: one output after another.
#[derive(Clone, Copy)]
struct RowReduction<'a, T> {
    x: &'a [T],
    /// One element for each row, or none.
    about: &'a [T],
    outer: &'a Walk<1>,
    reduced: Axes<'a>,
    /// Elements of a row.
    length: usize,
    /// Whether they are contiguous.
    contiguous: bool,
    /// Number of pieces that a row is divided into.
    pieces: usize,
}

impl<T: Real> RowReduction<'_, T> {
    /// Folds every piece of every row.
    fn fold<F: Fold<T>>(self, out: &mut [T]) {
        let grain = GRAIN_CHEAP.div_ceil(self.length.min(PIECE));
        split(out, 1, grain, |start, out| {
            T::run(RowReductionKernel { rows: self, out, start, fold: PhantomData::<F> });
        });
    }
}

struct RowReductionKernel<'a, T, F> {
    rows: RowReduction<'a, T>,
    out: &'a mut [T],
    start: usize,
    fold: PhantomData<F>,
}

impl<T: Real, F: Fold<T>> Kernel<T> for RowReductionKernel<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let rows = self.rows;
        let mut walk = rows.outer.clone();
        let about = |row: usize| rows.about.get(row).map_or(T::ZERO, |&x| x);
        if rows.contiguous && rows.length <= TILE && self.out.len() > 1 {
            let mut at = walk.seek(self.start);
            let mut row = self.start;
            for out in self.out.chunks_mut(S::LANES) {
                let mut tiles = [T::Lanes::default(); MAX_LANES];
                for tile in &mut tiles[..out.len()] {
                    let v = fold_tile::<T, S, F>(s, &rows.x[at[0]..][..rows.length], about(row));
                    // SAFETY: `Real::Lanes` is a vector's array.
                    unsafe { s.store(tile.as_mut().as_mut_ptr(), v) };
                    walk.step(1, &mut at);
                    row += 1;
                }
                let folded = fold_across::<T, S, F>(s, &tiles);
                // SAFETY: `out` has at most `LANES` elements.
                unsafe { s.store_head(out.as_mut_ptr(), folded, out.len()) };
            }
            return;
        }
        let mut row = self.start / rows.pieces;
        let mut at = walk.seek(row);
        let mut piece = self.start % rows.pieces;
        for out in self.out {
            let first = piece * PIECE;
            let length = PIECE.min(rows.length - first);
            let x = &rows.x[at[0]..];
            let stream = || Reader::new(View::new(x, rows.reduced.strides), rows.reduced.shape, first);
            let mut stream = (!rows.contiguous).then(stream);
            *out = fold_row::<T, S, F>(s, &x[first.min(x.len())..], about(row), length, stream.as_mut());
            piece += 1;
            if piece == rows.pieces {
                piece = 0;
                row += 1;
                walk.step(1, &mut at);
            }
        }
    }
}

/// Folds `length` elements: those of the stream, or the first of `x`.
#[inline(always)]
fn fold_row<T: Real, S: Simd<T>, F: Fold<T>>(
    s: S,
    x: &[T],
    about: T,
    length: usize,
    mut stream: Option<&mut Reader<T>>,
) -> T {
    let mut cascade = Cascade::new();
    let mut done = 0;
    loop {
        let n = TILE.min(length - done);
        let x = stream.as_mut().map_or_else(|| &x[done..done + n], |stream| stream.next(n));
        let tile = fold_tile::<T, S, F>(s, x, about);
        done += n;
        if length <= TILE {
            return fold_lanes::<T, S, F>(s, tile);
        }
        cascade.push::<S, F>(s, tile);
        if done == length {
            return fold_lanes::<T, S, F>(s, cascade.finish::<S, F>(s));
        }
    }
}
