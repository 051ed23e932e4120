"""Parameter groups and states as mappings. Their entries are kept, and checked when they are set, by the core."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Self

from rgrad import _core


class Entries(MutableMapping[str, Any]):
    """What dicts can do besides."""

    __slots__ = ()

    def copy(self) -> dict[str, Any]:
        """Returns a dict of the entries."""
        return dict(self)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._rule, dict(self))  # type: ignore[attr-defined]


class ParamGroup(_core.ParamGroup, Entries):  # type: ignore[misc]
    """The parameters and settings of a group. A setting that is out of range is refused when it is set."""

    __slots__ = ()


class ParamState(_core.ParamState, Entries):  # type: ignore[misc]
    """What an optimizer keeps of a parameter."""

    __slots__ = ()
