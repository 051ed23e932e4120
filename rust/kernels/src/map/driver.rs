//! The driver of element-wise kernels: divides the output between threads, dispatches the instruction set in each task,
//! and reads the operands in contiguous pieces. A kernel gives its body.

use std::mem::MaybeUninit;

use crate::View;
use crate::reader::{Stream, Tile, chunk};
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::{UNIT, split};
use crate::view::size;

/// An element-wise function of operands `In`, which computes with vectors of `R`.
pub(crate) trait Body<R: Real, In: Operands, O>: Copy + Sync {
    /// Computes `out` from operands of the same length.
    fn tile<S: Simd<R>>(self, s: S, out: &mut [O], inputs: In::Tiles<'_>);
}

/// `out[i] = body(inputs[i])` for the indices `i` of `shape`, in row-major order; `grain` elements pay for a thread.
///
/// # Panics
/// If `out` does not have the shape's number of elements, or an operand does not reach over the shape.
pub(super) fn run<R: Real, In: Operands, O: Send>(
    body: impl Body<R, In, O>,
    grain: usize,
    out: &mut [O],
    shape: &[usize],
    inputs: In,
) {
    assert_eq!(out.len(), size(shape), "the output has the wrong number of elements");
    inputs.check(shape);
    if !out.is_empty() {
        split(out, UNIT, grain, |start, out| R::run(Driver { body, out, shape, inputs, start }));
    }
}

struct Driver<'a, B, In, O> {
    body: B,
    out: &'a mut [O],
    shape: &'a [usize],
    inputs: In,
    /// The place of `out` in the whole output.
    start: usize,
}

impl<R: Real, In: Operands, O, B: Body<R, In, O>> Kernel<R> for Driver<'_, B, In, O> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let contiguous = self.inputs.contiguous(self.shape);
        if contiguous == [true; 3] {
            return self.body.tile(s, self.out, self.inputs.parts(self.start, self.out.len()));
        }
        let mut streams = self.inputs.streams(self.shape, self.start, contiguous);
        let mut room = MaybeUninit::<In::Room>::uninit();
        // SAFETY: tiles are memory that may be uninitialised.
        let room = unsafe { room.assume_init_mut() };
        let mut out = self.out;
        while !out.is_empty() {
            let (part, rest) = out.split_at_mut(chunk(In::run(&streams), out.len()));
            // SAFETY: the streams always get the same tiles.
            let inputs = unsafe { In::next(&mut streams, room, part.len()) };
            self.body.tile(s, part, inputs);
            out = rest;
        }
    }
}

pub(super) type One<'a, T> = (View<'a, T>,);
pub(super) type Two<'a, T> = (View<'a, T>, View<'a, T>);

/// A tuple of views.
pub(crate) trait Operands: Copy + Sync {
    type Streams;
    /// Memory for elements that the streams gather. Moving it would cost more than many kernels.
    type Room;
    type Tiles<'t>;
    /// Panics unless all reach over the shape.
    fn check(&self, shape: &[usize]);
    /// Which are contiguous; those that there are not count as such.
    fn contiguous(&self, shape: &[usize]) -> [bool; 3];
    /// Elements `start .. start + n` of each, which are contiguous.
    fn parts(&self, start: usize, n: usize) -> Self::Tiles<'_>;
    fn streams(self, shape: &[usize], start: usize, contiguous: [bool; 3]) -> Self::Streams;
    /// How many of the next elements are contiguous in all of them.
    fn run(streams: &Self::Streams) -> usize;
    /// The next `n` elements of each.
    ///
    /// # Safety
    /// The room must be that of the previous calls, unchanged.
    unsafe fn next<'t>(streams: &'t mut Self::Streams, room: &'t mut Self::Room, n: usize) -> Self::Tiles<'t>;
}

macro_rules! operands {
    ($($T:ident $i:tt),+) => {
        impl<'a, $($T: Element),+> Operands for ($(View<'a, $T>,)+) {
            type Streams = ($(Stream<'a, $T>,)+);
            type Room = ($(Tile<$T>,)+);
            type Tiles<'t> = ($(&'t [$T],)+);
            #[inline]
            fn check(&self, shape: &[usize]) {
                $(self.$i.check(shape);)+
            }
            #[inline(always)]
            fn contiguous(&self, shape: &[usize]) -> [bool; 3] {
                let mut contiguous = [true; 3];
                $(contiguous[$i] = self.$i.is_contiguous(shape);)+
                contiguous
            }
            #[inline(always)]
            fn parts(&self, start: usize, n: usize) -> Self::Tiles<'_> {
                ($(&self.$i.data[start..start + n],)+)
            }
            #[inline(always)]
            fn streams(self, shape: &[usize], start: usize, contiguous: [bool; 3]) -> Self::Streams {
                ($(Stream::new(self.$i, shape, start, contiguous[$i]),)+)
            }
            #[inline(always)]
            fn run(streams: &Self::Streams) -> usize {
                usize::MAX$(.min(streams.$i.run()))+
            }
            #[inline(always)]
            unsafe fn next<'t>(streams: &'t mut Self::Streams, room: &'t mut Self::Room, n: usize) -> Self::Tiles<'t> {
                // SAFETY: the caller's.
                unsafe { ($(streams.$i.next(n, &mut room.$i),)+) }
            }
        }
    };
}

operands!(A 0);
operands!(A 0, B 1);
operands!(A 0, B 1, C 2);
