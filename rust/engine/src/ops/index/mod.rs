//! Indexing: basic (slices and integers, as views) and by tensors of integers or bool (as copies), read and write; and the
//! functions that pick elements or positions along one dimension.

mod along;
mod read;
mod write;

use rgrad_kernels::gather as kernels;
use smallvec::SmallVec;

pub use along::*;
pub use read::*;
pub use write::*;

use super::arrange::flip_dims;
use super::views::{Range, reshape_to, slice};
use super::{cast, contiguous};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op;
use crate::shape::{Dims, Show};
use crate::tensor::watch;
use crate::tensor::{Number, Tensor};

/// One item between the brackets of `x[…]`.
#[derive(Clone, Debug)]
pub enum Index {
    /// `start:stop:step`, resolved against the dimension's size by Python's rules for slices.
    Slice {
        /// First position, negative from the back; the beginning, or for a negative step the end, if absent.
        start: Option<isize>,
        /// Position behind the last, negative from the back; the other end if absent.
        stop: Option<isize>,
        /// Distance of neighbours, not 0.
        step: isize,
    },
    /// One position, whose dimension disappears.
    At(isize),
    /// `None`: a new dimension of size 1.
    NewAxis,
    /// `...`: all dimensions that the other items leave.
    Ellipsis,
    /// Positions, or a mask of bool.
    Tensor(Tensor),
}

impl Index {
    /// The position, if this item is a single one: an integer, or a tensor of one without dimensions.
    fn position(&self) -> Result<Option<isize>> {
        match self {
            Index::At(i) => Ok(Some(*i)),
            Index::Tensor(t) if t.ndim() == 0 && !t.dtype().is_float() && t.dtype() != DType::Bool => {
                match t.item()? {
                    Number::Int(i) => Ok(Some(i as isize)),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// Dimensions of the indexed tensor that this item stands for.
    fn uses(&self) -> usize {
        match self {
            Index::NewAxis | Index::Ellipsis => 0,
            Index::Tensor(t) if t.dtype() == DType::Bool => t.ndim(),
            _ => 1,
        }
    }
}

/// The positions of a slice by Python's rules, in increasing order, and whether they are to be taken backwards.
fn resolve(start: Option<isize>, stop: Option<isize>, step: isize, n: usize) -> Result<(Range, bool)> {
    let (n, by, back) = (n as isize, step.unsigned_abs(), step < 0);
    if by == 0 {
        fail!(Value, "index: a slice's step must not be 0");
    }
    // Backwards, the ends are one place lower: behind the last is before the first.
    let (low, high) = if back { (-1, n - 1) } else { (0, n) };
    let clip = |v: isize| (if v < 0 { v.saturating_add(n) } else { v }).clamp(low, high);
    let (from, to) = if back {
        (start.map_or(high, clip), stop.map_or(low, clip))
    } else {
        (start.map_or(low, clip), stop.map_or(high, clip))
    };
    let span = if back { from - to } else { to - from };
    if span <= 0 {
        return Ok((Range { start: 0, step: 1, len: 0 }, false));
    }
    let len = (span as usize - 1) / by + 1;
    // A single position has no neighbour; its step must not make a stride that overflows.
    let by = if len > 1 { by } else { 1 };
    let first = if back { from as usize - (len - 1) * by } else { from as usize };
    Ok((Range { start: first, step: by, len }, back && len > 1))
}

/// Positions along one dimension.
struct Positions {
    /// The dimension of the view.
    dim: usize,
    /// Whole numbers, all in range, negative ones from the back.
    at: Tensor,
}

/// An index, taken apart: a view first, some of its dimensions backwards, then positions along others.
struct Plan {
    /// The view by slices, integers and new axes; dimensions with positions are whole.
    view: Tensor,
    /// Dimensions of the view that run backwards.
    back: Dims,
    /// Positions along dimensions of the view.
    positions: Vec<Positions>,
}

impl Plan {
    /// What slices, integers and new axes select: the view, or a copy where it runs backwards.
    fn basic(&self) -> Result<Tensor> {
        if self.back.is_empty() { Ok(self.view.clone()) } else { flip_dims(&self.view, self.back.clone()) }
    }

    fn new(x: &Tensor, index: &[Index]) -> Result<Self> {
        let used: usize = index.iter().map(Index::uses).sum();
        let ellipses = index.iter().filter(|i| matches!(i, Index::Ellipsis)).count();
        if used > x.ndim() || ellipses > 1 {
            let many = if ellipses > 1 { "more than one ellipsis" } else { "too many indices" };
            fail!(Index, "index: {many} for a tensor of shape {}", Show(x.shape()));
        }
        let mut taking = Taking::of(x);
        for item in index {
            // As in NumPy, an integer beside positions is a position: its place decides where their dimensions go.
            taking.advanced |= matches!(item, Index::Tensor(_)) && item.position()?.is_none();
        }
        for item in index {
            taking.item(item, x.ndim() - used)?;
        }
        let rest = x.ndim() - taking.ranges.len();
        taking.whole(rest);
        let Taking { ranges, shape, back, positions, .. } = taking;
        let same = ranges.iter().zip(x.shape()).all(|(r, &n)| *r == Range::all(n));
        let view = if same { x.clone() } else { slice(x, ranges)? };
        // Drops or adds dimensions of size 1, which strides can always express.
        debug_assert!(view.numel() == 0 || view.layout().reshape(&shape).is_some());
        Ok(Self { view: reshape_to(&view, &shape)?, back, positions })
    }
}

/// A plan in the making.
struct Taking<'a> {
    x: &'a Tensor,
    /// Whether there are positions or masks, and not only integers and slices.
    advanced: bool,
    /// One for every dimension of `x` so far.
    ranges: SmallVec<[Range; 4]>,
    /// Shape of the view so far.
    shape: Dims,
    back: Dims,
    positions: Vec<Positions>,
}

impl<'a> Taking<'a> {
    fn of(x: &'a Tensor) -> Self {
        let (shape, back) = (Dims::new(), Dims::new());
        Self { x, advanced: false, ranges: SmallVec::new(), shape, back, positions: Vec::new() }
    }

    /// The next `count` dimensions unchanged.
    fn whole(&mut self, count: usize) {
        for _ in 0..count {
            let n = self.x.shape()[self.ranges.len()];
            self.ranges.push(Range::all(n));
            self.shape.push(n);
        }
    }

    /// One item; an ellipsis stands for `rest` dimensions.
    fn item(&mut self, item: &Index, rest: usize) -> Result<()> {
        let at = self.ranges.len();
        if let Some(i) = item.position()? {
            return self.integer(i);
        }
        match item {
            Index::NewAxis => self.shape.push(1),
            Index::Ellipsis => self.whole(rest),
            Index::Slice { start, stop, step } => {
                let (range, back) = resolve(*start, *stop, *step, self.x.shape()[at])?;
                if back {
                    self.back.push(self.shape.len());
                }
                self.ranges.push(range);
                self.shape.push(range.len);
            }
            Index::Tensor(t) if t.dtype() == DType::Bool => self.mask(t)?,
            Index::Tensor(t) if t.dtype().is_float() => {
                fail!(Index, "index: expected positions of integers or a mask of bool, got {}", t.dtype());
            }
            Index::Tensor(t) => {
                let t = cast(t, DType::Int64)?;
                check_range("index", &t, at, self.x.shape()[at])?;
                self.positions.push(Positions { dim: self.shape.len(), at: t });
                self.whole(1);
            }
            Index::At(_) => {}
        }
        Ok(())
    }

    fn integer(&mut self, i: isize) -> Result<()> {
        let at = self.ranges.len();
        let n = self.x.shape()[at] as isize;
        if !(-n..n).contains(&i) {
            fail!(Index, "index: {i} is out of range for dim {at} of size {n}");
        }
        self.ranges.push(Range { start: i.rem_euclid(n) as usize, step: 1, len: 1 });
        if self.advanced {
            self.positions.push(Positions { dim: self.shape.len(), at: Tensor::scalar(Number::Int(0), DType::Int64)? });
            self.shape.push(1);
        }
        Ok(())
    }

    fn mask(&mut self, t: &Tensor) -> Result<()> {
        let at = self.ranges.len();
        let part = &self.x.shape()[at..at + t.ndim()];
        if t.shape() != part {
            fail!(Index, "index: a mask of shape {} does not fit the dims {}", Show(t.shape()), Show(part));
        }
        if t.ndim() == 0 {
            // A truth value selects a new dimension of size 1, or nothing of it.
            let places = Tensor::full(&[usize::from(t.item()? == Number::Bool(true))], Number::Int(0), DType::Int64)?;
            self.positions.push(Positions { dim: self.shape.len(), at: places });
            self.shape.push(1);
            return Ok(());
        }
        for (d, at) in places(t)?.into_iter().enumerate() {
            self.positions.push(Positions { dim: self.shape.len() + d, at });
        }
        self.whole(t.ndim());
        Ok(())
    }
}

/// Refuses positions that do not lie within a dimension of size `n`.
fn check_range(op: &'static str, index: &Tensor, dim: usize, n: usize) -> Result<()> {
    op::check(op, &[&contiguous(index)?], move |index| match kernels::check_range(index[0].read::<i64>().slice(), n) {
        Ok(()) => Ok(()),
        Err(bad) => out_of_range(op, bad.index, bad.position, dim, n),
    })
}

fn out_of_range(op: &str, index: i64, position: usize, dim: usize, n: usize) -> Result<()> {
    fail!(Index, "{op}: {index} at position {position} is out of range for dim {dim} of size {n}")
}

/// Row-major numbers (n,) of the true elements of a mask.
fn true_elements(mask: &Tensor) -> Result<Tensor> {
    watch::check_free("counting the true elements of a mask", mask)?;
    let mask = contiguous(mask)?;
    let bits = mask.read::<u8>();
    let count = bits.slice().iter().filter(|&&b| b != 0).count();
    Tensor::build::<i64>("index", &[count], DType::Int64, |out| {
        // Every number is written, and stays if its element is true: no branch depends on the mask but for the last.
        let mut n = 0;
        for (i, &b) in (0..).zip(bits.slice()) {
            let Some(place) = out.get_mut(n) else { break };
            *place = i;
            n += usize::from(b != 0);
        }
        Ok(())
    })
}

/// The positions of the true elements, one tensor for each dimension, in row-major order.
fn places(mask: &Tensor) -> Result<Vec<Tensor>> {
    let flat = true_elements(mask)?;
    if mask.ndim() == 1 {
        return Ok(vec![flat]);
    }
    let flat = flat.read::<i64>();
    let flat = flat.slice();
    let strides = crate::shape::contiguous_strides(mask.shape());
    let along = |d: usize| {
        let (stride, n) = (strides[d] as i64, mask.shape()[d] as i64);
        Tensor::build::<i64>("index", &[flat.len()], DType::Int64, |out| {
            for (out, i) in out.iter_mut().zip(flat) {
                *out = i / stride % n;
            }
            Ok(())
        })
    };
    (0..mask.ndim()).map(along).collect()
}
