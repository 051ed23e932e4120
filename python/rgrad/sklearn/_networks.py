"""The networks of estimators, of names, functions and modules."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from rgrad import _core, nn
from rgrad._core import Generator, Tensor

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
}
NORMALIZATIONS: dict[str, Callable[..., nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}

_SEEDING = threading.Lock()


class Applied(nn.TensorModule):
    """A function from tensor to tensor as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """What the function returns."""
        return self.function(x)

    def extra_repr(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", repr(self.function))


class Scale(nn.TensorModule):
    """Each feature times a learned factor, which starts at 1."""

    def __init__(self, features: int) -> None:
        self.weight = nn.Parameter(_core.ones(features, dtype="float32"))

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) to the same shape."""
        return x * self.weight


def activation(value: Any) -> nn.Module:
    """A layer of a name in `ACTIVATIONS`, of a class of modules, or of a function from tensor to tensor."""
    if isinstance(value, str):
        return ACTIVATIONS[value]()
    if isinstance(value, type):
        made: nn.Module = value()
        return made
    return Applied(value)


def perceptron(
    sizes: Sequence[int], act: Any, dropout: float, normalization: str | None, bias: bool = True
) -> nn.Sequential:
    """Linear layers with normalization, activation and dropout between them.

    Weights and biases are drawn as scikit-learn draws them: uniformly within ±√(6 / (inputs + outputs)), or √2 instead
    of √6 for the logistic function. Glorot and Bengio, AISTATS 2010.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs, bias=bias, dtype="float32")
        bound = math.sqrt((2 if act == "logistic" else 6) / (inputs + outputs))
        for parameter in linear.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        layers += [linear, *_between(outputs, act, dropout, normalization)]
    return nn.Sequential(*layers[: _after_last_linear(layers)])


def realmlp(sizes: Sequence[int], act: Any, dropout: float, normalization: str | None) -> nn.Sequential:
    """The network of RealMLP-TD-S: a learned scale in front, hidden layers of unit variance, a last layer of zeros.

    Its neural tangent parametrization, W / √inputs with W of unit variance, is one of the learning rates here, which
    gives the same steps: see `tabular.groups`. Holzmüller et al., NeurIPS 2024.
    """
    layers: list[nn.Module] = [Scale(sizes[0])]
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs, dtype="float32")
        for parameter, deviation in zip(linear.parameters(), (1 / math.sqrt(inputs), 1.0), strict=True):
            nn.init.normal_(parameter, std=deviation)
        layers += [linear, *_between(outputs, act, dropout, normalization)]
    del layers[_after_last_linear(layers) :]
    for parameter in layers[-1].parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(*layers)


def _between(features: int, act: Any, dropout: float, normalization: str | None) -> list[nn.Module]:
    layers: list[nn.Module] = [activation(act)]
    if normalization is not None:
        layers.insert(0, NORMALIZATIONS[normalization](features, dtype="float32"))
    return [*layers, nn.Dropout(dropout)] if dropout > 0 else layers


def _after_last_linear(layers: list[nn.Module]) -> int:
    return max(i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)) + 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Whatever is drawn from the default generator in here comes from a stream of this seed, and leaves its own alone.

    One thread at a time: the default generator is that of all threads.
    """
    with _SEEDING:
        state = _core.get_rng_state()
        _core.manual_seed(seed)
        try:
            yield
        finally:
            _core.set_rng_state(state)


def draw_dropout_from(network: nn.Module, generator: Generator) -> None:
    """Lets dropout draw from a generator of the estimator, so that others cannot change what it draws."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.generator = generator
