//! Chains: fused element-wise operations, in one pass over tiles that stay in the L1 cache.
//!
//! A [`Chain`] is built once and run often; running it allocates nothing. It gives the bits of the kernels of
//! [`map`](crate::map) called one after another, because it calls the same functions: each formula is compiled once for
//! each instruction set.
//!
//! A step writes its result to a *tile*, 2 KiB that later steps read, or to an output. [`Chain::new`] allocates tiles
//! to results and reuses them after the last use, so that a long chain needs few. Times of f(a·x + b)·c − d, five
//! steps, in ns per element on one thread with AVX-512 (`cargo bench -p rgrad-bench --bench elementwise -- chain`):
//!
//! | elements | rectifier: chain | one by one | tanh: chain | one by one |
//! |---|---|---|---|---|
//! | 1000 | 0.28 | 0.53 | 0.44 | 0.69 |
//! | 100,000 | 0.22 | 0.33 | 0.37 | 0.45 |
//! | 4,000,000 | 0.24 | 0.83 | 0.39 | 0.91 |
//!
//! With tiles of 256 `f32` instead of 512 the chains take 1.2 to 1.5 times as long, because the overhead of each step
//! on each tile, about 8 ns, weighs more; with 1024 they take 0.8 times as long at 100,000 elements and 1.2 to 1.7
//! times at 4,000,000, where tiles, inputs and outputs together exceed the L1 cache. Cheap steps are bound by storing
//! each result: 0.034 ns per element here. A chain of two of them is no faster than two kernels as long as the operands
//! are in cache.

mod program;
mod range;

pub use program::{Chain, Kind, MAX_INPUTS, MAX_OUTPUTS, MAX_TILES, Unfit};

use crate::View;
use crate::entries::entries;
use crate::map::{Binary, Compare, Curve, Unary};
use crate::simd::Real;
use crate::split::{Shared, UNIT, split_range};
use crate::view::size;
use range::RangeKernel;

/// One operation of a chain. Operands are numbered: first the chain's inputs, then the results of the previous steps.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Step {
    /// A function of a number, as [`unary`](crate::map::unary)
    Unary(Unary, usize),
    /// A function of two numbers, as [`binary`](crate::map::binary). The exponent of a power must be an input; if its
    /// strides are 0, some exponents have dedicated functions, as there.
    Binary(Binary, usize, usize),
    /// An activation function of a number, as [`curve`](crate::map::curve)
    Curve(Curve, usize),
    /// The gradient with respect to an activation function's argument, from that with respect to its value and the
    /// argument, as [`curve_grad`](crate::map::curve_grad)
    CurveGrad(Curve, usize, usize),
    /// A mask from two numbers, as [`compare`](crate::map::compare)
    Compare(Compare, usize, usize),
    /// The second operand where the first, a mask, is true, else the third, as [`select`](crate::map::select)
    Select(usize, usize, usize),
    /// A mask from two masks
    Logic(Logic, usize, usize),
    /// The negation of a mask
    Not(usize),
    /// A mask's bytes as numbers
    Number(usize),
}

/// A function of two masks, bit by bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Logic {
    /// Whether both are true
    And,
    /// Whether at least one is
    Or,
    /// Whether exactly one is
    Xor,
}

/// An operand of a chain.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, T> {
    /// Numbers
    Numbers(View<'a, T>),
    /// Truth values, one per byte: 0 is false
    Mask(View<'a, u8>),
    /// The previous contents of an output, for chains that change it in place
    Output(usize),
}

/// Where a chain stores a result, in row-major order.
#[derive(Debug)]
pub enum Output<'a, T> {
    /// Numbers
    Numbers(&'a mut [T]),
    /// Truth values, as 1 or 0
    Mask(&'a mut [u8]),
}

entries! { Chains for [f32 f64] where T: Real {
    /// Runs a chain for the indices of `shape`, and writes its outputs.
    ///
    /// Allocates nothing, unless a view has more than eight dimensions that cannot be collapsed.
    ///
    /// # Panics
    /// If the number or kinds of inputs or outputs are not those of the chain, an output does not have the shape's
    /// number of elements, or a view does not cover the shape.
    pub fn run_chain(chain: &Chain, shape: &[usize], inputs: &[Input<T>], outputs: &mut [Output<T>]) = run_chain_body;
} }

fn run_chain_body<T: Real>(chain: &Chain, shape: &[usize], inputs: &[Input<T>], outputs: &mut [Output<T>]) {
    let n = size(shape);
    assert_eq!(inputs.len(), chain.inputs().len(), "the chain has another number of inputs");
    for (input, kind) in inputs.iter().zip(chain.inputs()) {
        match (input, kind) {
            (Input::Numbers(view), Kind::Number) => view.check(shape),
            (Input::Mask(view), Kind::Mask) => view.check(shape),
            (Input::Output(j), Kind::Output(k)) if j == k => {}
            _ => panic!("an input is not of the kind that the chain was made for"),
        }
    }
    assert_eq!(outputs.len(), chain.outputs().len(), "the chain has another number of outputs");
    let mut pointers = [Shared::new(&mut []); MAX_OUTPUTS];
    for ((output, is_mask), pointer) in outputs.iter_mut().zip(chain.outputs()).zip(&mut pointers) {
        let len;
        (len, *pointer) = match (output, is_mask) {
            (Output::Numbers(out), false) => (out.len(), Shared::new(out).bytes()),
            (Output::Mask(out), true) => (out.len(), Shared::new(out)),
            _ => panic!("an output is not of the kind that the chain was made for"),
        };
        assert_eq!(len, n, "an output has the wrong number of elements");
    }
    if n > 0 {
        split_range(n, UNIT, chain.grain(), |start, len| {
            // SAFETY: everything was checked above, and ranges of different tasks do not overlap.
            T::run(unsafe { RangeKernel::new(chain, shape, inputs, &pointers, start, len) });
        });
    }
}
