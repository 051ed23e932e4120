//! Optimizer updates, against PyTorch's formulas written out one number at a time in double precision.

mod strided;

use std::fmt::Debug;

use rgrad_kernels::optim::{
    Adadelta, Adagrad, Adam, AdamW, AnyRule, Counts, MAX_STATES, NAdam, RmsProp, Setting, Sgd, Slot, step,
};
use strided::numbers;

const SGD: Sgd = Sgd { lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
const ADAM: Adam<false> =
    Adam { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, amsgrad: false, maximize: false };
const NADAM: NAdam = NAdam {
    lr: 2e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weight_decay: 0.0,
    momentum_decay: 4e-3,
    decoupled_weight_decay: false,
    maximize: false,
};
const RMSPROP: RmsProp =
    RmsProp { lr: 0.01, alpha: 0.9, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false, maximize: false };
const ADAGRAD: Adagrad =
    Adagrad { lr: 0.01, lr_decay: 0.0, weight_decay: 0.0, initial_accumulator_value: 0.0, eps: 1e-10, maximize: false };
const ADADELTA: Adadelta = Adadelta { lr: 1.0, rho: 0.9, eps: 1e-6, weight_decay: 0.0, maximize: false };
const SIZES: [usize; 8] = [0, 1, 7, 8, 9, 17, 100, if cfg!(miri) { 18 } else { 40_000 }];

/// The slot of a parameter at this step.
fn slot<'a, T>(
    rule: impl Into<AnyRule>,
    at: u64,
    p: &'a mut [T],
    g: &'a [T],
    state: [&'a mut [T]; MAX_STATES],
) -> Slot<'a, T> {
    let rule = rule.into();
    let counts = (0..at).fold(Counts::default(), |counts, _| rule.count(counts));
    Slot::new(rule.ready(counts, at == 1), p, g, state)
}

/// Three steps by the kernel, on several parameters at once, and by `formula`, which gets the step's number, the
/// parameter, its gradient with sign and L2 penalty, and its state.
fn check(
    rule: impl Into<AnyRule> + Debug,
    (decay, maximize): (f64, bool),
    formula: impl Fn(i32, &mut f64, f64, &mut [f64; MAX_STATES]),
) {
    let rule = rule.into();
    let start: Vec<Vec<f64>> = SIZES.iter().map(|&n| numbers(n, 1)).collect();
    let filled = |n: usize| [(); MAX_STATES].map(|()| vec![rule.initial(); n]);
    let mut state: Vec<_> = SIZES.iter().map(|&n| filled(n)).collect();
    let (mut p, mut want) = (start.clone(), start);
    let mut want_state: Vec<_> = SIZES.iter().map(|&n| vec![[rule.initial(); MAX_STATES]; n]).collect();
    for t in 1..4 {
        let g: Vec<Vec<f64>> = SIZES.iter().map(|&n| numbers(n, 2 + t)).collect();
        let slots = p.iter_mut().zip(&g).zip(&mut state);
        let slots = slots.map(|((p, g), state)| slot(rule, t, p, g, state.each_mut().map(Vec::as_mut_slice)));
        step(&mut slots.collect::<Vec<_>>());
        for ((p, g), state) in want.iter_mut().flatten().zip(g.iter().flatten()).zip(want_state.iter_mut().flatten()) {
            let g = if maximize { -g } else { *g } + decay * *p;
            formula(t as i32, p, g, state);
        }
    }
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * (1.0 + b.abs());
    assert!(p.iter().flatten().zip(want.iter().flatten()).all(|(a, b)| close(*a, *b)), "{rule:?}");
    for (state, want) in state.iter().zip(&want_state) {
        for (i, _) in rule.states().iter().enumerate() {
            assert!(state[i].iter().zip(want).all(|(a, b)| close(*a, b[i])), "{rule:?}, state {i}");
        }
    }
}

#[test]
fn sgd_is_pytorchs() {
    let run = |h: Sgd| {
        check(h, (h.weight_decay, h.maximize), |t, p, g, [buf, ..]| {
            *buf = if t == 1 { g } else { h.momentum * *buf + (1.0 - h.dampening) * g };
            let along = if h.nesterov { g + h.momentum * *buf } else { *buf };
            *p -= h.lr * if h.momentum == 0.0 { g } else { along };
        });
    };
    run(SGD);
    run(Sgd { weight_decay: 0.01, maximize: true, ..SGD });
    run(Sgd { momentum: 0.9, ..SGD });
    run(Sgd { momentum: 0.9, dampening: 0.3, weight_decay: 0.01, ..SGD });
    run(Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.01, ..SGD });
}

#[test]
fn adam_is_pytorchs() {
    fn run<const DECOUPLED: bool>(h: Adam<DECOUPLED>)
    where
        AnyRule: From<Adam<DECOUPLED>>,
    {
        let added = if DECOUPLED { 0.0 } else { h.weight_decay };
        check(h, (added, h.maximize), |t, p, g, [m, v, top]| {
            *p *= 1.0 - h.lr * (h.weight_decay - added);
            *m += (g - *m) * (1.0 - h.betas[0]);
            *v = h.betas[1] * *v + (1.0 - h.betas[1]) * g * g;
            *top = top.max(*v);
            let square = if h.amsgrad { *top } else { *v } / (1.0 - h.betas[1].powi(t));
            *p -= h.lr / (1.0 - h.betas[0].powi(t)) * *m / (square.sqrt() + h.eps);
        });
    }
    let adamw = Adam { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.1, ..AdamW::default() };
    run(ADAM);
    run(Adam { weight_decay: 0.1, ..ADAM });
    run(Adam { maximize: true, ..adamw });
    run(Adam { betas: [0.9, 0.1], amsgrad: true, ..adamw });
}

#[test]
fn nadam_is_pytorchs() {
    let run = |h: NAdam| {
        let added = if h.decoupled_weight_decay { 0.0 } else { h.weight_decay };
        let mu = |t: i32| h.betas[0] * (1.0 - 0.5 * 0.96_f64.powf(f64::from(t) * h.momentum_decay));
        check(h, (added, h.maximize), |t, p, g, [m, v, _]| {
            *p *= 1.0 - h.lr * (h.weight_decay - added);
            *m += (g - *m) * (1.0 - h.betas[0]);
            *v = h.betas[1] * *v + (1.0 - h.betas[1]) * g * g;
            let denominator = (*v / (1.0 - h.betas[1].powi(t))).sqrt() + h.eps;
            let product: f64 = (1..=t).map(mu).product();
            *p -= h.lr * (1.0 - mu(t)) / (1.0 - product) * g / denominator;
            *p -= h.lr * mu(t + 1) / (1.0 - product * mu(t + 1)) * *m / denominator;
        });
    };
    run(NADAM);
    run(NAdam { weight_decay: 0.1, momentum_decay: 0.5, maximize: true, ..NADAM });
    run(NAdam { weight_decay: 0.1, decoupled_weight_decay: true, ..NADAM });
}

#[test]
fn rmsprop_is_pytorchs() {
    let run = |h: RmsProp| {
        check(h, (h.weight_decay, h.maximize), |_, p, g, [v, x, y]| {
            *v = h.alpha * *v + (1.0 - h.alpha) * g * g;
            let mut square = *v;
            let buf = if h.centered {
                *x += (g - *x) * (1.0 - h.alpha);
                square -= *x * *x;
                y
            } else {
                x
            };
            let scaled = g / (square.sqrt() + h.eps);
            if h.momentum == 0.0 {
                *p -= h.lr * scaled;
            } else {
                *buf = h.momentum * *buf + scaled;
                *p -= h.lr * *buf;
            }
        });
    };
    run(RMSPROP);
    run(RmsProp { weight_decay: 0.1, maximize: true, ..RMSPROP });
    run(RmsProp { momentum: 0.9, ..RMSPROP });
    run(RmsProp { centered: true, ..RMSPROP });
    run(RmsProp { centered: true, momentum: 0.9, ..RMSPROP });
}

#[test]
fn adagrad_is_pytorchs() {
    let run = |h: Adagrad| {
        check(h, (h.weight_decay, h.maximize), |t, p, g, [sum, ..]| {
            *sum += g * g;
            *p -= h.lr / (1.0 + f64::from(t - 1) * h.lr_decay) * g / (sum.sqrt() + h.eps);
        });
    };
    run(ADAGRAD);
    run(Adagrad { lr_decay: 0.5, weight_decay: 0.1, initial_accumulator_value: 0.3, maximize: true, ..ADAGRAD });
}

#[test]
fn adadelta_is_pytorchs() {
    let run = |h: Adadelta| {
        check(h, (h.weight_decay, h.maximize), |_, p, g, [v, u, _]| {
            *v = h.rho * *v + (1.0 - h.rho) * g * g;
            let d = (*u + h.eps).sqrt() / (*v + h.eps).sqrt() * g;
            *u = h.rho * *u + (1.0 - h.rho) * d * d;
            *p -= h.lr * d;
        });
    };
    run(ADADELTA);
    run(Adadelta { lr: 0.5, rho: 0.5, weight_decay: 0.1, maximize: true, ..ADADELTA });
}

#[test]
fn slots_have_rules_and_steps_of_their_own() {
    let (mut a, mut b) = ([1.0_f64; 3], [1.0; 5]);
    let (g, h) = ([0.5; 3], [0.5; 5]);
    let rule = Adagrad { lr: 1.0, eps: 0.0, ..ADAGRAD };
    let (mut sum, mut other) = ([0.0; 3], [0.0; 5]);
    let first = slot(rule, 1, &mut a, &g, [&mut sum, &mut [], &mut []]);
    let second = slot(Adagrad { lr_decay: 1.0, ..rule }, 4, &mut b, &h, [&mut other, &mut [], &mut []]);
    step(&mut [first, second]);
    assert_eq!((a, b), ([0.0; 3], [0.75; 5]));
}

#[test]
fn moments_never_become_subnormal() {
    let (mut p, g) = ([1.0_f32; 20], [0.0; 20]);
    let (mut m, mut v) = ([1e-30_f32; 20], [1e-30_f32; 20]);
    for t in 1..if cfg!(miri) { 800 } else { 2000 } {
        step(&mut [slot(Adam { betas: [0.9, 0.9], ..ADAM }, t, &mut p, &g, [&mut m, &mut v, &mut []])]);
        assert!(m.iter().chain(&v).all(|x| *x == 0.0 || x.is_normal()));
    }
    assert_eq!((m, v), ([0.0; 20], [0.0; 20]));
}

#[test]
fn a_variance_that_rounding_makes_negative_is_zero() {
    let (mut p, g) = ([1.0_f32; 20], [0.3; 20]);
    let (mut v, mut mean) = ([0.0; 20], [0.0; 20]);
    for t in 1..if cfg!(miri) { 20 } else { 500 } {
        step(&mut [slot(
            RmsProp { centered: true, eps: 1e-3, ..RMSPROP },
            t,
            &mut p,
            &g,
            [&mut v, &mut mean, &mut []],
        )]);
    }
    assert!(p.iter().all(|p| p.is_finite()));
}

#[test]
fn single_precision() {
    let (mut p, g) = ([1.0_f32, 2.0], [0.5, -4.0]);
    step(&mut [slot(SGD, 1, &mut p, &g, [&mut [], &mut [], &mut []])]);
    assert_eq!(p, [0.95, 2.4]);
    step::<f32>(&mut []);
}

#[test]
#[should_panic(expected = "a state has its parameter's length")]
fn momentum_without_a_buffer_is_refused() {
    let rule = Sgd { momentum: 0.9, ..SGD };
    step(&mut [slot(rule, 1, &mut [1.0_f32], &[1.0], [&mut [], &mut [], &mut []])]);
}

#[test]
fn settings_are_found_by_their_names() {
    for name in ["SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Adadelta"] {
        let mut rule = AnyRule::named(name).unwrap();
        assert_eq!(rule.name(), name);
        for setting in rule.settings() {
            match rule.setting(setting).unwrap() {
                Setting::NotNegative(x) | Setting::Fraction(x) => *x = 0.5,
                Setting::Fractions(x) => *x = [0.5; 2],
                Setting::Flag(x) => *x = true,
            }
        }
        assert!(rule.setting("colour").is_none());
        assert!(rule.states().iter().all(|state| rule.all_states().contains(state)), "{rule:?}");
    }
    assert_eq!(AnyRule::named("Adam9"), None);
    let mut sgd = AnyRule::from(SGD);
    let Some(Setting::NotNegative(lr)) = sgd.setting("lr") else { panic!("lr is a number") };
    *lr = 0.7;
    assert_eq!(sgd, Sgd { lr: 0.7, ..SGD }.into());
    assert!(sgd.conflict().is_none() && AnyRule::from(Sgd { nesterov: true, ..SGD }).conflict().is_some());
}
