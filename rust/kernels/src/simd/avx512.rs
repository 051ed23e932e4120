//! AVX-512: a logical vector is one register.

use std::arch::asm;
#[allow(clippy::wildcard_imports, reason = "some eighty intrinsics")]
use std::arch::x86_64::*;

use super::{Kernel, Simd, transpose_in_groups};

/// Proof that the CPU has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU must have the features above.
    #[inline(always)]
    pub(super) unsafe fn token() -> Self {
        Self(())
    }
}

/// Methods whose only requirement is the token's.
macro_rules! safe {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty { $body:expr })*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $ty),*) -> $out {
            // SAFETY: the token proves that the CPU has the instructions.
            unsafe { $body }
        }
    )*};
}

macro_rules! avx512 {
    ($t:ident, $v:ident, $m:ident, $lanes:literal, $cast_i:ident, $cast_f:ident,
     $load:ident, $maskz_load:ident, $store:ident, $mask_store:ident, $set1:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $sqrt:ident, $max:ident, $min:ident, $round:ident,
     $cmp:ident, $blend:ident, $iadd:ident, $isub:ident, $sll:ident, $srl:ident, $scalef:ident,
     $load_quad:ident, $broadcast_quad:ident, $group:literal, $masks:expr, $transpose:ident, $columns:ident, $store_quads:ident) => {
        impl Simd<$t> for Avx512 {
            type V = $v;
            type M = $m;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 32;

            #[inline(always)]
            fn call<K: Kernel<$t>>(self, kernel: K) -> K::Out {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[inline(never)]
                fn shell<K: Kernel<$t>>(s: Avx512, kernel: K) -> K::Out {
                    kernel.run(s)
                }
                // SAFETY: the token proves that the CPU has the instructions.
                unsafe { shell(self, kernel) }
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> $v {
                // SAFETY: the caller's, and the token's.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn load_head(self, p: *const $t, n: usize) -> $v {
                // SAFETY: the caller's, and the token's; masked lanes are not read.
                unsafe { $maskz_load(head::<$lanes>(n) as $m, p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: $v) {
                // SAFETY: the caller's, and the token's.
                unsafe { $store(p, v) }
            }
            #[inline(always)]
            unsafe fn store_head(self, p: *mut $t, v: $v, n: usize) {
                // SAFETY: the caller's, and the token's; masked lanes are not written.
                unsafe { $mask_store(p, head::<$lanes>(n) as $m, v) }
            }
            #[inline(always)]
            unsafe fn load_quad(self, p: *const $t) -> $v {
                // SAFETY: the caller's, and the token's.
                unsafe { $broadcast_quad($load_quad(p)) }
            }
            #[inline(always)]
            fn quads(self, rows: [$v; 4]) -> $v {
                // Blends do not need the shuffle port; if the compiler knew the masks, it would turn them into
                // shuffles.
                let mut quads = rows[0];
                for (i, &row) in rows.iter().enumerate().take($lanes / 4).skip(1) {
                    // SAFETY: the token's.
                    quads = unsafe { $blend(hidden(0xF << (4 * i)) as $m, quads, row) };
                }
                quads
            }
            #[inline(always)]
            unsafe fn store_quads(self, p: *mut $t, stride: usize, vectors: [$v; 4]) {
                // SAFETY: the caller's, and the token's.
                unsafe { $store_quads(p, stride, vectors) }
            }
            transpose_in_groups!($t, $lanes, $group, $masks, $transpose);
            #[inline(always)]
            unsafe fn columns(self, rows: *const *const $t, at: usize) -> [Self::V; 8] {
                // SAFETY: the caller's, and the token's.
                unsafe { $columns(rows, at) }
            }
            safe! {
                fn splat(x: $t) -> $v { $set1(x) }
                fn add(a: $v, b: $v) -> $v { $add(a, b) }
                fn sub(a: $v, b: $v) -> $v { $sub(a, b) }
                fn mul(a: $v, b: $v) -> $v { $mul(a, b) }
                fn div(a: $v, b: $v) -> $v { $div(a, b) }
                fn mul_add(a: $v, b: $v, c: $v) -> $v { $fma(a, b, c) }
                fn sqrt(a: $v) -> $v { $sqrt(a) }
                fn max(a: $v, b: $v) -> $v { $max(a, b) }
                fn min(a: $v, b: $v) -> $v { $min(a, b) }
                fn round(a: $v) -> $v { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
                fn scale(a: $v, n: $v) -> $v { $scalef(a, n) }
                fn floor(a: $v) -> $v { $round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a) }
                fn lt(a: $v, b: $v) -> $m { $cmp::<_CMP_LT_OQ>(a, b) }
                fn le(a: $v, b: $v) -> $m { $cmp::<_CMP_LE_OQ>(a, b) }
                fn eq(a: $v, b: $v) -> $m { $cmp::<_CMP_EQ_OQ>(a, b) }
                fn select(m: $m, a: $v, b: $v) -> $v { $blend(m, b, a) }
                fn and(a: $v, b: $v) -> $v { $cast_f(_mm512_and_si512($cast_i(a), $cast_i(b))) }
                fn or(a: $v, b: $v) -> $v { $cast_f(_mm512_or_si512($cast_i(a), $cast_i(b))) }
                fn xor(a: $v, b: $v) -> $v { $cast_f(_mm512_xor_si512($cast_i(a), $cast_i(b))) }
                fn int_add(a: $v, b: $v) -> $v { $cast_f($iadd($cast_i(a), $cast_i(b))) }
                fn int_sub(a: $v, b: $v) -> $v { $cast_f($isub($cast_i(a), $cast_i(b))) }
                fn shl(a: $v, n: u32) -> $v { $cast_f($sll($cast_i(a), _mm_cvtsi32_si128(n as i32))) }
                fn shr(a: $v, n: u32) -> $v { $cast_f($srl($cast_i(a), _mm_cvtsi32_si128(n as i32))) }
            }
        }
    };
}

/// Hides the value of a mask from the compiler.
#[inline(always)]
fn hidden(mut mask: u16) -> u16 {
    // SAFETY: there are no instructions.
    unsafe { asm!("/* {0:e} */", inout(reg) mask, options(pure, nomem, nostack, preserves_flags)) };
    mask
}

/// A mask of the first `n` of `LANES` lanes.
#[inline(always)]
fn head<const LANES: usize>(n: usize) -> u32 {
    debug_assert!(n <= LANES);
    (1_u32 << n) - 1
}

#[rustfmt::skip]
avx512!(f32, __m512, __mmask16, 16, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_storeu_ps, _mm512_mask_storeu_ps, _mm512_set1_ps,
    _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_sqrt_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_roundscale_ps, _mm512_cmp_ps_mask, _mm512_mask_blend_ps, _mm512_add_epi32,
    _mm512_sub_epi32, _mm512_sll_epi32, _mm512_srl_epi32,
    _mm512_scalef_ps, _mm_loadu_ps, _mm512_broadcast_f32x4, 4, [hidden(0x00F0), hidden(0x0F00), hidden(0xF000)], transpose_f32, columns_f32, store_quads_f32);
#[rustfmt::skip]
avx512!(f64, __m512d, __mmask8, 8, _mm512_castpd_si512, _mm512_castsi512_pd,
    _mm512_loadu_pd, _mm512_maskz_loadu_pd, _mm512_storeu_pd, _mm512_mask_storeu_pd, _mm512_set1_pd,
    _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_fmadd_pd, _mm512_sqrt_pd, _mm512_max_pd,
    _mm512_min_pd, _mm512_roundscale_pd, _mm512_cmp_pd_mask, _mm512_mask_blend_pd, _mm512_add_epi64,
    _mm512_sub_epi64, _mm512_sll_epi64, _mm512_srl_epi64,
    _mm512_scalef_pd, _mm256_loadu_pd, _mm512_broadcast_f64x4, 2, [hidden(0x0C) as u8, hidden(0x30) as u8, hidden(0xC0) as u8], transpose_f64, columns_f64, store_quads_f64);

/// Four elements from offset `at` on of each row in `from`.
///
/// # Safety
/// The CPU must have AVX-512, and the elements must be readable.
#[inline(always)]
unsafe fn quarters_f32(from: [*const f32; 4], at: usize, masks: [__mmask16; 3]) -> __m512 {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm512_castps128_ps512(_mm_loadu_ps(from[0].add(at)));
        let x = _mm512_mask_broadcast_f32x4(x, masks[0], _mm_loadu_ps(from[1].add(at)));
        let x = _mm512_mask_broadcast_f32x4(x, masks[1], _mm_loadu_ps(from[2].add(at)));
        _mm512_mask_broadcast_f32x4(x, masks[2], _mm_loadu_ps(from[3].add(at)))
    }
}

/// Transposes four elements of 16 rows, given every fourth row: quarters of registers are loaded from rows four apart,
/// so that only the 4 × 4 elements within each quarter are left to transpose. Masked loads do not need the shuffle
/// port, as inserts do; the compiler must not know the masks of the last three quarters, or it turns them into inserts.
///
/// # Safety
/// The CPU must have AVX-512; the elements must be readable, and four rows of `to`, `to_stride` apart, writable.
#[inline(always)]
unsafe fn transpose_f32(from: [*const f32; 4], stride: usize, masks: [__mmask16; 3], to: *mut f32, to_stride: usize) {
    // SAFETY: the caller's.
    unsafe {
        let row = |i: usize| quarters_f32(from, i * stride, masks);
        let columns = transpose_blocks_f32([row(0), row(1), row(2), row(3)]);
        for (j, &column) in columns.iter().enumerate() {
            _mm512_storeu_ps(to.add(j * to_stride), column);
        }
    }
}

/// Transposes the 4 × 4 elements within each quarter.
///
/// # Safety
/// The CPU must have AVX-512.
#[inline(always)]
unsafe fn transpose_blocks_f32(rows: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: the caller's.
    unsafe {
        let (a, b) = (_mm512_unpacklo_ps(rows[0], rows[1]), _mm512_unpacklo_ps(rows[2], rows[3]));
        let (c, d) = (_mm512_unpackhi_ps(rows[0], rows[1]), _mm512_unpackhi_ps(rows[2], rows[3]));
        [
            _mm512_shuffle_ps::<0x44>(a, b),
            _mm512_shuffle_ps::<0xEE>(a, b),
            _mm512_shuffle_ps::<0x44>(c, d),
            _mm512_shuffle_ps::<0xEE>(c, d),
        ]
    }
}

/// [`Simd::store_quads`].
///
/// # Safety
/// The CPU must have AVX-512; else as there.
#[inline(always)]
unsafe fn store_quads_f32(p: *mut f32, stride: usize, vectors: [__m512; 4]) {
    // SAFETY: the caller's.
    unsafe {
        let [a, b, c, d] = transpose_blocks_f32(vectors);
        macro_rules! quarter {
            ($i:literal) => {
                let p = p.add(4 * $i * stride);
                _mm_storeu_ps(p, _mm512_extractf32x4_ps::<$i>(a));
                _mm_storeu_ps(p.add(stride), _mm512_extractf32x4_ps::<$i>(b));
                _mm_storeu_ps(p.add(2 * stride), _mm512_extractf32x4_ps::<$i>(c));
                _mm_storeu_ps(p.add(3 * stride), _mm512_extractf32x4_ps::<$i>(d));
            };
        }
        quarter!(0);
        quarter!(1);
        quarter!(2);
        quarter!(3);
    }
}

/// Eight elements from offset `at` on of both rows in `from`.
///
/// # Safety
/// The CPU must have AVX-512, and the elements must be readable.
#[inline(always)]
unsafe fn halves_f32(from: [*const f32; 2], at: usize, mask: __mmask16) -> __m512 {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm512_castps256_ps512(_mm256_loadu_ps(from[0].add(at)));
        _mm512_mask_broadcast_f32x8(x, mask, _mm256_loadu_ps(from[1].add(at)))
    }
}

/// [`Simd::columns`].
///
/// # Safety
/// The CPU must have AVX-512; else as there.
#[inline(always)]
unsafe fn columns_f32(rows: *const *const f32, at: usize) -> [__m512; 8] {
    let mask = hidden(0xFF00);
    // SAFETY: the caller's.
    unsafe {
        let mut halves = [_mm512_setzero_ps(); 8];
        for (half, i) in halves.iter_mut().zip([0, 1, 2, 3, 8, 9, 10, 11]) {
            *half = halves_f32([*rows.add(i), *rows.add(i + 4)], at, mask);
        }
        let [r0, r1, r2, r3, r8, r9, r10, r11] = halves;
        let [a, b, c, d] = transpose_blocks_f32([r0, r1, r2, r3]);
        let [e, f, g, h] = transpose_blocks_f32([r8, r9, r10, r11]);
        [
            _mm512_shuffle_f32x4::<0x88>(a, e),
            _mm512_shuffle_f32x4::<0x88>(b, f),
            _mm512_shuffle_f32x4::<0x88>(c, g),
            _mm512_shuffle_f32x4::<0x88>(d, h),
            _mm512_shuffle_f32x4::<0xDD>(a, e),
            _mm512_shuffle_f32x4::<0xDD>(b, f),
            _mm512_shuffle_f32x4::<0xDD>(c, g),
            _mm512_shuffle_f32x4::<0xDD>(d, h),
        ]
    }
}

/// Two elements from offset `at` on of each row in `from`.
///
/// # Safety
/// The CPU must have AVX-512, and the elements must be readable.
#[inline(always)]
unsafe fn quarters_f64(from: [*const f64; 4], at: usize, masks: [__mmask8; 3]) -> __m512d {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm512_castpd128_pd512(_mm_loadu_pd(from[0].add(at)));
        let x = _mm512_mask_broadcast_f64x2(x, masks[0], _mm_loadu_pd(from[1].add(at)));
        let x = _mm512_mask_broadcast_f64x2(x, masks[1], _mm_loadu_pd(from[2].add(at)));
        _mm512_mask_broadcast_f64x2(x, masks[2], _mm_loadu_pd(from[3].add(at)))
    }
}

/// Transposes two elements of 8 rows, given every second row, in the same way.
///
/// # Safety
/// The CPU must have AVX-512; the elements must be readable, and two rows of `to`, `to_stride` apart, writable.
#[inline(always)]
unsafe fn transpose_f64(from: [*const f64; 4], stride: usize, masks: [__mmask8; 3], to: *mut f64, to_stride: usize) {
    // SAFETY: the caller's.
    unsafe {
        let row = |i: usize| quarters_f64(from, i * stride, masks);
        let rows = [row(0), row(1)];
        _mm512_storeu_pd(to, _mm512_unpacklo_pd(rows[0], rows[1]));
        _mm512_storeu_pd(to.add(to_stride), _mm512_unpackhi_pd(rows[0], rows[1]));
    }
}

/// [`Simd::columns`].
///
/// # Safety
/// The CPU must have AVX-512; else as there.
#[inline(always)]
unsafe fn columns_f64(rows: *const *const f64, at: usize) -> [__m512d; 8] {
    let masks = [hidden(0x0C) as u8, hidden(0x30) as u8, hidden(0xC0) as u8];
    // SAFETY: the caller's.
    unsafe {
        let mut columns = [_mm512_setzero_pd(); 8];
        for (pair, j) in columns.chunks_exact_mut(2).zip([0, 2, 4, 6]) {
            let a = quarters_f64([*rows, *rows.add(2), *rows.add(4), *rows.add(6)], at + j, masks);
            let b = quarters_f64([*rows.add(1), *rows.add(3), *rows.add(5), *rows.add(7)], at + j, masks);
            pair[0] = _mm512_unpacklo_pd(a, b);
            pair[1] = _mm512_unpackhi_pd(a, b);
        }
        columns
    }
}

/// [`Simd::store_quads`].
///
/// # Safety
/// The CPU must have AVX-512; else as there.
#[inline(always)]
unsafe fn store_quads_f64(p: *mut f64, stride: usize, [a, b, c, d]: [__m512d; 4]) {
    // SAFETY: the caller's.
    unsafe {
        let (even, odd) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
        let (even_end, odd_end) = (_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d));
        macro_rules! quarter {
            ($i:literal) => {
                let p = p.add(2 * $i * stride);
                _mm_storeu_pd(p, _mm512_extractf64x2_pd::<$i>(even));
                _mm_storeu_pd(p.add(2), _mm512_extractf64x2_pd::<$i>(even_end));
                _mm_storeu_pd(p.add(stride), _mm512_extractf64x2_pd::<$i>(odd));
                _mm_storeu_pd(p.add(stride + 2), _mm512_extractf64x2_pd::<$i>(odd_end));
            };
        }
        quarter!(0);
        quarter!(1);
        quarter!(2);
        quarter!(3);
    }
}
