//! The ends of epilogues that do not fit into the microkernel.

use std::ops::Range;

use super::micro::Panel;
use super::part::Product;
use super::{Activation, Slope};
use crate::math;
use crate::simd::{Kernel, Real, Simd};

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
fn descend<T: Real, S: Simd<T>>(s: S, slope: Slope, g: S::V, y: S::V) -> S::V {
    match slope {
        Slope::Relu => math::relu_grad(s, g, y),
        Slope::Tanh => math::tanh_grad(s, g, y),
        Slope::Sigmoid => math::sigmoid_grad(s, g, y),
    }
}

/// Applies an activation that is too long for unrolled code to a panel in C, and the slope that comes behind it.
pub(super) struct Activate<'a, T> {
    pub panel: &'a Panel<T>,
    pub rows: usize,
    pub vectors: usize,
    pub activation: Activation,
    /// With the first of the values, which lie as C's elements do.
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
                        x = descend(s, slope, x, s.load_head(values.wrapping_add(at), lanes));
                    }
                    s.store_head(c, x, lanes);
                }
            }
        }
    }
}

/// Writes the sums of a transposed product to C, with the whole epilogue. There are fewer rows than a vector has lanes, so
/// each column becomes a part of one.
pub(super) struct FinishTransposed<'a, T> {
    pub product: &'a Product<T>,
    pub rows: Range<usize>,
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
        let lanes = self.rows.len();
        for first in self.columns.clone().step_by(S::LANES) {
            let width = S::LANES.min(self.columns.end - first);
            let mut square = [T::Lanes::default(); 16];
            let square = square.as_mut_ptr().cast::<T>();
            // SAFETY: the totals hold `rows × columns`; the square has room for `LANES` vectors; row `j` of C (columns here)
            // has `m` elements, of which `rows` are this part's, as the bias and the slope's values have.
            unsafe {
                let from = self.totals.wrapping_add(first - self.columns.start);
                s.transpose(from, self.stride, lanes, width, square, S::LANES);
                for j in 0..width {
                    let at = (first + j) * p.m + self.rows.start;
                    let c = p.c.wrapping_add(at);
                    let mut x = s.load(square.add(j * S::LANES));
                    if p.accumulate {
                        x = s.add(x, s.load_head(c, lanes));
                    }
                    if let Some(bias) = p.bias {
                        x = s.add(x, s.load_head(bias.wrapping_add(self.rows.start), lanes));
                    }
                    x = activate(s, p.activation, x);
                    if let Some((slope, values)) = p.slope {
                        x = descend(s, slope, x, s.load_head(values.wrapping_add(at), lanes));
                    }
                    s.store_head(c, x, lanes);
                }
            }
        }
    }
}
