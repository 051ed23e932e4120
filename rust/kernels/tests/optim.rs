//! Optimizer updates, against PyTorch's formulas written out one number at a time in double precision.

mod strided;

use rgrad_kernels::optim::{Adam, AdamSlot, Sgd, SgdSlot, adam, sgd};
use strided::numbers;

const PLAIN: Sgd = Sgd { lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
const ADAM: Adam = Adam {
    lr: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
    decoupled: false,
    maximize: false,
    step: 1,
};
const SIZES: [usize; 8] = [0, 1, 7, 8, 9, 17, 1000, 40_000];

/// Three steps by the kernel, on several parameters at once, and by the formulas.
fn check_sgd(h: Sgd) {
    let start: Vec<Vec<f64>> = SIZES.iter().map(|&n| numbers(n, 1)).collect();
    let (mut p, mut buf) = (start.clone(), start.iter().map(|p| vec![f64::NAN; p.len()]).collect::<Vec<_>>());
    let (mut want, mut want_buf) = (start, buf.clone());
    for step in 0..3 {
        let g: Vec<Vec<f64>> = SIZES.iter().map(|&n| numbers(n, 2 + step)).collect();
        let slots = p.iter_mut().zip(&mut buf).zip(&g);
        let mut slots: Vec<_> = slots
            .map(|((p, buf), g)| SgdSlot { p, g, buf: (h.momentum != 0.0).then_some(buf), first: step == 0 })
            .collect();
        sgd(&mut slots, h);
        for ((p, buf), g) in want.iter_mut().flatten().zip(want_buf.iter_mut().flatten()).zip(g.iter().flatten()) {
            let mut d = if h.maximize { -g } else { *g } + h.weight_decay * *p;
            if h.momentum != 0.0 {
                *buf = if step == 0 { d } else { h.momentum * *buf + (1.0 - h.dampening) * d };
                d = if h.nesterov { d + h.momentum * *buf } else { *buf };
            }
            *p -= h.lr * d;
        }
    }
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-14;
    assert!(p.iter().flatten().zip(want.iter().flatten()).all(close), "{h:?}");
}

#[test]
fn sgd_is_pytorchs() {
    check_sgd(PLAIN);
    check_sgd(Sgd { weight_decay: 0.01, maximize: true, ..PLAIN });
    check_sgd(Sgd { momentum: 0.9, ..PLAIN });
    check_sgd(Sgd { momentum: 0.9, dampening: 0.3, weight_decay: 0.01, ..PLAIN });
    check_sgd(Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.01, ..PLAIN });
}

fn check_adam(h: Adam) {
    let start: Vec<Vec<f64>> = SIZES.iter().map(|&n| numbers(n, 1)).collect();
    let zeros: Vec<Vec<f64>> = SIZES.iter().map(|&n| vec![0.0; n]).collect();
    let (mut p, mut m, mut v) = (start.clone(), zeros.clone(), zeros.clone());
    let (mut want, mut want_m, mut want_v) = (start, zeros.clone(), zeros);
    for step in 1..4 {
        let g: Vec<Vec<f64>> = SIZES.iter().map(|&n| numbers(n, 2 + step)).collect();
        let slots = p.iter_mut().zip(&g).zip(m.iter_mut().zip(&mut v));
        let mut slots: Vec<_> = slots.map(|((p, g), (m, v))| AdamSlot { p, g, m, v }).collect();
        adam(&mut slots, Adam { step, ..h });
        let moments = want_m.iter_mut().flatten().zip(want_v.iter_mut().flatten());
        for ((p, g), (m, v)) in want.iter_mut().flatten().zip(g.iter().flatten()).zip(moments) {
            let mut g = if h.maximize { -g } else { *g };
            if h.decoupled {
                *p *= 1.0 - h.lr * h.weight_decay;
            } else {
                g += h.weight_decay * *p;
            }
            *m += (g - *m) * (1.0 - h.beta1);
            *v = h.beta2 * *v + (1.0 - h.beta2) * g * g;
            let correction = |beta: f64| 1.0 - beta.powi(step as i32);
            let denominator = v.sqrt() / correction(h.beta2).sqrt() + h.eps;
            *p -= h.lr / correction(h.beta1) * *m / denominator;
        }
    }
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-14;
    assert!(p.iter().flatten().zip(want.iter().flatten()).all(close), "{h:?}");
    assert!(v.iter().flatten().zip(want_v.iter().flatten()).all(close), "{h:?}");
}

#[test]
fn adam_is_pytorchs() {
    check_adam(ADAM);
    check_adam(Adam { weight_decay: 0.1, ..ADAM });
    check_adam(Adam { weight_decay: 0.1, decoupled: true, maximize: true, ..ADAM });
}

#[test]
fn moments_never_become_subnormal() {
    let (mut p, g) = ([1.0_f32; 20], [0.0; 20]);
    let (mut m, mut v) = ([1e-30_f32; 20], [1e-30_f32; 20]);
    for step in 1..2000 {
        adam(&mut [AdamSlot { p: &mut p, g: &g, m: &mut m, v: &mut v }], Adam { beta2: 0.9, step, ..ADAM });
        assert!(m.iter().chain(&v).all(|x| *x == 0.0 || x.is_normal()));
    }
    assert_eq!((m, v), ([0.0; 20], [0.0; 20]));
}

#[test]
fn single_precision() {
    let (mut p, g) = ([1.0_f32, 2.0], [0.5, -4.0]);
    sgd(&mut [SgdSlot { p: &mut p, g: &g, buf: None, first: true }], PLAIN);
    assert_eq!(p, [0.95, 2.4]);
    sgd::<f32>(&mut [], PLAIN);
}

#[test]
#[should_panic(expected = "momentum needs a buffer")]
fn momentum_without_a_buffer_is_refused() {
    sgd(&mut [SgdSlot { p: &mut [1.0_f32], g: &[1.0], buf: None, first: true }], Sgd { momentum: 0.9, ..PLAIN });
}
