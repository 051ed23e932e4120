//! The same elements in another order, or several times. The results are copies.

use rgrad_kernels::flip as kernels;
use rgrad_macros::op;

use super::pieces::narrow;
use super::views::{distinct, expand_to, ravel, reshape_to};
use super::{cat, clone, only};
use crate::dtype::match_any;
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Want, apply};
use crate::shape::{Dims, Show, checked_numel, normalize_dim};
use crate::tensor::Tensor;

/// The elements of some dimensions in reverse order.
#[derive(Clone)]
struct Flip(Dims);

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let x = x[0];
        match_any!(x.dtype(), T => x.with_packed(|from: &[T]| {
            out.build::<T>("flip", x.shape(), x.dtype(), |out| {
                kernels::flip(out, from, x.shape(), &self.0);
                Ok(())
            })
        }))
    }
    fn backward(&self, _: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        Ok([Some(apply(self.clone(), &[g])?)].into_iter().collect())
    }
    fn jvp(&self, _: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        apply(self.clone(), &[only(t)])
    }
}

/// The elements of dimensions `dims` in reverse order, as a copy. A dimension out of range is an `IndexError`, one that
/// is named twice a `ValueError`.
#[op(method, *dims)]
pub fn flip(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    flip_dims(x, distinct("flip", dims, x.ndim())?)
}

/// As [`flip`], of dimensions that exist, each once.
pub(super) fn flip_dims(x: &Tensor, dims: Dims) -> Result<Tensor> {
    apply(Flip(dims), &[x])
}

/// The elements moved by `shifts` along `dims`, those behind the end coming in at the front; without `dims`, all
/// elements are moved as if they were one vector. `ValueError` unless there is a shift for every dimension, or one
/// alone.
#[op(method, dims = None)]
pub fn roll(x: &Tensor, shifts: &[isize], dims: Option<&[isize]>) -> Result<Tensor> {
    let Some(dims) = dims else {
        if shifts.len() != 1 {
            fail!(Value, "roll: {} shifts were given without dims; give a dim for each, or one shift", shifts.len());
        }
        return reshape_to(&roll(&ravel(x)?, shifts, Some(&[0]))?, x.shape());
    };
    if shifts.len() != dims.len() {
        fail!(Value, "roll: {} shifts do not fit {} dims", shifts.len(), dims.len());
    }
    let mut y = x.clone();
    let all: Dims = dims.iter().map(|&d| normalize_dim("roll", d, x.ndim())).collect::<Result<_>>()?;
    for (&shift, &d) in shifts.iter().zip(&all) {
        let n = x.shape()[d] as isize;
        let by = if n == 0 { 0 } else { shift.rem_euclid(n) };
        if by > 0 {
            let d = d as isize;
            y = cat(&[narrow(&y, d, n - by, by)?, narrow(&y, d, 0, n - by)?], d)?;
        }
    }
    owned(x, y)
}

/// The tensor laid end to end `sizes[i]` times along dimension `i`; more sizes than dimensions make new ones in front.
/// `ValueError` for negative sizes, or fewer sizes than dimensions.
#[op(method, *sizes)]
pub fn repeat(x: &Tensor, sizes: &[isize]) -> Result<Tensor> {
    if sizes.len() < x.ndim() {
        let (given, shape) = (sizes.len(), Show(x.shape()));
        fail!(Value, "repeat: {given} sizes for a tensor of shape {shape}; give one for every dimension");
    }
    repeated("repeat", x, sizes)
}

/// As `repeat`, but fewer sizes than dimensions belong to the last ones. `ValueError` for negative sizes.
#[op(method, *dims)]
pub fn tile(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    let mut sizes = vec![1; x.ndim().saturating_sub(dims.len())];
    sizes.extend_from_slice(dims);
    repeated("tile", x, &sizes)
}

fn repeated(op: &str, x: &Tensor, times: &[isize]) -> Result<Tensor> {
    if let Some(bad) = times.iter().find(|&&r| r < 0) {
        fail!(Value, "{op}: expected numbers of repetitions, got {bad}");
    }
    // (r₀, n₀, r₁, n₁, …), where only the repetitions grow from 1.
    let lead = times.len() - x.ndim();
    let (mut once, mut often) = (Dims::new(), Dims::new());
    for (i, &r) in times.iter().enumerate() {
        let n = if i < lead { 1 } else { x.shape()[i - lead] };
        once.extend([1, n]);
        often.extend([r as usize, n]);
    }
    checked_numel(op, &often)?;
    let shape: Dims = often.chunks_exact(2).map(|pair| pair[0] * pair[1]).collect();
    owned(x, reshape_to(&expand_to(&reshape_to(x, &once)?, &often)?, &shape)?)
}

/// `y`, or a copy if its memory is that of `x`.
fn owned(x: &Tensor, y: Tensor) -> Result<Tensor> {
    if y.shares_storage(x) { clone(&y) } else { Ok(y) }
}
