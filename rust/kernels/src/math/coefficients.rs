//! What the formulas of [`super`] need to know of `f32` and `f64`.
//!
//! `coefficients.py` fits the polynomials. The error written beside each is relative to the function's result.
#![allow(clippy::excessive_precision, clippy::unreadable_literal, clippy::approx_constant)] // as they were fitted

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

/// Constants and polynomials (lowest power first) of a floating-point type.
pub trait Coefficients: Sized + 'static {
    /// Explicit bits of the significand.
    const MANTISSA: u32;
    /// The bits of the significand.
    const MANTISSA_MASK: Self;
    /// 1.5 · 2^`MANTISSA` + the exponent's bias. Adding it rounds a small number to an integer n and leaves n + bias in the
    /// lowest bits, whence a shift by `MANTISSA` makes 2ⁿ.
    const ROUND: Self;
    /// 2^`MANTISSA`: or-ing a small integer into its bits adds the integer.
    const INTEGER: Self;
    /// The exponent's bias.
    const BIAS: Self;
    /// The smallest normal number.
    const MIN_NORMAL: Self;
    /// 2^(`MANTISSA` + 1), which makes every subnormal number normal, and its exponent.
    const NORMALISE: (Self, Self);

    /// log₂ e.
    const LOG2_E: Self;
    /// ln 2 in two parts, the first of so few bits that its product with an exponent is exact.
    const LN2: (Self, Self);
    /// √½.
    const SQRT_HALF: Self;
    /// The bits of 1 less those of √½.
    const ONE_LESS_SQRT_HALF: Self;
    /// Below this the exponential rounds to 0.
    const EXP_MIN: Self;
    /// Above this, and a little before, the exponential overflows.
    const EXP_MAX: Self;
    /// Whether quotients are refined by their remainders: accuracy for `f64`, speed for `f32`.
    const REFINE: bool;
    /// From here on the hyperbolic tangent rounds to 1.
    const TANH_MAX: Self;

    /// eʳ = 1 + r + r²·p(r) for |r| ≤ ½ ln 2.
    const EXP: &'static [Self];
    /// ln(1 + f) = f − ½f² + f³·p(f) for √½ ≤ 1 + f ≤ √2.
    const LOG: &'static [Self];
    /// sin(½πt) = t·p(t²) for |t| ≤ ½.
    const SIN: &'static [Self];
    /// cos(½πt) = p(t²) for |t| ≤ ½.
    const COS: &'static [Self];
    /// π/2 in three parts, each the nearest to what those before it leave.
    const HALF_PI: [Self; 3];
    /// Up to this angle its quarter turns are counted exactly enough with those parts.
    const ANGLE_MAX: Self;
    /// sin r = r + r·z·p(z) with z = r² for |r| a little above π/4.
    const SINE: &'static [Self];
    /// cos r = 1 − z/2 + z²·p(z) with z = r² for |r| a little above π/4.
    const COSINE: &'static [Self];
}

impl Coefficients for f32 {
    const MANTISSA: u32 = 23;
    const MANTISSA_MASK: Self = f32::from_bits((1 << 23) - 1);
    const ROUND: Self = 12583039.0;
    const INTEGER: Self = 8388608.0;
    const BIAS: Self = 127.0;
    const MIN_NORMAL: Self = f32::MIN_POSITIVE;
    const NORMALISE: (Self, Self) = (16777216.0, 24.0);

    const LOG2_E: Self = LOG2_E as Self;
    const LN2: (Self, Self) = (0.693145751953125, 1.4286068203094172e-6);
    const SQRT_HALF: Self = FRAC_1_SQRT_2 as Self;
    const ONE_LESS_SQRT_HALF: Self = f32::from_bits(1.0_f32.to_bits() - Self::SQRT_HALF.to_bits());
    const EXP_MIN: Self = -103.98;
    const EXP_MAX: Self = 89.0;
    const REFINE: bool = false;
    const TANH_MAX: Self = 10.0;

    // Error 2^-34.28.
    #[rustfmt::skip]
    const EXP: &'static [Self] = &[
        0.500000008, 0.166666669, 0.0416662701, 0.0083332645, 0.00139460613, 0.000199183024,
    ];
    // Error 2^-27.34.
    #[rustfmt::skip]
    const LOG: &'static [Self] = &[
        0.333333167, -0.250008103, 0.200022843, -0.166245551, 0.141812358, -0.131287913, 0.128813721, -0.07859178,
    ];
    // Error 2^-27.63.
    #[rustfmt::skip]
    const SIN: &'static [Self] = &[
        1.57079632, -0.645963479, 0.0796802281, -0.00460217696,
    ];
    // Error 2^-34.3.
    #[rustfmt::skip]
    const COS: &'static [Self] = &[
        1.0, -1.23370054, 0.253669204, -0.0208600713, 0.000903631737,
    ];
    const HALF_PI: [Self; 3] = [1.5707964, -4.371139e-8, -1.7151245e-15];
    const ANGLE_MAX: Self = 65536.0;
    // Error 2^-28.04.
    #[rustfmt::skip]
    const SINE: &'static [Self] = &[
        -0.166666549, 0.00833217367, -0.000195166734,
    ];
    // Error 2^-33.27.
    #[rustfmt::skip]
    const COSINE: &'static [Self] = &[
        0.0416666468, -0.00138873616, 2.44377509e-5,
    ];
}

impl Coefficients for f64 {
    const MANTISSA: u32 = 52;
    const MANTISSA_MASK: Self = f64::from_bits((1 << 52) - 1);
    const ROUND: Self = 6755399441056767.0;
    const INTEGER: Self = 4503599627370496.0;
    const BIAS: Self = 1023.0;
    const MIN_NORMAL: Self = f64::MIN_POSITIVE;
    const NORMALISE: (Self, Self) = (9007199254740992.0, 53.0);

    const LOG2_E: Self = LOG2_E;
    const LN2: (Self, Self) = (0.69314718055989033, 5.4979230187083711747e-14);
    const SQRT_HALF: Self = FRAC_1_SQRT_2;
    const ONE_LESS_SQRT_HALF: Self = f64::from_bits(1.0_f64.to_bits() - Self::SQRT_HALF.to_bits());
    const EXP_MIN: Self = -745.14;
    const EXP_MAX: Self = 710.0;
    const REFINE: bool = true;
    const TANH_MAX: Self = 20.0;

    // Error 2^-58.02.
    #[rustfmt::skip]
    const EXP: &'static [Self] = &[
        0.50000000000000127, 0.16666666666666699, 0.041666666666515571, 0.0083333333333071701, 0.0013888888946972375,
        0.00019841269917467028, 2.4801489990341162e-5, 2.7557216219085279e-6, 2.7631262253458967e-7, 2.5117888867499285e-8,
    ];
    // Error 2^-56.59.
    #[rustfmt::skip]
    const LOG: &'static [Self] = &[
        0.33333333333333248, -0.24999999999987591, 0.20000000000026825, -0.16666666669893456, 0.14285714284999178,
        -0.12499999689077454, 0.11111110859626816, -0.10000015084050461, 0.090909331914512471, -0.083329243467053422,
        0.076913587594924456, -0.071491260066089603, 0.066863536256907681, -0.06201166430077678, 0.056597766202867646,
        -0.056457124080561455, 0.065081742471479153, -0.060731702473501626, 0.026916396660636103,
    ];
    // Error 2^-57.49.
    #[rustfmt::skip]
    const SIN: &'static [Self] = &[
        1.5707963267948966, -0.64596409750624432, 0.079692626246043079, -0.0046817541323422625, 0.00016044115075210611,
        -3.5986433882172536e-6, 5.6339384772962262e-8,
    ];
    // Error 2^-64.84.
    #[rustfmt::skip]
    const COS: &'static [Self] = &[
        1.0, -1.2337005501361698, 0.25366950790104671, -0.020863480763311226, 0.00091926027418335441,
        -2.5202036771649352e-5, 4.7106097619196104e-7, -6.3212609432831706e-9,
    ];
    const HALF_PI: [Self; 3] = [1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33];
    const ANGLE_MAX: Self = 1073741824.0;
    // Error 2^-58.0.
    #[rustfmt::skip]
    const SINE: &'static [Self] = &[
        -0.16666666666666632, 0.008333333333322317, -0.00019841269829726903, 2.7557313662699868e-6,
        -2.5050753371980409e-8, 1.5896511519493339e-10,
    ];
    // Error 2^-64.2.
    #[rustfmt::skip]
    const COSINE: &'static [Self] = &[
        0.041666666666666599, -0.0013888888888873994, 2.4801587289397218e-5, -2.7557314326719831e-7,
        2.0875719655893272e-9, -1.1359453884920707e-11,
    ];
}
