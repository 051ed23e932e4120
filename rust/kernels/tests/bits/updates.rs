//! Optimizers' rules and random numbers.

use rgrad_kernels::Float;
use rgrad_kernels::optim::{
    Adadelta, Adagrad, Adam, AdamW, AnyRule, Counts, MAX_STATES, NAdam, RmsProp, Sgd, Slot, step,
};
use rgrad_kernels::random::{Draw, bernoulli_mask, normal, permutation, randint, uniform};

use crate::Row;
use crate::data::{Bits, Hash, odd};

pub const ROWS: &[Row] = &[
    ("optim::step", |hash| {
        steps::<f32>(hash);
        steps::<f64>(hash);
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
fn steps<T: Float + Bits>(hash: &mut Hash) {
    fn run<T: Float + Bits>(hash: &mut Hash, rule: impl Into<AnyRule>) {
        let rule = rule.into();
        let (mut large, mut small) = (odd::<T>(N, 1, 997), odd::<T>(37, 2, 11));
        let (large_g, small_g) = (odd::<T>(N, 3, 991), odd::<T>(37, 4, 13));
        let mut states = [N, 37].map(|n| [(); MAX_STATES].map(|()| vec![T::from_f64(0.5); n]));
        let [of_large, of_small] = states.each_mut().map(|s| s.each_mut().map(Vec::as_mut_slice));
        let ready = rule.ready(rule.count(Counts { step: 2, mu_product: 0.3 }), false);
        step(&mut [Slot::new(ready, &mut large, &large_g, of_large), Slot::new(ready, &mut small, &small_g, of_small)]);
        for (p, states) in [large, small].iter().zip(&states) {
            hash.add(p);
            for state in states {
                hash.add(state);
            }
        }
    }
    let (lr, eps, weight_decay, betas, maximize) = (0.1, 1e-8, 0.1, [0.9, 0.99], false);
    let sgd = Sgd { lr, momentum: 0.9, dampening: 0.1, weight_decay, nesterov: true, maximize };
    run::<T>(hash, sgd);
    run::<T>(hash, Sgd { momentum: 0.0, nesterov: false, ..sgd });
    run::<T>(hash, AdamW { lr, betas, eps, weight_decay, amsgrad: false, maximize });
    run::<T>(hash, Adam::<false> { lr, betas, eps, weight_decay, amsgrad: true, maximize: true });
    let nadam = NAdam { lr, betas, eps, weight_decay, momentum_decay: 0.1, decoupled_weight_decay: true, maximize };
    run::<T>(hash, nadam);
    let rmsprop = RmsProp { lr, alpha: 0.9, eps, weight_decay, momentum: 0.9, centered: true, maximize };
    run::<T>(hash, rmsprop);
    run::<T>(hash, RmsProp { centered: false, ..rmsprop });
    run::<T>(hash, Adagrad { lr, lr_decay: 0.1, weight_decay, initial_accumulator_value: 0.0, eps, maximize });
    run::<T>(hash, Adadelta { lr, rho: 0.9, eps, weight_decay, maximize });
}
