//! Sorting and the largest elements. Gradients go back to the places that the elements came from.

use rgrad_kernels::sort::order_rows;
use rgrad_macros::op;

use super::scan::along;
use super::{ValuesIndices, contiguous, gather};
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::op;
use crate::shape::{Dims, normalize_dims};
use crate::tensor::Tensor;

/// The indices of the `count` first elements along `dim` in order; all of them for `None`.
fn order(op: &'static str, x: &Tensor, dim: isize, count: Option<usize>, descending: bool) -> Result<Tensor> {
    along(op, &x.without_history(), dim, |x| {
        let x = contiguous(x)?;
        op::plain(op, &[&x], move |x, out| {
            let x = x[0];
            let mut shape: Dims = x.shape().into();
            let length = shape.pop().expect("one dimension is the last");
            let rows = shape.iter().product();
            shape.push(count.unwrap_or(length));
            match_any!(x.dtype(), T => {
                let from = x.read::<T>();
                out.build::<i64>(op, &shape, DType::Int64, |out| {
                    Ok(order_rows(out, from.slice(), rows, descending)?)
                })
            })
        })
    })
}

/// The elements along `dim` in increasing order, or decreasing if `descending`, and their indices. NaN is larger than
/// every number. Equal elements keep their order, whether `stable` asks for it or not.
#[op(method, dim = -1, descending = false, stable = false)]
pub fn sort(x: &Tensor, dim: isize, descending: bool, _stable: bool) -> Result<ValuesIndices> {
    let indices = order("sort", x, dim, None, descending)?;
    Ok((gather(x, dim, &indices)?, indices))
}

/// The indices that sort the elements along `dim`; see `sort`.
#[op(method, dim = -1, descending = false, stable = false)]
pub fn argsort(x: &Tensor, dim: isize, descending: bool, _stable: bool) -> Result<Tensor> {
    order("argsort", x, dim, None, descending)
}

/// The `k` largest elements along `dim`, or smallest unless `largest`, and their indices, in decreasing (increasing)
/// order, whether `sorted` asks for it or not. NaN is larger than every number; of equal elements the first are taken.
/// `ValueError` unless there are so many.
#[op(method, dim = -1, largest = true, sorted = true)]
pub fn topk(x: &Tensor, k: isize, dim: isize, largest: bool, _sorted: bool) -> Result<ValuesIndices> {
    // A tensor without dimensions is a row of one element.
    let length = normalize_dims("topk", Some(&[dim]), x.ndim())?.first().map_or(1, |&d| x.shape()[d]);
    let least = usize::from(x.ndim() == 0);
    let Some(count) = usize::try_from(k).ok().filter(|k| (least..=length).contains(k)) else {
        fail!(Value, "topk: k = {k} elements cannot be taken along dim {dim}, which has {length}")
    };
    let indices = order("topk", x, dim, Some(count), largest)?;
    Ok((gather(x, dim, &indices)?, indices))
}
