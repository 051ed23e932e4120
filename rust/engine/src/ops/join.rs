//! Joining tensors.

use rgrad_kernels::copy::copy_into;
use rgrad_macros::op;
use smallvec::SmallVec;

use super::cast;
use super::elementwise::zeros_like;
use super::views::{Range, slice, unsqueeze};
use crate::dtype::match_any;
use crate::error::{Result, fail};
use crate::op::{Grads, Op, Out, Saved, Want, apply};
use crate::shape::{Dims, Show, checked_numel, contiguous_strides, normalize_dim};
use crate::tensor::{Tensor, result_dtype};

#[derive(Clone)]
struct Cat {
    dim: usize,
    /// Size along `dim` of every input.
    sizes: Dims,
}

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let mut shape: Dims = x[0].shape().into();
        shape[self.dim] = self.sizes.iter().sum();
        let (strides, dtype) = (contiguous_strides(&shape), x[0].dtype());
        match_any!(dtype, T => out.build::<T>("cat", &shape, dtype, |out| {
            let mut at = 0;
            for (t, &n) in x.iter().zip(&self.sizes) {
                let from = t.read::<T>();
                copy_into(&mut out[at..], &strides, t.shape(), from.view());
                at += if t.numel() > 0 { n * strides[self.dim] } else { 0 };
            }
            Ok(())
        }))
    }
    fn backward(&self, _: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let mut grads = Grads::new();
        let mut start = 0;
        for (i, &len) in self.sizes.iter().enumerate() {
            let mut ranges: SmallVec<[Range; 4]> = g.shape().iter().map(|&n| Range::all(n)).collect();
            ranges[self.dim] = Range { start, step: 1, len };
            grads.push(if want.input(i) { Some(slice(g, ranges)?) } else { None });
            start += len;
        }
        Ok(grads)
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let part = |(x, t): (&&Tensor, Option<&Tensor>)| t.map_or_else(|| zeros_like(x), |t| Ok(t.clone()));
        let parts = x.iter().zip(t.iter().copied()).map(part).collect::<Result<Vec<_>>>()?;
        apply(self.clone(), &parts.iter().collect::<Vec<_>>())
    }
}

fn promoted(op: &str, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    if tensors.is_empty() {
        fail!(Value, "{op}: expected at least one tensor");
    }
    let dtype = result_dtype(&tensors.iter().collect::<Vec<_>>());
    tensors.iter().map(|t| cast(t, dtype)).collect()
}

/// Tensors of one shape, but for `dim`, laid end to end along `dim`.
#[op(function, dim = 0)]
pub fn cat(tensors: &[Tensor], dim: isize) -> Result<Tensor> {
    let tensors = promoted("cat", tensors)?;
    let first = tensors[0].shape();
    let at = normalize_dim("cat", dim, first.len())?;
    for t in &tensors[1..] {
        let fits =
            t.ndim() == first.len() && t.shape().iter().zip(first).enumerate().all(|(d, (a, b))| d == at || a == b);
        if !fits {
            fail!(Value, "cat: shapes {} and {} differ in more than dim {dim}", Show(first), Show(t.shape()));
        }
    }
    let sizes: Dims = tensors.iter().map(|t| t.shape()[at]).collect();
    let mut shape: Dims = first.into();
    shape[at] = sizes.iter().fold(0, |sum: usize, &n| sum.saturating_add(n));
    checked_numel("cat", &shape)?;
    apply(Cat { dim: at, sizes }, &tensors.iter().collect::<Vec<_>>())
}

/// Tensors of one shape, joined along a new dimension before position `dim`.
#[op(function, dim = 0)]
pub fn stack(tensors: &[Tensor], dim: isize) -> Result<Tensor> {
    let tensors = promoted("stack", tensors)?;
    for t in &tensors[1..] {
        if t.shape() != tensors[0].shape() {
            fail!(Value, "stack: shapes {} and {} differ", Show(tensors[0].shape()), Show(t.shape()));
        }
    }
    let at = normalize_dim("stack", dim, tensors[0].ndim() + 1)? as isize;
    let parts = tensors.iter().map(|t| unsqueeze(t, at)).collect::<Result<Vec<_>>>()?;
    cat(&parts, at)
}
