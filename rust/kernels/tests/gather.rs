//! Gather and scatter-add, and indices that are out of range.

mod strided;

use rgrad_kernels::gather::{BadIndex, gather_rows, numbers_along, scatter_add_rows};
use strided::f32s;

/// The element that one index selects, by iterating over all dimensions.
fn reference(idx: &[i64], shape: &[usize], of: &[usize], dim: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    for (place, &i) in idx.iter().enumerate() {
        let (mut rest, mut number, mut stride) = (place, 0, 1);
        for d in (0..shape.len()).rev() {
            let at = if d == dim { i.rem_euclid(of[d] as i64) } else { (rest % shape[d]) as i64 };
            number += at * stride;
            stride *= of[d] as i64;
            rest /= shape[d];
        }
        numbers.push(number);
    }
    numbers
}

#[test]
fn numbers_of_elements_along_any_dimension() {
    let cases: [(&[usize], &[usize], usize); 8] = [
        (&[5], &[3], 0),
        (&[4, 6], &[4, 3], 1),
        (&[4, 6], &[9, 7], 0),
        (&[2, 3, 4], &[2, 5, 6], 1),
        (&[2, 1, 4], &[3, 3, 4], 0),
        (&[100, 1], &[100, 10], 1),
        (&[3, 0], &[3, 4], 1),
        (&[300, if cfg!(miri) { 2 } else { 400 }], &[300, 7], 1),
    ];
    for (shape, of, dim) in cases {
        let n = of[dim] as i64;
        let idx: Vec<i64> = (0..shape.iter().product::<usize>() as i64).map(|i| (i * i + 3) % (2 * n) - n).collect();
        let mut out = vec![-1; idx.len()];
        numbers_along(&mut out, &idx, shape, of, dim).unwrap();
        assert_eq!(out, reference(&idx, shape, of, dim), "{shape:?} of {of:?} along {dim}");
    }
}

#[test]
fn the_first_index_out_of_range_is_named_before_anything_is_written() {
    for n in [10, if cfg!(miri) { 1000 } else { 200_000 }] {
        for (position, index) in [(0, 3), (n / 2, -4), (n - 1, i64::MAX), (n - 1, i64::MIN)] {
            let mut idx = vec![-3; n];
            idx[position] = index;
            idx[n - 1] = 3.max(index);
            let first = idx.iter().position(|i| !(-3..3).contains(i)).unwrap();
            let bad = Err(BadIndex { position: first, index: idx[first] });
            let mut numbers = vec![-1; n];
            assert_eq!(numbers_along(&mut numbers, &idx, &[n], &[3], 0), bad);
            assert!(numbers.iter().all(|&i| i == -1));
            let mut out = vec![f32::NAN; n];
            assert_eq!(gather_rows(&mut out, &[1.0; 3], 1, &idx), bad);
            assert!(out.iter().all(|x| x.is_nan()));
            let mut sums = [f32::NAN; 3];
            assert_eq!(scatter_add_rows(&mut sums, &out, 1, &idx), bad);
            assert!(sums.iter().all(|x| x.is_nan()));
        }
    }
}

#[test]
fn rows_are_gathered_and_added_back() {
    for row_len in [1, 3, 16, 784] {
        let x = f32s(20 * row_len, 5);
        let idx = [3, -1, 0, 19, 3, -20];
        let mut out = vec![f32::NAN; idx.len() * row_len];
        gather_rows(&mut out, &x, row_len, &idx).unwrap();
        for (i, row) in idx.iter().zip(out.chunks(row_len)) {
            let at = i.rem_euclid(20) as usize;
            assert_eq!(row, &x[at * row_len..][..row_len]);
        }
        let mut sums = vec![1.0; 20 * row_len];
        scatter_add_rows(&mut sums, &out, row_len, &idx).unwrap();
        assert_eq!(sums[3 * row_len], (1.0 + 2.0 * f64::from(x[3 * row_len])) as f32);
        assert_eq!(sums[4 * row_len], 1.0);
    }
}

#[test]
fn rows_of_several_matrices_are_gathered_and_added_back() {
    // The last one is divided between threads.
    for (matrices, row_len) in [(3, 1), (3, 4), (if cfg!(miri) { 40 } else { 40_000 }, 1), (0, 2)] {
        let (rows, idx) = (5, [4, 0, -2, 4]);
        let x = f32s(matrices * rows * row_len, 5);
        let mut out = vec![f32::NAN; matrices * idx.len() * row_len];
        gather_rows(&mut out, &x, row_len, &idx).unwrap();
        for (k, got) in out.chunks(row_len).enumerate() {
            let at = (k / idx.len() * rows + [4, 0, 3, 4][k % idx.len()]) * row_len;
            assert_eq!(got, &x[at..at + row_len], "matrix {}, index {}", k / idx.len(), k % idx.len());
        }
        let mut sums = vec![0.0; x.len()];
        scatter_add_rows(&mut sums, &out, row_len, &idx).unwrap();
        for (k, (sum, x)) in sums.iter().zip(&x).enumerate() {
            let times = [1.0, 0.0, 0.0, 1.0, 2.0][k / row_len % rows];
            assert_eq!(*sum, times * x, "element {k}");
        }
    }
}

#[test]
fn many_numbers_are_added_as_if_to_float64() {
    let n = if cfg!(miri) { 1000 } else { 300_000 };
    for (rows, row_len) in [(3, 1), (3, 9), (10 * n, 1), (10 * n / 9, 9)] {
        let idx: Vec<i64> =
            (0..n as i64 / row_len as i64).map(|i| i % 3 - i64::from(i % 2 == 1 && i % 3 == 0)).collect();
        let x = f32s(idx.len() * row_len, 8);
        let mut sums = vec![0.5_f64; rows * row_len];
        for (x, &i) in x.chunks(row_len).zip(&idx) {
            let at = i.rem_euclid(rows as i64) as usize * row_len;
            for (sum, x) in sums[at..at + row_len].iter_mut().zip(x) {
                *sum += f64::from(*x);
            }
        }
        let mut out = vec![0.5_f32; rows * row_len];
        scatter_add_rows(&mut out, &x, row_len, &idx).unwrap();
        assert!(out.iter().zip(&sums).all(|(a, &b)| *a == b as f32), "{rows} rows of {row_len}");
    }
}

#[test]
fn a_bad_index_is_found_before_anything_is_written() {
    let mut out = [7.0_f32; 6];
    for bad in [3, -4, i64::MAX, i64::MIN] {
        let error = Err(BadIndex { position: 1, index: bad });
        assert_eq!(gather_rows(&mut out, &[1.0; 6], 2, &[0, bad, 9]), error);
        assert_eq!(scatter_add_rows(&mut out, &[1.0; 6], 2, &[0, bad, 9]), error);
    }
    assert_eq!(out, [7.0; 6]);
    assert_eq!(gather_rows::<f32>(&mut [], &[], 0, &[5]), Ok(()));
}
