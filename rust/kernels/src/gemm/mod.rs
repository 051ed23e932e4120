//! Matrix product, `C = epilogue(A·B)`, for operands with any strides.
//!
//! # Bits
//! Every element of C is summed over k in order, with fused multiply-adds, in blocks of [`tuning::KC`] steps. A block
//! starts at zero, and the blocks' sums are added in order; then comes the epilogue, in the order of [`Epilogue`]. That is all
//! that determines the bits: instruction set, number of threads, strides, and the number of rows and columns do not.
//!
//! # Structure
//! [`gemm`] divides C between threads, in rows and in vectors of columns; [`part`] walks one thread's part, in blocks that
//! stay in cache, down to tiles; [`micro`] computes a tile in registers. A is read in place whatever its strides, B if its
//! rows are contiguous; where that is impossible, or slow, [`pack`] copies them first. [`gemm_packed`] takes a B that keeps
//! such a copy from product to product.

mod finish;
mod micro;
mod pack;
mod packed;
mod part;
mod turned;

pub(crate) use micro::Tiles;
pub use packed::{Packed, gemm_packed};

use std::ops::Range;

use crate::simd::Real;
use crate::{threads, tuning};
use pack::{Strided, Strips, pack_all, with_scratch};
use part::{Part, Product, Source};

/// The largest number of elements of an operand, which strides of 0 let have any size: padding makes its copy up to 32 times
/// as large, and that must have a size in bytes.
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
    /// Distance between rows, in elements.
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

    /// Panics unless all elements of the matrix that starts at `offset` lie within its data, and copies of it have a size.
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

/// A function that turns a gradient `g` into that of an activation's input, given the activation's value `y`: those of
/// [`crate::map::Binary`], bit for bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slope {
    /// `y > 0 ? g : 0`.
    Relu,
    /// `g·(1 - y²)`, and 0 where `g` is 0.
    Tanh,
    /// `g·y·(1 - y)`, and 0 where `g` is 0.
    Sigmoid,
}

/// What becomes of the sums: what C held is added, then the bias, then the activation is applied, and at last the slope. The
/// functions give the bits that [`crate::map`]'s give of the product without them.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// A row that is added to every row: one element for each column of C.
    pub bias: Option<&'a [T]>,
    /// Applied to the sum of all these.
    pub activation: Activation,
    /// Applied last, and the activation's values, one for each element of `c`.
    pub slope: Option<(Slope, &'a [T])>,
    /// Adds what C held; without it C is not read.
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
pub fn gemm<T: Real>(c: &mut [T], a: Mat<T>, b: Mat<T>, epilogue: Epilogue<T>) {
    gemm_batched(c, a, b, &[0], &[0], epilogue);
}

/// `C[i] = epilogue(A[i]·B[i])` for every `i`: product `i` takes the operands that start at `a_offsets[i]` and
/// `b_offsets[i]`, in elements, and writes the `i`-th matrix of `c`, which holds them one behind the other, row-major.
///
/// # Panics
/// If the sizes do not fit together, or an operand reaches outside its data.
pub fn gemm_batched<T: Real>(
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
    let start = Shared(c.as_mut_ptr());
    if a_offsets.len() >= 2 * tasks {
        // Whole products for each thread.
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

/// The number of elements of a product of matrices of these sizes. Panics unless they, a batch's results and the epilogue fit
/// together.
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

/// Tasks for products with so many elements together, of `k` terms each.
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

/// `n.div_ceil(by)`, without the division where there is nothing to divide: small products would spend a quarter of their
/// time on divisions.
#[inline]
fn div_ceil(n: usize, by: usize) -> usize {
    match by {
        1 => n,
        _ if n <= by => usize::from(n > 0),
        _ => n.div_ceil(by),
    }
}

/// Elements of a vector.
const fn lanes<T: Real>() -> usize {
    size_of::<T::Lanes>() / size_of::<T>()
}

/// Decides whether a product is computed transposed, and computes it. `a_len` elements are readable from A's first on.
fn orient<T: Real>(mut product: Product<T>, a_len: usize, tasks: usize) {
    let Product { m, n, a, b, .. } = product;
    // Columns that do not fill a vector waste the rest of it, so they become rows.
    let narrow = n <= tuning::TRANSPOSE_COLS && m >= lanes::<T>();
    // Their rows of A are then columns, which tiles can turn.
    let steps = if b.cols == 1 { tuning::TURN_STEPS } else { tuning::TURN_STEPS_PACKED };
    let turns = a.cols == 1
        && n <= tuning::max_turned_rows(product.registers)
        && product.k >= steps
        && !tuning::is_far(a.rows * size_of::<T>());
    if narrow || ((a.rows == 1 || turns) && n < lanes::<T>() && m >= tuning::TRANSPOSE_ROWS * lanes::<T>()) {
        let strips = Strips::new::<T>(m, product.registers);
        product = Product { m: n, n: m, a: b.t(), b: a.t(), b_len: a_len, strips, transposed: true, ..product };
    }
    divide(product, tasks);
}

/// Decides where B is read from, and computes a product in at most `tasks` tasks.
fn divide<T: Real>(mut product: Product<T>, tasks: usize) {
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

/// Computes a product in a grid of at most `tasks` parts: the one whose largest part is smallest.
fn divide_grid<T: Real>(product: &mut Product<T>, tasks: usize) {
    let (m, Strips { vectors, count }) = (product.m, product.strips);
    if tasks == 1 {
        return Part { product, rows: 0..m, strips: 0..count }.run();
    }
    let packed = matches!(product.source, Source::Packed(_));
    let packing = if matches!(product.source, Source::Pack) { tuning::PACK_ROWS } else { 0 };
    // Strips that have been packed are not divided.
    let columns = if packed { count } else { vectors };
    let across = |down: usize| (tasks / down).min(columns);
    let largest = |down: usize| (m.div_ceil(down) + packing) * columns.div_ceil(across(down));
    // Rows of a transposed product are parts of lines of C, which two threads had better not share. Of equal grids, the
    // one with the most rows is taken: its parts share B, and write to separate lines.
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

/// A pointer that tasks use for disjoint or read-only parts of what it points to.
struct Shared<P>(P);

// SAFETY: see above; what the pointers point to is `Sync` and outlives the tasks.
unsafe impl<P> Sync for Shared<P> {}

impl<P: Copy> Shared<P> {
    /// The pointer; a method, so that closures capture the wrapper.
    fn get(&self) -> P {
        self.0
    }
}
