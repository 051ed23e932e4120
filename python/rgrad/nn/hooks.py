"""Calling a module: its ``forward``, and the functions that users hook before and after it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(eq=False, slots=True)
class _Hook:
    """A function, and whether it takes keyword arguments too."""

    function: Callable[..., Any]
    with_kwargs: bool


class RemovableHandle:
    """Removes a hook: by ``remove``, or at the end of a ``with`` block."""

    def __init__(self, hooks: list[_Hook], hook: _Hook) -> None:
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Removes the hook; does nothing if that was done before."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class _Hooks:
    """The hooks of one module, in the order in which they run."""

    def __init__(self) -> None:
        self.before: list[_Hook] = []
        self.after: list[_Hook] = []

    def call(self, module: "Hooked", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """``module.forward`` between the hooks."""
        for hook in tuple(self.before):
            if hook.with_kwargs:
                changed = hook.function(module, args, kwargs)
                if changed is not None:
                    args, kwargs = _arguments(changed)
            else:
                changed = hook.function(module, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        output = module.forward(*args, **kwargs)
        for hook in tuple(self.after):
            given = (args, kwargs, output) if hook.with_kwargs else (args, output)
            changed = hook.function(module, *given)
            if changed is not None:
                output = changed
        return output


class Hooked:
    """What a module is called by."""

    # An instance gets its own with its first hook: without, a call pays for one comparison.
    _hooks: _Hooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output. To be written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output: see ``forward``. Runs the hooks."""
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before every ``forward``.

        Args:
            hook: Returns None, or other arguments: a tuple of them, or a single one.
            prepend: Run it before the hooks that are there.
            with_kwargs: Call ``hook(module, args, kwargs)``, which returns None or other ``(args, kwargs)``.

        Returns:
            What removes the hook.
        """
        return _add(self._own_hooks().before, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after every ``forward``.

        Args:
            hook: Returns None, or another output.
            prepend: Run it before the hooks that are there.
            with_kwargs: Call ``hook(module, args, kwargs, output)``.

        Returns:
            What removes the hook.
        """
        return _add(self._own_hooks().after, hook, prepend, with_kwargs)

    def _own_hooks(self) -> _Hooks:
        if self._hooks is None:
            self._hooks = _Hooks()
        return self._hooks


def _add(hooks: list[_Hook], function: Callable[..., Any], prepend: bool, with_kwargs: bool) -> RemovableHandle:
    """Adds a hook at the end, or at the front."""
    if not callable(function):
        raise TypeError(f"a hook must be callable, got {type(function).__name__}")
    hook = _Hook(function, with_kwargs)
    hooks.insert(0 if prepend else len(hooks), hook)
    return RemovableHandle(hooks, hook)


def _arguments(changed: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict):
        args, kwargs = changed
        if isinstance(args, tuple):
            return args, kwargs
    raise TypeError(
        f"a forward pre-hook with with_kwargs=True returns None or (args, kwargs), a tuple and a dict; got {changed!r}"
    )
