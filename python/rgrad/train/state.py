"""States of everything that takes part in a training run, in one safetensors file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared import safetensors

_KEY = "rgrad.state"
_FORMAT = 1
_PLAIN = (dict, list, tuple, str, int, float, type(None))


def save_state(path: str | PathLike[str], **parts: Any) -> None:
    """Writes the states of objects, and plain values beside them, into one safetensors file.

    The file appears when it is complete, or not at all: whoever is killed while writing leaves the one before it.

    Args:
        path: the file.
        **parts: by name, objects with `state_dict` and `load_state_dict` (modules, optimizers, schedulers), generators,
            and values of Python: tensors, numbers, strings, None, and lists and dicts of them.

    Raises:
        TypeError: a part is nothing of the above.
        OSError: the file cannot be written.

    Example:
        >>> model = rg.nn.Linear(2, 1)
        >>> rg.train.save_state("run.safetensors", model=model, epoch=3)
        >>> rg.train.load_state("run.safetensors", model=model)
        {'epoch': 3}
    """
    tensors: dict[str, Tensor] = {}
    content = {name: _encoded(_state_of(name, part), name, tensors) for name, part in parts.items()}
    about = {"format": _FORMAT, "parts": content}
    metadata = {_KEY: json.dumps(about, allow_nan=False), "rgrad": _core.VERSION}
    safetensors.write(Path(path), tensors, metadata)


def load_state(path: str | PathLike[str], **parts: Any) -> dict[str, Any]:
    """Restores objects from a file that `save_state` wrote.

    Either all objects are restored, or none is changed.

    Args:
        path: the file.
        **parts: the objects to restore, by the names under which they were saved.

    Returns:
        The values of Python in the file, by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, or has no state of an object, or one that the object does not take.

    Example: see `save_state`.
    """
    content = peek(path)
    missing = sorted(parts.keys() - content.keys())
    if missing:
        raise ValueError(f"{path} has no state of {', '.join(missing)}; it has {', '.join(content)}")
    before = {name: _copied(_state_of(name, part)) for name, part in parts.items()}
    try:
        for name, part in parts.items():
            _restore(part, content[name])
    except BaseException as error:
        for name, part in parts.items():
            _restore(part, before[name])
        if isinstance(error, KeyError | TypeError | ValueError):
            raise ValueError(f"{path}: nothing was restored: {error}") from None
        raise
    return {name: value for name, value in content.items() if name not in parts}


def peek(path: str | PathLike[str]) -> dict[str, Any]:
    """The states in a file that `save_state` wrote, by name."""
    tensors, metadata = safetensors.read(Path(path))
    try:
        parts = json.loads(metadata[_KEY])["parts"]
        return {name: _decoded(value, tensors) for name, value in parts.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"{path} is no state of a training run: train.save_state did not write it") from None


@contextmanager
def restored_afterwards(*parts: Any) -> Iterator[None]:
    """Gives the objects and the default random stream their states back when the block ends, however it does."""
    before = [_copied(_state_of("a part", part)) for part in parts]
    random = _core.get_rng_state()
    try:
        yield
    finally:
        for part, state in zip(parts, before, strict=True):
            _restore(part, state)
        _core.set_rng_state(random)


def _copied(state: Any) -> Any:
    """The state with copies of its tensors, which share no memory with those of its owner."""
    tensors: dict[str, Tensor] = {}
    encoded = _encoded(state, "", tensors)
    return _decoded(encoded, {name: tensor.detach().clone() for name, tensor in tensors.items()})


def _state_of(name: str, part: Any) -> Any:
    if isinstance(part, Generator):
        return list(part.get_state())
    if hasattr(part, "state_dict") and hasattr(part, "load_state_dict") and not isinstance(part, type):
        return dict(part.state_dict())
    if isinstance(part, (Tensor, *_PLAIN)):
        return part
    raise TypeError(f"save_state: {name} is {type(part).__name__}, which has no state_dict and is no plain value")


def _restore(part: Any, state: Any) -> None:
    if isinstance(part, Generator):
        part.set_state(tuple(state))
    else:
        part.load_state_dict(state)


def _encoded(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON has it; tensors become their names, under which they are put into `tensors`."""
    if isinstance(value, Tensor):
        tensors[place] = value
        return {"tensor": place}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list):
        return [_encoded(item, f"{place}.{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item, f"{place}.{i}", tensors) for i, item in enumerate(value)]}
    if isinstance(value, Mapping):
        # In pairs: keys of optimizers' states are integers, which JSON does not have.
        pairs = [[_encoded(key, place, {}), _encoded(item, f"{place}.{key}", tensors)] for key, item in value.items()]
        return {"dict": pairs}
    raise TypeError(f"save_state: {place} is {type(value).__name__}; only tensors and plain values of Python are saved")


def _decoded(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decoded(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "float":
        return float(inner)
    if kind == "tuple":
        return tuple(_decoded(item, tensors) for item in inner)
    return {_decoded(key, tensors): _decoded(item, tensors) for key, item in inner}
