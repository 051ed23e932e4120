//! Reading a strided view as a stream of contiguous runs, so that loops over elements never see strides.

use std::mem::MaybeUninit;

use crate::View;
use crate::simd::Element;
use crate::walk::{Dim, Walk};

/// Elements gathered at a time: small enough that all tiles of a kernel stay in the L1 cache, large enough that what is
/// done once a tile costs nothing.
pub(crate) const TILE: usize = 512;

enum Kind {
    /// All elements lie side by side.
    Contiguous,
    /// The first so many elements repeat, and are few: the tile holds them several times over.
    Periodic(usize),
    /// Anything else.
    Strided,
}

/// A stream of the elements of a view, in row-major order of its shape.
pub(crate) struct Reader<'a, T> {
    data: &'a [T],
    kind: Kind,
    walk: Walk<1>,
    /// Where the stream stands: a place in `data`, or in the period.
    at: [usize; 1],
    /// Elements of the tile that stay: only periodic streams keep theirs.
    filled: usize,
    tile: [MaybeUninit<T>; 2 * TILE],
}

impl<'a, T: Element> Reader<'a, T> {
    /// A stream that begins with element `start`. The view must have been checked against the shape, which must not be
    /// empty.
    pub(crate) fn new(view: View<'a, T>, shape: &[usize], start: usize) -> Self {
        let mut walk = Walk::new(shape, [view.strides]);
        let (kind, at) = match *walk.dims() {
            [] | [Dim { strides: [1], .. }] => (Kind::Contiguous, [start]),
            [Dim { strides: [0], .. }, ref inner @ ..] if period(inner) <= TILE => {
                (Kind::Periodic(period(inner)), [start % period(inner)])
            }
            _ => (Kind::Strided, walk.seek(start)),
        };
        Reader { data: view.data, kind, walk, at, filled: 0, tile: [MaybeUninit::uninit(); 2 * TILE] }
    }

    /// How many of the next elements lie side by side in the data.
    #[inline]
    pub(crate) fn run(&self) -> usize {
        match (&self.kind, self.walk.dims().last()) {
            (Kind::Contiguous, _) => usize::MAX,
            (Kind::Strided, Some(&Dim { size, strides: [1], at })) => size - at,
            _ => 0,
        }
    }

    /// The next `n` elements, side by side: in the data itself where they are so, else in the tile. At most [`TILE`], or
    /// the [`Self::run`].
    #[inline]
    pub(crate) fn next(&mut self, n: usize) -> &[T] {
        let start = self.at[0];
        if n <= self.run() {
            match self.kind {
                Kind::Contiguous => self.at[0] += n,
                _ => self.walk.step(n, &mut self.at),
            }
            return &self.data[start..start + n];
        }
        self.gather(n)
    }

    #[inline(never)]
    fn gather(&mut self, n: usize) -> &[T] {
        assert!(n <= TILE);
        let mut start = 0;
        if let Kind::Periodic(period) = self.kind {
            start = self.at[0];
            self.fill_period(period, period + n);
            self.at[0] = (start + n) % period;
        } else {
            let mut done = 0;
            while done < n {
                done += self.gather_row(done, n - done);
            }
        }
        let part = &raw const self.tile[start..start + n];
        // SAFETY: just filled, or before.
        unsafe { &*(part as *const [T]) }
    }

    /// Copies what is left of the innermost dimension, at most `limit` elements, to `tile[start..]`; returns how many.
    fn gather_row(&mut self, start: usize, limit: usize) -> usize {
        let Some(&Dim { size, strides: [stride], at }) = self.walk.dims().last() else {
            unreachable!("no dimensions are contiguous")
        };
        let n = limit.min(size - at);
        let from = &self.data[self.at[0]..];
        let to = &mut self.tile[start..start + n];
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
        self.walk.step(n, &mut self.at);
        n
    }

    /// Makes the tile hold `need` elements of the periodic stream.
    fn fill_period(&mut self, period: usize, need: usize) {
        if self.filled == 0 {
            // The outermost dimension repeats, so no row ends behind the period.
            self.at = [0];
            while self.filled < period {
                self.filled += self.gather_row(self.filled, period - self.filled);
            }
        }
        while self.filled < need {
            let phase = self.filled % period;
            let more = (self.filled - phase).min(need - self.filled);
            let (from, to) = self.tile.split_at_mut(self.filled);
            to[..more].copy_from_slice(&from[phase..phase + more]);
            self.filled += more;
        }
    }
}

/// Elements after which a stream repeats whose outermost dimension, of stride 0, has these inside.
fn period(inner: &[Dim<1>]) -> usize {
    inner.iter().map(|d| d.size).product()
}

/// How many elements to read next from streams whose shortest run is `run`, if `left` are left.
#[inline]
pub(crate) fn chunk(run: usize, left: usize) -> usize {
    left.min(run.max(TILE))
}
