"""Compiled functions as methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rgrad._core import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rgrad import Generator
    from rgrad._compile.compiled import Compiled


class Method:
    """A compiled function as a method of an instance."""

    __slots__ = ("__self__", "_compiled")

    def __init__(self, compiled: Compiled[Any, Any], instance: Any) -> None:
        self._compiled = compiled
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(self.__self__, *args, **kwargs)

    def epoch(
        self,
        *data: Tensor | NDArray[Any],
        batch_size: int,
        shuffle: bool = False,
        generator: Generator | None = None,
        drop_last: bool = False,
        progress: Callable[[int, int, float], object] | None = None,
    ) -> Any:
        """As that of a function."""
        from rgrad._compile.epoch import epoch

        first = (self.__self__,)
        return epoch(self._compiled, data, batch_size, shuffle, generator, drop_last, progress, first)

    def steps(self, loader: Iterable[Any]) -> Any:
        """As that of a function."""
        from rgrad._compile.epoch import steps

        return steps(self, loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def __repr__(self) -> str:
        return f"<{self._compiled!r} of {self.__self__!r}>"
