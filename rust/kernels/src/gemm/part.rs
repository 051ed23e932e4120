//! One thread's part of a product: blocks of rows, strips of columns, blocks of k, tiles.

use std::ops::Range;

use super::finish::{Activate, FinishTransposed};
use super::micro::{Finish, Panel, Registers};
use super::pack::{CopyTo, Strided, Strips, pack, with_scratch};
use super::transposed_b::{self, STEPS};
use super::{Activation, Epilogue, Slope, Tiles, div_ceil, lanes, share};
use crate::tuning::{
    self, BLOCK_ROWS, COPY_REUSE, KC, PREFETCH_BYTES, TOTALS, max_rows, max_transposed_b_rows, max_vectors,
};

/// A checked product: everything that its pointers describe is valid while tasks run, and parts write to disjoint
/// elements of C.
#[derive(Clone, Copy)]
pub(super) struct Product<T> {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: Strided<T>,
    /// Unused if B has been packed.
    pub b: Strided<T>,
    /// Elements that are readable from B's first on.
    pub b_len: usize,
    pub source: Source<T>,
    /// Logical vectors that fit into registers.
    pub registers: usize,
    pub strips: Strips,
    /// Row-major and contiguous: `m × n`, or `n × m` if `transposed`.
    pub c: *mut T,
    /// The result is stored transposed; then `m` is less than a vector.
    pub transposed: bool,
    pub bias: Option<*const T>,
    pub activation: Activation,
    /// With a pointer to the values, which have C's layout.
    pub slope: Option<(Slope, *const T)>,
    pub accumulate: bool,
}

// SAFETY: the pointers come from borrows of `Sync` data that outlive the tasks; for C see above.
unsafe impl<T: Sync> Sync for Product<T> {}

/// Where tiles read B from: they need contiguous rows.
#[derive(Clone, Copy)]
pub(super) enum Source<T> {
    /// B itself.
    InPlace,
    /// A packed copy: strip by strip, each row-major and contiguous.
    Packed(*const T),
    /// Each part packs what it needs.
    Pack,
}

/// Rows and strips of columns of a product.
pub(super) struct Part<'a, T> {
    pub product: &'a Product<T>,
    pub rows: Range<usize>,
    pub strips: Range<usize>,
}

impl<T: Tiles> Product<T> {
    /// A product of an `m × k` matrix and a `k × n` matrix; the caller sets the latter.
    pub fn new((m, k, n): (usize, usize, usize), a: Strided<T>, c: *mut T, epilogue: Epilogue<T>) -> Self {
        let registers = T::run(Registers);
        Self {
            m,
            k,
            n,
            a,
            b: a,
            b_len: 0,
            source: Source::InPlace,
            registers,
            strips: Strips::new::<T>(n, registers),
            c,
            transposed: false,
            bias: epilogue.bias.map(<[T]>::as_ptr),
            activation: epilogue.activation,
            slope: epilogue.slope.map(|(slope, values)| (slope, values.as_ptr())),
            accumulate: epilogue.accumulate,
        }
    }
}

impl<T: Tiles> Part<'_, T> {
    /// Computes the part: for each block of rows, for each block of k, all strips.
    pub fn run(&self) {
        let p = self.product;
        let width = lanes::<T>() * max_vectors(p.registers);
        let blocks = self.rows.len().div_ceil(BLOCK_ROWS).max(1);
        let height = div_ceil(self.rows.len(), blocks);
        let copies = self.copies_a();
        let a_row = p.k.min(KC).next_multiple_of(lanes::<T>()) + lanes::<T>();
        let unfinished = p.transposed || p.k > KC;
        let group = if unfinished { (TOTALS / (height * width).max(1)).max(1) } else { self.strips.len().max(1) };
        let sizes = [
            if copies { height * a_row } else { 0 },
            if matches!(p.source, Source::Pack) { p.k.min(KC) * width } else { 0 },
            if unfinished { group.min(self.strips.len()) * height * width } else { 0 },
        ];
        with_scratch::<T, _>(sizes.iter().sum(), |scratch| {
            let packed = scratch.wrapping_add(sizes[0]);
            let totals = packed.wrapping_add(sizes[1]);
            for i in 0..blocks {
                let rows = share(self.rows.clone(), blocks, i);
                let mut next = self.strips.start;
                while next < self.strips.end {
                    let first = next;
                    next = self.strips.end.min(first + group);
                    let strips = first..next;
                    let totals = |strip: usize| totals.wrapping_add((strip - first) * height * width);
                    // With k = 0 there is one empty block.
                    for block in 0..p.k.div_ceil(KC).max(1) {
                        let k = block * KC..p.k.min((block + 1) * KC);
                        let mut a = p.a.at(rows.start, k.start);
                        if copies {
                            T::run(CopyTo { from: a, rows: rows.len(), cols: k.len(), to: scratch, stride: a_row });
                            a = Strided { start: scratch, rows: a_row, cols: 1 };
                        }
                        for strip in strips.clone() {
                            self.strip(a, &rows, &p.strips.get(strip), &k, packed, totals(strip));
                        }
                    }
                    for strip in strips.filter(|_| p.transposed) {
                        let vectors = p.strips.get(strip);
                        let columns = vectors.start * lanes::<T>()..p.n.min(vectors.end * lanes::<T>());
                        let stride = vectors.len() * lanes::<T>();
                        let totals = totals(strip).cast_const();
                        T::run(FinishTransposed { product: p, columns, totals, stride });
                    }
                }
            }
        });
    }

    /// Whether A is packed before it is used. Any strides work, but not all are fast.
    fn copies_a(&self) -> bool {
        let Product { k, n, a, .. } = *self.product;
        k > 1 && n >= COPY_REUSE && tuning::is_far(a.cols * size_of::<T>())
    }

    /// Computes steps `k` of a block of rows of one strip: `a` starts there, `packed` has room for a block of B, and
    /// `totals` for partial sums.
    fn strip(
        &self,
        a: Strided<T>,
        rows: &Range<usize>,
        vectors: &Range<usize>,
        k: &Range<usize>,
        packed: *mut T,
        totals: *mut T,
    ) {
        let p = self.product;
        let lanes = lanes::<T>();
        let (column, width) = (vectors.start * lanes, vectors.len() * lanes);
        // Rows of the first tile, if it transposes B and packs it for the others.
        let high = if matches!(p.source, Source::Pack) && p.b.rows == 1 && k.len() >= STEPS {
            rows.len().min(max_transposed_b_rows(p.registers))
        } else {
            0
        };
        let last = k.end == p.k && !p.transposed;
        let (b, b_step) = match p.source {
            Source::InPlace => (p.b.at(k.start, column).start, p.b.rows),
            Source::Pack if high > 0 => (packed.cast_const(), width),
            Source::Packed(start) => (start.wrapping_add(column * p.k + k.start * width), width),
            Source::Pack => {
                pack(p.b, p.n, vectors, k.clone(), packed);
                (packed.cast_const(), width)
            }
        };
        let k_whole = self.whole_steps(vectors, k);
        let finish = Finish {
            partial: None,
            accumulate: last && p.accumulate,
            bias: p.bias.filter(|_| last).map(|bias| bias.wrapping_add(column)),
            relu: last && p.activation == Activation::Relu,
            slope: None,
        };
        let is_large = |elements: usize| elements * size_of::<T>() >= PREFETCH_BYTES;
        // For the first strip only: after it A is in the cache.
        let prefetch_a = a.cols == 1 && vectors.start == p.strips.get(self.strips.start).start && is_large(p.m * p.k);
        let long = last && matches!(p.activation, Activation::Tanh | Activation::Sigmoid);
        for (first, height, tiles) in self.tiles(rows.len(), vectors.len(), high) {
            if tiles == 0 {
                continue;
            }
            let at = (rows.start + first) * p.n + column;
            let slope = p.slope.filter(|_| last).map(|(slope, values)| (slope, values.wrapping_add(at)));
            let total = totals.wrapping_add(first * width);
            let (c, c_stride) = if last { (p.c.wrapping_add(at), p.n) } else { (total, width) };
            let panel = Panel {
                a: a.at(first, 0).start,
                a_row: a.rows,
                a_step: a.cols,
                b,
                b_step,
                k: k.len(),
                k_whole,
                tiles,
                prefetch: prefetch_a,
                last: p.n.min(vectors.end * lanes) - (vectors.end - 1) * lanes,
                c,
                c_stride,
                finish: Finish {
                    partial: (k.start > 0).then_some((total.cast_const(), width)),
                    slope: slope.filter(|_| !long),
                    ..finish
                },
            };
            // SAFETY: the product was checked, and this panel lies within it.
            unsafe {
                if first < high {
                    let from = p.b.at(k.start, column);
                    let keep = height < rows.len();
                    let panel = Panel { prefetch: !keep && is_large(p.n * p.k), ..panel };
                    transposed_b::panel(&panel, height, vectors.len(), (from.start, from.cols), keep);
                } else {
                    T::panel(height, vectors.len(), &panel);
                }
            }
            if long {
                let (rows, vectors) = (tiles * height, vectors.len());
                T::run(Activate { panel: &panel, rows, vectors, activation: p.activation, slope });
            }
        }
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
    fn whole_steps(&self, vectors: &Range<usize>, k: &Range<usize>) -> usize {
        let p = self.product;
        let end = vectors.end * lanes::<T>();
        if end <= p.n || !matches!(p.source, Source::InPlace) {
            return k.len();
        }
        let whole = match p.b_len.checked_sub(end) {
            None => 0,
            Some(room) => room.checked_div(p.b.rows).map_or(k.end, |step| step + 1),
        };
        whole.clamp(k.start, k.end) - k.start
    }
}
