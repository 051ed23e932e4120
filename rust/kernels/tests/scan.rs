//! Recurrences along rows against loops.

use rgrad_kernels::scan::{cumulate, linear};
use rgrad_kernels::threads;

fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn reference(a: Option<&[f64]>, b: &[f64], len: usize, reverse: bool) -> Vec<f64> {
    let mut out = vec![f64::NAN; b.len()];
    for row in 0..b.len() / len.max(1) {
        let mut state = 0.0;
        let mut order: Vec<usize> = (row * len..(row + 1) * len).collect();
        if reverse {
            order.reverse();
        }
        for i in order {
            state = a.map_or(state + b[i], |a| a[i].mul_add(state, b[i]));
            out[i] = state;
        }
    }
    out
}

#[test]
fn recurrences_of_every_size() {
    for (rows, len) in
        [(0, 3), (3, 0), (1, 1), (1, 17), (4, 16), (5, 15), (3, 33), (if cfg!(miri) { 50 } else { 1000 }, 37)]
    {
        let (a, b) = (numbers(rows * len, 1), numbers(rows * len, 2));
        for reverse in [false, true] {
            for a in [None, Some(&a[..])] {
                for gradients in [false, true] {
                    let mut out = vec![f64::NAN; rows * len];
                    linear(&mut out, a, &b, len, reverse, gradients);
                    assert_eq!(out, reference(a, &b, len, reverse), "{rows} rows of {len}");
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let many = if cfg!(miri) { 20_000 } else { 200_000 };
    let (a, b) = (numbers(many, 3), numbers(many, 4));
    let (a, b): (Vec<f32>, Vec<f32>) = (a.iter().map(|&x| x as f32).collect(), b.iter().map(|&x| x as f32).collect());
    let before = threads::num_threads();
    let run = |n| {
        threads::set_num_threads(n);
        let mut out = vec![f32::NAN; b.len()];
        linear(&mut out, Some(&a), &b, 100, false, false);
        out
    };
    assert!(run(1).iter().zip(&run(4)).all(|(x, y)| x.to_bits() == y.to_bits()));
    threads::set_num_threads(before);
}

#[test]
fn long_rows_of_float32_go_on_growing() {
    let n = if cfg!(miri) { 1000 } else { 1_000_000 };
    for a in [None, Some(vec![1.0_f32; n])] {
        for reverse in [false, true] {
            let mut out = vec![f32::NAN; n];
            linear(&mut out, a.as_deref(), &vec![0.1; n], n, reverse, false);
            let exact = |k: usize| f64::from(0.1_f32) * (if reverse { n - k } else { k + 1 }) as f64;
            assert!(out.iter().enumerate().all(|(k, &x)| (f64::from(x) / exact(k) - 1.0).abs() < 1e-7));
        }
    }
}

#[test]
fn no_factor_makes_a_gradient_of_none() {
    let (a, b) = ([f64::NAN, 2.0, f64::INFINITY, 2.0, 2.0], [0.0, 0.0, 0.0, 1.0, 1.0]);
    let mut out = [f64::NAN; 5];
    linear(&mut out, Some(&a), &b, 5, false, true);
    assert_eq!(out, [0.0, 0.0, 0.0, 1.0, 3.0]);
    linear(&mut out, Some(&a), &b, 5, false, false);
    assert!(out.iter().all(|x| x.is_nan()));
}

#[test]
fn integers_are_summed_and_multiplied() {
    let mut out = [0; 6];
    cumulate(&mut out, &[1_i64, 2, 3, 4, 5, i64::MAX], 3, false);
    assert_eq!(out, [1, 3, 6, 4, 9, i64::MAX.wrapping_add(9)]);
    cumulate(&mut out, &[1, 2, 3, 4, 0, 6], 3, true);
    assert_eq!(out, [1, 2, 6, 4, 0, 0]);
}

#[test]
#[should_panic(expected = "whole rows")]
fn rows_that_are_not_whole_are_refused() {
    linear(&mut [0.0_f32; 5], None, &[0.0; 5], 3, false, false);
}
