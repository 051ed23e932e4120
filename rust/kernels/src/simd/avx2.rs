//! AVX2 with FMA: a logical vector is two registers.

#[allow(clippy::wildcard_imports, reason = "some eighty intrinsics")]
use std::arch::x86_64::*;

use super::{Kernel, Simd, transpose_in_groups};

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have the features above.
    #[inline(always)]
    pub(super) unsafe fn token() -> Self {
        Self(())
    }
}

/// Lane-wise methods, written for one half and applied to both.
macro_rules! halves {
    ($(fn $name:ident($($arg:ident: $ty:ty),*; $($by:ident: $byty:ty),*) -> $out:ty { $body:expr })*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: [$ty; 2],)* $($by: $byty),*) -> [$out; 2] {
            // SAFETY: the token proves that the CPU has the instructions.
            unsafe {
                [
                    { $(let $arg = $arg[0];)* $body },
                    { $(let $arg = $arg[1];)* $body },
                ]
            }
        }
    )*};
}

macro_rules! avx2 {
    ($t:ident, $v:ident, $half:literal, $head:ident, $cast_i:ident, $cast_f:ident,
     $load:ident, $maskload:ident, $store:ident, $maskstore:ident, $set1:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $sqrt:ident, $max:ident, $min:ident, $round:ident,
     $cmp:ident, $blend:ident, $and:ident, $or:ident, $xor:ident, $iadd:ident, $isub:ident, $sll:ident, $srl:ident,
     $load_quad:ident, $quads:ident, $group:literal, $transpose:ident, $store_quads:ident) => {
        impl Simd<$t> for Avx2 {
            type V = [$v; 2];
            type M = [$v; 2];
            const LANES: usize = 2 * $half;
            const REGISTERS: usize = 8;

            #[inline(always)]
            fn call<K: Kernel<$t>>(self, kernel: K) -> K::Out {
                #[target_feature(enable = "avx2,fma")]
                #[inline(never)]
                fn shell<K: Kernel<$t>>(s: Avx2, kernel: K) -> K::Out {
                    kernel.run(s)
                }
                // SAFETY: the token proves that the CPU has the instructions.
                unsafe { shell(self, kernel) }
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> Self::V {
                // SAFETY: the caller's, and the token's.
                unsafe { [$load(p), $load(p.add($half))] }
            }
            #[inline(always)]
            unsafe fn load_head(self, p: *const $t, n: usize) -> Self::V {
                // SAFETY: the caller's, and the token's; masked lanes are not read. The second pointer may lie outside
                // the allocation when all its lanes are masked, hence `wrapping_add`.
                unsafe { [$maskload(p, $head(n)), $maskload(p.wrapping_add($half), $head(n.saturating_sub($half)))] }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: Self::V) {
                // SAFETY: the caller's, and the token's.
                unsafe {
                    $store(p, v[0]);
                    $store(p.add($half), v[1]);
                }
            }
            #[inline(always)]
            unsafe fn store_head(self, p: *mut $t, v: Self::V, n: usize) {
                // Masked AVX2 stores are slow on some cores, so a full half is stored without a mask.
                // SAFETY: the caller's, and the token's; masked lanes are not written.
                unsafe {
                    if n < $half {
                        $maskstore(p, $head(n), v[0]);
                    } else {
                        $store(p, v[0]);
                        if n > $half {
                            $maskstore(p.add($half), $head(n - $half), v[1]);
                        }
                    }
                }
            }
            #[inline(always)]
            unsafe fn load_quad(self, p: *const $t) -> Self::V {
                // SAFETY: the caller's, and the token's.
                unsafe { [$load_quad(p); 2] }
            }
            #[inline(always)]
            fn quads(self, rows: [Self::V; 4]) -> Self::V {
                // SAFETY: the token's.
                unsafe { $quads(rows) }
            }
            #[inline(always)]
            unsafe fn store_quads(self, p: *mut $t, stride: usize, [a, b, c, d]: [Self::V; 4]) {
                // SAFETY: the caller's, and the token's.
                unsafe {
                    $store_quads(p, stride, [a[0], b[0], c[0], d[0]]);
                    $store_quads(p.add($half * stride), stride, [a[1], b[1], c[1], d[1]]);
                }
            }
            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                // SAFETY: the token proves that the CPU has the instructions.
                unsafe { [$set1(x); 2] }
            }
            transpose_in_groups!($t, 2 * $half, $group, (), $transpose);
            halves! {
                fn add(a: $v, b: $v;) -> $v { $add(a, b) }
                fn sub(a: $v, b: $v;) -> $v { $sub(a, b) }
                fn mul(a: $v, b: $v;) -> $v { $mul(a, b) }
                fn div(a: $v, b: $v;) -> $v { $div(a, b) }
                fn mul_add(a: $v, b: $v, c: $v;) -> $v { $fma(a, b, c) }
                fn sqrt(a: $v;) -> $v { $sqrt(a) }
                fn max(a: $v, b: $v;) -> $v { $max(a, b) }
                fn min(a: $v, b: $v;) -> $v { $min(a, b) }
                fn round(a: $v;) -> $v { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
                fn floor(a: $v;) -> $v { $round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a) }
                fn lt(a: $v, b: $v;) -> $v { $cmp::<_CMP_LT_OQ>(a, b) }
                fn le(a: $v, b: $v;) -> $v { $cmp::<_CMP_LE_OQ>(a, b) }
                fn eq(a: $v, b: $v;) -> $v { $cmp::<_CMP_EQ_OQ>(a, b) }
                fn select(m: $v, a: $v, b: $v;) -> $v { $blend(b, a, m) }
                fn and(a: $v, b: $v;) -> $v { $and(a, b) }
                fn or(a: $v, b: $v;) -> $v { $or(a, b) }
                fn xor(a: $v, b: $v;) -> $v { $xor(a, b) }
                fn int_add(a: $v, b: $v;) -> $v { $cast_f($iadd($cast_i(a), $cast_i(b))) }
                fn int_sub(a: $v, b: $v;) -> $v { $cast_f($isub($cast_i(a), $cast_i(b))) }
                fn shl(a: $v; n: u32) -> $v { $cast_f($sll($cast_i(a), _mm_cvtsi32_si128(n as i32))) }
                fn shr(a: $v; n: u32) -> $v { $cast_f($srl($cast_i(a), _mm_cvtsi32_si128(n as i32))) }
            }
        }

        /// A mask of the first `n` lanes (all of them from the half's width up): a window into ones before zeros.
        #[inline(always)]
        fn $head(n: usize) -> __m256i {
            const WINDOW: [$t; 2 * $half] = {
                let mut w = [0.0; 2 * $half];
                let mut i = 0;
                while i < $half {
                    w[i] = $t::from_bits(!0);
                    i += 1;
                }
                w
            };
            let start = $half - if n < $half { n } else { $half };
            // SAFETY: `start <= half`, so the load stays within the window.
            unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(start).cast()) }
        }
    };
}

#[rustfmt::skip]
avx2!(f32, __m256, 8, head_f32, _mm256_castps_si256, _mm256_castsi256_ps,
        _mm256_loadu_ps, _mm256_maskload_ps, _mm256_storeu_ps, _mm256_maskstore_ps, _mm256_set1_ps,
        _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_fmadd_ps, _mm256_sqrt_ps, _mm256_max_ps,
        _mm256_min_ps, _mm256_round_ps, _mm256_cmp_ps, _mm256_blendv_ps, _mm256_and_ps, _mm256_or_ps, _mm256_xor_ps,
        _mm256_add_epi32, _mm256_sub_epi32, _mm256_sll_epi32, _mm256_srl_epi32,
        load_quad_f32, quads_f32, 4, transpose_f32, store_quads_f32);

#[rustfmt::skip]
avx2!(f64, __m256d, 4, head_f64, _mm256_castpd_si256, _mm256_castsi256_pd,
        _mm256_loadu_pd, _mm256_maskload_pd, _mm256_storeu_pd, _mm256_maskstore_pd, _mm256_set1_pd,
        _mm256_add_pd, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd, _mm256_fmadd_pd, _mm256_sqrt_pd, _mm256_max_pd,
        _mm256_min_pd, _mm256_round_pd, _mm256_cmp_pd, _mm256_blendv_pd, _mm256_and_pd, _mm256_or_pd, _mm256_xor_pd,
        _mm256_add_epi64, _mm256_sub_epi64, _mm256_sll_epi64, _mm256_srl_epi64,
        _mm256_loadu_pd, quads_f64, 2, transpose_f64, store_quads_f64);

/// Four elements, repeated twice.
///
/// # Safety
/// The CPU must have AVX2, and `p` be valid for reads of four elements.
#[inline(always)]
unsafe fn load_quad_f32(p: *const f32) -> __m256 {
    // SAFETY: the caller's.
    unsafe { _mm256_set_m128(_mm_loadu_ps(p), _mm_loadu_ps(p)) }
}

/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn quads_f32(rows: [[__m256; 2]; 4]) -> [__m256; 2] {
    // SAFETY: the caller's.
    unsafe { [_mm256_blend_ps::<0xF0>(rows[0][0], rows[1][0]), _mm256_blend_ps::<0xF0>(rows[2][1], rows[3][1])] }
}

/// # Safety
/// None: it is called as [`quads_f32`] is.
#[inline(always)]
unsafe fn quads_f64(rows: [[__m256d; 2]; 4]) -> [__m256d; 2] {
    [rows[0][0], rows[1][1]]
}

/// Transposes four elements of 16 rows, given every fourth row: halves of registers are loaded from rows four apart, so
/// that only the 4 × 4 elements within each half are left to transpose.
///
/// # Safety
/// The CPU must have AVX2; the elements must be readable, and four rows of `to`, `to_stride` apart, writable.
#[inline(always)]
unsafe fn transpose_f32(from: [*const f32; 4], stride: usize, (): (), to: *mut f32, to_stride: usize) {
    for half in 0..2 {
        // SAFETY: the caller's.
        unsafe {
            let row = |i: usize| {
                let x = _mm256_castps128_ps256(_mm_loadu_ps(from[2 * half].add(i * stride)));
                _mm256_insertf128_ps::<1>(x, _mm_loadu_ps(from[2 * half + 1].add(i * stride)))
            };
            let to = to.add(8 * half);
            for (j, &column) in transpose_blocks_f32([row(0), row(1), row(2), row(3)]).iter().enumerate() {
                _mm256_storeu_ps(to.add(j * to_stride), column);
            }
        }
    }
}

/// Transposes the 4 × 4 elements within each half.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn transpose_blocks_f32(rows: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: the caller's.
    unsafe {
        let (a, b) = (_mm256_unpacklo_ps(rows[0], rows[1]), _mm256_unpacklo_ps(rows[2], rows[3]));
        let (c, d) = (_mm256_unpackhi_ps(rows[0], rows[1]), _mm256_unpackhi_ps(rows[2], rows[3]));
        [
            _mm256_shuffle_ps::<0x44>(a, b),
            _mm256_shuffle_ps::<0xEE>(a, b),
            _mm256_shuffle_ps::<0x44>(c, d),
            _mm256_shuffle_ps::<0xEE>(c, d),
        ]
    }
}

/// One half of [`Simd::store_quads`].
///
/// # Safety
/// The CPU must have AVX2; else as there.
#[inline(always)]
unsafe fn store_quads_f32(p: *mut f32, stride: usize, vectors: [__m256; 4]) {
    // SAFETY: the caller's.
    unsafe {
        let transposed = transpose_blocks_f32(vectors);
        for (i, &x) in transposed.iter().enumerate() {
            _mm_storeu_ps(p.add(i * stride), _mm256_castps256_ps128(x));
        }
        for (i, &x) in transposed.iter().enumerate() {
            _mm_storeu_ps(p.add((4 + i) * stride), _mm256_extractf128_ps::<1>(x));
        }
    }
}

/// One half of [`Simd::store_quads`].
///
/// # Safety
/// The CPU must have AVX2; else as there.
#[inline(always)]
unsafe fn store_quads_f64(p: *mut f64, stride: usize, [a, b, c, d]: [__m256d; 4]) {
    // SAFETY: the caller's.
    unsafe {
        let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        let (even_end, odd_end) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
        let quads = [
            _mm256_permute2f128_pd::<0x20>(even, even_end),
            _mm256_permute2f128_pd::<0x20>(odd, odd_end),
            _mm256_permute2f128_pd::<0x31>(even, even_end),
            _mm256_permute2f128_pd::<0x31>(odd, odd_end),
        ];
        for (i, &quad) in quads.iter().enumerate() {
            _mm256_storeu_pd(p.add(i * stride), quad);
        }
    }
}

/// Transposes two elements of 8 rows, given every second row, in the same way.
///
/// # Safety
/// The CPU must have AVX2; the elements must be readable, and two rows of `to`, `to_stride` apart, writable.
#[inline(always)]
unsafe fn transpose_f64(from: [*const f64; 4], stride: usize, (): (), to: *mut f64, to_stride: usize) {
    for half in 0..2 {
        // SAFETY: the caller's.
        unsafe {
            let row = |i: usize| {
                let x = _mm256_castpd128_pd256(_mm_loadu_pd(from[2 * half].add(i * stride)));
                _mm256_insertf128_pd::<1>(x, _mm_loadu_pd(from[2 * half + 1].add(i * stride)))
            };
            let rows = [row(0), row(1)];
            let to = to.add(4 * half);
            _mm256_storeu_pd(to, _mm256_unpacklo_pd(rows[0], rows[1]));
            _mm256_storeu_pd(to.add(to_stride), _mm256_unpackhi_pd(rows[0], rows[1]));
        }
    }
}
