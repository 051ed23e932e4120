//! The product's contract: a plain loop over k of fused multiply-adds, in blocks. Tests and the fuzz target share it.

use rgrad_kernels::Float;
use rgrad_kernels::View;
use rgrad_kernels::gemm::{Epilogue, Mat};
use rgrad_kernels::map::{binary, unary};
use rgrad_kernels::tuning::KC;

/// What `gemm` must write to `c`, bit for bit.
pub fn reference<T: Float>(c: &mut [T], a: Mat<T>, b: Mat<T>, epilogue: Epilogue<T>) {
    let n = b.cols;
    for (at, c) in c.iter_mut().enumerate() {
        let (i, j) = (at / n, at % n);
        let term =
            |p: usize| (a.data[i * a.row_stride + p * a.col_stride], b.data[p * b.row_stride + j * b.col_stride]);
        let chain = |steps: std::ops::Range<usize>| steps.map(term).fold(T::ZERO, |sum, (x, y)| x.fma(y, sum));
        let mut total = chain(0..a.cols.min(KC));
        for block in 1..a.cols.div_ceil(KC) {
            total = total + chain(block * KC..a.cols.min((block + 1) * KC));
        }
        if epilogue.accumulate {
            total = total + *c;
        }
        if let Some(bias) = epilogue.bias {
            total = total + bias[j];
        }
        *c = total;
    }
    let shape = [c.len()];
    if let Some(activation) = epilogue.activation {
        let sums = c.to_vec();
        unary(activation.function(), c, &shape, View::new(&sums, &[1]));
    }
    if let Some((activation, values)) = epilogue.slope {
        let sums = c.to_vec();
        binary(activation.backward(), c, &shape, View::new(&sums, &[1]), View::new(values, &[1]));
    }
}

/// Equal bits, where all NaN are equal.
pub fn assert_same<T: Float>(got: &[T], want: &[T], what: &str) {
    assert_eq!(got.len(), want.len());
    for (at, (&x, &y)) in got.iter().zip(want).enumerate() {
        let (x, y) = (x.to_f64(), y.to_f64());
        assert!(x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()), "{what}: element {at} is {x:e}, not {y:e}");
    }
}
