//! The arguments of a program: parts with the recorded strides, and copies that are written back.

use rgrad_kernels::places_differ;
use smallvec::SmallVec;

use super::alias;
use super::program::{Home, Program, Target};
use super::replay::Replay;
use crate::error::{Result, fail};
use crate::op::with_grad_enabled;
use crate::ops;
use crate::shape::Layout;
use crate::tape;
use crate::tensor::{Tensor, meet};

/// The part of an argument that has this layout, whose offset counts from the argument's first element.
pub(super) fn part_of(argument: &Tensor, layout: &Layout) -> Tensor {
    argument.with_layout(Layout { offset: argument.layout().offset + layout.offset, ..layout.clone() })
}

/// Writes a copy's elements back to its argument, which has the same layout.
pub(super) fn put_back(argument: &Tensor, copy: &Tensor) -> Result<()> {
    let Layout { shape, strides, .. } = argument.layout();
    if places_differ(shape, strides) {
        return argument.copy_from(copy);
    }
    // Elements that share memory are equal: expanded dimensions are written once.
    let repeats = (0..shape.len()).find(|&d| shape[d] > 1 && strides[d] == 0);
    let d = repeats.or_else(|| (0..shape.len()).find(|&d| shape[d] > 1)).unwrap_or_default();
    let mut one = Layout { offset: 0, ..argument.layout().clone() };
    one.shape[d] = 1;
    for _ in 0..if strides[d] == 0 { 1 } else { shape[d] } {
        put_back(&part_of(argument, &one), &part_of(copy, &one))?;
        one.offset += strides[d];
    }
    Ok(())
}

/// A tensor with respect to which gradients were computed, as a program finds it; None for one that the step makes.
pub(super) fn target(t: &Tensor, arguments: &[Tensor], recording: u32, since: u64) -> Option<Target> {
    let key = tape::key(t)?;
    if let Some(i) = arguments.iter().position(|x| x.is_same(t)) {
        return Some(Target::Argument(i));
    }
    let before = t.node().map_or(t.recording() != recording, |node| node.clock <= since);
    before.then_some(Target::Outside(key))
}

impl Program {
    /// Sets `requires_grad` of arguments as the function does.
    pub(super) fn set_requires_grad(&self, arguments: &[Tensor]) -> Result<()> {
        self.set.iter().try_for_each(|&(i, on)| arguments[i].set_requires_grad(on))
    }
}

impl Replay {
    /// Copies of the arguments if the program cannot run on them because they share memory that it changes. `ValueError` if it
    /// would change read-only memory, `RuntimeError` if running on copies is not equivalent to the function.
    pub(super) fn copies(&self, arguments: &[Tensor]) -> Result<Option<SmallVec<[Tensor; 4]>>> {
        // Other checks were made when the function was recorded.
        let check = |x: &Tensor| x.check_write(&x.detach());
        with_grad_enabled(false, || self.changed.iter().try_for_each(|&i| check(&arguments[i])))?;
        alias::check(&self.program, arguments)?;
        // Parts of one tensor have one lock, even if they do not overlap.
        let meet = |x: &Tensor, other: &Tensor| other.shares_storage(x) || other.overlaps(x);
        let shared = |i: usize, x: &Tensor| {
            let reads = |x: &Tensor| self.changed.contains(&i) && self.outside().any(|t| t.overlaps(x));
            self.writes(x) || reads(x) || !self.changed.is_empty() && arguments[..i].iter().any(|other| meet(x, other))
        };
        if arguments.iter().enumerate().all(|(i, x)| !shared(i, x)) {
            return Ok(None);
        }
        with_grad_enabled(false, || arguments.iter().map(ops::copy_as_it_lies).collect::<Result<_>>().map(Some))
    }

    /// Whether the program writes to a captured tensor that shares memory with `x`.
    fn writes(&self, x: &Tensor) -> bool {
        let reach = x.reach();
        self.written.iter().any(|written| meet(written, &reach))
    }

    /// The captured tensors.
    fn outside(&self) -> impl Iterator<Item = &Tensor> {
        self.program.cells.iter().filter_map(|cell| match &cell.home {
            Home::Captured(t) => Some(t),
            _ => None,
        })
    }

    /// `ValueError` if the program changes arguments, or such tensors: they are rows of an epoch's data.
    pub(super) fn check_fixed(&self, data: &[Tensor]) -> Result<()> {
        if !self.changed.is_empty() || data.iter().any(|x| self.writes(x)) { fixed_data("") } else { Ok(()) }
    }
}

/// The error of a step that changes the rows that it gets.
pub(super) fn fixed_data(place: &str) -> Result<()> {
    fail!(
        Value,
        "epoch: the step changes its data in place{place}; rows are read where they lie, so change x.clone() instead"
    )
}
