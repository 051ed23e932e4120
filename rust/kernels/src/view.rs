//! Strided views: operands that may be broadcast, transposed or sliced.

/// A read-only operand of a kernel that iterates over a shape: element `i, j, …` is `data[i·strides[0] + j·strides[1] +
/// …]`.
///
/// A stride of 0 repeats elements, as broadcasting does. The shape is passed separately, because all operands of a
/// kernel share it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    /// The elements, starting with the first one of the view.
    pub data: &'a [T],
    /// One stride, in elements, for every dimension of the shape.
    pub strides: &'a [usize],
}

impl<'a, T> View<'a, T> {
    /// A view of `data`, whose first element is the view's first.
    #[must_use]
    pub fn new(data: &'a [T], strides: &'a [usize]) -> Self {
        Self { data, strides }
    }

    /// Checks that every element of `shape` lies within `data`: called once at the entry of each kernel, in release
    /// builds too, so that its loops may use unchecked pointers.
    ///
    /// # Panics
    /// If one does not.
    pub fn check(&self, shape: &[usize]) {
        assert_eq!(shape.len(), self.strides.len(), "a view needs one stride for every dimension");
        if shape.contains(&0) {
            return;
        }
        let last =
            shape.iter().zip(self.strides).try_fold(0_usize, |at, (&n, &s)| at.checked_add((n - 1).checked_mul(s)?));
        assert!(last.is_some_and(|at| at < self.data.len()), "a view reaches outside its data");
    }

    /// Whether the elements are contiguous, in row-major order of `shape`.
    #[inline]
    pub(crate) fn is_contiguous(&self, shape: &[usize]) -> bool {
        let mut expected = 1;
        for (&n, &stride) in shape.iter().zip(self.strides).rev() {
            if n != 1 && stride != expected {
                return false;
            }
            expected *= n;
        }
        true
    }
}

/// The number of elements of a shape.
///
/// # Panics
/// If it overflows: with strides of 0 a view may have more elements than memory.
pub(crate) fn size(shape: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().try_fold(1_usize, |size, &n| size.checked_mul(n)).expect("the size of a shape overflows")
}

/// Whether no two indices of `shape` have the same address, so that all can be written: in order of the strides, each
/// stride must exceed the extent of all smaller ones. This rejects a few interleaved layouts, too.
#[must_use]
pub fn places_differ(shape: &[usize], strides: &[usize]) -> bool {
    let dims = || shape.iter().zip(strides).filter(|&(&n, _)| n > 1).enumerate();
    let reach = |before: (usize, usize)| -> usize {
        dims().filter(|&(at, (_, &stride))| (stride, at) < before).map(|(_, (&n, &stride))| (n - 1) * stride).sum()
    };
    shape.contains(&0) || dims().all(|(at, (_, &stride))| stride > reach((stride, at)))
}
