//! The tape without Python: deep graphs on small stacks, and layouts that views must get right.

use rgrad_engine::shape::Layout;
use rgrad_engine::tape::{self, Options};
use rgrad_engine::{ErrorKind, Number, Tensor, ops};

/// Nodes in a chain: more than a small stack has room for.
const DEEP: usize = if cfg!(miri) { 50 } else { 200_000 };

/// Runs `f` on a stack that recursion over a graph would overflow.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(128 << 10).spawn(f).unwrap().join().unwrap();
}

fn leaf(values: &[f64]) -> Tensor {
    let t = Tensor::from_slice(values, &[values.len()]).unwrap();
    t.set_requires_grad(true).unwrap();
    t
}

#[test]
fn a_deep_graph_goes_backward_and_away() {
    on_a_small_stack(|| {
        let x = leaf(&[1.0]);
        let mut y = x.clone();
        for _ in 0..DEEP {
            y = ops::add(&y, &x).unwrap();
        }
        tape::backward(&y, None, Options::default()).unwrap();
        assert_eq!(x.grad().unwrap().item().unwrap(), Number::Float(DEEP as f64 + 1.0));
    });
}

#[test]
fn a_graph_whose_rules_saved_their_results_goes_away() {
    on_a_small_stack(|| {
        let x = leaf(&[0.5]);
        let mut y = x;
        for _ in 0..DEEP {
            y = ops::tanh(&y).unwrap();
        }
        drop(y);
    });
}

#[test]
fn a_failed_pass_changes_no_gradient() {
    let x = leaf(&[1.0, 2.0]);
    let w = Tensor::from_slice(&[3.0, 4.0], &[2]).unwrap();
    let y = ops::sum(&ops::add(&ops::mul(&x, &w).unwrap(), &x).unwrap(), None, false).unwrap();
    w.copy_from(&Tensor::from_slice(&[0.0, 0.0], &[2]).unwrap()).unwrap();
    let error = tape::backward(&y, None, Options::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Runtime);
    assert!(error.message.contains("`mul`"), "{}", error.message);
    assert!(x.grad().is_none());
}

#[test]
fn strides_express_a_reshape_only_where_they_can() {
    let matrix = Layout::contiguous(&[4, 6]);
    let transposed = Layout { shape: [6, 4].as_slice().into(), strides: [1, 6].as_slice().into(), offset: 3 };
    assert_eq!(matrix.reshape(&[2, 2, 3, 2]).unwrap().strides.as_slice(), [12, 6, 2, 1]);
    assert!(transposed.reshape(&[24]).is_none());
    let split = transposed.reshape(&[2, 3, 1, 2, 2]).unwrap();
    assert_eq!((split.strides[0], split.strides[1], split.strides[3], split.strides[4]), (3, 1, 12, 6));
    assert_eq!(split.offset, 3);
    let every_other_row = Layout { shape: [2, 6].as_slice().into(), strides: [12, 1].as_slice().into(), offset: 0 };
    assert!(every_other_row.reshape(&[12]).is_none());
    assert_eq!(every_other_row.reshape(&[2, 3, 2]).unwrap().strides.as_slice(), [12, 2, 1]);
}
