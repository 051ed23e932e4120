//! One thread's part of a product: blocks of rows, blocks of k, strips of columns, tiles.

use std::ops::Range;

use super::micro::{Activate, Finish, Registers, Tile};
use super::pack::{CopyTo, Strided, with_scratch};
use super::{Activation, lanes, share};
use crate::simd::Real;
use crate::tuning::{KC, MC, max_rows, max_vectors};

/// A product, checked: all that its pointers describe is valid while tasks run, and C is written by disjoint parts.
#[derive(Clone, Copy)]
pub(super) struct Product<T> {
    pub k: usize,
    pub n: usize,
    pub a: Strided<T>,
    pub b: Columns<T>,
    /// Row-major, with `n` columns.
    pub c: *mut T,
    pub bias: Option<*const T>,
    pub activation: Activation,
    pub accumulate: bool,
}

// SAFETY: the pointers come from borrows of `Sync` data that outlive the tasks; see above for C.
unsafe impl<T: Sync> Sync for Product<T> {}

/// B, in a form in which a vector of its columns is contiguous.
#[derive(Clone, Copy)]
pub(super) enum Columns<T> {
    /// In place: row `p` starts at `start + p·stride`, and `len` elements are readable from `start` on.
    InPlace { start: *const T, stride: usize, len: usize },
    /// Packed: for each block of k, for each vector of columns, the block's rows of that vector.
    Packed { start: *const T },
}

/// Rows and vectors of columns of a product.
pub(super) struct Part<'a, T> {
    pub product: &'a Product<T>,
    pub rows: Range<usize>,
    pub vectors: Range<usize>,
}

/// Blocks of k; a product of no terms has one, which is empty.
pub(super) fn blocks_of_k(k: usize) -> impl Iterator<Item = Range<usize>> {
    (0..k.div_ceil(KC).max(1)).map(move |i| i * KC..k.min((i + 1) * KC))
}

impl<T: Real> Part<'_, T> {
    /// Computes the part.
    pub fn run(&self) {
        let Product { k, n, a, accumulate, .. } = *self.product;
        let lanes = lanes::<T>();
        let registers = T::run(Registers);
        let width = n.min(self.vectors.end * lanes) - self.vectors.start * lanes;
        let blocks = self.rows.len().div_ceil(MC);
        let height = self.rows.len().div_ceil(blocks.max(1));
        // Sums of more than one block must wait for the last before they may be added to what C holds.
        let totals = if accumulate && k > KC { height * width } else { 0 };
        with_scratch::<T, _>(totals, |scratch| {
            for i in 0..blocks {
                let rows = share(self.rows.clone(), blocks, i);
                let totals = (totals > 0).then(|| (scratch, width));
                for k in blocks_of_k(k) {
                    self.block(registers, a.at(rows.start, k.start), &rows, &k, totals);
                }
            }
        });
    }

    /// One block of rows and one block of k; `a` starts there.
    fn block(
        &self,
        registers: usize,
        a: Strided<T>,
        rows: &Range<usize>,
        k: &Range<usize>,
        totals: Option<(*mut T, usize)>,
    ) {
        let Product { n, c, bias, activation, accumulate, .. } = *self.product;
        let lanes = lanes::<T>();
        let (first, last) = (k.start == 0, k.end == self.product.k);
        let strips = self.vectors.len().div_ceil(max_vectors(registers));
        let widest = self.vectors.len().div_ceil(strips.max(1));
        let tiles = rows.len().div_ceil(max_rows(registers, widest));
        for strip in 0..strips {
            let vectors = share(self.vectors.clone(), strips, strip);
            let column = vectors.start * lanes;
            let mut tile = self.columns(k, &vectors);
            (tile.a_row, tile.a_step) = (a.rows, a.cols);
            for i in 0..tiles {
                let tile_rows = share(rows.clone(), tiles, i);
                let c = (c.wrapping_add(tile_rows.start * n + column), n);
                let total = totals.map_or(c, |(start, stride)| {
                    let (i, j) = (tile_rows.start - rows.start, column - self.vectors.start * lanes);
                    (start.wrapping_add(i * stride + j), stride)
                });
                tile.a = a.at(tile_rows.start - rows.start, 0).start;
                (tile.c, tile.c_stride) = if last { c } else { total };
                tile.finish = Finish {
                    partial: (!first).then_some((total.0.cast_const(), total.1)),
                    accumulate: last && accumulate,
                    bias: bias.filter(|_| last).map(|bias| bias.wrapping_add(column)),
                    relu: last && activation == Activation::Relu,
                };
                let (rows, vectors) = (tile_rows.len(), vectors.len());
                // SAFETY: the product was checked, and this tile lies within it.
                unsafe { T::tile(rows, vectors, &tile) };
                if last && matches!(activation, Activation::Tanh | Activation::Sigmoid) {
                    T::run(Activate { tile: &tile, rows, vectors, activation });
                }
            }
        }
    }

    /// A tile's B: these vectors of columns in this block of k.
    fn columns(&self, k: &Range<usize>, vectors: &Range<usize>) -> Tile<T> {
        let n = self.product.n;
        let lanes = lanes::<T>();
        let first = vectors.start * lanes;
        let last = n.min(vectors.end * lanes) - (vectors.end - 1) * lanes;
        let (b, b_step, b_vector, k_whole) = match self.product.b {
            Columns::InPlace { start, stride, len } => {
                // Whole vectors reach beyond the last column, which is harmless while they stay within B's memory.
                let room = len.checked_sub(vectors.end * lanes);
                let whole = if last == lanes {
                    k.end
                } else {
                    room.map_or(0, |room| room.checked_div(stride).map_or(k.end, |p| p + 1))
                };
                (start.wrapping_add(k.start * stride + first), stride, lanes, whole.clamp(k.start, k.end) - k.start)
            }
            Columns::Packed { start } => {
                let block = start.wrapping_add(k.start * n.next_multiple_of(lanes));
                (block.wrapping_add(first * k.len()), lanes, k.len() * lanes, k.len())
            }
        };
        Tile {
            a: std::ptr::null(),
            a_row: 0,
            a_step: 0,
            b,
            b_step,
            b_vector,
            k: k.len(),
            k_whole,
            last,
            c: std::ptr::null_mut(),
            c_stride: 0,
            finish: Finish { partial: None, accumulate: false, bias: None, relu: false },
        }
    }
}

/// Packs B's columns: the vector of columns `vector`, in steps `steps` of k, which lie in one block.
pub(super) fn pack_columns<T: Real>(
    b: Strided<T>,
    (k, n): (usize, usize),
    vector: usize,
    steps: Range<usize>,
    to: *mut T,
) {
    let lanes = lanes::<T>();
    let block = steps.start / KC * KC;
    let block_len = KC.min(k - block);
    let at = block * n.next_multiple_of(lanes) + vector * lanes * block_len + (steps.start - block) * lanes;
    let cols = lanes.min(n - vector * lanes);
    let from = b.at(steps.start, vector * lanes);
    T::run(CopyTo { from, rows: steps.len(), cols, to: to.wrapping_add(at), stride: lanes });
}
