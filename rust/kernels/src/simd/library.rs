//! Functions without a vectorized form: computed lane by lane by the `libm` crate, whose software routines give the
//! same bits on every platform.

use super::{Real, Simd};

/// Functions of one and of two numbers, with the special cases of C99 where C99 has them. A supertrait of [`Real`].
pub trait Library: Sized {
    /// The sine of an angle in radians.
    #[must_use]
    fn sin(self) -> Self;
    /// The cosine of an angle in radians.
    #[must_use]
    fn cos(self) -> Self;
    /// The tangent of an angle in radians.
    #[must_use]
    fn tan(self) -> Self;
    /// The inverse error function: ±∞ at ±1, NaN beyond.
    #[must_use]
    fn erfinv(self) -> Self;
    /// The remainder of `self / b` with the sign of `self`.
    #[must_use]
    fn fmod(self, b: Self) -> Self;
    /// ⌊self / b⌋, as Python's `//`: exact where `self / b` would round up to the next integer.
    #[must_use]
    fn floor_divide(self, b: Self) -> Self;
}

macro_rules! library {
    ($t:ident { $($name:ident($($b:ident)?) = $routine:ident;)* }) => {
        impl Library for $t {
            $(
                #[inline]
                fn $name(self $(, $b: Self)?) -> Self {
                    libm::$routine(self $(, $b)?)
                }
            )*
            #[inline]
            fn erfinv(self) -> Self {
                inverse_error_function(f64::from(self)) as $t
            }
            #[inline]
            fn floor_divide(self, b: Self) -> Self {
                if b == 0.0 {
                    return self / b;
                }
                let r = self.fmod(b);
                let whole = (self - r) / b - if r != 0.0 && (r < 0.0) != (b < 0.0) { 1.0 } else { 0.0 };
                if whole == 0.0 {
                    return $t::copysign(0.0, self / b);
                }
                // The division above is of a multiple of b, but its result may still be off by a rounding error.
                let floor = whole.floor();
                if whole - floor > 0.5 { floor + 1.0 } else { floor }
            }
        }
    };
}

library! { f32 {
    sin() = sinf; cos() = cosf; tan() = tanf;
    fmod(b) = fmodf;
} }

library! { f64 {
    sin() = sin; cos() = cos; tan() = tan;
    fmod(b) = fmod;
} }

/// Defines a function of vectors for each of the functions above.
macro_rules! lane_by_lane {
    ($($name:ident($x:ident $(, $b:ident)?);)*) => {$(
        #[inline(always)]
        pub(crate) fn $name<T: Real, S: Simd<T>>(s: S, $x: S::V $(, $b: S::V)?) -> S::V {
            let mut lanes = s.to_array($x);
            $(let $b = s.to_array($b);)?
            for (_i, x) in lanes.as_mut().iter_mut().enumerate() {
                *x = T::$name(*x $(, $b.as_ref()[_i])?);
            }
            s.load_array(&lanes)
        }
    )*};
}

lane_by_lane! {
    sin(x); cos(x); tan(x); erfinv(x);
    fmod(a, b); floor_divide(a, b);
}

/// The inverse of the error function, from that of the normal distribution: Φ⁻¹((1 + x)/2) / √2.
///
/// Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37, 1988, PPND16.
/// Its argument is p − 1/2 = x/2, and 1 − |x| in the tails, so nothing is lost near 0 or ±1.
fn inverse_error_function(x: f64) -> f64 {
    let tail = 1.0 - x.abs();
    if tail == 0.0 {
        return f64::copysign(f64::INFINITY, x);
    }
    if tail < 0.0 || x.is_nan() {
        return f64::NAN;
    }
    let q = x / 2.0;
    let ratio = |r: f64, over: &[f64; 8], under: &[f64; 8]| horner(r, over) / horner(r, under);
    let quantile = if q.abs() <= 0.425 {
        q * ratio(0.180_625 - q * q, &CENTRE.0, &CENTRE.1)
    } else {
        let r = libm::sqrt(-libm::log(tail / 2.0));
        let size = if r <= 5.0 { ratio(r - 1.6, &FLANK.0, &FLANK.1) } else { ratio(r - 5.0, &FAR.0, &FAR.1) };
        f64::copysign(size, x)
    };
    quantile * std::f64::consts::FRAC_1_SQRT_2
}

fn horner(x: f64, coefficients: &[f64; 8]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

type RationalFunction = ([f64; 8], [f64; 8]);

const CENTRE: RationalFunction = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
);

const FLANK: RationalFunction = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        0.000_774_545_014_278_341_4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        0.000_547_593_808_499_534_5,
        1.050_750_071_644_416_9e-9,
    ],
);

const FAR: RationalFunction = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        0.000_786_869_131_145_613_3,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_7e-15,
    ],
);
