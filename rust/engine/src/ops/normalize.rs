//! Normalisation: by the statistics of a batch or of each example, and by the length of vectors.

use super::elementwise::{add, clamp, div, mul, number, sqrt, square, sub};
use super::reduce::{mean, scale, sum};
use super::views::{expand_to, reshape_to};
use super::{cast, norm, only, op_table};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::shape::{Dims, Show, normalize_dim};
use crate::tape::{Grads, Op, Saved, Saves, Want, apply, with_grad_enabled};
use crate::tensor::Tensor;

op_table! { $ normalize_ops
    /// (x − mean) / √(var + eps) · weight + bias for every channel (dimension 1) of `input` (N, C) or (N, C, L…). In training the
    /// statistics are the batch's, and `running_mean` and `running_var` (C,), if given, move towards them by the fraction
    /// `momentum`, the variance with n − 1 in its denominator; otherwise they are `running_mean` and `running_var`.
    function batch_norm(
        input: Tensor, running_mean: OptionalTensor, running_var: OptionalTensor, weight: OptionalTensor = None,
        bias: OptionalTensor = None, training: bool = false, momentum: float = 0.1, eps: float = 1e-5
    );
    /// (x − mean) / √(var + eps) · weight + bias, with the statistics of each example over the last dimensions, which are
    /// `normalized_shape`; so are the shapes of `weight` and `bias`.
    function layer_norm(
        input: Tensor, normalized_shape: Ints, weight: OptionalTensor = None, bias: OptionalTensor = None, eps: float = 1e-5
    );
    /// x / √(mean of x² + eps) · weight over the last dimensions, which are `normalized_shape`; `eps` is by default the distance
    /// of 1 from the next number of the dtype.
    function rms_norm(
        input: Tensor, normalized_shape: Ints, weight: OptionalTensor = None, eps: OptionalFloat = None
    );
    /// x / max(‖x‖ₚ, eps) along `dim`; vectors of zeros stay so.
    function normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12);
    /// x₁ · x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along `dim`; the operands broadcast.
    function cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8);
}

/// `x` with mean 0 (if centred) and mean square 1 over some dimensions.
///
/// The inputs are `x` and, computed from it beforehand without history, `x − mean` and 1 / √(var + eps): this is a function of
/// `x` alone. Its Jacobian s (1 − 1/n − y yᵀ/n), with s the third input, is symmetric, so that both modes have one rule. Ioffe
/// and Szegedy, Batch normalization, 2015; Ba et al., Layer normalization, 2016.
struct Standardize {
    dims: Vec<isize>,
    centre: bool,
    eps: f64,
}

impl Standardize {
    fn average(&self, x: &Tensor) -> Result<Tensor> {
        mean(x, Some(&self.dims), true)
    }

    /// `x − mean`, its mean square, and the scale 1 / √(var + eps).
    fn statistics(&self, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let centred = if self.centre { sub(x, &self.average(x)?)? } else { x.clone() };
        let var = self.average(&square(&centred)?)?;
        let scale = div(&number(x, 1.0)?, &sqrt(&add(&var, &number(x, self.eps)?)?)?)?;
        Ok((centred, var, scale))
    }

    fn times_jacobian(&self, g: &Tensor, y: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let along = mul(y, &self.average(&mul(g, y)?)?)?;
        let rest = if self.centre { sub(g, &self.average(g)?)? } else { g.clone() };
        mul(&sub(&rest, &along)?, scale)
    }
}

impl Op for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0b101, output: true }
    }
    fn forward(&self, x: &[&Tensor]) -> Result<Tensor> {
        mul(&x[1].without_history(), &x[2].without_history())
    }
    fn backward(&self, saved: &Saved, g: &Tensor, _: Want) -> Result<Grads> {
        let x = saved.input(0);
        let plain = !crate::tape::is_grad_enabled() && !x.has_tangent() && !g.has_tangent();
        // To be differentiated again, the scale must be a function of x.
        let scale = if plain { saved.input(2).clone() } else { self.statistics(x)?.2 };
        Ok([Some(self.times_jacobian(g, saved.output(), &scale)?), None, None].into_iter().collect())
    }
    fn jvp(&self, x: &[&Tensor], y: &Tensor, t: &[Option<&Tensor>]) -> Result<Tensor> {
        self.times_jacobian(only(t), y, &self.statistics(x[0])?.2)
    }
}

/// The standardized input, and the mean squares that it was divided by.
fn standardize(x: &Tensor, dims: Vec<isize>, centre: bool, eps: f64) -> Result<(Tensor, Tensor)> {
    let op = Standardize { dims, centre, eps };
    let plain = x.without_history();
    let (centred, var, scale) = with_grad_enabled(false, || op.statistics(&plain))?;
    Ok((apply(op, &[x, &centred, &scale])?, var))
}

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

/// The parameters (C,) of channels as (1, C, 1…) beside `x`.
fn per_channel(op: &str, what: &str, t: Option<&Tensor>, x: &Tensor) -> Result<Option<Tensor>> {
    let Some(t) = t else { return Ok(None) };
    let channels = x.shape()[1];
    if t.shape() != [channels] {
        let (shape, input) = (Show(t.shape()), Show(x.shape()));
        fail!(Value, "{op}: {what} must have shape ({channels},) for an input of shape {input}, got {shape}");
    }
    let mut shape: Dims = x.shape().iter().map(|_| 1).collect();
    shape[1] = channels;
    reshape_to(&cast(t, x.dtype())?, &shape).map(Some)
}

/// (x − mean) / √(var + eps) · `weight` + `bias` for every channel.
///
/// In training, `running_mean` and `running_var` are written to, without being taped. `ValueError` if there is then but one
/// value for each channel, whose variance would be 0, or if, not in training, there are no running statistics.
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
        return affine(mul(&sub(input, &centre)?, &scale)?, weight.as_ref(), bias.as_ref());
    }
    let count = input.numel().checked_div(input.shape()[1]).unwrap_or(0);
    if count < 2 {
        let shape = Show(input.shape());
        fail!(Value, "{OP}: expected more than one value per channel in training, got an input of shape {shape}");
    }
    let dims: Vec<isize> = (0..input.ndim() as isize).filter(|&d| d != 1).collect();
    let (y, var) = standardize(input, dims.clone(), true, eps)?;
    let y = affine(y, weight.as_ref(), bias.as_ref())?;
    let n = count as f64;
    let unbiased = scale(&var, n / (n - 1.0))?;
    let new_mean =
        running_mean.map(|r| moved(r, &mean(&input.without_history(), Some(&dims), true)?, momentum)).transpose()?;
    let new_var = running_var.map(|r| moved(r, &unbiased, momentum)).transpose()?;
    for (running, new) in [(running_mean, new_mean), (running_var, new_var)] {
        if let (Some(running), Some(new)) = (running, new) {
            with_grad_enabled(false, || running.without_history().copy_from(&new))?;
        }
    }
    Ok(y)
}

/// The statistics `from` (C,) moved towards `to` (1, C, 1…) by the fraction `by`; no history.
fn moved(from: &Tensor, to: &Tensor, by: f64) -> Result<Tensor> {
    let from = from.without_history();
    with_grad_enabled(false, || add(&scale(&from, 1.0 - by)?, &scale(&reshape_to(to, from.shape())?, by)?))
}

/// The last dimensions, if `normalized_shape` is what they are, and the parameters too.
fn last_dims(op: &str, x: &Tensor, normalized_shape: &[isize], parameters: &[Option<&Tensor>]) -> Result<Vec<isize>> {
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
    Ok((1..=n as isize).map(|d| -d).collect())
}

/// (x − mean) / √(var + `eps`) · `weight` + `bias` over the last dimensions.
pub fn layer_norm(
    input: &Tensor,
    normalized_shape: &[isize],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let dims = last_dims("layer_norm", input, normalized_shape, &[weight, bias])?;
    affine(standardize(input, dims, true, eps)?.0, weight, bias)
}

/// x / √(mean of x² + `eps`) · `weight` over the last dimensions. Zhang and Sennrich, Root mean square layer normalization,
/// 2019.
pub fn rms_norm(
    input: &Tensor,
    normalized_shape: &[isize],
    weight: Option<&Tensor>,
    eps: Option<f64>,
) -> Result<Tensor> {
    let dims = last_dims("rms_norm", input, normalized_shape, &[weight])?;
    let epsilon = if input.dtype() == DType::Float32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    affine(standardize(input, dims, false, eps.unwrap_or(epsilon))?.0, weight, None)
}

/// `x` along `dim` divided by its length or by `eps`, whichever is more.
fn unit(x: &Tensor, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
    div(x, &clamp(&norm(x, p, Some(&[dim]), true)?, Some(&number(x, eps)?), None)?)
}

/// x / max(‖x‖ₚ, `eps`) along `dim`.
pub fn normalize(input: &Tensor, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
    floats("normalize", input)?;
    normalize_dim("normalize", dim, input.ndim())?;
    unit(input, p, dim, eps)
}

/// x₁ · x₂ / (max(‖x₁‖, `eps`) max(‖x₂‖, `eps`)) along `dim` of the operands broadcast to one shape.
pub fn cosine_similarity(x1: &Tensor, x2: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
    const OP: &str = "cosine_similarity";
    floats(OP, x1)?;
    floats(OP, x2)?;
    let shape = crate::shape::broadcast(OP, x1.shape(), x2.shape())?;
    let dim = normalize_dim(OP, dim, shape.len())? as isize;
    let (x1, x2) = (expand_to(x1, &shape)?, expand_to(x2, &shape)?);
    sum(&mul(&unit(&x1, 2.0, dim, eps)?, &unit(&x2, 2.0, dim, eps)?)?, Some(&[dim]), false)
}
