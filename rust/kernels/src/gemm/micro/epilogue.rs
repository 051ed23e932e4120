//! Epilogues: in the registers of a tile, and where that does not fit into the microkernel.

use std::mem::MaybeUninit;

use super::Panel;
use crate::gemm::{Activation, Epilogue};
use crate::math;
use crate::reduce::fold::MAX_LANES;
use crate::simd::{Kernel, Real, Simd};
use crate::tuning::MAX_VECTORS;

/// Applies the epilogue to the sums of the tile whose first row is `row`, and stores them at `c`.
///
/// # Safety
/// As for [`panel`].
#[inline(always)]
pub(super) unsafe fn finish<T: Real, S: Simd<T>, const MR: usize, const NV: usize>(
    s: S,
    p: &Panel<T>,
    row: usize,
    c: *mut T,
    mut acc: [[S::V; NV]; MR],
) {
    let at = |start: *const T, stride: usize, i: usize, v: usize| start.wrapping_add(i * stride + v * S::LANES);
    // SAFETY: the caller's; of the last vector only the tile's columns are read.
    let load = |x: *const T, v: usize| unsafe { if v == NV - 1 { s.load_head(x, p.size.last) } else { s.load(x) } };
    if let Some((partial, stride)) = p.finish.partial {
        for (i, sums) in acc.iter_mut().enumerate() {
            for (v, x) in sums.iter_mut().enumerate() {
                *x = s.add(load(at(partial, stride, row + i, v), v), *x);
            }
        }
    }
    if p.finish.accumulate {
        for (i, sums) in acc.iter_mut().enumerate() {
            for (v, x) in sums.iter_mut().enumerate() {
                *x = s.add(*x, load(at(c, p.c_stride, i, v), v));
            }
        }
    }
    if let Some(bias) = p.finish.bias {
        for v in 0..NV {
            let bias = load(at(bias, 0, 0, v), v);
            for sums in &mut acc {
                sums[v] = s.add(sums[v], bias);
            }
        }
    }
    if p.finish.activation == Some(Activation::Relu) {
        for x in acc.as_flattened_mut() {
            *x = math::relu(s, *x);
        }
    }
    if let Some((slope, values)) = p.finish.slope.filter(|_| !p.finish.is_long()) {
        // Loops that contain a branch are not unrolled, and then the sums are spilled to memory.
        macro_rules! apply_slope {
            ($function:path) => {
                for (i, sums) in acc.iter_mut().enumerate() {
                    for (v, x) in sums.iter_mut().enumerate() {
                        *x = $function(s, *x, load(at(values, p.c_stride, row + i, v), v));
                    }
                }
            };
        }
        match slope {
            Activation::Relu => apply_slope!(math::relu_grad),
            Activation::Tanh => apply_slope!(math::tanh_grad),
            Activation::Sigmoid => apply_slope!(math::sigmoid_grad),
        }
    }
    for (i, sums) in acc.iter().enumerate() {
        for (v, &x) in sums.iter().enumerate() {
            let to = at(c, p.c_stride, i, v).cast_mut();
            // SAFETY: the caller's.
            unsafe {
                if v < NV - 1 || p.size.last == S::LANES { s.store(to, x) } else { s.store_head(to, x, p.size.last) }
            }
        }
    }
}

/// Applies an activation that is too long for unrolled code to a panel of C, and then the slope.
pub(super) struct Activate<'a, T>(pub &'a Panel<T>);

impl<T: Real> Kernel<T> for Activate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Panel { size, c, c_stride, finish, .. } = *self.0;
        for i in 0..size.tiles * size.rows {
            for v in 0..size.vectors {
                let at = i * c_stride + v * S::LANES;
                let c = c.wrapping_add(at);
                let lanes = if v == size.vectors - 1 { size.last } else { S::LANES };
                // SAFETY: the panel has been written here, and each of its elements has a value.
                unsafe {
                    let mut x = s.load_head(c, lanes);
                    if let Some(activation) = finish.activation {
                        x = activation.value(s, x);
                    }
                    if let Some((slope, values)) = finish.slope {
                        x = slope.grad(s, x, s.load_head(values.wrapping_add(at), lanes));
                    }
                    s.store_head(c, x, lanes);
                }
            }
        }
    }
}

/// Writes the sums of a transposed product to C, with the whole epilogue. A row of C (a column here) is shorter than a
/// vector, and C is contiguous: once transposed, the sums are finished in vectors that span rows.
pub(in crate::gemm) struct FinishTransposed<'a, T> {
    /// Some of C's rows.
    pub c: &'a mut [T],
    /// The length of a row.
    pub m: usize,
    /// The sums, in `m` rows of whole vectors.
    pub totals: &'a [T],
    pub stride: usize,
    pub epilogue: Epilogue<'a, T>,
}

impl<T: Real> Kernel<T> for FinishTransposed<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { c, m, totals, stride, epilogue } = self;
        let (len, columns) = (c.len(), c.len() / m);
        assert!(m <= S::LANES && columns <= MAX_VECTORS * S::LANES && columns.next_multiple_of(S::LANES) <= stride);
        assert!(m * stride <= totals.len() && epilogue.slope.is_none_or(|(_, values)| len <= values.len()));
        let (c, totals) = (c.as_mut_ptr(), totals.as_ptr());
        // The strip's rows of C, and what the last quad writes past them. All are transposed before the first is read:
        // loading a vector that was just stored as quads would stall, since such stores are not forwarded.
        let mut transposed = [MaybeUninit::<T::Lanes>::uninit(); MAX_VECTORS * MAX_LANES + 1];
        let transposed = transposed.as_mut_ptr().cast::<T>();
        // The bias for each of `LANES` rows of C.
        let mut biases = [MaybeUninit::<T::Lanes>::uninit(); MAX_LANES + 1];
        let biases = biases.as_mut_ptr().cast::<T>();
        if let Some(bias) = epilogue.bias {
            assert_eq!(bias.len(), m);
            // SAFETY: the bias has `m` elements, and after row `LANES - 1` there is room for a vector.
            unsafe {
                let bias = s.load_head(bias.as_ptr(), m);
                for row in 0..S::LANES {
                    s.store(biases.add(row * m), bias);
                }
            }
        }
        for first in (0..columns).step_by(S::LANES) {
            // What a quad writes past its row is overwritten by an earlier column of the next row.
            for i in (0..m.div_ceil(4)).rev().map(|quad| 4 * quad) {
                let row = |j: usize| totals.wrapping_add((i + j).min(m - 1) * stride + first);
                // SAFETY: the totals hold `m` rows of whole vectors; for the room see above.
                unsafe {
                    let rows = [s.load(row(0)), s.load(row(1)), s.load(row(2)), s.load(row(3))];
                    s.store_quads(transposed.add(first * m + i), m, rows);
                }
            }
        }
        let mut bias = 0;
        for i in (0..len.div_ceil(S::LANES)).map(|vector| vector * S::LANES) {
            let lanes = S::LANES.min(len - i);
            let c = c.wrapping_add(i);
            // SAFETY: `transposed` and `biases` were written as far as rows go; C and the slope's values have `lanes`
            // elements from `i` on.
            unsafe {
                let mut x = s.load(transposed.add(i));
                if epilogue.accumulate {
                    x = s.add(x, s.load_head(c, lanes));
                }
                if epilogue.bias.is_some() {
                    x = s.add(x, s.load(biases.add(bias)));
                    bias = if bias + S::LANES == m * S::LANES { 0 } else { bias + S::LANES };
                }
                if let Some(activation) = epilogue.activation {
                    x = activation.value(s, x);
                }
                if let Some((slope, values)) = epilogue.slope {
                    x = slope.grad(s, x, s.load_head(values.as_ptr().wrapping_add(i), lanes));
                }
                s.store_head(c, x, lanes);
            }
        }
    }
}
