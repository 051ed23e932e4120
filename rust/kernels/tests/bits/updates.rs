//! Optimizers' rules and random numbers.

use rgrad_kernels::Float;
use rgrad_kernels::optim::{
    Adadelta, Adagrad, Adam, Counts, MAX_STATES, NAdam, RmsProp, Rule, Sgd, Slot, step, step_one,
};
use rgrad_kernels::random::{Draw, bernoulli_mask, normal, permutation, randint, uniform};

use crate::Row;
use crate::data::{Bits, Hash, odd};

pub const ROWS: &[Row] = &[
    ("optim::step", |hash| {
        steps::<f32>(hash);
        steps::<f64>(hash);
    }),
    ("optim::step_one", |hash| {
        one_step::<f32>(hash);
        one_step::<f64>(hash);
    }),
    ("random::uniform", |hash| {
        draws::<f32>(hash, uniform);
        draws::<f64>(hash, uniform);
    }),
    ("random::normal", |hash| {
        draws::<f32>(hash, normal);
        draws::<f64>(hash, normal);
    }),
    ("random::bernoulli_mask", |hash| {
        draws::<f32>(hash, |out, seed, offset| bernoulli_mask(out, 0.3, 2.0, seed, offset));
        draws::<f64>(hash, |out, seed, offset| bernoulli_mask(out, 0.3, 2.0, seed, offset));
    }),
    ("random::randint", |hash| {
        let mut out = vec![-1; N];
        for (low, high) in [(0, 10), (-5, 1 << 40), (i64::MIN, i64::MAX)] {
            randint(&mut out, low, high, 1, 2);
            hash.add(&out);
        }
    }),
    ("random::permutation", |hash| {
        let mut out = vec![-1; N];
        permutation(&mut out, 1, 2);
        hash.add(&out);
    }),
];

/// More than three tasks of any of them.
const N: usize = 150_001;

fn draws<T: Draw + Bits>(hash: &mut Hash, draw: fn(&mut [T], u64, u64)) {
    let mut out = vec![T::NAN; N];
    for (n, offset) in [(N, 0), (N - 17, 3), (1, 1 << 40), (0, 0)] {
        draw(&mut out[..n], 1, offset);
        hash.add(&out);
    }
}

/// A step of every update rule, with all its state tensors, for a large parameter and a small one.
fn one_step<T: Float + Bits>(hash: &mut Hash) {
    let rule = Sgd { lr: 0.1, momentum: 0.9, dampening: 0.1, weight_decay: 0.1, nesterov: true, maximize: false };
    let (mut p, g, mut buf) = (odd::<T>(N, 1, 997), odd::<T>(N, 3, 991), odd::<T>(N, 5, 983));
    step_one::<T, Sgd>(rule.ready(Counts::default(), false), &mut p, &g, [&mut buf, &mut [], &mut []], 1);
    hash.add(&p);
    hash.add(&buf);
}

fn steps<T: Float + Bits>(hash: &mut Hash) {
    fn run<T: Float + Bits, R: Rule>(hash: &mut Hash, rule: R) {
        let (mut large, mut small) = (odd::<T>(N, 1, 997), odd::<T>(37, 2, 11));
        let (large_g, small_g) = (odd::<T>(N, 3, 991), odd::<T>(37, 4, 13));
        let mut states = [N, 37].map(|n| [(); MAX_STATES].map(|()| vec![T::from_f64(0.5); n]));
        let [of_large, of_small] = states.each_mut().map(|s| s.each_mut().map(Vec::as_mut_slice));
        let counts = rule.count(Counts { step: 2, mu_product: 0.3 });
        let mut slots = [
            Slot { p: &mut large, g: &large_g, state: of_large, rule, counts, fresh: false },
            Slot { p: &mut small, g: &small_g, state: of_small, rule, counts, fresh: false },
        ];
        step(&mut slots);
        for slot in &slots {
            hash.add(slot.p);
            for state in &slot.state {
                hash.add(state);
            }
        }
    }
    let (lr, eps, weight_decay, beta1, beta2, maximize) = (0.1, 1e-8, 0.1, 0.9, 0.99, false);
    let sgd = Sgd { lr, momentum: 0.9, dampening: 0.1, weight_decay, nesterov: true, maximize };
    run::<T, _>(hash, sgd);
    run::<T, _>(hash, Sgd { momentum: 0.0, nesterov: false, ..sgd });
    let adam = Adam { lr, beta1, beta2, eps, weight_decay, decoupled: true, amsgrad: false, maximize };
    run::<T, _>(hash, adam);
    run::<T, _>(hash, Adam { amsgrad: true, decoupled: false, maximize: true, ..adam });
    run::<T, _>(hash, NAdam { lr, beta1, beta2, eps, weight_decay, momentum_decay: 0.1, decoupled: true, maximize });
    let rmsprop = RmsProp { lr, alpha: 0.9, eps, weight_decay, momentum: 0.9, centered: true, maximize };
    run::<T, _>(hash, rmsprop);
    run::<T, _>(hash, RmsProp { centered: false, ..rmsprop });
    run::<T, _>(hash, Adagrad { lr, lr_decay: 0.1, weight_decay, initial_accumulator_value: 0.0, eps, maximize });
    run::<T, _>(hash, Adadelta { lr, rho: 0.9, eps, weight_decay, maximize });
}
