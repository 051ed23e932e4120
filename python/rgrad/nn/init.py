"""Initialisation of parameters: every function overwrites its tensor and returns it."""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad.autograd import no_grad

F = TypeVar("F", bound=Callable[..., Tensor])

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _initialiser(write: F) -> F:
    """Rejects anything but a tensor, which could not be written to."""

    @functools.wraps(write)
    def checked(tensor: Any, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            kind = type(tensor)
            raise TypeError(
                f"{write.__name__}: expected a tensor to write to, got {kind.__module__}.{kind.__qualname__}"
            )
        return write(tensor, *args, **kwargs)

    return cast(F, checked)


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Fan-in and fan-out of a weight (out, in, …)."""
    if tensor.ndim < 2:
        raise ValueError(f"this initialisation needs a weight of at least 2 dimensions, got shape {tensor.shape}")
    receptive = math.prod(tensor.shape[2:])
    # At least 1: an empty weight must not divide by 0.
    return max(1, tensor.shape[1] * receptive), max(1, tensor.shape[0] * receptive)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The recommended gain for a nonlinearity, which keeps the variance of activations; PyTorch's values.

    Args:
        nonlinearity: "linear", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
        param: The negative slope of "leaky_relu", 0.01 by default; ignored for the others.

    Raises:
        ValueError: Unknown nonlinearity.
    """
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; there are {', '.join(gains)}")
    return gains[nonlinearity]


@_initialiser
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform on [a, b)."""
    if not 0 <= b - a < math.inf:
        raise ValueError(f"uniform_: a must not be above b, and both finite, got a = {a} and b = {b}")
    with no_grad():
        return tensor.copy_(_core.rand(tensor.shape, dtype=tensor.dtype, generator=generator) * (b - a) + a)


@_initialiser
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with this mean and standard deviation."""
    if not std >= 0:
        raise ValueError(f"normal_: std must not be negative, got {std}")
    with no_grad():
        return tensor.copy_(_core.randn(tensor.shape, dtype=tensor.dtype, generator=generator) * std + mean)


@_initialiser
def constant_(tensor: Tensor, val: float) -> Tensor:
    """A constant."""
    with no_grad():
        return tensor.fill_(val)


@_initialiser
def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


@_initialiser
def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


@_initialiser
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform on ±gain √(6 / (in + out)). Glorot and Bengio, AISTATS 2010."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


@_initialiser
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain √(2 / (in + out)). Glorot and Bengio, AISTATS 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


@_initialiser
def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix of any shape, zeros elsewhere."""
    rows, columns = _sizes(tensor, "eye_")
    with no_grad():
        return tensor.copy_(_core.eye(rows, columns, dtype=tensor.dtype))


@_initialiser
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal with this mean and standard deviation, truncated to [a, b].

    Exact for any interval, however far from the mean, by rejection: Robert, Simulation of truncated normal variables,
    Statistics and Computing 5, 1995.

    Raises:
        ValueError: ``std`` is not positive, ``a`` is not below ``b``, or the interval exceeds the range of float64.
    """
    if not (0 < std < math.inf and a < b):
        raise ValueError(f"trunc_normal_: std must be positive and a below b, got std = {std}, a = {a}, b = {b}")
    _check_floats(tensor, "trunc_normal_")
    low, high = (a - mean) / std, (b - mean) / std
    if not max(low, -high) < math.inf:
        raise ValueError(f"trunc_normal_: [{a}, {b}] is infinitely many deviations of {std} away from mean = {mean}")
    with no_grad():
        if high < 0:
            draws = -_truncated(tensor.numel(), -high, -low, generator)
        else:
            draws = _truncated(tensor.numel(), low, high, generator)
        return tensor.copy_((draws * std + mean).clamp(a, b).reshape(tensor.shape))


def _truncated(count: int, low: float, high: float, generator: Generator | None) -> Tensor:
    """Draws from the standard normal within [low, high], where high ≥ 0."""
    parts, missing = [_core.empty(0, dtype="float64")], count
    while missing > 0:
        proposed, accepted = _proposals(missing, low, high, generator)
        parts.append(proposed[accepted])
        missing -= parts[-1].numel()
    return _core.cat(parts)


def _proposals(count: int, low: float, high: float, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Candidates, and which to accept: about half or more, for any interval."""
    if low <= 0 and high - low > math.sqrt(2 * math.pi):
        x = _core.randn(count, dtype="float64", generator=generator)
        return x, x.clamp(low, high) == x
    u = _core.rand(count, dtype="float64", generator=generator)
    v = _core.rand(count, dtype="float64", generator=generator)
    rate = (low + math.hypot(low, 2)) / 2
    if low > 0 and (high - low) * rate > 1:
        x = low - (1 - u).log() / rate
        return x, v < _core.where(x <= high, (-(x - rate).square() / 2).exp(), 0.0)
    x = low + (high - low) * u
    mode = max(low, 0.0)
    return x, v < ((mode - x) * (mode + x) / 2).exp()


@_initialiser
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """``gain`` times a random matrix with orthonormal rows or columns, whichever are fewer.

    Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, ICLR 2014. Trailing dimensions
    are flattened into columns. The matrix is the factor Q of a normal one, for an R with a positive diagonal, which
    makes it uniformly distributed (Mezzadri, Notices of the AMS 54, 2007). It is computed by Gram-Schmidt in float64
    with matrix products that, unlike LAPACK, give the same bits everywhere.

    Raises:
        ValueError: The tensor has fewer than 2 dimensions.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got shape {tensor.shape}")
    _check_floats(tensor, "orthogonal_")
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    with no_grad():
        normal = _core.randn(rows, columns, dtype="float64", generator=generator)
        q = _orthonormal(normal) if rows < columns else _orthonormal(normal.T.contiguous()).T
        return tensor.copy_((q * gain).reshape(tensor.shape))


def _orthonormal(vectors: Tensor) -> Tensor:
    """The rows of ``vectors`` (k, n), k ≤ n, orthonormalised in order."""
    # In blocks, so that nearly all work is matrix products. Everything is projected twice: once leaves errors that grow
    # as the vectors become dependent, twice leaves rounding (Giraud et al., Numer. Math. 101, 2005).
    width = 32
    q = _core.empty_like(vectors)
    for start in range(0, vectors.shape[0], width):
        block, before = vectors[start : start + width], q[:start]
        for _ in range(2):
            block = block - (block @ before.T) @ before
            for i in range(block.shape[0]):
                row, above = block[i : i + 1], block[:i]
                row = row - (row @ above.T) @ above
                block[i : i + 1] = row / row.square().sum().sqrt()
        q[start : start + width] = block
    return q


@_initialiser
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal with mean 0, with a fraction ``sparsity`` of every column, rounded up, set to 0.

    Martens, Deep learning via Hessian-free optimization, ICML 2010.

    Raises:
        ValueError: The tensor is not a matrix, or ``sparsity`` is not from 0 to 1.
    """
    rows, columns = _sizes(tensor, "sparse_")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity must be from 0 to 1, got {sparsity}")
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0.0, std, generator)
    with no_grad():
        for column in range(columns):
            tensor[_core.randperm(rows, generator=generator)[:zeros], column] = 0.0
    return tensor


def _sizes(tensor: Tensor, what: str) -> tuple[int, int]:
    if tensor.ndim != 2:
        raise ValueError(f"{what}: expected a matrix, got shape {tensor.shape}")
    return tensor.shape[0], tensor.shape[1]


def _check_floats(tensor: Tensor, what: str) -> None:
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{what}: expected a tensor of floats, got {tensor.dtype}")


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode must be "fan_in" or "fan_out", got {mode!r}')
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


@_initialiser
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with the standard deviation gain / √fan; ``a`` is the slope of leaky ReLU. He et al., ICCV 2015."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


@_initialiser
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / √fan; ``a`` is the slope of leaky ReLU. He et al., ICCV 2015."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)
