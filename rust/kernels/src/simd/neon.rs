//! NEON: a logical vector is four registers.

use std::arch::aarch64::*;
use std::array::from_fn;

use super::{Kernel, Simd};

/// Proof that the CPU has NEON, as every 64-bit ARM that Rust supports does.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// # Safety
    /// The CPU must have NEON.
    #[inline(always)]
    pub(super) unsafe fn token() -> Self {
        Self(())
    }
}

/// Lane-wise methods, written for one register and applied to all four.
macro_rules! quarters {
    ($(fn $name:ident($($arg:ident: $ty:ty),*; $($by:ident: $byty:ty),*) -> $out:ty { $body:expr })*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: [$ty; 4],)* $($by: $byty),*) -> [$out; 4] {
            from_fn(|i| {
                $(let $arg = $arg[i];)*
                // SAFETY: the token proves that the CPU has the instructions.
                unsafe { $body }
            })
        }
    )*};
}

macro_rules! neon {
    ($t:ident, $v:ident, $u:ident, $quarter:literal, $int:ident, $to_u:ident, $from_u:ident,
     $load:ident, $load_part:ident, $store:ident, $store_part:ident, $dup:ident, $dup_int:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $sqrt:ident, $round:ident, $floor:ident,
     $gt:ident, $lt:ident, $le:ident, $eq:ident, $select:ident,
     $and:ident, $or:ident, $xor:ident, $iadd:ident, $isub:ident, $shift:ident) => {
        impl Simd<$t> for Neon {
            type V = [$v; 4];
            type M = [$u; 4];
            const LANES: usize = 4 * $quarter;
            const REGISTERS: usize = 8;

            #[inline(never)]
            fn call<K: Kernel<$t>>(self, kernel: K) -> K::Out {
                kernel.run(self)
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> Self::V {
                // SAFETY: the caller's, and the token's.
                from_fn(|i| unsafe { $load(p.add(i * $quarter)) })
            }
            #[inline(always)]
            unsafe fn load_head(self, p: *const $t, n: usize) -> Self::V {
                debug_assert!(n <= 4 * $quarter);
                // SAFETY: the caller's, and the token's. A pointer that lies outside the allocation (hence
                // `wrapping_add`) comes with a count of zero, and is not read.
                from_fn(|i| unsafe { $load_part(p.wrapping_add(i * $quarter), n.saturating_sub(i * $quarter)) })
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: Self::V) {
                for (i, v) in v.into_iter().enumerate() {
                    // SAFETY: the caller's, and the token's.
                    unsafe { $store(p.add(i * $quarter), v) }
                }
            }
            #[inline(always)]
            unsafe fn store_head(self, p: *mut $t, v: Self::V, n: usize) {
                debug_assert!(n <= 4 * $quarter);
                for (i, v) in v.into_iter().enumerate() {
                    // SAFETY: as in `load_head`.
                    unsafe { $store_part(p.wrapping_add(i * $quarter), v, n.saturating_sub(i * $quarter)) }
                }
            }
            #[inline(always)]
            unsafe fn load_quad(self, p: *const $t) -> Self::V {
                // SAFETY: the caller's, and the token's.
                from_fn(|i| unsafe { $load(p.add(i * $quarter % 4)) })
            }
            #[inline(always)]
            fn quads(self, rows: [Self::V; 4]) -> Self::V {
                from_fn(|i| rows[i * $quarter / 4][i])
            }
            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                // SAFETY: the token proves that the CPU has the instructions.
                unsafe { [$dup(x); 4] }
            }
            quarters! {
                fn add(a: $v, b: $v;) -> $v { $add(a, b) }
                fn sub(a: $v, b: $v;) -> $v { $sub(a, b) }
                fn mul(a: $v, b: $v;) -> $v { $mul(a, b) }
                fn div(a: $v, b: $v;) -> $v { $div(a, b) }
                fn mul_add(a: $v, b: $v, c: $v;) -> $v { $fma(c, a, b) }
                fn sqrt(a: $v;) -> $v { $sqrt(a) }
                // Not `fmax` and `fmin`, which return NaN if either operand is NaN.
                fn max(a: $v, b: $v;) -> $v { $select($gt(a, b), a, b) }
                fn min(a: $v, b: $v;) -> $v { $select($lt(a, b), a, b) }
                fn round(a: $v;) -> $v { $round(a) }
                fn floor(a: $v;) -> $v { $floor(a) }
                fn lt(a: $v, b: $v;) -> $u { $lt(a, b) }
                fn le(a: $v, b: $v;) -> $u { $le(a, b) }
                fn eq(a: $v, b: $v;) -> $u { $eq(a, b) }
                fn and(a: $v, b: $v;) -> $v { $from_u($and($to_u(a), $to_u(b))) }
                fn or(a: $v, b: $v;) -> $v { $from_u($or($to_u(a), $to_u(b))) }
                fn xor(a: $v, b: $v;) -> $v { $from_u($xor($to_u(a), $to_u(b))) }
                fn int_add(a: $v, b: $v;) -> $v { $from_u($iadd($to_u(a), $to_u(b))) }
                fn int_sub(a: $v, b: $v;) -> $v { $from_u($isub($to_u(a), $to_u(b))) }
                // One instruction shifts both ways: a negative count to the right.
                fn shl(a: $v; n: u32) -> $v { $from_u($shift($to_u(a), $dup_int(n as $int))) }
                fn shr(a: $v; n: u32) -> $v { $from_u($shift($to_u(a), $dup_int(-(n as $int)))) }
            }
            #[inline(always)]
            fn select(self, m: Self::M, a: Self::V, b: Self::V) -> Self::V {
                // SAFETY: the token proves that the CPU has the instructions.
                from_fn(|i| unsafe { $select(m[i], a[i], b[i]) })
            }
        }
    };
}

#[rustfmt::skip]
neon!(f32, float32x4_t, uint32x4_t, 4, i32, vreinterpretq_u32_f32, vreinterpretq_f32_u32,
    vld1q_f32, load_part_f32, vst1q_f32, store_part_f32, vdupq_n_f32, vdupq_n_s32,
    vaddq_f32, vsubq_f32, vmulq_f32, vdivq_f32, vfmaq_f32, vsqrtq_f32, vrndnq_f32, vrndmq_f32,
    vcgtq_f32, vcltq_f32, vcleq_f32, vceqq_f32, vbslq_f32,
    vandq_u32, vorrq_u32, veorq_u32, vaddq_u32, vsubq_u32, vshlq_u32);

#[rustfmt::skip]
neon!(f64, float64x2_t, uint64x2_t, 2, i64, vreinterpretq_u64_f64, vreinterpretq_f64_u64,
    vld1q_f64, load_part_f64, vst1q_f64, store_part_f64, vdupq_n_f64, vdupq_n_s64,
    vaddq_f64, vsubq_f64, vmulq_f64, vdivq_f64, vfmaq_f64, vsqrtq_f64, vrndnq_f64, vrndmq_f64,
    vcgtq_f64, vcltq_f64, vcleq_f64, vceqq_f64, vbslq_f64,
    vandq_u64, vorrq_u64, veorq_u64, vaddq_u64, vsubq_u64, vshlq_u64);

// NEON has no masked loads and stores. A partial register takes at most two plain ones, chosen by well-predicted
// branches, and no round trip through memory.

/// The first `n` elements (four of them from four up), and zero in the other lanes.
///
/// # Safety
/// `p` must be valid for reads of `min(n, 4)` elements.
#[inline(always)]
unsafe fn load_part_f32(p: *const f32, n: usize) -> float32x4_t {
    // SAFETY: the caller's.
    unsafe {
        match n {
            0 => vdupq_n_f32(0.0),
            1 => vld1q_lane_f32::<0>(p, vdupq_n_f32(0.0)),
            2 => vcombine_f32(vld1_f32(p), vdup_n_f32(0.0)),
            3 => vcombine_f32(vld1_f32(p), vld1_lane_f32::<0>(p.add(2), vdup_n_f32(0.0))),
            _ => vld1q_f32(p),
        }
    }
}

/// Stores the first `n` lanes (all four from four up).
///
/// # Safety
/// `p` must be valid for writes of `min(n, 4)` elements.
#[inline(always)]
unsafe fn store_part_f32(p: *mut f32, v: float32x4_t, n: usize) {
    // SAFETY: the caller's.
    unsafe {
        match n {
            0 => {}
            1 => vst1q_lane_f32::<0>(p, v),
            2 => vst1_f32(p, vget_low_f32(v)),
            3 => {
                vst1_f32(p, vget_low_f32(v));
                vst1q_lane_f32::<2>(p.add(2), v);
            }
            _ => vst1q_f32(p, v),
        }
    }
}

/// The first `n` elements (two of them from two up), and zero in the other lanes.
///
/// # Safety
/// `p` must be valid for reads of `min(n, 2)` elements.
#[inline(always)]
unsafe fn load_part_f64(p: *const f64, n: usize) -> float64x2_t {
    // SAFETY: the caller's.
    unsafe {
        match n {
            0 => vdupq_n_f64(0.0),
            1 => vld1q_lane_f64::<0>(p, vdupq_n_f64(0.0)),
            _ => vld1q_f64(p),
        }
    }
}

/// Stores the first `n` lanes (both from two up).
///
/// # Safety
/// `p` must be valid for writes of `min(n, 2)` elements.
#[inline(always)]
unsafe fn store_part_f64(p: *mut f64, v: float64x2_t, n: usize) {
    // SAFETY: the caller's.
    unsafe {
        match n {
            0 => {}
            1 => vst1q_lane_f64::<0>(p, v),
            _ => vst1q_f64(p, v),
        }
    }
}
