//! Reductions over any dimensions of a strided operand.
//!
//! The order of summation depends on the sizes of the reduced dimensions alone, which are taken in the order of their
//! strides: not on the number of outputs or the layout of their elements. Blocks of [`TILE`](crate::reader::TILE)
//! elements are accumulated lane by lane and summed pairwise, so errors grow with the logarithm of the length.

mod arg;
mod columns;
pub(crate) mod fold;
mod integer;
mod real;

pub use arg::{ArgReductions, Ordered, arg_reduce};
pub use integer::{IntReductions, reduce_int, sum_int};
pub use real::{Reductions, reduce, squares};

use crate::view::size;
use crate::walk::Walk;

/// Some of an operand's dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    /// Their sizes.
    pub shape: &'a [usize],
    /// One stride, in elements, for each.
    pub strides: &'a [usize],
}

impl<'a> Axes<'a> {
    /// Dimensions of these sizes and strides.
    ///
    /// # Panics
    /// If their numbers differ.
    #[must_use]
    pub fn new(shape: &'a [usize], strides: &'a [usize]) -> Self {
        assert_eq!(shape.len(), strides.len(), "every dimension needs one stride");
        Self { shape, strides }
    }

    /// The same dimensions by decreasing stride, which is memory order, for reductions that may take them in any order.
    /// `room` holds the result.
    fn by_stride<'b>(self, room: &'b mut Option<Sorted>) -> Axes<'b>
    where
        'a: 'b,
    {
        if self.strides.is_sorted_by(|a, b| a >= b) {
            return self;
        }
        let (shape, strides) = room.insert(Sorted::default()).of(self.shape.len());
        shape.copy_from_slice(self.shape);
        strides.copy_from_slice(self.strides);
        for end in 1..strides.len() {
            let mut i = end;
            while i > 0 && strides[i - 1] < strides[i] {
                strides.swap(i - 1, i);
                shape.swap(i - 1, i);
                i -= 1;
            }
        }
        Axes { shape, strides }
    }

    /// The number of elements.
    fn len(&self) -> usize {
        size(self.shape)
    }

    fn walk(&self) -> Walk<1> {
        Walk::new(self.shape, [self.strides])
    }

    /// The offset of the last element, or `None` on overflow; the dimensions must not be empty.
    fn last(&self) -> Option<usize> {
        let steps = self.shape.iter().zip(self.strides).map(|(&n, &s)| (n - 1).checked_mul(s));
        steps.into_iter().try_fold(0_usize, |at, step| at.checked_add(step?))
    }
}

/// Memory for the sizes and strides of dimensions in another order.
#[derive(Default)]
struct Sorted {
    inline: [[usize; Self::RANK]; 2],
    spilled: Vec<usize>,
}

impl Sorted {
    /// As many dimensions need no memory of the heap.
    const RANK: usize = 8;

    /// Sizes and strides of so many dimensions.
    fn of(&mut self, rank: usize) -> (&mut [usize], &mut [usize]) {
        if rank <= Self::RANK {
            let [shape, strides] = &mut self.inline;
            return (&mut shape[..rank], &mut strides[..rank]);
        }
        self.spilled.resize(2 * rank, 0);
        self.spilled.split_at_mut(rank)
    }
}

/// A reduction whose result has the operand's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduce {
    /// The sum; 0 without elements.
    Sum,
    /// The product; 1 without elements.
    Prod,
    /// The largest element, NaN if there is one; the type's lowest value without elements.
    Max,
    /// The smallest element, NaN if there is one; the type's highest value without elements.
    Min,
}

/// Panics unless `outputs` is the number of indices of the kept dimensions, all elements lie within `len`, and their
/// number does not overflow. Returns false if there are none to reduce.
fn check(outputs: usize, len: usize, kept: Axes, reduced: Axes) -> bool {
    assert_eq!(outputs, kept.len(), "a reduction has one output for every kept element");
    if kept.len() == 0 || reduced.len() == 0 {
        return false;
    }
    let last = kept.last().zip(reduced.last()).and_then(|(a, b)| a.checked_add(b));
    assert!(last.is_some_and(|at| at < len), "a reduction reaches outside its data");
    assert!(kept.len().checked_mul(reduced.len()).is_some(), "the size of a reduction overflows");
    true
}
