//! Copies of operands that cannot be read in place, and the memory that they are made in.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::resume_unwind;

use super::{Mat, Shared, div_ceil, lanes, share};
use crate::buffer::AllocError;
use crate::simd::{Kernel, Real, Simd};
use crate::threads;
use crate::tuning::max_vectors;

/// A matrix as the kernels see it: element `(i, j)` is at `start + i·rows + j·cols`.
#[derive(Clone, Copy)]
pub(super) struct Strided<T> {
    pub start: *const T,
    pub rows: usize,
    pub cols: usize,
}

impl<T> Strided<T> {
    /// The matrix that starts at an offset, which must not lie behind the end of the data.
    pub fn new(mat: &Mat<T>, offset: usize) -> Self {
        Self {
            start: mat.data[offset..].as_ptr(),
            // Larger strides lead nowhere, and sums of them could overflow.
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

/// Copies `rows × cols` elements to `to`, row by row, `stride` apart. What lies behind a row's elements, up to a whole
/// number of vectors, is overwritten.
///
/// Who makes one answers for the source being valid for reads of `rows × cols` elements, and `to` for writes of `rows` rows,
/// `stride` apart and `cols` long, rounded up to whole vectors.
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

/// How columns are divided: into nearly equal strips of vectors, none wider than a tile may be.
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

    /// As many strips as `parts` can share, as long as there are vectors.
    pub fn multiple_of(self, parts: usize) -> Self {
        Self { count: self.count.next_multiple_of(parts).min(self.vectors), ..self }
    }

    /// The vectors of a strip.
    pub fn get(self, i: usize) -> Range<usize> {
        share(0..self.vectors, self.count, i)
    }
}

/// Copies steps `k` of a strip of a B with `n` columns to `to`, row by row, one behind the other.
pub(super) fn pack<T: Real>(b: Strided<T>, n: usize, vectors: &Range<usize>, k: Range<usize>, to: *mut T) {
    let column = vectors.start * lanes::<T>();
    let stride = vectors.len() * lanes::<T>();
    let cols = stride.min(n - column);
    T::run(CopyTo { from: b.at(k.start, column), rows: k.len(), cols, to, stride });
}

/// Packs all of a `k × n` B, strip by strip.
pub(super) fn pack_all<T: Real>(b: Strided<T>, (k, n): (usize, usize), strips: Strips, tasks: usize, to: *mut T) {
    /// Steps of k that are packed at once, so that narrow matrices have enough of them to share.
    const STEPS: usize = 64;
    let pieces = k.div_ceil(STEPS);
    let shared = Shared((b, to));
    threads::run(tasks, |task| {
        for i in share(0..strips.count * pieces, tasks, task) {
            // In the order in which B lies in memory.
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

/// A cache line, so that scratch memory is aligned to them.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read and written through pointers")] [f64; 8]);

/// More than this is given back to the system after use.
const KEEP_BYTES: usize = 32 << 20;

thread_local! {
    /// Buffers that are not in use: a stack, because products inside tasks take theirs after, and return them before.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with memory for `len` elements that this thread reuses, so that packing allocates nothing in steady state.
/// What it holds at first is unspecified (but initialised). If there is no memory, [`AllocError`] is the panic's payload,
/// without a message: whoever has a user tells them.
pub(super) fn with_scratch<T: Real, R>(len: usize, f: impl FnOnce(*mut T) -> R) -> R {
    if len == 0 {
        return f(std::ptr::null_mut());
    }
    let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < lines {
        buffer = Vec::new();
        let bytes = lines * size_of::<Line>();
        buffer.try_reserve_exact(lines).unwrap_or_else(|_| resume_unwind(Box::new(AllocError { bytes })));
        buffer.resize(lines, Line([0.0; 8]));
    }
    let result = f(buffer.as_mut_ptr().cast());
    if buffer.len() * size_of::<Line>() <= KEEP_BYTES {
        FREE.with_borrow_mut(|free| free.push(buffer));
    }
    result
}
