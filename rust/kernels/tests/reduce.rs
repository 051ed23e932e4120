//! Reductions over every subset of dimensions, against sums in higher precision.

mod strided;

use rgrad_kernels::reduce::{Axes, Reduce, arg_reduce, reduce, reduce_int, sum_int};
use strided::{indices, layouts, numbers, place, reach, shapes};

/// Shapes, strides of the kept and the reduced dimensions, for every subset of dimensions of every layout.
fn for_subsets(check: impl Fn(Axes, Axes, usize)) {
    for shape in shapes().into_iter().filter(|s| s.len() <= 4) {
        for strides in layouts(&shape) {
            for subset in 0..1_u32 << shape.len() {
                let pick = |kept: bool| -> (Vec<usize>, Vec<usize>) {
                    let dims = (0..shape.len()).filter(|d| (subset >> d & 1 == 1) == kept);
                    dims.map(|d| (shape[d], strides[d])).unzip()
                };
                let ((ks, kst), (rs, rst)) = (pick(true), pick(false));
                check(Axes::new(&ks, &kst), Axes::new(&rs, &rst), reach(&shape, &strides));
            }
        }
    }
}

/// The elements that are reduced to each output.
fn groups<T: Copy>(x: &[T], kept: Axes, reduced: Axes) -> Vec<Vec<T>> {
    let offsets = |a: Axes| -> Vec<usize> { indices(a.shape).iter().map(|i| place(i, a.strides)).collect() };
    let inner = offsets(reduced);
    offsets(kept).iter().map(|k| inner.iter().map(|r| x[k + r]).collect()).collect()
}

#[test]
fn sums_over_all_dimensions_and_layouts() {
    for_subsets(|kept, reduced, n| {
        let x: Vec<f32> = numbers(n, 1).iter().map(|&x| x as f32).collect();
        let groups = groups(&x, kept, reduced);
        let mut got = vec![f32::NAN; groups.len()];
        reduce(Reduce::Sum, &mut got, &x, kept, reduced);
        for (got, group) in got.iter().zip(&groups) {
            let exact: f64 = group.iter().map(|&x| f64::from(x)).sum();
            let size: f64 = group.iter().map(|&x| f64::from(x.abs())).sum();
            assert!((f64::from(*got) - exact).abs() <= 1e-6 * size, "{kept:?} {reduced:?}: {got} is not {exact}");
        }
    });
}

#[test]
fn extremes_over_all_dimensions_and_layouts() {
    for_subsets(|kept, reduced, n| {
        let x = numbers(n, 2);
        let groups = groups(&x, kept, reduced);
        let mut got = vec![f64::NAN; groups.len()];
        reduce(Reduce::Max, &mut got, &x, kept, reduced);
        let want = groups.iter().map(|g| g.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b)));
        assert!(got.iter().copied().eq(want), "{kept:?} {reduced:?}");
        reduce(Reduce::Min, &mut got, &x, kept, reduced);
        let want = groups.iter().map(|g| g.iter().fold(f64::INFINITY, |a, &b| a.min(b)));
        assert!(got.iter().copied().eq(want), "{kept:?} {reduced:?}");
    });
}

#[test]
fn places_of_extremes_over_all_dimensions_and_layouts() {
    for_subsets(|kept, reduced, n| {
        // Few distinct values, so that there are ties.
        let x: Vec<f32> = numbers(n, 3).iter().map(|x| x.round() as f32).collect();
        let groups = groups(&x, kept, reduced);
        if groups.iter().any(Vec::is_empty) {
            return;
        }
        for max in [true, false] {
            let mut got = vec![-7; groups.len()];
            arg_reduce(max, &mut got, &x, kept, reduced);
            for (got, group) in got.iter().zip(&groups) {
                let better = |a: f32, b: f32| if max { a > b } else { a < b };
                let want = (0..group.len()).fold(0, |best, i| if better(group[i], group[best]) { i } else { best });
                assert_eq!(*got, want as i64, "{kept:?} {reduced:?}");
            }
        }
    });
}

#[test]
fn integers_over_all_dimensions_and_layouts() {
    for_subsets(|kept, reduced, n| {
        let x: Vec<u8> = numbers(n, 4).iter().map(|x| ((x + 4.0) * 31.0) as u8).collect();
        let groups = groups(&x, kept, reduced);
        let mut sums = vec![-7; groups.len()];
        sum_int(&mut sums, &x, kept, reduced);
        assert!(sums.iter().copied().eq(groups.iter().map(|g| g.iter().map(|&x| i64::from(x)).sum())));
        let mut largest = vec![7; groups.len()];
        reduce_int(Reduce::Max, &mut largest, &x, kept, reduced);
        assert!(largest.iter().copied().eq(groups.iter().map(|g| g.iter().copied().max().unwrap_or(0))));
    });
}

#[test]
fn products_and_empty_reductions() {
    let x = [2.0_f64, -3.0, 0.5, 4.0];
    let mut out = [f64::NAN];
    reduce(Reduce::Prod, &mut out, &x, Axes::new(&[], &[]), Axes::new(&[4], &[1]));
    assert_eq!(out, [-12.0]);
    for (op, want) in [(Reduce::Sum, 0.0), (Reduce::Prod, 1.0), (Reduce::Max, f64::NEG_INFINITY)] {
        let mut out = [f64::NAN; 3];
        reduce(op, &mut out, &[], Axes::new(&[3], &[0]), Axes::new(&[0], &[1]));
        assert_eq!(out, [want; 3]);
    }
    let mut out = [7; 1];
    reduce_int(Reduce::Prod, &mut out, &[3_i64, -5], Axes::new(&[], &[]), Axes::new(&[2], &[1]));
    assert_eq!(out, [-15]);
}

#[test]
fn nan_wins_wherever_it_stands() {
    for n in [1, 16, 17, 65, 600, 2000] {
        for at in [0, n / 3, n - 1] {
            let mut x = vec![1.0_f32; n];
            x[at] = f32::NAN;
            for (kept, reduced) in
                [(Axes::new(&[], &[]), Axes::new(&[n], &[1])), (Axes::new(&[1], &[1]), Axes::new(&[n], &[1]))]
            {
                for op in [Reduce::Max, Reduce::Min, Reduce::Sum, Reduce::Prod] {
                    let mut out = [0.0];
                    reduce(op, &mut out, &x, kept, reduced);
                    assert!(out[0].is_nan(), "{op:?} of {n} with NaN at {at}");
                }
                x[n - 1] = if at == n - 1 { f32::NAN } else { f32::INFINITY };
                let mut place = [-1];
                arg_reduce(true, &mut place, &x, kept, reduced);
                assert_eq!(place, [at as i64]);
            }
            // As a column.
            let wide: Vec<f32> = x.iter().flat_map(|&x| [x, 2.0]).collect();
            let mut out = [0.0; 2];
            reduce(Reduce::Max, &mut out, &wide, Axes::new(&[2], &[1]), Axes::new(&[n], &[2]));
            assert!(out[0].is_nan());
            assert_eq!(out[1], 2.0);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "millions of numbers")]
fn long_sums_are_accurate() {
    let n = 3_000_017;
    let x: Vec<f32> = numbers(n, 5).iter().map(|&x| (x + 4.0) as f32).collect();
    let exact: f64 = x.iter().map(|&x| f64::from(x)).sum();
    let mut out = [f32::NAN];
    reduce(Reduce::Sum, &mut out, &x, Axes::new(&[], &[]), Axes::new(&[n], &[1]));
    assert!((f64::from(out[0]) / exact - 1.0).abs() < 2e-7, "{} is not {exact}", out[0]);
    // Columns of the same numbers.
    let mut out = [f32::NAN; 3];
    let rows = n / 3;
    reduce(Reduce::Sum, &mut out, &x, Axes::new(&[3], &[1]), Axes::new(&[rows], &[3]));
    for (c, out) in out.iter().enumerate() {
        let exact: f64 = x.iter().take(3 * rows).skip(c).step_by(3).map(|&x| f64::from(x)).sum();
        assert!((f64::from(*out) / exact - 1.0).abs() < 3e-7, "{out} is not {exact}");
    }
}

#[test]
fn an_output_has_the_same_bits_alone_among_others_and_in_one_piece() {
    let one = Axes::new(&[], &[]);
    let of = |x: &[f32], kept: Axes, reduced: Axes| {
        let mut out = vec![f32::NAN; kept.shape.iter().product()];
        reduce(Reduce::Sum, &mut out, x, kept, reduced);
        out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    let lengths =
        [1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 511, 512, 513, 1100, 2049, if cfg!(miri) { 3 } else { 70_000 }];
    for rows in lengths {
        for columns in [1, 3, 16, 17, 70, 140] {
            let x: Vec<f32> = numbers(rows * columns, 6).iter().map(|&x| x as f32).collect();
            let all = of(&x, Axes::new(&[columns], &[1]), Axes::new(&[rows], &[columns]));
            for (c, all) in all.iter().enumerate() {
                let alone = of(&x[c..], one, Axes::new(&[rows], &[columns]));
                let column: Vec<f32> = x.iter().skip(c).step_by(columns).copied().collect();
                let moved = of(&column, one, Axes::new(&[rows], &[1]));
                assert!(alone == [*all] && moved == [*all], "column {c} of {rows} by {columns}");
            }
        }
    }
    // Several reduced dimensions that cannot be collapsed to one stride.
    let (shape, columns) = ([7, 90], 20);
    let x: Vec<f32> = numbers(7 * 100 * 30, 7).iter().map(|&x| x as f32).collect();
    let strides = [3000, 30];
    let all = of(&x, Axes::new(&[columns], &[1]), Axes::new(&shape, &strides));
    for (c, all) in all.iter().enumerate() {
        assert_eq!(of(&x[c..], one, Axes::new(&shape, &strides)), [*all], "column {c}");
    }
}

#[test]
#[should_panic(expected = "outside")]
fn reaching_outside_is_refused() {
    reduce(Reduce::Sum, &mut [0.0_f32; 2], &[0.0; 5], Axes::new(&[2], &[3]), Axes::new(&[3], &[1]));
}
