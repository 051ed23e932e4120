//! Element types: those of buffers, and those that vector kernels compute with.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::dispatch::Kernel;
use super::{Coefficients, Library};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for i32 {}
    impl Sealed for u8 {}
}

/// A plain number: every bit pattern is valid, so memory of one type may be read as another.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + PartialOrd + Debug + Send + Sync + 'static {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for i64 {}
impl Element for i32 {}
impl Element for u8 {}

/// A floating-point type that the vector kernels are compiled for: `f32` or `f64`.
pub trait Real:
    Element
    + Coefficients
    + Library
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// An array of one logical vector's lanes.
    type Lanes: AsMut<[Self]> + AsRef<[Self]> + Default + Copy;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −0, whose only bit is the sign.
    const NEG_ZERO: Self;
    /// Every bit but the sign.
    const ABS_MASK: Self;
    /// −∞.
    const NEG_INFINITY: Self;
    /// +∞.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// Rounds `x` to this type.
    fn from_f64(x: f64) -> Self;
    /// This value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `self × a + b` with one rounding.
    #[must_use]
    fn fma(self, a: Self, b: Self) -> Self;
    /// Runs `kernel` on the instruction set in use ([`super::isa`]).
    fn run<K: Kernel<Self>>(kernel: K) -> K::Out;
}

macro_rules! real {
    ($t:ident, $bits:ident, $lanes:literal, $run:ident) => {
        impl Real for $t {
            type Lanes = [$t; $lanes];
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_ZERO: Self = -0.0;
            const ABS_MASK: Self = $t::from_bits($bits::MAX >> 1);
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const INFINITY: Self = $t::INFINITY;
            const NAN: Self = $t::NAN;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn fma(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            #[inline]
            fn run<K: Kernel<Self>>(kernel: K) -> K::Out {
                super::dispatch::$run(kernel)
            }
        }
    };
}

real!(f32, u32, 16, run_f32);
real!(f64, u64, 8, run_f64);
