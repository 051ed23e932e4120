"""Places: where a function finds something, and how to tell later whether the same stands there."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from rgrad import _core

#: Immutable, and compared by value.
PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))
#: Packages whose code is not read, besides Python's own: what they keep is no matter of the step, or known elsewhere.
_LIBRARIES = frozenset(("rgrad", "numpy", "scipy", "pandas", "sklearn", "matplotlib", "torch", "jax", "tqdm"))
MISSING: Any = object()
#: What has entries by keys.
DICTS: Any = dict | _core.ParamGroup


def is_library(name: object) -> bool:
    top = name.partition(".")[0] if isinstance(name, str) else ""
    return top in _LIBRARIES or top in sys.stdlib_module_names


def is_users(value: object) -> bool:
    """Whether an object's class is written in the user's program."""
    kind = type(value)
    if kind.__name__ in ("Namespace", "SimpleNamespace"):
        return True
    return bool(kind.__flags__ & (1 << 9)) and not is_library(kind.__module__)


class Place:
    """Where something was found, what it is, and what was found from there."""

    __slots__ = ("below", "covered", "many", "text", "value")

    def __init__(self, text: str, value: Any, covered: bool = False) -> None:
        self.text = text
        self.value = value
        self.covered = covered
        """Whether changes of the place itself are noticed elsewhere: an attribute of a module."""
        self.many: int | None = None
        """How many entries it has, if it is a container of which all entries count."""
        self.below: dict[tuple[str, Any], Place] = {}

    def expected(self) -> tuple[str, Any]:
        """How to tell whether the same stands there."""
        kind = type(self.value)
        if self.value is MISSING:
            return "nothing", None
        if kind in PLAIN:
            return "equal", self.value
        if issubclass(kind, list | tuple | DICTS):
            return ("many", (kind, self.many)) if self.many is not None else ("type", kind)
        try:
            return "object", weakref.ref(self.value)
        except TypeError:
            return ("type", kind) if is_users(self.value) else ("same", self.value)

    def exported(self, names: list[str]) -> tuple[Any, ...]:
        names.append(self.text)
        number, (kind, value) = len(names) - 1, self.expected()
        below = [
            (step, key, place.exported(names))
            for (step, key), place in self.below.items()
            if place.below or not place.covered
        ]
        return number, kind, value, below
