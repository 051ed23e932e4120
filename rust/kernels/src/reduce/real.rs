//! Reductions of `f32` and `f64`.

use std::marker::PhantomData;

use super::fold::{Cascade, Fold, MAX_LANES, Max, Min, Prod, Squares, Sum, fold_across, fold_lanes, fold_tile};
use super::{Axes, Reduce, check};
use crate::View;
use crate::entries::entries;
use crate::lanes::load_or;
use crate::map::{GRAIN_CHEAP, UNIT};
use crate::reader::{Reader, TILE};
use crate::simd::{Kernel, Real, Simd};
use crate::split::split;
use crate::walk::{Dim, Walk};

/// Elements of one output that one task folds: longer reductions are divided, always at these places.
const PIECE: usize = 64 * 1024;
/// Rows that are accumulated one after the other where columns are reduced; such blocks are then added in pairs.
const ROWS: usize = 64;
/// Vectors of columns that are reduced side by side: their accumulators stay in registers, and a row's cache lines are
/// read together.
const WIDE: usize = 8;
/// The same where there are few registers.
const NARROW: usize = 4;

entries! { Reductions for [f32 f64] where T: Real {
    /// Reduces dimensions: `out[k] = op(x[k + r] for all r)`, where `k` are the places of the kept dimensions in row-major
    /// order and `r` those of the reduced ones.
    ///
    /// # Panics
    /// If `out` does not have one element for every kept one, or the dimensions reach outside `x`.
    pub fn reduce(op: Reduce, out: &mut [T], x: &[T], kept: Axes, reduced: Axes) = reduce_body;
    /// Sums of squared distances: `out[k] = Σ (x[k + r] - about[k])²` over all `r`, as [`reduce`] sums.
    ///
    /// # Panics
    /// If `out` or `about` does not have one element for every kept one, or the dimensions reach outside `x`.
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
    assert_eq!(out.len(), about.len(), "every output needs the number that its distances are from");
    fold::<T, Squares>(out, x, about, kept, reduced);
}

/// `about` has one element for each output, or none if the fold compares with nothing.
fn fold<T: Real, F: Fold<T>>(out: &mut [T], x: &[T], about: &[T], kept: Axes, reduced: Axes) {
    if !check(out.len(), x.len(), kept, reduced) {
        return out.fill(F::IDENTITY);
    }
    let mut room = [Vec::new(), Vec::new()];
    let reduced = reduced.by_stride(&mut room);
    let (outer, inner) = (kept.walk(), reduced.walk());
    let rows_lie_together = matches!(inner.dims(), [] | [Dim { strides: [1], .. }]);
    let columns_lie_together = matches!(outer.dims(), [.., Dim { strides: [1], .. }]);
    let length = inner.len();
    if columns_lie_together && !rows_lie_together {
        // The work is in proportion to the columns.
        return split(out, UNIT, GRAIN_CHEAP.div_ceil(length), |start, out| {
            T::run(Columns { out, x, about, outer: &outer, inner: &inner, start, fold: PhantomData::<F> });
        });
    }
    let pieces = length.div_ceil(PIECE);
    let rows = Rows { x, about, outer: &outer, reduced, length, contiguous: rows_lie_together, pieces };
    if pieces == 1 {
        return rows.fold::<F>(out);
    }
    let mut partial = vec![T::ZERO; out.len() * pieces];
    rows.fold::<F>(&mut partial);
    for (out, partial) in out.iter_mut().zip(partial.chunks_exact(pieces)) {
        *out = fold_pairs::<T, F>(partial);
    }
}

/// Combines numbers in pairs, pairs of pairs and so on.
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

/// A reduction of rows: the elements of one output after those of another.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    x: &'a [T],
    /// One for each row, or none.
    about: &'a [T],
    outer: &'a Walk<1>,
    reduced: Axes<'a>,
    /// Elements of a row.
    length: usize,
    /// Whether they lie side by side.
    contiguous: bool,
    /// Parts that a row is divided into.
    pieces: usize,
}

impl<T: Real> Rows<'_, T> {
    /// Folds every piece of every row.
    fn fold<F: Fold<T>>(self, out: &mut [T]) {
        let grain = GRAIN_CHEAP.div_ceil(self.length.min(PIECE));
        split(out, 1, grain, |start, out| T::run(RowsKernel { rows: self, out, start, fold: PhantomData::<F> }));
    }
}

struct RowsKernel<'a, T, F> {
    rows: Rows<'a, T>,
    out: &'a mut [T],
    start: usize,
    fold: PhantomData<F>,
}

impl<T: Real, F: Fold<T>> Kernel<T> for RowsKernel<'_, T, F> {
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
        cascade.push::<S, F>(s, [tile]);
        if done == length {
            let [v] = cascade.finish::<S, F>(s);
            return fold_lanes::<T, S, F>(s, v);
        }
    }
}

/// A reduction of columns: the elements of neighbouring outputs lie side by side.
struct Columns<'a, T, F> {
    out: &'a mut [T],
    x: &'a [T],
    /// One for each column, or none.
    about: &'a [T],
    outer: &'a Walk<1>,
    inner: &'a Walk<1>,
    start: usize,
    fold: PhantomData<F>,
}

impl<T: Real, F: Fold<T>> Kernel<T> for Columns<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut walk = self.outer.clone();
        let mut at = walk.seek(self.start);
        let mut out = self.out;
        let mut about = self.about.get(self.start..).unwrap_or_default();
        while !out.is_empty() {
            let left = walk.dims().last().map_or(1, |d| d.size - d.at).min(out.len());
            let n = match left / S::LANES {
                WIDE.. if S::REGISTERS >= 32 => WIDE * S::LANES,
                NARROW.. => NARROW * S::LANES,
                _ => left.min(S::LANES),
            };
            let (part, rest) = out.split_at_mut(n);
            let (center, others) = about.split_at(n.min(about.len()));
            about = others;
            let x = self.x[at[0]..].as_ptr();
            // SAFETY: the kept and reduced dimensions were checked to stay within `x`, and `n` columns are left.
            unsafe {
                if n == WIDE * S::LANES {
                    fold_columns::<T, S, F, WIDE>(s, part, x, center, self.inner);
                } else if n == NARROW * S::LANES {
                    fold_columns::<T, S, F, NARROW>(s, part, x, center, self.inner);
                } else {
                    fold_columns::<T, S, F, 1>(s, part, x, center, self.inner);
                }
            }
            walk.step(n, &mut at);
            out = rest;
        }
    }
}

/// Folds the rows of `W` vectors of columns, or of a single vector's head if there are fewer outputs, in blocks of [`ROWS`].
///
/// # Safety
/// `x`, and all places that `inner` reaches from there, must be valid for reads of as many elements as `out` has.
#[inline(always)]
unsafe fn fold_columns<T: Real, S: Simd<T>, F: Fold<T>, const W: usize>(
    s: S,
    out: &mut [T],
    x: *const T,
    about: &[T],
    inner: &Walk<1>,
) {
    let n = out.len();
    let mut center = [s.splat(T::ZERO); W];
    for (center, about) in center.iter_mut().zip(about.chunks(S::LANES)) {
        *center = load_or(s, about, T::ZERO);
    }
    let mut cascade = Cascade::<T, W>::new();
    let mut walk = inner.clone();
    let mut at = [0];
    let mut left = inner.len();
    while left > 0 {
        let mut acc = [s.splat(F::IDENTITY); W];
        let mut block = left.min(ROWS);
        left -= block;
        while block > 0 {
            let Some(&Dim { size, strides: [stride], at: done }) = walk.dims().last() else {
                unreachable!("without dimensions rows lie together")
            };
            let run = block.min(size - done);
            let mut row = x.wrapping_add(at[0]);
            for _ in 0..run {
                for (v, (acc, &center)) in acc.iter_mut().zip(&center).enumerate() {
                    // SAFETY: the caller's.
                    let x =
                        unsafe { if W == 1 { s.load_head(row, n) } else { s.load(row.wrapping_add(v * S::LANES)) } };
                    *acc = F::step(s, *acc, x, center);
                }
                row = row.wrapping_add(stride);
            }
            walk.step(run, &mut at);
            block -= run;
        }
        cascade.push::<S, F>(s, acc);
    }
    for (out, v) in out.chunks_mut(S::LANES).zip(cascade.finish::<S, F>(s)) {
        // SAFETY: the chunk has so many elements.
        unsafe { s.store_head(out.as_mut_ptr(), v, out.len()) };
    }
}
