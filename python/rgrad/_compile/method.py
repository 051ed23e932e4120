"""Compiled functions as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from rgrad._compile.epoch import Epochs

if TYPE_CHECKING:
    from rgrad._compile.compiled import Compiled

P = ParamSpec("P")
R = TypeVar("R")


class Method(Epochs[R], Generic[P, R]):
    """A compiled function as a method of an instance."""

    __slots__ = ("__self__", "_compiled")

    def __init__(self, compiled: Compiled[..., R], instance: Any) -> None:
        self._compiled = compiled
        self.__self__ = instance

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._compiled(self.__self__, *args, **kwargs)

    def _parts(self) -> tuple[Compiled[..., Any], tuple[Any, ...]]:
        return self._compiled, (self.__self__,)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def __repr__(self) -> str:
        return f"<{self._compiled!r} of {self.__self__!r}>"
