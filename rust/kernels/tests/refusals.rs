//! Every entry point panics for sizes that do not agree, in release builds too, before it writes anything: otherwise
//! its pointers would be out of bounds. Optimizers are in `optim.rs`, bad indices and labels in `map.rs` and
//! `softmax.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rgrad_kernels::View;
use rgrad_kernels::chain::{Chain, Input, Kind, Output, Step, run_chain};
use rgrad_kernels::copy::{cast, cast_to_bool, copy, copy_into};
use rgrad_kernels::flip::flip;
use rgrad_kernels::gather::{gather_rows, numbers_along, scatter_add_rows};
use rgrad_kernels::gemm::{Activation, Epilogue, Mat, Packed, gemm, gemm_batched, gemm_packed};
use rgrad_kernels::map::{
    Binary, Compare, Curve, IntBinary, IntUnary, Unary, add_assign, binary, binary_int, compare, curve, curve_grad,
    select, unary, unary_int,
};
use rgrad_kernels::norm::{Normal, column_grad, normalize, row_grad, statistics, sums};
use rgrad_kernels::random::randint;
use rgrad_kernels::reduce::{Axes, Reduce, arg_reduce, reduce, reduce_int, sum_int};
use rgrad_kernels::scan::{cumulate, linear};
use rgrad_kernels::softmax::{cross_entropy, log_softmax, log_softmax_grad, logsumexp, softmax, softmax_grad};
use rgrad_kernels::sort::order_rows;

/// Half of the bits of a size: the product of two of these is 0.
const HALF: usize = 1 << (usize::BITS / 2);
const HUGE: usize = usize::MAX;

/// Expects `call` to panic without changing the `len` elements that it gets.
fn refuse<T: Copy + PartialEq + From<u8>>(what: &str, len: usize, call: impl FnOnce(&mut [T])) {
    let mut out = vec![T::from(7); len];
    assert!(catch_unwind(AssertUnwindSafe(|| call(&mut out))).is_err(), "{what}: accepted");
    assert!(out.iter().all(|x| *x == T::from(7)), "{what}: something was written");
}

/// Shapes and strides over 6 elements that do not match `len` outputs.
const MISFITS: [(&str, usize, &[usize], &[usize]); 8] = [
    ("too few outputs", 5, &[2, 3], &[3, 1]),
    ("too many outputs", 7, &[2, 3], &[3, 1]),
    ("an element past the end", 6, &[2, 3], &[4, 1]),
    ("strides beyond the address space", 4, &[2, 2], &[HUGE, HUGE]),
    ("a step that overflows", 6, &[2, 3], &[1, HUGE / 2 + 1]),
    ("a stride too few", 6, &[2, 3], &[1]),
    ("a size that overflows to 0", 0, &[HALF, HALF], &[0, 0]),
    ("a size that overflows to 6", 6, &[3, HUGE / 3 + 2, 2], &[0, 0, 0]),
];

#[test]
fn maps_and_copies() {
    let (x, ints, bytes) = ([1.0_f32; 6], [1_i32; 6], [1_u8; 6]);
    for (what, len, shape, strides) in MISFITS {
        let (x, ints, bytes) = (View::new(&x, strides), View::new(&ints, strides), View::new(&bytes, strides));
        // A valid operand next to the invalid one: it is found in either position.
        let zeros = vec![0; shape.len()];
        let (one, one_int) = (View::new(&[1.0_f32], &zeros), View::new(&[1_i32], &zeros));
        refuse(what, len, |out| unary(Unary::Exp, out, shape, x));
        refuse(what, len, |out| binary(Binary::Div, out, shape, x, one));
        refuse(what, len, |out| binary(Binary::Div, out, shape, one, x));
        refuse(what, len, |out| curve(Curve::Gelu, out, shape, x));
        refuse(what, len, |out| curve_grad(Curve::Gelu, out, shape, x, one));
        refuse(what, len, |out| curve_grad(Curve::Gelu, out, shape, one, x));
        refuse(what, len, |out| unary_int(IntUnary::Neg, out, shape, ints));
        refuse(what, len, |out| binary_int(IntBinary::Add, out, shape, ints, one_int));
        refuse(what, len, |out| binary_int(IntBinary::Add, out, shape, one_int, ints));
        refuse(what, len, |out| compare(Compare::Lt, out, shape, x, one));
        refuse(what, len, |out| compare(Compare::Lt, out, shape, one, x));
        refuse(what, len, |out| select(out, shape, bytes, one, one));
        refuse(what, len, |out| select(out, shape, View::new(&[1], &zeros), x, one));
        refuse(what, len, |out| select(out, shape, View::new(&[1], &zeros), one, x));
        refuse(what, len, |out| copy(out, shape, x));
    }
    refuse("add_assign", 5, |out| add_assign(out, &x));
    refuse("cast", 5, |out: &mut [i32]| cast(out, &x));
    refuse("cast_to_bool", 5, |out| cast_to_bool(out, &x));
}

#[test]
fn chains() {
    let (x, bytes) = ([1.0_f32; 6], [1_u8; 6]);
    let steps = [Step::Unary(Unary::Exp, 1), Step::Select(0, 1, 2), Step::Not(0)];
    let chain = Chain::new(&[Kind::Mask, Kind::Number], &steps, &[3, 4]).unwrap();
    for (what, len, shape, strides) in MISFITS {
        let zeros = vec![0; shape.len()];
        let good = [Input::Mask(View::new(&[1], &zeros)), Input::Numbers(View::new(&[1.0_f32], &zeros))];
        let bad = [Input::Mask(View::new(&bytes, strides)), Input::Numbers(View::new(&x, strides))];
        for inputs in [[bad[0], good[1]], [good[0], bad[1]]] {
            refuse(what, len, |out| {
                run_chain(&chain, shape, &inputs, &mut [Output::Numbers(out), Output::Mask(&mut vec![7; len])]);
            });
        }
    }
    let (mask, number) = (Input::Mask(View::new(&bytes, &[1])), Input::Numbers(View::new(&x, &[1])));
    let mut more = [7; 7];
    for inputs in [&[mask][..], &[mask, mask], &[number, number], &[mask, Input::Output(0)], &[mask, number, number]] {
        refuse("inputs of a chain", 6, |out| {
            run_chain(&chain, &[6], inputs, &mut [Output::Numbers(out), Output::Mask(&mut more[..6])]);
        });
    }
    for bytes in [5, 7] {
        refuse("outputs of a chain: elements", 6, |out| {
            run_chain(&chain, &[6], &[mask, number], &mut [Output::Numbers(out), Output::Mask(&mut more[..bytes])]);
        });
    }
    refuse("outputs of a chain: too few", 6, |out| {
        run_chain(&chain, &[6], &[mask, number], &mut [Output::Numbers(out)]);
    });
    refuse("outputs of a chain: kinds", 6, |out| {
        run_chain(&chain, &[6], &[mask, number], &mut [Output::Mask(&mut more[..6]), Output::Numbers(out)]);
    });
    assert_eq!(more, [7; 7]);
}

#[test]
fn copies_into_places() {
    let x = [1.0_f32; 6];
    let plain: &[usize] = &[3, 1];
    for (what, out_strides, strides) in [
        ("an output that is too short", &[4, 1][..], plain),
        ("a source that is too short", plain, &[4, 1][..]),
        ("places that are reached twice", &[1, 1], plain),
        ("places that are all one", &[0, 0], plain),
        ("an output stride that overflows", &[HUGE, 1], plain),
        ("an output stride too few", &[1], plain),
    ] {
        refuse(what, 6, |out| copy_into(out, out_strides, &[2, 3], View::new(&x, strides)));
    }
    refuse("more places than there are", 6, |out| copy_into(out, &[0, 0], &[HALF, HALF], View::new(&x, &[0, 0])));
}

#[test]
fn flips_and_rows() {
    let x = [1.0_f32; 6];
    refuse("flip: outputs", 5, |out| flip(out, &x, &[2, 3], &[0]));
    refuse("flip: inputs", 6, |out| flip(out, &x[..5], &[2, 3], &[0]));
    refuse("flip: a dimension", 6, |out| flip(out, &x, &[2, 3], &[2]));
    refuse("flip: the last dimension there can be", 6, |out| flip(out, &x, &[2, 3], &[HUGE]));
    refuse("flip: the size", 0, |out| flip(out, &x[..0], &[HALF, HALF], &[0]));

    refuse("gather_rows: outputs", 3, |out| gather_rows(out, &x, 2, &[0, 1]).unwrap());
    refuse("gather_rows: rows that are not whole", 8, |out| gather_rows(out, &x, 4, &[0, 0]).unwrap());
    refuse("gather_rows: a size that overflows", 0, |out| gather_rows(out, &x, HUGE, &[0, 1]).unwrap());
    refuse("scatter_add_rows: inputs", 6, |out| scatter_add_rows(out, &x[..3], 2, &[0, 1]).unwrap());
    refuse("scatter_add_rows: whole rows", 6, |out| scatter_add_rows(out, &x[..4], 4, &[0]).unwrap());
    refuse("numbers_along: indices", 6, |out| numbers_along(out, &[0; 5], &[2, 3], &[2, 3], 1).unwrap());
    refuse("numbers_along: outputs", 5, |out| numbers_along(out, &[0; 6], &[2, 3], &[2, 3], 1).unwrap());
    refuse("numbers_along: a larger index", 6, |out| numbers_along(out, &[0; 6], &[2, 3], &[1, 3], 1).unwrap());
    refuse("numbers_along: a dimension", 6, |out| numbers_along(out, &[0; 6], &[2, 3], &[2, 3], 2).unwrap());
    refuse("numbers_along: no dimension", 1, |out| numbers_along(out, &[0], &[], &[], 0).unwrap());
    refuse("numbers_along: the size", 0, |out| numbers_along(out, &[], &[HALF, HALF], &[HALF, HALF], 0).unwrap());

    refuse("order_rows: places", 5, |out| order_rows(out, &x, 2, false).unwrap());
    refuse("order_rows: more places than elements", 8, |out| order_rows(out, &x, 2, false).unwrap());
    refuse("order_rows: no rows", 6, |out| order_rows(out, &x, 0, false).unwrap());
    refuse("linear: lengths", 6, |out| linear(out, None, &x[..5], 3, false, false));
    refuse("linear: factors", 6, |out| linear(out, Some(&x[..5]), &x, 3, false, false));
    refuse("linear: rows", 6, |out| linear(out, None, &x, 4, false, false));
    refuse("linear: no columns", 6, |out| linear(out, None, &x, 0, false, false));
    refuse("cumulate: lengths", 6, |out| cumulate(out, &[1_i64; 5], 3, false));
    refuse("cumulate: rows", 6, |out| cumulate(out, &[1_i64; 6], 4, false));
    refuse("randint", 6, |out| randint(out, 1, 1, 0, 0));
}

#[test]
fn reductions() {
    let x = [1_i32; 6];
    let none = || Axes::new(&[], &[]);
    for (what, len, kept, reduced) in [
        ("too few outputs", 1, Axes::new(&[2], &[3]), Axes::new(&[3], &[1])),
        ("too many outputs", 3, Axes::new(&[2], &[3]), Axes::new(&[3], &[1])),
        ("an element past the end", 2, Axes::new(&[2], &[4]), Axes::new(&[3], &[1])),
        ("the two together past the end", 2, Axes::new(&[2], &[5]), Axes::new(&[2], &[1])),
        ("strides that overflow", 2, Axes::new(&[2], &[HUGE]), Axes::new(&[2], &[HUGE])),
        ("a step that overflows", 1, none(), Axes::new(&[3], &[HUGE / 2 + 1])),
        ("kept elements that overflow", 0, Axes::new(&[HALF, HALF], &[0, 0]), none()),
        ("reduced elements that overflow", 1, none(), Axes::new(&[HALF, HALF], &[0, 0])),
        ("elements that overflow", 4, Axes::new(&[4], &[0]), Axes::new(&[HUGE / 2], &[0])),
    ] {
        let floats = x.map(|x| x as f32);
        refuse(what, len, |out| reduce(Reduce::Sum, out, &floats, kept, reduced));
        refuse(what, len, |out| reduce_int(Reduce::Max, out, &x, kept, reduced));
        refuse(what, len, |out| sum_int(out, &x, kept, reduced));
        refuse(what, len, |out| arg_reduce(true, out, &x, kept, reduced));
    }
    refuse("the largest of nothing", 2, |out| arg_reduce(true, out, &x, Axes::new(&[2], &[0]), Axes::new(&[0], &[1])));
    assert!(catch_unwind(|| Axes::new(&[2, 3], &[1])).is_err());
}

#[test]
fn softmaxes() {
    let x = [1.0_f32; 6];
    refuse("softmax: lengths", 5, |out| softmax(out, &x, 3));
    refuse("softmax: rows", 6, |out| softmax(out, &x, 4));
    refuse("softmax: no columns", 6, |out| softmax(out, &x, 0));
    refuse("log_softmax: rows", 6, |out| log_softmax(out, &x, 4));
    refuse("logsumexp: rows", 2, |out| logsumexp(out, &x, 4));
    refuse("logsumexp: a size that overflows", 2, |out| logsumexp(out, &x[..0], HUGE / 2 + 1));
    for gradient in [softmax_grad::<f32>, log_softmax_grad] {
        refuse("a gradient: results", 6, |out| gradient(out, &x[..5], &x, 3));
        refuse("a gradient: gradients", 6, |out| gradient(out, &x, &x[..5], 3));
        refuse("a gradient: rows", 6, |out| gradient(out, &x, &x, 4));
        refuse("a gradient: no columns", 6, |out| gradient(out, &x, &x, 0));
    }
    let mut grad = [7.0; 6];
    let labels = [0; 2];
    refuse("cross_entropy: losses", 3, |out| cross_entropy(out, None, &x, &labels, 3, 1.0).unwrap());
    refuse("cross_entropy: logits", 2, |out| cross_entropy(out, None, &x[..5], &labels, 3, 1.0).unwrap());
    refuse("cross_entropy: gradient", 2, |out| {
        cross_entropy(out, Some(&mut grad[..5]), &x, &labels, 3, 1.0).unwrap();
    });
    refuse("cross_entropy: a size that overflows", 2, |out| {
        cross_entropy(out, None, &[], &labels, HUGE / 2 + 1, 1.0).unwrap();
    });
    assert_eq!(grad, [7.0; 6]);
}

#[test]
fn norms() {
    let x = [1.0_f32; 6];
    for (cols, len) in [(3, 3), (3, 1), (4, 2), (0, 2)] {
        let mut rest = [[7.0; 3]; 2];
        refuse("statistics", len, |out| {
            let [var, scale] = &mut rest;
            statistics([out, &mut var[..2], &mut scale[..2]], &x, cols, false, true, 0.0);
        });
        assert_eq!(rest, [[7.0; 3]; 2]);
    }
    let (by_row, by_column) = (&x[..2], &x[..3]);
    let rows = Normal { x: &x, cols: 3, mean: by_row, scale: by_row, by_column: false };
    let columns = Normal { mean: by_column, scale: by_column, by_column: true, ..rows };
    for (what, len, of) in [
        ("outputs", 5, rows),
        ("outputs of columns", 5, columns),
        ("means", 6, Normal { mean: &x[..1], ..rows }),
        ("scales", 6, Normal { scale: &x[..3], ..rows }),
        ("means of columns", 6, Normal { mean: &x[..2], ..columns }),
        ("rows", 6, Normal { cols: 4, ..rows }),
        ("no columns", 6, Normal { cols: 0, ..rows }),
    ] {
        refuse(what, len, |out| normalize(out, of, &x[..of.cols], &x[..of.cols]));
        if of.by_column {
            refuse(what, len, |out| column_grad(out, of, &x, &x[..of.cols], &x[..2 * of.cols]));
        } else {
            refuse(what, len, |out| row_grad(out, of, &x, &x[..of.cols], true));
        }
    }
    refuse("weights", 6, |out| normalize(out, rows, &x[..2], &x[..3]));
    refuse("biases", 6, |out| normalize(out, rows, &x[..3], &x[..2]));
    refuse("row_grad: weights", 6, |out| row_grad(out, rows, &x, &x[..2], true));
    refuse("row_grad: gradients", 6, |out| row_grad(out, rows, &x[..5], &x[..3], true));
    refuse("row_grad of columns", 6, |out| row_grad(out, columns, &x, &x[..3], true));
    refuse("column_grad: sums", 6, |out| column_grad(out, columns, &x, &x[..3], &x[..5]));
    refuse("column_grad: gradients", 6, |out| column_grad(out, columns, &x[..5], &x[..3], &x));
    refuse("column_grad of rows", 6, |out| column_grad(out, rows, &x, &x[..3], &x));
    refuse("sums: outputs", 5, |out| sums(out, columns, &x));
    refuse("sums: gradients", 6, |out| sums(out, columns, &x[..5]));
}

#[test]
fn products() {
    let x = [1.0_f32; 12];
    let (a, b) = (Mat::new(&x, 3, 4), Mat::new(&x, 4, 3));
    // Strides of 0, so that a few elements are a matrix of any size.
    let endless = |rows, cols| Mat { data: &x[..], rows, cols, row_stride: 0, col_stride: 0 };
    let plain = Epilogue::default();
    for (what, len, a, b) in [
        ("C too short", 8, a, b),
        ("C too long", 10, a, b),
        ("k differs", 9, a, a),
        ("A too short", 9, Mat { row_stride: 5, ..a }, b),
        ("B too short", 9, a, Mat { row_stride: 4, ..b }),
        ("a stride that overflows", 9, a, Mat { col_stride: HUGE, ..b }),
        ("a step that overflows", 9, Mat { row_stride: HUGE / 2 + 1, ..a }, b),
        ("C overflows", 0, endless(HALF, 1), endless(1, HALF)),
        ("A overflows", 2, endless(2, HUGE / 2), endless(HUGE / 2, 1)),
        ("B overflows", 2, endless(1, HUGE / 2), endless(HUGE / 2, 2)),
        ("a copy of B overflows", 200, endless(100, HUGE / 16), endless(HUGE / 16, 2)),
    ] {
        refuse(what, len, |c| gemm(c, a, b, plain));
    }
    for bias in [2, 4] {
        refuse("bias", 9, |c| gemm(c, a, b, Epilogue { bias: Some(&x[..bias]), ..plain }));
    }
    let packed = Packed::<f32>::new(3, 3).unwrap();
    for (what, a) in [("rows", Mat::new(&x, 2, 3)), ("inner sizes", Mat::new(&x, 3, 2)), ("A", Mat::new(&x[..8], 3, 3))]
    {
        refuse(what, 9, |c| gemm_packed(c, a, &packed, plain));
    }
    for (what, b) in [("size", Mat::new(&x, 3, 2)), ("data", Mat::new(&x[..8], 3, 3))] {
        let mut packed = Packed::<f32>::new(3, 3).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| packed.fill(b))).is_err(), "{what}: accepted");
    }
    for values in [8, 10] {
        let slope = Some((Activation::Relu, &[1.0; 10][..values]));
        refuse("values of a slope", 9, |c| gemm(c, a, b, Epilogue { slope, ..plain }));
    }
    for (what, len, a_offsets, b_offsets) in [
        ("as many offsets", 9, &[0, 0][..], &[0][..]),
        ("C too short", 9, &[0, 0], &[0, 0]),
        ("an offset of A", 18, &[0, 1], &[0, 0]),
        ("an offset of B", 18, &[0, 0], &[1, 0]),
        ("an offset that overflows", 18, &[HUGE, 0], &[0, 0]),
    ] {
        refuse(what, len, |c| gemm_batched(c, a, b, a_offsets, b_offsets, plain));
    }
}
