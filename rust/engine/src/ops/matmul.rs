//! Matrix products.

use rgrad_kernels::gemm::{self, Epilogue, Mat};
use rgrad_macros::op;
use smallvec::SmallVec;

use super::linalg::dot;
use super::reduce::sum;
use super::total;
use super::views::{expand_to, reshape_to, transpose};
use super::{cast, strides_over};
use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::op::Kind;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::shape::{Dims, Show, broadcast, places};
use crate::tensor::{Tensor, result_dtype};

/// A product of two matrices, or of two stacks of equally many.
#[derive(Clone, Copy)]
struct Matmul;

/// The two last dimensions of `x` as the kernel takes them, from the first element on.
fn mat<'a, T>(op: &str, x: &Tensor, data: &'a [T]) -> Result<Mat<'a, T>> {
    let (layout, n) = (x.layout(), x.ndim());
    let (rows, cols) = (layout.shape[n - 2], layout.shape[n - 1]);
    // Only a repeated element can get that far.
    if rows.checked_mul(cols).is_none_or(|size| size > gemm::MAX_ELEMENTS) {
        fail!(Value, "{op}: a matrix of shape {} has too many elements", Show(x.shape()));
    }
    Ok(Mat { data, rows, cols, row_stride: layout.strides[n - 2], col_stride: layout.strides[n - 1] })
}

/// Where each matrix of a stack begins, with the dimensions before the last two broadcast to `batch`.
fn starts(x: &Tensor, batch: &[usize]) -> Result<SmallVec<[usize; 4]>> {
    let full: Dims = batch.iter().chain(&x.shape()[x.ndim() - 2..]).copied().collect();
    let mut room = Dims::new();
    let strides = strides_over(x, &full, &mut room);
    places(0, batch.iter().copied().zip(strides.iter().copied()))
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn kind(&self) -> Kind {
        Kind::Matmul
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (a, b) = (x[0], x[1]);
        let ((ra, rb), (sa, sb)) = ((a.ndim() - 2, b.ndim() - 2), (a.shape(), b.shape()));
        if sa[ra + 1] != sb[rb] {
            fail!(
                Value,
                "matmul: the inner sizes differ: {} @ {} needs {} = {}",
                Show(sa),
                Show(sb),
                sa[ra + 1],
                sb[rb]
            );
        }
        let batch = broadcast("matmul", &sa[..ra], &sb[..rb])?;
        let mut shape = batch.clone();
        shape.extend([sa[ra], sb[rb + 1]]);
        match_float!(a.dtype(), "matmul", T => {
            let (da, db) = (a.read::<T>(), b.read::<T>());
            let (ma, mb) = (mat("matmul", a, da.tail())?, mat("matmul", b, db.tail())?);
            out.build::<T>("matmul", &shape, a.dtype(), |out| {
                gemm::gemm_batched(out, ma, mb, &starts(a, &batch)?, &starts(b, &batch)?, Epilogue::default());
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let (a, b) = (saved.input(0), saved.input(1));
        let ga = if want.input(0) { Some(apply(Matmul, &[g, &transpose(b, -2, -1)?])?) } else { None };
        let gb = if want.input(1) { Some(apply(Matmul, &[&transpose(a, -2, -1)?, g])?) } else { None };
        Ok([ga, gb].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let a = t[0].map(|t| apply(Matmul, &[t, x[1]])).transpose()?;
        let b = t[1].map(|t| apply(Matmul, &[x[0], t])).transpose()?;
        total([a, b])
    }
}

/// Matrix product, as NumPy's `@`: (…, m, k) with (…, k, n) gives (…, m, n), and dimensions before the last two
/// broadcast. A vector counts as one row on the left, as one column on the right, and leaves no dimension behind.
#[op(method)]
pub fn matmul(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    if x.ndim() == 0 || other.ndim() == 0 {
        fail!(Value, "matmul: expected vectors or matrices, got {} @ {}", Show(x.shape()), Show(other.shape()));
    }
    let dtype = result_dtype(&[x, other]);
    let (mut x, mut other) = (cast(x, dtype)?, cast(other, dtype)?);
    let (row, column) = (x.ndim() == 1, other.ndim() == 1);
    let (k, last) = (x.shape()[x.ndim() - 1], other.shape()[other.ndim().saturating_sub(2)]);
    if k != last {
        fail!(
            Value,
            "matmul: the inner sizes differ: {} @ {} needs {k} = {last}",
            Show(x.shape()),
            Show(other.shape())
        );
    }
    if row && column {
        return dot(&x, &other);
    }
    if row {
        x = reshape_to(&x, &[1, k])?;
    }
    if column {
        other = reshape_to(&other, &[k, 1])?;
    }
    // A stack times one matrix is one product of taller matrices.
    let stack: Option<Dims> = (x.ndim() > 2 && other.ndim() == 2).then(|| x.shape()[..x.ndim() - 1].into());
    if let Some(rows) = &stack {
        x = reshape_to(&x, &[rows.iter().product(), k])?;
    }
    let y = apply(Matmul, &[&x, &other])?;
    let n = y.ndim();
    let mut shape: Dims = stack.unwrap_or_else(|| y.shape()[..n - 1].into());
    shape.push(y.shape()[n - 1]);
    if column {
        shape.pop();
    }
    if row {
        shape.remove(shape.len() - 1 - usize::from(!column));
    }
    reshape_to(&y, &shape)
}

/// x Wᵀ + b in one pass over the result.
#[derive(Clone, Copy)]
struct Linear;

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn kind(&self) -> Kind {
        Kind::Linear
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 3, output: false }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let (a, w) = (x[0], x[1]);
        match_float!(a.dtype(), "linear", T => {
            let (da, dw) = (a.read::<T>(), w.read::<T>());
            let db = x.get(2).map(|b| b.read::<T>());
            let (ma, mw) = (mat("linear", a, da.tail())?, mat("linear", w, dw.tail())?);
            let wt = Mat { rows: mw.cols, cols: mw.rows, row_stride: mw.col_stride, col_stride: mw.row_stride, ..mw };
            out.build::<T>("linear", &[a.shape()[0], w.shape()[0]], a.dtype(), |out| {
                gemm::gemm(out, ma, wt, Epilogue { bias: db.as_ref().map(crate::tensor::Reader::slice), ..Epilogue::default() });
                Ok(())
            })
        })
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let gx = if want.input(0) { Some(apply(Matmul, &[g, saved.input(1)])?) } else { None };
        let gw = if want.input(1) { Some(apply(Matmul, &[&transpose(g, 0, 1)?, saved.input(0)])?) } else { None };
        let gb = if want.input(2) { Some(sum(g, Some(&[0]), false)?) } else { None };
        let all = [gx, gw, gb];
        // Without a bias there is no third input.
        Ok(all.into_iter().take(saved.inputs()).collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let a = t[0].map(|t| apply(Linear, &[t, x[1]])).transpose()?;
        let w = t[1].map(|t| apply(Linear, &[x[0], t])).transpose()?;
        let b = t.get(2).copied().flatten().map(|t| expand_to(t, y.shape())).transpose()?;
        total([a, w, b])
    }
}

/// x Wᵀ + b, with `x` (…, in), `weight` (out, in) and `bias` (out,) or None: (…, out).
#[op(function, bias = None)]
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (sx, sw) = (x.shape(), weight.shape());
    let fits = !sx.is_empty() && sw.len() == 2 && sx[sx.len() - 1] == sw[1];
    if !fits {
        fail!(Value, "linear: expected x (…, in) and weight (out, in), got {} and {}", Show(sx), Show(sw));
    }
    if let Some(b) = bias
        && b.shape() != &sw[..1]
    {
        fail!(Value, "linear: expected a bias of shape {}, got {}", Show(&sw[..1]), Show(b.shape()));
    }
    let all: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    let dtype = result_dtype(&all);
    let (x, weight, bias) = (cast(x, dtype)?, cast(weight, dtype)?, bias.map(|b| cast(b, dtype)).transpose()?);
    let rows = sx[..sx.len() - 1].iter().product();
    let flat = reshape_to(&x, &[rows, sw[1]])?;
    let y = match bias.map(|b| super::contiguous(&b)).transpose()? {
        Some(b) => apply(Linear, &[&flat, &weight, &b])?,
        None => apply(Linear, &[&flat, &weight])?,
    };
    let mut shape: Dims = x.shape()[..x.ndim() - 1].into();
    shape.push(weight.shape()[0]);
    reshape_to(&y, &shape)
}
