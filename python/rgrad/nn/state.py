"""Copying a saved state into a module, all of it or nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd import no_grad


class LoadedKeys(NamedTuple):
    """The names that ``load_state_dict`` found missing or unexpected; both are empty if it was strict."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadedKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def load_state(owner: str, own: Mapping[str, Tensor], state: Mapping[str, Any], strict: bool) -> LoadedKeys:
    """Copies from ``state`` into the tensors of ``own``; see ``Module.load_state_dict``."""
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict: expected a dict of tensors by name, got {type(state).__name__}")
    keys = LoadedKeys([name for name in own if name not in state], [name for name in state if name not in own])
    problems = []
    if strict:
        problems += [f"missing: {name}" for name in keys.missing_keys]
        problems += [f"unexpected: {name}" for name in keys.unexpected_keys]
    values = {}
    for name, tensor in own.items():
        if name in state:
            try:
                _check_writable(tensor)
                values[name] = _as_tensor(state[name], tensor.shape)
            except (TypeError, ValueError) as error:
                problems.append(f"{name}: {error}")
    if problems:
        raise ValueError(f"cannot load into {owner}:\n  " + "\n  ".join(problems))
    with no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    return keys


def _as_tensor(value: Any, shape: tuple[int, ...]) -> Tensor:
    # Not lists: a ragged or empty one would only be noticed halfway through.
    if not hasattr(value, "shape"):
        raise TypeError(f"expected a tensor or an array of shape {shape}, got {type(value).__name__}")
    if tuple(value.shape) != shape:
        raise ValueError(f"expected shape {shape}, got {tuple(value.shape)}")
    return value if isinstance(value, Tensor) else _core.tensor(value)


def _check_writable(tensor: Tensor) -> None:
    if tensor.is_contiguous() and tensor.numpy().flags.writeable:
        return
    try:
        with no_grad():
            tensor.copy_(tensor)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"the module's own tensor cannot be written, so register a copy: {error}") from None
