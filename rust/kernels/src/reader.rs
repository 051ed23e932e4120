//! Reads a strided view as a stream of contiguous runs, so that loops over elements need no strides.

use std::mem::MaybeUninit;

use crate::View;
use crate::simd::Element;
use crate::walk::{Dim, Walk};

/// Elements gathered at a time: few enough that all tiles of a kernel stay in the L1 cache, enough that the overhead of
/// a tile is negligible.
pub(crate) const TILE: usize = 512;

/// Memory for elements that a stream gathers.
pub(crate) struct Tile<T>([MaybeUninit<T>; 2 * TILE]);

impl<T> Tile<T> {
    #[inline]
    pub(crate) fn new() -> Self {
        Tile([const { MaybeUninit::uninit() }; 2 * TILE])
    }
}

/// A [`Stream`] with its tile.
pub(crate) struct Reader<'a, T> {
    stream: Stream<'a, T>,
    tile: Tile<T>,
}

impl<'a, T: Element> Reader<'a, T> {
    /// See [`Stream::new`].
    #[inline]
    pub(crate) fn new(view: View<'a, T>, shape: &[usize], start: usize) -> Self {
        Reader { stream: Stream::new(view, shape, start, view.is_contiguous(shape)), tile: Tile::new() }
    }

    /// See [`Stream::next`].
    #[inline]
    pub(crate) fn next(&mut self, n: usize) -> &[T] {
        // SAFETY: the stream always gets the same tile.
        unsafe { self.stream.next(n, &mut self.tile) }
    }
}

/// A stream of the elements of a view, in row-major order of its shape.
pub(crate) struct Stream<'a, T> {
    data: &'a [T],
    /// The current offset in `data`.
    at: [usize; 1],
    /// `None` if all elements are contiguous.
    gather: Option<Gather>,
}

/// How to gather elements that are not contiguous.
struct Gather {
    walk: Walk<1>,
    /// The period, if the elements are periodic with a short one: the tile holds several periods.
    period: Option<usize>,
    /// Elements of the tile that are valid in later calls, for periodic streams.
    filled: usize,
}

impl<'a, T: Element> Stream<'a, T> {
    /// A stream that starts at element `start`. The view must have been checked against the shape, which must not be
    /// empty, and for whether it is contiguous.
    #[inline]
    pub(crate) fn new(view: View<'a, T>, shape: &[usize], start: usize, is_contiguous: bool) -> Self {
        if is_contiguous {
            return Stream { data: view.data, at: [start], gather: None };
        }
        let mut walk = Walk::new(shape, [view.strides]);
        let (period, at) = match *walk.dims() {
            // For periodic streams, `at` is the offset in the period.
            [Dim { strides: [0], .. }, ref inner @ ..] if period(inner) <= TILE => {
                (Some(period(inner)), [start % period(inner)])
            }
            _ => (None, walk.seek(start)),
        };
        Stream { data: view.data, at, gather: Some(Gather { walk, period, filled: 0 }) }
    }

    /// How many of the next elements are contiguous in the data.
    #[inline]
    pub(crate) fn run(&self) -> usize {
        match &self.gather {
            None => usize::MAX,
            Some(Gather { period: None, walk, .. }) => match walk.dims().last() {
                Some(&Dim { size, strides: [1], at }) => size - at,
                _ => 0,
            },
            _ => 0,
        }
    }

    /// The next `n` elements, contiguously: in the data itself if they are contiguous there, else gathered in the tile.
    /// At most [`TILE`], or [`Self::run`].
    ///
    /// # Safety
    /// The tile must be that of the previous calls, unchanged.
    #[inline]
    pub(crate) unsafe fn next<'t>(&mut self, n: usize, tile: &'t mut Tile<T>) -> &'t [T]
    where
        'a: 't,
    {
        let start = self.at[0];
        let run = self.run();
        match &mut self.gather {
            None => self.at[0] += n,
            Some(gather) if n <= run => gather.walk.step(n, &mut self.at),
            Some(gather) => return gather.collect(self.data, &mut self.at, n, &mut tile.0),
        }
        &self.data[start..start + n]
    }
}

impl Gather {
    /// The next `n` elements, gathered in the tile.
    #[inline(never)]
    fn collect<'t, T: Element>(
        &mut self,
        data: &[T],
        at: &mut [usize; 1],
        n: usize,
        tile: &'t mut [MaybeUninit<T>; 2 * TILE],
    ) -> &'t [T] {
        assert!(n <= TILE);
        let mut start = 0;
        if let Some(period) = self.period {
            start = at[0];
            self.fill_period(data, period, period + n, tile);
            at[0] = (start + n) % period;
        } else {
            let mut done = 0;
            while done < n {
                done += self.collect_row(data, at, &mut tile[done..n]);
            }
        }
        let part = &raw const tile[start..start + n];
        // SAFETY: these elements were written above, or in an earlier call.
        unsafe { &*(part as *const [T]) }
    }

    /// Copies the rest of the innermost dimension, as far as there is room for it; returns the number of elements.
    fn collect_row<T: Element>(&mut self, data: &[T], at: &mut [usize; 1], to: &mut [MaybeUninit<T>]) -> usize {
        let Some(&Dim { size, strides: [stride], at: done }) = self.walk.dims().last() else {
            unreachable!("no dimensions are contiguous")
        };
        let n = to.len().min(size - done);
        let from = &data[at[0]..];
        let to = &mut to[..n];
        match stride {
            0 => to.fill(MaybeUninit::new(from[0])),
            1 => {
                for (to, from) in to.iter_mut().zip(&from[..n]) {
                    *to = MaybeUninit::new(*from);
                }
            }
            _ => {
                for (to, from) in to.iter_mut().zip(from.iter().step_by(stride)) {
                    *to = MaybeUninit::new(*from);
                }
            }
        }
        self.walk.step(n, at);
        n
    }

    /// Fills the tile with `need` elements of the periodic stream.
    fn fill_period<T: Element>(&mut self, data: &[T], period: usize, need: usize, tile: &mut [MaybeUninit<T>]) {
        if period == 1 && self.filled < need {
            tile[self.filled..need].fill(MaybeUninit::new(data[0]));
            self.filled = need;
        }
        // The outermost dimension repeats, so no row ends past the period.
        let mut at = [0];
        while self.filled < period {
            self.filled += self.collect_row(data, &mut at, &mut tile[self.filled..period]);
        }
        while self.filled < need {
            let phase = self.filled % period;
            let more = (self.filled - phase).min(need - self.filled);
            let (from, to) = tile.split_at_mut(self.filled);
            to[..more].copy_from_slice(&from[phase..phase + more]);
            self.filled += more;
        }
    }
}

/// The period of a stream whose outermost dimension has stride 0, given the inner dimensions.
fn period(inner: &[Dim<1>]) -> usize {
    inner.iter().map(|d| d.size).product()
}

/// The number of elements to read next from streams whose shortest run is `run`, if `left` are left.
#[inline]
pub(crate) fn chunk(run: usize, left: usize) -> usize {
    left.min(run.max(TILE))
}
