"""Nested arguments and results of compiled functions: the tensors in them, and what is around the tensors."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from rgrad import _core
from rgrad._core import Tensor


class Leaf:
    """The place of a tensor in a structure."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class Same:
    """An object that equals nothing but itself, which it does not keep alive."""

    __slots__ = ("_hash", "reference")

    def __init__(self, value: Any) -> None:
        self.reference = weakref.ref(value)
        self._hash = id(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        mine = self.reference()
        return isinstance(other, Same) and mine is not None and mine is other.reference()


def is_data(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def rebuilt_as(kind: type, items: Iterable[Any]) -> Any:
    """A list, tuple or named tuple."""
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def replaced(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """The same nested containers of what ``leaf`` makes of everything else in them."""
    if isinstance(value, tuple | list):
        return rebuilt_as(type(value), [replaced(item, leaf) for item in value])
    if isinstance(value, dict):
        made = copy.copy(value)
        made.update((key, replaced(item, leaf)) for key, item in value.items())
        return made
    if is_data(value):
        made = copy.copy(value)
        for field in fields(value):
            object.__setattr__(made, field.name, replaced(getattr(value, field.name), leaf))
        return made
    return leaf(value)


def rebuilt(form: Any, tensors: list[Tensor]) -> Any:
    """A structure with tensors in their places."""
    return replaced(form, lambda item: tensors[item.index] if isinstance(item, Leaf) else item)


def taken(value: Any, tensors: list[Tensor]) -> Any:
    """A structure with places for the tensors in it, which are added to ``tensors``."""

    def leaf(item: Any) -> Any:
        if isinstance(item, Tensor):
            tensors.append(item)
            return Leaf(len(tensors) - 1)
        return item

    return replaced(value, leaf)


def has_arrays(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(has_arrays, value))
    if isinstance(value, dict):
        return any(map(has_arrays, value.values()))
    if is_data(value):
        return any(has_arrays(getattr(value, field.name)) for field in fields(value))
    return isinstance(value, np.ndarray | np.generic)


def converted(value: Any) -> Any:
    """The same with tensors, which are copies, in the places of arrays."""
    if not has_arrays(value):
        return value
    return replaced(value, lambda item: _core.tensor(item) if isinstance(item, np.ndarray | np.generic) else item)


def key_of(value: Any) -> Any:
    """What two structures have in common if and only if one program is for both; tensors are compared elsewhere."""
    if isinstance(value, Leaf):
        return Leaf
    if isinstance(value, tuple | list):
        return type(value), *[key_of(item) for item in value]
    if isinstance(value, dict):
        return type(value), *[(other_key(key), key_of(item)) for key, item in value.items()]
    if is_data(value):
        return type(value), *[(field.name, key_of(getattr(value, field.name, None))) for field in fields(value)]
    return other_key(value)


def other_key(value: Any) -> Any:
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
    """For programs to be found by positional arguments alone, without taking containers apart."""
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
