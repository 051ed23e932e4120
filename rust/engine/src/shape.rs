//! Shapes, strides, and the rules that operations share: broadcasting, dimension numbers, reductions.

use std::fmt;

use rgrad_kernels::buffer::AllocError;
use smallvec::SmallVec;

use crate::error::{Result, fail};

/// Sizes or strides, one for each dimension; up to four are stored inline.
pub type Dims = SmallVec<[usize; 4]>;

/// Whose places in bytes fit into an `isize`, for the widest dtype.
const MAX_ELEMENTS: usize = isize::MAX as usize / 8;

/// The positions of a tensor's elements in its storage, in units of elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Size of every dimension.
    pub shape: Dims,
    /// The stride of every dimension; 0 repeats an element.
    pub strides: Dims,
    /// Position of the first element.
    pub offset: usize,
}

impl Layout {
    /// Row-major, from the start of the storage.
    #[must_use]
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: Dims::from_slice(shape), strides: contiguous_strides(shape), offset: 0 }
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// Any layout from the start of a storage, as other libraries describe theirs, with one more than the position of its last
    /// element; `None` if that, or its distance in bytes, does not fit.
    #[must_use]
    pub fn foreign(shape: Dims, strides: Dims) -> Option<(Self, usize)> {
        if checked_numel("foreign", &shape).ok()? == 0 {
            return Some((Self::contiguous(&shape), 0));
        }
        let step = |at: usize, (&n, &s): (&usize, &usize)| at.checked_add((n - 1).checked_mul(s)?);
        let end = shape.iter().zip(&strides).try_fold(1, step).filter(|&end| end <= MAX_ELEMENTS)?;
        Some((Self { shape, strides, offset: 0 }, end))
    }

    /// One more than the position of the last element; the offset if there are none.
    #[must_use]
    pub fn end(&self) -> usize {
        if self.numel() == 0 {
            return self.offset;
        }
        self.offset + self.shape.iter().zip(&self.strides).map(|(&n, &s)| (n - 1) * s).sum::<usize>() + 1
    }

    /// Whether the elements are contiguous in row-major order.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev() {
            if n == 0 {
                return true;
            }
            if n != 1 {
                if s != expected {
                    return false;
                }
                expected *= n;
            }
        }
        true
    }

    /// The same elements expanded to `shape`, which [`broadcast`] has checked: strides of 0 where a size grows.
    #[must_use]
    pub fn expand(&self, shape: &[usize]) -> Self {
        let lead = shape.len() - self.shape.len();
        let mut strides: Dims = SmallVec::from_elem(0, shape.len());
        for (i, (&n, &s)) in self.shape.iter().zip(&self.strides).enumerate() {
            if n == shape[lead + i] {
                strides[lead + i] = s;
            }
        }
        Self { shape: Dims::from_slice(shape), strides, offset: self.offset }
    }

    /// A view with the new shape, if strides can express one.
    #[must_use]
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if self.numel() != checked_numel("reshape", shape).ok()? {
            return None;
        }
        if self.is_contiguous() {
            return Some(Self { offset: self.offset, ..Self::contiguous(shape) });
        }
        // Match runs of old dimensions that merge with runs of new ones of the same total size.
        let old: SmallVec<[(usize, usize); 4]> =
            self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|&(n, _)| n != 1).collect();
        let mut strides: Dims = SmallVec::from_elem(1, shape.len());
        let (mut i, mut j) = (0, 0);
        while i < old.len() {
            let (mut have, mut want, first) = (old[i].0, 1, j);
            let mut last = i;
            while want != have {
                if want < have {
                    want *= *shape.get(j)?;
                    j += 1;
                } else {
                    last += 1;
                    if old.get(last)?.0 * old[last].1 != old[last - 1].1 {
                        return None;
                    }
                    have *= old[last].0;
                }
            }
            let mut stride = old[last].1;
            for k in (first..j).rev() {
                strides[k] = stride;
                stride *= shape[k];
            }
            i = last + 1;
        }
        Some(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }
}

/// Row-major strides.
#[must_use]
pub fn contiguous_strides(shape: &[usize]) -> Dims {
    let mut strides = Dims::from_slice(shape);
    let mut stride = 1;
    for s in strides.iter_mut().rev() {
        stride *= std::mem::replace(s, stride).max(1);
    }
    strides
}

/// The places of the elements of dimensions, given as sizes and strides, in row-major order; `first` is that of the first one.
/// Strides count modulo 2⁶⁴: one that goes backwards is the negative of a distance.
pub(crate) fn places(
    first: usize,
    dims: impl DoubleEndedIterator<Item = (usize, usize)> + Clone,
) -> Result<SmallVec<[usize; 4]>> {
    let count = dims.clone().map(|(n, _)| n).product();
    let mut places = SmallVec::new();
    if places.try_reserve_exact(count).is_err() {
        return Err(AllocError { bytes: count.saturating_mul(size_of::<usize>()) }.into());
    }
    if count == 0 {
        return Ok(places);
    }
    places.push(first);
    let mut inner = 1;
    for (n, stride) in dims.rev() {
        for _ in 1..n {
            for at in places.len() - inner..places.len() {
                places.push(places[at].wrapping_add(stride));
            }
        }
        inner *= n;
    }
    Ok(places)
}

/// A shape for messages: `(100, 10)`, `(3,)`, `()`.
pub struct Show<'a>(pub &'a [usize]);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [n] => write!(f, "({n},)"),
            all => {
                let inner = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "({inner})")
            }
        }
    }
}

/// The number of elements of a shape; an error if it, or its size in bytes, overflows. Every new shape is checked here, so that
/// numbers of elements, strides and offsets cannot overflow: neither those of a tensor nor, since sizes of 0 are left out, those
/// of some of its dimensions.
pub fn checked_numel(op: &str, shape: &[usize]) -> Result<usize> {
    let total = shape.iter().filter(|&&n| n > 0).try_fold(1_usize, |a, &n| a.checked_mul(n));
    match total.filter(|&t| t <= MAX_ELEMENTS) {
        Some(_) if shape.contains(&0) => Ok(0),
        Some(total) => Ok(total),
        None => fail!(Value, "{op}: a tensor of shape {} is too large", Show(shape)),
    }
}

/// The shape that both shapes broadcast to, as in NumPy: aligned at the right, sizes equal or 1.
pub fn broadcast(op: &str, a: &[usize], b: &[usize]) -> Result<Dims> {
    if a == b {
        return Ok(Dims::from_slice(a));
    }
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut out = Dims::from_slice(long);
    let lead = long.len() - short.len();
    for (o, &s) in out[lead..].iter_mut().zip(short) {
        if *o == 1 {
            *o = s;
        } else if s != 1 && s != *o {
            fail!(Value, "{op}: shapes {} and {} cannot be broadcast together", Show(a), Show(b));
        }
    }
    // Two shapes that fit may become one that does not.
    checked_numel(op, &out)?;
    Ok(out)
}

/// `dim` as a position from the front; negative ones count from the back. `IndexError` names the valid range.
pub fn normalize_dim(op: &str, dim: isize, rank: usize) -> Result<usize> {
    let n = rank as isize;
    let at = if dim < 0 { dim + n } else { dim };
    if (0..n).contains(&at) {
        return Ok(at as usize);
    }
    if rank == 0 {
        fail!(Index, "{op}: dim {dim} is out of range, a tensor of shape () has no dimensions");
    }
    fail!(Index, "{op}: dim {dim} is out of range, expected {} to {}", -n, n - 1)
}

/// Distinct dimensions in increasing order; all of them for `None`.
pub fn normalize_dims(op: &str, dims: Option<&[isize]>, rank: usize) -> Result<Dims> {
    let Some(dims) = dims else { return Ok((0..rank).collect()) };
    let mut out = Dims::new();
    for &d in dims {
        // A 0-d tensor accepts the dimension that it would have, as in PyTorch.
        let at = if rank == 0 && (d == 0 || d == -1) { continue } else { normalize_dim(op, d, rank)? };
        if out.contains(&at) {
            fail!(Value, "{op}: dim {d} appears twice");
        }
        out.push(at);
    }
    out.sort_unstable();
    Ok(out)
}

/// The shape left by reducing over `dims`: without them, or with size 1 in their place.
#[must_use]
pub fn reduced(shape: &[usize], dims: &[usize], keepdim: bool) -> Dims {
    let keep = |(i, &n): (usize, &usize)| if dims.contains(&i) { keepdim.then_some(1) } else { Some(n) };
    shape.iter().enumerate().filter_map(keep).collect()
}
