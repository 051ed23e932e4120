"""Layers from one tensor to one tensor."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.nn import init
from rgrad.nn.module import Module, Parameter, TensorModule


class Linear(TensorModule):
    """``x @ weight.T + bias``: (…, in_features) to (…, out_features).

    ``weight`` (out_features, in_features) and ``bias`` (out_features,) start uniform on ±1/√in_features, as PyTorch's.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear: sizes must be positive, got {in_features} and {out_features}")
        self.in_features = in_features
        self.out_features = out_features
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


class Sequential(TensorModule):
    """Modules one after another: ``Sequential(Linear(784, 100), ReLU(), Linear(100, 10))``.

    Takes the modules, or one ``OrderedDict`` of them. Indexing gives a module, slicing another ``Sequential``.
    """

    def __init__(self, *modules: Module | OrderedDict[str, Module]) -> None:
        named: dict[str, Any]
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            named = modules[0]
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: expected modules, got {type(module).__name__} at {name}")
            setattr(self, name, module)
        self._order: list[Module] = list(named.values())

    def forward(self, x: Tensor) -> Tensor:
        """Each module applied to the result of the one before it."""
        for module in self._order:
            x = module(x)
        return x

    def append(self, module: Module) -> "Sequential":
        """Adds a module at the end, and returns this one."""
        setattr(self, str(len(self._order)), module)
        self._order.append(module)
        return self

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._order)

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(*self._order[index])
        return self._order[index]


class ReLU(TensorModule):
    """max(x, 0); the derivative at 0 is 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.relu(x)


class Sigmoid(TensorModule):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.sigmoid(x)


class Tanh(TensorModule):
    """Hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.tanh(x)


class Dropout(TensorModule):
    """In training, sets each element to 0 with probability ``p`` and divides the others by 1 − p; else the identity.

    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: expected a probability from 0 to 1, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.dropout(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
