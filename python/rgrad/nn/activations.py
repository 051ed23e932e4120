"""Activation functions as modules: any shape to the same shape."""

from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.integer import integer
from rgrad.nn.module import TensorModule
from rgrad.nn.parameter import Parameter


class _Activation(TensorModule):
    # Models written for PyTorch pass inplace=True here and there. A new tensor has the same values, so it is accepted.
    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments."""
        return "inplace=True" if self.inplace else ""

    def _repr_of(self, *names: str) -> str:
        arguments = [f"{name}={getattr(self, name)}" for name in names]
        return ", ".join([*arguments, "inplace=True"] if self.inplace else arguments)


class ReLU(_Activation):
    """max(x, 0); the derivative at 0 is 0. ``inplace`` is accepted, but the result is always a new tensor."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.relu(x)


class ReLU6(_Activation):
    """min(max(x, 0), 6). ``inplace`` as in ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.relu6(x)


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope · x. ``inplace`` as in ReLU."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The arguments."""
        return self._repr_of("negative_slope")


class PReLU(TensorModule):
    """x where x > 0, else weight · x with a learned weight, or one for each channel (dimension 1).

    He et al., Delving deep into rectifiers, 2015.

    Args:
        num_parameters: 1, or the number of channels.
        init: Initial value of the weights.
        dtype: Dtype of the weights; the default dtype if None.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None) -> None:
        self.num_parameters = integer("PReLU: num_parameters", num_parameters, 1)
        self.init = init
        self.weight = Parameter(_core.full((num_parameters,), init, dtype=dtype or _core.get_default_dtype()))

    def reset_parameters(self) -> None:
        """Resets the weights to their initial value."""
        self.weight.detach().fill_(self.init)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The number of weights."""
        return f"num_parameters={self.num_parameters}"


class ELU(_Activation):
    """x where x > 0, else alpha (eˣ − 1). ``inplace`` as in ReLU."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The arguments."""
        return self._repr_of("alpha")


class SELU(_Activation):
    """scale · ELU with the constants that keep mean 0 and variance 1. ``inplace`` as in ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.selu(x)


class CELU(_Activation):
    """x where x > 0, else alpha (exp(x / alpha) − 1). ``inplace`` as in ReLU."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.celu(x, self.alpha)

    def extra_repr(self) -> str:
        """The arguments."""
        return self._repr_of("alpha")


class GELU(TensorModule):
    """x Φ(x), with the normal distribution Φ, or with ``approximate="tanh"`` an approximation."""

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f'GELU: approximate must be "none" or "tanh", got {approximate!r}')
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """The argument."""
        return f"approximate={self.approximate!r}"


class SiLU(_Activation):
    """x σ(x), also called swish. ``inplace`` as in ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.silu(x)


class Mish(_Activation):
    """x tanh(softplus(x)). ``inplace`` as in ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.mish(x)


class Softplus(TensorModule):
    """ln(1 + exp(beta · x)) / beta; x itself where beta · x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(TensorModule):
    """x / (1 + |x|)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.softsign(x)


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


class Hardtanh(_Activation):
    """x clamped to [min_val, max_val]. ``inplace`` as in ReLU."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val must be below max_val, got {min_val} and {max_val}")
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The arguments."""
        return self._repr_of("min_val", "max_val")


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6. ``inplace`` as in ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.hardsigmoid(x)


class Hardswish(_Activation):
    """x min(max(x + 3, 0), 6) / 6. ``inplace`` as in ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.hardswish(x)


class LogSigmoid(TensorModule):
    """ln σ(x), without overflow."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.logsigmoid(x)


class Tanhshrink(TensorModule):
    """x − tanh x."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.tanhshrink(x)


class Softshrink(TensorModule):
    """x shrunk towards 0 by lambd; 0 where |x| ≤ lambd."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        """The argument."""
        return f"{self.lambd}"


class Hardshrink(Softshrink):
    """x where |x| > lambd, else 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.hardshrink(x, self.lambd)


class Threshold(_Activation):
    """x where x > threshold, else value. ``inplace`` as in ReLU."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The arguments."""
        return self._repr_of("threshold", "value")


class Softmax(TensorModule):
    """exp(x) / Σ exp(x) along ``dim``; the last dimension by default, as for PyTorch's matrices."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """x − ln Σ exp(x) along ``dim``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.log_softmax(x, self.dim)


class Softmin(Softmax):
    """exp(−x) / Σ exp(−x) along ``dim``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return _core.softmin(x, self.dim)
