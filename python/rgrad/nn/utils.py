"""Gradient clipping, and parameters as one vector."""

import math
from collections.abc import Iterable

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd.modes import no_grad
from rgrad.nn.module import as_tensor

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all elements of all tensors together, (Σ |x|ᵖ)^(1/p), as if they were one vector.

    Args:
        tensors: One or several floating-point tensors.
        norm_type: The order p, positive; ``math.inf`` for the largest magnitude.
        error_if_nonfinite: Raise if the norm is infinite or NaN.

    Returns:
        A scalar tensor, float64 if any of the tensors is; 0 if there are no elements.

    Raises:
        ValueError: ``norm_type`` is not positive.
        RuntimeError: The norm is not finite, and ``error_if_nonfinite`` is set.
    """
    if not norm_type > 0:
        raise ValueError(f"the norm's order must be positive, got {norm_type}")
    with no_grad():
        parts = [t.detach() for t in _listed(tensors, "get_total_norm") if t.numel() > 0]
        if not parts:
            return _core.zeros(())
        total = _norm(parts, norm_type)
        # Powers overflow and underflow long before the norm does.
        if _core._is_recording():
            # Known only when the compiled step runs.
            largest = _norm(parts, math.inf)
            lost = ((total == 0.0) | (total == math.inf)) & (largest > 0.0) & (largest < math.inf)
            scale = _core.where(lost, largest, 1.0)
            total = _core.where(lost, _norm([part / scale for part in parts], norm_type) * scale, total)
        elif total.item() in (0.0, math.inf) and norm_type != math.inf:
            largest = _norm(parts, math.inf)
            if 0 < largest.item() < math.inf:
                total = _norm([part / largest for part in parts], norm_type) * largest
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"the norm of order {norm_type:g} of the gradients is {total.item()}, so they cannot be clipped; look for "
            "its cause with rg.autograd.detect_anomaly(), or pass error_if_nonfinite=False to go on"
        )
    return total


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor) -> None:
    """Scales the gradients of ``parameters`` in place by max_norm / (total_norm + 10⁻⁶) where that is below 1.

    Args:
        parameters: One tensor or several; those without a gradient are skipped.
        max_norm: The largest norm allowed.
        total_norm: The norm of the gradients, from ``get_total_norm``.

    Raises:
        ValueError: ``max_norm`` is negative or NaN.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm must not be negative, got {max_norm}")
    total_norm = as_tensor(total_norm)
    with no_grad():
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in _gradients(parameters, "clip_grads_with_norm_"):
            grad.mul_(factor.to(grad.dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales the gradients of ``parameters`` in place so that their total norm is at most ``max_norm``.

    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013.

    Args:
        parameters: One tensor or several; those without a gradient are skipped.
        max_norm: The largest total norm allowed.
        norm_type: The order p of the norm, positive; ``math.inf`` for the largest magnitude.
        error_if_nonfinite: Raise if the norm is infinite or NaN, instead of corrupting the gradients.

    Returns:
        The total norm before clipping, a scalar tensor.

    Raises:
        ValueError: ``max_norm`` is negative, or ``norm_type`` not positive.
        RuntimeError: The norm is not finite, and ``error_if_nonfinite`` is set.
    """
    parameters = _listed(parameters, "clip_grad_norm_")
    total = get_total_norm(_gradients(parameters, "clip_grad_norm_"), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamps every element of the gradients of ``parameters``, in place, to ±``clip_value``.

    Args:
        parameters: One tensor or several; those without a gradient are skipped.
        clip_value: The largest magnitude allowed.

    Raises:
        ValueError: ``clip_value`` is negative or NaN.
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_value must not be negative, got {clip_value}")
    with no_grad():
        for grad in _gradients(parameters, "clip_grad_value_"):
            grad.copy_(grad.clamp(-clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Concatenates the elements of all parameters, in row-major order, differentiably.

    Raises:
        ValueError: There are no parameters.
    """
    return _core.cat([parameter.reshape(-1) for parameter in _listed(parameters, "parameters_to_vector")])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies the elements of ``vec`` into the parameters, in the order of ``parameters_to_vector``.

    Raises:
        ValueError: ``vec`` is not one-dimensional, or does not have as many elements as the parameters together.
    """
    parameters = _listed(parameters, "vector_to_parameters")
    vec = as_tensor(vec)
    count = sum(parameter.numel() for parameter in parameters)
    if vec.shape != (count,):
        raise ValueError(f"vector_to_parameters: {len(parameters)} parameters need shape ({count},), got {vec.shape}")
    with no_grad():
        at = 0
        for parameter in parameters:
            parameter.copy_(vec.narrow(0, at, parameter.numel()).reshape(parameter.shape))
            at += parameter.numel()


def _norm(parts: list[Tensor], p: float) -> Tensor:
    if p == math.inf:
        return _core.stack([part.abs().amax() for part in parts]).amax()
    if p == 2:
        return _core.stack([part.square().sum() for part in parts]).sum().sqrt()
    return _core.stack([part.abs().pow(p).sum() for part in parts]).sum().pow(1 / p)


def _listed(tensors: Tensor | Iterable[Tensor], what: str) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for i, tensor in enumerate(listed):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{what}: expected tensors, got {type(tensor).__name__} at {i}")
    return listed


def _gradients(parameters: Tensor | Iterable[Tensor], what: str) -> list[Tensor]:
    grads = [parameter.grad for parameter in _listed(parameters, what)]
    return [grad.detach() for grad in grads if grad is not None]
