//! Division of outputs between threads: every task gets a disjoint part, and is worth its thread.

use std::slice::from_raw_parts_mut;

use crate::threads;

/// Elements that pay for a thread where each costs a load or two and a store: below that, memory is not the bottleneck
/// and waking a thread does not pay off.
pub(crate) const GRAIN_CHEAP: usize = 32 * 1024;
/// The same where each costs an exponential or the like, about five times as much.
pub(crate) const GRAIN_TRANSCENDENTAL: usize = 8 * 1024;

/// Parts of outputs start at multiples of this number of elements: whole cache lines and whole vectors.
pub(crate) const UNIT: usize = 64;

/// A slice that tasks share, each of which accesses its own elements.
#[derive(Clone, Copy)]
pub(crate) struct SharedSlice<T>(pub(crate) *mut T);

// SAFETY: whoever dereferences the pointer is responsible for the accesses; `T: Send` allows them on another thread.
unsafe impl<T: Send> Sync for SharedSlice<T> {}

impl<T> SharedSlice<T> {
    /// A pointer to element `start`, which must not be past the end.
    pub(crate) fn at(&self, start: usize) -> *mut T {
        self.0.wrapping_add(start)
    }

    /// # Safety
    /// Elements `start .. start + len` must lie within what the pointer was made from, and no other reference to them
    /// may be in use.
    #[allow(clippy::mut_from_ref)] // the elements are not this struct's
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        // SAFETY: the caller's.
        unsafe { from_raw_parts_mut(self.0.add(start), len) }
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
    let shared = SharedSlice(out.as_mut_ptr());
    split_range(out.len(), unit, grain, |start, len| {
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
    let (a, b) = (SharedSlice(out.0.as_mut_ptr()), SharedSlice(out.1.as_mut_ptr()));
    threads::run(rows.div_ceil(size), |t| {
        let start = t * size;
        let count = size.min(rows - start);
        // SAFETY: rows of different tasks do not overlap and end within the outputs.
        unsafe { f(start, a.part(start * wide_a, count * wide_a), b.part(start * wide_b, count * wide_b)) };
    });
}
