//! Packing of operands that cannot be read in place, and the scratch memory for it.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::resume_unwind;

use super::{Mat, SyncPtr, div_ceil, lanes, share};
use crate::buffer::AllocError;
use crate::simd::{Kernel, Real, Simd};
use crate::threads;
use crate::tuning::max_vectors;

/// A matrix by pointer and strides: element `(i, j)` is at `start + i·rows + j·cols`.
#[derive(Clone, Copy)]
pub(super) struct Strided<T> {
    pub start: *const T,
    pub rows: usize,
    pub cols: usize,
}

impl<T> Strided<T> {
    /// The matrix that starts at an offset, which must not be past the end of the data.
    pub fn new(mat: &Mat<T>, offset: usize) -> Self {
        Self {
            start: mat.data[offset..].as_ptr(),
            // Larger strides are those of dimensions of size one, and sums of them could overflow.
            rows: mat.row_stride.min(mat.data.len()),
            cols: mat.col_stride.min(mat.data.len()),
        }
    }

    /// The matrix from element `(i, j)` on.
    pub fn at(self, i: usize, j: usize) -> Self {
        Self { start: self.start.wrapping_add(i * self.rows + j * self.cols), ..self }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, ..self }
    }
}

/// Copies `rows × cols` elements to a row-major `to` with row stride `stride`. Each row is padded to whole vectors with
/// unspecified elements.
///
/// Whoever constructs one guarantees that the source is valid for reads of `rows × cols` elements, and `to` for writes
/// of `rows` rows, `stride` apart, of `cols` elements rounded up to whole vectors.
pub(super) struct CopyTo<T> {
    pub from: Strided<T>,
    pub rows: usize,
    pub cols: usize,
    pub to: *mut T,
    pub stride: usize,
}

impl<T: Real> Kernel<T> for CopyTo<T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { from, rows, cols, to, stride } = self;
        for j in (0..cols).step_by(S::LANES) {
            let width = S::LANES.min(cols - j);
            if from.cols == 1 {
                for i in 0..rows {
                    // SAFETY: row `i` has `width` elements from `j` on, and room for a vector.
                    unsafe { s.store(to.add(i * stride + j), s.load_head(from.at(i, j).start, width)) };
                }
            } else if from.rows == 1 {
                for i in (0..rows).step_by(S::LANES) {
                    let height = S::LANES.min(rows - i);
                    let to = to.wrapping_add(i * stride + j);
                    // SAFETY: as above, for rows `i .. i + height`.
                    unsafe { s.transpose(from.at(i, j).start, from.cols, width, height, to, stride) };
                }
            } else {
                for i in 0..rows {
                    for x in 0..width {
                        // SAFETY: as above.
                        unsafe { *to.add(i * stride + j + x) = *from.at(i, j + x).start };
                    }
                }
            }
        }
    }
}

/// The division of columns into nearly equal strips of vectors, none wider than a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strips {
    pub vectors: usize,
    pub count: usize,
}

impl Strips {
    /// The fewest strips.
    pub fn new<T: Real>(columns: usize, registers: usize) -> Self {
        let vectors = columns.div_ceil(lanes::<T>());
        Self { vectors, count: div_ceil(vectors, max_vectors(registers)) }
    }

    /// Rounds the number of strips up to a multiple of `parts`, but not beyond the number of vectors.
    pub fn multiple_of(self, parts: usize) -> Self {
        Self { count: self.count.next_multiple_of(parts).min(self.vectors), ..self }
    }

    /// The vectors of a strip.
    pub fn get(self, i: usize) -> Range<usize> {
        share(0..self.vectors, self.count, i)
    }
}

/// Packs steps `k` of one strip of a B with `n` columns into `to`, row-major and contiguous.
pub(super) fn pack<T: Real>(b: Strided<T>, n: usize, vectors: &Range<usize>, k: Range<usize>, to: *mut T) {
    let column = vectors.start * lanes::<T>();
    let stride = vectors.len() * lanes::<T>();
    let cols = stride.min(n - column);
    T::run(CopyTo { from: b.at(k.start, column), rows: k.len(), cols, to, stride });
}

/// Packs all of a `k × n` B, strip by strip.
pub(super) fn pack_all<T: Real>(b: Strided<T>, (k, n): (usize, usize), strips: Strips, tasks: usize, to: *mut T) {
    /// Steps of k in one work item, so that narrow matrices have enough items to share.
    const STEPS: usize = 64;
    let pieces = k.div_ceil(STEPS);
    let shared = SyncPtr((b, to));
    threads::run(tasks, |task| {
        for i in share(0..strips.count * pieces, tasks, task) {
            // In the order of B's memory.
            let (strip, piece) =
                if b.rows > b.cols { (i % strips.count, i / strips.count) } else { (i / pieces, i % pieces) };
            let vectors = strips.get(strip);
            let steps = piece * STEPS..k.min((piece + 1) * STEPS);
            let (b, to) = shared.get();
            let at = lanes::<T>() * (vectors.start * k + vectors.len() * steps.start);
            pack(b, n, &vectors, steps, to.wrapping_add(at));
        }
    });
}

/// A cache line, so that scratch memory is aligned to one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct CacheLine(#[expect(dead_code, reason = "read and written through pointers")] [f64; 8]);

/// Larger buffers are returned to the system after use.
const KEEP_BYTES: usize = 32 << 20;

thread_local! {
    /// Free buffers: a stack, because nested products take theirs later and return them earlier.
    static FREE: RefCell<Vec<Vec<CacheLine>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with memory for `len` elements that this thread reuses, so that packing allocates nothing in steady state.
/// Its contents are initialised but unspecified. If there is no memory, panics with [`AllocError`] as the payload and
/// without a message: the caller reports it.
pub(super) fn with_scratch<T: Real, R>(len: usize, f: impl FnOnce(*mut T) -> R) -> R {
    if len == 0 {
        return f(std::ptr::null_mut());
    }
    let lines = (len * size_of::<T>()).div_ceil(size_of::<CacheLine>());
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < lines {
        buffer = Vec::new();
        let bytes = lines * size_of::<CacheLine>();
        buffer.try_reserve_exact(lines).unwrap_or_else(|_| resume_unwind(Box::new(AllocError { bytes })));
        buffer.resize(lines, CacheLine([0.0; 8]));
    }
    let result = f(buffer.as_mut_ptr().cast());
    if buffer.len() * size_of::<CacheLine>() <= KEEP_BYTES {
        FREE.with_borrow_mut(|free| free.push(buffer));
    }
    result
}
