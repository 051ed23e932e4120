//! Folds over vectors, lane by lane, in a fixed order.
#![allow(clippy::eq_op, reason = "only NaN differs from itself")]

use std::mem::MaybeUninit;

use super::real::PIECE;
use crate::lanes::load_or;
use crate::math;
use crate::reader::TILE;
use crate::simd::{Real, Simd};

/// An operation that combines two numbers.
pub(crate) trait Fold<T: Real>: Copy + Send + Sync + 'static {
    /// The identity element.
    const IDENTITY: T;
    fn vectors<S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V;
    fn numbers(a: T, b: T) -> T;
    /// The element that leaves a fold unchanged, given the reference value `about`.
    #[inline(always)]
    fn neutral(_about: T) -> T {
        Self::IDENTITY
    }
    /// Combines the accumulator with the next elements.
    #[inline(always)]
    fn step<S: Simd<T>>(s: S, folded: S::V, x: S::V, _about: S::V) -> S::V {
        Self::vectors(s, folded, x)
    }
}

macro_rules! folds {
    ($($(#[$doc:meta])* $name:ident: $identity:ident, $vectors:expr, $numbers:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name;
        impl<T: Real> Fold<T> for $name {
            const IDENTITY: T = T::$identity;
            #[inline(always)]
            fn vectors<S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
                $vectors(s, a, b)
            }
            #[inline(always)]
            fn numbers(a: T, b: T) -> T {
                $numbers(a, b)
            }
        }
    )*};
}

folds! {
    Sum: ZERO, S::add, |a, b| a + b;
    Prod: ONE, S::mul, |a, b| a * b;
    /// NaN wins.
    Max: NEG_INFINITY, math::maximum, |a: T, b: T| if a > b || a != a { a } else { b };
    /// NaN wins.
    Min: INFINITY, math::minimum, |a: T, b: T| if a < b || a != a { a } else { b };
}

/// Σ (x − about)².
#[derive(Clone, Copy)]
pub(crate) struct SquaredDistances;

impl<T: Real> Fold<T> for SquaredDistances {
    const IDENTITY: T = T::ZERO;
    #[inline(always)]
    fn vectors<S: Simd<T>>(s: S, a: S::V, b: S::V) -> S::V {
        s.add(a, b)
    }
    #[inline(always)]
    fn numbers(a: T, b: T) -> T {
        a + b
    }
    #[inline(always)]
    fn neutral(about: T) -> T {
        about
    }
    #[inline(always)]
    fn step<S: Simd<T>>(s: S, folded: S::V, x: S::V, about: S::V) -> S::V {
        let d = s.sub(x, about);
        s.mul_add(d, d, folded)
    }
}

/// Accumulators that hide the latency of an addition.
pub(super) const CHAINS: usize = 4;

/// Levels of a cascade: enough for the tiles of a piece.
pub(super) const LEVELS: usize = (PIECE / TILE).ilog2() as usize + 1;

/// Pairwise summation of a stream of vectors: keeps one partial result for each bit that is set in a binary counter of
/// them.
pub(super) struct Cascade<T: Real> {
    /// As memory, not as vectors: they exceed the registers.
    levels: [MaybeUninit<T::Lanes>; LEVELS],
    count: usize,
}

impl<T: Real> Cascade<T> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { levels: [MaybeUninit::uninit(); LEVELS], count: 0 }
    }

    #[inline(always)]
    pub(super) fn push<S: Simd<T>, F: Fold<T>>(&mut self, s: S, mut v: S::V) {
        let mut level = 0;
        while self.count >> level & 1 == 1 {
            v = F::vectors(s, self.level(s, level), v);
            level += 1;
        }
        // SAFETY: `Real::Lanes` is a vector's array.
        unsafe { s.store(self.levels[level].as_mut_ptr().cast(), v) };
        self.count += 1;
    }

    /// All values combined.
    #[inline(always)]
    pub(super) fn finish<S: Simd<T>, F: Fold<T>>(&self, s: S) -> S::V {
        let mut total = s.splat(F::IDENTITY);
        let mut level = 0;
        while self.count >> level > 0 {
            if self.count >> level & 1 == 1 {
                total = F::vectors(s, self.level(s, level), total);
            }
            level += 1;
        }
        total
    }

    /// The vector of a level whose bit of the counter is set.
    #[inline(always)]
    fn level<S: Simd<T>>(&self, s: S, level: usize) -> S::V {
        debug_assert_eq!(self.count >> level & 1, 1);
        // SAFETY: the counter's bit is set, so the level was stored.
        unsafe { s.load(self.levels[level].as_ptr().cast()) }
    }
}

/// Folds at most [`TILE`] numbers: vector `i` into accumulator `i` modulo [`CHAINS`], then the accumulators in pairs.
#[inline(always)]
pub(super) fn fold_tile<T: Real, S: Simd<T>, F: Fold<T>>(s: S, x: &[T], about: T) -> S::V {
    debug_assert!(x.len() <= TILE);
    let center = s.splat(about);
    let mut acc = [s.splat(F::IDENTITY); CHAINS];
    let mut steps = x.chunks_exact(CHAINS * S::LANES);
    for step in &mut steps {
        for (c, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the chunk holds `CHAINS` vectors.
            *acc = F::step(s, *acc, unsafe { s.load(step.as_ptr().add(c * S::LANES)) }, center);
        }
    }
    for (v, acc) in steps.remainder().chunks(S::LANES).zip(&mut acc) {
        *acc = F::step(s, *acc, load_or(s, v, F::neutral(about)), center);
    }
    F::vectors(s, F::vectors(s, acc[0], acc[1]), F::vectors(s, acc[2], acc[3]))
}

/// The largest number of lanes of a vector.
pub(crate) const MAX_LANES: usize = 16;

/// Folds the lanes of up to `LANES` vectors, as [`fold_lanes`] does: lane `i` of the result is that of vector `i`.
#[inline(always)]
pub(crate) fn fold_across<T: Real, S: Simd<T>, F: Fold<T>>(s: S, vectors: &[T::Lanes; MAX_LANES]) -> S::V {
    let mut lanes = [T::Lanes::default(); MAX_LANES];
    let mut v = [s.splat(F::IDENTITY); MAX_LANES];
    // SAFETY: `Real::Lanes` is a vector's array, of which both have at least `LANES`.
    unsafe {
        s.transpose(vectors.as_ptr().cast(), S::LANES, S::LANES, S::LANES, lanes.as_mut_ptr().cast(), S::LANES);
    }
    for (v, lane) in v[..S::LANES].iter_mut().zip(&lanes) {
        *v = s.load_array(lane);
    }
    let mut half = S::LANES / 2;
    while half > 0 {
        for i in 0..half {
            v[i] = F::vectors(s, v[i], v[i + half]);
        }
        half /= 2;
    }
    v[0]
}

/// Folds the lanes by halving: lane `i` with lane `i + LANES/2`, and so on.
#[inline(always)]
pub(super) fn fold_lanes<T: Real, S: Simd<T>, F: Fold<T>>(s: S, v: S::V) -> T {
    let mut lanes = s.to_array(v);
    let x = lanes.as_mut();
    let mut half = S::LANES / 2;
    while half > 0 {
        for i in 0..half {
            x[i] = F::numbers(x[i], x[i + half]);
        }
        half /= 2;
    }
    x[0]
}
