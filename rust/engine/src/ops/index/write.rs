//! `x[index] = value`, and the same as a function.

use rgrad_macros::op;

use smallvec::SmallVec;

use super::read::{Selection, getitem};
use super::{Index, Plan};
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply, with_grad_enabled};
use crate::ops::arange;
use crate::ops::arrange::flip_dims;
use crate::ops::views::{expand_to, reshape_to};
use crate::ops::{cast, contiguous, copy, eq, where_};
use crate::shape::{Dims, Show, broadcast, places};
use crate::tensor::{Number, Tensor};

/// `value` with the dtype of `x`, and without leading dimensions of size 1 that `shape` does not have. `ValueError` unless it
/// can be broadcast to `shape`.
fn fitted(value: &Tensor, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let more = value.ndim().saturating_sub(shape.len());
    let drop = value.shape()[..more].iter().take_while(|&&n| n == 1).count();
    let own = &value.shape()[drop..];
    if !broadcast("index", own, shape).is_ok_and(|all| all[..] == *shape) {
        let (from, to) = (Show(value.shape()), Show(shape));
        fail!(Value, "index: a value of shape {from} cannot be broadcast to the selected elements of shape {to}");
    }
    cast(&reshape_to(value, own)?, x.dtype())
}

/// `x[index] = value`, with `value` broadcast to the shape of `x[index]` and cast to the dtype of `x`. Where positions repeat,
/// the last value stays. Errors as those of [`Tensor::copy_from`] and [`getitem`]; nothing is written if there is one.
pub fn setitem(x: &Tensor, index: &[Index], value: &Tensor) -> Result<()> {
    x.check_write(value)?;
    let (x, value) = (x.without_history(), value.without_history());
    let tensors = tensors_of(index);
    if tensors.is_empty() {
        return with_grad_enabled(false, || write(&x, index, &value));
    }
    let index: Vec<Index> = index.into();
    let inputs: SmallVec<[&Tensor; 4]> = [&value].into_iter().chain(tensors.iter()).collect();
    op::write_as(op::Kind::Refuses, "index_put_", &x, &inputs, move |x, inputs| {
        with_grad_enabled(false, || write(x, &with_tensors(&index, &inputs[1..]), inputs[0]))
    })
}

/// The tensors of an index.
fn tensors_of(index: &[Index]) -> SmallVec<[Tensor; 2]> {
    let tensor = |item: &Index| if let Index::Tensor(t) = item { Some(t.clone()) } else { None };
    index.iter().filter_map(tensor).collect()
}

/// An index with other tensors.
fn with_tensors(index: &[Index], tensors: &[&Tensor]) -> Vec<Index> {
    let mut tensors = tensors.iter();
    let next = |item: &Index| match item {
        Index::Tensor(_) => Index::Tensor((*tensors.next().expect("one for each")).clone()),
        other => other.clone(),
    };
    index.iter().map(next).collect()
}

fn write(x: &Tensor, index: &[Index], value: &Tensor) -> Result<()> {
    if let [Index::Tensor(mask)] = index
        && mask.dtype() == DType::Bool
        && mask.shape() == x.shape()
        && value.numel() == 1
    {
        return x.copy_from(&where_(mask, &fitted(value, x, &[])?, x)?);
    }
    let plan = Plan::new(x, index)?;
    if plan.positions.is_empty() {
        let value = fitted(value, x, plan.view.shape())?;
        if plan.back.is_empty() {
            return plan.view.copy_from(&value);
        }
        return plan.view.copy_from(&flip_dims(&expand_to(&value, plan.view.shape())?, plan.back.clone())?);
    }
    let s = Selection::new(&plan.view, &plan.positions)?;
    let values = contiguous(&expand_to(&fitted(value, x, &s.shape)?, &s.shape)?)?;
    let values = if values.shares_storage(x) { copy(&values)? } else { values };
    let layout = plan.view.layout();
    plan.view.check_distinct()?;
    let part = |dims: &[usize]| -> (Dims, Dims) { dims.iter().map(|&d| (layout.shape[d], layout.strides[d])).unzip() };
    let (lead, rest) = s.order.split_at(s.lead);
    let (head, rest) = rest.split_at(s.count);
    let (sizes, strides) = part(head);
    let picked = s.offsets(&plan.positions, &sizes, &strides)?;
    if values.numel() == 0 {
        return Ok(());
    }
    let all = |dims: &[usize]| {
        let back = |&&d: &&usize| plan.back.contains(&d);
        let last = |&d: &usize| (layout.shape[d] - 1) * layout.strides[d];
        let along =
            |d: &usize| (layout.shape[*d], layout.strides[*d].wrapping_mul(if back(&d) { usize::MAX } else { 1 }));
        places(dims.iter().filter(back).map(last).sum(), dims.iter().map(along))
    };
    // Elements of the last dimensions that lie side by side are written together.
    let mut run = 1;
    let beside = |&&d: &&usize| {
        let found = layout.strides[d] == run && !plan.back.contains(&d);
        run *= if found { layout.shape[d] } else { 1 };
        found
    };
    let rest = &rest[..rest.len() - rest.iter().rev().take_while(beside).count()];
    let (lead, rest) = (all(lead)?, all(rest)?);
    let picked = picked.read::<i64>();
    match_any!(x.dtype(), T => {
        let from = values.read::<T>();
        let from = from.slice();
        let mut to = x.write::<T>();
        if let ([l], [r], 1) = (&lead[..], &rest[..], run) {
            // Element by element, as `scatter` writes them.
            let to = &mut to[layout.offset + l + r..];
            for (&p, &v) in picked.slice().iter().zip(from) {
                to[p as usize] = v;
            }
            return Ok(());
        }
        let mut from = from.chunks_exact(run);
        for l in &lead {
            for &p in picked.slice() {
                for (r, v) in rest.iter().zip(from.by_ref()) {
                    let at = layout.offset + l + p as usize + r;
                    if let [v] = v {
                        to[at] = *v;
                    } else {
                        to[at..at + run].copy_from_slice(v);
                    }
                }
            }
        }
    });
    Ok(())
}

/// `x` with other values, `v`, at an index, whose tensors are further inputs.
#[derive(Clone)]
struct IndexPut {
    /// With other tensors.
    index: Vec<Index>,
}

impl IndexPut {
    /// The index with the tensors that are inputs.
    fn at(&self, saved: &Saved) -> Vec<Index> {
        let tensors: SmallVec<[&Tensor; 2]> = (2..saved.inputs()).map(|i| saved.input(i)).collect();
        with_tensors(&self.index, &tensors)
    }

    /// Which of the selected values are in the result: where positions repeat, the last one.
    fn winners(index: &[Index], shape: &[usize], selected: &[usize]) -> Result<Tensor> {
        let marks = Tensor::full(shape, Number::Int(0), DType::Int64)?;
        let count = selected.iter().product::<usize>() as i64;
        let numbers = reshape_to(&arange(Number::Int(0), Number::Int(count), Number::Int(1), None)?, selected)?;
        setitem(&marks, index, &numbers)?;
        eq(&getitem(&marks, index)?, &numbers)
    }

    fn put(&self, x: &Tensor, v: &Tensor, tensors: &[Tensor]) -> Result<Tensor> {
        let inputs: SmallVec<[&Tensor; 4]> = [x, v].into_iter().chain(tensors).collect();
        apply(self.clone(), &inputs)
    }

    /// Whether a place may be written twice.
    fn may_repeat(&self) -> bool {
        self.index.iter().any(|i| matches!(i, Index::Tensor(t) if t.dtype() != DType::Bool))
    }
}

impl Op for IndexPut {
    fn name(&self) -> &'static str {
        "index_put"
    }
    fn kind(&self) -> op::Kind {
        op::Kind::Refuses
    }
    fn saves(&self) -> Saves {
        Saves { inputs: !0b11, output: false }
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let y = copy(x[0])?;
        with_grad_enabled(false, || write(&y, &with_tensors(&self.index, &x[2..]), &x[1].without_history()))?;
        out.give(y);
        Ok(())
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let zero = Tensor::scalar(Number::Int(0), g.dtype())?;
        let index = self.at(saved);
        let tensors = tensors_of(&index);
        let x = if want.input(0) { Some(self.put(g, &zero, &tensors)?) } else { None };
        let mut v = if want.input(1) { Some(getitem(g, &index)?) } else { None };
        if let Some(all) = &v
            && self.may_repeat()
        {
            v = Some(where_(&Self::winners(&index, g.shape(), all.shape())?, all, &zero)?);
        }
        Ok([x, v].into_iter().chain(tensors.iter().map(|_| None)).collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let zeros = Tensor::full(x[0].shape(), Number::Int(0), x[0].dtype())?;
        let zero = Tensor::scalar(Number::Int(0), x[0].dtype())?;
        let tensors: SmallVec<[Tensor; 2]> = x[2..].iter().map(|&t| t.clone()).collect();
        self.put(t[0].unwrap_or(&zeros), t[1].unwrap_or(&zero), &tensors)
    }
}

/// A copy of `x` in which `x[index]` is `value`: `x[index] = value` as a function, through which gradients flow to both.
/// Where positions repeat, the last value stays, and it alone has a gradient.
#[op(method)]
pub fn index_put(x: &Tensor, index: &[Index], value: &Tensor) -> Result<Tensor> {
    value.check_number_fits("index_put", x.dtype())?;
    let own = |item: &Index| match item {
        Index::Tensor(t) => copy(t).map(Index::Tensor),
        other => Ok(other.clone()),
    };
    let op = IndexPut { index: index.iter().map(own).collect::<Result<_>>()? };
    let selected = Plan::new(&x.without_history(), &op.index)?;
    let shape: Dims = if selected.positions.is_empty() {
        selected.view.shape().into()
    } else {
        Selection::new(&selected.view, &selected.positions)?.shape
    };
    let tensors = tensors_of(&op.index);
    op.put(x, &fitted(value, x, &shape)?, &tensors)
}
