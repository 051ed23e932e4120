//! Gather and scatter-add of rows and elements by index.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::buffer::Buffer;
use crate::entries::entries;
use crate::lanes::prefetch;
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, split};
use crate::threads;
use crate::view::size;

/// Prefetch distance in bytes of rows: enough to hide the memory latency, little enough for a core's fill buffers.
const PREFETCH: usize = 4096;

/// An index that is out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadIndex {
    /// The position of the index in the list.
    pub position: usize,
    /// The index.
    pub index: i64,
}

entries! { Gathers for [f32 f64 i64 i32 u8] where T: Element {
    /// `out[b, i] = x[b, idx[i]]` for rows of `row_len` elements, in one matrix or in a contiguous batch of several.
    /// Negative indices count from the end.
    ///
    /// Fails on the first index that is out of range, before anything is written.
    ///
    /// # Panics
    /// If `out` does not have one row for every index in each matrix, or `x` does not consist of as many matrices of
    /// whole rows.
    pub fn gather_rows(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) -> Result<(), BadIndex> = gather_rows_body;
} }

fn gather_rows_body<T: Element>(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) -> Result<(), BadIndex> {
    let rows = check(out.len(), x.len(), row_len, idx)?;
    if out.is_empty() {
        return Ok(());
    }
    split(out, row_len, GRAIN_CHEAP, |start, mut out| {
        let (mut matrix, mut at) = (start / row_len / idx.len(), start / row_len % idx.len());
        while !out.is_empty() {
            let count = (idx.len() - at).min(out.len() / row_len);
            let (part, rest) = out.split_at_mut(count * row_len);
            let x = &x[matrix * rows * row_len..][..rows * row_len];
            gather_some(part, x, row_len, &idx[at..at + count]);
            (out, matrix, at) = (rest, matrix + 1, 0);
        }
    });
    Ok(())
}

/// As [`gather_rows`], for one matrix and indices that are in range.
fn gather_some<T: Element>(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) {
    let rows = x.len() / row_len;
    if row_len == 1 {
        for (out, &i) in out.iter_mut().zip(idx) {
            *out = x[row(i, rows, 1).start];
        }
        return;
    }
    let ahead = (PREFETCH / (row_len * size_of::<T>())).clamp(1, 16);
    for (i, out) in out.chunks_exact_mut(row_len).enumerate() {
        if let Some(&next) = idx.get(i + ahead) {
            prefetch_row(&x[row(next, rows, row_len)]);
        }
        out.copy_from_slice(&x[row(idx[i], rows, row_len)]);
    }
}

entries! { ScatterAdds for [f32 f64] where T: Real {
    /// `out[b, idx[i]] += x[b, i]` for rows of `row_len` elements, in order of `i`, in one matrix or in a contiguous
    /// batch of several. Each sum is accumulated in `f64` and rounded once. Negative indices count from the end.
    ///
    /// Fails on the first index that is out of range, before anything is written.
    ///
    /// # Panics
    /// If `x` does not have one row for every index in each matrix, `out` does not consist of as many matrices of whole
    /// rows, or, with an [`AllocError`](crate::buffer::AllocError), if there is no memory for the sums.
    pub fn scatter_add_rows(
        out: &mut [T],
        x: &[T],
        row_len: usize,
        idx: &[i64],
    ) -> Result<(), BadIndex> = scatter_add_rows_body;
} }

/// Rows up to this length are added by one task, because finding its own rows would cost each task as much as adding
/// all.
const SHORT: usize = 8;
/// If there are this many times more rows than indices, accumulating all rows costs more than sorting the indices.
const SPARSE: usize = 4;

fn scatter_add_rows_body<T: Real>(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) -> Result<(), BadIndex> {
    let rows = check(x.len(), out.len(), row_len, idx)?;
    if x.is_empty() {
        return Ok(());
    }
    let (own, picked) = (rows * row_len, idx.len() * row_len);
    let grain = (out.len() * GRAIN_CHEAP / x.len()).max(1);
    if out.len() > own {
        // Tasks divide the matrices.
        split(out, own, grain, |start, out| {
            for (x, out) in x[start / own * picked..].chunks_exact(picked).zip(out.chunks_exact_mut(own)) {
                T::run(ScatterAdd { out, first: 0, x, row_len, idx, rows });
            }
        });
    } else {
        // Every task iterates over all indices and adds to its own rows of the output. The work is proportional to `x`.
        let grain = if row_len < SHORT { own } else { grain };
        split(out, row_len, grain, |start, out| {
            T::run(ScatterAdd { out, first: start / row_len, x, row_len, idx, rows });
        });
    }
    Ok(())
}

/// Adds to those of `rows` rows that are in `out`, from row `first` on.
struct ScatterAdd<'a, T> {
    out: &'a mut [T],
    first: usize,
    x: &'a [T],
    row_len: usize,
    idx: &'a [i64],
    rows: usize,
}

impl<T: Real> Kernel<T> for ScatterAdd<'_, T> {
    type Out = ();
    // No explicit vectors: it enters the shell for the compiler's vectorization.
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        if self.rows / SPARSE > self.idx.len() { self.in_order() } else { self.at_once() }
    }
}

impl<T: Real> ScatterAdd<'_, T> {
    /// The row of `out` for an index, if it is there.
    #[inline(always)]
    fn row_of(&self, i: i64) -> Option<usize> {
        let row = if i < 0 { (i + self.rows as i64) as usize } else { i as usize };
        row.checked_sub(self.first).filter(|&row| row < self.out.len() / self.row_len)
    }

    /// Accumulates the sums of all rows together.
    #[inline(always)]
    fn at_once(self) {
        let mut room = Buffer::scratch::<f64>(self.out.len());
        let sums = room.get_mut();
        for (sum, x) in sums.iter_mut().zip(self.out.iter()) {
            *sum = x.to_f64();
        }
        if self.row_len == 1 && self.out.len() == self.rows {
            let n = self.rows as i64;
            for (x, &i) in self.x.iter().zip(self.idx) {
                sums[(i + (n & (i >> 63))) as usize] += x.to_f64();
            }
        } else {
            for (x, &i) in self.x.chunks_exact(self.row_len).zip(self.idx) {
                let Some(row) = self.row_of(i) else { continue };
                for (sum, x) in sums[row * self.row_len..][..self.row_len].iter_mut().zip(x) {
                    *sum += x.to_f64();
                }
            }
        }
        for (out, &mut sum) in self.out.iter_mut().zip(sums) {
            *out = T::from_f64(sum);
        }
    }

    /// Accumulates the sum of one row after another, and leaves out rows without an index.
    #[inline(always)]
    fn in_order(self) {
        let mut room = [Buffer::scratch::<i64>(2 * self.idx.len()), Buffer::scratch::<f64>(self.row_len)];
        let [pairs, sums] = &mut room;
        // Of every index that is here, its row and its place.
        let (pairs, _) = pairs.get_mut::<i64>().as_chunks_mut::<2>();
        let mut count = 0;
        for (at, &i) in self.idx.iter().enumerate() {
            if let Some(row) = self.row_of(i) {
                pairs[count] = [row as i64, at as i64];
                count += 1;
            }
        }
        let pairs = &mut pairs[..count];
        pairs.sort_unstable();
        let sums = sums.get_mut::<f64>();
        for same in pairs.chunk_by(|a, b| a[0] == b[0]) {
            let out = &mut self.out[same[0][0] as usize * self.row_len..][..self.row_len];
            for (sum, x) in sums.iter_mut().zip(out.iter()) {
                *sum = x.to_f64();
            }
            for &[_, at] in same {
                for (sum, x) in sums.iter_mut().zip(&self.x[at as usize * self.row_len..]) {
                    *sum += x.to_f64();
                }
            }
            for (out, &sum) in out.iter_mut().zip(sums.iter()) {
                *out = T::from_f64(sum);
            }
        }
    }
}

/// Checks lengths and indices, for `picked` elements selected from `all` elements. Returns the number of rows of a
/// matrix.
fn check(picked: usize, all: usize, row_len: usize, idx: &[i64]) -> Result<usize, BadIndex> {
    let per_matrix = idx.len().checked_mul(row_len).expect("the size of the indices overflows");
    if per_matrix == 0 {
        assert_eq!(picked, 0, "there must be one row for every index");
        return Ok(0);
    }
    assert_eq!(picked % per_matrix, 0, "there must be one row for every index");
    let matrices = picked / per_matrix;
    assert_eq!(all % (matrices * row_len).max(1), 0, "the matrices must consist of whole rows");
    let Some(rows) = all.checked_div(matrices * row_len) else { return Ok(0) };
    check_range(idx, rows).map(|()| rows)
}

/// Fails on the first index that is not in `-n .. n`.
pub fn check_range(idx: &[i64], n: usize) -> Result<(), BadIndex> {
    let n = n as i64;
    let bad = |i: i64| i >= n || i < -n;
    let found = AtomicBool::new(false);
    let tasks = threads::tasks_for(idx.len(), GRAIN_CHEAP);
    threads::run(tasks, |t| {
        let part = &idx[idx.len() * t / tasks..idx.len() * (t + 1) / tasks];
        // Without an early exit, which would cost more than it saves.
        if part.iter().fold(false, |found, &i| found | bad(i)) {
            found.store(true, Relaxed);
        }
    });
    match idx.iter().position(|&i| found.load(Relaxed) && bad(i)) {
        Some(position) => Err(BadIndex { position, index: idx[position] }),
        None => Ok(()),
    }
}

/// Flat row-major indices into an array of shape `of`: for each `i, j, …` of `shape`, that of element `i, j, …` with
/// `idx[i, j, …]` replacing the index along `dim`. Negative indices count from the end.
///
/// Fails on the first index that is out of range, before anything is written.
///
/// # Panics
/// If the numbers of dimensions differ, there is no dimension `dim`, `shape` is larger than `of` in another dimension,
/// or `out` and `idx` do not have the elements of `shape`.
pub fn numbers_along(out: &mut [i64], idx: &[i64], shape: &[usize], of: &[usize], dim: usize) -> Result<(), BadIndex> {
    let (&width, outer) = shape.split_last().expect("there is a dimension to gather along");
    assert!(
        shape.len() == of.len() && dim < of.len(),
        "the index and the array must have the same number of dimensions"
    );
    assert!(
        (0..of.len()).all(|d| d == dim || shape[d] <= of[d]),
        "the index must not exceed the array in the other dimensions"
    );
    assert!(out.len() == idx.len() && out.len() == size(shape), "there must be one number for every index");
    check_range(idx, of[dim])?;
    if out.is_empty() {
        return Ok(());
    }
    let stride = |d: usize| of[d + 1..].iter().product::<usize>();
    let (n, along) = (of[dim] as i64, stride(dim) as i64);
    // From one element of a row to the next.
    let step = i64::from(dim != outer.len());
    split(out, width, GRAIN_CHEAP, |start, out| {
        for (k, (out, idx)) in out.chunks_exact_mut(width).zip(idx[start..].chunks_exact(width)).enumerate() {
            let (mut row, mut base) = (start / width + k, 0);
            for d in (0..outer.len()).rev() {
                if d != dim {
                    base += row % outer[d] * stride(d);
                }
                row /= outer[d];
            }
            let mut base = base as i64;
            for (out, &i) in out.iter_mut().zip(idx) {
                *out = base + along * (i + (n & (i >> 63)));
                base += step;
            }
        }
    });
    Ok(())
}

/// The elements of a row whose index is in range.
fn row(i: i64, rows: usize, row_len: usize) -> Range<usize> {
    let i = if i < 0 { (i + rows as i64) as usize } else { i as usize };
    i * row_len..(i + 1) * row_len
}

/// Prefetches the first [`PREFETCH`] bytes of a row, whose address the hardware prefetcher cannot predict.
#[inline]
fn prefetch_row<T>(row: &[T]) {
    for line in (0..size_of_val(row).min(PREFETCH)).step_by(64) {
        prefetch(row.as_ptr().cast::<u8>().wrapping_add(line));
    }
}
