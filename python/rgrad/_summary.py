"""``rgrad.summary``: the layers of a model, with shapes, parameters, FLOPs and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rgrad import _core
from rgrad._compile import compile
from rgrad._core import DType, Tensor
from rgrad.autograd import no_grad
from rgrad.nn import Module


@dataclass(frozen=True)
class Layer:
    """One call of a layer.

    Attributes:
        name: its dotted name in the model.
        kind: its class.
        input_shape: of its first argument.
        output_shape: of its result.
        parameters: how many numbers are trained; 0 where it is called again.
        flops: floating-point operations; None if the layer cannot be compiled.
        bytes: that are read and written; None if the layer cannot be compiled.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    parameters: int
    flops: int | None
    bytes: int | None


@dataclass(frozen=True)
class Summary:
    """What ``summary`` found; it prints as a table.

    Attributes:
        layers: the layers in the order of their calls.
        parameters: how many numbers there are to train, and that are not trained.
        parameter_bytes: what they and the buffers take.
        flops: floating-point operations of one forward pass; None if the model cannot be compiled.
        bytes: that a forward pass reads and writes; None if the model cannot be compiled.
    """

    layers: list[Layer]
    parameters: int
    parameter_bytes: int
    flops: int | None
    bytes: int | None

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "kind", "input", "output", "parameters", "FLOPs", "bytes")]
        for layer in self.layers:
            shapes = (_shape(layer.input_shape), _shape(layer.output_shape))
            rows.append((layer.name, layer.kind, *shapes, *map(_count, (layer.parameters, layer.flops, layer.bytes))))
        rows.append(("all", "", "", "", *map(_count, (self.parameters, self.flops, self.bytes))))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = [f"{c:<{w}}" if i < 4 else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))]
            lines.append("  ".join(cells).rstrip())
        lines.append(f"parameters and buffers take {self.parameter_bytes:,} bytes")
        return "\n".join(lines)

    __repr__ = __str__


def summary(model: Module, input_size: int | Sequence[int], dtype: DType | str | None = None) -> Summary:
    """Runs a model once on zeros, and lists its layers with shapes, parameters, FLOPs and bytes.

    FLOPs and bytes are those of the compiled layers, which ``Compiled.cost`` counts, in evaluation mode and without
    derivatives. A training step takes about three times the FLOPs of the forward pass. The sum over the layers exceeds
    that of the whole model where the whole saves work, such as an activation that is computed along with its product.

    Args:
        model: The model. It is not changed.
        input_size: The shape of its input with the batch in dimension 0, or a number of features for a batch of one.
        dtype: Of the input; the default dtype if None. Embeddings take "int64".

    Raises:
        TypeError: ``model`` is not a module, or ``input_size`` no shape.
        ValueError: The model does not take such an input.

    Example:
        >>> rg.summary(rg.nn.Sequential(rg.nn.Linear(784, 100), rg.nn.ReLU(), rg.nn.Linear(100, 10)), 784)
        layer  kind    input     output    parameters    FLOPs    bytes
        0      Linear  (1, 784)  (1, 100)      78,500  156,800  317,536
        1      ReLU    (1, 100)  (1, 100)           0      100      800
        2      Linear  (1, 100)  (1, 10)        1,010    2,000    4,480
        all                                    79,510  158,800  322,016
        parameters and buffers take 318,040 bytes
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: model must be a Module, not {getattr(model, '__name__', type(model).__name__)}")
    given = [1, input_size] if isinstance(input_size, int) else input_size
    size = tuple(given) if isinstance(given, list | tuple) else ()
    if not size or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in size):
        raise TypeError(
            f"summary: input_size must be positive integers, the batch first, such as (1, 784), not {input_size!r}"
        )
    x = _core.zeros(size, dtype=dtype)
    modes = [(module, module.training) for module in model.modules()]
    random = _core.get_rng_state()
    try:
        model.eval()
        calls = _calls(model, x)
        layers = [_layer(*call) for call in calls]
        flops, moved = _cost(model, (x,))
    finally:
        for module, mode in modes:
            module.training = mode
        _core.set_rng_state(random)
    held = [*model.parameters(), *model.buffers()]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Summary(_each_once(layers), parameters, sum(t.numel() * t.dtype.itemsize for t in held), flops, moved)


Call = tuple[str, Module, tuple[Any, ...], Any]


def _calls(model: Module, x: Tensor) -> list[Call]:
    """The calls of the layers, modules without others inside, in one pass of the model."""
    found: list[Call] = []
    handles = []
    for name, module in model.named_modules():
        if next(module.children(), None) is None:

            def record(module: Module, args: tuple[Any, ...], output: Any, name: str = name) -> None:
                found.append((name, module, args, output))

            handles.append(module.register_forward_hook(record))
    try:
        with no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _layer(name: str, module: Module, args: tuple[Any, ...], output: Any) -> Layer:
    flops, moved = _cost(module, args)
    shapes = [tuple(t.shape) if isinstance(t, Tensor) else None for t in (args[0] if args else None, output)]
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Layer(name or "model", type(module).__name__, shapes[0], shapes[1], parameters, flops, moved)


def _cost(module: Module, args: tuple[Any, ...]) -> tuple[int | None, int | None]:
    """FLOPs and bytes of a call; None if it cannot be compiled."""
    call = compile(lambda *args: module(*args))
    try:
        with no_grad():
            call(*args)
        cost = call.cost()
    except RuntimeError:
        return None, None
    return int(cost["flops"]), int(cost["bytes"])


def _each_once(layers: list[Layer]) -> list[Layer]:
    """The layers, of which one that is called again counts no parameters."""
    seen: set[str] = set()
    found = []
    for layer in layers:
        again = layer.name in seen
        seen.add(layer.name)
        found.append(Layer(**{**vars(layer), "parameters": 0}) if again else layer)
    return found


def _shape(shape: tuple[int, ...] | None) -> str:
    return "?" if shape is None else str(shape)


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
