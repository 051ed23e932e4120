//! Borders around tensors, and labels as rows of zeros and ones.

use rgrad_macros::op;

use smallvec::SmallVec;

use super::elementwise::where_;
use super::index_select;
use super::loss::indicator;
use super::views::{Range, reshape_to, slice, unslice};
use super::{cast, contiguous};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op;
use crate::shape::{Dims, Show};
use crate::tensor::{Number, Tensor};

/// The widths before and after every dimension of `x`.
fn widths(x: &Tensor, pad: &[isize]) -> Result<Vec<(isize, isize)>> {
    if !pad.len().is_multiple_of(2) || pad.len() / 2 > x.ndim() {
        let (n, shape) = (pad.len(), Show(x.shape()));
        fail!(Value, "pad: expected a pair of widths for each of the last dimensions of shape {shape}, got {n} widths");
    }
    let mut all = vec![(0, 0); x.ndim()];
    for (pair, width) in pad.chunks(2).zip(all.iter_mut().rev()) {
        *width = (pair[0], pair[1]);
    }
    for (d, (&(before, after), &n)) in all.iter().zip(x.shape()).enumerate() {
        let left = (n as isize).checked_add(before.min(0)).and_then(|n| n.checked_add(after.min(0)));
        if left.is_none_or(|n| n < 0) || before.checked_add(after).and_then(|w| w.checked_add(n as isize)).is_none() {
            fail!(Value, "pad: widths {before} and {after} do not fit dim {d} of size {n}");
        }
    }
    Ok(all)
}

fn constant(x: &Tensor, all: &[(isize, isize)], value: f64) -> Result<Tensor> {
    let (mut inner, mut outer, mut shape) = (SmallVec::<[Range; 4]>::new(), SmallVec::<[Range; 4]>::new(), Dims::new());
    for (&n, &(before, after)) in x.shape().iter().zip(all) {
        let len = (n as isize + before.min(0) + after.min(0)) as usize;
        inner.push(Range { start: (-before).max(0) as usize, step: 1, len });
        outer.push(Range { start: before.max(0) as usize, step: 1, len });
        shape.push(len + (before.max(0) + after.max(0)) as usize);
    }
    crate::shape::checked_numel("pad", &shape)?;
    let kept = slice(x, inner)?;
    if value == 0.0 {
        return unslice(&kept, &shape, outer);
    }
    let inside = unslice(&Tensor::full(kept.shape(), Number::Bool(true), DType::Bool)?, &shape, outer.clone())?;
    Number::Float(value).check_fits("pad", x.dtype())?;
    let border = Tensor::scalar(Number::Float(value), x.dtype())?;
    where_(&inside, &unslice(&kept, &shape, outer)?, &border)
}

/// The element that stands at position `i` of a dimension of size `n`, counted from its first element.
fn source(mode: &str, i: isize, n: isize) -> isize {
    match mode {
        "replicate" => i.clamp(0, n - 1),
        "circular" => i.rem_euclid(n),
        _ if i < 0 => -i,
        _ if i >= n => 2 * (n - 1) - i,
        _ => i,
    }
}

/// `input` with borders of a number or of its own elements.
///
/// Args:
///     input: A tensor.
///     pad: Pairs of widths (before, after), the last dimension's first; negative ones cut off.
///     mode: "constant", "reflect" (mirrored at the outermost elements), "replicate" (which repeats them), or "circular"
///         (from the
///         other end).
///     value: The number of "constant"; 0 unless given.
///
/// Raises:
///     ValueError: if there are more widths than dimensions, if a dimension would have a negative size, or if a border of
///         its own
///         elements would need more than there are.
#[op(function, mode = "constant", value = None)]
pub fn pad(input: &Tensor, pad: &[isize], mode: &str, value: Option<f64>) -> Result<Tensor> {
    let all = widths(input, pad)?;
    let most = |n: isize| match mode {
        "reflect" => Ok(n - 1),
        "circular" => Ok(n),
        "replicate" => Ok(if n > 0 { isize::MAX } else { 0 }),
        other => fail!(Value, "pad: mode must be constant, reflect, replicate or circular, got {other:?}"),
    };
    if mode == "constant" {
        return constant(input, &all, value.unwrap_or(0.0));
    }
    if value.is_some() {
        fail!(Value, "pad: value is for the mode constant, not for {mode}");
    }
    for (d, (&n, &(before, after))) in input.shape().iter().zip(&all).enumerate() {
        if before.max(after) > most(n as isize)?.max(0) {
            fail!(Value, "pad: the mode {mode} cannot make a border of {before} and {after} from dim {d} of size {n}");
        }
    }
    let mut y = input.clone();
    for (d, &(before, after)) in all.iter().enumerate() {
        if (before, after) != (0, 0) {
            let n = input.shape()[d] as isize;
            let positions = Tensor::build::<i64>("pad", &[(before + n + after) as usize], DType::Int64, |out| {
                for (out, i) in out.iter_mut().zip(-before..) {
                    *out = source(mode, i, n) as i64;
                }
                Ok(())
            })?;
            y = index_select(&y, d as isize, &positions)?;
        }
    }
    Ok(y)
}

/// 1 at each label, 0 elsewhere: integers (…) to int64 (…, `num_classes`); with −1, one more class than the largest
/// label. `TypeError` unless `tensor` holds integers; `ValueError` if a label is negative or not below `num_classes`.
#[op(function, num_classes = -1)]
pub fn one_hot(tensor: &Tensor, num_classes: isize) -> Result<Tensor> {
    if tensor.dtype().is_float() || tensor.dtype() == DType::Bool {
        fail!(Type, "one_hot: expected integer labels, got {}; write x.to(rg.int64)", tensor.dtype());
    }
    if num_classes < -1 || num_classes == 0 {
        fail!(Value, "one_hot: num_classes must be positive, or -1 to count them, got {num_classes}");
    }
    let labels = contiguous(&reshape_to(&cast(tensor, DType::Int64)?, &[tensor.numel()])?)?;
    let classes = match num_classes {
        -1 => match labels.to_vec::<i64>()?.iter().max() {
            Some(largest) => largest.saturating_add(1),
            None => fail!(Value, "one_hot: there are no labels to count the classes of; give num_classes"),
        },
        given => given as i64,
    };
    op::check("one_hot", &[&labels], move |labels| {
        if let Some(bad) = labels[0].read::<i64>().slice().iter().find(|v| !(0..classes).contains(v)) {
            fail!(Value, "one_hot: label {bad} is out of range for {classes} classes");
        }
        Ok(())
    })?;
    let mut shape: Dims = tensor.shape().into();
    shape.push(classes as usize);
    crate::shape::checked_numel("one_hot", &shape)?;
    reshape_to(&cast(&indicator(&labels, classes as usize)?, DType::Int64)?, &shape)
}
