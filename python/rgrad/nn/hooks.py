"""Calling a module: its ``forward``, and the hooks before and after it and on its gradients."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd import Function

#: Not empty while some thread records a compiled step: modules then report that they were called.
RECORDINGS: list[None] = []


@dataclass(eq=False, slots=True)
class _Hook:
    """A function, and whether it takes keyword arguments too."""

    function: Callable[..., Any]
    with_kwargs: bool


class RemovableHandle:
    """Removes a hook, by ``remove`` or at the end of a ``with`` block."""

    def __init__(self, module: "Hooked", hooks: list[_Hook], hook: _Hook) -> None:
        self._module = module
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Removes the hook, if it has not been removed yet."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
            self._module._renew_hooks()

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
        self.backward: list[_Hook] = []

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
        gradients = _Gradients(module, self.backward) if self.backward and _core.is_grad_enabled() else None
        if gradients is not None:
            args = gradients.enter(args)
        output = module.forward(*args, **kwargs)
        for hook in tuple(self.after):
            given = (args, kwargs, output) if hook.with_kwargs else (args, output)
            changed = hook.function(module, *given)
            if changed is not None:
                output = changed
        return output if gradients is None else gradients.leave(output)


class _Gradients:
    """One call of a module with backward hooks, which get the gradients of its arguments and of its output."""

    def __init__(self, module: "Hooked", hooks: list[_Hook]) -> None:
        self._module = module
        self._hooks = hooks
        self._grad_input: tuple[None, ...] | None = None
        """Set if no argument requires gradients."""
        self._grad_output: _Grads = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments to pass to ``forward`` instead."""
        watched = _watched(args, self._see_input)
        if watched is args:
            self._grad_input = (None,) * len(args)
        return watched

    def leave(self, output: Any) -> Any:
        """The output to return to the caller instead."""
        if isinstance(output, tuple):
            return _watched(output, self._see_output)
        if isinstance(output, Tensor):
            return _watched((output,), self._see_output)[0]
        raise TypeError(
            f"{type(self._module).__name__} has backward hooks, for which its output must be a tensor or a tuple of "
            f"tensors, got {type(output).__name__}"
        )

    def _see_output(self, grads: "_Grads") -> "_Grads":
        self._grad_output = grads
        if self._grad_input is not None:
            self._run(self._grad_input)
        return grads

    def _see_input(self, grads: "_Grads") -> "_Grads":
        return self._run(grads)

    def _run(self, grads: "_Grads") -> "_Grads":
        grad_output, self._grad_output = self._grad_output, ()
        for hook in tuple(self._hooks):
            changed = hook.function(self._module, grads, grad_output)
            if changed is not None:
                new = changed if isinstance(changed, tuple) else (changed,)
                if _kinds(new) != _kinds(grads):
                    raise ValueError(
                        f"a backward hook of {type(self._module).__name__} must return None or gradients of "
                        f"{_kinds(grads)}, got {_kinds(new)}"
                    )
                grads = new
        return grads


_Grads = tuple[Tensor | None, ...]


def _kinds(grads: tuple[Any, ...]) -> list[Any]:
    return [(g.shape, g.dtype) if isinstance(g, Tensor) else None if g is None else type(g).__name__ for g in grads]


def _watched(values: tuple[Any, ...], see: Callable[[_Grads], _Grads]) -> tuple[Any, ...]:
    """The same values, with ``see`` called on their gradients; ``values`` itself if none of them requires gradients."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not places:
        return values

    def replaced(grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        spread: list[Tensor | None] = [None] * len(values)
        for i, grad in zip(places, grads, strict=True):
            spread[i] = grad
        found = see(tuple(spread))
        return [found[i] for i in places]

    watched = list(values)
    for i, tensor in zip(places, _Boundary.apply(replaced, *[values[i] for i in places]), strict=True):
        watched[i] = tensor
    return tuple(watched)


class _Boundary(Function):
    """The identity on several tensors, which waits for all of their gradients before it passes on any."""

    @staticmethod
    def forward(ctx: Any, replaced: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.replaced = replaced
        return tuple(t.detach() for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, *ctx.replaced(grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Any:
        return tangents[1:]


class Hooked:
    """What a module is called by."""

    # Set on an instance with its first hook, so that calls without hooks pay for one comparison.
    _hooks: _Hooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output. Implemented by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output: see ``forward``. Runs the hooks."""
        if RECORDINGS:
            _core._meet(self)
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before every ``forward``.

        Args:
            hook: Returns None, or replacement arguments: a tuple, or a single one.
            prepend: Run it before the existing hooks.
            with_kwargs: Call ``hook(module, args, kwargs)``, which returns None or a new ``(args, kwargs)``.

        Returns:
            A handle that removes the hook.
        """
        return _add(self, self._own_hooks().before, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after every ``forward``.

        Args:
            hook: Returns None, or a replacement output.
            prepend: Run it before the existing hooks.
            with_kwargs: Call ``hook(module, args, kwargs, output)``.

        Returns:
            A handle that removes the hook.
        """
        return _add(self, self._own_hooks().after, hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the gradients of the module's arguments are computed.

        ``grad_input`` has an entry for each positional argument, ``grad_output`` one for each result: a gradient, or
        None where there is none. If no argument requires gradients, the hook is called with the gradients of the
        results alone.

        Args:
            hook: Returns None, or replacements for the gradients of the arguments.
            prepend: Run it before the existing hooks.

        Returns:
            A handle that removes the hook.
        """
        return _add(self, self._own_hooks().backward, hook, prepend, False)

    def _own_hooks(self) -> _Hooks:
        if self._hooks is None:
            self._hooks = _Hooks()
        return self._hooks

    def _renew_hooks(self) -> None:
        """Makes the change of hooks visible to compiled steps, which compare a module's attributes."""
        self._hooks = copy.copy(self._hooks)


def _add(
    module: Hooked, hooks: list[_Hook], function: Callable[..., Any], prepend: bool, with_kwargs: bool
) -> RemovableHandle:
    """Adds a hook at the end, or at the front."""
    if not callable(function):
        raise TypeError(f"a hook must be callable, got {type(function).__name__}")
    hook = _Hook(function, with_kwargs)
    hooks.insert(0 if prepend else len(hooks), hook)
    module._renew_hooks()
    return RemovableHandle(module, hooks, hook)


def _arguments(changed: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict):
        args, kwargs = changed
        if isinstance(args, tuple):
            return args, kwargs
    raise TypeError(
        f"a forward pre-hook with with_kwargs=True returns None or (args, kwargs), a tuple and a dict; got {changed!r}"
    )
