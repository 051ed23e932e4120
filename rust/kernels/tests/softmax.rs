//! Softmax, log-softmax, logsumexp, cross-entropy and their gradients, against formulas in double precision.

mod strided;

use rgrad_kernels::softmax::{
    BadLabel, cross_entropy, log_softmax, log_softmax_grad, logsumexp, softmax, softmax_grad,
};
use strided::numbers;

/// Rows and columns around the widths where the kernels change.
const SHAPES: [(usize, usize); 17] = [
    (1, 1),
    (3, 2),
    (150, 3),
    (7, 8),
    (9, 9),
    (100, 10),
    (1, 10),
    (15, 10),
    (17, 10),
    (33, 15),
    (5, 16),
    (16, 17),
    (3, 63),
    (4, 64),
    (2, 513),
    (18, 100),
    (if cfg!(miri) { 3 } else { 300 }, 1000),
]; // fmt: skip

fn logits(n: usize) -> Vec<f32> {
    numbers(n, 7).iter().map(|&x| 3.0 * x as f32).collect()
}

/// `ln Σ exp(x)` in double precision.
fn reference(row: &[f32]) -> f64 {
    let max = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(f64::from(b)));
    max + row.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln()
}

fn assert_close(got: f32, want: f64, tolerance: f64, what: &str) {
    assert!((f64::from(got) - want).abs() <= tolerance, "{what}: {got} is not {want}");
}

#[test]
fn forward_values() {
    for (rows, cols) in SHAPES {
        let x = logits(rows * cols);
        let (mut p, mut logp, mut lse) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()], vec![f32::NAN; rows]);
        softmax(&mut p, &x, cols);
        log_softmax(&mut logp, &x, cols);
        logsumexp(&mut lse, &x, cols);
        for (r, row) in x.chunks(cols).enumerate() {
            let want = reference(row);
            assert_close(lse[r], want, 2e-7 * (1.0 + want.abs()), "logsumexp");
            for (c, &x) in row.iter().enumerate() {
                let log = f64::from(x) - want;
                assert_close(p[r * cols + c], log.exp(), 2e-6 * log.exp(), "softmax");
                assert_close(logp[r * cols + c], log, 2e-7 * (1.0 + log.abs()), "log_softmax");
            }
        }
    }
}

#[test]
fn cross_entropy_and_its_gradient() {
    for (rows, cols) in SHAPES {
        let x = logits(rows * cols);
        let labels: Vec<i64> = (0..rows).map(|r| (r * 7 % cols) as i64).collect();
        let scale = 1.0 / rows as f32;
        let (mut loss, mut grad) = (vec![f32::NAN; rows], vec![f32::NAN; x.len()]);
        cross_entropy(&mut loss, Some(&mut grad), &x, &labels, cols, scale).unwrap();
        for (r, row) in x.chunks(cols).enumerate() {
            let (lse, label) = (reference(row), labels[r] as usize);
            let want = lse - f64::from(row[label]);
            assert_close(loss[r], want, 2e-7 * (1.0 + want), "loss");
            for (c, &x) in row.iter().enumerate() {
                let want = (f64::from(x) - lse).exp() - f64::from(u8::from(c == label));
                assert_close(grad[r * cols + c], want * f64::from(scale), 2e-7 * f64::from(scale), "gradient");
            }
        }
        // The loss alone has the same bits.
        let mut alone = vec![f32::NAN; rows];
        cross_entropy(&mut alone, None, &x, &labels, cols, scale).unwrap();
        assert_eq!(alone, loss);
    }
}

#[test]
fn double_precision() {
    for cols in [3, 8, 10, 40] {
        let x = numbers(5 * cols, 8);
        let mut p = vec![f64::NAN; x.len()];
        softmax(&mut p, &x, cols);
        for (p, x) in p.chunks(cols).zip(x.chunks(cols)) {
            let total: f64 = x.iter().map(|x| x.exp()).sum();
            assert!(p.iter().zip(x).all(|(p, x)| (p - x.exp() / total).abs() < 1e-15));
        }
    }
}

#[test]
fn gradients() {
    for (rows, cols) in SHAPES {
        let x = logits(rows * cols);
        let g: Vec<f32> = numbers(x.len(), 9).iter().map(|&x| x as f32).collect();
        let (mut y, mut out) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        softmax(&mut y, &x, cols);
        softmax_grad(&mut out, &y, &g, cols);
        for ((out, y), g) in out.chunks(cols).zip(y.chunks(cols)).zip(g.chunks(cols)) {
            let dot: f64 = y.iter().zip(g).map(|(&y, &g)| f64::from(y) * f64::from(g)).sum();
            for i in 0..cols {
                assert_close(out[i], f64::from(y[i]) * (f64::from(g[i]) - dot), 3e-6, "softmax gradient");
            }
        }
        log_softmax(&mut y, &x, cols);
        out.fill(f32::NAN);
        log_softmax_grad(&mut out, &y, &g, cols);
        for ((out, y), g) in out.chunks(cols).zip(y.chunks(cols)).zip(g.chunks(cols)) {
            let sum: f64 = g.iter().map(|&g| f64::from(g)).sum();
            for i in 0..cols {
                let want = f64::from(g[i]) - f64::from(y[i]).exp() * sum;
                assert_close(out[i], want, 1e-6 * (1.0 + sum.abs()), "log_softmax gradient");
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_how_many_there_are() {
    for cols in [3, 10, 16, 17, 100] {
        let x = logits(40 * cols);
        let labels: Vec<i64> = (0..40).map(|r| r % cols as i64).collect();
        let (mut loss, mut grad) = (vec![f32::NAN; 40], vec![f32::NAN; x.len()]);
        cross_entropy(&mut loss, Some(&mut grad), &x, &labels, cols, 0.5).unwrap();
        for r in 0..40 {
            let part = r * cols..(r + 1) * cols;
            let (mut one, mut row) = ([f32::NAN], vec![f32::NAN; cols]);
            cross_entropy(&mut one, Some(&mut row), &x[part.clone()], &labels[r..=r], cols, 0.5).unwrap();
            assert_eq!((one[0], &row[..]), (loss[r], &grad[part]));
        }
    }
}

#[test]
fn huge_logits_do_not_overflow() {
    for cols in [4, 40] {
        let mut x = vec![-1e38_f32; cols];
        (x[1], x[2]) = (3e38, 3e38);
        let mut p = vec![f32::NAN; cols];
        softmax(&mut p, &x, cols);
        assert_eq!(p[..4], [0.0, 0.5, 0.5, 0.0]);
        let mut lse = [f32::NAN];
        logsumexp(&mut lse, &x, cols);
        assert_eq!(lse, [3e38]);
    }
}

#[test]
fn infinite_and_missing_logits() {
    let inf = f32::INFINITY;
    for cols in [4, 40] {
        // Masked classes have no probability and no gradient.
        let mut x = vec![-inf; cols];
        (x[0], x[3]) = (1.0, 1.0);
        let (mut loss, mut grad) = ([f32::NAN], vec![f32::NAN; cols]);
        cross_entropy(&mut loss, Some(&mut grad), &x, &[3], cols, 1.0).unwrap();
        assert_eq!((loss[0], &grad[..4]), (2.0_f32.ln(), &[0.5, 0.0, 0.0, -0.5][..]));
        cross_entropy(&mut loss, None, &x, &[1], cols, 1.0).unwrap();
        assert_eq!(loss, [inf]);

        let mut lse = [f32::NAN];
        for (value, want) in [(-inf, -inf), (inf, inf)] {
            logsumexp(&mut lse, &vec![value; cols], cols);
            assert_eq!(lse, [want]);
        }
        x[2] = f32::NAN;
        let mut p = vec![0.0; cols];
        softmax(&mut p, &x, cols);
        assert!(p.iter().all(|p| p.is_nan()));
        cross_entropy(&mut loss, None, &x, &[0], cols, 1.0).unwrap();
        assert!(loss[0].is_nan());
    }
}

#[test]
fn the_first_bad_label_is_named_before_anything_is_written() {
    for bad in [-1, 3, i64::MIN] {
        let (mut loss, mut grad) = ([7.0_f32; 3], [7.0; 9]);
        let error = cross_entropy(&mut loss, Some(&mut grad), &[0.0; 9], &[2, bad, -5], 3, 1.0);
        assert_eq!(error, Err(BadLabel { row: 1, label: bad }));
        assert_eq!((loss, grad), ([7.0; 3], [7.0; 9]));
    }
}

#[test]
fn nothing_gives_nothing() {
    softmax::<f32>(&mut [], &[], 5);
    softmax_grad::<f32>(&mut [], &[], &[], 0);
    assert_eq!(cross_entropy::<f32>(&mut [], Some(&mut []), &[], &[], 0, 1.0), Ok(()));
    let mut empty_rows = [0.0_f32; 2];
    logsumexp(&mut empty_rows, &[], 0);
    assert_eq!(empty_rows, [f32::NEG_INFINITY; 2]);
}
