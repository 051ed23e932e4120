//! The portable implementation: arrays of one logical vector's lanes.

use std::array::from_fn;

use super::{Kernel, Simd};

/// Arrays and plain Rust arithmetic; the bit-exact reference of every other instruction set.
///
/// On x86-64 it is for processors older than AVX2, and for tests. There its operations are not inlined: each would be
/// sixteen instructions in every kernel, and together most of the library's size and compile time.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

/// Defines a lane-wise `mul_add`.
macro_rules! fma {
    ($name:ident, $t:ident, $lanes:literal) => {
        #[inline(always)]
        fn $name(a: [$t; $lanes], b: [$t; $lanes], c: [$t; $lanes]) -> [$t; $lanes] {
            // Without the feature `mul_add` is a call into libm: the same bits, a hundred times slower.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "fma")]
            fn hardware(a: [$t; $lanes], b: [$t; $lanes], c: [$t; $lanes]) -> [$t; $lanes] {
                from_fn(|i| a[i].mul_add(b[i], c[i]))
            }
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("fma") {
                // SAFETY: the CPU has the feature.
                return unsafe { hardware(a, b, c) };
            }
            from_fn(|i| a[i].mul_add(b[i], c[i]))
        }
    };
}

fma!(fma_f32, f32, 16);
fma!(fma_f64, f64, 8);

macro_rules! scalar {
    ($t:ident, $bits:ident, $lanes:literal, $fma:ident) => {
        impl Simd<$t> for Scalar {
            type V = [$t; $lanes];
            type M = [bool; $lanes];
            const LANES: usize = $lanes;
            const REGISTERS: usize = 4;

            #[inline(never)]
            fn call<K: Kernel<$t>>(self, kernel: K) -> K::Out {
                kernel.run(self)
            }

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
            unsafe fn load_quad(self, p: *const $t) -> Self::V {
                // SAFETY: the caller's.
                from_fn(|i| unsafe { *p.add(i % 4) })
            }
            #[inline(always)]
            fn quads(self, rows: [Self::V; 4]) -> Self::V {
                from_fn(|i| rows[i / 4][i])
            }
            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                [x; $lanes]
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i] + b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i] - b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i] * b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i] / b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                $fma(a, b, c)
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn sqrt(self, a: Self::V) -> Self::V {
                from_fn(|i| a[i].sqrt())
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn round(self, a: Self::V) -> Self::V {
                from_fn(|i| a[i].round_ties_even())
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn floor(self, a: Self::V) -> Self::V {
                from_fn(|i| a[i].floor())
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn lt(self, a: Self::V, b: Self::V) -> Self::M {
                from_fn(|i| a[i] < b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn le(self, a: Self::V, b: Self::V) -> Self::M {
                from_fn(|i| a[i] <= b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn eq(self, a: Self::V, b: Self::V) -> Self::M {
                from_fn(|i| a[i] == b[i])
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn select(self, m: Self::M, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| if m[i] { a[i] } else { b[i] })
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn and(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits() & b[i].to_bits()))
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn or(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits() | b[i].to_bits()))
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn xor(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits() ^ b[i].to_bits()))
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn int_add(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits().wrapping_add(b[i].to_bits())))
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn int_sub(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits().wrapping_sub(b[i].to_bits())))
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn shl(self, a: Self::V, n: u32) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits() << n))
            }
            #[cfg_attr(target_arch = "x86_64", inline(never))]
            #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
            fn shr(self, a: Self::V, n: u32) -> Self::V {
                from_fn(|i| $t::from_bits(a[i].to_bits() >> n))
            }
        }
    };
}

scalar!(f32, u32, 16, fma_f32);
scalar!(f64, u64, 8, fma_f64);
