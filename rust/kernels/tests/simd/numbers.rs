//! Numbers to test with: special ones and random ones, of both types.

use rgrad_kernels::Float;

/// A type whose bits the tests construct and compare.
pub trait Bits: Float {
    const WIDTH: u32;
    const LANES: usize;
    /// Zeros of either sign, ties, the edges of every range, infinities, and NaNs quiet, signalling and negative.
    const SPECIAL: &'static [Self];
    fn from_bits(bits: u64) -> Self;
    fn bits(self) -> u64;

    fn is_nan(self) -> bool {
        self.to_f64().is_nan()
    }
}

macro_rules! bits {
    ($t:ident, $uint:ident, $lanes:literal) => {
        impl Bits for $t {
            const WIDTH: u32 = $uint::BITS;
            const LANES: usize = $lanes;
            const SPECIAL: &'static [Self] = {
                const INTEGERS: $t = (1_u64 << ($t::MANTISSA_DIGITS - 1)) as $t; // all larger numbers are integers
                const QUIET: $uint = 1 << ($t::MANTISSA_DIGITS - 2);
                const MIN_SUBNORMAL: $t = $t::from_bits(1);
                const MAX_SUBNORMAL: $t = $t::from_bits($t::MIN_POSITIVE.to_bits() - 1);
                const SIGNALLING: $t = $t::from_bits($t::INFINITY.to_bits() + 1);
                const PAYLOAD: $t = $t::from_bits($t::NEG_INFINITY.to_bits() | QUIET | 0x123);
                &[
                    0.0,
                    -0.0,
                    0.5,
                    -0.5,
                    1.0,
                    -1.0,
                    1.5,
                    -1.5,
                    2.5,
                    -2.5,
                    3.0,
                    0.1,
                    -0.1,
                    1.0 + $t::EPSILON,
                    1.0 - $t::EPSILON / 2.0,
                    0.5 - $t::EPSILON / 4.0,
                    INTEGERS,
                    1.0 - INTEGERS,
                    INTEGERS / 2.0 + 0.5,
                    INTEGERS / 2.0 - 0.5,
                    -0.5 - INTEGERS / 2.0,
                    MIN_SUBNORMAL,
                    -MIN_SUBNORMAL,
                    MAX_SUBNORMAL,
                    $t::MIN_POSITIVE,
                    $t::MAX,
                    $t::MIN,
                    $t::INFINITY,
                    $t::NEG_INFINITY,
                    $t::NAN,
                    SIGNALLING,
                    PAYLOAD,
                ]
            };
            fn from_bits(bits: u64) -> Self {
                $t::from_bits(bits as $uint)
            }
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }
        }
    };
}

bits!(f32, u32, 16);
bits!(f64, u64, 8);

/// A stream of bits (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Uniform in [−8, 8), rounded to `T`.
    pub fn number<T: Float>(&mut self) -> T {
        T::from_f64((self.bits() >> 11) as f64 / f64::from(1_u32 << 24) / f64::from(1_u32 << 25) - 8.0)
    }
}
