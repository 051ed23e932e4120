"""Checks of derivatives against finite differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd import enable_grad, grad, no_grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Function = Callable[..., Any]


class GradcheckError(AssertionError):
    """A derivative differs from its finite difference."""


def _outputs(result: Any) -> list[Tensor]:
    ys = [result] if isinstance(result, Tensor) else list(result)
    return [y for y in ys if y.dtype.is_floating_point]


def _checked(inputs: Tensor | Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    chosen = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]
    if not chosen:
        raise ValueError("gradcheck: no input requires gradients; make one with requires_grad=True")
    for i in chosen:
        if xs[i].dtype != _core.DType("float64"):
            raise TypeError(f"gradcheck: input {i} is {xs[i].dtype}; finite differences need float64")
    return xs, chosen


def _numeric(function: Function, xs: list[Tensor], i: int, eps: float) -> list[np.ndarray]:
    """D outputs / d input ``i`` by the five-point stencil, whose error is of the order of eps⁴.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 25.3.6.
    """
    base = xs[i].detach().numpy().copy()
    rows: list[list[np.ndarray]] = []
    for k in range(base.size):
        # A step that the number can take exactly, and that grows with it.
        h = eps * max(1.0, abs(base.flat[k]))
        values = []
        for factor in (-2, -1, 1, 2):
            moved = base.copy()
            moved.flat[k] += factor * h
            with no_grad():
                ys = _outputs(function(*xs[:i], _core.tensor(moved), *xs[i + 1 :]))
            values.append([y.detach().numpy().astype(np.float64).ravel() for y in ys])
        rows.append([(a - 8 * b + 8 * c - d) / (12 * h) for a, b, c, d in zip(*values, strict=True)])
    with no_grad():
        count = len(_outputs(function(*xs)))
    return [np.array([row[j] for row in rows]) for j in range(count)]


def gradcheck(
    function: Function,
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-3,
    atol: float = 1e-7,
    rtol: float = 1e-6,
    raise_exception: bool = True,
) -> bool:
    """Compares reverse-mode gradients of every output element with finite differences, element by element.

    Args:
        function: Of the inputs, to one tensor or several; smooth within 2·eps of the inputs.
        inputs: Tensors; those that require gradients are checked, and must be float64.
        eps: Step of the differences, relative to an input's size where that is above 1.
        atol: Absolute tolerance of an element.
        rtol: Relative tolerance of an element.
        raise_exception: Raise instead of returning False.

    Returns:
        Whether all gradients agree.

    Raises:
        GradcheckError: One does not; the worst element is named.
        TypeError: A checked input is not float64.
        ValueError: No input requires gradients.
    """
    xs, chosen = _checked(inputs)
    # Leaves of their own, so that the caller's graph and gradients stay untouched.
    xs = [_core.tensor(x.detach(), requires_grad=True) if i in chosen else x for i, x in enumerate(xs)]
    ys = _outputs(function(*xs))
    numeric = {i: _numeric(function, xs, i, eps) for i in chosen}
    for j, y in enumerate(ys):
        for k in range(y.numel()):
            seed = np.zeros(y.numel())
            seed[k] = 1.0
            cotangent = _core.tensor(seed).reshape(y.shape)
            if y.requires_grad:
                found = grad(y, [xs[i] for i in chosen], cotangent, retain_graph=True, allow_unused=True)
            else:
                found = (None,) * len(chosen)
            for i, g in zip(chosen, found, strict=True):
                analytic = np.zeros(xs[i].numel()) if g is None else g.detach().numpy().ravel()
                problem = _compare(analytic, numeric[i][j][:, k] if xs[i].numel() else analytic, atol, rtol)
                if problem and raise_exception:
                    raise GradcheckError(f"output {j} element {k} with respect to input {i}: {problem}")
                if problem:
                    return False
    return True


def _compare(analytic: np.ndarray, numeric: np.ndarray, atol: float, rtol: float) -> str | None:
    """What is wrong at the worst element, if anything."""
    if analytic.size == 0:
        return None
    error = np.abs(analytic - numeric)
    excess = np.where(np.isfinite(error), error - (atol + rtol * np.abs(numeric)), np.inf)
    worst = int(np.argmax(excess))
    if excess[worst] <= 0:
        return None
    return f"element {worst} is {analytic[worst]!r}, finite differences give {numeric[worst]!r}"


def gradgradcheck(
    function: Function,
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-3,
    atol: float = 1e-7,
    rtol: float = 1e-6,
    raise_exception: bool = True,
) -> bool:
    """Checks second derivatives: ``gradcheck`` of the gradients, weighted by fixed numbers, of ``function``.

    Arguments, result and errors are those of ``gradcheck``. The weights are inputs too, so that the derivative of every
    reverse rule with respect to its cotangent is checked as well.
    """
    xs, chosen = _checked(inputs)
    with no_grad():
        shapes = [y.shape for y in _outputs(function(*xs))]
    random = np.random.default_rng(0)
    weights = [_core.tensor(random.uniform(0.5, 1.5, s), requires_grad=True) for s in shapes]

    def gradients(*args: Tensor) -> list[Tensor]:
        values, cotangents = args[: len(xs)], args[len(xs) :]
        with_graph = [
            v if i not in chosen or v.requires_grad else _core.tensor(v, requires_grad=True)
            for i, v in enumerate(values)
        ]
        with enable_grad():
            ys = _outputs(function(*with_graph))
            used = [(y, w) for y, w in zip(ys, cotangents, strict=True) if y.requires_grad]
            found = grad(
                [y for y, _ in used],
                [with_graph[i] for i in chosen],
                [w for _, w in used],
                create_graph=True,
                allow_unused=True,
            )
        return [_core.zeros_like(with_graph[i]) if g is None else g for i, g in zip(chosen, found, strict=True)]

    return gradcheck(gradients, [*xs, *weights], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
