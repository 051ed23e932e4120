//! Right operands that are packed once and used many times.

use std::marker::PhantomData;

use super::loops::Product;
use super::micro::Registers;
use super::pack::{Strips, pack_all};
use super::{Epilogue, Mat, Tiles, check, gemm, lanes, tasks_for};
use crate::buffer::{AllocError, Buffer};
use crate::split::GRAIN_CHEAP;
use crate::threads;

/// A matrix in the packed layout of right operands: for the weights of layers, which are used more often than they
/// change. The layout depends on the matrix's size alone, not on the products.
#[derive(Debug)]
pub struct Packed<T> {
    /// Strip by strip, each row-major and contiguous.
    buffer: Buffer,
    rows: usize,
    cols: usize,
    strips: Strips,
    of: PhantomData<T>,
}

impl<T: Tiles> Packed<T> {
    /// A `rows × cols` matrix of zeros.
    ///
    /// # Errors
    /// If there is no memory for its elements, with `cols` rounded up to whole vectors.
    pub fn new(rows: usize, cols: usize) -> Result<Self, AllocError> {
        let padded = cols.checked_next_multiple_of(lanes::<T>()).and_then(|cols| cols.checked_mul(rows));
        let bytes = padded.and_then(|elements| elements.checked_mul(size_of::<T>())).unwrap_or(usize::MAX);
        let mut buffer = Buffer::new(bytes)?;
        buffer.get_mut::<T>().fill(T::ZERO);
        let mut strips = Strips::new::<T>(cols, T::run(Registers));
        if strips.count > 1 {
            // Threads take whole strips, so their number is a multiple of two.
            strips = strips.multiple_of(2);
        }
        Ok(Self { buffer, rows, cols, strips, of: PhantomData })
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Packs `b` into this matrix.
    ///
    /// # Panics
    /// If `b` has another size, or reaches outside its data.
    pub fn fill(&mut self, b: Mat<T>) {
        assert_eq!((b.rows, b.cols), (self.rows, self.cols), "a packed matrix keeps its size");
        b.check("B", 0);
        let size = self.rows * self.cols;
        if size > 0 {
            let tasks = threads::tasks_for(size, GRAIN_CHEAP);
            pack_all(b.starting_at(0), self.strips, tasks, self.buffer.get_mut::<T>());
        }
    }

    /// The elements: initialised, and written only through `&mut self`.
    fn data(&self) -> &[T] {
        let len = self.buffer.bytes() / size_of::<T>();
        // SAFETY: the buffer is this struct's own, so nobody holds a guard that could write while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.buffer.as_ptr().cast(), len) }
    }
}

/// `C = epilogue(A·B)` for a packed B, with the bits of [`gemm`]; `c` is row-major and contiguous.
///
/// # Panics
/// If the sizes do not agree, or A reaches outside its data.
pub fn gemm_packed<T: Tiles>(c: &mut [T], a: Mat<T>, b: &Packed<T>, epilogue: Epilogue<T>) {
    let strips = b.strips;
    if strips.count <= 1 {
        // One strip is a matrix whose rows are padded.
        let row_stride = b.cols.next_multiple_of(lanes::<T>());
        let b = Mat { data: b.data(), rows: b.rows, cols: b.cols, row_stride, col_stride: 1 };
        return gemm(c, a, b, epilogue);
    }
    let size = check(c, (a.rows, a.cols), (b.rows, b.cols), 1, &epilogue);
    a.check("A", 0);
    if size == 0 {
        return;
    }
    // SAFETY: the sizes were checked, and a packed matrix has been written as a whole.
    unsafe { Product::with_packed(a.starting_at(0), (b.data(), b.cols, strips), c, epilogue) }
        .run(tasks_for(size, a.cols));
}
