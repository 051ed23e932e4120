//! Random streams: published test vectors, independence of how a stream is divided, and distributions.

use rgrad_kernels::random::{bernoulli_mask, normal, permutation, randint, uniform};

/// Elements of a stream; fewer in Miri.
const WHOLE: usize = if cfg!(miri) { 150 } else { 1000 };

/// Divides a stream in many ways; all must give the same elements.
fn check_cuts<T: PartialEq + Copy + std::fmt::Debug>(empty: T, draw: impl Fn(&mut [T], u64)) {
    let mut whole = [empty; WHOLE];
    draw(&mut whole, 40);
    for (start, len) in
        [(0, 1), (0, WHOLE - 1), (1, 63), (5, WHOLE / 3 * 2), (63, 2), (64, 64), (WHOLE - 1, 1), (50, 0)]
    {
        let mut part = vec![empty; len];
        draw(&mut part, 40 + start as u64);
        assert_eq!(part, whole[start..start + len], "from {start}, {len} elements");
    }
    let many = if cfg!(miri) { WHOLE } else { 100_000 };
    let mut long = vec![empty; many];
    draw(&mut long, 40);
    assert_eq!(long[..WHOLE], whole);
    let mut end = [empty; 10];
    draw(&mut end, 40 + many as u64 - 10);
    assert_eq!(long[many - 10..], end);
}

#[test]
fn an_element_depends_on_its_offset_alone() {
    check_cuts(f32::NAN, |out, at| uniform(out, 1, at));
    check_cuts(f64::NAN, |out, at| uniform(out, 1, at));
    check_cuts(f32::NAN, |out, at| normal(out, 1, at));
    check_cuts(f64::NAN, |out, at| normal(out, 1, at));
    check_cuts(f32::NAN, |out, at| bernoulli_mask(out, 0.5, 2.0, 1, at));
    check_cuts(-1, |out, at| randint(out, 0, 1 << 40, 1, at));
}

/// Mean, variance, skewness and kurtosis.
fn moments(x: &[f64]) -> [f64; 4] {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let central = |k: i32| x.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    let variance = central(2);
    [mean, variance, central(3) / variance.powf(1.5), central(4) / variance.powi(2)]
}

fn assert_moments(x: &[f64], want: [f64; 4]) {
    // Five standard deviations of the estimates, roughly.
    for (got, want) in moments(x).into_iter().zip(want) {
        assert!((got - want).abs() < 25.0 / (x.len() as f64).sqrt(), "{:?}", moments(x));
    }
}

#[test]
#[cfg_attr(miri, ignore = "statistics of many numbers")]
fn uniform_numbers_are_uniform() {
    let (mut single, mut double) = (vec![f32::NAN; 1_000_000], vec![f64::NAN; 1_000_000]);
    uniform(&mut single, 3, 0);
    uniform(&mut double, 3, 0);
    assert!(single.iter().all(|x| (0.0..1.0).contains(x)));
    assert!(double.iter().all(|x| (0.0..1.0).contains(x)));
    let single: Vec<f64> = single.into_iter().map(f64::from).collect();
    assert_moments(&single, [0.5, 1.0 / 12.0, 0.0, 1.8]);
    assert_moments(&double, [0.5, 1.0 / 12.0, 0.0, 1.8]);
    // Adjacent elements are independent, and so are the streams of different types and seeds.
    let mut other = vec![f64::NAN; 1_000_000];
    uniform(&mut other, 4, 0);
    for (a, b) in [(&double[1..], &double[..]), (&double, &single), (&double, &other)] {
        let covariance: f64 = a.iter().zip(b).map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f64>() / 1e6;
        assert!(covariance.abs() < 5.0 / 12.0 / 1000.0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "statistics of many numbers")]
fn normal_numbers_are_normal() {
    let (mut single, mut double) = (vec![f32::NAN; 1_000_000], vec![f64::NAN; 1_000_000]);
    normal(&mut single, 5, 0);
    normal(&mut double, 5, 0);
    let single: Vec<f64> = single.into_iter().map(f64::from).collect();
    for x in [&single, &double] {
        assert_moments(x, [0.0, 1.0, 0.0, 3.0]);
        let beyond = |limit: f64| x.iter().filter(|x| x.abs() > limit).count() as f64 / 1e6;
        assert!((beyond(1.0) - 0.317_31).abs() < 0.003);
        assert!((beyond(3.0) - 0.002_70).abs() < 0.000_3);
        assert!(beyond(6.8) == 0.0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "statistics of many numbers")]
fn masks_keep_what_they_should() {
    let mut mask = vec![f32::NAN; 1_000_000];
    bernoulli_mask(&mut mask, 0.8, 1.25, 6, 0);
    assert!(mask.iter().all(|&x| x == 0.0 || x == 1.25));
    assert!((mask.iter().filter(|x| **x > 0.0).count() as f64 / 1e6 - 0.8).abs() < 0.002);
    for (keep, want) in [(1.0, 3.0), (0.0, 0.0)] {
        bernoulli_mask(&mut mask, keep, 3.0, 6, 0);
        assert!(mask.iter().all(|&x| x == want));
    }
}

#[test]
#[cfg_attr(miri, ignore = "statistics of many numbers")]
fn integers_fill_their_range() {
    let mut x = vec![7; 100_000];
    randint(&mut x, -3, 4, 7, 0);
    for value in -3..4 {
        let share = x.iter().filter(|x| **x == value).count() as f64 / 1e5;
        assert!((share - 1.0 / 7.0).abs() < 0.006, "{value}: {share}");
    }
    randint(&mut x, i64::MIN, i64::MAX, 7, 0);
    assert!(x.iter().any(|x| *x < i64::MIN / 2) && x.iter().any(|x| *x > i64::MAX / 2));
}

#[test]
#[cfg_attr(miri, ignore = "statistics of many numbers")]
fn permutations_hold_everything_once_and_are_all_as_likely() {
    for n in [0, 1, 2, 33, 60_000] {
        let mut x = vec![-1; n];
        permutation(&mut x, 8, 0);
        let mut sorted = x.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..n as i64));
        assert!(n < 33 || !x.is_sorted());
    }
    let mut counts = std::collections::HashMap::new();
    for offset in 0..24_000 {
        let mut x = [0; 4];
        permutation(&mut x, 9, offset);
        *counts.entry(x).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 24);
    assert!(counts.values().all(|&n| (850..1150).contains(&n)), "{counts:?}");
}

#[test]
#[should_panic(expected = "range")]
fn an_empty_range_is_refused() {
    randint(&mut [0], 3, 3, 0, 0);
}
