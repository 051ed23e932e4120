//! Constants and coefficients of the formulas of [`crate::math`] for `f32` and `f64`.
//!
//! `coefficients.py` fits the polynomials. The error given for each is relative to the function's result.
#![allow(clippy::excessive_precision, clippy::unreadable_literal, clippy::approx_constant)] // as they were fitted

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

/// Constants and polynomials (lowest power first) of a floating-point type.
pub trait Coefficients: Sized + 'static {
    /// Explicit bits of the significand.
    const MANTISSA: u32;
    /// The bits of the significand.
    const MANTISSA_MASK: Self;
    /// 1.5 · 2^`MANTISSA` + the exponent's bias. Adding it rounds a small number to an integer n and leaves n + bias in
    /// the lowest bits, which a shift by `MANTISSA` turns into 2ⁿ.
    const ROUND: Self;
    /// 2^`MANTISSA`: a bitwise or with a small integer adds the integer.
    const INTEGER: Self;
    /// The exponent's bias.
    const BIAS: Self;
    /// Below this a power of two rounds to 0.
    const EXP2_MIN: Self;
    /// The smallest normal number.
    const MIN_NORMAL: Self;
    /// A power of two whose square is far from overflow, and to whose square adding 1 changes nothing.
    const LARGE: Self;
    /// 2^(`MANTISSA` + 1), which makes every subnormal number normal, and its exponent.
    const NORMALISE: (Self, Self);

    /// log₂ e.
    const LOG2_E: Self;
    /// ln 2 in two parts, the first with few enough bits that its product with an exponent is exact.
    const LN2: (Self, Self);
    /// √½.
    const SQRT_HALF: Self;
    /// The bits of 1 minus those of √½.
    const ONE_LESS_SQRT_HALF: Self;
    /// Below this the exponential rounds to 0.
    const EXP_MIN: Self;
    /// Above this, and slightly below, the exponential overflows.
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
    /// π/2 in three parts, each the nearest to the remainder of those before.
    const HALF_PI: [Self; 3];
    /// Up to this angle, argument reduction with those parts is accurate enough.
    const ANGLE_MAX: Self;
    /// sin r = r + r·z·p(z) with z = r² for |r| a little above π/4.
    const SINE: &'static [Self];
    /// cos r = 1 − z/2 + z²·p(z) with z = r² for |r| a little above π/4.
    const COSINE: &'static [Self];
    /// arctan t = t + t·z·p(z) with z = t² for |t| ≤ 1.
    const ATAN: &'static [Self];
    /// artanh q = q·(1 + z/3 + z²·p(z)) with z = q² for |q| ≤ (√2 − 1)/(√2 + 1).
    const ATANH: &'static [Self];
    /// erf x = x + x·p(x²) for |x| ≤ ½.
    const ERF: &'static [Self];
    /// exp(a²)·erfc a = p((a − 3)/(a + 3))/(1 + 2a) for 0 ≤ a ≤ `ERFC_MAX`.
    const ERFCX: &'static [Self];
    /// From here on the error function rounds to 1.
    const ERF_MAX: Self;
    /// From here on its complement rounds to 0, and so does its product with numbers of this size in [`super::normal`].
    const ERFC_MAX: Self;
}

impl Coefficients for f32 {
    const MANTISSA: u32 = 23;
    const MANTISSA_MASK: Self = f32::from_bits((1 << 23) - 1);
    const ROUND: Self = 12583039.0;
    const INTEGER: Self = 8388608.0;
    const BIAS: Self = 127.0;
    const EXP2_MIN: Self = -150.0;
    const MIN_NORMAL: Self = f32::MIN_POSITIVE;
    const LARGE: Self = 1152921504606846976.0;
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
    // Error 2^-28.7.
    #[rustfmt::skip]
    const ATAN: &'static [Self] = &[
        -0.333333019, 0.199986384, -0.142652437, 0.109575687, -0.0841944057, 0.0582342848, -0.0314554838, 0.0110643466,
        -0.00182719644,
    ];
    // Error 2^-36.77.
    #[rustfmt::skip]
    const ATANH: &'static [Self] = &[
        0.200000765, 0.142735183, 0.117104962,
    ];
    // Error 2^-29.34.
    #[rustfmt::skip]
    const ERF: &'static [Self] = &[
        0.128379166, -0.376126093, 0.112828381, -0.0267581568, 0.00471993042,
    ];
    // Error 2^-28.79.
    #[rustfmt::skip]
    const ERFCX: &'static [Self] = &[
        1.25300806, -0.135621142, -0.0475624418, 0.129646483, -0.119270247, 0.0682957734, -0.0238015113, 0.00256395251,
        0.00200769125, -0.000767879642, -0.000264361717,
    ];
    const ERF_MAX: Self = 4.0;
    const ERFC_MAX: Self = 10.46;
}

impl Coefficients for f64 {
    const MANTISSA: u32 = 52;
    const MANTISSA_MASK: Self = f64::from_bits((1 << 52) - 1);
    const ROUND: Self = 6755399441056767.0;
    const INTEGER: Self = 4503599627370496.0;
    const BIAS: Self = 1023.0;
    const EXP2_MIN: Self = -1075.0;
    const MIN_NORMAL: Self = f64::MIN_POSITIVE;
    const LARGE: Self = 1267650600228229401496703205376.0;
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
    // Error 2^-57.75.
    #[rustfmt::skip]
    const ATAN: &'static [Self] = &[
        -0.33333333333333093, 0.19999999999955433, -0.14285714282802073, 0.1111111101364645, -0.090909071191808977,
        0.076922811859119642, -0.06666414990818902, 0.058805925173881995, -0.052538054028421263, 0.047232929037012541,
        -0.042217167341934964, 0.036693506390654734, -0.029985538039036671, 0.022085112250030636, -0.013994954027567291,
        0.007263338660383335, -0.0029193349888371892, 0.00084348330898810204, -0.0001547970361534125,
        1.3489304658942971e-5,
    ];
    // Error 2^-73.52.
    #[rustfmt::skip]
    const ATANH: &'static [Self] = &[
        0.19999999999999989, 0.14285714285722666, 0.11111111108741518, 0.090909094384357227, 0.076922782117463975,
        0.066681673229211607, 0.058372342831327834, 0.059959649441314369,
    ];
    // Error 2^-57.71.
    #[rustfmt::skip]
    const ERF: &'static [Self] = &[
        0.12837916709551257, -0.37612638903183476, 0.11283791670925561, -0.026866170632954401, 0.005223977374065506,
        -0.00085482978427290874, 0.00012053339332722416, -1.4845952819751094e-5, 1.4726900816224758e-6,
    ];
    // Error 2^-59.37.
    #[rustfmt::skip]
    const ERFCX: &'static [Self] = &[
        1.2530080582697297, -0.13562110612458115, -0.047562294353450941, 0.12964515870275697, -0.11927366341529065,
        0.068308027344139538, -0.023770514919207027, 0.0025293918128946276, 0.001888690367037268,
        -0.00077983223824156269, -0.00010515985735670351, 0.00012509913517027317, 4.9497245604287741e-6,
        -2.0099684118340788e-5, -7.32085711875736e-7, 3.4700763977954578e-6, 3.5754999515683771e-7,
        -6.1263865705920413e-7, -1.4174432103181361e-7, 9.7565078904573444e-8, 4.1055959445030837e-8,
        -1.0698237392067047e-8, -7.6031536498632238e-9, 2.917543416629585e-10, 5.5556687544701062e-10,
    ];
    const ERF_MAX: Self = 6.0;
    const ERFC_MAX: Self = 27.36;
}
