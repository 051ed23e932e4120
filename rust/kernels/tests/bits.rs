//! The same bits for every instruction set and any number of threads.
#![allow(clippy::items_after_statements, reason = "the list of kernels stands where it is used")]

mod strided;

use std::process::Command;

use rgrad_kernels::map::{Binary, Unary, binary, unary};
use rgrad_kernels::optim::{Adadelta, Adagrad, Adam, Counts, MAX_STATES, NAdam, RmsProp, Rule, Sgd, Slot, step};
use rgrad_kernels::random::{Draw, bernoulli_mask, normal, uniform};
use rgrad_kernels::reduce::{Axes, Reduce, reduce};
use rgrad_kernels::simd::{self, Real};
use rgrad_kernels::softmax::{cross_entropy, log_softmax, logsumexp, softmax, softmax_grad};
use rgrad_kernels::{View, threads};
use strided::numbers;

/// A number that changes with any bit of any result (NaN counts as one value).
struct Hash(u64);

impl Hash {
    fn add<T: Real>(&mut self, x: &[T]) {
        for x in x {
            let bits = if x.to_f64().is_nan() { 1 } else { x.to_f64().to_bits() };
            self.0 = (self.0 ^ bits).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
        }
    }
}

/// Runs every kind of kernel on more elements than one thread is given.
fn all_kernels<T: Draw>(hash: &mut Hash) {
    let n = 70_001;
    let x: Vec<T> = numbers(n, 1).into_iter().map(|x| T::from_f64(x * x * x)).collect();
    let y: Vec<T> = numbers(n, 2).into_iter().map(T::from_f64).collect();
    let mut out = vec![T::NAN; n];
    use Unary::{Exp, Expm1, Log, Log1p, LogSigmoid, Rsqrt, Sigmoid, Softplus, Sqrt, Tanh};
    for op in [Exp, Expm1, Log, Log1p, LogSigmoid, Rsqrt, Sigmoid, Softplus, Sqrt, Tanh] {
        unary(op, &mut out, &[n], View::new(&x, &[1]));
        hash.add(&out);
    }
    use Binary::{Div, Maximum, Pow, SigmoidGrad, TanhGrad};
    for op in [Div, Maximum, Pow, SigmoidGrad, TanhGrad] {
        binary(op, &mut out, &[n], View::new(&x, &[1]), View::new(&y, &[1]));
        hash.add(&out);
    }
    for op in [Reduce::Sum, Reduce::Prod, Reduce::Max] {
        let mut rows = [T::NAN; 7];
        reduce(op, &mut rows, &x, Axes::new(&[7], &[10_000]), Axes::new(&[10_000], &[1]));
        hash.add(&rows);
        let mut columns = [T::NAN; 700];
        reduce(op, &mut columns, &x, Axes::new(&[700], &[1]), Axes::new(&[100], &[700]));
        hash.add(&columns);
        let mut all = [T::NAN];
        reduce(op, &mut all, &x, Axes::new(&[], &[]), Axes::new(&[n / 2], &[2]));
        hash.add(&all);
    }
    for cols in [10, 100] {
        let rows = 700;
        let (x, g, out) = (&x[..rows * cols], &y[..rows * cols], &mut out[..rows * cols]);
        let labels: Vec<i64> = (0..rows as i64).map(|r| r % 10).collect();
        let mut loss = vec![T::NAN; rows];
        cross_entropy(&mut loss, Some(out), x, &labels, cols, T::from_f64(0.1)).unwrap();
        hash.add(&loss);
        hash.add(out);
        logsumexp(&mut loss, x, cols);
        hash.add(&loss);
        log_softmax(out, x, cols);
        hash.add(out);
        softmax(out, x, cols);
        hash.add(out);
        let mut grad = vec![T::NAN; out.len()];
        softmax_grad(&mut grad, out, g, cols);
        hash.add(&grad);
    }
    optimizers(hash, &x, &y);
    uniform(&mut out, 1, 2);
    hash.add(&out);
    normal(&mut out, 1, 2);
    hash.add(&out);
    bernoulli_mask(&mut out, 0.3, T::ONE, 1, 2);
    hash.add(&out);
}

/// A step of every update rule, with as many states as it can have.
fn optimizers<T: Real>(hash: &mut Hash, p: &[T], g: &[T]) {
    fn run<T: Real, R: Rule>(hash: &mut Hash, p: &[T], g: &[T], rule: R) {
        let mut p = p.to_vec();
        let mut state = [(); MAX_STATES].map(|()| vec![T::from_f64(0.5); p.len()]);
        let counts = rule.count(Counts { step: 2, mu_product: 0.3 });
        let states = state.each_mut().map(Vec::as_mut_slice);
        step(&mut [Slot { p: &mut p, g, state: states, rule, counts, fresh: false }]);
        hash.add(&p);
        for x in &state {
            hash.add(x);
        }
    }
    let (lr, eps, weight_decay, beta1, beta2, maximize) = (0.1, 1e-8, 0.1, 0.9, 0.99, false);
    run(hash, p, g, Sgd { lr, momentum: 0.9, dampening: 0.1, weight_decay, nesterov: true, maximize });
    let adam = Adam { lr, beta1, beta2, eps, weight_decay, decoupled: true, amsgrad: false, maximize };
    run(hash, p, g, adam);
    run(hash, p, g, Adam { amsgrad: true, decoupled: false, ..adam });
    run(hash, p, g, NAdam { lr, beta1, beta2, eps, weight_decay, momentum_decay: 0.1, decoupled: true, maximize });
    let rmsprop = RmsProp { lr, alpha: 0.9, eps, weight_decay, momentum: 0.9, centered: true, maximize };
    run(hash, p, g, rmsprop);
    run(hash, p, g, RmsProp { centered: false, ..rmsprop });
    run(hash, p, g, Adagrad { lr, lr_decay: 0.1, weight_decay, initial_accumulator_value: 0.0, eps, maximize });
    run(hash, p, g, Adadelta { lr, rho: 0.9, eps, weight_decay, maximize });
}

/// Prints the hash of all results; [`bits_are_the_same_everywhere`] runs it in processes of their own, since an instruction
/// set is chosen once a process.
#[test]
fn print_bits() {
    let mut hash = Hash(0);
    all_kernels::<f32>(&mut hash);
    all_kernels::<f64>(&mut hash);
    println!("bits {:016x} isa {} threads {}", hash.0, simd::isa().name(), threads::num_threads());
}

#[test]
fn bits_are_the_same_everywhere() {
    let bits = |isa: &str, threads: &str| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "print_bits", "--nocapture"]).env("RGRAD_ISA", isa).env("RGRAD_NUM_THREADS", threads);
        let printed = String::from_utf8(child.output().unwrap().stdout).unwrap();
        let words: Vec<&str> = printed.split_whitespace().collect();
        let at = words.iter().position(|w| *w == "bits").expect("the child prints its bits");
        assert_eq!(words[at + 2..at + 6], ["isa", isa, "threads", threads], "the child runs as asked");
        words[at + 1].to_owned()
    };
    let isas = simd::available();
    let want = bits(isas[0].name(), "1");
    for isa in isas {
        for threads in ["1", "2", "5"] {
            assert_eq!(bits(isa.name(), threads), want, "{isa:?} with {threads} threads");
        }
    }
}
