//! Losses against probabilities.

use rgrad_kernels::map::{Binary, Compare, binary};
use rgrad_macros::op;

use super::super::curve::log1p_exp;
use super::super::elementwise::{
    add, clamp, compare, div, exp, log, log1p, logits_cross_entropy, mul, mul_grad, neg, number, sub, where_,
};
use super::super::reduce::{scale, sum};
use super::super::total;
use super::super::views::expand_to;
use super::super::{amax, amin, cast};
use super::{Reduction, check_targets, same_shape};
use crate::dtype::match_float;
use crate::error::{Result, fail};
use crate::op;
use crate::op::{Grads, Op, Out, Saved, Saves, Want, apply};
use crate::shape::{Show, broadcast};
use crate::tensor::{Number, Tensor, result_dtype};

/// −t ln p − (1 − t) ln(1 − p) of `p` and `t` of one shape and dtype, with logarithms of at least −100.
///
/// The derivative to p is (p − t) / max(p (1 − p), 1e-12), as in PyTorch: finite where p is 0 or 1.
#[derive(Clone, Copy)]
struct BinaryCrossEntropy;

/// max(ln p, −100). The derivative is 0 below, and no infinite one stands behind the choice.
fn clamped_log(p: &Tensor) -> Result<Tensor> {
    const LEAST: f64 = 3.720_075_976_020_836e-44; // e⁻¹⁰⁰
    let low = compare(Compare::Lt, p, &number(p, LEAST)?)?;
    where_(&low, &number(p, -100.0)?, &log(&where_(&low, &number(p, 1.0)?, p)?)?)
}

/// max(ln(1 − p), −100), which numbers below 1 do not reach.
fn clamped_log1m(p: &Tensor) -> Result<Tensor> {
    let certain = compare(Compare::Eq, p, &number(p, 1.0)?)?;
    where_(&certain, &number(p, -100.0)?, &log1p(&neg(&where_(&certain, &number(p, 0.0)?, p)?)?)?)
}

/// A function of probabilities and targets of one shape and dtype.
fn together(function: Binary, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
    const OP: &str = "binary_cross_entropy";
    let (p, t) = (x[0], x[1]);
    match_float!(p.dtype(), OP, T => {
        let (a, b) = (p.read::<T>(), t.read::<T>());
        out.build::<T>(OP, p.shape(), p.dtype(), |out| {
            binary(function, out, p.shape(), a.view(), b.view());
            Ok(())
        })
    })
}

fn one_minus(x: &Tensor) -> Result<Tensor> {
    sub(&number(x, 1.0)?, x)
}

impl BinaryCrossEntropy {
    /// `g · ∂/∂p`.
    fn wrt_input(g: &Tensor, p: &Tensor, t: &Tensor) -> Result<Tensor> {
        let variance = clamp(&mul(p, &one_minus(p)?)?, Some(&number(p, 1e-12)?), None)?;
        mul_grad(g, &div(&sub(p, t)?, &variance)?)
    }

    /// `g · ∂/∂t`.
    fn wrt_target(g: &Tensor, p: &Tensor) -> Result<Tensor> {
        mul_grad(g, &sub(&clamped_log1m(p)?, &clamped_log(p)?)?)
    }
}

impl Op for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary_cross_entropy"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        together(Binary::BinaryCrossEntropy, x, out)
    }
    fn backward(&self, saved: &Saved, g: &Tensor, want: Want) -> Result<Grads> {
        let (p, t) = (saved.input(0), saved.input(1));
        let slope = || {
            op::plain("binary_cross_entropy_slope", &[&p.without_history(), &t.without_history()], |x, out| {
                together(Binary::BinaryCrossEntropySlope, x, out)
            })
        };
        let gp = match want.input(0) {
            true if op::is_plain(saved, g) => Some(mul_grad(g, &slope()?)?),
            true => Some(Self::wrt_input(g, p, t)?),
            false => None,
        };
        let gt = if want.input(1) { Some(Self::wrt_target(g, p)?) } else { None };
        Ok([gp, gt].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], _: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        let p = t[0].map(|g| Self::wrt_input(g, x[0], x[1])).transpose()?;
        let t = t[1].map(|g| Self::wrt_target(g, x[0])).transpose()?;
        total([p, t])
    }
}

/// Both as floats of one dtype; `TypeError` for others.
fn floats(op: &str, input: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    let dtypes = (input.dtype(), target.dtype());
    if !dtypes.0.is_float() || !dtypes.1.is_float() {
        fail!(Type, "{op}: expected floats, got {} and {}; write target.to(input.dtype)", dtypes.0, dtypes.1);
    }
    let dtype = result_dtype(&[input, target]);
    Ok((cast(input, dtype)?, cast(target, dtype)?))
}

/// Refuses a weight that would make the losses larger than the input.
fn weight_fits(op: &str, what: &str, weight: Option<&Tensor>, input: &Tensor) -> Result<()> {
    let Some(w) = weight else { return Ok(()) };
    if broadcast(op, w.shape(), input.shape())?[..] != *input.shape() {
        let (weight, input) = (Show(w.shape()), Show(input.shape()));
        fail!(Value, "{op}: a {what} of shape {weight} cannot be broadcast to an input of shape {input}");
    }
    Ok(())
}

fn weighted(loss: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    match weight {
        Some(w) => mul(&loss, w),
        None => Ok(loss),
    }
}

fn number_of(x: &Tensor) -> Result<f64> {
    Ok(match x.item()? {
        Number::Float(v) => v,
        Number::Int(v) => v as f64,
        Number::Bool(v) => f64::from(u8::from(v)),
    })
}

/// −weight (t ln p + (1 − t) ln(1 − p)) for probabilities p, with logarithms of at least −100.
///
/// Args:
///     input: Probabilities of any shape.
///     target: Probabilities t of the same shape. One that is NaN has the loss NaN.
///     weight: Weights, which broadcast.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///
/// Raises:
///     ValueError: unless all probabilities are from 0 to 1, if the shapes differ, or if there is no element to take a mean
///         of.
#[op(function, weight = None, reduction = "mean")]
pub fn binary_cross_entropy(
    input: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: &str,
) -> Result<Tensor> {
    const OP: &str = "binary_cross_entropy";
    let reduction = Reduction::new(OP, reduction, input.numel())?;
    same_shape(OP, input, target)?;
    weight_fits(OP, "weight", weight, input)?;
    let (p, t) = floats(OP, input, target)?;
    if p.numel() > 0 {
        let plain = p.without_history();
        op::check(OP, &[&amin(&plain, None, false)?, &amax(&plain, None, false)?], |ends| {
            let (low, high) = (number_of(ends[0])?, number_of(ends[1])?);
            // Written so that NaN is refused as well.
            if !(low >= 0.0 && high <= 1.0) {
                fail!(
                    Value,
                    "{OP}: expected probabilities from 0 to 1, got values from {low} to {high}; for logits write \
                     binary_cross_entropy_with_logits"
                );
            }
            Ok(())
        })?;
    }
    check_targets(OP, &t, "from 0 to 1", |t| (0.0..=1.0).contains(&t))?;
    reduction.apply(weighted(apply(BinaryCrossEntropy, &[&p, &t])?, weight)?)
}

/// Binary cross-entropy of sigmoid(input), without overflow: −`pos_weight` t ln σ(x) − (1 − t) ln σ(−x), times weight.
///
/// Where x is infinite, it is the limit.
///
/// Args:
///     input: Logits of any shape.
///     target: Probabilities t of the same shape. As in PyTorch, those beyond 0 and 1 are not refused.
///     weight: Weights, which broadcast.
///     reduction: "mean", "sum" or "none" for one loss for each element.
///     pos_weight: Weights of the first term, which broadcast.
///
/// Raises:
///     ValueError: if the shapes differ, or there is no element to take a mean of.
///
/// >>> rg.nn.functional.binary_cross_entropy_with_logits(rg.tensor([0.0]), rg.tensor([1.0]))
/// tensor(0.6931472)
#[op(function, weight = None, reduction = "mean", pos_weight = None)]
pub fn binary_cross_entropy_with_logits(
    input: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: &str,
    pos_weight: Option<&Tensor>,
) -> Result<Tensor> {
    const OP: &str = "binary_cross_entropy_with_logits";
    let reduction = Reduction::new(OP, reduction, input.numel())?;
    same_shape(OP, input, target)?;
    weight_fits(OP, "weight", weight, input)?;
    weight_fits(OP, "pos_weight", pos_weight, input)?;
    let (x, t) = floats(OP, input, target)?;
    let loss = match pos_weight {
        None => logits_cross_entropy(&x, &t)?,
        // What has no probability costs nothing, however far the logit is.
        Some(w) => add(&mul_grad(&mul(w, &t)?, &log1p_exp(&neg(&x)?)?)?, &mul_grad(&one_minus(&t)?, &log1p_exp(&x)?)?)?,
    };
    reduction.apply(weighted(loss, weight)?)
}

/// Kullback–Leibler divergence t (ln t − input), and 0, with derivatives 0, where the probability t is 0.
///
/// Args:
///     input: Log-probabilities of any shape.
///     target: Probabilities t of the same shape, or their logarithms with `log_target`.
///     reduction: "mean", "sum", "none" for one term for each element, or "batchmean" for the sum divided by the first
///         size.
///     log_target: Whether the target holds logarithms.
///
/// Raises:
///     ValueError: for a negative probability, if the shapes differ, or if there is no element to take a mean of.
#[op(function, reduction = "mean", log_target = false)]
pub fn kl_div(input: &Tensor, target: &Tensor, reduction: &str, log_target: bool) -> Result<Tensor> {
    const OP: &str = "kl_div";
    let batch = reduction == "batchmean";
    let reduction = Reduction::new(OP, if batch { "sum" } else { reduction }, input.numel())?;
    same_shape(OP, input, target)?;
    if batch && input.numel() == 0 {
        fail!(Value, "{OP}: an empty batch has no mean loss");
    }
    let (x, t) = floats(OP, input, target)?;
    if !log_target {
        check_targets(OP, &t, "of at least 0 (for logarithms write log_target=True)", |t| t >= 0.0)?;
    }
    let (nothing, harmless) = if log_target { (f64::NEG_INFINITY, 0.0) } else { (0.0, 1.0) };
    let absent = compare(Compare::Eq, &t, &number(&t, nothing)?)?;
    let t = where_(&absent, &number(&t, harmless)?, &t)?;
    let (p, log_p) = if log_target { (exp(&t)?, t) } else { (t.clone(), log(&t)?) };
    let zero = expand_to(&number(&x, 0.0)?, x.shape())?;
    let loss = reduction.apply(where_(&absent, &zero, &mul(&p, &sub(&log_p, &x)?)?)?)?;
    if batch && x.ndim() > 0 { scale(&loss, 1.0 / x.shape()[0] as f64) } else { Ok(loss) }
}

/// Σ over dimension `dim` of −`p` · `log_p` · `weight`, the weights being those of the classes along it; 0 for what has no
/// probability.
pub(super) fn expected_surprise(log_p: &Tensor, p: &Tensor, weight: Option<&Tensor>, dim: usize) -> Result<Tensor> {
    let all = weighted(mul_grad(p, log_p)?, weight)?;
    neg(&sum(&all, Some(&[dim as isize]), false)?)
}
