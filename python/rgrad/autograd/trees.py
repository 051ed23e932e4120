"""Nested lists, tuples and dicts of tensors, taken apart and put together again."""

from collections.abc import Callable
from typing import Any

__all__ = ["flatten", "leaves_like"]

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


def leaves_like(name: str, tree: Any, like: Any) -> list[Any]:
    """The leaves of ``tree`` in the order in which ``flatten`` gives those of ``like``: dicts are matched by keys.

    Raises:
        ValueError: ``tree`` has another form; lists and tuples count as the same.
    """
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            got = f"a dict of {list(tree)}" if isinstance(tree, dict) else type(tree).__name__
            raise ValueError(f"{name}: expected a dict of {list(like)}, got {got}")
        pairs = [(tree[key], part) for key, part in like.items()]
    elif isinstance(like, list | tuple):
        if not isinstance(tree, list | tuple) or len(tree) != len(like):
            got = f"{len(tree)}" if isinstance(tree, list | tuple) else type(tree).__name__
            raise ValueError(f"{name}: expected a list or tuple of {len(like)}, got {got}")
        pairs = list(zip(tree, like, strict=True))
    else:
        if (tree is None) != (like is None) or isinstance(tree, dict | list | tuple):
            raise ValueError(f"{name}: expected {'None' if like is None else 'a tensor'}, got {type(tree).__name__}")
        return [] if like is None else [tree]
    return [leaf for item, part in pairs for leaf in leaves_like(name, item, part)]
