//! Matrix product, `C = epilogue(A·B)`, for operands with any strides.
//!
//! # Bits
//! Every element of C is summed over k in order, with fused multiply-adds, in blocks of [`tuning::KC`] steps. A block
//! starts at zero, and the blocks' sums are added in order; then come what C held, the bias, and the activation. That is all
//! that determines the bits: instruction set, number of threads, strides, and the number of rows and columns do not.
//!
//! # Structure
//! [`gemm`] divides C between threads, in rows and in vectors of columns; [`part`] walks one thread's part, in blocks that
//! stay in cache, down to tiles; [`micro`] computes a tile in registers. A is read in place if its rows run along k (NN) or
//! lie side by side (TN), B if its rows are contiguous; [`pack`] copies other operands first.

mod micro;
mod pack;
mod part;

pub(crate) use micro::Tiles;

use std::ops::Range;

use crate::simd::Real;
use crate::{threads, tuning};
use pack::{Strided, with_scratch};
use part::{Columns, Part, Product, pack_columns};

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

    /// Panics unless all elements of the matrix that starts at `offset` lie within its data.
    fn check(&self, name: &str, offset: usize) {
        if self.rows == 0 || self.cols == 0 {
            return;
        }
        let end = (self.rows - 1)
            .checked_mul(self.row_stride)
            .zip((self.cols - 1).checked_mul(self.col_stride))
            .and_then(|(i, j)| offset.checked_add(i)?.checked_add(j));
        assert!(end.is_some_and(|end| end < self.data.len()), "matrix {name} reaches outside its data");
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

/// What becomes of the sums: what C held is added, then the bias, and then the activation is applied.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// A row that is added to every row: one element for each column of C.
    pub bias: Option<&'a [T]>,
    /// Applied last.
    pub activation: Activation,
    /// Adds what C held; without it C is not read.
    pub accumulate: bool,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self { bias: None, activation: Activation::None, accumulate: false }
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
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(b.rows, k, "the columns of A and the rows of B must agree");
    assert_eq!(a_offsets.len(), b_offsets.len(), "a batch needs as many offsets for A as for B");
    let size = m.checked_mul(n).expect("the product's size overflows");
    assert_eq!(size.checked_mul(a_offsets.len()), Some(c.len()), "C must hold the products");
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "the bias must have one element for each column of C");
    for (&a_offset, &b_offset) in a_offsets.iter().zip(b_offsets) {
        a.check("A", a_offset);
        b.check("B", b_offset);
    }
    if size == 0 {
        return;
    }
    let product = |i: usize, c: *mut T| Product {
        k,
        n,
        a: Strided { start: a.data.as_ptr().wrapping_add(a_offsets[i]), rows: a.row_stride, cols: a.col_stride },
        b: Columns::InPlace {
            start: b.data.as_ptr().wrapping_add(b_offsets[i]),
            stride: b.row_stride,
            len: b.data.len().saturating_sub(b_offsets[i]),
        },
        c,
        bias: epilogue.bias.map(<[T]>::as_ptr),
        activation: epilogue.activation,
        accumulate: epilogue.accumulate,
    };
    let flops = 2_usize.saturating_mul(size).saturating_mul(k);
    let tasks = threads::tasks_for(flops.saturating_mul(a_offsets.len()), tuning::GEMM_GRAIN);
    let one = |i: usize, c: *mut T, tasks: usize| {
        let product = product(i, c);
        let in_place = b.col_stride == 1 || n == 1 || k == 0;
        if in_place {
            divide(&product, m, tasks);
        } else {
            let from =
                Strided { start: b.data.as_ptr().wrapping_add(b_offsets[i]), rows: b.row_stride, cols: b.col_stride };
            with_packed(from, k, n, tasks, |start| {
                divide(&Product { b: Columns::Packed { start }, ..product }, m, tasks)
            });
        }
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

/// The `i`-th of `parts` nearly equal parts of a range.
fn share(range: Range<usize>, parts: usize, i: usize) -> Range<usize> {
    let len = range.len();
    range.start + len * i / parts..range.start + len * (i + 1) / parts
}

/// Elements of a vector.
const fn lanes<T: Real>() -> usize {
    size_of::<T::Lanes>() / size_of::<T>()
}

/// Divides a product of `m` rows between `tasks` tasks: into the grid whose largest part is smallest.
fn divide<T: Real>(product: &Product<T>, m: usize, tasks: usize) {
    let vectors = product.n.div_ceil(lanes::<T>());
    if tasks == 1 {
        return Part { product, rows: 0..m, vectors: 0..vectors }.run();
    }
    let across = |down: usize| (tasks / down).min(vectors);
    let largest = |down: usize| m.div_ceil(down) * vectors.div_ceil(across(down));
    // Of equal grids, the one with the most rows: its parts share B, and write to separate lines.
    let down = (1..=tasks.min(m)).rev().min_by_key(|&down| largest(down)).unwrap_or(1);
    let across = across(down);
    threads::run(down * across, |task| {
        let (i, j) = (task / across, task % across);
        Part { product, rows: share(0..m, down, i), vectors: share(0..vectors, across, j) }.run();
    });
}

/// Packs B, and calls `f` with the packed copy.
fn with_packed<T: Real>(b: Strided<T>, k: usize, n: usize, tasks: usize, f: impl FnOnce(*const T)) {
    /// Steps of k that are packed at once: parts of [`tuning::KC`], so that narrow matrices have enough of them to share.
    const STEPS: usize = 64;
    let vectors = n.div_ceil(lanes::<T>());
    let pieces = k.div_ceil(STEPS);
    with_scratch::<T, _>(k * vectors * lanes::<T>(), |start| {
        let (start, b) = (Shared(start), Shared(b));
        threads::run(tasks, |task| {
            for i in share(0..vectors * pieces, tasks, task) {
                let (vector, piece) = (i / pieces, i % pieces);
                let steps = piece * STEPS..k.min((piece + 1) * STEPS);
                pack_columns(b.get(), (k, n), vector, steps, start.get());
            }
        });
        f(start.get());
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
