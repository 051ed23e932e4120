//! Primitives without derivatives, which nothing but a recorder has to hear of.

use std::sync::Arc;

use super::{Action, Kind, Op};
use crate::error::Result;
use crate::random::Generator;
use crate::tensor::{Tensor, offer, watch};

impl Action for Arc<dyn Op> {
    fn name(&self) -> String {
        Op::name(&**self).into()
    }

    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()> {
        into(out[0], || self.forward(x))
    }

    fn kind(&self) -> Kind {
        Op::kind(&**self)
    }
}

/// A primitive without derivatives, from a function.
pub(crate) struct Plain<F> {
    pub kind: Kind,
    pub name: &'static str,
    pub f: F,
}

impl<F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync> Action for Plain<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()> {
        into(out[0], || (self.f)(x))
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

/// A primitive that refuses some inputs.
pub(crate) struct Check<F> {
    pub name: &'static str,
    pub f: F,
}

impl<F: Fn(&[&Tensor]) -> Result<()> + Send + Sync> Action for Check<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self, x: &[&Tensor], _: &[&Tensor]) -> Result<()> {
        (self.f)(x)
    }
}

/// A primitive that changes a tensor in place.
pub(crate) struct Write<F> {
    pub kind: Kind,
    pub name: &'static str,
    pub f: F,
}

impl<F: Fn(&Tensor, &[&Tensor]) -> Result<()> + Send + Sync> Action for Write<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self, x: &[&Tensor], out: &[&Tensor]) -> Result<()> {
        (self.f)(out[0], x)
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

/// Computes a tensor in the place of `out`: a primitive that makes one tensor of its size takes that place, and needs no
/// other; what another one makes is copied there.
pub fn into(out: &Tensor, f: impl FnOnce() -> Result<Tensor>) -> Result<()> {
    let made = offer(out, f)?;
    if !made.shares_storage(out) {
        out.take_elements(&made);
    }
    Ok(())
}

/// Runs `f`, a primitive without derivatives, which reads nothing but its inputs.
#[inline]
pub(crate) fn plain<F>(name: &'static str, x: &[&Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    plain_as(Kind::Other, name, x, f)
}

/// The same for one that passes know.
#[inline]
pub(crate) fn plain_as<F>(kind: Kind, name: &'static str, x: &[&Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    if !watch::is_recording() {
        return f(x);
    }
    let action = Arc::new(Plain { kind, name, f });
    watch::made(action.clone(), x, false, || (action.f)(x))
}

/// Runs `f`, a primitive that draws from a generator.
pub(crate) fn drawn<F>(name: &'static str, generator: &Generator, f: F) -> Result<Tensor>
where
    F: Fn(&Generator) -> Result<Tensor> + Send + Sync + 'static,
{
    if !watch::is_recording() {
        return f(generator);
    }
    watch::draws(generator);
    let generator = generator.clone();
    let action = Arc::new(Plain { kind: Kind::Other, name, f: move |_: &[&Tensor]| f(&generator) });
    watch::made(action.clone(), &[], true, || (action.f)(&[]))
}

/// Runs `f`, which refuses some inputs.
pub(crate) fn check<F>(name: &'static str, x: &[&Tensor], f: F) -> Result<()>
where
    F: Fn(&[&Tensor]) -> Result<()> + Send + Sync + 'static,
{
    if !watch::is_recording() {
        return f(x);
    }
    let action = Arc::new(Check { name, f });
    watch::ran(action.clone(), x, &[], || (action.f)(x))
}

/// Runs `f`, which changes `out` in place.
pub(crate) fn write_as<F>(kind: Kind, name: &'static str, out: &Tensor, x: &[&Tensor], f: F) -> Result<()>
where
    F: Fn(&Tensor, &[&Tensor]) -> Result<()> + Send + Sync + 'static,
{
    if !watch::is_recording() {
        return f(out, x);
    }
    let action = Arc::new(Write { kind, name, f });
    watch::ran(action.clone(), x, &[out], || (action.f)(out, x))
}
