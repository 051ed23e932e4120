//! Chains give the bits of the kernels that they replace, called one after another.

mod strided;

use rgrad_kernels::Float;
use rgrad_kernels::chain::{Chain, Input, Kind, Logic, MAX_INPUTS, MAX_TILES, Output, Step, Unfit, run_chain};
use rgrad_kernels::copy::CastTo;
use rgrad_kernels::map::{
    Binary, Compare, Curve, IntBinary, Unary, binary, binary_int, compare, curve, curve_grad, select, unary,
};
use rgrad_kernels::simd::isa;
use rgrad_kernels::{View, threads};
use strided::{layouts, numbers, reach, row_major, shapes};

const UNARY: [Unary; 37] = {
    use Unary::*;
    [
        Neg, Abs, Exp, Expm1, Log, Log1p, Sqrt, Rsqrt, Reciprocal, Square, Tanh, Sigmoid, Relu, Sign, Floor, Ceil,
        Round, Root, Cube, Trunc, Exp2, Log2, Log10, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh,
        Erf, Erfc, Erfinv,
    ]
};
const BINARY: [Binary; 24] = {
    use Binary::*;
    [
        Add,
        Sub,
        Mul,
        Div,
        Pow,
        Atan2,
        Hypot,
        Fmod,
        Remainder,
        FloorDivide,
        Logaddexp,
        Xlogy,
        Maximum,
        Minimum,
        ReluGrad,
        TanhGrad,
        SigmoidGrad,
        MulGrad,
        DivGrad,
        MulGrads,
        BinaryCrossEntropy,
        BinaryCrossEntropySlope,
        LogitsCrossEntropy,
        LogitsSlope,
    ]
};
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
const COMPARE: [Compare; 7] =
    [Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge, Compare::Eq, Compare::Ne, Compare::Same];

/// An input with its strides, or a result.
#[derive(Clone)]
struct Value<T> {
    numbers: Vec<T>,
    mask: Vec<u8>,
    strides: Vec<usize>,
}

impl<T: Float> Value<T> {
    fn numbers(&self) -> View<'_, T> {
        View::new(&self.numbers, &self.strides)
    }
    fn mask(&self) -> View<'_, u8> {
        View::new(&self.mask, &self.strides)
    }
}

/// The results of all steps, each by its own kernel.
fn one_by_one<T: Float>(shape: &[usize], inputs: &[Value<T>], steps: &[Step]) -> Vec<Value<T>>
where
    u8: CastTo<T>,
{
    let n = shape.iter().product();
    let mut all = inputs.to_vec();
    for &step in steps {
        let (mut numbers, mut mask) = (vec![T::NAN; n], vec![7; n]);
        let x = |at: usize| all[at].numbers();
        let m = |at: usize| all[at].mask();
        match step {
            Step::Unary(op, a) => unary(op, &mut numbers, shape, x(a)),
            Step::Binary(op, a, b) => binary(op, &mut numbers, shape, x(a), x(b)),
            Step::Curve(op, a) => curve(op, &mut numbers, shape, x(a)),
            Step::CurveGrad(op, g, a) => curve_grad(op, &mut numbers, shape, x(g), x(a)),
            Step::Compare(op, a, b) => compare(op, &mut mask, shape, x(a), x(b)),
            Step::Select(c, a, b) => select(&mut numbers, shape, m(c), x(a), x(b)),
            Step::Logic(op, a, b) => {
                let op = match op {
                    Logic::And => IntBinary::And,
                    Logic::Or => IntBinary::Or,
                    Logic::Xor => IntBinary::Xor,
                };
                binary_int(op, &mut mask, shape, m(a), m(b));
            }
            Step::Not(a) => compare(Compare::Eq, &mut mask, shape, m(a), View::new(&[0], &vec![0; shape.len()])),
            Step::Number(a) => {
                let mut bytes = vec![7; n];
                rgrad_kernels::copy::copy(&mut bytes, shape, m(a));
                rgrad_kernels::copy::cast(&mut numbers, &bytes);
            }
        }
        all.push(Value { numbers, mask, strides: row_major(shape) });
    }
    all
}

fn bits<T: Float>(x: &[T]) -> Vec<u64> {
    x.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Runs a chain and compares every output with the kernels' results.
fn check<T: Float>(chain: &Chain, kinds: &[Kind], steps: &[Step], outputs: &[usize], shape: &[usize], x: &[Value<T>])
where
    u8: CastTo<T>,
{
    let all = one_by_one(shape, x, steps);
    let n = shape.iter().product();
    let masks: Vec<bool> = outputs
        .iter()
        .map(|&at| matches!(steps[at - x.len()], Step::Compare(..) | Step::Logic(..) | Step::Not(_)))
        .collect();
    for count in if n > 10_000 { vec![1, 2, 3, 8] } else { vec![1] } {
        threads::set_num_threads(count);
        let mut numbers: Vec<Vec<T>> = masks.iter().map(|&m| vec![T::NAN; if m { 0 } else { n }]).collect();
        let mut bytes: Vec<Vec<u8>> = masks.iter().map(|&m| vec![7; if m { n } else { 0 }]).collect();
        for (kind, value) in kinds.iter().zip(x) {
            if let Kind::Output(j) = *kind {
                numbers[j].clone_from(&value.numbers);
            }
        }
        let input = |(kind, value)| match kind {
            &Kind::Number => Input::Numbers(Value::numbers(value)),
            Kind::Mask => Input::Mask(value.mask()),
            Kind::Output(j) => Input::Output(*j),
        };
        let inputs: Vec<Input<T>> = kinds.iter().zip(x).map(input).collect();
        let places = masks.iter().zip(&mut numbers).zip(&mut bytes);
        let mut places: Vec<Output<T>> = places
            .map(|((&m, numbers), bytes)| if m { Output::Mask(bytes) } else { Output::Numbers(numbers) })
            .collect();
        run_chain(chain, shape, &inputs, &mut places);
        for (j, &at) in outputs.iter().enumerate() {
            let what =
                || format!("{:?}, {count} threads, {shape:?}, {kinds:?}, {steps:?}, output {j} of {outputs:?}", isa());
            if masks[j] {
                assert_eq!(bytes[j], all[at].mask, "{}", what());
            } else {
                assert_eq!(bits(&numbers[j]), bits(&all[at].numbers), "{}", what());
            }
        }
    }
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
    fn from<X: Copy>(&mut self, x: &[X]) -> X {
        x[self.below(x.len())]
    }
}

/// Numbers, some of them special.
fn values<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let odd = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-40, 1e30];
    let x = numbers(n, seed).into_iter().enumerate();
    x.map(|(i, x)| T::from_f64(if i % 13 == 5 { odd[i / 13 % odd.len()] } else { x })).collect()
}

/// A step with defined operands; masks only from `masks`, if there are any.
fn step(draw: &mut Draw, inputs: &[usize], numbers: &[usize], masks: &[usize]) -> Step {
    let (a, b) = (draw.from(numbers), draw.from(numbers));
    match draw.below(if masks.is_empty() { 8 } else { 12 }) {
        0 | 1 => Step::Unary(draw.from(&UNARY), a),
        2..=4 => match draw.from(&BINARY) {
            Binary::Pow => Step::Binary(Binary::Pow, a, draw.from(inputs)),
            op => Step::Binary(op, a, b),
        },
        5 => Step::Curve(draw.from(&CURVES), a),
        6 => Step::CurveGrad(draw.from(&CURVES), a, b),
        7 => Step::Compare(draw.from(&COMPARE), a, b),
        8 | 9 => Step::Select(draw.from(masks), a, b),
        10 => Step::Logic(draw.from(&[Logic::And, Logic::Or, Logic::Xor]), draw.from(masks), draw.from(masks)),
        _ => match draw.below(2) {
            0 => Step::Not(draw.from(masks)),
            _ => Step::Number(draw.from(masks)),
        },
    }
}

/// Draws a chain for a shape and checks it; returns whether there was one.
fn random_chain<T: Float>(draw: &mut Draw, shape: &[usize]) -> bool
where
    u8: CastTo<T>,
{
    let count = 1 + draw.below(5);
    let mut kinds: Vec<Kind> =
        (0..count).map(|i| if i > 0 && draw.below(4) == 0 { Kind::Mask } else { Kind::Number }).collect();
    let of = |kinds: &[Kind], kind| (0..count).filter(|&i| kinds[i] == kind).collect::<Vec<_>>();
    let (inputs, mut masks) = (of(&kinds, Kind::Number), of(&kinds, Kind::Mask));
    let mut numbers = inputs.clone();
    let mut steps = Vec::new();
    for at in 0..=draw.below(9) {
        let step = step(draw, &inputs, &numbers, &masks);
        let made =
            if matches!(step, Step::Compare(..) | Step::Logic(..) | Step::Not(_)) { &mut masks } else { &mut numbers };
        made.push(count + at);
        steps.push(step);
    }
    // The last result, and others; perhaps one of them twice.
    let mut outputs = vec![count + steps.len() - 1];
    outputs.extend((0..draw.below(3)).map(|_| count + draw.below(steps.len())));
    for i in inputs {
        let j = draw.below(outputs.len());
        let is_exponent = steps.iter().any(|s| matches!(s, Step::Binary(Binary::Pow, _, b) if *b == i));
        if draw.below(3) == 0 && !is_exponent && numbers.contains(&outputs[j]) {
            kinds[i] = Kind::Output(j);
        }
    }
    // All inputs that stand for an output have the same contents.
    let seeds: Vec<u64> = (0..4).map(|_| draw.below(1000) as u64).collect();
    let values = kinds.iter().map(|kind| {
        let (strides, seed) = if let Kind::Output(j) = kind {
            (row_major(shape), seeds[*j])
        } else {
            let all = layouts(shape);
            (all[draw.below(all.len())].clone(), draw.below(1000) as u64)
        };
        let mut numbers = values(reach(shape, &strides), seed);
        if let ([x], true) = (&mut numbers[..], strides.contains(&0)) {
            *x = T::from_f64(draw.from(&[-1.0, 0.5, 1.0, 2.0, 3.0, 1.5]));
        }
        let mask = numbers.iter().map(|x| u8::from(*x > T::ZERO)).collect();
        Value { numbers, mask, strides }
    });
    let values: Vec<Value<T>> = values.collect();
    match Chain::new(&kinds, &steps, &outputs) {
        Ok(chain) => check(&chain, &kinds, &steps, &outputs, shape, &values),
        Err(Unfit::Tiles(_)) => return false,
        Err(why) => panic!("{why}: {kinds:?}, {steps:?}, {outputs:?}"),
    }
    true
}

#[test]
fn random_chains_have_the_bits_of_their_steps() {
    let mut draw = Draw(1);
    let mut run = 0;
    let rounds = if cfg!(miri) { 1 } else { 25 };
    for _ in 0..rounds {
        for shape in shapes() {
            run += usize::from(random_chain::<f32>(&mut draw, &shape));
            run += usize::from(random_chain::<f64>(&mut draw, &shape));
        }
    }
    assert!(run > rounds * shapes().len() * 3 / 2, "most programs fit");
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn threads_change_no_bit() {
    let mut draw = Draw(2);
    for shape in [vec![20_011], vec![149, 467], vec![3001, 10], vec![10, 3001]] {
        for _ in 0..10 {
            random_chain::<f32>(&mut draw, &shape);
            random_chain::<f64>(&mut draw, &shape);
        }
    }
}

#[test]
fn every_function_can_be_a_step() {
    let shape = [if cfg!(miri) { 2 } else { 67 }, 19];
    let n = shape[0] * shape[1];
    let plain = |seed| Value { numbers: values::<f32>(n, seed), mask: vec![], strides: row_major(&shape) };
    let x = [plain(1), plain(2)];
    let unary = UNARY.map(|op| Step::Unary(op, 0)).to_vec();
    let binary = BINARY.map(|op| Step::Binary(op, 0, 1)).to_vec();
    let curves = CURVES.iter().flat_map(|&c| [Step::Curve(c, 0), Step::CurveGrad(c, 0, 1)]).collect();
    let compare = COMPARE.map(|op| Step::Compare(op, 0, 1)).to_vec();
    for step in [unary, binary, curves, compare].concat() {
        let chain = Chain::new(&[Kind::Number; 2], &[step], &[2]).unwrap();
        check(&chain, &[Kind::Number; 2], &[step], &[2], &shape, &x);
    }
}

#[test]
fn outputs_keep_what_is_read_later() {
    // b ← a and a ← a + b: each must be read before it changes.
    let (a, b) = (values::<f32>(1000, 1), values::<f32>(1000, 2));
    let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let steps = [Step::Unary(Unary::Neg, 0), Step::Unary(Unary::Neg, 2), Step::Binary(Binary::Add, 0, 1)];
    let chain = Chain::new(&[Kind::Output(0), Kind::Output(1)], &steps, &[4, 3]).unwrap();
    let (mut x, mut y) = (a.clone(), b);
    let inputs = [Input::Output(0), Input::Output(1)];
    run_chain(&chain, &[1000], &inputs, &mut [Output::Numbers(&mut x), Output::Numbers(&mut y)]);
    assert_eq!((bits(&x), bits(&y)), (bits(&sum), bits(&a)));
}

#[test]
fn programs_that_are_no_chain_are_refused() {
    use Kind::{Mask, Number};
    let neg = |x| Step::Unary(Unary::Neg, x);
    let pow = |a, b| Step::Binary(Binary::Pow, a, b);
    let compare = Step::Compare(Compare::Lt, 0, 0);
    let refused = |inputs: &[Kind], steps: &[Step], outputs: &[usize]| Chain::new(inputs, steps, outputs).unwrap_err();
    assert_eq!(refused(&[Number; MAX_INPUTS + 1], &[neg(0)], &[MAX_INPUTS + 1]), Unfit::Inputs);
    assert_eq!(refused(&[Number], &[neg(0)], &[]), Unfit::Outputs);
    assert_eq!(refused(&[Number], &[neg(0)], &[1; 9]), Unfit::Outputs);
    assert_eq!(refused(&[Number], &[neg(0), neg(2)], &[2]), Unfit::Operand(1));
    assert_eq!(refused(&[], &[neg(0)], &[0]), Unfit::Operand(0));
    assert_eq!(refused(&[Mask], &[neg(0)], &[1]), Unfit::Kind(0));
    assert_eq!(refused(&[Number], &[Step::Not(0)], &[1]), Unfit::Kind(0));
    assert_eq!(refused(&[Number], &[compare, neg(1)], &[2]), Unfit::Kind(1));
    assert_eq!(refused(&[Number], &[Step::Select(0, 0, 0)], &[1]), Unfit::Kind(0));
    assert_eq!(refused(&[Number], &[neg(0), pow(0, 1)], &[2]), Unfit::Exponent(1));
    assert_eq!(refused(&[Number, Kind::Output(0)], &[pow(0, 1)], &[2]), Unfit::Exponent(0));
    assert_eq!(refused(&[Number], &[neg(0)], &[0]), Unfit::Output(0));
    assert_eq!(refused(&[Number], &[neg(0)], &[1, 2]), Unfit::Output(1));
    assert_eq!(refused(&[Number, Kind::Output(1)], &[neg(0)], &[2]), Unfit::InPlace(1));
    assert_eq!(refused(&[Number, Kind::Output(0)], &[Step::Compare(Compare::Lt, 0, 1)], &[2]), Unfit::InPlace(1));

    // As many results as there are tiles, all live at the end, and one more.
    let sums = |count: usize| {
        let mut steps: Vec<Step> = (0..count).map(|_| neg(0)).collect();
        steps.extend((1..count).map(|i| Step::Binary(Binary::Add, if i == 1 { 1 } else { count + i - 1 }, 1 + i)));
        Chain::new(&[Number], &steps, &[steps.len()])
    };
    assert!(sums(MAX_TILES - 1).is_ok());
    assert_eq!(sums(MAX_TILES + 1).unwrap_err(), Unfit::Tiles(MAX_TILES));
}
