//! Iteration over the dimensions of strided operands.

/// Dimensions that are stored without an allocation: with more of them, moving a walk takes a fifth of a small
/// reduction's time.
const INLINE_RANK: usize = 4;

/// One dimension of a walk over `K` operands: its size, strides and current index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dim<const K: usize> {
    pub size: usize,
    pub strides: [usize; K],
    pub at: usize,
}

/// Dimensions, outermost first, without those of size one, and with adjacent ones collapsed where one stride spans
/// both.
#[derive(Clone)]
pub(crate) struct Walk<const K: usize> {
    inline: [Dim<K>; INLINE_RANK],
    spilled: Vec<Dim<K>>,
    rank: usize,
}

impl<const K: usize> Walk<K> {
    /// A walk over `shape`, which has no dimension of size 0, by operands with these strides.
    pub(crate) fn new(shape: &[usize], strides: [&[usize]; K]) -> Self {
        let mut walk =
            Walk { inline: [Dim { size: 1, strides: [0; K], at: 0 }; INLINE_RANK], spilled: Vec::new(), rank: 0 };
        for (d, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let dim = Dim { size, strides: strides.map(|s| s[d]), at: 0 };
            match walk.dims_mut().last_mut() {
                Some(outer) if outer.strides == dim.strides.map(|s| s * size) => {
                    *outer = Dim { size: outer.size * size, ..dim };
                }
                _ => walk.push(dim),
            }
        }
        walk
    }

    fn push(&mut self, dim: Dim<K>) {
        if self.rank < INLINE_RANK {
            self.inline[self.rank] = dim;
        } else {
            if self.spilled.is_empty() {
                self.spilled.extend_from_slice(&self.inline);
            }
            self.spilled.push(dim);
        }
        self.rank += 1;
    }

    /// Removes and returns a dimension.
    pub(crate) fn remove(&mut self, d: usize) -> Dim<K> {
        let dim = self.dims()[d];
        self.dims_mut()[d..].rotate_left(1);
        self.rank -= 1;
        self.spilled.truncate(self.rank);
        if self.rank == INLINE_RANK {
            self.inline.copy_from_slice(&self.spilled);
            self.spilled.clear();
        }
        dim
    }

    #[inline]
    pub(crate) fn dims(&self) -> &[Dim<K>] {
        if self.spilled.is_empty() { &self.inline[..self.rank] } else { &self.spilled }
    }

    #[inline]
    pub(crate) fn dims_mut(&mut self) -> &mut [Dim<K>] {
        if self.spilled.is_empty() { &mut self.inline[..self.rank] } else { &mut self.spilled }
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.dims().iter().map(|d| d.size).product()
    }

    /// Moves to element `n` in row-major order, and returns its offset in every operand.
    pub(crate) fn seek(&mut self, n: usize) -> [usize; K] {
        let (mut rest, mut at) = (n, [0; K]);
        for dim in self.dims_mut().iter_mut().rev() {
            dim.at = rest % dim.size;
            rest /= dim.size;
            for (at, stride) in at.iter_mut().zip(dim.strides) {
                *at += dim.at * stride;
            }
        }
        at
    }

    /// Advances by `n` elements, at most to the end of the innermost dimension, and updates the offsets; after the last
    /// element comes the first.
    #[inline]
    pub(crate) fn step(&mut self, n: usize, at: &mut [usize; K]) {
        let mut steps = n;
        for dim in self.dims_mut().iter_mut().rev() {
            dim.at += steps;
            for (at, stride) in at.iter_mut().zip(dim.strides) {
                *at += steps * stride;
            }
            if dim.at < dim.size {
                return;
            }
            for (at, stride) in at.iter_mut().zip(dim.strides) {
                *at -= dim.size * stride;
            }
            dim.at = 0;
            steps = 1;
        }
    }
}
