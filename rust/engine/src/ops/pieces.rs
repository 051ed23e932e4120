//! Parts of a tensor along one dimension, as views.

use rgrad_macros::op;

use smallvec::SmallVec;

use super::views::{Range, reshape_to, slice};
use crate::error::{Result, fail};
use crate::shape::{Dims, normalize_dim};
use crate::tensor::{Tensor, room_for_tensors};

/// How a dimension is split.
#[derive(Clone, Debug)]
pub enum Sections {
    /// Into pieces of one size.
    Every(isize),
    /// Into pieces of these sizes.
    Each(Vec<isize>),
}

/// `len` positions of dimension `d` from `start` on, which lie within it.
fn part(x: &Tensor, d: usize, start: usize, len: usize) -> Result<Tensor> {
    let mut ranges: SmallVec<[Range; 4]> = x.shape().iter().map(|&n| Range::all(n)).collect();
    ranges[d] = Range { start, step: 1, len };
    slice(x, ranges)
}

/// `length` positions of dimension `dim` from `start` on, as a view. `IndexError` unless they lie within it.
#[op(method)]
pub fn narrow(x: &Tensor, dim: isize, start: isize, length: isize) -> Result<Tensor> {
    let d = normalize_dim("narrow", dim, x.ndim())?;
    let n = x.shape()[d] as isize;
    let from = if start < 0 { start + n } else { start };
    if from < 0 || length < 0 || from.checked_add(length).is_none_or(|end| end > n) {
        fail!(Index, "narrow: {length} positions from {start} on do not lie within dim {dim} of size {n}");
    }
    part(x, d, from as usize, length as usize)
}

/// Position `index` of dimension `dim`, without that dimension, as a view. `IndexError` if either is out of range.
#[op(method)]
pub fn select(x: &Tensor, dim: isize, index: isize) -> Result<Tensor> {
    let d = normalize_dim("select", dim, x.ndim())?;
    let n = x.shape()[d] as isize;
    if !(-n..n).contains(&index) {
        fail!(Index, "select: index {index} is out of range for dim {dim} of size {n}");
    }
    position(x, d, index.rem_euclid(n) as usize)
}

fn position(x: &Tensor, d: usize, at: usize) -> Result<Tensor> {
    let mut shape: Dims = x.shape().into();
    shape.remove(d);
    reshape_to(&part(x, d, at, 1)?, &shape)
}

/// Pieces along `dim`, as views: of one size, the last being what is left, or of the sizes that a sequence lists.
/// `ValueError` unless sizes are positive (0 is allowed in a list of sizes) and a list of sizes adds up to the
/// dimension's.
#[op(method, dim = 0)]
pub fn split(x: &Tensor, split_size_or_sections: &Sections, dim: isize) -> Result<Vec<Tensor>> {
    let d = normalize_dim("split", dim, x.ndim())?;
    let n = x.shape()[d];
    match split_size_or_sections {
        Sections::Every(size) => match usize::try_from(*size) {
            Ok(size) if size > 0 => every(x, d, size, n.div_ceil(size).max(1)),
            _ => fail!(Value, "split: expected pieces of a positive size, got {size}"),
        },
        Sections::Each(sizes) => {
            let add = |sum: usize, &s: &isize| sum.checked_add(usize::try_from(s).ok()?);
            if sizes.iter().try_fold(0, add) != Some(n) {
                fail!(Value, "split: sizes {sizes:?} do not add up to dim {dim} of size {n}");
            }
            let mut start = 0;
            let next = |&len: &isize| {
                start += len as usize;
                part(x, d, start - len as usize, len as usize)
            };
            sizes.iter().map(next).collect()
        }
    }
}

/// `count` pieces of `size` positions, of which the last ones are smaller where there are not enough.
fn every(x: &Tensor, d: usize, size: usize, count: usize) -> Result<Vec<Tensor>> {
    let n = x.shape()[d];
    let piece = |i: usize| part(x, d, size * i, size.min(n - size * i));
    all(count, piece)
}

/// `count` tensors.
fn all(count: usize, piece: impl FnMut(usize) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    let mut pieces = room_for_tensors(count)?;
    for piece in (0..count).map(piece) {
        pieces.push(piece?);
    }
    Ok(pieces)
}

/// At most `chunks` pieces along `dim`, as views; all of one size but the last, which may be smaller. `ValueError`
/// unless `chunks` is positive.
#[op(method, dim = 0)]
pub fn chunk(x: &Tensor, chunks: isize, dim: isize) -> Result<Vec<Tensor>> {
    let d = normalize_dim("chunk", dim, x.ndim())?;
    let n = x.shape()[d];
    let Some(count) = usize::try_from(chunks).ok().filter(|&c| c > 0) else {
        fail!(Value, "chunk: expected a positive number of chunks, got {chunks}");
    };
    // Nothing can be divided any number of times.
    let size = n.div_ceil(count);
    every(x, d, size, n.checked_div(size).map_or(count, |_| n.div_ceil(size)))
}

/// Every position of dimension `dim`, without that dimension, as views.
#[op(method, dim = 0)]
pub fn unbind(x: &Tensor, dim: isize) -> Result<Vec<Tensor>> {
    let d = normalize_dim("unbind", dim, x.ndim())?;
    all(x.shape()[d], |at| position(x, d, at))
}
