//! Sorting and the largest elements. Gradients go back to the places that the elements came from.

use rgrad_kernels::sort::order_rows;

use super::views::{permute, reshape_to};
use super::{contiguous, index_select, op_table};
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::shape::{Dims, normalize_dim, normalize_dims};
use crate::tensor::Tensor;

op_table! { $ sort_ops
    /// The elements along `dim` in increasing order, or decreasing if `descending`, and their indices. NaN is larger than
    /// every number. Equal elements keep their order, whether `stable` asks for it or not.
    method sort(x: Tensor, dim: int = -1, descending: bool = false, stable: bool = false) -> ValuesIndices;
    /// The indices that sort the elements along `dim`; see `sort`.
    method argsort(x: Tensor, dim: int = -1, descending: bool = false, stable: bool = false);
    /// The `k` largest elements along `dim`, or smallest unless `largest`, and their indices, in decreasing (increasing)
    /// order, whether `sorted` asks for it or not. NaN is larger than every number; of equal elements the first are taken.
    method topk(x: Tensor, k: int, dim: int = -1, largest: bool = true, sorted: bool = true) -> ValuesIndices;
}

/// The rows of a tensor along one dimension.
struct Rows {
    /// (rows, length), row-major.
    matrix: Tensor,
    /// Shape with the dimension last.
    shape: Dims,
    /// The dimension.
    dim: usize,
}

impl Rows {
    fn new(op: &str, x: &Tensor, dim: isize) -> Result<Self> {
        // A tensor without dimensions is a row of one element; `normalize_dims` knows which dims name it.
        let (dim, x) = match x.ndim() {
            0 => (normalize_dims(op, Some(&[dim]), 0)?.len(), reshape_to(x, &[1])?),
            n => (normalize_dim(op, dim, n)?, x.clone()),
        };
        let order: Vec<isize> = (0..x.ndim()).filter(|&d| d != dim).chain([dim]).map(|d| d as isize).collect();
        let moved = permute(&x, &order)?;
        let shape: Dims = moved.shape().into();
        let length = x.shape()[dim];
        let rows = shape[..shape.len() - 1].iter().product();
        Ok(Self { matrix: contiguous(&reshape_to(&moved, &[rows, length])?)?, shape, dim })
    }

    fn length(&self) -> usize {
        self.matrix.shape()[1]
    }

    /// The places (rows, count) of the first `count` elements of every row in order.
    fn places(&self, op: &str, count: usize, descending: bool) -> Result<Tensor> {
        let rows = self.matrix.shape()[0];
        match_any!(self.matrix.dtype(), T => {
            let from = self.matrix.read::<T>();
            Tensor::build::<i64>(op, &[rows, count], DType::Int64, |out| {
                order_rows(out, from.slice(), rows, descending);
                Ok(())
            })
        })
    }

    /// The elements at those places.
    fn at(&self, places: &Tensor) -> Result<Tensor> {
        let (length, count) = (self.length(), places.shape()[1]);
        let mut flat = places.to_vec::<i64>()?;
        for (row, part) in flat.chunks_mut(count.max(1)).enumerate() {
            for place in part {
                *place += (row * length) as i64;
            }
        }
        let all = reshape_to(&self.matrix, &[self.matrix.numel()])?;
        index_select(&all, 0, &Tensor::from_slice(&flat, &[flat.len()])?)
    }

    /// `t`, which has `count` elements for every row, with the dimension where it was; a number for a number.
    fn restore(&self, t: &Tensor, count: usize, x: &Tensor) -> Result<Tensor> {
        if x.ndim() == 0 {
            return reshape_to(t, &[]);
        }
        let rest = self.shape.len() - 1;
        let mut shape = self.shape.clone();
        shape[rest] = count;
        let mut order: Vec<isize> = (0..rest as isize).collect();
        order.insert(self.dim, rest as isize);
        permute(&reshape_to(t, &shape)?, &order)
    }

    /// The first `count` elements in order, and their indices.
    fn first(&self, op: &str, count: usize, descending: bool, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let places = self.places(op, count, descending)?;
        Ok((self.restore(&self.at(&places)?, count, x)?, self.restore(&places, count, x)?))
    }
}

/// The elements along `dim` in increasing order, or decreasing if `descending`, and their indices. NaN is larger than every
/// number, and equal elements keep their order.
pub fn sort(x: &Tensor, dim: isize, descending: bool, _stable: bool) -> Result<(Tensor, Tensor)> {
    let rows = Rows::new("sort", x, dim)?;
    rows.first("sort", rows.length(), descending, x)
}

/// The indices that sort the elements along `dim`.
pub fn argsort(x: &Tensor, dim: isize, descending: bool, _stable: bool) -> Result<Tensor> {
    let rows = Rows::new("argsort", &x.without_history(), dim)?;
    let places = rows.places("argsort", rows.length(), descending)?;
    rows.restore(&places, rows.length(), x)
}

/// The `k` largest elements along `dim`, or smallest unless `largest`, and their indices, in order. `ValueError` unless there
/// are so many.
pub fn topk(x: &Tensor, k: isize, dim: isize, largest: bool, _sorted: bool) -> Result<(Tensor, Tensor)> {
    let rows = Rows::new("topk", x, dim)?;
    let length = rows.length();
    match usize::try_from(k) {
        Ok(count) if count <= length => rows.first("topk", count, largest, x),
        _ => fail!(Value, "topk: k = {k} elements cannot be taken along dim {dim}, which has {length}"),
    }
}
