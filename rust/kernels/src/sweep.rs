//! The one loop of all elementwise kernels: whole vectors, then the rest by partial loads of the same arithmetic.

use crate::simd::{Real, Simd};

/// What a sweep computes at every place, from `I` inputs and to `O` outputs.
///
/// A trait rather than a closure, because a closure cannot be marked for inlining: code with vector arithmetic must be
/// inlined into the shell of its instruction set ([`crate::simd::Kernel`]), or it becomes calls of single instructions.
pub(crate) trait Formula<T: Real, const I: usize, const O: usize>: Copy {
    fn at<S: Simd<T>>(self, s: S, x: [S::V; I]) -> [S::V; O];
}

/// `out[·][i] = f(x[·][i])` for `i` in `0..n`. An input may be an output too.
///
/// # Safety
/// All inputs must be valid for reads, and all outputs for writes, of `n` elements.
#[inline(always)]
pub(crate) unsafe fn sweep<T: Real, S: Simd<T>, const I: usize, const O: usize>(
    s: S,
    out: [*mut T; O],
    x: [*const T; I],
    n: usize,
    f: impl Formula<T, I, O>,
) {
    let mut v = [s.splat(T::ZERO); I];
    let mut i = 0;
    // SAFETY: the caller's; `i` stays below `n`.
    unsafe {
        while i + S::LANES <= n {
            for (v, x) in v.iter_mut().zip(x) {
                *v = s.load(x.add(i));
            }
            for (y, out) in f.at(s, v).into_iter().zip(out) {
                s.store(out.add(i), y);
            }
            i += S::LANES;
        }
        if i < n {
            for (v, x) in v.iter_mut().zip(x) {
                *v = s.load_head(x.add(i), n - i);
            }
            for (y, out) in f.at(s, v).into_iter().zip(out) {
                s.store_head(out.add(i), y, n - i);
            }
        }
    }
}
