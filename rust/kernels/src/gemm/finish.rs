//! Epilogues that do not fit into the microkernel.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::micro::Panel;
use super::part::Product;
use super::{Activation, Slope};
use crate::math;
use crate::reduce::fold::MAX_LANES;
use crate::simd::{Kernel, Real, Simd};
use crate::tuning::MAX_VECTORS;

#[inline(always)]
fn activate<T: Real, S: Simd<T>>(s: S, activation: Activation, x: S::V) -> S::V {
    match activation {
        Activation::None => x,
        Activation::Relu => math::relu(s, x),
        Activation::Tanh => math::tanh(s, x),
        Activation::Sigmoid => math::sigmoid(s, x),
    }
}

#[inline(always)]
fn apply_slope<T: Real, S: Simd<T>>(s: S, slope: Slope, g: S::V, y: S::V) -> S::V {
    match slope {
        Slope::Relu => math::relu_grad(s, g, y),
        Slope::Tanh => math::tanh_grad(s, g, y),
        Slope::Sigmoid => math::sigmoid_grad(s, g, y),
    }
}

/// Applies an activation that is too long for unrolled code to a panel of C, and then the slope.
pub(super) struct Activate<'a, T> {
    pub panel: &'a Panel<T>,
    pub rows: usize,
    pub vectors: usize,
    pub activation: Activation,
    /// With a pointer to the first value; the values have C's layout.
    pub slope: Option<(Slope, *const T)>,
}

impl<T: Real> Kernel<T> for Activate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for i in 0..self.rows {
            for v in 0..self.vectors {
                let at = i * self.panel.c_stride + v * S::LANES;
                let c = self.panel.c.wrapping_add(at);
                let lanes = if v == self.vectors - 1 { self.panel.last } else { S::LANES };
                // SAFETY: the panel has been written here, and each of its elements has a value.
                unsafe {
                    let mut x = activate(s, self.activation, s.load_head(c, lanes));
                    if let Some((slope, values)) = self.slope {
                        x = apply_slope(s, slope, x, s.load_head(values.wrapping_add(at), lanes));
                    }
                    s.store_head(c, x, lanes);
                }
            }
        }
    }
}

/// Writes the sums of a transposed product to C, with the whole epilogue. A row of C (a column here) is shorter than a
/// vector, and C is contiguous: once transposed, the sums are finished in vectors that span rows.
pub(super) struct FinishTransposed<'a, T> {
    pub product: &'a Product<T>,
    pub columns: Range<usize>,
    /// The sums, in rows of whole vectors.
    pub totals: *const T,
    pub stride: usize,
}

impl<T: Real> Kernel<T> for FinishTransposed<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let p = self.product;
        assert!(p.m <= S::LANES && self.columns.len() <= MAX_VECTORS * S::LANES);
        // The strip's rows of C, and what the last quad writes past them. All are transposed before the first is read:
        // loading a vector that was just stored as quads would stall, since such stores are not forwarded.
        let mut transposed = [MaybeUninit::<T::Lanes>::uninit(); MAX_VECTORS * MAX_LANES + 1];
        let transposed = transposed.as_mut_ptr().cast::<T>();
        // The bias for each of `LANES` rows of C.
        let mut biases = [MaybeUninit::<T::Lanes>::uninit(); MAX_LANES + 1];
        let biases = biases.as_mut_ptr().cast::<T>();
        if let Some(bias) = p.bias {
            // SAFETY: the bias has `m` elements, and after row `LANES - 1` there is room for a vector.
            unsafe {
                let bias = s.load_head(bias, p.m);
                for row in 0..S::LANES {
                    s.store(biases.add(row * p.m), bias);
                }
            }
        }
        for first in (0..self.columns.len()).step_by(S::LANES) {
            // What a quad writes past its row is overwritten by an earlier column of the next row.
            for i in (0..p.m.div_ceil(4)).rev().map(|quad| 4 * quad) {
                let row = |j: usize| self.totals.wrapping_add((i + j).min(p.m - 1) * self.stride + first);
                // SAFETY: the totals hold `m` rows of whole vectors; for the room see above.
                unsafe {
                    let rows = [s.load(row(0)), s.load(row(1)), s.load(row(2)), s.load(row(3))];
                    s.store_quads(transposed.add(first * p.m + i), p.m, rows);
                }
            }
        }
        let len = self.columns.len() * p.m;
        let mut bias = 0;
        for i in (0..len.div_ceil(S::LANES)).map(|vector| vector * S::LANES) {
            let lanes = S::LANES.min(len - i);
            let at = self.columns.start * p.m + i;
            let c = p.c.wrapping_add(at);
            // SAFETY: `transposed` and `biases` were written as far as rows go; C has `lanes` elements from `at` on,
            // and so do the slope's values.
            unsafe {
                let mut x = s.load(transposed.add(i));
                if p.accumulate {
                    x = s.add(x, s.load_head(c, lanes));
                }
                if p.bias.is_some() {
                    x = s.add(x, s.load(biases.add(bias)));
                    bias = if bias + S::LANES == p.m * S::LANES { 0 } else { bias + S::LANES };
                }
                x = activate(s, p.activation, x);
                if let Some((slope, values)) = p.slope {
                    x = apply_slope(s, slope, x, s.load_head(values.wrapping_add(at), lanes));
                }
                s.store_head(c, x, lanes);
            }
        }
    }
}
