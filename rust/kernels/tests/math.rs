//! The elementary functions against references of higher precision.

use rgrad_kernels::View;
use rgrad_kernels::map::{Unary, unary};

fn apply32(op: Unary, x: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len()];
    unary(op, &mut out, &[x.len()], View::new(x, &[1]));
    out
}

fn apply64(op: Unary, x: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    unary(op, &mut out, &[x.len()], View::new(x, &[1]));
    out
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// The standard library's overflows, and is inaccurate near 1.
fn acosh(x: f64) -> f64 {
    if x < 1.0 {
        return f64::NAN;
    }
    let above = x - 1.0;
    if x > 1e9 { x.ln() + std::f64::consts::LN_2 } else { (above + (above * (above + 2.0)).sqrt()).ln_1p() }
}

/// The standard library's loses the sign of zero, and overflows.
fn asinh(x: f64) -> f64 {
    let size = x.abs();
    let value = if size > 1e9 {
        size.ln() + std::f64::consts::LN_2
    } else {
        (size + size * size / (1.0 + size.hypot(1.0))).ln_1p()
    };
    value.copysign(x)
}

/// The standard library's is inaccurate near −1.
fn atanh(x: f64) -> f64 {
    (0.5 * (2.0 * x.abs() / (1.0 - x.abs())).ln_1p()).copysign(x)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// A function, its reference in double precision, and the largest error allowed in f32, in units in the last place.
type Case = (Unary, fn(f64) -> f64, f64);

const CASES: [Case; 22] = [
    (Unary::Exp, f64::exp, 1.0),
    (Unary::Expm1, f64::exp_m1, 1.1),
    (Unary::Log, f64::ln, 1.0),
    (Unary::Log1p, f64::ln_1p, 1.0),
    (Unary::Tanh, f64::tanh, 2.5),
    (Unary::Sigmoid, sigmoid, 2.5),
    (Unary::Softplus, softplus, 2.5),
    (Unary::LogSigmoid, |x| -softplus(-x), 2.5),
    (Unary::Exp2, f64::exp2, 1.0),
    (Unary::Log2, f64::log2, 1.0),
    (Unary::Log10, f64::log10, 1.0),
    (Unary::Sin, f64::sin, 1.0),
    (Unary::Cos, f64::cos, 1.0),
    (Unary::Tan, f64::tan, 1.0),
    (Unary::Asin, f64::asin, 1.0),
    (Unary::Acos, f64::acos, 1.0),
    (Unary::Atan, f64::atan, 1.0),
    (Unary::Sinh, f64::sinh, 2.0),
    (Unary::Cosh, f64::cosh, 2.0),
    (Unary::Asinh, asinh, 2.0),
    (Unary::Acosh, acosh, 2.5),
    (Unary::Atanh, atanh, 2.0),
];

/// The distance of `got` from the exact result `want`, in units of the last place of `want` as an f32.
fn error32(got: f32, want: f64) -> f64 {
    let rounded = want as f32;
    if got.is_nan() || rounded.is_nan() {
        return if got.is_nan() && rounded.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got.is_infinite() || rounded.is_infinite() {
        return if got == rounded { 0.0 } else { f64::INFINITY };
    }
    let exponent = want.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor() as i32;
    (f64::from(got) - want).abs() / 2.0_f64.powi(exponent - 23)
}

/// The largest error over the bit patterns `first, first + step, …`, with where it is.
fn worst(op: Unary, reference: fn(f64) -> f64, step: usize, patterns: std::ops::Range<u64>) -> (f64, f32) {
    let x: Vec<f32> = patterns.step_by(step).map(|bits| f32::from_bits(bits as u32)).collect();
    let y = apply32(op, &x);
    let errors = x.iter().zip(&y).map(|(&x, &y)| (error32(y, reference(f64::from(x))), x));
    errors.fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
}

/// Bit patterns from one of the sample to the next.
const STEP: usize = if cfg!(miri) { 40_000_003 } else { 4099 };

#[test]
fn f32_functions_are_accurate_over_a_sample_of_all_patterns() {
    for (op, reference, bound) in CASES {
        let (error, x) = worst(op, reference, STEP, 0..1 << 32);
        println!("{op:?}: {error} at {x:e}");
        assert!(error <= bound, "{op:?}({x:e}) is wrong by {error} units in the last place");
    }
}

#[test]
#[ignore = "takes minutes: every one of the 2^32 bit patterns"]
fn f32_functions_are_accurate_over_all_patterns() {
    const PART: u64 = 1 << 24;
    for (op, reference, bound) in CASES {
        for first in (0..1_u64 << 32).step_by(PART as usize) {
            let (error, x) = worst(op, reference, 1, first..first + PART);
            assert!(error <= bound, "{op:?}({x:e}) is wrong by {error} units in the last place");
        }
    }
}

/// The reference is the platform's own function, which is itself off by up to a unit.
#[test]
fn f64_functions_are_within_three_units_of_the_platforms() {
    let (many, step) = if cfg!(miri) { (100, 9001) } else { (200_000, 1) };
    let spread: Vec<f64> = (0_u64..many).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let near: Vec<f64> = (-400_000..400_000).step_by(step).map(|i| f64::from(i) * 1.03e-4).collect();
    for (op, reference, _) in CASES {
        for x in [&spread, &near] {
            for (&x, got) in x.iter().zip(apply64(op, x)) {
                let want = reference(x);
                if want.is_nan() || want.is_infinite() {
                    assert!(
                        got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                        "{op:?}({x:e}) = {got:e}"
                    );
                    continue;
                }
                let ulp =
                    f64::from_bits(want.abs().max(f64::MIN_POSITIVE).to_bits() + 1) - want.abs().max(f64::MIN_POSITIVE);
                assert!((got - want).abs() <= 3.0 * ulp, "{op:?}({x:e}) = {got:e}, not {want:e}");
            }
        }
    }
}

#[test]
fn the_inverse_of_the_error_function_is_that() {
    let step = if cfg!(miri) { 111 } else { 1 };
    let x: Vec<f64> =
        (-999..=999).step_by(step).map(|i| f64::from(i) / 1000.0).chain([1e-300, -1e-8, 1.0 - 1e-12]).collect();
    let y = apply64(Unary::Erfinv, &x);
    for ((x, y), back) in x.iter().zip(&y).zip(apply64(Unary::Erf, &y)) {
        assert!((back - x).abs() <= 1e-15 * x.abs(), "erf(erfinv({x:e}) = {y:e}) = {back:e}");
    }
    // In the tail, through the complement: 1 − erf(y) = 2⁻⁵³.
    let edge = apply64(Unary::Erfc, &apply64(Unary::Erfinv, &[1.0 - f64::EPSILON / 2.0]));
    assert!((edge[0] / (f64::EPSILON / 2.0) - 1.0).abs() < 1e-13);
    let ends = apply64(Unary::Erfinv, &[1.0, -1.0, 0.0, -0.0, 1.5, f64::NAN]);
    assert_eq!(ends[..4], [f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0]);
    assert!(ends[3].is_sign_negative() && ends[4].is_nan() && ends[5].is_nan());
}
