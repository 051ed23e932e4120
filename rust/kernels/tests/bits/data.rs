//! Inputs of kernels, and hashes of their results.

use std::fmt::{Debug, Formatter, Result};

use rgrad_kernels::{Float, Number};

use crate::strided::numbers;

/// An element's bits.
pub trait Bits: Number {
    /// The bits.
    fn exact(self) -> u64;
    /// The bits of a computed number: every NaN counts as one value.
    fn value(self) -> u64 {
        self.exact()
    }
    /// Converts a small integer.
    fn from_number(x: f64) -> Self;
}

macro_rules! bits {
    ($($t:ident $is_nan:expr, $exact:expr;)*) => {$(
        impl Bits for $t {
            fn exact(self) -> u64 {
                $exact(self)
            }
            fn value(self) -> u64 {
                if $is_nan(self) { 1 } else { self.exact() }
            }
            fn from_number(x: f64) -> Self {
                x as $t
            }
        }
    )*};
}

bits! {
    f32 f32::is_nan, |x: f32| u64::from(x.to_bits());
    f64 f64::is_nan, f64::to_bits;
    i64 |_| false, |x| x as u64;
    i32 |_| false, |x| x as u64;
    u8 |_| false, u64::from;
}

/// A hash that changes with any bit of any result.
#[derive(Default)]
pub struct Hash(u64);

impl Hash {
    fn mix(&mut self, bits: u64) {
        self.0 = (self.0 ^ bits).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
    }
    /// Computed numbers.
    pub fn add<T: Bits>(&mut self, x: &[T]) {
        for x in x {
            self.mix(x.value());
        }
    }
    /// Copied numbers.
    pub fn add_exact<T: Bits>(&mut self, x: &[T]) {
        for x in x {
            self.mix(x.exact());
        }
    }
}

impl Debug for Hash {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Numbers around 0, some of them large or small.
pub fn plain<T: Bits>(n: usize, seed: u64) -> Vec<T> {
    numbers(n, seed).into_iter().map(|x| T::from_number(x * x * x)).collect()
}

/// As [`plain`], with one of each special kind in every `every` elements: zeros, infinities, NaN, subnormal numbers,
/// the largest and the smallest.
pub fn odd<T: Float + Bits>(n: usize, seed: u64, every: usize) -> Vec<T> {
    let tiny = T::from_f64(if size_of::<T>() == 4 { 1e-38 } else { 2.3e-308 });
    let large = T::from_f64(if size_of::<T>() == 4 { 3e38 } else { 1.7e308 });
    let (half, zero) = (T::from_f64(0.5), T::ZERO);
    let kinds =
        [zero, T::NEG_ZERO, T::INFINITY, T::NEG_INFINITY, T::NAN, tiny, tiny * half, -tiny * half, large, -large];
    let mut x = plain(n, seed);
    for (i, x) in x.iter_mut().enumerate().skip(seed as usize % every).step_by(every) {
        *x = kinds[i / every % kinds.len()];
    }
    x
}

/// Integers of both signs, including the ends of the range.
pub fn integers<T: Bits>(n: usize, seed: u64) -> Vec<T> {
    let ends = [0.0, 1.0, -1.0, 1e30, -1e30];
    let x = numbers(n, seed).into_iter().enumerate();
    x.map(|(i, x)| T::from_number(if i % 7 == 3 { ends[i / 7 % 5] } else { (x * 100.0).floor() })).collect()
}
