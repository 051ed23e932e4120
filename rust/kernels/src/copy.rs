//! Copies between layouts, and conversions between element types.

use std::ptr::copy_nonoverlapping;

use crate::View;
use crate::entries::entries;
use crate::simd::{Element, Kernel, Real, Simd};
use crate::split::{GRAIN_CHEAP, Shared, UNIT, split};
use crate::threads;
use crate::view::{places_differ, size};
use crate::walk::{Dim, Walk};

/// Rows and columns of the blocks in which transposed elements are copied: both sides' cache lines stay in L1.
const BLOCK: usize = 32;

entries! { Copies for [f32 f64 i64 i32 u8] where T: Element {
    /// Copies the view's elements, in row-major order of `shape`.
    ///
    /// # Panics
    /// If `out` does not have the shape's number of elements, or `x` does not cover the shape.
    pub fn copy(out: &mut [T], shape: &[usize], x: View<T>) = copy_body;
    /// Copies the view's elements into a strided output: element `i, j, …` of `shape` is copied to
    /// `out[i·out_strides[0] + j·out_strides[1] + …]`.
    ///
    /// # Panics
    /// If `out` or `x` does not cover the shape, or elements of the output overlap.
    pub fn copy_into(out: &mut [T], out_strides: &[usize], shape: &[usize], x: View<T>) = copy_into_body;
    /// `out[i] = x[i] != 0`, as 1 or 0; NaN counts as true.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn cast_to_bool(out: &mut [u8], x: &[T]) = cast_to_bool_body;
} }

fn copy_body<T: Element>(out: &mut [T], shape: &[usize], x: View<T>) {
    assert_eq!(out.len(), size(shape), "the output has the wrong number of elements");
    x.check(shape);
    if out.is_empty() {
        return;
    }
    // Row-major strides; those of dimensions of size one are irrelevant.
    let mut walk = Walk::new(shape, [x.strides, x.strides]);
    if let [] | [Dim { strides: [1, _], .. }] = walk.dims() {
        return split(out, UNIT, GRAIN_CHEAP, |start, out| out.copy_from_slice(&x.data[start..start + out.len()]));
    }
    let mut stride = 1;
    for dim in walk.dims_mut().iter_mut().rev() {
        dim.strides[1] = stride;
        stride *= dim.size;
    }
    copy_walk(walk, x.data, Shared::new(out));
}

fn copy_into_body<T: Element>(out: &mut [T], out_strides: &[usize], shape: &[usize], x: View<T>) {
    View::new(out, out_strides).check(shape);
    x.check(shape);
    if shape.contains(&0) {
        return;
    }
    assert!(places_differ(shape, out_strides), "elements of a strided output must not overlap");
    let walk = Walk::new(shape, [x.strides, out_strides]);
    copy_walk(walk, x.data, Shared::new(out));
}

/// Copies along a walk whose operands, source and output, have been checked.
fn copy_walk<T: Element>(mut walk: Walk<2>, from: &[T], to: Shared<T>) {
    let smallest = |k: usize, walk: &Walk<2>| {
        let strides = walk.dims().iter().enumerate().filter(|(_, d)| d.strides[k] > 0);
        strides.min_by_key(|(_, d)| d.strides[k]).map(|(i, _)| i)
    };
    let Some(write) = smallest(1, &walk) else {
        // SAFETY: there are no dimensions, so one element, which both have.
        return unsafe { *to.at(0) = from[0] };
    };
    let read = smallest(0, &walk).unwrap_or(write);
    let columns = walk.remove(write);
    let rows = if read == write {
        Dim { size: 1, strides: [0, 0], at: 0 }
    } else {
        walk.remove(read - usize::from(read > write))
    };
    // Tasks divide the outer elements, or else the rows.
    let outer = walk.len();
    let plane = rows.size * columns.size;
    let (parts, per_part) = if outer > 1 { (outer, plane) } else { (rows.size, columns.size) };
    let tasks = threads::tasks_for(parts * per_part, GRAIN_CHEAP).min(parts);
    threads::run(tasks, |t| {
        let (first, last) = (parts * t / tasks, parts * (t + 1) / tasks);
        let mut walk = walk.clone();
        if outer == 1 {
            let part = Dim { size: last - first, ..rows };
            let at = rows.strides.map(|s| first * s);
            // SAFETY: rows `first .. last` of a walk that was checked; other tasks write others.
            return unsafe { copy_plane(from.as_ptr().add(at[0]), to.at(at[1]), part, columns) };
        }
        let mut at = walk.seek(first);
        for _ in first..last {
            // SAFETY: one plane of a walk that was checked; other tasks write others.
            unsafe { copy_plane(from.as_ptr().add(at[0]), to.at(at[1]), rows, columns) };
            walk.step(1, &mut at);
        }
    });
}

/// Copies two dimensions. The output's smallest stride is along the columns, the source's along the rows.
///
/// # Safety
/// Both pointers must be valid for all elements of the dimensions, and must not overlap.
unsafe fn copy_plane<T: Element>(from: *const T, to: *mut T, rows: Dim<2>, columns: Dim<2>) {
    if columns.strides == [1, 1] {
        for i in 0..rows.size {
            // SAFETY: the caller's: all indices are below the dimensions' sizes.
            unsafe {
                copy_nonoverlapping(from.add(i * rows.strides[0]), to.add(i * rows.strides[1]), columns.size);
            }
        }
    } else if rows.strides[0] == 1 && columns.strides[1] == 1 && size_of::<T>() == size_of::<f32>() {
        // Elements are copied bit by bit, so another type of the same size may stand for theirs.
        // SAFETY: the caller's.
        f32::run(unsafe { Transpose::new(from.cast(), to.cast(), rows, columns) });
    } else if rows.strides[0] == 1 && columns.strides[1] == 1 && size_of::<T>() == size_of::<f64>() {
        // SAFETY: the caller's.
        f64::run(unsafe { Transpose::new(from.cast(), to.cast(), rows, columns) });
    } else {
        // SAFETY: the caller's.
        unsafe { copy_blocks(from, to, rows, columns) };
    }
}

/// As [`copy_plane`], element by element.
unsafe fn copy_blocks<T: Element>(from: *const T, to: *mut T, rows: Dim<2>, columns: Dim<2>) {
    for i_block in (0..rows.size).step_by(BLOCK) {
        for j_block in (0..columns.size).step_by(BLOCK) {
            for i in i_block..rows.size.min(i_block + BLOCK) {
                for j in j_block..columns.size.min(j_block + BLOCK) {
                    // SAFETY: the caller's: both indices are below the dimensions' sizes.
                    unsafe {
                        *to.add(i * rows.strides[1] + j * columns.strides[1]) =
                            *from.add(i * rows.strides[0] + j * columns.strides[0]);
                    }
                }
            }
        }
    }
}

/// As [`copy_plane`], where the rows are contiguous in the source and the columns in the output.
struct Transpose<T> {
    from: *const T,
    to: *mut T,
    rows: Dim<2>,
    columns: Dim<2>,
}

impl<T> Transpose<T> {
    /// # Safety
    /// As for [`copy_plane`], until it has run; the strides must be 1 where it says so.
    unsafe fn new(from: *const T, to: *mut T, rows: Dim<2>, columns: Dim<2>) -> Self {
        Self { from, to, rows, columns }
    }
}

impl<T: Real> Kernel<T> for Transpose<T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Transpose { from, to, rows, columns } = self;
        let whole = columns.size - columns.size % S::LANES;
        for j in (0..whole).step_by(S::LANES) {
            for i in (0..rows.size).step_by(S::LANES) {
                let height = S::LANES.min(rows.size - i);
                // SAFETY: the caller's of `copy_plane`: blocks end within both dimensions.
                unsafe {
                    let (from, to) = (from.add(i + j * columns.strides[0]), to.add(i * rows.strides[1] + j));
                    s.transpose(from, columns.strides[0], S::LANES, height, to, rows.strides[1]);
                }
            }
        }
        let rest = Dim { size: columns.size - whole, ..columns };
        // SAFETY: as above.
        unsafe { copy_blocks(from.add(whole * columns.strides[0]), to.add(whole), rows, rest) };
    }
}

/// A conversion between element types, as Rust's `as`: integers wrap around; floating-point numbers are truncated
/// towards zero and saturate at the range of an integer, and NaN becomes 0.
pub trait CastTo<D: Element>: Element {
    /// Converts this number.
    fn cast(self) -> D;

    /// [`cast`], compiled in this crate.
    fn convert(out: &mut [D], x: &[Self]);

    /// Converts slices of equal length.
    #[inline(always)]
    fn cast_all(out: &mut [D], x: &[Self]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.cast();
        }
    }
}

macro_rules! casts {
    ($($from:ident: $($to:ident)*;)*) => {$($(
        impl CastTo<$to> for $from {
            fn convert(out: &mut [$to], x: &[Self]) {
                cast_body(out, x);
            }
            #[inline(always)]
            #[allow(clippy::cast_lossless, trivial_numeric_casts)] // the same expression for all pairs
            fn cast(self) -> $to {
                self as $to
            }
        }
    )*)*};
}

casts! {
    f32: f32 f64;
    f64: f32 f64;
    i64: f32 f64 i64 i32 u8;
    i32: f32 f64 i64 i32 u8;
    u8: f32 f64 i64 i32 u8;
}

/// Numbers whose range is checked together.
const CAST_BLOCK: usize = 64;

/// Conversions to integers, for which processors have instructions if the number is in range.
macro_rules! casts_to_integers {
    ($($from:ident: $($to:ident)*;)*) => {$($(
        impl CastTo<$to> for $from {
            fn convert(out: &mut [$to], x: &[Self]) {
                cast_body(out, x);
            }
            #[inline(always)]
            fn cast(self) -> $to {
                self as $to
            }
            #[inline(always)]
            #[allow(clippy::cast_lossless)] // the same expression for all pairs
            fn cast_all(out: &mut [$to], x: &[Self]) {
                // The range's end is a power of two, which every float type has.
                let (low, end) = ($to::MIN as $from, $to::MAX as $from);
                for (out, x) in out.chunks_mut(CAST_BLOCK).zip(x.chunks(CAST_BLOCK)) {
                    if x.iter().fold(true, |fits, &x| fits & (low <= x) & (x < end)) {
                        for (out, &x) in out.iter_mut().zip(x) {
                            // SAFETY: below the greatest integer, or the power of two that it rounds to, and not below
                            // the least; so not NaN either.
                            *out = unsafe { x.to_int_unchecked() };
                        }
                    } else {
                        for (out, &x) in out.iter_mut().zip(x) {
                            *out = x as $to;
                        }
                    }
                }
            }
        }
    )*)*};
}

casts_to_integers! {
    f32: i64 i32 u8;
    f64: i64 i32 u8;
}

/// `out[i] = x[i]` in another type; see [`CastTo`].
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn cast<S: CastTo<D>, D: Element>(out: &mut [D], x: &[S]) {
    S::convert(out, x);
}

fn cast_body<S: CastTo<D>, D: Element>(out: &mut [D], x: &[S]) {
    assert_eq!(out.len(), x.len(), "a conversion needs equal lengths");
    split(out, UNIT, GRAIN_CHEAP, |start, out| {
        let x = &x[start..start + out.len()];
        f32::run(Cast { out, x });
    });
}

struct Cast<'a, S, D> {
    out: &'a mut [D],
    x: &'a [S],
}

// The kernel's element type is irrelevant: it enters the shell only to be compiled for the instruction set.
impl<S: CastTo<D>, D: Element> Kernel<f32> for Cast<'_, S, D> {
    type Out = ();
    #[inline(always)]
    fn run<I: Simd<f32>>(self, _: I) {
        S::cast_all(self.out, self.x);
    }
}

fn cast_to_bool_body<S: Element>(out: &mut [u8], x: &[S]) {
    assert_eq!(out.len(), x.len(), "a conversion needs equal lengths");
    split(out, UNIT, GRAIN_CHEAP, |start, out| {
        let x = &x[start..start + out.len()];
        f32::run(CastToBool { out, x });
    });
}

struct CastToBool<'a, S> {
    out: &'a mut [u8],
    x: &'a [S],
}

// As for `Cast`.
impl<S: Element> Kernel<f32> for CastToBool<'_, S> {
    type Out = ();
    #[inline(always)]
    fn run<I: Simd<f32>>(self, _: I) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = u8::from(x != S::default());
        }
    }
}
