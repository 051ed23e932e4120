"""Nested lists, tuples and dicts of tensors, taken apart and put together again."""

from collections.abc import Callable
from typing import Any

__all__ = ["flatten"]

Rebuild = Callable[[list[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of ``tree`` in order, and what makes a tree of the same form of as many other leaves.

    Lists, tuples, named tuples and dicts are taken apart, None is kept as it is, and anything else is a leaf.
    """
    if tree is None:
        return [], lambda _: None
    if isinstance(tree, dict):
        parts = [flatten(value) for value in tree.values()]
        keys, kind = list(tree), type(tree)
        make: Callable[[list[Any]], Any] = lambda items: kind(zip(keys, items, strict=True))  # noqa: E731
    elif isinstance(tree, list | tuple):
        parts = [flatten(value) for value in tree]
        sequence = type(tree)
        make = (lambda items: sequence(*items)) if hasattr(tree, "_fields") else sequence
    else:
        return [tree], lambda leaves: leaves[0]

    def rebuild(leaves: list[Any]) -> Any:
        items, at = [], 0
        for part, form in parts:
            items.append(form(leaves[at : at + len(part)]))
            at += len(part)
        return make(items)

    return [leaf for part, _ in parts for leaf in part], rebuild
