//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1,
//! 2, 3", 2011).
//!
//! Element `i` of a draw depends on the seed and `offset + i` alone, so a stream is the same on every platform and for
//! any number of threads, and two draws are independent if their ranges of offsets do not overlap. Every distribution
//! and element type has separate streams.

use std::array::from_fn;

use crate::entries::entries;
use crate::math;
use crate::simd::{Kernel, Real, Simd};
use crate::split::{GRAIN_TRANSCENDENTAL, UNIT, split};

/// Blocks that are computed together.
const WIDE: usize = 16;
/// The four words of these blocks: first counters, then random bits.
type Words = [[u32; WIDE]; 4];

/// The distribution of a stream: the third word of its counters, so that no two distributions share numbers.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Distribution {
    Uniform = 1,
    Normal = 2,
    Bernoulli = 3,
    Integer = 4,
    Permutation = 5,
}

/// One stream of the generator.
#[derive(Clone, Copy)]
struct Philox {
    key: [u32; 2],
    distribution: u32,
}

impl Philox {
    /// The stream of a distribution, for elements of this width.
    fn new(seed: u64, distribution: Distribution, bytes: usize) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], distribution: distribution as u32 | (bytes as u32) << 8 }
    }

    /// The words of the `group`th [`WIDE`] blocks: word `w` of block `b` at `[w][b]`.
    #[inline(always)]
    fn group(self, group: u64) -> Words {
        let counter = |b: usize| group.wrapping_mul(WIDE as u64) | b as u64;
        self.cipher([
            from_fn(|b| counter(b) as u32),
            from_fn(|b| (counter(b) >> 32) as u32),
            [self.distribution; WIDE],
            [0; WIDE],
        ])
    }

    /// As [`Self::group`], for the substream of one offset.
    #[inline(always)]
    fn group_within(self, offset: u64, group: u32) -> Words {
        let low = from_fn(|b| group.wrapping_mul(WIDE as u32) | b as u32);
        self.cipher([[offset as u32; WIDE], [(offset >> 32) as u32; WIDE], [self.distribution; WIDE], low])
    }

    /// Ten rounds.
    #[inline(always)]
    fn cipher(self, mut x: Words) -> Words {
        let mut key = self.key;
        for _ in 0..10 {
            let (low0, high0) = multiply(x[0], 0xD251_1F53);
            let (low1, high1) = multiply(x[2], 0xCD9E_8D57);
            let (first, third) = (from_fn(|b| high1[b] ^ x[1][b] ^ key[0]), from_fn(|b| high0[b] ^ x[3][b] ^ key[1]));
            x = [first, low1, third, low0];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        x
    }
}

/// The low and high words of the products with `m`.
#[inline(always)]
fn multiply(x: [u32; WIDE], m: u32) -> ([u32; WIDE], [u32; WIDE]) {
    let product = |b: usize| u64::from(x[b]) * u64::from(m);
    (from_fn(|b| product(b) as u32), from_fn(|b| (product(b) >> 32) as u32))
}

/// Joins two words of every block into one.
#[inline(always)]
fn join(high: [u32; WIDE], low: [u32; WIDE]) -> [u64; WIDE] {
    from_fn(|b| u64::from(high[b]) << 32 | u64::from(low[b]))
}

/// Numbers that can be drawn.
pub trait Draw: Real {
    /// Elements per group of blocks.
    const GROUP: usize;
    /// Uniformly distributed numbers in [0, 1).
    fn unit_interval(words: Words, out: &mut [Self]);
    /// For [`normal`]: uniformly distributed numbers in (0, 1] in the first half, and in [0, 1] in the second.
    fn pairs(words: Words, out: &mut [Self]);
}

impl Draw for f32 {
    const GROUP: usize = 4 * WIDE;
    #[inline(always)]
    fn unit_interval(words: Words, out: &mut [Self]) {
        for (out, w) in out.iter_mut().zip(words.as_flattened()) {
            // 24 bits, all that the type has below 1.
            *out = (w >> 8) as f32 * 2.0_f32.powi(-24);
        }
    }
    #[inline(always)]
    fn pairs(words: Words, out: &mut [Self]) {
        for (i, (out, &w)) in out.iter_mut().zip(words.as_flattened()).enumerate() {
            // All bits, for the sake of the distribution's tails.
            *out = (w as f32).mul_add(2.0_f32.powi(-32), if i < 2 * WIDE { 2.0_f32.powi(-33) } else { 0.0 });
        }
    }
}

impl Draw for f64 {
    const GROUP: usize = 2 * WIDE;
    #[inline(always)]
    fn unit_interval(words: Words, out: &mut [Self]) {
        let [a, b, c, d] = words;
        for (out, w) in out.iter_mut().zip([join(a, b), join(c, d)].as_flattened()) {
            *out = (w >> 11) as f64 * 2.0_f64.powi(-53);
        }
    }
    #[inline(always)]
    fn pairs(words: Words, out: &mut [Self]) {
        Self::unit_interval(words, out);
        for out in &mut out[..WIDE] {
            *out += 2.0_f64.powi(-53);
        }
    }
}

entries! { Draws for [f32 f64] where T: Draw {
    /// `out[i]` is uniformly distributed in [0, 1): a multiple of 2⁻²⁴ for `f32`, of 2⁻⁵³ for `f64`.
    pub fn uniform(out: &mut [T], seed: u64, offset: u64) = uniform_body;
    /// `out[i]` has the standard normal distribution, by the method of Box and Muller (1958).
    pub fn normal(out: &mut [T], seed: u64, offset: u64) = normal_body;
} }

fn uniform_body<T: Draw>(out: &mut [T], seed: u64, offset: u64) {
    let stream = Philox::new(seed, Distribution::Uniform, size_of::<T>());
    draw(out, offset, T::GROUP, Uniform { stream });
}

fn normal_body<T: Draw>(out: &mut [T], seed: u64, offset: u64) {
    let stream = Philox::new(seed, Distribution::Normal, size_of::<T>());
    draw(out, offset, T::GROUP, BoxMuller { stream });
}

entries! { Masks for [f32 f64] where T: Real {
    /// `out[i]` is `scale` with probability `keep`, else 0.
    pub fn bernoulli_mask(out: &mut [T], keep: f64, scale: T, seed: u64, offset: u64) = bernoulli_mask_body;
} }

fn bernoulli_mask_body<T: Real>(out: &mut [T], keep: f64, scale: T, seed: u64, offset: u64) {
    let stream = Philox::new(seed, Distribution::Bernoulli, 0);
    let threshold = (keep.clamp(0.0, 1.0) * 2.0_f64.powi(32)).round() as u64;
    draw(out, offset, 4 * WIDE, Bernoulli { stream, threshold, scale });
}

/// `out[i]` is uniformly distributed in `low .. high`, up to a bias of at most `(high - low)/2⁶⁴`.
///
/// # Panics
/// If the range is empty.
pub fn randint(out: &mut [i64], low: i64, high: i64, seed: u64, offset: u64) {
    assert!(low < high, "random integers need a range that is not empty");
    let stream = Philox::new(seed, Distribution::Integer, 8);
    draw(out, offset, 2 * WIDE, Integers { stream, low, range: high.wrapping_sub(low) as u64 });
}

/// Fills `out` with a uniformly random permutation of 0, 1, …
///
/// The whole permutation depends on `offset`, and those of other offsets are independent of it.
pub fn permutation(out: &mut [i64], seed: u64, offset: u64) {
    let stream = Philox::new(seed, Distribution::Permutation, 8);
    let mut group = 0;
    let mut words = [0_u64; 2 * WIDE];
    let mut used = words.len();
    let mut next = || {
        if used == words.len() {
            let [a, b, c, d] = stream.group_within(offset, group);
            words.as_chunks_mut::<WIDE>().0.copy_from_slice(&[join(a, b), join(c, d)]);
            group += 1;
            used = 0;
        }
        used += 1;
        words[used - 1]
    };
    for (i, out) in out.iter_mut().enumerate() {
        *out = i as i64;
    }
    for i in (1..out.len()).rev() {
        out.swap(i, below(i as u64 + 1, &mut next) as usize);
    }
}

/// A uniformly distributed number below `range` (Lemire, "Fast random integer generation in an interval", 2019).
fn below(range: u64, mut next: impl FnMut() -> u64) -> u64 {
    loop {
        let product = u128::from(next()) * u128::from(range);
        // Rejects the lowest 2⁶⁴ mod range fractions, which would bias the result.
        if product as u64 >= range || product as u64 >= range.wrapping_neg() % range {
            return (product >> 64) as u64;
        }
    }
}

/// The conversion of a group of blocks to elements.
trait Fill<T, R: Real>: Copy + Send + Sync {
    fn fill<S: Simd<R>>(self, s: S, group: u64, out: &mut [T]);
}

/// The largest number of elements of a group.
const MAX_GROUP: usize = 4 * WIDE;

/// Fills `out` with the elements of a stream from `offset` on, `size` per group.
fn draw<T: Copy + Default + Send + Sync, R: Real>(out: &mut [T], offset: u64, size: usize, fill: impl Fill<T, R>) {
    split(out, UNIT, GRAIN_TRANSCENDENTAL, |start, out| {
        R::run(DrawKernel { out, first: offset.wrapping_add(start as u64), size, fill });
    });
}

struct DrawKernel<'a, T, F> {
    out: &'a mut [T],
    first: u64,
    size: usize,
    fill: F,
}

impl<T: Copy + Default, R: Real, F: Fill<T, R>> Kernel<R> for DrawKernel<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let mut out = self.out;
        let mut at = self.first;
        while !out.is_empty() {
            let (group, skip) = (at / self.size as u64, (at % self.size as u64) as usize);
            let (part, rest) = out.split_at_mut(out.len().min(self.size - skip));
            let mut whole = [T::default(); MAX_GROUP];
            let whole = &mut whole[..self.size];
            self.fill.fill(s, group, whole);
            part.copy_from_slice(&whole[skip..skip + part.len()]);
            at = at.wrapping_add(part.len() as u64);
            out = rest;
        }
    }
}

#[derive(Clone, Copy)]
struct Uniform {
    stream: Philox,
}

impl<T: Draw> Fill<T, T> for Uniform {
    #[inline(always)]
    fn fill<S: Simd<T>>(self, _: S, group: u64, out: &mut [T]) {
        T::unit_interval(self.stream.group(group), out);
    }
}

#[derive(Clone, Copy)]
struct BoxMuller {
    stream: Philox,
}

impl<T: Draw> Fill<T, T> for BoxMuller {
    #[inline(always)]
    fn fill<S: Simd<T>>(self, s: S, group: u64, out: &mut [T]) {
        T::pairs(self.stream.group(group), out);
        let (radii, angles) = out.split_at_mut(out.len() / 2);
        for (a, b) in radii.chunks_exact_mut(S::LANES).zip(angles.chunks_exact_mut(S::LANES)) {
            // SAFETY: both chunks are vectors.
            unsafe {
                let log = math::log(s, s.load(a.as_ptr()));
                let radius = s.sqrt(s.mul(s.splat(T::from_f64(-2.0)), log));
                let (sin, cos) = math::sincos_turns(s, s.load(b.as_ptr()));
                s.store(a.as_mut_ptr(), s.mul(radius, cos));
                s.store(b.as_mut_ptr(), s.mul(radius, sin));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Bernoulli<T> {
    stream: Philox,
    threshold: u64,
    scale: T,
}

impl<T: Real> Fill<T, T> for Bernoulli<T> {
    #[inline(always)]
    fn fill<S: Simd<T>>(self, _: S, group: u64, out: &mut [T]) {
        for (out, &w) in out.iter_mut().zip(self.stream.group(group).as_flattened()) {
            *out = if u64::from(w) < self.threshold { self.scale } else { T::ZERO };
        }
    }
}

#[derive(Clone, Copy)]
struct Integers {
    stream: Philox,
    low: i64,
    range: u64,
}

impl Fill<i64, f32> for Integers {
    #[inline(always)]
    fn fill<S: Simd<f32>>(self, _: S, group: u64, out: &mut [i64]) {
        let [a, b, c, d] = self.stream.group(group);
        for (out, &w) in out.iter_mut().zip([join(a, b), join(c, d)].as_flattened()) {
            let scaled = (u128::from(w) * u128::from(self.range)) >> 64;
            *out = self.low.wrapping_add(scaled as i64);
        }
    }
}
