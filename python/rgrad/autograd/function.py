"""Custom operations with custom derivatives."""

import math
from collections.abc import Sequence
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd.modes import no_grad

# Saved arguments are named by bits, of which the last stands for all arguments from there on.
LAST_BIT = 31


class Context:
    """What the ``forward`` of a `Function` keeps for its derivatives; any other attribute may be set."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        """Which arguments need gradients; ``backward`` may return None for the others."""
        self.saved_tensors: tuple[Tensor | None, ...] = ()
        """The tensors passed to ``save_for_backward``, in ``backward`` and ``jvp``."""
        self._to_save: tuple[Tensor | None, ...] = ()
        self._constant: list[Tensor] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Saves arguments, results or other tensors for the derivatives.

        Arguments and results keep their history, so that derivatives can be differentiated again; other tensors are
        constants. It is an error to change a saved tensor in place before it is used.
        """
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward: item {i} is {type(t).__name__}; keep it as an attribute of ctx")
        self._to_save = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Declares results through which no gradient flows, as none ever does through integers and bools."""
        self._constant.extend(outputs)


class Function:
    """A custom operation with custom derivatives.

    Define its rules as static methods, and call ``apply``::

        class Cube(rg.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x * x

            @staticmethod
            def backward(ctx, grad):
                (x,) = ctx.saved_tensors
                return 3 * x * x * grad

            @staticmethod
            def jvp(ctx, tangent):
                (x,) = ctx.saved_tensors
                return 3 * x * x * tangent

        y = Cube.apply(x)

    ``forward(ctx, *args)`` takes the arguments of ``apply``, runs without taping, and returns a tensor or a tuple of
    tensors. ``backward(ctx, *grads)`` takes one cotangent for each result, zeros where none flows, and returns one for
    each argument, None for those that are not tensors. ``jvp(ctx, *tangents)``, needed for forward mode, takes one
    tangent for each argument, None for those without one, and returns one for each result. Rules written with tensor
    operations can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Computes the results."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Computes the arguments' cotangents."""
        raise NotImplementedError("this Function has no static method backward(ctx, *grads); reverse mode needs it")

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Computes the results' tangents."""
        raise NotImplementedError(
            "this Function has no static method jvp(ctx, *tangents); forward mode needs it (gradcheck and "
            "gradgradcheck leave forward mode out with check_forward=False)"
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Calls ``forward``, and tapes the call if an argument requires gradients."""
        where = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        on = _core.is_grad_enabled()
        ctx = Context(tuple(on and isinstance(a, Tensor) and a.requires_grad for a in args))
        # Without tangents: those of the results are computed by jvp.
        plain = [a.detach() if isinstance(a, Tensor) and _core._has_tangent(a) else a for a in args]
        with no_grad():
            result = cls.forward(ctx, *plain)
        _restore_tangents(ctx, plain, args)
        results = result if isinstance(result, tuple) else (result,)
        for y in results:
            if not isinstance(y, Tensor):
                raise TypeError(f"{cls.__name__}.forward must return tensors, got {type(y).__name__}")
        taped = _Call(cls, ctx, args, where, plain, results).taped()
        return taped if isinstance(result, tuple) else taped[0]


def _restore_tangents(ctx: Context, plain: Sequence[Any], args: Sequence[Any]) -> None:
    """Replaces the copies without tangents that ``forward`` kept in ``ctx`` by the arguments themselves."""
    for name, value in vars(ctx).items():
        for p, a in zip(plain, args, strict=True):
            if value is p and p is not a:
                setattr(ctx, name, a)


class _Call:
    """One call of a `Function`. Several results are taped as one tensor, their concatenation."""

    def __init__(
        self,
        cls: type[Function],
        ctx: Context,
        args: Sequence[Any],
        where: list[int],
        plain: Sequence[Any],
        results: tuple[Tensor, ...],
    ) -> None:
        self._cls = cls
        self._ctx = ctx
        self._count = len(args)
        self._where = where
        self._inputs = [args[i] for i in where]
        self._argument_shapes = [x.shape for x in self._inputs]
        self._results = results
        constant = {id(t) for t in ctx._constant}
        self._moving = [i for i, y in enumerate(results) if y.dtype.is_floating_point and id(y) not in constant]
        self._shapes = [y.shape for y in results]
        self._dtypes = [y.dtype for y in results]
        # Where each saved tensor comes from: an argument, a result, or neither.
        arguments = {id(plain[i]): at for at, i in enumerate(where)}
        outputs = {id(results[i]): at for at, i in enumerate(self._moving)}
        self._saved = [(t, arguments.get(id(t)), outputs.get(id(t))) for t in ctx._to_save]
        self._versions = [None if t is None else _core._version(t) for t, _, _ in self._saved]
        ctx._to_save, ctx._constant = (), []

    def taped(self) -> tuple[Tensor, ...]:
        """The results, with the history of this call."""
        if not self._moving:
            return self._results
        saved_inputs = {at for _, at, _ in self._saved if at is not None}
        flat = self._join([self._results[i] for i in self._moving])
        whole = _core._custom(
            self._cls.__name__,
            self._inputs,
            flat,
            sum({1 << min(at, LAST_BIT) for at in saved_inputs}),
            any(at is not None for _, _, at in self._saved),
            self._backward,
            self._jvp,
        )
        # The recorded call keeps where its saved tensors are, not the tensors themselves.
        self._saved = [(t if a is None and o is None else None, a, o) for t, a, o in self._saved]
        results = list(self._results)
        for i, y in zip(self._moving, self._parts(whole), strict=True):
            results[i] = y
        self._results, self._inputs = (), []
        return tuple(results)

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        return parts[0] if len(parts) == 1 else _core.cat([p.reshape(-1) for p in parts])

    def _parts(self, whole: Tensor) -> list[Tensor]:
        if len(self._moving) == 1:
            return [whole]
        parts, at = [], 0
        for i in self._moving:
            n = math.prod(self._shapes[i])
            parts.append(whole.narrow(0, at, n).reshape(self._shapes[i]).to(self._dtypes[i]))
            at += n
        return parts

    def _restore(self, inputs: Sequence[Tensor | None], output: Tensor | None) -> None:
        """Fills ``ctx.saved_tensors``."""
        for (t, _, _), version in zip(self._saved, self._versions, strict=True):
            if t is not None and _core._version(t) != version:
                raise RuntimeError(
                    f"{self._cls.__name__}: a tensor given to save_for_backward was changed in place; save a clone()"
                )
        outputs = self._parts(output) if output is not None else []
        self._ctx.saved_tensors = tuple(
            inputs[a] if a is not None else outputs[o] if o is not None else t for t, a, o in self._saved
        )

    def _backward(self, grad: Tensor, inputs: list[Tensor | None], output: Tensor | None) -> list[Tensor | None]:
        self._restore(inputs, output)
        moving = dict(zip(self._moving, self._parts(grad), strict=True))
        grads = [
            moving[i] if i in moving else _core.zeros(s, dtype=d)
            for i, (s, d) in enumerate(zip(self._shapes, self._dtypes, strict=True))
        ]
        found = self._cls.backward(self._ctx, *grads)
        found = found if isinstance(found, tuple) else (found,)
        self._ctx.saved_tensors = ()
        if len(found) != self._count:
            raise ValueError(
                f"{self._cls.__name__}.backward returned {len(found)} gradients for {self._count} arguments; "
                "return None for those that need none"
            )
        for i, shape in zip(self._where, self._argument_shapes, strict=True):
            g = found[i]
            if isinstance(g, Tensor) and g.shape != shape:
                raise ValueError(
                    f"{self._cls.__name__}.backward: gradient {i} must have its argument's shape {shape}, got {g.shape}"
                )
        return [found[i] for i in self._where]

    def _jvp(self, tangents: list[Tensor | None], inputs: list[Tensor], output: Tensor) -> Tensor:
        self._restore(inputs, output)
        given: list[Tensor | None] = [None] * self._count
        for i, t in zip(self._where, tangents, strict=True):
            given[i] = t
        found = self._cls.jvp(self._ctx, *given)
        found = found if isinstance(found, tuple) else (found,)
        self._ctx.saved_tensors = ()
        if len(found) != len(self._shapes):
            raise ValueError(f"{self._cls.__name__}.jvp returned {len(found)} tangents for {len(self._shapes)} results")
        parts = []
        for i in self._moving:
            t = found[i]
            if t is None:
                t = _core.zeros(self._shapes[i], dtype=self._dtypes[i])
            if not isinstance(t, Tensor) or t.shape != self._shapes[i]:
                got = t.shape if isinstance(t, Tensor) else type(t).__name__
                raise ValueError(f"{self._cls.__name__}.jvp: tangent {i} must have shape {self._shapes[i]}, got {got}")
            parts.append(t)
        return self._join(parts).to(output.dtype)
