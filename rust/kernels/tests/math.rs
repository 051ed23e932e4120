//! The elementary functions against references in higher precision.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::available_parallelism;

use rgrad_kernels::View;
use rgrad_kernels::map::{Binary, Curve, Unary, binary, curve, curve_grad, unary};

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

/// A function, its reference in double precision, and the largest error allowed in f32, in units in the last place.
type Case = (Unary, fn(f64) -> f64, f64);

const CASES: [Case; 23] = [
    (Unary::Exp, f64::exp, 1.0),
    (Unary::Log, f64::ln, 1.0),
    (Unary::Tanh, f64::tanh, 2.5),
    (Unary::Sigmoid, sigmoid, 2.5),
    (Unary::Erf, libm::erf, 1.5),
    (Unary::Erfc, libm::erfc, 2.0),
    (Unary::Expm1, f64::exp_m1, 1.3),
    (Unary::Log1p, f64::ln_1p, 1.0),
    (Unary::Exp2, f64::exp2, 1.0),
    (Unary::Log2, f64::log2, 1.0),
    (Unary::Log10, f64::log10, 1.0),
    (Unary::Sin, f64::sin, 1.0),
    (Unary::Cos, f64::cos, 1.0),
    (Unary::Tan, f64::tan, 1.5),
    (Unary::Asin, f64::asin, 2.0),
    (Unary::Acos, f64::acos, 2.0),
    (Unary::Atan, f64::atan, 2.0),
    (Unary::Sinh, f64::sinh, 2.0),
    (Unary::Cosh, f64::cosh, 2.0),
    (Unary::Asinh, asinh, 2.0),
    (Unary::Acosh, acosh, 2.0),
    (Unary::Atanh, atanh, 2.0),
    (Unary::Rsqrt, |x| 1.0 / x.sqrt(), 1.5),
];

/// The distance of `got` from the exact result `want`, in units in the last place of `want` as an f32; ½ if `got` is
/// correctly rounded.
fn error32(got: f32, want: f64) -> f64 {
    let rounded = want as f32;
    if got.to_bits() == rounded.to_bits() || got.is_nan() && rounded.is_nan() {
        return 0.5;
    }
    if got.is_nan() || rounded.is_nan() || got.is_infinite() || rounded.is_infinite() || got == rounded {
        return f64::INFINITY; // one of them, or zeros of different signs
    }
    let binade = f64::from_bits(want.abs().max(f64::from(f32::MIN_POSITIVE)).to_bits() & f64::INFINITY.to_bits());
    (f64::from(got) - want).abs() / (binade * f64::from(f32::EPSILON))
}

/// The result of a scan over bit patterns: the largest error, where it is, and a hash of all results.
#[derive(Clone, Copy)]
struct Found {
    error: f64,
    at: f32,
    bits: u64,
}

/// Stride between the bit patterns of the sample.
const STEP: u64 = if cfg!(miri) { 40_000_003 } else { 4099 };

/// Compares a function for f32 with that for f64, over every `step`-th bit pattern and on all cores.
fn scan(step: u64, single: impl Fn(&mut [f32], &[f32]) + Sync, double: impl Fn(&mut [f64], &[f64]) + Sync) -> Found {
    const PART: u64 = if cfg!(miri) { 64 } else { 4096 }; // too few for the kernels to divide
    let next = AtomicU64::new(0);
    let work = || {
        let (mut x, mut wide) = (vec![0.0_f32; PART as usize], vec![0.0_f64; PART as usize]);
        let (mut y, mut want) = (vec![f32::NAN; PART as usize], vec![f64::NAN; PART as usize]);
        let mut found = Found { error: 0.0, at: 0.0, bits: 0 };
        loop {
            let first = next.fetch_add(PART, Relaxed);
            let count = (1_u64 << 32).div_ceil(step).saturating_sub(first).min(PART) as usize;
            if count == 0 {
                return found;
            }
            for (i, (x, wide)) in x.iter_mut().zip(&mut wide).enumerate() {
                *x = f32::from_bits(((first + i as u64) * step) as u32);
                *wide = f64::from(*x);
            }
            single(&mut y[..count], &x[..count]);
            double(&mut want[..count], &wide[..count]);
            for (i, ((&y, &want), &x)) in y.iter().zip(&want).zip(&x).take(count).enumerate() {
                let error = error32(y, want);
                if error > found.error {
                    (found.error, found.at) = (error, x);
                }
                let bits = if y.is_nan() { f32::NAN } else { y }.to_bits();
                found.bits = found.bits.wrapping_add((2 * (first + i as u64) + 1).wrapping_mul(u64::from(bits)));
            }
        }
    };
    let threads = available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let all = all.into_iter().map(|thread| thread.join().expect("kernels do not panic"));
        all.reduce(|a, b| {
            let (error, at) = if b.error > a.error { (b.error, b.at) } else { (a.error, a.at) };
            Found { error, at, bits: a.bits.wrapping_add(b.bits) }
        })
    })
    .expect("at least one thread")
}

fn check(cases: impl IntoIterator<Item = (Unary, f64)>, step: u64) {
    let mut wrong = Vec::new();
    for (op, bound) in cases {
        let Found { error, at, bits } = scan(
            step,
            |out, x| unary(op, out, &[x.len()], View::new(x, &[1])),
            |out, x| {
                unary(op, out, &[x.len()], View::new(x, &[1]));
            },
        );
        println!("{op:?}: at most {error:.3} units, at {at:e}; bits {bits:016x}");
        if error > bound {
            wrong.push(format!("{op:?}({at:e}) by {error} units in the last place"));
        }
    }
    assert!(wrong.is_empty(), "wrong: {}", wrong.join("; "));
}

/// The references are the functions for f64, which the test below compares with the platform's.
#[test]
fn f32_functions_are_accurate_over_a_sample_of_all_patterns() {
    check(CASES.map(|(op, _, bound)| (op, bound)), STEP);
}

#[test]
fn gelu_is_accurate_over_a_sample_of_all_patterns() {
    let found = scan(
        STEP,
        |out, x| curve(Curve::Gelu, out, &[x.len()], View::new(x, &[1])),
        |out, x| curve(Curve::Gelu, out, &[x.len()], View::new(x, &[1])),
    );
    assert!(found.error <= 3.0, "gelu({:e}) is wrong by {} units in the last place", found.at, found.error);
    // The error of the reference from rounding x/√2 grows with its square.
    let x: Vec<f64> = (-300..=80).map(|i| f64::from(i) / 8.0).collect();
    let (mut y, mut slope) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    curve(Curve::Gelu, &mut y, &[x.len()], View::new(&x, &[1]));
    curve_grad(Curve::Gelu, &mut slope, &[x.len()], View::new(&[1.0], &[0]), View::new(&x, &[1]));
    for ((x, y), slope) in x.into_iter().zip(y).zip(slope) {
        let distribution = 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        let tilt = x * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let tolerance = (4.0 + x * x) * f64::EPSILON;
        assert!((y - x * distribution).abs() <= tolerance * y.abs() + 1e-320, "gelu({x}) = {y:e}");
        let terms = distribution + tilt.abs();
        assert!((slope - distribution - tilt).abs() <= tolerance * terms + 1e-320, "gelu'({x}) = {slope:e}");
    }
}

#[test]
fn powers_are_accurate() {
    let mut random = (0_u64..).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24));
    let mut worst = 0.0_f64;
    for range in [2.0, 40.0, 126.0] {
        let a: Vec<f32> = random.by_ref().take(50_000).map(|u| ((2.0 * u - 1.0) * range).exp2() as f32).collect();
        let b: Vec<f32> = random.by_ref().take(50_000).map(|u| ((2.0 * u - 1.0) * 130.0 / range) as f32).collect();
        let mut y = vec![f32::NAN; a.len()];
        binary(Binary::Pow, &mut y, &[a.len()], View::new(&a, &[1]), View::new(&b, &[1]));
        for ((a, b), y) in a.into_iter().zip(b).zip(y) {
            worst = worst.max(error32(y, f64::from(a).powf(f64::from(b))));
        }
    }
    assert!(worst <= 1.0, "wrong by {worst} units in the last place");
    let a: Vec<f64> = random.by_ref().take(100_000).map(|u| ((2.0 * u - 1.0) * 30.0).exp2()).collect();
    let b: Vec<f64> = random.by_ref().take(100_000).map(|u| (2.0 * u - 1.0) * 34.0).collect();
    let mut y = vec![f64::NAN; a.len()];
    binary(Binary::Pow, &mut y, &[a.len()], View::new(&a, &[1]), View::new(&b, &[1]));
    for ((a, b), y) in a.into_iter().zip(b).zip(y) {
        let want = a.powf(b);
        assert!((y - want).abs() <= 2.0 * f64::EPSILON * want, "{a:e} to the power {b:e} gave {y:e}");
    }
}

#[test]
#[ignore = "takes a minute: every one of the 2^32 bit patterns; `make check` runs it"]
fn activations_are_accurate_over_all_patterns() {
    check(CASES[..5].iter().map(|&(op, _, bound)| (op, bound)), 1);
}

#[test]
#[ignore = "takes minutes: every one of the 2^32 bit patterns, of every function"]
fn f32_functions_are_accurate_over_all_patterns() {
    check(CASES.map(|(op, _, bound)| (op, bound)), 1);
}

/// Every 4099th f32, numbers of all magnitudes, and many near where functions change.
fn sample64() -> Vec<f64> {
    let singles = (0..1_u64 << 32).step_by(STEP as usize).map(|bits| f64::from(f32::from_bits(bits as u32)));
    let (many, step) = if cfg!(miri) { (100, 9001) } else { (200_000, 1) };
    let spread = (0_u64..many).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let near = (-400_000..400_000).step_by(step).map(|i| f64::from(i) * 1.03e-4);
    singles.chain(spread).chain(near).collect()
}

/// The reference is the platform's own function, which itself has errors of up to a unit.
#[test]
fn f64_functions_are_within_three_units_of_the_platforms() {
    let x = sample64();
    for (op, reference, _) in CASES {
        for (&x, got) in x.iter().zip(apply64(op, &x)) {
            let want = reference(x);
            if want.is_nan() || want.is_infinite() {
                assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{op:?}({x:e}) = {got:e}");
                continue;
            }
            let size = want.abs().max(f64::MIN_POSITIVE);
            let ulp = f64::from_bits(size.to_bits() + 1) - size;
            assert!((got - want).abs() <= 3.0 * ulp, "{op:?}({x:e}) = {got:e}, not {want:e}");
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

/// Pairs of numbers of all magnitudes, and with quotients near integers.
fn pairs() -> (Vec<f32>, Vec<f32>) {
    let specials = [0.0, -0.0, 1.0, -1.0, 3.0, 1e-45, 1e-38, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let mut all: Vec<(f32, f32)> = specials.iter().flat_map(|&a| specials.map(|b| (a, b))).collect();
    let bits = |i: u64| f32::from_bits((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32);
    let many = if cfg!(miri) { 50 } else { 200_000 };
    all.extend((0..many).map(|i| (bits(i), bits(i + many))));
    for i in 0..many {
        // Moderate quotients, and products that differ from integers by one unit in the last place.
        let b = 0.3 + (i % 1013) as f32 * 0.01;
        all.push(((i as f32 - 1e4) * 0.7, b));
        let whole = b * (i % 65_537) as f32;
        all.extend([(whole, b), (f32::from_bits(whole.to_bits().wrapping_sub(1)), -b), (-whole, b)]);
    }
    all.into_iter().unzip()
}

fn apply2(op: Binary, a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; a.len()];
    binary(op, &mut out, &[a.len()], View::new(a, &[1]), View::new(b, &[1]));
    out
}

#[test]
fn remainders_are_exact() {
    let (a, b) = pairs();
    let (fmod, remainder) = (apply2(Binary::Fmod, &a, &b), apply2(Binary::Remainder, &a, &b));
    for (i, (&a, &b)) in a.iter().zip(&b).enumerate() {
        let same = |got: f32, want: f32| got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        let want = libm::fmodf(a, b);
        assert!(same(fmod[i], want), "fmod({a:e}, {b:e}) = {:e}, not {want:e}", fmod[i]);
        let sign = (want < 0.0) != (b < 0.0);
        let want = if want == 0.0 {
            0.0_f32.copysign(b)
        } else if sign {
            want + b
        } else {
            want
        };
        assert!(same(remainder[i], want), "remainder({a:e}, {b:e}) = {:e}, not {want:e}", remainder[i]);
    }
}

#[test]
fn lengths_of_vectors_of_two_numbers() {
    let (a, b) = pairs();
    for ((&a, &b), got) in a.iter().zip(&b).zip(apply2(Binary::Hypot, &a, &b)) {
        let want = libm::hypot(f64::from(a), f64::from(b));
        if want.is_nan() || want as f32 == f32::INFINITY {
            assert!(
                got.to_bits() == (want as f32).to_bits() || got.is_nan() && want.is_nan(),
                "hypot({a:e}, {b:e}) = {got:e}"
            );
            continue;
        }
        let size = (want as f32).max(f32::MIN_POSITIVE);
        let ulp = f64::from(f32::from_bits(size.to_bits() + 1) - size);
        assert!((f64::from(got) - want).abs() <= 1.1 * ulp, "hypot({a:e}, {b:e}) = {got:e}, not {want:e}");
    }
    let huge = f64::MAX / 2.0;
    let (x, y) = ([huge, 5e-324, 3e-310, 3.0, 1e300], [huge, 0.0, 4e-310, 4.0, 1e-300]);
    let mut out = [f64::NAN; 5];
    binary(Binary::Hypot, &mut out, &[5], View::new(&x, &[1]), View::new(&y, &[1]));
    assert_eq!(out, [x[0].hypot(y[0]), 5e-324, 5e-310, 5.0, 1e300]);
}
