//! Rows picked by index, and added back.

use std::ops::Range;

use crate::entries::entries;
use crate::map::GRAIN_CHEAP;
use crate::simd::{Element, Real};
use crate::split::split;

/// Bytes of rows that are on their way while one is copied: enough to hide the memory's latency, few enough for a core's
/// queue of requests.
const PREFETCH: usize = 4096;

/// An index that is out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadIndex {
    /// Where the index stands in the list.
    pub position: usize,
    /// The index.
    pub index: i64,
}

entries! { Gathers for [f32 f64 i64 i32 u8] where T: Element {
    /// `out[i] = x[idx[i]]` for rows of `row_len` elements. Negative indices count from the end.
    ///
    /// Fails on the first index that is out of range, before anything is written.
    ///
    /// # Panics
    /// If `x` is not made of whole rows, or `out` does not have one row for every index.
    pub fn gather_rows(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) -> Result<(), BadIndex> = gather_rows_body;
} }

fn gather_rows_body<T: Element>(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) -> Result<(), BadIndex> {
    let rows = check(out.len(), x.len(), row_len, idx)?;
    if out.is_empty() {
        return Ok(());
    }
    split(out, row_len, GRAIN_CHEAP, |start, out| {
        let idx = &idx[start / row_len..];
        let ahead = (PREFETCH / (row_len * size_of::<T>())).clamp(1, 16);
        for (i, out) in out.chunks_exact_mut(row_len).enumerate() {
            if let Some(&next) = idx.get(i + ahead) {
                prefetch(&x[row(next, rows, row_len)]);
            }
            out.copy_from_slice(&x[row(idx[i], rows, row_len)]);
        }
    });
    Ok(())
}

entries! { ScatterAdds for [f32 f64] where T: Real {
    /// `out[idx[i]] += x[i]` for rows of `row_len` elements, in order of `i`. Negative indices count from the end.
    ///
    /// Fails on the first index that is out of range, before anything is written.
    ///
    /// # Panics
    /// If `out` is not made of whole rows, or `x` does not have one row for every index.
    pub fn scatter_add_rows(
        out: &mut [T],
        x: &[T],
        row_len: usize,
        idx: &[i64],
    ) -> Result<(), BadIndex> = scatter_add_rows_body;
} }

fn scatter_add_rows_body<T: Real>(out: &mut [T], x: &[T], row_len: usize, idx: &[i64]) -> Result<(), BadIndex> {
    let rows = check(x.len(), out.len(), row_len, idx)?;
    if x.is_empty() {
        return Ok(());
    }
    // Every task goes through all indices and adds to its own rows of the output. Its work is in proportion to `x`.
    let grain = (out.len() * GRAIN_CHEAP / x.len()).max(1);
    split(out, row_len, grain, |start, out| {
        let own = start..start + out.len();
        for (x, &i) in x.chunks_exact(row_len).zip(idx) {
            let to = row(i, rows, row_len);
            if own.contains(&to.start) {
                for (out, &x) in out[to.start - start..to.end - start].iter_mut().zip(x) {
                    *out = *out + x;
                }
            }
        }
    });
    Ok(())
}

/// Checks lengths and indices: `picked` elements for the indices, `all` elements that they pick from. Returns the rows to
/// pick from.
fn check(picked: usize, all: usize, row_len: usize, idx: &[i64]) -> Result<usize, BadIndex> {
    assert_eq!(Some(picked), idx.len().checked_mul(row_len), "there must be one row for every index");
    if row_len == 0 {
        return Ok(0);
    }
    assert_eq!(all % row_len, 0, "there must be whole rows to pick from");
    let rows = all / row_len;
    match idx.iter().position(|&i| i >= rows as i64 || i < -(rows as i64)) {
        Some(position) => Err(BadIndex { position, index: idx[position] }),
        None => Ok(rows),
    }
}

/// The elements of a row whose index is in range.
fn row(i: i64, rows: usize, row_len: usize) -> Range<usize> {
    let i = if i < 0 { (i + rows as i64) as usize } else { i as usize };
    i * row_len..(i + 1) * row_len
}

/// Asks for the first [`PREFETCH`] bytes of a row, whose place the processor cannot foresee.
#[inline]
fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of_val(row).min(PREFETCH)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().cast::<i8>().wrapping_add(line)) };
    }
    // Stable Rust has no prefetch for other processors.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}
