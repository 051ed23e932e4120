"""Gradient modes: whether operations are taped."""

import functools
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from rgrad import _core

P = ParamSpec("P")
R = TypeVar("R")

# That of `inspect`, which takes milliseconds to import.
_CO_GENERATOR = 0x20


class set_grad_enabled:
    """Turns taping on or off on this thread, in a ``with`` block or for a decorated function."""

    def __init__(self, mode: bool) -> None:
        self._mode = mode
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_core._set_grad_enabled(self._mode))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._set_grad_enabled(self._before.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The decorated function; a generator function runs in this mode between its ``yield`` expressions."""
        if not callable(function):
            raise TypeError(f"{type(self).__name__} decorates functions, got {type(function).__name__}")
        mode = self._mode
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _CO_GENERATOR:
            return _switched_steps(function, mode)

        @functools.wraps(function)
        def switched(*args: P.args, **kwargs: P.kwargs) -> R:
            with set_grad_enabled(mode):
                return function(*args, **kwargs)

        return switched


def _switched_steps(function: Callable[P, Any], mode: bool) -> Callable[P, Any]:
    @functools.wraps(function)
    def steps(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
        running = function(*args, **kwargs)
        resume: Callable[[Any], Any] = running.send
        given: Any = None
        try:
            while True:
                with set_grad_enabled(mode):
                    try:
                        item = resume(given)
                    except StopIteration as end:
                        return end.value
                try:
                    given = yield item
                    resume = running.send
                except GeneratorExit:
                    raise
                except BaseException as error:
                    resume, given = running.throw, error
        finally:
            with set_grad_enabled(mode):
                running.close()

    return steps


class _Switch(set_grad_enabled):
    """One fixed mode, which decorates with and without brackets."""

    _to: bool

    @overload
    def __new__(cls) -> Self: ...

    @overload
    def __new__(cls, function: Callable[P, R]) -> Callable[P, R]: ...  # type: ignore[misc]

    def __new__(cls, function: Any = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    if not TYPE_CHECKING:  # what may be written is what `__new__` takes

        def __init__(self) -> None:
            super().__init__(self._to)


class no_grad(_Switch):
    """Disables taping: results do not require gradients."""

    _to = False


class enable_grad(_Switch):
    """Enables taping again inside ``no_grad``."""

    _to = True
