//! Element-wise kernels.

use rgrad_kernels::chain::{Chain, Input, Kind, Logic, Output, Step, run_chain};
use rgrad_kernels::map::{
    Binary, Compare, Curve, IntBinary, IntUnary, Unary, add_assign, binary, binary_int, compare, curve, curve_grad,
    select, unary, unary_int,
};
use rgrad_kernels::{Float, Integer, View};

use crate::Row;
use crate::data::{Bits, Hash, integers, odd, plain};

pub const ROWS: &[Row] = &[
    ("map::unary", |hash| {
        unaries::<f32>(hash);
        unaries::<f64>(hash);
    }),
    ("map::binary", |hash| {
        binaries::<f32>(hash);
        binaries::<f64>(hash);
    }),
    ("map::curve", |hash| {
        curves::<f32>(hash);
        curves::<f64>(hash);
    }),
    ("map::curve_grad", |hash| {
        slopes::<f32>(hash);
        slopes::<f64>(hash);
    }),
    ("map::add_assign", |hash| {
        add_assigns::<f32>(hash);
        add_assigns::<f64>(hash);
    }),
    ("map::compare", |hash| {
        compares(hash, &odd::<f32>(N, 1, 7), &odd::<f32>(N, 2, 11));
        compares(hash, &odd::<f64>(N, 1, 7), &odd::<f64>(N, 2, 11));
        compares(hash, &integers::<i64>(N, 1), &integers::<i64>(N, 2));
        compares(hash, &integers::<i32>(N, 1), &integers::<i32>(N, 2));
        compares(hash, &integers::<u8>(N, 1), &integers::<u8>(N, 2));
    }),
    ("map::select", |hash| {
        selects(hash, &odd::<f32>(N, 1, 7), &odd::<f32>(N, 2, 11));
        selects(hash, &odd::<f64>(N, 1, 7), &odd::<f64>(N, 2, 11));
        selects(hash, &integers::<i64>(N, 1), &integers::<i64>(N, 2));
        selects(hash, &integers::<i32>(N, 1), &integers::<i32>(N, 2));
        selects(hash, &integers::<u8>(N, 1), &integers::<u8>(N, 2));
    }),
    ("map::unary_int", |hash| {
        int_unaries::<i64>(hash);
        int_unaries::<i32>(hash);
        int_unaries::<u8>(hash);
    }),
    ("map::binary_int", |hash| {
        int_binaries::<i64>(hash);
        int_binaries::<i32>(hash);
        int_binaries::<u8>(hash);
    }),
    ("chain::run_chain", |hash| {
        chains::<f32>(hash);
        chains::<f64>(hash);
    }),
];

/// More than two tasks of the cheapest functions, and not a multiple of any block size.
const N: usize = 70_001;
/// A shape with so many elements, and the strides of a broadcast column.
const SHAPE: [usize; 2] = [149, 467];

/// All variants of an enum; it does not compile when one is missing.
macro_rules! every {
    ($enum:ident: $($name:ident)*) => {{
        let _complete = |x: $enum| match x { $($enum::$name => (),)* };
        [$($enum::$name),*]
    }};
}

fn unaries<T: Float + Bits>(hash: &mut Hash) {
    let x = odd::<T>(N, 1, 97);
    let mut out = vec![T::NAN; N];
    for op in every!(Unary: Neg Abs Exp Expm1 Log Log1p Sqrt Rsqrt Reciprocal Square Tanh Sigmoid Relu
        Sign Floor Ceil Round Root Cube Trunc Exp2 Log2 Log10 Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf
        Erfc Erfinv)
    {
        unary(op, &mut out, &[N], View::new(&x, &[1]));
        hash.add(&out);
    }
    // Transposed, and short: every tail.
    unary(Unary::Tanh, &mut out[..149 * 467], &SHAPE, View::new(&x, &[1, 149]));
    hash.add(&out);
    for n in 0..35 {
        unary(Unary::Exp, &mut out[..n], &[n], View::new(&x, &[1]));
        hash.add(&out[..n]);
    }
}

fn binaries<T: Float + Bits>(hash: &mut Hash) {
    let (a, b) = (odd::<T>(N, 1, 97), odd::<T>(N, 2, 89));
    let mut out = vec![T::NAN; N];
    for op in every!(Binary: Add Sub Mul Div Pow Atan2 Hypot Fmod Remainder FloorDivide Logaddexp Xlogy Maximum Minimum
        ReluGrad TanhGrad SigmoidGrad MulGrad DivGrad MulGrads BinaryCrossEntropy BinaryCrossEntropySlope
        LogitsCrossEntropy LogitsSlope)
    {
        binary(op, &mut out, &[N], View::new(&a, &[1]), View::new(&b, &[1]));
        hash.add(&out);
        binary(op, &mut out[..149 * 467], &SHAPE, View::new(&a, &[467, 1]), View::new(&b, &[1, 0]));
        hash.add(&out);
    }
}

const CURVES: [Curve; 8] = [
    Curve::LeakyRelu(0.01),
    Curve::Elu { alpha: 1.5, scale: 1.1, rate: 0.7 },
    Curve::Softplus { beta: 1.3, threshold: 20.0 },
    Curve::LogSigmoid,
    Curve::Gelu,
    Curve::GeluTanh,
    Curve::Silu,
    Curve::Mish,
];

fn curves<T: Float + Bits>(hash: &mut Hash) {
    let x = odd::<T>(N, 1, 97);
    let mut out = vec![T::NAN; N];
    for op in CURVES {
        curve(op, &mut out, &[N], View::new(&x, &[1]));
        hash.add(&out);
        curve(op, &mut out[..149 * 467], &SHAPE, View::new(&x, &[1, 149]));
        hash.add(&out);
    }
}

fn slopes<T: Float + Bits>(hash: &mut Hash) {
    let (g, x) = (odd::<T>(N, 1, 97), odd::<T>(N, 2, 89));
    let mut out = vec![T::NAN; N];
    for op in CURVES {
        curve_grad(op, &mut out, &[N], View::new(&g, &[1]), View::new(&x, &[1]));
        hash.add(&out);
        curve_grad(op, &mut out[..149 * 467], &SHAPE, View::new(&g, &[467, 1]), View::new(&x, &[1, 149]));
        hash.add(&out);
    }
}

fn add_assigns<T: Float + Bits>(hash: &mut Hash) {
    let mut out = odd::<T>(N, 1, 97);
    add_assign(&mut out, &odd::<T>(N, 2, 89));
    hash.add(&out);
}

fn compares<T: Bits>(hash: &mut Hash, a: &[T], b: &[T]) {
    let mut out = vec![9; N];
    for op in every!(Compare: Lt Le Gt Ge Eq Ne Same) {
        compare(op, &mut out, &[N], View::new(a, &[1]), View::new(b, &[1]));
        hash.add(&out);
        compare(op, &mut out[..149 * 467], &SHAPE, View::new(a, &[1, 149]), View::new(b, &[0, 1]));
        hash.add(&out);
    }
}

fn selects<T: Bits>(hash: &mut Hash, a: &[T], b: &[T]) {
    let mut out = vec![T::default(); N];
    let cond: Vec<u8> = plain::<f32>(N, 3).iter().map(|&x| u8::from(x > 0.0)).collect();
    select(&mut out, &[N], View::new(&cond, &[1]), View::new(a, &[1]), View::new(b, &[1]));
    hash.add_exact(&out);
    let views = (View::new(&cond, &[0, 1]), View::new(a, &[1, 149]), View::new(b, &[0, 0]));
    select(&mut out[..149 * 467], &SHAPE, views.0, views.1, views.2);
    hash.add_exact(&out);
}

fn int_unaries<T: Integer + Bits>(hash: &mut Hash) {
    let x = integers::<T>(N, 1);
    let mut out = vec![T::default(); N];
    for op in every!(IntUnary: Neg Abs Square Sign Relu) {
        unary_int(op, &mut out, &[N], View::new(&x, &[1]));
        hash.add(&out);
    }
}

fn int_binaries<T: Integer + Bits>(hash: &mut Hash) {
    let (a, b) = (integers::<T>(N, 1), integers::<T>(N, 2));
    let mut out = vec![T::default(); N];
    for op in every!(IntBinary: Add Sub Mul Maximum Minimum Pow FloorDivide Remainder Fmod And Or Xor) {
        binary_int(op, &mut out, &[N], View::new(&a, &[1]), View::new(&b, &[1]));
        hash.add(&out);
    }
}

/// A column, a transposed matrix, and an output in place, with a step of every kind.
fn chains<T: Float + Bits>(hash: &mut Hash) {
    let (x, mut out, mut mask) = (odd::<T>(N, 1, 97), odd::<T>(N, 2, 89), vec![9; N]);
    let steps = [
        Step::Binary(Binary::Mul, 0, 1),
        Step::Compare(Compare::Lt, 2, 3),
        Step::Curve(Curve::Silu, 3),
        Step::CurveGrad(Curve::Gelu, 2, 5),
        Step::Select(4, 5, 6),
        Step::Unary(Unary::Tanh, 7),
        Step::Not(4),
        Step::Number(9),
        Step::Logic(Logic::Xor, 4, 9),
        Step::Binary(Binary::Add, 8, 10),
    ];
    let chain = Chain::new(&[Kind::Number, Kind::Number, Kind::Output(0)], &steps, &[12, 11]).unwrap();
    let inputs = [Input::Numbers(View::new(&x, &[1, 149])), Input::Numbers(View::new(&x, &[1, 0])), Input::Output(0)];
    let n = 149 * 467;
    run_chain(&chain, &SHAPE, &inputs, &mut [Output::Numbers(&mut out[..n]), Output::Mask(&mut mask[..n])]);
    hash.add(&out);
    hash.add(&mask);
}
