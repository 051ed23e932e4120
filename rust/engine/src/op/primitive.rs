//! Operations without derivatives, from functions: nothing but a recorder has to hear of them.

use std::sync::Arc;

use super::{Kind, Op, Out};
use crate::error::Result;
use crate::random::Generator;
use crate::tensor::{Tensor, watch};

/// An operation without a derivative, which reads nothing but its inputs.
pub(crate) struct Plain<F> {
    pub kind: Kind,
    pub name: &'static str,
    pub f: F,
}

impl<F: Fn(&[&Tensor], &mut Out<'_>) -> Result<()> + Send + Sync + 'static> Op for Plain<F> {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        (self.f)(x, out)
    }
}

#[inline]
fn run<F>(kind: Kind, name: &'static str, x: &[&Tensor], out: &mut Out<'_>, effect: bool, f: F) -> Result<()>
where
    F: Fn(&[&Tensor], &mut Out<'_>) -> Result<()> + Send + Sync + 'static,
{
    if !watch::is_recording() {
        return f(x, out);
    }
    let op = Arc::new(Plain { kind, name, f });
    watch::ran(op.clone(), x, out, effect, |out| op.forward(x, out))
}

/// The result of `f`.
#[inline]
pub(crate) fn plain<F>(name: &'static str, x: &[&Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[&Tensor], &mut Out<'_>) -> Result<()> + Send + Sync + 'static,
{
    plain_as(Kind::Other, name, x, f)
}

/// The same of a kind that passes know.
#[inline]
pub(crate) fn plain_as<F>(kind: Kind, name: &'static str, x: &[&Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[&Tensor], &mut Out<'_>) -> Result<()> + Send + Sync + 'static,
{
    let mut out = Out::new();
    run(kind, name, x, &mut out, false, f)?;
    Ok(out.result().0)
}

/// The results of `f`, of which there are so many.
pub(crate) fn several<const N: usize, F>(name: &'static str, x: &[&Tensor], f: F) -> Result<[Tensor; N]>
where
    F: Fn(&[&Tensor], &mut Out<'_>) -> Result<()> + Send + Sync + 'static,
{
    let mut out = Out::new();
    run(Kind::Other, name, x, &mut out, false, f)?;
    Ok(out.results())
}

/// The result of `f`, which draws from a generator.
pub(crate) fn drawn<F>(name: &'static str, generator: &Generator, f: F) -> Result<Tensor>
where
    F: Fn(&Generator, &mut Out<'_>) -> Result<()> + Send + Sync + 'static,
{
    let mut out = Out::new();
    if watch::is_recording() {
        watch::tell(|watcher| watcher.draws(generator));
        let generator = generator.clone();
        run(Kind::Other, name, &[], &mut out, true, move |_, out| f(&generator, out))?;
    } else {
        f(generator, &mut out)?;
    }
    Ok(out.result().0)
}

/// Runs `f`, which refuses some inputs.
pub(crate) fn check<F>(name: &'static str, x: &[&Tensor], f: F) -> Result<()>
where
    F: Fn(&[&Tensor]) -> Result<()> + Send + Sync + 'static,
{
    run(Kind::Other, name, x, &mut Out::new(), true, move |x, _| f(x))
}

/// Runs `f`, which changes `out` in place.
pub(crate) fn write_as<F>(kind: Kind, name: &'static str, out: &Tensor, x: &[&Tensor], f: F) -> Result<()>
where
    F: Fn(&Tensor, &[&Tensor]) -> Result<()> + Send + Sync + 'static,
{
    run(kind, name, x, &mut Out::at(&[out]), false, move |x, out| f(out.places()[0], x))
}
