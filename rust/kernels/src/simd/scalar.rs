//! The portable implementation: arrays of one logical vector's lanes.

use super::Simd;

/// Arrays and plain Rust arithmetic; exact reference of every other instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

macro_rules! scalar {
    ($t:ident, $bits:ident, $lanes:literal) => {
        impl Simd<$t> for Scalar {
            type V = [$t; $lanes];
            type M = [bool; $lanes];
            const LANES: usize = $lanes;
            const REGISTERS: usize = 4;

            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> Self::V {
                // SAFETY: the caller's; an array of `$t` has the alignment of `$t`.
                unsafe { p.cast::<Self::V>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn load_head(self, p: *const $t, n: usize) -> Self::V {
                let mut v = [0.0; $lanes];
                // SAFETY: the caller's: `n` elements are readable, and `n <= LANES`.
                unsafe { p.copy_to_nonoverlapping(v.as_mut_ptr(), n) };
                v
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: Self::V) {
                // SAFETY: the caller's.
                unsafe { p.cast::<Self::V>().write_unaligned(v) };
            }
            #[inline(always)]
            unsafe fn store_head(self, p: *mut $t, v: Self::V, n: usize) {
                // SAFETY: the caller's: `n` elements are writable, and `n <= LANES`.
                unsafe { p.copy_from_nonoverlapping(v.as_ptr(), n) };
            }
            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                [x; $lanes]
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] / b[i])
            }
            #[inline(always)]
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
            }
            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i].sqrt())
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn round(self, a: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i].round_ties_even())
            }
            #[inline(always)]
            fn floor(self, a: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i].floor())
            }
            #[inline(always)]
            fn lt(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(|i| a[i] < b[i])
            }
            #[inline(always)]
            fn le(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(|i| a[i] <= b[i])
            }
            #[inline(always)]
            fn eq(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(|i| a[i] == b[i])
            }
            #[inline(always)]
            fn select(self, m: Self::M, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if m[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn and(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits() & b[i].to_bits()))
            }
            #[inline(always)]
            fn or(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits() | b[i].to_bits()))
            }
            #[inline(always)]
            fn xor(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits() ^ b[i].to_bits()))
            }
            #[inline(always)]
            fn int_add(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits().wrapping_add(b[i].to_bits())))
            }
            #[inline(always)]
            fn int_sub(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits().wrapping_sub(b[i].to_bits())))
            }
            #[inline(always)]
            fn shl(self, a: Self::V, n: u32) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits() << n))
            }
            #[inline(always)]
            fn shr(self, a: Self::V, n: u32) -> Self::V {
                std::array::from_fn(|i| $t::from_bits(a[i].to_bits() >> n))
            }
        }
    };
}

scalar!(f32, u32, 16);
scalar!(f64, u64, 8);
