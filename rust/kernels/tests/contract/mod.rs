//! The product's contract: a plain loop over k of fused multiply-adds, in blocks. Tests and the fuzz target share it.

use rgrad_kernels::View;
use rgrad_kernels::gemm::{Activation, Epilogue, Mat};
use rgrad_kernels::map::{Unary, unary};
use rgrad_kernels::simd::Real;
use rgrad_kernels::tuning::KC;

/// What `gemm` must make of `c`, bit for bit.
pub fn reference<T: Real>(c: &mut [T], a: Mat<T>, b: Mat<T>, epilogue: Epilogue<T>) {
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
        *c = if epilogue.activation == Activation::Relu && total < T::ZERO { T::ZERO } else { total };
    }
    let function = match epilogue.activation {
        Activation::None | Activation::Relu => return,
        Activation::Tanh => Unary::Tanh,
        Activation::Sigmoid => Unary::Sigmoid,
    };
    let sums = c.to_vec();
    unary(function, c, &[sums.len()], View::new(&sums, &[1]));
}

/// Equal bits, but any NaN for any NaN.
pub fn assert_same<T: Real>(got: &[T], want: &[T], what: &str) {
    assert_eq!(got.len(), want.len());
    for (at, (&x, &y)) in got.iter().zip(want).enumerate() {
        let (x, y) = (x.to_f64(), y.to_f64());
        assert!(x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()), "{what}: element {at} is {x:e}, not {y:e}");
    }
}
