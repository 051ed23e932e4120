//! First-order linear recurrences along rows: cumulative sums and products, and the building block of their
//! derivatives.

use crate::map::Int;
use crate::simd::{Kernel, Real, Simd};
use crate::split::split;

/// Each element depends on the one before: about 1 ns each.
const GRAIN: usize = 8 << 10;

/// `s[k] = a[k] · s[k − 1] + b[k]` with one rounding, in every row of `len` elements, starting from 0; from the last
/// element to the first if `reverse`. Without `a`, `s[k] = s[k − 1] + b[k]`. The `s` are accumulated in `f64` and
/// rounded to `out`, so that long sums of `f32` do not stagnate. If `gradients`, 0 times any factor is 0, even if that
/// is infinite or NaN.
///
/// # Panics
/// If the lengths differ, or are not those of whole rows.
pub fn linear<T: Real>(out: &mut [T], a: Option<&[T]>, b: &[T], len: usize, reverse: bool, gradients: bool) {
    assert!(out.len() == b.len() && a.is_none_or(|a| a.len() == b.len()), "the operands have different lengths");
    if out.is_empty() {
        return;
    }
    assert!(out.len().is_multiple_of(len), "the operands do not consist of whole rows");
    split(out, len, GRAIN, |start, out| {
        let rows = start..start + out.len();
        T::run(LinearRecurrence { a: a.map(|a| &a[rows.clone()]), b: &b[rows], out, len, reverse, gradients });
    });
}

struct LinearRecurrence<'a, T> {
    out: &'a mut [T],
    a: Option<&'a [T]>,
    b: &'a [T],
    len: usize,
    reverse: bool,
    gradients: bool,
}

impl<T: Real> Kernel<T> for LinearRecurrence<'_, T> {
    type Out = ();
    // No vectors: it enters the shell for the fused multiply-add of the instruction set.
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let LinearRecurrence { out, a, b, len, reverse, gradients } = self;
        for first in (0..out.len()).step_by(len) {
            let mut state = 0.0_f64;
            for k in 0..len {
                let i = first + if reverse { len - 1 - k } else { k };
                state = match a {
                    Some(_) if gradients && state == 0.0 => b[i].to_f64(),
                    Some(a) => a[i].to_f64().fma(state, b[i].to_f64()),
                    None => state + b[i].to_f64(),
                };
                out[i] = T::from_f64(state);
            }
        }
    }
}

/// Cumulative sums, or products, of integers along rows of `len` elements. Arithmetic wraps around.
///
/// # Panics
/// If the lengths differ, or are not those of whole rows.
pub fn cumulate<T: Int>(out: &mut [T], x: &[T], len: usize, product: bool) {
    assert_eq!(out.len(), x.len(), "the operands have different lengths");
    if out.is_empty() {
        return;
    }
    assert!(out.len().is_multiple_of(len), "the operands do not consist of whole rows");
    split(out, len, GRAIN, |start, out| {
        for (out, x) in out.chunks_exact_mut(len).zip(x[start..].chunks_exact(len)) {
            let mut state = if product { T::ONE } else { T::default() };
            for (out, &x) in out.iter_mut().zip(x) {
                state = if product { state.mul(x) } else { state.add(x) };
                *out = state;
            }
        }
    });
}
