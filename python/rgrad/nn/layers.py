"""Layers from one tensor to one tensor."""

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer, integers
from rgrad.nn import init
from rgrad.nn.module import TensorModule, as_tensor
from rgrad.nn.parameter import Parameter


class Linear(TensorModule):
    """``x @ weight.T + bias``: (…, in_features) to (…, out_features).

    ``weight`` (out_features, in_features) and ``bias`` (out_features,) are initially uniform on ±1/√in_features, as in
    PyTorch.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None) -> None:
        self.in_features = integer("Linear: in_features", in_features, 1)
        self.out_features = integer("Linear: out_features", out_features, 1)
        self.weight = Parameter(_core.empty(out_features, in_features, dtype=dtype))
        self.bias = Parameter(_core.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights and biases."""
        bound = 1 / math.sqrt(self.in_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) to (…, out_features)."""
        return _core.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Dropout(TensorModule):
    """In training mode, zeroes each element with probability ``p`` and divides the others by 1 − p; else the identity.

    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014. Random numbers
    come from ``generator``, or from the default one (``rg.manual_seed``) if that is None.
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        if not isinstance(p, SupportsFloat):
            raise TypeError(f"Dropout: expected a probability from 0 to 1, got {type(p).__name__}")
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: expected a probability from 0 to 1, got {p}")
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.dropout(x, self.p, self.generator) if self.training else x

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class Identity(TensorModule):
    """Returns its input: a placeholder for another module. Accepts and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        """Returns its input."""
        return x


class Flatten(TensorModule):
    """Merges dimensions ``start_dim`` to ``end_dim``, inclusive, into one; by default all but the batch dimension."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = integer("Flatten: start_dim", start_dim)
        self.end_dim = integer("Flatten: end_dim", end_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, …) to (N, product of the others)."""
        return _core.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(TensorModule):
    """Splits dimension ``dim`` into ``unflattened_size``, of which one entry may be −1 to be inferred."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = integer("Unflatten: dim", dim)
        self.unflattened_size = integers("Unflatten: a size", unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """(…, n, …) to (…, *unflattened_size, …)."""
        x = as_tensor(x)
        if not -x.ndim <= self.dim < x.ndim:
            raise IndexError(
                f"Unflatten: dim must be from {-x.ndim} to {x.ndim - 1} for shape {x.shape}, got {self.dim}"
            )
        dim, sizes = self.dim % x.ndim, self.unflattened_size
        known = math.prod(size for size in sizes if size != -1)
        fits = known > 0 and x.shape[dim] % known == 0 if -1 in sizes else known == x.shape[dim]
        if not fits or sizes.count(-1) > 1 or min(sizes, default=0) < -1:
            raise ValueError(f"Unflatten: cannot split dim {dim} of shape {x.shape} into {sizes}")
        inferred = tuple(x.shape[dim] // known if size == -1 else size for size in sizes)
        return x.reshape(x.shape[:dim] + inferred + x.shape[dim + 1 :])

    def extra_repr(self) -> str:
        """The dimension and the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
