//! Running a chain over a range of elements, tile by tile.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use super::program::{Instruction, OUTPUTS, SLOTS, TILES};
use super::{Chain, Input, Logic, MAX_INPUTS, MAX_OUTPUTS, MAX_TILES, Step};
use crate::map::{Binary, Body, CurveGrad, Power, Select};
use crate::reader::{Stream, TILE, Tile};
use crate::simd::{Kernel, Real, Simd};
use crate::split::Shared;

/// Bytes of a tile: 512 elements of `f32`, 256 of `f64`. See the figures in [`chain`](super).
const TILE_BYTES: usize = 2048;

#[repr(align(64))]
struct Tiles(#[expect(dead_code, reason = "read and written through pointers")] [[u8; TILE_BYTES]; MAX_TILES]);

thread_local! {
    /// The tiles. Not on the stack, where they would have to be initialised each time. Ranges do not nest on a thread:
    /// a range calls nothing that could start another.
    static RESULTS: UnsafeCell<Tiles> = const { UnsafeCell::new(Tiles([[0; TILE_BYTES]; MAX_TILES])) };
}

/// A chain over elements `start .. start + len` of its outputs: the work of one task.
pub(crate) struct RangeKernel<'a, T> {
    chain: &'a Chain,
    shape: &'a [usize],
    inputs: &'a [Input<'a, T>],
    outputs: &'a [Shared<'a, u8>; MAX_OUTPUTS],
    start: usize,
    len: usize,
}

impl<'a, T: Real> RangeKernel<'a, T> {
    /// # Safety
    /// The inputs must be of the chain's kinds, with views that were checked against the shape, which is not empty; the
    /// outputs must point to memory of the chain's kinds, of which the elements of the range are valid and no other
    /// reference to them is in use.
    pub(crate) unsafe fn new(
        chain: &'a Chain,
        shape: &'a [usize],
        inputs: &'a [Input<'a, T>],
        outputs: &'a [Shared<'a, u8>; MAX_OUTPUTS],
        start: usize,
        len: usize,
    ) -> Self {
        Self { chain, shape, inputs, outputs, start, len }
    }
}

impl<T: Real> Kernel<T> for RangeKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let size = TILE_BYTES / size_of::<T>();
        let mut slots = Slots([null_mut(); SLOTS]);
        let mut sources = InputSources::new();
        sources.open(self.inputs, self.shape, self.start, size.min(self.len));
        let tiles: *mut u8 = RESULTS.with(UnsafeCell::get).cast();
        for (t, slot) in slots.0[TILES..OUTPUTS].iter_mut().enumerate() {
            *slot = tiles.wrapping_add(t * TILE_BYTES);
        }
        let (mut at, end) = (self.start, self.start + self.len);
        while at < end {
            let n = (end - at).min(size);
            for ((slot, place), is_mask) in slots.0[OUTPUTS..].iter_mut().zip(self.outputs).zip(self.chain.outputs()) {
                *slot = place.at(at * if *is_mask { 1 } else { size_of::<T>() });
            }
            sources.next(n, &mut slots);
            for &step in self.chain.instructions() {
                // SAFETY: `Chain::new` guarantees that operands are of the kinds which steps need and written before
                // they are read, and that no result is in the slot of an operand. Every slot has memory for a tile, or
                // for `n` elements of an output or input.
                unsafe {
                    match step {
                        Instruction::Step(step, to) => self.step(s, step, to, &slots, n),
                        Instruction::Copy { from, to, is_mask: false } => {
                            slots.write::<T>(to, n).copy_from_slice(slots.read(from, n));
                        }
                        Instruction::Copy { from, to, is_mask: true } => {
                            slots.write::<u8>(to, n).copy_from_slice(slots.read(from, n));
                        }
                    }
                }
            }
            at += n;
        }
    }
}

impl<T: Real> RangeKernel<'_, T> {
    /// # Safety
    /// The slots of the step's operands and of its result must have `n` elements of their kinds, and be different.
    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, step: Step, to: usize, slots: &Slots, n: usize) {
        // SAFETY: the caller's.
        unsafe {
            match step {
                Step::Unary(op, x) => op.tile(s, slots.write(to, n), (slots.read(x, n),)),
                Step::Binary(op, a, b) => {
                    let (out, a, exponent) = (slots.write(to, n), slots.read(a, n), self.inputs.get(b));
                    match (op, exponent) {
                        (Binary::Pow, Some(Input::Numbers(view))) => match Power::of(*view) {
                            Power::General => op.tile(s, out, (a, slots.read(b, n))),
                            Power::Same => out.copy_from_slice(a),
                            Power::By(op) => op.tile(s, out, (a,)),
                        },
                        _ => op.tile(s, out, (a, slots.read(b, n))),
                    }
                }
                Step::Curve(curve, x) => curve.tile(s, slots.write(to, n), (slots.read(x, n),)),
                Step::CurveGrad(curve, g, x) => {
                    CurveGrad(curve).tile(s, slots.write(to, n), (slots.read(g, n), slots.read(x, n)));
                }
                Step::Compare(op, a, b) => {
                    op.tile(s, slots.write(to, n), (slots.read::<T>(a, n), slots.read::<T>(b, n)));
                }
                Step::Select(cond, a, b) => {
                    let (a, b) = (slots.read::<T>(a, n), slots.read::<T>(b, n));
                    Select.tile(s, slots.write(to, n), (slots.read(cond, n), a, b));
                }
                Step::Logic(op, a, b) => logic_tile(op, slots.write(to, n), slots.read(a, n), slots.read(b, n)),
                Step::Not(x) => {
                    for (out, &x) in slots.write::<u8>(to, n).iter_mut().zip(slots.read::<u8>(x, n)) {
                        *out = u8::from(x == 0);
                    }
                }
                Step::Number(x) => {
                    for (out, &x) in slots.write::<T>(to, n).iter_mut().zip(slots.read::<u8>(x, n)) {
                        *out = T::from_f64(f64::from(x));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn logic_tile(op: Logic, out: &mut [u8], a: &[u8], b: &[u8]) {
    macro_rules! each {
        ($op:tt) => {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = a $op b;
            }
        };
    }
    match op {
        Logic::And => each!(&),
        Logic::Or => each!(|),
        Logic::Xor => each!(^),
    }
}

/// Where the elements of the current tile are: of inputs, of results between steps, and of outputs.
struct Slots([*mut u8; SLOTS]);

impl Slots {
    /// # Safety
    /// The slot must have `n` elements of this type, and nothing may write to it while they are in use.
    #[inline(always)]
    unsafe fn read<'a, E>(&self, slot: usize, n: usize) -> &'a [E] {
        // SAFETY: the caller's.
        unsafe { from_raw_parts(self.0[slot].cast(), n) }
    }

    /// # Safety
    /// The slot must have room for `n` elements of this type, and nothing else may use it while they are in use.
    #[inline(always)]
    unsafe fn write<'a, E>(&self, slot: usize, n: usize) -> &'a mut [E] {
        // SAFETY: the caller's.
        unsafe { from_raw_parts_mut(self.0[slot].cast(), n) }
    }
}

/// Where the elements of an input come from.
enum InputSource<'a, T> {
    /// One element, with which the tile is filled
    Constant,
    Numbers(Stream<'a, T>),
    Mask(Stream<'a, u8>),
    Output(usize),
}

/// The sources of all inputs, and memory for what they gather. Moving it would cost more than some chains: it is
/// constructed empty, and filled in place.
struct InputSources<'a, T> {
    streams: [MaybeUninit<InputSource<'a, T>>; MAX_INPUTS],
    tiles: [MaybeUninit<Tile<T>>; MAX_INPUTS],
    len: usize,
}

impl<'a, T: Real> InputSources<'a, T> {
    #[inline(always)]
    fn new() -> Self {
        Self {
            streams: [const { MaybeUninit::uninit() }; MAX_INPUTS],
            tiles: [const { MaybeUninit::uninit() }; MAX_INPUTS],
            len: 0,
        }
    }

    /// Starts at element `start` of each input; at most `n` are read at a time.
    #[inline(always)]
    fn open(&mut self, inputs: &[Input<'a, T>], shape: &[usize], start: usize, n: usize) {
        for (i, input) in inputs.iter().enumerate() {
            let is_constant = |strides: &[usize]| strides.iter().all(|&stride| stride == 0);
            self.streams[i].write(match *input {
                Input::Numbers(view) if is_constant(view.strides) => {
                    // SAFETY: the tile has room for more.
                    unsafe { fill(self.tiles[i].as_mut_ptr().cast(), view.data[0], n) };
                    InputSource::Constant
                }
                Input::Numbers(view) => {
                    InputSource::Numbers(Stream::new(view, shape, start, view.is_contiguous(shape)))
                }
                Input::Mask(view) => InputSource::Mask(Stream::new(view, shape, start, view.is_contiguous(shape))),
                Input::Output(j) => InputSource::Output(j),
            });
            self.len += 1;
        }
    }

    /// Makes each input's slot point to its next `n` elements; `n` is at most a tile.
    #[inline(always)]
    fn next(&mut self, n: usize, slots: &mut Slots) {
        assert!(n <= TILE);
        let (inputs, outputs) = slots.0.split_at_mut(OUTPUTS);
        let sources = self.streams[..self.len].iter_mut().zip(&mut self.tiles);
        for (slot, (source, tile)) in inputs.iter_mut().zip(sources) {
            let tile = tile.as_mut_ptr();
            // SAFETY: the first `len` sources have been written. Each has a tile of its own, which may be
            // uninitialised; that of a mask is a part of it.
            *slot = unsafe {
                match source.assume_init_mut() {
                    InputSource::Constant => tile.cast(),
                    InputSource::Numbers(stream) => stream.next(n, &mut *tile).as_ptr().cast_mut().cast(),
                    InputSource::Mask(stream) => stream.next(n, &mut *tile.cast()).as_ptr().cast_mut(),
                    InputSource::Output(j) => outputs[*j],
                }
            };
        }
    }
}

/// # Safety
/// There must be room for `n` elements.
#[inline(always)]
unsafe fn fill<T: Copy>(to: *mut T, x: T, n: usize) {
    for i in 0..n {
        // SAFETY: the caller's.
        unsafe { to.add(i).write(x) };
    }
}

impl<T> Drop for InputSources<'_, T> {
    fn drop(&mut self) {
        for source in &mut self.streams[..self.len] {
            // SAFETY: the first `len` have been written, and are not used again.
            unsafe { source.assume_init_drop() };
        }
    }
}
