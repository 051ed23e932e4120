//! The paths that a product can take, and its loops, from the outside in.
//!
//! [`Product::run`] decides whether Cᵀ = Bᵀ·Aᵀ is computed instead of C = A·B, and where tiles read B from ([`Source`]);
//! [`Product::divide`] divides C between threads, in a grid of parts. A part runs these loops:
//!
//! | loop | over | keeps in cache | packs |
//! |---|---|---|---|
//! | 1 (ic) | blocks of up to [`BLOCK_ROWS`] rows of A | | |
//! | 2 (jc) | groups of strips of B | their partial sums, up to [`TOTALS`] | |
//! | 3 (pc) | blocks of [`KC`] steps of k | the block of A, in L2 | that block, if [`Part::packs_a`] |
//! | 4 (jr) | strips of B, as wide as a tile | the strip, in L1 | that strip, if [`Source::Pack`] |
//! | 5 (ir) | panels: columns of tiles of equal height | | |
//!
//! The microkernel, [`micro`](super::micro), has the loops over the tiles of a panel and over k. In BLIS the loop over
//! blocks of rows is inside those over columns and k, to share a packed block of B; here B is mostly read in place.

use std::ops::Range;

use super::micro::{FinishTransposed, Panel, Registers, STEPS, Size};
use super::pack::{Strips, pack, pack_all, with_scratch};
use super::{Epilogue, Mat, Tiles, div_ceil, lanes, share};
use crate::split::Shared;
use crate::threads;
use crate::tuning::{self, BLOCK_ROWS, COPY_REUSE, KC, PREFETCH_BYTES, TOTALS, max_rows, max_transposed_b_rows};

/// A checked product of an `m × k` matrix and a `k × n` matrix.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, T> {
    m: usize,
    k: usize,
    n: usize,
    a: Mat<'a, T>,
    b: Source<'a, T>,
    /// The division of B's columns.
    strips: Strips,
    /// Row-major and contiguous: `m × n`, or `n × m` if `transposed`.
    c: Shared<'a, T>,
    /// The result is stored transposed; then `m` is less than a vector.
    transposed: bool,
    epilogue: Epilogue<'a, T>,
    /// Logical vectors that fit into registers.
    registers: usize,
}

/// Where tiles read B from: they need contiguous rows.
#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// From B itself.
    InPlace(Mat<'a, T>),
    /// Each part packs one strip of B at a time.
    Pack(Mat<'a, T>),
    /// All of B has been packed: strip by strip, each row-major and contiguous.
    Packed(&'a [T]),
}

impl<'a, T: Tiles> Product<'a, T> {
    /// # Safety
    /// The sizes must agree, and the matrices must not reach outside their data.
    pub unsafe fn new(a: Mat<'a, T>, b: Mat<'a, T>, c: &'a mut [T], epilogue: Epilogue<'a, T>) -> Self {
        let registers = T::run(Registers);
        let (strips, c) = (Strips::new::<T>(b.cols, registers), Shared::new(c));
        let (m, k, n, b) = (a.rows, a.cols, b.cols, Source::InPlace(b));
        Self { m, k, n, a, b, strips, c, transposed: false, epilogue, registers }
    }

    /// As [`Self::new`], with all of B packed: `b` has its elements, number of columns and strips.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn with_packed(
        a: Mat<'a, T>,
        (b, n, strips): (&'a [T], usize, Strips),
        c: &'a mut [T],
        epilogue: Epilogue<'a, T>,
    ) -> Self {
        let (m, k, b, c) = (a.rows, a.cols, Source::Packed(b), Shared::new(c));
        Self { m, k, n, a, b, strips, c, transposed: false, epilogue, registers: T::run(Registers) }
    }

    /// Computes the product in at most `tasks` tasks.
    pub fn run(mut self, tasks: usize) {
        let Source::InPlace(mut b) = self.b else { return self.divide(tasks) };
        if self.is_better_transposed(b) {
            (self.m, self.n, self.a, b) = (self.n, self.m, b.t(), self.a.t());
            self.strips = Strips::new::<T>(self.n, self.registers);
            self.transposed = true;
        }
        let Self { m, k, n, .. } = self;
        let narrow = tuning::max_vectors(self.registers) == 1;
        let far = narrow && tuning::is_far(b.row_stride * size_of::<T>()) && m >= COPY_REUSE;
        if k == 0 || ((b.col_stride == 1 || n == 1) && !far) {
            self.b = Source::InPlace(b);
            self.divide(tasks);
        } else if m <= BLOCK_ROWS {
            self.b = Source::Pack(b);
            self.divide(tasks);
        } else {
            with_scratch::<T, _>(k * n.next_multiple_of(lanes::<T>()), |packed| {
                pack_all(b, self.strips, tasks, packed);
                Product { b: Source::Packed(packed), ..self }.divide(tasks);
            });
        }
    }

    /// Whether to compute Cᵀ = Bᵀ·Aᵀ: columns that do not fill a vector waste the rest of it, so they become rows.
    fn is_better_transposed(&self, b: Mat<T>) -> bool {
        let Self { m, k, n, a, .. } = *self;
        // Contiguous rows of A become contiguous columns of the right operand, which tiles can transpose.
        let steps = if b.col_stride == 1 { tuning::TRANSPOSE_STEPS } else { tuning::TRANSPOSE_STEPS_PACKED };
        let transposes_a = a.col_stride == 1
            && n <= max_transposed_b_rows(self.registers)
            && k >= steps
            && !tuning::is_far(a.row_stride * size_of::<T>());
        (n <= tuning::TRANSPOSE_COLS && m >= lanes::<T>())
            || ((a.row_stride == 1 || transposes_a) && n < lanes::<T>() && m >= tuning::TRANSPOSE_ROWS * lanes::<T>())
    }

    /// Divides C between at most `tasks` tasks, in the grid whose largest part is smallest.
    fn divide(&mut self, tasks: usize) {
        let (m, Strips { vectors, count }) = (self.m, self.strips);
        if tasks == 1 {
            return Part { product: self, rows: 0..m, strips: 0..count }.run();
        }
        let packed = matches!(self.b, Source::Packed(_));
        let packing = if matches!(self.b, Source::Pack(_)) { tuning::PACK_ROWS } else { 0 };
        // Packed strips are not divided.
        let columns = if packed { count } else { vectors };
        let across = |down: usize| (tasks / down).min(columns);
        let largest = |down: usize| (m.div_ceil(down) + packing) * columns.div_ceil(across(down));
        // Rows of a transposed product are columns of C, so dividing them would make threads write to the same cache
        // lines. Of equal grids, the one with the most rows is taken: its parts share B, and write to separate lines.
        let most = if self.transposed { 1 } else { tasks.min(m) };
        let down = (1..=most).rev().min_by_key(|&down| largest(down)).unwrap_or(1);
        let across = across(down);
        if !packed {
            self.strips = self.strips.multiple_of(across);
        }
        let (product, count) = (&*self, self.strips.count);
        threads::run(down * across, |task| {
            let (i, j) = (task / across, task % across);
            Part { product, rows: share(0..m, down, i), strips: share(0..count, across, j) }.run();
        });
    }
}

/// Rows and strips of columns of a product, for one thread.
struct Part<'a, T> {
    product: &'a Product<'a, T>,
    rows: Range<usize>,
    strips: Range<usize>,
}

impl<T: Tiles> Part<'_, T> {
    /// Loops 1 to 4.
    fn run(&self) {
        let p = self.product;
        let width = lanes::<T>() * tuning::max_vectors(p.registers);
        let blocks = self.rows.len().div_ceil(BLOCK_ROWS).max(1);
        let height = div_ceil(self.rows.len(), blocks);
        let packs_a = self.packs_a();
        let a_stride = p.k.min(KC).next_multiple_of(lanes::<T>()) + lanes::<T>();
        let unfinished = p.transposed || p.k > KC;
        let group = if unfinished { (TOTALS / (height * width).max(1)).max(1) } else { self.strips.len().max(1) };
        let a_size = if packs_a { height * a_stride } else { 0 };
        let b_size = if matches!(p.b, Source::Pack(_)) { p.k.min(KC) * width } else { 0 };
        let totals_size = if unfinished { group.min(self.strips.len()) * height * width } else { 0 };
        with_scratch::<T, _>(a_size + b_size + totals_size, |scratch| {
            let (packed_a, rest) = scratch.split_at_mut(a_size);
            let (packed_b, totals) = rest.split_at_mut(b_size);
            // Loop 1 (ic).
            for i in 0..blocks {
                let rows = share(self.rows.clone(), blocks, i);
                // Loop 2 (jc).
                let mut first = self.strips.start;
                while first < self.strips.end {
                    let strips = first..self.strips.end.min(first + group);
                    // Of a strip, the partial sums, in rows of whole vectors.
                    let totals_at = |strip: usize| if unfinished { (strip - first) * height * width } else { 0 };
                    // Loop 3 (pc). With k = 0 there is one empty block.
                    for block in 0..p.k.div_ceil(KC).max(1) {
                        let k = block * KC..p.k.min((block + 1) * KC);
                        let mut a = p.a.block(rows.clone(), k.clone());
                        if packs_a {
                            pack(a, packed_a, a_stride);
                            a = Mat { data: packed_a, row_stride: a_stride, col_stride: 1, ..a };
                        }
                        // Loop 4 (jr).
                        for strip in strips.clone() {
                            self.strip(strip, &rows, &k, a, packed_b, &mut totals[totals_at(strip)..]);
                        }
                    }
                    if p.transposed {
                        for strip in strips.clone() {
                            self.store_transposed(strip, &totals[totals_at(strip)..]);
                        }
                    }
                    first = strips.end;
                }
            }
        });
    }

    /// Whether A is packed before it is used. Any strides work, but not all are fast.
    fn packs_a(&self) -> bool {
        let Product { k, n, a, .. } = *self.product;
        k > 1 && n >= COPY_REUSE && tuning::is_far(a.col_stride * size_of::<T>())
    }

    /// Computes steps `k` of the rows of one strip: `a` has these rows and steps, `packed` has room for the strip, and
    /// `totals` for its sums.
    fn strip(
        &self,
        strip: usize,
        rows: &Range<usize>,
        k: &Range<usize>,
        a: Mat<T>,
        packed: &mut [T],
        totals: &mut [T],
    ) {
        let p = self.product;
        let (columns, vectors) = self.columns(strip);
        let width = vectors * lanes::<T>();
        let (b, transposed_b) = self.read_b(&columns, width, k, packed);
        let high = if transposed_b.is_some() { rows.len().min(max_transposed_b_rows(p.registers)) } else { 0 };
        let (is_first, is_last) = (k.start == 0, k.end == p.k && !p.transposed);
        let is_large = |elements: usize| elements * size_of::<T>() >= PREFETCH_BYTES;
        let totals = totals.as_mut_ptr();
        // Loop 5 (ir).
        for (first, height, tiles) in self.tiles(rows.len(), vectors, high) {
            if tiles == 0 {
                continue;
            }
            let (k, k_whole) = (k.len(), self.whole_steps(&columns, vectors, k));
            let last = columns.len() - (vectors - 1) * lanes::<T>();
            let size = Size { rows: height, vectors, last, tiles, k, k_whole };
            let at = (rows.start + first) * p.n + columns.start;
            let total = totals.wrapping_add(first * width);
            let c = if is_last { (p.c.at(at), p.n) } else { (total, width) };
            let epilogue = if is_last { p.epilogue.from(at, columns.start) } else { Epilogue::default() };
            let partial = (!is_first).then_some((total.cast_const(), width));
            let a = a.block(first..rows.len(), 0..k);
            // SAFETY: the product was checked, this panel lies within it, and nobody else accesses this part of C.
            let panel = unsafe { Panel::new(a, b, c, size, partial, epilogue) };
            match transposed_b.filter(|_| first < high) {
                None => {
                    // For the first strip only: after it A is in the cache.
                    let prefetch = a.col_stride == 1 && strip == self.strips.start && is_large(p.m * p.k);
                    panel.run(prefetch);
                }
                Some(b) => {
                    let keep = height < rows.len();
                    // SAFETY: `packed` has room for the block, or for the steps that are transposed at once.
                    unsafe { panel.run_transposing(b, keep, !keep && is_large(p.n * p.k)) };
                }
            }
        }
    }

    /// Where tiles read steps `k` of a strip of B, with the row stride; and the block of B itself if its columns are
    /// contiguous, so that the first tile can transpose it and pack it there for the others.
    fn read_b(
        &self,
        columns: &Range<usize>,
        width: usize,
        k: &Range<usize>,
        packed: &mut [T],
    ) -> ((*const T, usize), Option<Mat<'_, T>>) {
        let p = self.product;
        match p.b {
            Source::InPlace(b) => ((b.block(k.clone(), columns.clone()).data.as_ptr(), b.row_stride), None),
            Source::Packed(b) => ((b[columns.start * p.k + k.start * width..].as_ptr(), width), None),
            Source::Pack(b) => {
                let b = b.block(k.clone(), columns.clone());
                let is_transposable = b.row_stride == 1 && b.rows >= STEPS && max_transposed_b_rows(p.registers) > 0;
                if !is_transposable {
                    pack(b, packed, width);
                }
                ((packed.as_mut_ptr().cast_const(), width), is_transposable.then_some(b))
            }
        }
    }

    /// The columns of a strip, and their number in vectors.
    fn columns(&self, strip: usize) -> (Range<usize>, usize) {
        let vectors = self.product.strips.get(strip);
        let (start, end) = (vectors.start * lanes::<T>(), vectors.end * lanes::<T>());
        (start..end.min(self.product.n), vectors.len())
    }

    /// Stores the sums of a strip of a transposed product.
    fn store_transposed(&self, strip: usize, totals: &[T]) {
        let p = self.product;
        let (columns, vectors) = self.columns(strip);
        let at = columns.start * p.m;
        // SAFETY: no other part has these columns.
        let c = unsafe { p.c.part(at, columns.len() * p.m) };
        T::run(FinishTransposed {
            c,
            m: p.m,
            totals,
            stride: vectors * lanes::<T>(),
            epilogue: p.epilogue.from(at, 0),
        });
    }

    /// The tiles of a strip, as (first row, rows of a tile, number of tiles): one of `high` rows, and nearly equal ones
    /// below it.
    fn tiles(&self, rows: usize, vectors: usize, high: usize) -> [(usize, usize, usize); 3] {
        let rest = rows - high;
        let tiles = div_ceil(rest, max_rows(self.product.registers, vectors));
        let height = div_ceil(rest, tiles.max(1));
        let lower = height.saturating_sub(1);
        let whole = rest - lower * tiles;
        [(0, high, usize::from(high > 0)), (high, height, whole), (high + whole * height, lower, tiles - whole)]
    }

    /// The number of leading steps of `k` in which whole vectors of a strip may be read: they may extend past B's last
    /// column as long as they stay within B's memory.
    fn whole_steps(&self, columns: &Range<usize>, vectors: usize, k: &Range<usize>) -> usize {
        let end = columns.start + vectors * lanes::<T>();
        match self.product.b {
            Source::InPlace(b) if end > columns.end => {
                let room = b.data.len().checked_sub(end);
                let whole = room.map_or(0, |room| room.checked_div(b.row_stride).map_or(k.end, |step| step + 1));
                whole.clamp(k.start, k.end) - k.start
            }
            _ => k.len(),
        }
    }
}
