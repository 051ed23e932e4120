//! What a compiled step runs on is there before it runs: a thousand replays allocate no more than five.

use std::sync::Arc;

use allocation_counter::measure;
use rgrad_engine::compile::{Batches, Recording, Replay, Stacked};
use rgrad_engine::optim::{AnyRule, Parameter, Setting, States, Update};
use rgrad_engine::random::Generator;
use rgrad_engine::tape::{self, Options};
use rgrad_engine::{DType, Number, Tensor, ops};

/// Batches of the data.
const BATCHES: usize = 1000;

fn full(shape: &[usize], value: f64) -> Tensor {
    Tensor::full(shape, Number::Float(value), DType::Float32).unwrap()
}

/// A recorded step of a network 12-16-3 on 32 rows, and the tensors that it updates, which must stay.
fn recorded(rule: AnyRule) -> (Replay, Vec<Tensor>) {
    let g = Generator::new(1);
    let parameters: Vec<Tensor> = [&[16, 12][..], &[16], &[3, 16], &[3]]
        .iter()
        .map(|shape| {
            let p = g.randn(shape, DType::Float32).unwrap();
            p.set_requires_grad(true).unwrap();
            p
        })
        .collect();
    let states: Vec<States> =
        parameters.iter().map(|p| rule.states().iter().map(|_| full(p.shape(), 0.0)).collect()).collect();
    let (x, y) = (full(&[32, 12], 0.5), Tensor::full(&[32], Number::Int(1), DType::Int64).unwrap());
    let arguments = [x, y];
    let (recording, copies) = Recording::begin(&arguments).unwrap();
    let [x, y] = &copies[..] else { unreachable!() };
    let [w1, b1, w2, b2] = &parameters[..] else { unreachable!() };
    for p in &parameters {
        p.set_grad(None).unwrap();
    }
    let hidden = ops::relu(&ops::linear(x, w1, Some(b1)).unwrap()).unwrap();
    let loss = ops::cross_entropy(&ops::linear(&hidden, w2, Some(b2)).unwrap(), y, None, -100, "mean", 0.0).unwrap();
    tape::backward(&loss, None, Options::default()).unwrap();
    let stepped: Vec<Parameter> = parameters
        .iter()
        .zip(states)
        .enumerate()
        .map(|(index, (p, state))| Parameter {
            index,
            param: p.clone(),
            grad: p.grad().unwrap(),
            state,
            rule,
            counts: Some(Arc::default()),
            fresh: true,
        })
        .collect();
    Update::record(&stepped).unwrap();
    let updated = stepped.iter().flat_map(|p| p.state.iter().chain([&p.param]).cloned()).collect();
    drop(stepped);
    let (program, _) = recording.finish(&[loss.detach()], &arguments, Ok).unwrap();
    (Replay::new(program, &[]).unwrap(), updated)
}

/// Allocations of this thread in an epoch that stops after so many steps.
fn allocations(replay: &mut Replay, batches: &Batches, results: &Stacked, steps: usize) -> u64 {
    let (mut done, mut left) = (0, steps);
    let pause = || {
        left -= 1;
        left == 0
    };
    let counted = measure(|| replay.run_batches(batches, &mut done, results, pause).unwrap());
    assert_eq!(done, steps);
    counted.count_total
}

#[test]
#[cfg_attr(miri, ignore = "thousands of steps")]
fn a_replay_allocates_nothing() {
    let g = Generator::new(2);
    let rows = BATCHES * 32;
    let x = g.randn(&[rows, 12], DType::Float32).unwrap();
    let y = g.randint(0, 3, &[rows], DType::Int64).unwrap();
    let rule = |name: &str, numbers: &[(&str, f64)]| {
        let mut rule = AnyRule::named(name).unwrap();
        for &(name, value) in numbers {
            match rule.setting(name).unwrap() {
                Setting::NotNegative(x) | Setting::Fraction(x) => *x = value,
                Setting::Fractions(x) => *x = [value; 2],
                Setting::Flag(_) => panic!("{name} is no number"),
            }
        }
        rule
    };
    let sgd = rule("SGD", &[("lr", 0.1), ("momentum", 0.9)]);
    let adam = rule("Adam", &[("lr", 0.001), ("betas", 0.9), ("eps", 1e-8)]);
    assert!(measure(|| drop(recorded(sgd))).count_total > 0, "allocations are counted");
    for (mut replay, _updated) in [recorded(sgd), recorded(adam)] {
        for shuffled in [false, true] {
            let mut batches = Batches::new(&[x.clone(), y.clone()], 32, false).unwrap();
            if shuffled {
                batches = batches.shuffled(&g).unwrap();
            }
            let results = Stacked::new(BATCHES, replay.result_types()).unwrap();
            // An epoch may make its views and buffers, but nothing for each of its steps.
            let mut run = |steps| allocations(&mut replay, &batches, &results, steps);
            run(BATCHES);
            assert_eq!(run(BATCHES), run(5), "shuffled: {shuffled}");
        }
    }
}
