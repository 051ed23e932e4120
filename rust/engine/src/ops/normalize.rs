//! Normalisation: by the statistics of a batch or of each example, and by the length of vectors.

use rgrad_macros::op;

use super::elementwise::{add, clamp, div, mul, number, sqrt};
use super::reduce::{scale, sum};
use super::standardize::{Standardize, scaled};
use super::views::{expand_to, permute, reshape_to};
use super::{cast, clone, contiguous, norm};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op::with_grad_enabled;
use crate::shape::{Dims, Show, normalize_dim};
use crate::tensor::Tensor;

fn affine(y: Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = match weight {
        Some(w) => mul(&y, w)?,
        None => y,
    };
    match bias {
        Some(b) => add(&y, b),
        None => Ok(y),
    }
}

fn floats(op: &str, x: &Tensor) -> Result<()> {
    if !x.dtype().is_float() {
        fail!(Type, "{op}: expected an input of floats, got {}; write x.to(rg.float32)", x.dtype());
    }
    Ok(())
}

/// Numbers (C,), one for every channel of `x`, with its dtype.
fn per_channel(op: &str, what: &str, t: Option<&Tensor>, x: &Tensor) -> Result<Option<Tensor>> {
    let Some(t) = t else { return Ok(None) };
    let channels = x.shape()[1];
    if t.shape() != [channels] {
        let (shape, input) = (Show(t.shape()), Show(x.shape()));
        fail!(Value, "{op}: {what} must have shape ({channels},) for an input of shape {input}, got {shape}");
    }
    cast(t, x.dtype()).map(Some)
}

/// `x` (N, C) or (N, C, L…) as a row-major matrix with one column for every channel.
fn channels_last(x: &Tensor) -> Result<Tensor> {
    let order: Vec<isize> = [0].into_iter().chain(2..x.ndim() as isize).chain([1]).collect();
    let last = if x.ndim() > 2 { permute(x, &order)? } else { x.clone() };
    let rows = last.shape()[..x.ndim() - 1].iter().product();
    contiguous(&reshape_to(&last, &[rows, x.shape()[1]])?)
}

/// The reverse of [`channels_last`], for a result of the shape `shape`.
fn channels_second(y: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if shape.len() == 2 {
        return Ok(y.clone());
    }
    let last: Dims = shape[..1].iter().chain(&shape[2..]).chain([&shape[1]]).copied().collect();
    let end = shape.len() as isize - 1;
    let order: Vec<isize> = [0, end].into_iter().chain(1..end).collect();
    contiguous(&permute(&reshape_to(y, &last)?, &order)?)
}

/// (x − mean) / √(var + eps) · weight + bias for every channel (dimension 1).
///
/// Ioffe and Szegedy, Batch normalization, 2015.
///
/// Args:
///     input: Examples (N, C) or (N, C, L…) of floats.
///     running_mean: The means (C,) outside training, or None. In training they move towards the batch's, in place.
///     running_var: The variances (C,), likewise; a batch's is taken with n − 1 in its denominator for them.
///     weight: Factors (C,), or None.
///     bias: What is added, (C,), or None.
///     training: Whether the statistics are those of the batch.
///     momentum: The fraction by which the running statistics move.
///     eps: What keeps the denominator from 0.
///
/// Raises:
///     TypeError: unless `input` holds floats.
///     ValueError: if in training there is but one value for each channel, whose variance would be 0; if otherwise there
///         are no
///         running statistics; or if shapes do not fit.
#[op(function, weight = None, bias = None, training = false, momentum = 0.1, eps = 1e-5)]
#[allow(clippy::too_many_arguments, reason = "the signature is PyTorch's")]
pub fn batch_norm(
    input: &Tensor,
    running_mean: Option<&Tensor>,
    running_var: Option<&Tensor>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Result<Tensor> {
    const OP: &str = "batch_norm";
    floats(OP, input)?;
    if input.ndim() < 2 {
        fail!(Value, "{OP}: expected an input (N, C) or (N, C, L), got {}", Show(input.shape()));
    }
    let weight = per_channel(OP, "weight", weight, input)?;
    let bias = per_channel(OP, "bias", bias, input)?;
    let mean_then = per_channel(OP, "running_mean", running_mean, input)?;
    let var_then = per_channel(OP, "running_var", running_var, input)?;
    if !training {
        let (Some(centre), Some(var)) = (mean_then, var_then) else {
            fail!(Value, "{OP}: without running_mean and running_var, write training=True");
        };
        let scale = div(&number(&var, 1.0)?, &sqrt(&add(&var, &number(&var, eps)?)?)?)?;
        // A copy: training goes on changing the running mean, before the backward pass too.
        let y = scaled(&channels_last(input)?, &clone(&centre)?, &scale, weight.as_ref(), bias.as_ref())?;
        return channels_second(&y, input.shape());
    }
    let count = input.numel().checked_div(input.shape()[1]).unwrap_or(0);
    if count < 2 {
        let shape = Show(input.shape());
        fail!(Value, "{OP}: expected more than one value per channel in training, got an input of shape {shape}");
    }
    let op = Standardize { by_column: true, centred: true, eps };
    let x = channels_last(input)?;
    let statistics = op.statistics(&x)?;
    let y = op.apply(&x, &statistics, weight.as_ref(), bias.as_ref())?;
    let n = count as f64;
    let new_mean = running_mean.map(|r| moved(r, &statistics.mean, momentum)).transpose()?;
    let new_var = running_var.map(|r| moved(r, &scale(&statistics.var, n / (n - 1.0))?, momentum)).transpose()?;
    for (running, new) in [(running_mean, new_mean), (running_var, new_var)] {
        if let (Some(running), Some(new)) = (running, new) {
            with_grad_enabled(false, || running.without_history().copy_from(&new))?;
        }
    }
    channels_second(&y, input.shape())
}

/// The statistics `from` moved towards `to` by the fraction `by`; no history.
fn moved(from: &Tensor, to: &Tensor, by: f64) -> Result<Tensor> {
    let from = from.without_history();
    with_grad_enabled(false, || add(&scale(&from, 1.0 - by)?, &scale(to, by)?))
}

/// Refuses an input that does not end with `normalized_shape`, and parameters of other shapes.
fn check_last(op: &str, x: &Tensor, normalized_shape: &[isize], parameters: &[Option<&Tensor>]) -> Result<()> {
    floats(op, x)?;
    let n = normalized_shape.len();
    let wanted: Vec<usize> = normalized_shape.iter().map(|&s| usize::try_from(s).unwrap_or(usize::MAX)).collect();
    if n == 0 || x.ndim() < n || x.shape()[x.ndim() - n..] != wanted[..] {
        let list = normalized_shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        fail!(Value, "{op}: an input of shape {} does not end with normalized_shape ({list})", Show(x.shape()));
    }
    for t in parameters.iter().flatten() {
        if t.shape() != wanted {
            fail!(Value, "{op}: a parameter has shape {}, normalized_shape is {}", Show(t.shape()), Show(&wanted));
        }
    }
    Ok(())
}

/// Standardizes every example over the last `dims` dimensions.
fn over_last(
    op: Standardize,
    x: &Tensor,
    dims: usize,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (examples, one) = x.shape().split_at(x.ndim() - dims);
    let size = [one.iter().product()];
    let rows = contiguous(&reshape_to(x, &[examples.iter().product(), size[0]])?)?;
    let statistics = op.statistics(&rows)?;
    if [weight, bias].iter().flatten().any(|t| t.dtype() != x.dtype()) {
        // The result has the wider dtype.
        return affine(reshape_to(&op.apply(&rows, &statistics, None, None)?, x.shape())?, weight, bias);
    }
    let flat = |t: Option<&Tensor>| t.map(|t| reshape_to(t, &size)).transpose();
    let (weight, bias) = (flat(weight)?, flat(bias)?);
    reshape_to(&op.apply(&rows, &statistics, weight.as_ref(), bias.as_ref())?, x.shape())
}

/// (x − mean) / √(var + eps) · weight + bias, with the statistics of each example over the last dimensions.
///
/// Ba, Kiros and Hinton, Layer normalization, 2016.
///
/// Args:
///     input: Examples of floats, whose last dimensions are `normalized_shape`.
///     normalized_shape: The sizes of these dimensions.
///     weight: Factors of that shape, or None.
///     bias: What is added, of that shape, or None.
///     eps: What keeps the denominator from 0.
///
/// Raises:
///     TypeError: unless `input` holds floats.
///     ValueError: if the shapes do not fit.
///
/// >>> rg.nn.functional.layer_norm(rg.tensor([[1.0, 3.0]]), 2, eps=0.0)
/// tensor([[-1.,  1.]])
#[op(function, weight = None, bias = None, eps = 1e-5)]
pub fn layer_norm(
    input: &Tensor,
    normalized_shape: &[isize],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    check_last("layer_norm", input, normalized_shape, &[weight, bias])?;
    let op = Standardize { by_column: false, centred: true, eps };
    over_last(op, input, normalized_shape.len(), weight, bias)
}

/// x / √(mean of x² + eps) · weight over the last dimensions.
///
/// Zhang and Sennrich, Root mean square layer normalization, 2019.
///
/// Args:
///     input: Examples of floats, whose last dimensions are `normalized_shape`.
///     normalized_shape: The sizes of these dimensions.
///     weight: Factors of that shape, or None.
///     eps: What keeps the denominator from 0: by default the distance of 1 from the next number of the dtype.
///
/// Raises:
///     TypeError: unless `input` holds floats.
///     ValueError: if the shapes do not fit.
#[op(function, weight = None, eps = None)]
pub fn rms_norm(
    input: &Tensor,
    normalized_shape: &[isize],
    weight: Option<&Tensor>,
    eps: Option<f64>,
) -> Result<Tensor> {
    check_last("rms_norm", input, normalized_shape, &[weight])?;
    let epsilon = if input.dtype() == DType::Float32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let op = Standardize { by_column: false, centred: false, eps: eps.unwrap_or(epsilon) };
    over_last(op, input, normalized_shape.len(), weight, None)
}

/// `x` along `dim` divided by its length or by `eps`, whichever is more.
fn unit(x: &Tensor, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
    div(x, &clamp(&norm(x, p, Some(&[dim]), true)?, Some(&number(x, eps)?), None)?)
}

/// x / max(‖x‖ₚ, eps) along `dim`; vectors of zeros stay so.
///
/// Args:
///     input: Vectors of floats.
///     p: The order of the norm.
///     dim: The dimension along which the vectors lie.
///     eps: The smallest norm that vectors are divided by.
///
/// Raises:
///     TypeError: unless `input` holds floats.
///     IndexError: if `dim` is out of range.
#[op(function, p = 2.0, dim = 1, eps = 1e-12)]
pub fn normalize(input: &Tensor, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
    floats("normalize", input)?;
    normalize_dim("normalize", dim, input.ndim())?;
    unit(input, p, dim, eps)
}

/// x₁ · x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along `dim`, which goes.
///
/// Args:
///     x1: Vectors.
///     x2: Vectors; the two operands broadcast.
///     dim: The dimension along which the vectors lie.
///     eps: The smallest norm that they are divided by.
///
/// Raises:
///     ValueError: if the shapes cannot be broadcast.
///     IndexError: if `dim` is out of range.
#[op(function, dim = 1, eps = 1e-8)]
pub fn cosine_similarity(x1: &Tensor, x2: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
    const OP: &str = "cosine_similarity";
    floats(OP, x1)?;
    floats(OP, x2)?;
    let shape = crate::shape::broadcast(OP, x1.shape(), x2.shape())?;
    let dim = normalize_dim(OP, dim, shape.len())? as isize;
    let (x1, x2) = (expand_to(x1, &shape)?, expand_to(x2, &shape)?);
    sum(&mul(&unit(&x1, 2.0, dim, eps)?, &unit(&x2, 2.0, dim, eps)?)?, Some(&[dim]), false)
}
