//! Reading a strided view as a stream of contiguous runs, so that loops over elements never see strides.

use std::mem::MaybeUninit;
use std::ptr::copy_nonoverlapping;

use crate::View;
use crate::simd::Element;

/// Elements gathered at a time: small enough that all tiles of a kernel stay in the L1 cache, large enough that what is
/// done once a tile costs nothing.
pub(crate) const TILE: usize = 512;
/// The most dimensions that are walked without allocating.
const INLINE_RANK: usize = 8;

/// One dimension of a walk: how many steps, how far each goes, and how many were made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Dim {
    pub size: usize,
    pub stride: usize,
    at: usize,
}

/// Dimensions, outermost first, without those of size one and with neighbours merged where one stride spans both.
pub(crate) struct Dims {
    inline: [Dim; INLINE_RANK],
    spilled: Vec<Dim>,
    rank: usize,
}

impl Dims {
    pub(crate) fn merge(shape: &[usize], strides: &[usize]) -> Self {
        let mut dims = Dims { inline: [Dim::default(); INLINE_RANK], spilled: Vec::new(), rank: 0 };
        for (&size, &stride) in shape.iter().zip(strides).filter(|(size, _)| **size != 1) {
            match dims.as_mut().last_mut() {
                Some(last) if last.stride == stride * size => *last = Dim { size: last.size * size, stride, at: 0 },
                _ => dims.push(Dim { size, stride, at: 0 }),
            }
        }
        dims
    }

    fn push(&mut self, dim: Dim) {
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

    pub(crate) fn as_ref(&self) -> &[Dim] {
        if self.spilled.is_empty() { &self.inline[..self.rank] } else { &self.spilled }
    }

    fn as_mut(&mut self) -> &mut [Dim] {
        if self.spilled.is_empty() { &mut self.inline[..self.rank] } else { &mut self.spilled }
    }
}

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
    /// Where the stream stands: a place in `data`, or in the period, and the steps made in every dimension.
    at: usize,
    dims: Dims,
    /// Elements of the tile that are filled and stay so: only periodic streams keep their tile.
    filled: usize,
    tile: [MaybeUninit<T>; 2 * TILE],
}

impl<'a, T: Element> Reader<'a, T> {
    /// A stream that begins with element `start`. The view must have been checked against the shape.
    pub(crate) fn new(view: View<'a, T>, shape: &[usize], start: usize) -> Self {
        let mut dims = Dims::merge(shape, view.strides);
        let mut at = start;
        let kind = match *dims.as_ref() {
            [] => Kind::Contiguous,
            [Dim { stride: 1, .. }] => Kind::Contiguous,
            [Dim { stride: 0, .. }, ref inner @ ..] if period(inner) <= TILE => {
                at = start % period(inner);
                Kind::Periodic(period(inner))
            }
            _ => {
                at = seek(dims.as_mut(), start);
                Kind::Strided
            }
        };
        Reader { data: view.data, kind, at, dims, filled: 0, tile: [MaybeUninit::uninit(); 2 * TILE] }
    }

    /// How many of the next elements lie side by side in the data.
    pub(crate) fn run(&self) -> usize {
        match (&self.kind, self.dims.as_ref().last()) {
            (Kind::Contiguous, _) => usize::MAX,
            (Kind::Strided, Some(&Dim { size, stride: 1, at })) => size - at,
            _ => 0,
        }
    }

    /// The next `n` elements, side by side: in the data itself where they are so, else in the tile. At most [`TILE`], or
    /// the [`Self::run`].
    pub(crate) fn next(&mut self, n: usize) -> &[T] {
        let run = self.run();
        assert!(n <= TILE.max(run));
        match self.kind {
            Kind::Contiguous => {
                self.at += n;
                &self.data[self.at - n..self.at]
            }
            Kind::Periodic(period) => {
                self.fill_period(period, n);
                let start = self.at;
                self.at = (self.at + n) % period;
                self.filled_tile(start, n)
            }
            Kind::Strided if n <= run => {
                let start = self.at;
                self.step(n);
                &self.data[start..start + n]
            }
            Kind::Strided => {
                let mut done = 0;
                while done < n {
                    done += self.gather_row(done, n - done);
                }
                self.filled_tile(0, n)
            }
        }
    }

    /// Elements of the tile.
    fn filled_tile(&self, start: usize, n: usize) -> &[T] {
        let part = &self.tile[start..start + n];
        // SAFETY: the callers filled them.
        unsafe { &*(std::ptr::from_ref(part) as *const [T]) }
    }

    /// Copies what is left of the innermost dimension, at most `limit` elements, to `tile[start..]`.
    fn gather_row(&mut self, start: usize, limit: usize) -> usize {
        let Some(&Dim { size, stride, at }) = self.dims.as_ref().last() else { unreachable!("strided") };
        let n = limit.min(size - at);
        let to = &mut self.tile[start..start + n];
        match stride {
            0 => to.fill(MaybeUninit::new(self.data[self.at])),
            1 => {
                let from = &self.data[self.at..self.at + n];
                // SAFETY: `to` has as many elements as `from`, and lies elsewhere.
                unsafe { copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast(), n) };
            }
            _ => {
                for (to, from) in to.iter_mut().zip(self.data[self.at..].iter().step_by(stride)) {
                    *to = MaybeUninit::new(*from);
                }
            }
        }
        self.step(n);
        n
    }

    /// Advances by `n` elements, at most to the end of the innermost dimension.
    fn step(&mut self, n: usize) {
        let mut steps = n;
        for dim in self.dims.as_mut().iter_mut().rev() {
            self.at += steps * dim.stride;
            dim.at += steps;
            if dim.at < dim.size {
                return;
            }
            self.at -= dim.size * dim.stride;
            dim.at = 0;
            steps = 1;
        }
    }

    /// Makes the tile hold at least `period + n` elements of the periodic stream.
    fn fill_period(&mut self, period: usize, n: usize) {
        let need = period + n;
        if self.filled >= need {
            return;
        }
        if self.filled == 0 {
            let at = std::mem::take(&mut self.at);
            while self.filled < period {
                // The outermost dimension repeats, so a row never ends behind the period.
                self.filled += self.gather_row(self.filled, period - self.filled);
            }
            self.at = at;
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
fn period(inner: &[Dim]) -> usize {
    inner.iter().map(|d| d.size).product()
}

/// Sets the steps made to those before element `start`; returns its place.
fn seek(dims: &mut [Dim], start: usize) -> usize {
    let (mut rest, mut at) = (start, 0);
    for dim in dims.iter_mut().rev() {
        dim.at = rest % dim.size;
        at += dim.at * dim.stride;
        rest /= dim.size;
    }
    at
}

/// How many elements to read next from streams whose shortest run is `run`, if `left` are left.
pub(crate) fn chunk(run: usize, left: usize) -> usize {
    left.min(run.max(TILE))
}
