//! What each pass does to a small program, and that the program computes the same bits with it and without.

use rgrad_engine::compile::{Program, Recording, Replay, passes};
use rgrad_engine::tape::{self, Options};
use rgrad_engine::{DType, Number, Tensor, ops};

/// Numbers of both signs, none of them round.
fn numbers(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    let all: Vec<f32> = (0..n).map(|i| ((i * 37 + 11) % 101) as f32 / 37.0 - 1.3).collect();
    Tensor::from_slice(&all, shape).unwrap()
}

fn number(value: f64) -> Tensor {
    Tensor::scalar(Number::Float(value), DType::Float32).unwrap()
}

fn record(arguments: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Program {
    let (recording, copies) = Recording::begin(arguments).unwrap();
    let results = f(&copies);
    recording.finish(&results, arguments, Ok).unwrap().0
}

/// The program without any pass, and with this one alone.
fn replays(program: &Program, pass: &str) -> [Replay; 2] {
    let all: Vec<&str> = passes().collect();
    let others: Vec<&str> = passes().filter(|name| *name != pass).collect();
    assert_eq!(others.len() + 1, all.len(), "there is no pass {pass}");
    [all, others].map(|without| Replay::new(program.clone(), &without).unwrap())
}

/// Checks that the pass changes the program to this one, results excepted, and its results not at all.
fn check(arguments: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>, pass: &str, before: &[&str], after: &[&str]) {
    let program = record(arguments, &f);
    let [mut plain, mut changed] = replays(&program, pass);
    for (replay, expected) in [(&plain, before), (&changed, after)] {
        let text = replay.program().to_string();
        let made = |line: &&str| line.contains(") ") || line.ends_with(')') || line.contains("):");
        let lines = text.lines().filter(|line| line.contains(" flop, ") && line.contains('(')).filter(made);
        let instructions: Vec<&str> = lines.map(|line| line.split(": ").next().unwrap_or(line).trim_end()).collect();
        let instructions: Vec<&str> = instructions.iter().map(|l| l.split("  ").next().unwrap_or(l)).collect();
        assert_eq!(instructions, expected, "{text}");
    }
    // Other numbers than those that were recorded, in the same shapes.
    let other: Vec<Tensor> = arguments
        .iter()
        .map(|x| if x.dtype().is_float() { ops::mul(x, &number(-0.7)).unwrap() } else { ops::clone(x).unwrap() })
        .collect();
    let eager = f(&other);
    let bits = |all: Vec<Tensor>| -> Vec<Vec<u32>> {
        all.iter().map(|t| t.to_vec::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()).collect()
    };
    let eager = bits(eager.iter().map(Tensor::detach).collect());
    assert_eq!(bits(plain.run(&other).unwrap()), eager);
    assert_eq!(bits(changed.run(&other).unwrap()), eager);
    assert_eq!(bits(changed.run(&other).unwrap()), eager, "the second time");
}

#[test]
fn dead_code_is_removed() {
    let f = |x: &[Tensor]| {
        ops::exp(&x[0]).unwrap();
        vec![ops::sin(&x[0]).unwrap()]
    };
    check(&[numbers(&[3, 4])], f, "dead", &["%0 = exp(arg0)", "%1 = sin(arg0)"], &["%1 = sin(arg0)"]);
}

#[test]
fn what_changes_something_outside_is_not_dead() {
    let total = numbers(&[3]);
    let program = record(&[numbers(&[3])], |x| {
        total.copy_from(&ops::add(&total, &x[0]).unwrap()).unwrap();
        vec![]
    });
    let mut replay = Replay::new(program, &[]).unwrap();
    let before = total.to_vec::<f32>().unwrap();
    replay.run(&[Tensor::full(&[3], Number::Float(1.0), DType::Float32).unwrap()]).unwrap();
    let expected: Vec<f32> = before.iter().map(|x| x + 1.0).collect();
    assert_eq!(total.to_vec::<f32>().unwrap(), expected);
}

#[test]
fn common_subexpressions_are_computed_once() {
    let f = |x: &[Tensor]| {
        let again = ops::exp(&x[0]).unwrap();
        vec![ops::mul(&ops::exp(&x[0]).unwrap(), &again).unwrap()]
    };
    let before = ["%0 = exp(arg0)", "%1 = exp(arg0)", "%2 = mul(%1, %0)"];
    check(&[numbers(&[5])], f, "common", &before, &["%0 = exp(arg0)", "%2 = mul(%0, %0)"]);
}

#[test]
fn an_expression_of_what_was_changed_meanwhile_is_not_common() {
    let state = numbers(&[4]);
    let program = record(&[numbers(&[4])], |x| {
        let before = ops::exp(&state).unwrap();
        state.copy_from(&x[0]).unwrap();
        vec![before, ops::exp(&state).unwrap()]
    });
    let mut replay = Replay::new(program, &[]).unwrap();
    let (old, x) = (state.to_vec::<f32>().unwrap(), numbers(&[4]));
    let [before, after] = &replay.run(std::slice::from_ref(&x)).unwrap()[..] else { panic!("two results") };
    let old = ops::exp(&Tensor::from_slice(&old, &[4]).unwrap()).unwrap();
    assert_eq!(before.to_vec::<f32>(), old.to_vec::<f32>());
    assert_eq!(after.to_vec::<f32>(), ops::exp(&x).unwrap().to_vec::<f32>());
}

#[test]
fn constants_are_computed_when_the_program_is_compiled() {
    let f = |x: &[Tensor]| {
        let base = ops::exp(&number(0.5)).unwrap();
        vec![ops::mul(&x[0], &ops::add(&base, &number(1.0)).unwrap()).unwrap()]
    };
    let before = ["%0 = exp(const0)", "%1 = add(%0, const1)", "%2 = mul(arg0, %1)"];
    check(&[numbers(&[2, 2])], f, "constants", &before, &["%0 = mul(arg0, const3)"]);
}

#[test]
fn algebra_leaves_out_what_changes_nothing() {
    let f = |x: &[Tensor]| {
        let y = ops::exp(&x[0]).unwrap();
        let same = ops::div(&ops::mul(&y, &number(1.0)).unwrap(), &number(1.0)).unwrap();
        let same = ops::neg(&ops::neg(&ops::sub(&same, &number(0.0)).unwrap()).unwrap()).unwrap();
        vec![ops::sin(&ops::clone(&same).unwrap()).unwrap()]
    };
    let before = [
        "%0 = exp(arg0)",
        "%1 = mul(%0, const0)",
        "%2 = div(%1, const1)",
        "%3 = sub(%2, const2)",
        "%4 = neg(%3)",
        "%5 = neg(%4)",
        "%6 = contiguous(%5)",
        "%7 = sin(%6)",
    ];
    check(&[numbers(&[7])], f, "algebra", &before, &["%0 = exp(arg0)", "%4 = neg(%0)", "%7 = sin(%0)"]);
}

#[test]
fn adding_zero_stays_because_it_changes_the_sign_of_zero() {
    let f = |x: &[Tensor]| vec![ops::add(&ops::mul(&x[0], &number(0.0)).unwrap(), &number(0.0)).unwrap()];
    let same = ["%0 = mul(arg0, const0)", "%1 = add(%0, const1)"];
    check(&[numbers(&[6])], f, "algebra", &same, &same);
}

fn labels(n: usize, classes: usize) -> Tensor {
    let all: Vec<i64> = (0..n).map(|i| (i * 7 % classes) as i64).collect();
    Tensor::from_slice(&all, &[n]).unwrap()
}

/// The gradient of a leaf whose loss is what `f` says.
fn gradient(leaf: &Tensor, loss: &Tensor) -> Tensor {
    tape::gradients(std::slice::from_ref(loss), std::slice::from_ref(leaf), &[None], Options::default())
        .unwrap()
        .remove(0)
        .unwrap()
}

#[test]
fn cross_entropy_and_its_slope_are_one_pass() {
    for reduction in ["mean", "sum"] {
        let f = |x: &[Tensor]| {
            let leaf = x[0].leaf().unwrap();
            let loss = ops::cross_entropy(&leaf, &x[1], None, -100, reduction, 0.0).unwrap();
            let slope = gradient(&leaf, &loss);
            vec![loss, slope]
        };
        let one = ["%0, %1 = cross_entropy(arg0, arg1)"];
        check(&[numbers(&[6, 5]), labels(6, 5)], f, "dead", &one, &one);
    }
}

#[test]
fn products_take_over_biases_activations_and_slopes() {
    let (weight, bias) = (numbers(&[4, 5]), numbers(&[4]));
    let f = |x: &[Tensor]| {
        let leaf = x[0].leaf().unwrap();
        let y = ops::tanh(&ops::linear(&leaf, &weight, Some(&bias)).unwrap()).unwrap();
        let z = ops::matmul(&y, &weight).unwrap();
        let loss = ops::sum(&ops::mul(&z, &x[1]).unwrap(), None, false).unwrap();
        vec![ops::contiguous(&y).unwrap(), gradient(&leaf, &loss)]
    };
    let program = record(&[numbers(&[6, 5]), numbers(&[6, 5])], f);
    let [_, replay] = replays(&program, "products");
    let text = replay.program().to_string();
    for expected in ["product+bias+tanh(arg0, outer0[(5, 4) by (1, 5)], outer1)", "product+tanh_grad("] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("linear(") && !text.contains(" tanh("), "{text}");
    let relu = |x: &[Tensor]| vec![ops::relu(&ops::matmul(&x[0], &x[1]).unwrap()).unwrap()];
    let before = ["%0 = matmul(arg0, arg1)", "%1 = relu(%0)"];
    check(&[numbers(&[6, 5]), numbers(&[5, 3])], relu, "products", &before, &["%1 = product+relu(arg0, arg1)"]);
}

#[test]
fn the_backward_product_of_a_layer_sums_the_gradient_of_its_bias() {
    let f = |x: &[Tensor]| {
        let (weight, bias) = (x[1].leaf().unwrap(), x[2].leaf().unwrap());
        let y = ops::exp(&ops::linear(&x[0], &weight, Some(&bias)).unwrap()).unwrap();
        let loss = ops::sum(&y, None, false).unwrap();
        let grads = tape::gradients(&[loss], &[weight, bias], &[None], Options::default()).unwrap();
        grads.into_iter().map(Option::unwrap).collect()
    };
    let arguments = [numbers(&[9, 5]), numbers(&[4, 5]), numbers(&[4])];
    let [mut plain, mut fused] = replays(&record(&arguments, f), "products");
    let text = fused.program().to_string();
    assert!(text.contains("%4, %5 = product+sums("), "{text}");
    let bits =
        |r: &mut Replay| r.run(&arguments).unwrap().iter().map(|t| t.to_vec::<f32>().unwrap()).collect::<Vec<_>>();
    assert_eq!(bits(&mut plain), bits(&mut fused));
}

#[test]
fn one_of_two_backward_products_sums_the_gradient_that_both_read() {
    let f = |x: &[Tensor]| {
        let g = ops::transpose(&x[0], 0, 1).unwrap();
        let (a, b) = (ops::matmul(&g, &x[1]).unwrap(), ops::matmul(&g, &x[2]).unwrap());
        vec![a, b, ops::sum(&x[0], Some(&[0]), false).unwrap()]
    };
    let before =
        ["%0 = matmul(arg0[(3, 5) by (1, 3)], arg1)", "%1 = matmul(arg0[(3, 5) by (1, 3)], arg2)", "%2 = sum(arg0)"];
    let after = ["%0, %2 = product+sums(arg0[(3, 5) by (1, 3)], arg1)", "%1 = product(arg0[(3, 5) by (1, 3)], arg2)"];
    check(&[numbers(&[5, 3]), numbers(&[5, 3]), numbers(&[5, 2])], f, "products", &before, &after);
}

#[test]
fn a_product_that_somebody_else_reads_keeps_its_result() {
    let f = |x: &[Tensor]| {
        let y = ops::matmul(&x[0], &x[1]).unwrap();
        vec![ops::relu(&y).unwrap(), y]
    };
    let before = ["%0 = matmul(arg0, arg1)", "%1 = relu(%0)"];
    let after = ["%0 = product(arg0, arg1)", "%1 = relu(%0)"];
    check(&[numbers(&[4, 5]), numbers(&[5, 3])], f, "products", &before, &after);
}

#[test]
fn element_wise_operations_are_one_pass() {
    let f = |x: &[Tensor]| {
        let y = ops::add(&ops::mul(&x[0], &x[1]).unwrap(), &number(0.3)).unwrap();
        let mask = ops::gt(&y, &number(0.0)).unwrap();
        vec![ops::where_(&mask, &ops::tanh(&y).unwrap(), &ops::exp(&x[0]).unwrap()).unwrap()]
    };
    let before = [
        "%0 = mul(arg0, arg1)",
        "%1 = add(%0, const0)",
        "%2 = gt(%1, const1)",
        "%3 = tanh(%1)",
        "%4 = exp(arg0)",
        "%5 = where(%2, %3, %4)",
    ];
    let (rows, many) = if cfg!(miri) { (2, 3) } else { (40, 70) };
    let program = record(&[numbers(&[rows, 30]), numbers(&[30])], f);
    let [_, replay] = replays(&program, "chains");
    let text = replay.program().to_string();
    assert!(text.contains("%5 = chain[mul add gt tanh exp where]("), "{text}");
    let flat = |x: &[Tensor]| vec![ops::relu(&ops::mul(&x[0], &x[0]).unwrap()).unwrap()];
    let two = ["%0 = mul(arg0, arg0)", "%1 = relu(%0)"];
    check(&[numbers(&[many, 9])], flat, "chains", &two, &["%1 = chain[mul relu](arg0)"]);
    let [mut plain, mut fused] = replays(&program, "chains");
    let x = [numbers(&[rows, 30]), numbers(&[30])];
    let values = |r: &mut Replay| r.run(&x).unwrap()[0].to_vec::<f32>().unwrap();
    assert_eq!(values(&mut plain), values(&mut fused));
    assert_eq!(plain.program().cost().instructions, before.len());
}

#[test]
fn a_chain_does_not_pass_by_what_changes_its_inputs() {
    let state = numbers(&[8]);
    let f = |x: &[Tensor]| {
        let y = ops::exp(&state).unwrap();
        state.copy_from(&x[0]).unwrap();
        vec![ops::neg(&y).unwrap()]
    };
    let program = record(&[numbers(&[8])], f);
    let [_, mut replay] = replays(&program, "chains");
    state.copy_from(&number(0.25)).unwrap();
    let got = replay.run(&[numbers(&[8])]).unwrap()[0].to_vec::<f32>().unwrap();
    let expected = ops::neg(&ops::exp(&number(0.25)).unwrap()).unwrap().to_vec::<f32>().unwrap()[0];
    assert!(got.iter().all(|&x| x == expected));
}

#[test]
fn a_result_is_made_where_it_would_be_copied_to() {
    let running = numbers(&[5]);
    let program = record(&[numbers(&[5])], |x| {
        let moved = ops::add(&ops::mul(&running, &number(0.9)).unwrap(), &ops::mul(&x[0], &number(0.1)).unwrap());
        running.copy_from(&moved.unwrap()).unwrap();
        vec![]
    });
    let mut replay = Replay::new(program, &[]).unwrap();
    let text = replay.program().to_string();
    assert!(text.contains("outer0 <- chain[mul mul add]("), "{text}");
    let (before, x) = (running.to_vec::<f32>().unwrap(), numbers(&[5]));
    replay.run(std::slice::from_ref(&x)).unwrap();
    let after = running.to_vec::<f32>().unwrap();
    for ((a, b), x) in after.iter().zip(before).zip(x.to_vec::<f32>().unwrap()) {
        assert_eq!(*a, b * 0.9 + x * 0.1);
    }
}

#[test]
fn weights_are_packed_once_and_again_when_they_change() {
    let weight = numbers(&[40, 30]);
    let x = numbers(&[1, 30]);
    let f = |x: &[Tensor]| vec![ops::linear(&x[0], &weight, None).unwrap()];
    let mut replay = Replay::new(record(std::slice::from_ref(&x), f), &[]).unwrap();
    assert!(replay.program().to_string().contains("B packed"), "{}", replay.program());
    for _ in 0..3 {
        let eager = f(std::slice::from_ref(&x))[0].to_vec::<f32>();
        assert_eq!(replay.run(std::slice::from_ref(&x)).unwrap()[0].to_vec::<f32>(), eager);
        weight.copy_from(&ops::mul(&weight, &number(1.5)).unwrap()).unwrap();
    }
}

#[test]
fn values_share_memory_when_they_are_not_needed_at_once() {
    let f = |x: &[Tensor]| {
        let mut y = x[0].clone();
        for _ in 0..10 {
            y = ops::sin(&y).unwrap();
        }
        vec![y]
    };
    let program = record(&[numbers(&[100])], f);
    let replay = Replay::new(program, &[]).unwrap();
    assert!(replay.program().cost().memory <= 2 * 100 * 4, "{}", replay.program());
}
