"""Function transforms: gradients, Jacobians, Hessians, and their products with vectors.

They take functions of tensors, or of nested lists, tuples, dicts and dataclasses of tensors, and follow JAX's names and
conventions. They nest, in reverse and forward mode and in any order, and gradients also flow to tensors that a function
captures.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.integer import integer
from rgrad.autograd.modes import enable_grad
from rgrad.autograd.trees import Rebuild, flatten, leaves_like

__all__ = ["grad", "hessian", "hvp", "jacfwd", "jacrev", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def _tensor(name: str, leaf: Any) -> Tensor:
    """A leaf of an argument as a tensor of floats."""
    x = leaf if isinstance(leaf, Tensor) else _core.tensor(leaf)
    if not x.dtype.is_floating_point:
        raise TypeError(f"{name}: cannot differentiate with respect to {x.dtype}; pass floats")
    return x


def _positions(name: str, argnums: int | Sequence[int], count: int) -> list[int]:
    chosen: list[int] = []
    for number in [argnums] if isinstance(argnums, SupportsIndex) else argnums:
        i = integer(f"{name}: argnums", number)
        if not -count <= i < count:
            raise ValueError(f"{name}: argnums {i} is out of range for {count} positional arguments")
        if i % count in chosen:
            raise ValueError(f"{name}: argnums names argument {i % count} twice")
        chosen.append(i % count)
    if not chosen:
        raise ValueError(f"{name}: argnums must name at least one argument")
    return chosen


class _Arguments:
    """The arguments of a call, with the leaves of the selected ones replaced."""

    def __init__(self, name: str, args: Sequence[Any], argnums: int | Sequence[int]) -> None:
        self._args = list(args)
        self._chosen = _positions(name, argnums, len(args))
        self._single = isinstance(argnums, SupportsIndex)
        self._forms = [flatten(args[i]) for i in self._chosen]
        self.leaves = [_tensor(name, leaf) for leaves, _ in self._forms for leaf in leaves]

    def with_leaves(self, leaves: Sequence[Tensor]) -> list[Any]:
        args = list(self._args)
        for i, part in zip(self._chosen, self._parts(leaves), strict=True):
            args[i] = part
        return args

    def _parts(self, leaves: Sequence[Any]) -> list[Any]:
        parts, at = [], 0
        for own, rebuild in self._forms:
            parts.append(rebuild(list(leaves[at : at + len(own)])))
            at += len(own)
        return parts

    def shape_like(self, leaves: Sequence[Any]) -> Any:
        """``parts``, one for each leaf, in the structure of the selected argument, or a tuple for several."""
        parts = self._parts(leaves)
        return parts[0] if self._single else tuple(parts)


def _outputs(name: str, tree: Any) -> tuple[list[Tensor], Rebuild]:
    ys, rebuild = flatten(tree)
    for y in ys:
        if not isinstance(y, Tensor):
            raise TypeError(f"{name}: the function must return tensors, got {type(y).__name__}")
        if not y.dtype.is_floating_point:
            raise TypeError(f"{name}: the function must return floats, got {y.dtype}; return others with has_aux=True")
    return ys, rebuild


def _with_aux(name: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{name}: with has_aux=True the function must return a pair (output, aux)")
    return result


class _Recording:
    """A taped call of a function, with fresh variables in place of the selected arguments."""

    def __init__(self, name: str, fun: Function, args: _Arguments, kwargs: dict[str, Any], has_aux: bool) -> None:
        self._outer = _core.is_grad_enabled()
        self._since = _core._clock()
        self._variables = [_core._alias(x) for x in args.leaves]
        with enable_grad():
            out, self._aux = _with_aux(name, fun(*args.with_leaves(self._variables), **kwargs), has_aux)
        self.tree = out
        self.outputs, self.rebuild = _outputs(name, out)
        taped = [y for y in self.outputs if y.requires_grad]
        # Whether the result can be differentiated: an enclosing transform then needs its history.
        self.linked = self._outer and bool(_core._captured(taped, self._variables, self._since))

    def _release(self, t: Any) -> Any:
        return _core._untaped(t) if isinstance(t, Tensor) and not self.linked else t

    def output(self) -> Any:
        return self.rebuild([self._release(y) for y in self.outputs])

    def aux(self) -> Any:
        leaves, rebuild = flatten(self._aux)
        return rebuild([self._release(a) for a in leaves])

    def pull(self, seeds: Sequence[Tensor | None], retain: bool) -> list[Tensor]:
        """Cotangents of the variables from those of the outputs."""
        used = [(y, s) for y, s in zip(self.outputs, seeds, strict=True) if y.requires_grad]
        create = self.linked or (_core.is_grad_enabled() and any(s is not None and s.requires_grad for _, s in used))
        found: Sequence[Tensor | None] = [None] * len(self._variables)
        if used and self._variables:
            ys, ss = [y for y, _ in used], [s for _, s in used]
            found = _core._gradients(ys, self._variables, ss, retain or create, create)
        return [_core.zeros_like(x) if g is None else g for x, g in zip(self._variables, found, strict=True)]


def value_and_grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the value of ``fun`` and its gradient.

    Args:
        fun: Returns a scalar: a tensor of one element.
        argnums: The positional argument, or a tuple of them, to differentiate with respect to.
        has_aux: Whether ``fun`` returns a pair (output, aux), of which aux is returned without differentiating it.

    Returns:
        A function of the same arguments that returns (value, gradient), or ((value, aux), gradient). The gradient has
        the structure of the argument; it is zero where the value does not depend on it.

    Raises:
        TypeError: An argument or the result is not floating-point.
        ValueError: The result is not a scalar, or ``argnums`` is out of range.
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        chosen = _Arguments("grad", args, argnums)
        call = _Recording("grad", fun, chosen, kwargs, has_aux)
        if len(call.outputs) != 1 or call.outputs[0].numel() != 1:
            shapes = ", ".join(f"shape {y.shape}" for y in call.outputs) or "no tensor"
            raise ValueError(f"grad: the function must return one scalar, got {shapes}; use jacrev or vjp instead")
        gradient = chosen.shape_like(call.pull([None], retain=False))
        return ((call.output(), call.aux()) if has_aux else call.output()), gradient

    return wrapped


def grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``fun``, or (gradient, aux); see `value_and_grad`.

    Examples:
        >>> import rgrad as rg
        >>> rg.grad(lambda x: x**3)(rg.tensor(2.0))
        tensor(12.)
        >>> rg.grad(rg.grad(lambda x: x**3))(rg.tensor(2.0))
        tensor(12.)
    """
    both = value_and_grad(fun, argnums, has_aux)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``fun`` at ``primals``, and a function that computes vector-Jacobian products.

    Args:
        fun: Any function from tensors to tensors.
        primals: Its arguments.
        has_aux: Whether ``fun`` returns a pair (output, aux), of which aux is returned without differentiating it.

    Returns:
        (output, pull) or (output, pull, aux). ``pull`` takes a cotangent in the structure of the output and returns a
        tuple of the primals' cotangents; it may be called any number of times.

    Raises:
        TypeError: A primal or an output is not floating-point.
        ValueError: A cotangent has another structure or shape than the output; raised by ``pull``.
    """
    chosen = _Arguments("vjp", primals, range(len(primals)))
    call = _Recording("vjp", fun, chosen, {}, has_aux)

    def pull(cotangent: Any) -> Any:
        seeds = leaves_like("vjp: cotangents in the form of the output", cotangent, call.tree)
        return chosen.shape_like(call.pull([_tensor("vjp", s) for s in seeds], retain=True))

    return (call.output(), pull, call.aux()) if has_aux else (call.output(), pull)


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of ``fun`` at ``primals``, and its Jacobian times ``tangents``, in one forward pass without a tape.

    Args:
        fun: Any function from tensors to tensors.
        primals: A tuple or list of its arguments.
        tangents: A tangent for each primal, of the same structure.
        has_aux: Whether ``fun`` returns a pair (output, aux), of which aux is returned without differentiating it.

    Returns:
        (output, tangent) or (output, tangent, aux).

    Raises:
        TypeError: ``primals`` is not a tuple or list, or a primal, tangent or output is not floating-point.
        ValueError: The tangents differ from the primals in structure or shape.
    """
    for what, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple | list):
            raise TypeError(f"jvp: {what} must be a tuple or list of arguments, got {type(value).__name__}")
    chosen = _Arguments("jvp", primals, range(len(primals)))
    given = leaves_like("jvp: tangents in the form of the primals", list(tangents), list(primals))
    out, tangent, aux = _push(fun, chosen, [_tensor("jvp", t) for t in given], {}, has_aux)
    return (out, tangent, aux) if has_aux else (out, tangent)


def _push(
    fun: Function, args: _Arguments, tangents: Sequence[Tensor], kwargs: dict[str, Any], has_aux: bool
) -> tuple[Any, Any, Any]:
    with _core._Level() as level:
        duals = [_core._with_tangent(x, t, level) for x, t in zip(args.leaves, tangents, strict=True)]
        out, aux = _with_aux("jvp", fun(*args.with_leaves(duals), **kwargs), has_aux)
        ys, rebuild = _outputs("jvp", out)
        pairs = [_core._split(y, level) for y in ys]
    values = [y for y, _ in pairs]
    moved = [_core.zeros_like(y) if t is None else t for y, t in pairs]
    # A function that returns an argument returns its tangents, too, which belong to the caller.
    return rebuild(values), rebuild(_core._apart(moved, [*values, *args.leaves, *tangents])), aux


def _unit_vectors(like: Tensor) -> Iterator[Tensor]:
    """Tensors like ``like`` with a single 1, at each position in turn, and zeros elsewhere."""
    # One at a time: together they may be far larger than the Jacobian.
    places = _core.arange(like.numel())
    for place in range(like.numel()):
        yield (places == place).to(like.dtype).reshape(like.shape)


def jacrev(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the Jacobian of ``fun``, with one reverse pass for each element of the output.

    Cheaper than `jacfwd` if the output has fewer elements than the argument. Arguments and errors are those of `grad`,
    but the output may be any tensor or tree of tensors.

    Returns:
        A function that returns the structure of the output, with the structure of the argument in place of each leaf,
        and tensors of shape output.shape + argument.shape in it; or (Jacobian, aux).
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        chosen = _Arguments("jacrev", args, argnums)
        call = _Recording("jacrev", fun, chosen, kwargs, has_aux)
        blocks = []
        for i, y in enumerate(call.outputs):
            seeds: list[Tensor] = [_core.zeros_like(other).detach() for other in call.outputs]
            rows = []
            for unit in _unit_vectors(y):
                seeds[i] = unit
                rows.append(call.pull(seeds, retain=True))
            blocks.append(chosen.shape_like([_stack(column, 0, y, x) for column, x in _columns(rows, chosen)]))
        jacobian = call.rebuild(blocks)
        return (jacobian, call.aux()) if has_aux else jacobian

    return wrapped


def _columns(rows: list[list[Tensor]], args: _Arguments) -> list[tuple[list[Tensor], Tensor]]:
    return [([row[j] for row in rows], x) for j, x in enumerate(args.leaves)]


def _stack(parts: list[Tensor], dim: int, y: Tensor, x: Tensor) -> Tensor:
    """The Jacobian of ``y`` with respect to ``x``, stacked from its rows or columns."""
    shape = (*y.shape, *x.shape)
    return _core.stack(parts, dim).reshape(shape) if math.prod(shape) else _core.zeros(shape, dtype=y.dtype)


def jacfwd(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the Jacobian of ``fun``, with one forward pass for each element of the argument.

    Cheaper than `jacrev` if the argument has fewer elements than the output. Arguments, result and errors are those of
    `jacrev`; ``fun`` is called once for each element.
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        chosen = _Arguments("jacfwd", args, argnums)
        zeros = [_core.zeros_like(x).detach() for x in chosen.leaves]
        columns: list[list[list[Tensor]]] = []
        out, aux = None, None
        for j, x in enumerate(chosen.leaves):
            columns.append([])
            for unit in _unit_vectors(x):
                out, tangent, aux = _push(fun, chosen, [*zeros[:j], unit, *zeros[j + 1 :]], kwargs, has_aux)
                columns[j].append(flatten(tangent)[0])
        if out is None:
            out, _, aux = _push(fun, chosen, zeros, kwargs, has_aux)
        ys, rebuild = flatten(out)
        blocks = [
            chosen.shape_like([_stack([c[i] for c in columns[j]], -1, y, x) for j, x in enumerate(chosen.leaves)])
            for i, y in enumerate(ys)
        ]
        return (rebuild(blocks), aux) if has_aux else rebuild(blocks)

    return wrapped


def hessian(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the matrix of second derivatives of a scalar ``fun``: forward over reverse mode.

    Arguments and errors are those of `grad`.

    Returns:
        A function that returns the structure of the argument, with the same structure in place of each leaf, and
        tensors of shape argument.shape + argument.shape in it; or (Hessian, aux).
    """
    return jacfwd(grad(fun, argnums, has_aux), argnums, has_aux)


def hvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar ``fun`` at ``primals`` times ``tangents``, without forming it: forward over reverse mode.

    Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994. It costs a few evaluations of
    ``fun``, for any size.

    Args:
        fun: Returns a scalar.
        primals: A tuple or list of its arguments.
        tangents: A tangent for each primal, of the same structure.

    Returns:
        A tensor or tree in the structure of the argument; a tuple of them if there are several.

    Raises:
        TypeError: See `jvp`.
        ValueError: See `jvp` and `grad`.
    """
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(fun, argnums), primals, tangents)[1]
