//! Copies of operands that cannot be read in place, and the memory that they are made in.

use std::cell::RefCell;
use std::panic::resume_unwind;

use crate::buffer::AllocError;
use crate::simd::{Kernel, Real, Simd};

/// A matrix as the kernels see it: element `(i, j)` is at `start + i·rows + j·cols`.
#[derive(Clone, Copy)]
pub(super) struct Strided<T> {
    pub start: *const T,
    pub rows: usize,
    pub cols: usize,
}

impl<T> Strided<T> {
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
