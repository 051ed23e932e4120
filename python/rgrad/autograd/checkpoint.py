"""Activation checkpointing: recomputing instead of storing."""

from collections.abc import Callable
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd.function import Function
from rgrad.autograd.modes import enable_grad
from rgrad.autograd.trees import Rebuild, flatten


def checkpoint(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)``, whose intermediate results are recomputed in the backward pass instead of being stored.

    Chen et al., Training deep nets with sublinear memory cost, arXiv:1604.06174, 2016. Gradients flow to the
    arguments and to every other tensor that the function uses, such as a module's parameters. The state of the default
    generator is restored, so that dropout drops the same elements. Derivatives of any order may be taken.

    Args:
        function: Of tensors, or nested lists, tuples, dicts and dataclasses of tensors, to one tensor or a tuple of
            tensors. It must be deterministic, and what it uses must not change before the backward pass.
        args: Its arguments; those that are not tensors are passed through unchanged.

    Returns:
        What ``function`` returns.

    Raises:
        RuntimeError: In the backward pass, if an argument or parameter has been changed in place.
    """
    if not _core.is_grad_enabled():
        return function(*args)
    leaves, rebuild = flatten(args)
    state = _core.get_rng_state()
    segment = _Segment(function, rebuild, state)
    result, outputs, variables = segment.run(leaves, link=False)
    own = [v for v in variables if v.requires_grad]
    used = _core._captured([y for y in outputs if y.requires_grad], own, segment.since)
    if any(_core._has_tangent(y) for y in outputs):
        # Forward mode stores nothing, so there is nothing to save.
        _core.set_rng_state(state)
        return function(*args)
    segment.value = tuple(y.detach() for y in outputs)
    taped = _Checkpoint.apply(segment, len(variables), *[x for x in leaves if isinstance(x, Tensor)], *used)
    return taped if isinstance(result, tuple) else taped[0]


class _Segment:
    """A part of a computation that can be run again."""

    def __init__(self, function: Callable[..., Any], rebuild: Rebuild, state: tuple[int, int]) -> None:
        self._function = function
        self._rebuild = rebuild
        self._state = state
        self._others: dict[int, Any] = {}
        self.value: tuple[Tensor, ...] = ()
        self.since = 0

    def run(self, leaves: list[Any], link: bool) -> tuple[Any, tuple[Tensor, ...], list[Tensor]]:
        """The function's result, its outputs as a tuple, and the variables that took the places of the leaves."""
        self.since = _core._clock()
        make = _core._alias if link else _core._leaf
        placed = [make(x) if isinstance(x, Tensor) and x.requires_grad else x for x in leaves]
        if not link:
            self._others = {i: x for i, x in enumerate(leaves) if not isinstance(x, Tensor)}
        with enable_grad():
            result = self._function(*self._rebuild(placed))
        outputs = result if isinstance(result, tuple) else (result,)
        for y in outputs:
            if not isinstance(y, Tensor):
                raise TypeError(f"checkpoint: the function must return tensors, got {type(y).__name__}")
        return result, outputs, [x for x in placed if isinstance(x, Tensor)]

    def run_again(self, tensors: list[Tensor]) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """The outputs and variables of the same run, linked to ``tensors`` in the places of the leaves."""
        rest = iter(tensors)
        count = len(tensors) + len(self._others)
        leaves = [self._others[i] if i in self._others else next(rest) for i in range(count)]
        now = _core.get_rng_state()
        _core.set_rng_state(self._state)
        try:
            _, outputs, variables = self.run(leaves, link=True)
        finally:
            _core.set_rng_state(now)
        return outputs, variables


class _Checkpoint(Function):
    @staticmethod
    def forward(ctx: Any, segment: _Segment, count: int, *tensors: Tensor) -> Any:
        ctx.segment, ctx.count = segment, count
        ctx.used = [(x, _core._version(x)) for x in tensors[count:]]
        ctx.save_for_backward(*tensors[:count])
        return segment.value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        create = _core.is_grad_enabled()
        if any(_core._version(x) != version for x, version in ctx.used):
            raise RuntimeError(
                "checkpoint: a tensor that the function uses was changed in place since, so that computing again would "
                "give something else; call backward before the optimizer's step, or change a clone()"
            )
        outputs, variables = ctx.segment.run_again(list(ctx.saved_tensors))
        inputs = [*variables, *(x for x, _ in ctx.used)]
        wanted = [x for x in inputs if x.requires_grad]
        pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if y.requires_grad]
        ys, gs = [y for y, _ in pairs], [g for _, g in pairs]
        # Partial derivatives: what an input was computed from gets its gradient from that input.
        found = iter(_core._gradients(ys, wanted, gs, create, create, stop_at_inputs=True))
        return None, None, *[next(found) if x.requires_grad else None for x in inputs]
