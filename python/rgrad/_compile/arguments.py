"""The arguments of compiled functions: arrays are converted to tensors, and a key identifies the program for them."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd import trees
from rgrad.autograd.trees import Leaf, is_data, items
from rgrad.data.datasets import has_rows


class Same:
    """A weak reference to an object, compared by identity."""

    __slots__ = ("_hash", "reference")

    def __init__(self, value: Any) -> None:
        self.reference = weakref.ref(value)
        self._hash = id(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        mine = self.reference()
        return isinstance(other, Same) and mine is not None and mine is other.reference()


def taken(value: Any, tensors: list[Tensor]) -> Any:
    """The tree with placeholders for its tensors, which are appended to ``tensors``."""
    return trees.taken(value, tensors, lambda item: isinstance(item, Tensor))


def has_arrays(value: Any) -> bool:
    """Whether the tree contains arrays, NumPy scalars, tables or other libraries' tensors."""
    inside = items(value)
    return _is_array(value) if inside is None else any(map(has_arrays, inside))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) or (not isinstance(value, Tensor) and has_rows(value))


def converted(value: Any) -> Any:
    """The tree with arrays copied into tensors."""
    if not has_arrays(value):
        return value
    arrays: list[Any] = []
    form = trees.taken(value, arrays, _is_array)
    return trees.rebuilt(form, [_core.tensor(array) for array in arrays])


def key_of(value: Any) -> Any:
    """A key that is equal for two trees if and only if they share a program; tensors are compared elsewhere."""
    if isinstance(value, Leaf):
        return Leaf
    inside = items(value)
    if inside is None:
        return other_key(value)
    if isinstance(value, dict):
        return type(value), *[(other_key(key), key_of(item)) for key, item in value.items()]
    return type(value), *map(key_of, inside)


def other_key(value: Any) -> Any:
    """The key of a value that is neither a tensor nor a container."""
    kind: Any = type(value)
    if kind is float or kind is complex:
        # -0.0 equals 0.0, and nan does not equal itself.
        return kind, repr(value)
    if kind.__hash__ is object.__hash__ and kind.__eq__ is object.__eq__:
        try:
            return Same(value)
        except TypeError:
            return kind, value
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"compile: an argument holds {kind.__name__}, which is not hashable, so that it cannot be told whether a "
            "later call has the same: pass tensors, arrays, numbers, strings, or lists, tuples, dicts and dataclasses "
            "of them, or let the function take it from outside if it never changes"
        ) from None
    return kind, value


def at_once(args: tuple[Any, ...]) -> list[tuple[Any] | None] | None:
    """A key of positional arguments that needs no traversal; None if one of them is a container."""
    flat: list[tuple[Any] | None] = []
    for arg in args:
        if isinstance(arg, Tensor):
            flat.append(None)
        elif isinstance(arg, list | dict | tuple | np.ndarray | np.generic) or is_data(arg):
            return None
        else:
            other = other_key(arg)
            flat.append((other.reference,) if isinstance(other, Same) else (arg,))
    return flat
