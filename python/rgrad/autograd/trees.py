"""Trees: flattening and rebuilding nested lists, tuples, named tuples, dicts and dataclasses of tensors."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rgrad._core import Tensor

Rebuild = Callable[[list[Any]], Any]


class Leaf:
    """A placeholder for a leaf of a tree."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def is_data(value: Any) -> bool:
    """Whether ``value`` is an instance of a dataclass."""
    return hasattr(type(value), "__dataclass_fields__")


def items(tree: Any) -> Sequence[Any] | None:
    """The items of a container; None for a leaf."""
    # On the path of every compiled call and small gradient: a union of types takes longer than a tuple.
    if isinstance(tree, (tuple, list)):
        return tree
    if isinstance(tree, dict):
        return list(tree.values())
    if is_data(tree):
        return [getattr(tree, name) for name in _fields(tree)]
    return None


def with_items(tree: Any, new: Sequence[Any]) -> Any:
    """A container like ``tree`` that holds ``new``."""
    kind: Any = type(tree)
    if kind is dict:
        return dict(zip(tree, new, strict=True))
    if isinstance(tree, (tuple, list)):
        return kind(*new) if hasattr(kind, "_fields") else kind(new)
    made = copy.copy(tree)
    if isinstance(tree, dict):
        for key, item in zip(tree, new, strict=True):
            made[key] = item
        return made
    for name, item in zip(_fields(tree), new, strict=True):
        object.__setattr__(made, name, item)  # frozen ones, too
    return made


def _fields(data: Any) -> list[str]:
    # An import of some milliseconds: whoever defined the dataclass has paid for it.
    return [field.name for field in sys.modules["dataclasses"].fields(data)]


def taken(tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool]) -> Any:
    """The tree with each of its leaves, which are appended to ``leaves``, replaced by a `Leaf`."""
    if is_leaf(tree):
        leaves.append(tree)
        return Leaf(len(leaves) - 1)
    inside = items(tree)
    return tree if inside is None else with_items(tree, [taken(item, leaves, is_leaf) for item in inside])


def rebuilt(form: Any, leaves: Sequence[Any]) -> Any:
    """The inverse of `taken`: the tree with these leaves."""
    if type(form) is Leaf:
        return leaves[form.index]
    inside = items(form)
    return form if inside is None else with_items(form, [rebuilt(item, leaves) for item in inside])


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of ``tree`` in order, and a function that builds a tree of the same structure from other leaves.

    None is part of the structure. A callable dataclass, such as a module, is a leaf.
    """
    leaves: list[Any] = []
    form = taken(tree, leaves, _is_leaf)
    return leaves, lambda others: rebuilt(form, others)


def _is_leaf(item: Any) -> bool:
    if isinstance(item, Tensor):
        return True
    if is_data(item):
        return callable(item)
    return item is not None and not isinstance(item, (tuple, list, dict))


def leaves_like(name: str, tree: Any, like: Any) -> list[Any]:
    """The leaves of ``tree`` in the order of ``flatten(like)``: dicts are matched by key.

    Raises:
        ValueError: ``tree`` has another structure; lists and tuples are interchangeable.
    """
    inside = items(like)
    if inside is None:
        if (tree is None) != (like is None) or items(tree) is not None:
            raise ValueError(f"{name}: expected {'None' if like is None else 'a tensor'}, got {type(tree).__name__}")
        return [] if like is None else [tree]
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            got = f"a dict of {list(tree)}" if isinstance(tree, dict) else type(tree).__name__
            raise ValueError(f"{name}: expected a dict of {list(like)}, got {got}")
        given: Sequence[Any] = [tree[key] for key in like]
    elif isinstance(like, list | tuple):
        if not isinstance(tree, list | tuple) or len(tree) != len(like):
            got = f"{len(tree)}" if isinstance(tree, list | tuple) else type(tree).__name__
            raise ValueError(f"{name}: expected a list or tuple of {len(like)}, got {got}")
        given = tree
    else:
        if type(tree) is not type(like):
            raise ValueError(f"{name}: expected {type(like).__name__}, got {type(tree).__name__}")
        given = items(tree) or []
    return [leaf for item, part in zip(given, inside, strict=True) for leaf in leaves_like(name, item, part)]
