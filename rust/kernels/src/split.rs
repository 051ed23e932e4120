//! Division of outputs between threads: every task gets a disjoint part, and is worth its thread.

use std::marker::PhantomData;
use std::slice::from_raw_parts_mut;

use crate::simd::Element;
use crate::threads;

/// Elements that pay for a thread where each costs a load or two and a store: below that, memory is not the bottleneck
/// and waking a thread does not pay off.
pub(crate) const GRAIN_CHEAP: usize = 32 * 1024;
/// The same where each costs an exponential or the like, about five times as much.
pub(crate) const GRAIN_TRANSCENDENTAL: usize = 8 * 1024;

/// Parts of outputs start at multiples of this number of elements: whole cache lines and whole vectors.
pub(crate) const UNIT: usize = 64;

/// A mutable slice that tasks share, each of which accesses its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: the slice is borrowed for `'a`, and whoever accesses elements guarantees that nobody else does; `T: Send` allows
// that on another thread.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// A pointer to element `start`, which must not be past the end.
    #[inline]
    pub(crate) fn at(&self, start: usize) -> *mut T {
        debug_assert!(start <= self.len);
        self.start.wrapping_add(start)
    }

    /// # Safety
    /// Elements `start .. start + len` must lie within the slice, and nobody else may access them as long as the result
    /// is in use.
    #[inline]
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &'a mut [T] {
        debug_assert!(start + len <= self.len);
        // SAFETY: the caller's.
        unsafe { from_raw_parts_mut(self.start.add(start), len) }
    }
}

impl<'a, T: Element> Shared<'a, T> {
    /// The elements as bytes.
    pub(crate) fn bytes(self) -> Shared<'a, u8> {
        Shared { start: self.start.cast(), len: self.len * size_of::<T>(), slice: PhantomData }
    }
}

/// Calls `f(start, len)` for ranges that cover `0 .. n`. A range is worth at least `grain` elements, and begins at a
/// multiple of `unit`, unless there is one only.
pub(crate) fn split_range(n: usize, unit: usize, grain: usize, f: impl Fn(usize, usize) + Sync) {
    let tasks = threads::tasks_for(n, grain);
    if tasks <= 1 {
        return f(0, n);
    }
    let size = n.div_ceil(tasks).next_multiple_of(unit);
    threads::run(n.div_ceil(size), |t| f(t * size, size.min(n - t * size)));
}

/// Calls `f(start, part)` for parts that cover `out`, where `start` is the index of the part's first element; see
/// [`split_range`].
pub(crate) fn split<T: Send>(out: &mut [T], unit: usize, grain: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let n = out.len();
    let shared = Shared::new(out);
    split_range(n, unit, grain, |start, len| {
        // SAFETY: ranges of different tasks do not overlap and end within `out`.
        f(start, unsafe { shared.part(start, len) });
    });
}

/// As [`split`], for two outputs with the same number of rows: `f(row, a, b)` gets the same rows of both. A row of `a`
/// has `out.0.len() / rows` elements.
#[allow(clippy::needless_pass_by_value, reason = "slices are lent for good")]
pub(crate) fn split_rows<A: Send, B: Send>(
    rows: usize,
    out: (&mut [A], &mut [B]),
    unit: usize,
    grain: usize,
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let tasks = threads::tasks_for(rows, grain);
    if tasks <= 1 {
        return f(0, out.0, out.1);
    }
    let (wide_a, wide_b) = (out.0.len() / rows, out.1.len() / rows);
    let size = rows.div_ceil(tasks).next_multiple_of(unit);
    let (a, b) = (Shared::new(out.0), Shared::new(out.1));
    threads::run(rows.div_ceil(size), |t| {
        let start = t * size;
        let count = size.min(rows - start);
        // SAFETY: rows of different tasks do not overlap and end within the outputs.
        unsafe { f(start, a.part(start * wide_a, count * wide_a), b.part(start * wide_b, count * wide_b)) };
    });
}
