//! Matrix product, `C = epilogue(A·B)`, for operands with any strides.
//!
//! # Bits
//! Every element of C is accumulated over k in order, with fused multiply-adds, in blocks of [`tuning::KC`] steps. A
//! block starts at zero, and the blocks' sums are added in order; then the epilogue is applied, in the order of
//! [`Epilogue`]. Nothing else determines the bits: not the instruction set, the number of threads, the strides, or the
//! number of rows and columns.
//!
//! # Structure
//! [`gemm`] divides C between threads, by rows and by vectors of columns; [`part`] divides one thread's part into
//! blocks that stay in cache, and these into tiles; [`micro`] computes a tile in registers. A is read in place whatever
//! its strides, B if its rows are contiguous; where that is impossible, or slow, [`pack`] packs them first.
//! [`gemm_packed`] takes a B that was packed in advance.

mod finish;
mod micro;
mod pack;
mod packed;
mod part;
mod transposed_b;

pub use micro::Tiles;
pub use packed::{Packed, gemm_packed};

use std::ops::Range;

use crate::simd::Real;
use crate::{threads, tuning};
use pack::{Strided, Strips, pack_all, with_scratch};
use part::{Part, Product, Source};

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

/// A function that is applied to every element of a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Activation {
    /// `x`.
    #[default]
    None,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

/// The backward function of an activation: the gradient with respect to its input, from the gradient `g` with respect
/// to its output and that output `y`. The bits are those of [`crate::map::Binary`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slope {
    /// `y > 0 ? g : 0`.
    Relu,
    /// `g·(1 - y²)`, and 0 where `g` is 0.
    Tanh,
    /// `g·y·(1 - y)`, and 0 where `g` is 0.
    Sigmoid,
}

/// What is applied to the product: C's previous contents are added, then the bias, then the activation is applied, and
/// finally the slope. The bits are those of [`crate::map`]'s functions applied to the plain product.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// A vector that is broadcast over rows and added: one element for each column of C.
    pub bias: Option<&'a [T]>,
    /// Applied to the sum of all these.
    pub activation: Activation,
    /// Applied last: with the activation's values, one for each element of `c`.
    pub slope: Option<(Slope, &'a [T])>,
    /// Adds C's previous contents; otherwise C is not read.
    pub accumulate: bool,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self { bias: None, activation: Activation::None, slope: None, accumulate: false }
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
    let one = |i: usize, c: *mut T, tasks: usize| {
        let (a_at, b_at) = (a_offsets[i].min(a.data.len()), b_offsets[i].min(b.data.len()));
        let slope = epilogue.slope.map(|(slope, values)| (slope, &values[i * size..]));
        let (sizes, b_len) = ((a.rows, a.cols, b.cols), b.data.len() - b_at);
        let product = Product::new(sizes, Strided::new(&a, a_at), c, Epilogue { slope, ..epilogue });
        orient(Product { b: Strided::new(&b, b_at), b_len, ..product }, a.data.len() - a_at, tasks);
    };
    let start = SyncPtr(c.as_mut_ptr());
    if a_offsets.len() >= 2 * tasks {
        // Each thread computes whole products.
        threads::run(tasks, |task| {
            for i in share(0..a_offsets.len(), tasks, task) {
                one(i, start.get().wrapping_add(i * size), 1);
            }
        });
    } else {
        for i in 0..a_offsets.len() {
            one(i, start.get().wrapping_add(i * size), tasks);
        }
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

/// Decides whether to compute the transpose of the product, and computes it. `a_len` elements are readable from A's
/// first on.
fn orient<T: Tiles>(mut product: Product<T>, a_len: usize, tasks: usize) {
    let Product { m, n, a, b, .. } = product;
    // Columns that do not fill a vector waste the rest of it, so they become rows: Cᵀ = Bᵀ·Aᵀ.
    let narrow = n <= tuning::TRANSPOSE_COLS && m >= lanes::<T>();
    // Contiguous rows of A are then contiguous columns of the right operand, which tiles can transpose.
    let steps = if b.cols == 1 { tuning::TRANSPOSE_STEPS } else { tuning::TRANSPOSE_STEPS_PACKED };
    let transposes_a = a.cols == 1
        && n <= tuning::max_transposed_b_rows(product.registers)
        && product.k >= steps
        && !tuning::is_far(a.rows * size_of::<T>());
    if narrow || ((a.rows == 1 || transposes_a) && n < lanes::<T>() && m >= tuning::TRANSPOSE_ROWS * lanes::<T>()) {
        let strips = Strips::new::<T>(m, product.registers);
        product = Product { m: n, n: m, a: b.t(), b: a.t(), b_len: a_len, strips, transposed: true, ..product };
    }
    divide(product, tasks);
}

/// Decides whether B is packed, and computes a product in at most `tasks` tasks.
fn divide<T: Tiles>(mut product: Product<T>, tasks: usize) {
    let Product { m, k, n, b, .. } = product;
    let narrow = tuning::max_vectors(product.registers) == 1;
    let far = narrow && tuning::is_far(b.rows * size_of::<T>()) && m >= tuning::COPY_REUSE;
    if k == 0 || ((b.cols == 1 || n == 1) && !far) {
        divide_grid(&mut product, tasks);
    } else if m <= tuning::BLOCK_ROWS {
        product.source = Source::Pack;
        divide_grid(&mut product, tasks);
    } else {
        with_scratch::<T, _>(k * n.next_multiple_of(lanes::<T>()), |start| {
            pack_all(b, (k, n), product.strips, tasks, start);
            product.source = Source::Packed(start);
            divide_grid(&mut product, tasks);
        });
    }
}

/// Computes a product in a grid of at most `tasks` parts, that in which the largest part is smallest.
fn divide_grid<T: Tiles>(product: &mut Product<T>, tasks: usize) {
    let (m, Strips { vectors, count }) = (product.m, product.strips);
    if tasks == 1 {
        return Part { product, rows: 0..m, strips: 0..count }.run();
    }
    let packed = matches!(product.source, Source::Packed(_));
    let packing = if matches!(product.source, Source::Pack) { tuning::PACK_ROWS } else { 0 };
    // Packed strips are not divided.
    let columns = if packed { count } else { vectors };
    let across = |down: usize| (tasks / down).min(columns);
    let largest = |down: usize| (m.div_ceil(down) + packing) * columns.div_ceil(across(down));
    // Rows of a transposed product are columns of C, so dividing them would make threads write to the same cache lines.
    // Of equal grids, the one with the most rows is taken: its parts share B, and write to separate lines.
    let most = if product.transposed { 1 } else { tasks.min(m) };
    let down = (1..=most).rev().min_by_key(|&down| largest(down)).unwrap_or(1);
    let across = across(down);
    if !packed {
        product.strips = product.strips.multiple_of(across);
    }
    let product = &*product;
    threads::run(down * across, |task| {
        let (i, j) = (task / across, task % across);
        Part { product, rows: share(0..m, down, i), strips: share(0..product.strips.count, across, j) }.run();
    });
}

/// Pointers through which tasks access disjoint or read-only parts of a buffer.
struct SyncPtr<P>(P);

// SAFETY: see above; the buffers are `Sync` and outlive the tasks.
unsafe impl<P> Sync for SyncPtr<P> {}

impl<P: Copy> SyncPtr<P> {
    /// The pointer; a method, so that closures capture the wrapper.
    fn get(&self) -> P {
        self.0
    }
}
