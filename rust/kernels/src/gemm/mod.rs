//! Matrix product, `C = epilogue(A·B)`, for operands with any strides.
//!
//! # Bits
//! Every element of C is accumulated over k in order, with fused multiply-adds, in blocks of [`tuning::KC`] steps. A
//! block starts at zero, and the blocks' sums are added in order; then the epilogue is applied, in the order of
//! [`Epilogue`]. Nothing else determines the bits: not the instruction set, the number of threads, the strides, or the
//! number of rows and columns.
//!
//! # Structure
//! [`loops`] decides which path a product takes, divides C between threads and has the loops over blocks, strips and
//! tiles, from the outside in; [`micro`] computes a tile in registers. A is read in place whatever its strides, B if its
//! rows are contiguous; where that is impossible, or slow, [`pack`] packs them first. [`gemm_packed`] takes a B that was
//! packed in advance.

mod loops;
mod micro;
mod pack;
mod packed;

pub use crate::math::Activation;
pub use micro::Tiles;
pub use packed::{Packed, gemm_packed};

use std::ops::Range;

use crate::simd::Real;
use crate::split::Shared;
use crate::{threads, tuning};
use loops::Product;

/// The largest number of elements of an operand, which with strides of 0 is not bounded by memory: padding makes a
/// packed copy up to 32 times as large, and its size in bytes must not overflow.
pub const MAX_ELEMENTS: usize = isize::MAX as usize >> 10;

/// A matrix operand: element `(i, j)` is `data[i·row_stride + j·col_stride]`. Strides may be 0.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    /// The elements, starting with element `(0, 0)`.
    pub data: &'a [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance between rows, in elements: the leading dimension if `col_stride` is 1.
    pub row_stride: usize,
    /// Distance between columns, in elements.
    pub col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// A row-major, contiguous matrix.
    #[must_use]
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose.
    #[must_use]
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// The matrix that starts at an offset, if this one does not reach outside its data there.
    #[inline]
    fn starting_at(self, offset: usize) -> Self {
        let data = &self.data[offset.min(self.data.len())..];
        // Larger strides are those of dimensions of size one, and sums of them could overflow.
        let (row_stride, col_stride) = (self.row_stride.min(data.len()), self.col_stride.min(data.len()));
        Self { data, row_stride, col_stride, ..self }
    }

    /// A block of the matrix, which starts at element `(rows.start, cols.start)`.
    #[inline]
    fn block(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        let start = rows.start * self.row_stride + cols.start * self.col_stride;
        Self { data: &self.data[start.min(self.data.len())..], rows: rows.len(), cols: cols.len(), ..self }
    }

    /// Panics unless all elements of the matrix that starts at `offset` lie within its data and it has at most
    /// [`MAX_ELEMENTS`].
    fn check(&self, name: &str, offset: usize) {
        if self.rows == 0 || self.cols == 0 {
            return;
        }
        let end = (self.rows - 1)
            .checked_mul(self.row_stride)
            .zip((self.cols - 1).checked_mul(self.col_stride))
            .and_then(|(i, j)| offset.checked_add(i)?.checked_add(j));
        assert!(end.is_some_and(|end| end < self.data.len()), "matrix {name} reaches outside its data");
        let size = self.rows.checked_mul(self.cols);
        assert!(size.is_some_and(|size| size <= MAX_ELEMENTS), "the size of matrix {name} overflows");
    }
}

/// What is applied to the product: C's previous contents are added, then the bias, then the activation is applied, and
/// finally the slope. The bits are those of [`crate::map`]'s functions applied to the plain product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a, T> {
    /// A vector that is broadcast over rows and added: one element for each column of C.
    pub bias: Option<&'a [T]>,
    /// Applied to the sum of all these.
    pub activation: Option<Activation>,
    /// The backward function of an activation, applied last: with the activation's values, one for each element of `c`.
    pub slope: Option<(Activation, &'a [T])>,
    /// Adds C's previous contents; otherwise C is not read.
    pub accumulate: bool,
}

impl<T> Epilogue<'_, T> {
    /// The epilogue of C's elements from `at` on, the first of which is in column `column`.
    #[inline]
    fn from(self, at: usize, column: usize) -> Self {
        let bias = self.bias.map(|bias| &bias[column..]);
        let slope = self.slope.map(|(activation, values)| (activation, &values[at..]));
        Self { bias, slope, ..self }
    }
}

/// `C = epilogue(A·B)`; `c` is row-major and contiguous.
///
/// # Panics
/// If the sizes do not fit together, or an operand reaches outside its data.
pub fn gemm<T: Tiles>(c: &mut [T], a: Mat<T>, b: Mat<T>, epilogue: Epilogue<T>) {
    gemm_batched(c, a, b, &[0], &[0], epilogue);
}

/// `C[i] = epilogue(A[i]·B[i])` for every `i`: product `i` takes the operands that start at `a_offsets[i]` and
/// `b_offsets[i]`, in elements, and writes the `i`-th matrix of `c`, which holds them row-major and consecutively.
///
/// # Panics
/// If the sizes do not fit together, or an operand reaches outside its data.
pub fn gemm_batched<T: Tiles>(
    c: &mut [T],
    a: Mat<T>,
    b: Mat<T>,
    a_offsets: &[usize],
    b_offsets: &[usize],
    epilogue: Epilogue<T>,
) {
    assert_eq!(a_offsets.len(), b_offsets.len(), "a batch needs as many offsets for A as for B");
    let size = check(c, (a.rows, a.cols), (b.rows, b.cols), a_offsets.len(), &epilogue);
    for (&a_offset, &b_offset) in a_offsets.iter().zip(b_offsets) {
        a.check("A", a_offset);
        b.check("B", b_offset);
    }
    if size == 0 {
        return;
    }
    let tasks = tasks_for(size.saturating_mul(a_offsets.len()), a.cols);
    let all = Shared::new(c);
    let one = |i: usize, tasks: usize| {
        let (a, b) = (a.starting_at(a_offsets[i]), b.starting_at(b_offsets[i]));
        // SAFETY: everything was checked above; C has `size` elements for each product, which nobody else accesses.
        unsafe { Product::new(a, b, all.part(i * size, size), epilogue.from(i * size, 0)) }.run(tasks);
    };
    if a_offsets.len() >= 2 * tasks {
        // Each thread computes whole products.
        threads::run(tasks, |task| share(0..a_offsets.len(), tasks, task).for_each(|i| one(i, 1)));
    } else {
        (0..a_offsets.len()).for_each(|i| one(i, tasks));
    }
}

/// The number of elements of a product of matrices of these sizes. Panics unless the sizes of operands, results and
/// epilogue agree.
fn check<T>(c: &[T], (m, k): (usize, usize), (rows, n): (usize, usize), batch: usize, epilogue: &Epilogue<T>) -> usize {
    assert_eq!(rows, k, "the columns of A and the rows of B must agree");
    let size = m.checked_mul(n).expect("the product's size overflows");
    assert_eq!(size.checked_mul(batch), Some(c.len()), "C must hold the products");
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "the bias must have one element for each column of C");
    assert!(
        epilogue.slope.is_none_or(|(_, values)| values.len() == c.len()),
        "a slope must have one value for each element of C"
    );
    size
}

/// The number of tasks for products with `size` elements in total, each a sum of `k` terms.
fn tasks_for(size: usize, k: usize) -> usize {
    threads::tasks_for(2_usize.saturating_mul(size).saturating_mul(k), tuning::GEMM_GRAIN)
}

/// The `i`-th of `parts` nearly equal parts of a range.
#[inline]
fn share(range: Range<usize>, parts: usize, i: usize) -> Range<usize> {
    if parts == 1 {
        return range;
    }
    let len = range.len();
    range.start + len * i / parts..range.start + len * (i + 1) / parts
}

/// `n.div_ceil(by)`, without a division in the trivial cases: small products would spend a quarter of their time on
/// divisions.
#[inline]
fn div_ceil(n: usize, by: usize) -> usize {
    match by {
        1 => n,
        _ if n <= by => usize::from(n > 0),
        _ => n.div_ceil(by),
    }
}

/// Elements of a logical vector.
const fn lanes<T: Real>() -> usize {
    size_of::<T::Lanes>() / size_of::<T>()
}
