"""Networks, and the file that a trained one is kept in: weights, and as metadata everything else; no code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rgrad as rg
from rgrad import nn, train
from rgrad._cli.inputs import Columns, Pixels, Target, from_json
from rgrad._shared import safetensors

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
_KEY, _FORMAT = "rgrad.model", 1
_MOST_UNITS = 10_000_000


def build_network(sizes: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers from `sizes[0]` inputs to `sizes[-1]` outputs, with an activation after each but the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


@dataclass(slots=True)
class Model:
    """A network with what stands before and behind it.

    Attributes:
        network: the network.
        sizes: units of its layers, inputs and outputs included.
        activation: of the hidden layers.
        inputs: how columns or images become inputs.
        target: what outputs mean.
        about: versions, and what it was trained with.
    """

    network: nn.Module
    sizes: tuple[int, ...]
    activation: str
    inputs: Columns | Pixels
    target: Target
    about: dict[str, Any]

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network gives for inputs: logits (rows, classes), or standardised values (rows, 1)."""
        return train.predict(self.network, rg.from_numpy(x)).numpy()

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of each class."""
        return rg.softmax(rg.from_numpy(outputs), 1).numpy()

    def values(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """The values that a regression predicts."""
        return outputs[:, 0].astype(np.float64) * self.target.std + self.target.mean


def save_model(model: Model, path: Path, weights: dict[str, rg.Tensor] | None = None) -> None:
    """Write a model file, with other weights than the network's if they are given."""
    content = {
        "format": _FORMAT,
        "task": model.target.task,
        "architecture": {"sizes": list(model.sizes), "activation": model.activation},
        "inputs": model.inputs.to_json(),
        "target": model.target.to_json(),
        "about": model.about,
    }
    text = json.dumps(content, allow_nan=False)
    safetensors.write(path, weights or model.network.state_dict(), {_KEY: text, "rgrad": rg.__version__})


def load_model(path: Path) -> Model:
    """Read a model file.

    Raises:
        ValueError: it is none; the message says why.
        OSError: it cannot be read.
    """
    try:
        tensors, metadata = safetensors.read(path)
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from None
    if _KEY not in metadata:
        raise ValueError(f"{path} is no model of `rgrad train`: it holds tensors and nothing about them")
    try:
        content = json.loads(metadata[_KEY])
        version = content["format"]
        if version == _FORMAT:
            return _model(content, tensors)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is a damaged model file: {reason}") from None
    raise ValueError(f"{path} has format {str(version)[:20]}, and this version of rgrad reads {_FORMAT}: update rgrad")


def _model(content: dict[str, Any], tensors: dict[str, rg.Tensor]) -> Model:
    sizes = tuple(int(size) for size in content["architecture"]["sizes"])
    activation = str(content["architecture"]["activation"])
    inputs, target = from_json(content["inputs"]), Target.from_json(content["target"])
    if len(sizes) < 2 or not all(0 < size <= _MOST_UNITS for size in sizes):
        raise ValueError(f"layers of the sizes {sizes}")
    if (inputs.size, target.size) != (sizes[0], sizes[-1]):
        raise ValueError(f"{inputs.size} inputs and {target.size} outputs for layers of the sizes {sizes}")
    shapes = {f"{2 * i}.weight": (b, a) for i, (a, b) in enumerate(pairwise(sizes))}
    shapes_found = {name: tuple(t.shape) for name, t in tensors.items() if name.endswith("weight")}
    if shapes != shapes_found:
        raise ValueError(f"weights of the shapes {list(shapes_found.values())} for layers of the sizes {sizes}")
    network = build_network(sizes, activation)
    network.load_state_dict(tensors)
    return Model(network, sizes, activation, inputs, target, dict(content["about"]))
