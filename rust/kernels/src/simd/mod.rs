//! One logical vector of 512 bits on every instruction set.
//!
//! A kernel is written once, generic over [`Simd`], and runs on AVX-512 (one register), AVX2 (two), NEON (four) or
//! plain arrays. Because the logical width is the same everywhere, reductions have the same shape everywhere, and
//! because every method below is an exactly specified IEEE 754 operation, so do the bits of every result.

mod coefficients;
mod dispatch;
mod element;
pub(crate) mod library;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub use coefficients::Coefficients;
pub use dispatch::{Isa, Kernel, available, isa, pin};
pub use element::{Element, Real};
pub use library::Library;
pub use scalar::Scalar;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;

/// Vector operations on `LANES` elements of type `T`.
///
/// The implementing type is a zero-sized token: it proves that the CPU has the instructions, which is why the
/// arithmetic methods are safe. Only the dispatch of [`Kernel`] creates tokens. All methods are inlined into a shell, a
/// function with the instruction set's target features, so a call costs nothing.
pub trait Simd<T: Real>: Copy + Send + Sync + 'static {
    /// A logical vector.
    type V: Copy;
    /// The result of a lane-wise comparison.
    type M: Copy;
    /// Elements in a vector: 16 for `f32`, 8 for `f64`.
    const LANES: usize;
    /// Logical vectors that fit into registers.
    const REGISTERS: usize;

    /// Runs `kernel` in the shell of this instruction set: a separate function, compiled once for all callers.
    fn call<K: Kernel<T>>(self, kernel: K) -> K::Out;

    /// Loads `LANES` elements.
    ///
    /// # Safety
    /// `p` must be valid for reads of `LANES` elements (any alignment that `T` has).
    unsafe fn load(self, p: *const T) -> Self::V;
    /// Loads the first `n` elements, and zero in the other lanes.
    ///
    /// # Safety
    /// `n <= LANES`, and `p` must be valid for reads of `n` elements.
    unsafe fn load_head(self, p: *const T, n: usize) -> Self::V;
    /// Stores `LANES` elements.
    ///
    /// # Safety
    /// `p` must be valid for writes of `LANES` elements.
    unsafe fn store(self, p: *mut T, v: Self::V);
    /// Stores the first `n` lanes and nothing after them.
    ///
    /// # Safety
    /// `n <= LANES`, and `p` must be valid for writes of `n` elements.
    unsafe fn store_head(self, p: *mut T, v: Self::V, n: usize);

    /// Loads four elements, and repeats them in all lanes.
    ///
    /// # Safety
    /// `p` must be valid for reads of four elements.
    unsafe fn load_quad(self, p: *const T) -> Self::V;
    /// The first four lanes of `rows[0]`, the next four of `rows[1]`, and so on.
    fn quads(self, rows: [Self::V; 4]) -> Self::V;

    /// Stores lane `i` of the four vectors contiguously at `p + i·stride`, in increasing order of `i`: with a stride
    /// below four, each quad overwrites the end of the one before.
    ///
    /// # Safety
    /// `p` must be valid for writes of `(LANES - 1)·stride + 4` elements.
    #[inline(always)]
    unsafe fn store_quads(self, p: *mut T, stride: usize, vectors: [Self::V; 4]) {
        let [a, b, c, d] = vectors.map(|v| self.to_array(v));
        for i in 0..Self::LANES {
            let quad = [a.as_ref()[i], b.as_ref()[i], c.as_ref()[i], d.as_ref()[i]];
            // SAFETY: the caller's.
            unsafe { p.add(i * stride).copy_from_nonoverlapping(quad.as_ptr(), 4) };
        }
    }

    /// `x` in every lane.
    fn splat(self, x: T) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a × b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a ÷ b`, correctly rounded.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a × b + c` with one rounding.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `√a`, correctly rounded.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a > b ? a : b`, so `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a < b ? a : b`, so `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The nearest integer, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// The largest integer that is not above `a`.
    fn floor(self, a: Self::V) -> Self::V;

    /// `a < b`; false where either is NaN.
    fn lt(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a <= b`; false where either is NaN.
    fn le(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a == b`; false where either is NaN.
    fn eq(self, a: Self::V, b: Self::V) -> Self::M;
    /// `m ? a : b`.
    fn select(self, m: Self::M, a: Self::V, b: Self::V) -> Self::V;

    /// Bitwise and.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise or.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise exclusive or.
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// The lanes' bits, added as integers (wrapping).
    fn int_add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The lanes' bits, subtracted as integers (wrapping).
    fn int_sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// The lanes' bits shifted left by `n`, which must be below the lane's width.
    fn shl(self, a: Self::V, n: u32) -> Self::V;
    /// The lanes' bits shifted right by `n`, filled with zeros; `n` must be below the lane's width.
    fn shr(self, a: Self::V, n: u32) -> Self::V;

    /// Transposes `rows × cols` elements, at most `LANES` of each: `to[j·to_stride + i] = from[i·stride + j]`. Every
    /// row is written as a whole vector, padded with zeros after its `rows` elements.
    ///
    /// # Safety
    /// `from` must be valid for reads of `rows` rows of `cols` elements, `stride` apart, and `to` for writes of `cols`
    /// rows of `LANES` elements, `to_stride` apart; they must not overlap.
    #[inline(always)]
    unsafe fn transpose(self, from: *const T, stride: usize, rows: usize, cols: usize, to: *mut T, to_stride: usize) {
        // SAFETY: the caller's.
        unsafe { transpose_one_by_one::<T, Self>(from, stride, rows, cols, to, to_stride) };
    }

    /// Elements `at .. at + 8` of `LANES` rows: vector `j` holds element `at + j` of each.
    ///
    /// # Safety
    /// `rows` must be valid for reads of `LANES` pointers, and each of these for reads of `at + 8` elements.
    #[inline(always)]
    unsafe fn columns(self, rows: *const *const T, at: usize) -> [Self::V; 8] {
        let mut columns = [T::Lanes::default(); 8];
        for (j, column) in columns.iter_mut().enumerate() {
            for (i, x) in column.as_mut().iter_mut().enumerate() {
                // SAFETY: the caller's.
                *x = unsafe { *(*rows.add(i)).add(at + j) };
            }
        }
        let mut vectors = [self.splat(T::ZERO); 8];
        for (vector, column) in vectors.iter_mut().zip(&columns) {
            *vector = self.load_array(column);
        }
        vectors
    }

    /// `|a|`.
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        self.and(a, self.splat(T::ABS_MASK))
    }
    /// `-a`.
    #[inline(always)]
    fn neg(self, a: Self::V) -> Self::V {
        self.xor(a, self.splat(T::NEG_ZERO))
    }
    /// `a × 2^n` for an integer `n`, with one rounding; |n| must be below twice the largest exponent.
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        // Two factors, because 2^n itself may not be representable. The first product is exact.
        let half = self.floor(self.mul(n, self.splat(T::from_f64(0.5))));
        let a = self.mul(a, self.pow2(half));
        self.mul(a, self.pow2(self.sub(n, half)))
    }
    /// `2^n` for an integer `n` whose power is a normal number.
    #[inline(always)]
    fn pow2(self, n: Self::V) -> Self::V {
        self.shl(self.add(n, self.splat(T::ROUND)), T::MANTISSA)
    }
    /// The vector of these lanes, in order.
    #[inline(always)]
    fn load_array(self, lanes: &T::Lanes) -> Self::V {
        // SAFETY: `Real::Lanes` is an array of exactly `LANES` elements.
        unsafe { self.load(lanes.as_ref().as_ptr()) }
    }
    /// The lanes in order.
    #[inline(always)]
    fn to_array(self, a: Self::V) -> T::Lanes {
        let mut lanes = T::Lanes::default();
        // SAFETY: `Real::Lanes` is an array of exactly `LANES` elements.
        unsafe { self.store((&raw mut lanes).cast(), a) };
        lanes
    }
    /// The sum of the lanes by halving: lane `i` plus lane `i + LANES/2`, and so on. The tree is part of the numeric
    /// contract.
    #[inline(always)]
    fn reduce_add(self, a: Self::V) -> T {
        let mut lanes = self.to_array(a);
        let x = lanes.as_mut();
        let mut half = Self::LANES / 2;
        while half > 0 {
            for i in 0..half {
                x[i] = x[i] + x[i + half];
            }
            half /= 2;
        }
        x[0]
    }
    /// The largest lane, by the tree of [`Simd::reduce_add`] and the order of operands of [`Simd::max`].
    #[inline(always)]
    fn reduce_max(self, a: Self::V) -> T {
        let mut lanes = self.to_array(a);
        let x = lanes.as_mut();
        let mut half = Self::LANES / 2;
        while half > 0 {
            for i in 0..half {
                x[i] = if x[i] > x[i + half] { x[i] } else { x[i + half] };
            }
            half /= 2;
        }
        x[0]
    }
}

/// [`Simd::transpose`], element by element.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn transpose_one_by_one<T: Real, S: Simd<T>>(
    from: *const T,
    stride: usize,
    rows: usize,
    cols: usize,
    to: *mut T,
    to_stride: usize,
) {
    debug_assert!(rows <= S::LANES && cols <= S::LANES);
    for j in 0..cols {
        for i in 0..S::LANES {
            // SAFETY: the caller's.
            unsafe { *to.add(j * to_stride + i) = if i < rows { *from.add(i * stride + j) } else { T::ZERO } };
        }
    }
}

/// Overrides [`Simd::transpose`], given a function that transposes the next `$group` elements of all rows, and
/// masks that it needs.
#[cfg(target_arch = "x86_64")]
macro_rules! transpose_in_groups {
    ($t:ident, $lanes:expr, $group:literal, $masks:expr, $transpose:ident) => {
        #[inline(always)]
        unsafe fn transpose(
            self,
            from: *const $t,
            stride: usize,
            rows: usize,
            cols: usize,
            to: *mut $t,
            to_stride: usize,
        ) {
            if cols < $group {
                // SAFETY: the caller's.
                return unsafe { super::transpose_one_by_one::<$t, Self>(from, stride, rows, cols, to, to_stride) };
            }
            let mut padded = std::mem::MaybeUninit::<[[$t; $lanes]; $lanes]>::uninit();
            let (from, stride) = if rows == $lanes {
                (from, stride)
            } else {
                let square = padded.as_mut_ptr().cast::<$t>();
                for i in 0..$lanes {
                    // SAFETY: the caller's: row `i` has `cols` elements. The square has room for `LANES` vectors.
                    unsafe {
                        let row = if i < rows {
                            self.load_head(from.add(i * stride), cols)
                        } else {
                            <Self as Simd<$t>>::splat(self, 0.0)
                        };
                        self.store(square.add(i * $lanes), row);
                    }
                }
                (square.cast_const(), $lanes)
            };
            // Every fourth row. If the compiler knew how they are related, it would keep a pointer to each row, for
            // which there are no registers.
            let row = |i: usize| super::opaque(from.wrapping_add(i * ($lanes / 4) * stride));
            let (row0, row1, row2, row3) = (row(0), row(1), row(2), row(3));
            let masks = $masks;
            for j in (0..cols).step_by($group) {
                // The last group overlaps the one before, if there is less than a group left.
                let j = j.min(cols - $group);
                // SAFETY: the caller's: `cols` elements of each row are readable, and `cols` rows of `to` writable; and
                // the token's.
                unsafe {
                    let from = [row0.add(j), row1.add(j), row2.add(j), row3.add(j)];
                    $transpose(from, stride, masks, to.add(j * to_stride), to_stride);
                }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
use transpose_in_groups;

/// Returns `x`, opaque to the optimizer, which then cannot tell how pointers are related.
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written")]
#[inline(always)]
pub(crate) fn opaque<T>(x: *const T) -> *const T {
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    return x;
    #[cfg(all(not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let mut x = x;
        // SAFETY: there are no instructions.
        unsafe { std::arch::asm!("/* {0} */", inout(reg) x, options(pure, nomem, nostack, preserves_flags)) };
        x
    }
}
