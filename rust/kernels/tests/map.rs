//! Elementwise maps and comparisons over every kind of layout.

mod strided;

use std::f64::consts::FRAC_PI_2;

use rgrad_kernels::View;
use rgrad_kernels::map::{
    Binary, Compare, Curve, IntBinary, IntUnary, Unary, add_assign, binary, binary_int, compare, curve, curve_grad,
    select, unary, unary_int,
};
use strided::{bits, f32s, for_pairs, indices, layouts, numbers, place, reach, row_major, shapes};

#[test]
fn binary_maps_read_every_layout() {
    for_pairs(|shape, sa, sb| {
        let (a, b) = (f32s(reach(shape, sa), 1), f32s(reach(shape, sb), 2));
        let want: Vec<f32> = indices(shape).iter().map(|i| a[place(i, sa)] / b[place(i, sb)]).collect();
        let mut got = vec![f32::NAN; want.len()];
        binary(Binary::Div, &mut got, shape, View::new(&a, sa), View::new(&b, sb));
        assert_eq!(got, want, "{shape:?} {sa:?} {sb:?}");
    });
}

#[test]
fn unary_maps_read_every_layout() {
    for shape in shapes() {
        for strides in layouts(&shape) {
            let x = numbers(reach(&shape, &strides), 3);
            let want: Vec<f64> = indices(&shape).iter().map(|i| -x[place(i, &strides)]).collect();
            let mut got = vec![f64::NAN; want.len()];
            unary(Unary::Neg, &mut got, &shape, View::new(&x, &strides));
            assert_eq!(got, want, "{shape:?} {strides:?}");
        }
    }
}

#[test]
fn select_and_compare_read_every_layout() {
    for_pairs(|shape, sa, sb| {
        let round = |x: Vec<f64>| -> Vec<i64> { x.iter().map(|x| x.round() as i64).collect() };
        let (a, b) = (round(numbers(reach(shape, sa), 1)), round(numbers(reach(shape, sb), 2)));
        let less: Vec<u8> = indices(shape).iter().map(|i| u8::from(a[place(i, sa)] < b[place(i, sb)])).collect();
        let mut got = vec![7; less.len()];
        compare(Compare::Lt, &mut got, shape, View::new(&a, sa), View::new(&b, sb));
        assert_eq!(got, less, "{shape:?} {sa:?} {sb:?}");

        let smaller: Vec<i64> = indices(shape).iter().map(|i| a[place(i, sa)].min(b[place(i, sb)])).collect();
        let mut got = vec![i64::MIN; less.len()];
        let plain = row_major(shape);
        select(&mut got, shape, View::new(&less, &plain), View::new(&a, sa), View::new(&b, sb));
        assert_eq!(got, smaller);
    });
}

#[test]
#[should_panic(expected = "outside")]
fn an_operand_that_does_not_reach_is_refused() {
    unary(Unary::Neg, &mut [0.0_f32; 6], &[2, 3], View::new(&[1.0; 5], &[3, 1]));
}

#[test]
fn special_values_go_through_as_ieee_and_numpy_have_it() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let x = [0.0, -0.0, inf, -inf, nan, 1.0e-45, -1.0e-45, f32::MAX, -2.5, 2.5];
    #[allow(clippy::type_complexity, reason = "a table of functions")]
    let cases: [(Unary, fn(f32) -> f32); 12] = [
        (Unary::Neg, |x| -x),
        (Unary::Abs, f32::abs),
        (Unary::Sqrt, f32::sqrt),
        (Unary::Rsqrt, |x| 1.0 / x.sqrt()),
        (Unary::Reciprocal, |x| 1.0 / x),
        (Unary::Square, |x| x * x),
        (Unary::Relu, |x| if x.is_nan() || x > 0.0 { x } else { 0.0 }),
        (Unary::Sign, |x| if x == 0.0 || x.is_nan() { x + 0.0 } else { x.signum() }),
        (Unary::Floor, f32::floor),
        (Unary::Ceil, f32::ceil),
        (Unary::Round, f32::round_ties_even),
        (Unary::Log, f32::ln),
    ];
    for (op, want) in cases {
        let mut got = [7.0; 10];
        unary(op, &mut got, &[10], View::new(&x, &[1]));
        for (&x, &got) in x.iter().zip(&got) {
            let close = (got - want(x)).abs() <= 1e-6 * got.abs();
            assert!(bits(got) == bits(want(x)) || got == want(x) || close, "{op:?}({x}) gave {got}, not {}", want(x));
        }
    }
    for (op, want) in [(Binary::Maximum, f32::max as fn(f32, f32) -> f32), (Binary::Minimum, f32::min)] {
        for a in x {
            for b in x {
                let mut got = [7.0];
                binary(op, &mut got, &[], View::new(&[a], &[]), View::new(&[b], &[]));
                let want = if a.is_nan() || b.is_nan() { nan } else { want(a, b) };
                assert!(got[0] == want || got[0].is_nan() && want.is_nan(), "{op:?}({a}, {b}) gave {}", got[0]);
            }
        }
    }
}

#[test]
fn functions_at_zero_and_infinity() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let cases = [
        (Unary::Exp, [1.0, 1.0, inf, 0.0, nan]),
        (Unary::Expm1, [0.0, -0.0, inf, -1.0, nan]),
        (Unary::Log, [-inf, -inf, inf, nan, nan]),
        (Unary::Log1p, [0.0, -0.0, inf, nan, nan]),
        (Unary::Tanh, [0.0, -0.0, 1.0, -1.0, nan]),
        (Unary::Sigmoid, [0.5, 0.5, 1.0, 0.0, nan]),
        (Unary::Exp2, [1.0, 1.0, inf, 0.0, nan]),
        (Unary::Log2, [-inf, -inf, inf, nan, nan]),
        (Unary::Log10, [-inf, -inf, inf, nan, nan]),
        (Unary::Tan, [0.0, -0.0, nan, nan, nan]),
        (Unary::Asin, [0.0, -0.0, nan, nan, nan]),
        (Unary::Acos, [FRAC_PI_2, FRAC_PI_2, nan, nan, nan]),
        (Unary::Atan, [0.0, -0.0, FRAC_PI_2, -FRAC_PI_2, nan]),
        (Unary::Sinh, [0.0, -0.0, inf, -inf, nan]),
        (Unary::Cosh, [1.0, 1.0, inf, inf, nan]),
        (Unary::Asinh, [0.0, -0.0, inf, -inf, nan]),
        (Unary::Acosh, [nan, nan, inf, nan, nan]),
        (Unary::Atanh, [0.0, -0.0, nan, nan, nan]),
        (Unary::Erf, [0.0, -0.0, 1.0, -1.0, nan]),
        (Unary::Erfc, [1.0, 1.0, 0.0, 2.0, nan]),
    ];
    for (op, want) in cases {
        let mut got = [7.0; 5];
        unary(op, &mut got, &[5], View::new(&[0.0, -0.0, inf, -inf, nan], &[1]));
        for (got, want) in got.iter().zip(want) {
            let same = got.to_bits() == want.to_bits();
            assert!(same || got.is_nan() && want.is_nan(), "{op:?} gave {got}, not {want}");
        }
    }
}

#[test]
fn curves_and_their_slopes_at_infinity_and_behind_a_gradient_of_zero() {
    let x = [f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, f64::NAN];
    let elu = Curve::Elu { alpha: 0.5, scale: 2.0, rate: 3.0 };
    let softplus = Curve::Softplus { beta: 1.0, threshold: 20.0 };
    // Values at −∞, and derivatives at −∞ and ∞.
    let cases = [
        (Curve::LeakyRelu(0.5), -f64::INFINITY, 0.5, 1.0),
        (elu, -1.0, 0.0, 2.0),
        (softplus, 0.0, 0.0, 1.0),
        (Curve::LogSigmoid, -f64::INFINITY, 1.0, 0.0),
        (Curve::Gelu, 0.0, 0.0, 1.0),
        (Curve::GeluTanh, 0.0, 0.0, 1.0),
        (Curve::Silu, 0.0, 0.0, 1.0),
        (Curve::Mish, 0.0, 0.0, 1.0),
    ];
    for (f, low, slope_low, slope_high) in cases {
        let mut got = [7.0; 5];
        curve(f, &mut got, &[5], View::new(&x, &[1]));
        let high = if f == Curve::LogSigmoid { 0.0 } else { f64::INFINITY };
        assert!(got[0] == high && got[1] == low && got[4].is_nan(), "{f:?} gave {got:?}");
        curve_grad(f, &mut got, &[5], View::new(&[2.0], &[0]), View::new(&x, &[1]));
        let want = [slope_high, slope_low, slope_high, slope_low].map(|slope| 2.0 * slope);
        assert_eq!(got[..4], want, "{f:?}");
        curve_grad(f, &mut got, &[5], View::new(&[0.0], &[0]), View::new(&x, &[1]));
        assert_eq!(got, [0.0; 5], "{f:?}");
    }
}

#[test]
fn curves_read_every_layout() {
    for_pairs(|shape, sa, sb| {
        let (g, x) = (f32s(reach(shape, sa), 1), f32s(reach(shape, sb), 2));
        let plain = row_major(shape);
        let gather = |x: &[f32], strides: &[usize]| indices(shape).iter().map(|i| x[place(i, strides)]).collect();
        let (flat_g, flat_x): (Vec<f32>, Vec<f32>) = (gather(&g, sa), gather(&x, sb));
        let (mut got, mut want) = (vec![f32::NAN; flat_x.len()], vec![f32::NAN; flat_x.len()]);
        curve(Curve::Gelu, &mut got, shape, View::new(&x, sb));
        curve(Curve::Gelu, &mut want, shape, View::new(&flat_x, &plain));
        assert_eq!(got, want, "{shape:?} {sb:?}");
        curve_grad(Curve::Gelu, &mut got, shape, View::new(&g, sa), View::new(&x, sb));
        curve_grad(Curve::Gelu, &mut want, shape, View::new(&flat_g, &plain), View::new(&flat_x, &plain));
        assert_eq!(got, want, "{shape:?} {sa:?} {sb:?}");
    });
}

#[test]
fn powers_follow_c99() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let cases = [
        (nan, 0.0, 1.0),
        (1.0, nan, 1.0),
        (-8.0, 3.0, -512.0),
        (-8.0, 1.0 / 3.0, nan),
        (-0.0, 0.5, 0.0),
        (-inf, 0.5, inf),
        (-0.0, -1.0, -inf),
        (-0.0, 3.0, -0.0),
        (0.0, -2.0, inf),
        (2.0, 10.0, 1024.0),
        (-inf, 3.0, -inf),
        (3.0, 1.0, 3.0),
        (4.0, 0.5, 2.0),
        (-1.0, inf, 1.0),
        (-1.0, -inf, 1.0),
        (-1.0, nan, nan),
        (nan, 1.5, nan),
        (2.0, nan, nan),
        (2.0, inf, inf),
        (0.5, inf, 0.0),
        (-0.5, -inf, inf),
        (-2.0, -inf, 0.0),
        (0.0, inf, 0.0),
        (0.0, -inf, inf),
        (inf, -0.5, 0.0),
        (inf, 1e-300, inf),
        (-inf, -3.0, -0.0),
        (-inf, -2.0, 0.0),
        (-0.0, -3.0, -inf),
        (-2.0, 1e300, inf),
        (-2.0, -1e300, 0.0),
        (-3.0, 5.0, -243.0),
        (2.0, -1074.0, 5e-324),
        (5e-324, -0.5, 2.0_f64.powi(537)),
    ];
    for (a, b, want) in cases {
        // One exponent for all elements, and one for each.
        for stride in [0, 1] {
            let mut got = [7.0; 2];
            binary(Binary::Pow, &mut got, &[2], View::new(&[a, a], &[1]), View::new(&[b, b], &[stride]));
            let same = |x: f64| x.to_bits() == want.to_bits() || x.is_nan() && want.is_nan();
            assert!(got.into_iter().all(same), "{a} to the power {b} gave {got:?}, not {want}");
        }
    }
}

#[test]
fn gradients_of_activations() {
    let g = [2.0_f32, 2.0, 2.0, f32::NAN];
    let y = [0.5, -0.0, -0.5, 0.5];
    let cases = [
        (Binary::ReluGrad, [2.0, 0.0, 0.0]),
        (Binary::TanhGrad, [1.5, 2.0, 1.5]),
        (Binary::SigmoidGrad, [0.5, 0.0, -1.5]),
    ];
    for (op, want) in cases {
        let mut got = [7.0; 4];
        binary(op, &mut got, &[4], View::new(&g, &[1]), View::new(&y, &[1]));
        assert_eq!(got[..3], want, "{op:?}");
        assert!(got[3].is_nan());
    }
}

#[test]
fn adding_in_place() {
    for n in [0, 1, 15, 16, 17, if cfg!(miri) { 100 } else { 100_000 }] {
        let (x, y) = (f32s(n, 1), f32s(n, 2));
        let mut out = y.clone();
        add_assign(&mut out, &x);
        assert!(out.iter().zip(x.iter().zip(&y)).all(|(out, (x, y))| *out == x + y));
    }
}

#[test]
fn integers_wrap() {
    let x = [i32::MAX, i32::MIN, -3];
    let mut out = [7; 3];
    binary_int(IntBinary::Add, &mut out, &[3], View::new(&x, &[1]), View::new(&[1], &[0]));
    assert_eq!(out, [i32::MIN, i32::MIN + 1, -2]);
    binary_int(IntBinary::Maximum, &mut out, &[3], View::new(&x, &[1]), View::new(&[0], &[0]));
    assert_eq!(out, [i32::MAX, 0, 0]);
    unary_int(IntUnary::Abs, &mut out, &[3], View::new(&x, &[1]));
    assert_eq!(out, [i32::MAX, i32::MIN, 3]);
    let mut out = [7_u8; 2];
    binary_int(IntBinary::Mul, &mut out, &[2], View::new(&[200, 3], &[1]), View::new(&[2], &[0]));
    assert_eq!(out, [144, 6]);
    unary_int(IntUnary::Neg, &mut out, &[2], View::new(&[1, 0], &[1]));
    assert_eq!(out, [255, 0]);
}

#[test]
fn comparisons_with_nan_are_false_but_for_inequality_and_sameness() {
    let (a, b) = ([1.0, 2.0, f64::NAN, 2.0, f64::NAN, 3.0], [2.0, 2.0, 1.0, 1.0, f64::NAN, f64::NAN]);
    let cases = [
        (Compare::Lt, [1, 0, 0, 0, 0, 0]),
        (Compare::Le, [1, 1, 0, 0, 0, 0]),
        (Compare::Gt, [0, 0, 0, 1, 0, 0]),
        (Compare::Ge, [0, 1, 0, 1, 0, 0]),
        (Compare::Eq, [0, 1, 0, 0, 0, 0]),
        (Compare::Ne, [1, 0, 1, 1, 1, 1]),
        (Compare::Same, [0, 1, 0, 0, 1, 0]),
    ];
    for (op, want) in cases {
        let mut got = [7; 6];
        compare(op, &mut got, &[6], View::new(&a, &[1]), View::new(&b, &[1]));
        assert_eq!(got, want, "{op:?}");
    }
}

#[test]
fn quotients_and_remainders_are_pythons() {
    let inf = f64::INFINITY;
    let a = [7.0, -7.0, 7.0, -7.0, 6.0, -6.0, 0.0, -0.0, 1.0, -1.0, 1.0, 1.0];
    let b = [3.0, 3.0, -3.0, -3.0, 3.0, 3.0, -2.0, 2.0, inf, inf, 0.0, 0.1];
    let run = |op| {
        let mut out = [f64::NAN; 12];
        binary(op, &mut out, &[12], View::new(&a, &[1]), View::new(&b, &[1]));
        out
    };
    let same = |got: [f64; 12], want: [f64; 12]| {
        for (i, (g, w)) in got.iter().zip(&want).enumerate() {
            assert!(g.to_bits() == w.to_bits() || (g.is_nan() && w.is_nan()), "{} and {}: {g} is not {w}", a[i], b[i]);
        }
    };
    // Python's math.fmod, % and //; a zero divisor as in NumPy.
    let r = 1.0_f64 % 0.1;
    same(run(Binary::Fmod), [1.0, -1.0, 1.0, -1.0, 0.0, -0.0, 0.0, -0.0, 1.0, -1.0, f64::NAN, r]);
    same(run(Binary::Remainder), [1.0, 2.0, -2.0, -1.0, 0.0, 0.0, -0.0, 0.0, 1.0, inf, f64::NAN, r]);
    same(run(Binary::FloorDivide), [2.0, -3.0, -3.0, 2.0, 2.0, -2.0, -0.0, -0.0, 0.0, -1.0, inf, 9.0]);
}

#[test]
fn logarithms_of_sums_and_products_at_the_ends() {
    let inf = f64::INFINITY;
    let run = |op, a: &[f64], b: &[f64]| {
        let mut out = vec![f64::NAN; a.len()];
        binary(op, &mut out, &[a.len()], View::new(a, &[1]), View::new(b, &[1]));
        out
    };
    let y = run(Binary::Logaddexp, &[-inf, inf, inf, -inf, 1000.0, 0.0], &[-inf, inf, -inf, 3.0, 1000.0, -800.0]);
    assert_eq!(y, [-inf, inf, inf, 3.0, 1000.0 + 2.0_f64.ln(), 0.0]);
    let y = run(Binary::Xlogy, &[0.0, 0.0, 0.0, 2.0, 0.0], &[0.0, inf, -1.0, 0.0, f64::NAN]);
    assert_eq!(y[..4], [0.0, 0.0, 0.0, -inf]);
    assert!(y[4].is_nan());
}

#[test]
fn quotients_and_powers_of_integers() {
    let run = |op, a: &[i64], b: &[i64]| {
        let mut out = vec![-99; a.len()];
        binary_int(op, &mut out, &[a.len()], View::new(a, &[1]), View::new(b, &[1]));
        out
    };
    let (a, b) = ([7, -7, 7, -7, 6, i64::MIN, 5], [3, 3, -3, -3, -3, -1, 0]);
    assert_eq!(run(IntBinary::FloorDivide, &a, &b), [2, -3, -3, 2, -2, i64::MIN, 0]);
    assert_eq!(run(IntBinary::Remainder, &a, &b), [1, 2, -2, -1, 0, 0, 0]);
    assert_eq!(run(IntBinary::Fmod, &a, &b), [1, -1, 1, -1, 0, 0, 0]);
    assert_eq!(
        run(IntBinary::Pow, &[2, -3, 0, 5, 3, 2], &[10, 3, 0, -1, 41, 64]),
        [1024, -27, 1, 0, 3_i64.wrapping_pow(41), 0]
    );
    let mut out = [0_u8; 2];
    binary_int(IntBinary::FloorDivide, &mut out, &[2], View::new(&[200, 7], &[1]), View::new(&[3, 0], &[1]));
    assert_eq!(out, [66, 0]);
}
