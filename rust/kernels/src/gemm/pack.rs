//! Packing of operands that cannot be read in place, and the scratch memory for it.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::resume_unwind;
use std::slice::from_raw_parts_mut;

use super::{Mat, div_ceil, lanes, share};
use crate::buffer::AllocError;
use crate::simd::{Kernel, Real, Simd};
use crate::split::Shared;
use crate::threads;
use crate::tuning::max_vectors;

/// Copies a matrix to a row-major `to` with row stride `stride`. Each row is padded to whole vectors with unspecified
/// elements.
pub(super) fn pack<T: Real>(from: Mat<T>, to: &mut [T], stride: usize) {
    from.check("to pack", 0);
    let padded = from.cols.next_multiple_of(lanes::<T>());
    assert!(from.rows == 0 || (from.rows - 1) * stride + padded <= to.len(), "there is no room for the packed matrix");
    T::run(Pack { from, to, stride });
}

/// See [`pack`], which checks the sizes.
struct Pack<'a, T> {
    from: Mat<'a, T>,
    to: &'a mut [T],
    stride: usize,
}

impl<T: Real> Kernel<T> for Pack<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { from: Mat { data, rows, cols, row_stride, col_stride }, to, stride } = self;
        let (from, to) = (data.as_ptr(), to.as_mut_ptr());
        let from = |i: usize, j: usize| from.wrapping_add(i * row_stride + j * col_stride);
        for j in (0..cols).step_by(S::LANES) {
            let width = S::LANES.min(cols - j);
            if col_stride == 1 {
                for i in 0..rows {
                    // SAFETY: row `i` has `width` elements from `j` on, and room for a vector.
                    unsafe { s.store(to.add(i * stride + j), s.load_head(from(i, j), width)) };
                }
            } else if row_stride == 1 {
                for i in (0..rows).step_by(S::LANES) {
                    let height = S::LANES.min(rows - i);
                    let to = to.wrapping_add(i * stride + j);
                    // SAFETY: as above, for rows `i .. i + height`.
                    unsafe { s.transpose(from(i, j), col_stride, width, height, to, stride) };
                }
            } else {
                for i in 0..rows {
                    for x in 0..width {
                        // SAFETY: as above.
                        unsafe { *to.add(i * stride + j + x) = *from(i, j + x) };
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

/// Packs all of B, strip by strip.
pub(super) fn pack_all<T: Real>(b: Mat<T>, strips: Strips, tasks: usize, to: &mut [T]) {
    /// Steps of k in one work item, so that narrow matrices have enough items to share.
    const STEPS: usize = 64;
    let pieces = b.rows.div_ceil(STEPS);
    let to = Shared::new(to);
    threads::run(tasks, |task| {
        for i in share(0..strips.count * pieces, tasks, task) {
            // In the order of B's memory.
            let (strip, piece) = if b.row_stride > b.col_stride {
                (i % strips.count, i / strips.count)
            } else {
                (i / pieces, i % pieces)
            };
            let vectors = strips.get(strip);
            let steps = piece * STEPS..b.rows.min((piece + 1) * STEPS);
            let (column, width) = (vectors.start * lanes::<T>(), vectors.len() * lanes::<T>());
            // SAFETY: these steps of this strip are packed there, and by this task alone.
            let to = unsafe { to.part(column * b.rows + steps.start * width, steps.len() * width) };
            pack(b.block(steps, column..b.cols.min(column + width)), to, width);
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
/// Its contents are unspecified. If there is no memory, panics with [`AllocError`] as the payload and
/// without a message: the caller reports it.
pub(super) fn with_scratch<T: Real, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    if len == 0 {
        return f(&mut []);
    }
    let lines = (len * size_of::<T>()).div_ceil(size_of::<CacheLine>());
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < lines {
        buffer = Vec::new();
        let bytes = lines * size_of::<CacheLine>();
        buffer.try_reserve_exact(lines).unwrap_or_else(|_| resume_unwind(Box::new(AllocError { bytes })));
        buffer.resize(lines, CacheLine([0.0; 8]));
    }
    // SAFETY: there are so many elements, aligned and initialised, and every bit pattern is one.
    let result = f(unsafe { from_raw_parts_mut(buffer.as_mut_ptr().cast(), len) });
    if buffer.len() * size_of::<CacheLine>() <= KEEP_BYTES {
        FREE.with_borrow_mut(|free| free.push(buffer));
    }
    result
}
