"""Checks of derivatives against finite differences, and of both modes of differentiation against each other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd import grad
from rgrad.autograd.modes import enable_grad, no_grad
from rgrad.transforms import jvp

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Function = Callable[..., Any]


class GradcheckError(AssertionError):
    """A derivative differs from its finite difference, or between the modes."""


def gradcheck(
    function: Function,
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-3,
    atol: float = 1e-7,
    rtol: float = 1e-6,
    raise_exception: bool = True,
    check_forward: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Compares Jacobians in reverse and forward mode with finite differences, entry by entry.

    Args:
        function: A function of the inputs that returns one or several tensors; smooth within 2·eps of the inputs.
        inputs: Tensors; those that require gradients are checked, and must be float64.
        eps: Step of the differences, relative to an input's magnitude where that exceeds 1.
        atol: Absolute tolerance of an entry.
        rtol: Relative tolerance of an entry.
        raise_exception: Raise instead of returning False.
        check_forward: Check forward mode as well.
        fast_mode: Compare one random projection uᵀJv of the Jacobian instead of all entries, which takes a few
            evaluations for any size.

    Returns:
        Whether all entries agree.

    Raises:
        GradcheckError: Some entry does not agree; the message names the worst.
        TypeError: A checked input is not float64.
        ValueError: No input requires gradients.
    """
    check = _Check(function, inputs, eps)
    problems = check.projection(check_forward) if fast_mode else check.entries(check_forward, atol, rtol)
    worst = max(problems, key=lambda p: p.excess(atol, rtol), default=None)
    if worst is None or worst.excess(atol, rtol) <= 0:
        return True
    if raise_exception:
        raise GradcheckError(str(worst))
    return False


@dataclass
class _Entry:
    """One number to compare."""

    place: str
    mode: str
    analytic: float
    numeric: float

    def excess(self, atol: float, rtol: float) -> float:
        """By how much the error is above the tolerance; infinite if one of the numbers is not finite."""
        error = abs(self.analytic - self.numeric)
        return error - (atol + rtol * abs(self.numeric)) if math.isfinite(error) else math.inf

    def __str__(self) -> str:
        scale = max(abs(self.numeric), abs(self.analytic))
        relative = abs(self.analytic - self.numeric) / scale if scale else 0.0
        return (
            f"{self.place}: {self.mode} mode gives {self.analytic!r}, finite differences give {self.numeric!r} "
            f"(relative error {relative:.1e})"
        )


def _outputs(result: Any) -> list[Tensor]:
    ys = [result] if isinstance(result, Tensor) else list(result)
    return [y for y in ys if y.dtype.is_floating_point]


def _element(shape: tuple[int, ...], k: int) -> str:
    place = ", ".join(str(int(i)) for i in np.unravel_index(k, shape)) if shape else ""
    return f"[{place}]" if shape else ""


class _Check:
    """A function at a point, and its derivatives there in three ways."""

    def __init__(self, function: Function, inputs: Tensor | Sequence[Tensor], eps: float) -> None:
        xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        self.chosen = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]
        if not self.chosen:
            raise ValueError("gradcheck: no input requires gradients; make one with requires_grad=True")
        for i in self.chosen:
            if xs[i].dtype != _core.DType("float64"):
                raise TypeError(f"gradcheck: input {i} is {xs[i].dtype}; finite differences need float64")
        self._function = function
        self._eps = eps
        # Copies, so that the caller's graph and gradients are left alone.
        self._xs = [_core.tensor(x.detach()) if i in self.chosen else x for i, x in enumerate(xs)]

    def _at(self, points: Sequence[Tensor]) -> list[Tensor]:
        xs = list(self._xs)
        for i, x in zip(self.chosen, points, strict=True):
            xs[i] = x
        return _outputs(self._function(*xs))

    def _points(self) -> list[Tensor]:
        return [self._xs[i] for i in self.chosen]

    def _differences(self, direction: list[np.ndarray], step: float) -> list[np.ndarray]:
        """The derivative of the outputs along a direction by the five-point stencil, with an error of order step⁴.

        Abramowitz and Stegun, Handbook of Mathematical Functions, 25.3.6.
        """
        values = []
        for factor in (-2, -1, 1, 2):
            moved = [p.numpy() + factor * step * d for p, d in zip(self._points(), direction, strict=True)]
            with no_grad():
                ys = self._at([_core.tensor(m, dtype="float64") for m in moved])
            values.append([y.detach().numpy().astype(np.float64) for y in ys])
        return [(a - 8 * b + 8 * c - d) / (12 * step) for a, b, c, d in zip(*values, strict=True)]

    def _reverse(self, ys: list[Tensor], xs: list[Tensor], cotangents: list[np.ndarray]) -> list[np.ndarray]:
        used = [(y, _core.tensor(c, dtype=y.dtype)) for y, c in zip(ys, cotangents, strict=True) if y.requires_grad]
        found: Sequence[Tensor | None] = [None] * len(xs)
        if used:
            found = grad([y for y, _ in used], xs, [c for _, c in used], retain_graph=True, allow_unused=True)
        return [np.zeros(x.shape) if g is None else g.detach().numpy() for x, g in zip(xs, found, strict=True)]

    def _taped(self) -> tuple[list[Tensor], list[Tensor]]:
        xs = [_core._leaf(x) for x in self._points()]
        with enable_grad():
            return self._at(xs), xs

    def _forward(self, direction: list[np.ndarray]) -> list[np.ndarray]:
        tangents = [_core.tensor(d) for d in direction]
        _, moved = jvp(lambda *points: self._at(points), self._points(), tangents)
        return [t.detach().numpy().astype(np.float64) for t in moved]

    def projection(self, check_forward: bool) -> list[_Entry]:
        """uᵀJv for random u and v."""
        random = np.random.default_rng(0)
        ys, xs = self._taped()
        v = [random.standard_normal(x.shape) for x in xs]
        u = [random.standard_normal(y.shape) for y in ys]
        scale = max([1.0, *(float(np.abs(x.detach().numpy()).max(initial=0.0)) for x in xs)])
        numeric = sum(float((c * d).sum()) for c, d in zip(u, self._differences(v, self._eps * scale), strict=True))
        reverse = sum(float((g * d).sum()) for g, d in zip(self._reverse(ys, xs, u), v, strict=True))
        entries = [_Entry("a random projection", "reverse", reverse, numeric)]
        if check_forward:
            forward = sum(float((c * d).sum()) for c, d in zip(u, self._forward(v), strict=True))
            entries.append(_Entry("a random projection", "forward", forward, numeric))
        return entries

    def entries(self, check_forward: bool, atol: float, rtol: float) -> list[_Entry]:
        """The entries of each block of the Jacobian in which a mode is furthest beyond the tolerance."""
        ys, xs = self._taped()
        numeric, forward = self._by_columns(ys, xs, check_forward)
        jacobians = [("reverse", self._by_rows(ys, xs))]
        if check_forward:
            jacobians.append(("forward", forward))
        found = []
        for mode, jacobian in jacobians:
            for j, y in enumerate(ys):
                for i, x in enumerate(xs):
                    error = np.abs(jacobian[j][i] - numeric[j][i])
                    if error.size == 0:
                        continue
                    excess = np.where(np.isfinite(error), error - (atol + rtol * np.abs(numeric[j][i])), np.inf)
                    row, column = np.unravel_index(int(np.argmax(excess)), error.shape)
                    of, to = _element(y.shape, int(row)), _element(x.shape, int(column))
                    place = f"output {j}{of} with respect to input {self.chosen[i]}{to}"
                    values = jacobian[j][i][row, column], numeric[j][i][row, column]
                    found.append(_Entry(place, mode, float(values[0]), float(values[1])))
        return found

    def _by_rows(self, ys: list[Tensor], xs: list[Tensor]) -> list[list[np.ndarray]]:
        jacobian = [[np.zeros((y.numel(), x.numel())) for x in xs] for y in ys]
        for j, y in enumerate(ys):
            for k in range(y.numel()):
                cotangents = [np.zeros(other.shape) for other in ys]
                cotangents[j].flat[k] = 1.0
                for i, g in enumerate(self._reverse(ys, xs, cotangents)):
                    jacobian[j][i][k] = g.ravel()
        return jacobian

    def _by_columns(
        self, ys: list[Tensor], xs: list[Tensor], check_forward: bool
    ) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]]]:
        """The Jacobian by finite differences, and by forward mode."""
        numeric = [[np.zeros((y.numel(), x.numel())) for x in xs] for y in ys]
        forward = [[np.zeros((y.numel(), x.numel())) for x in xs] for y in ys]
        for i, x in enumerate(xs):
            values = x.detach().numpy()
            for k in range(x.numel()):
                direction = [np.zeros(other.shape) for other in xs]
                direction[i].flat[k] = 1.0
                step = self._eps * max(1.0, abs(values.flat[k]))
                for j, column in enumerate(self._differences(direction, step)):
                    numeric[j][i][:, k] = column.ravel()
                if check_forward:
                    for j, column in enumerate(self._forward(direction)):
                        forward[j][i][:, k] = column.ravel()
        return numeric, forward


def gradgradcheck(
    function: Function,
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-3,
    atol: float = 1e-7,
    rtol: float = 1e-6,
    raise_exception: bool = True,
    check_forward: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Checks second derivatives: ``gradcheck`` of the gradients of ``function`` for fixed cotangents.

    Arguments, result and errors are those of ``gradcheck``. The cotangents are inputs too, so that the derivative of
    every reverse rule with respect to its cotangent is checked as well; forward mode here is forward over reverse mode.
    """
    check = _Check(function, inputs, eps)
    xs = check._xs
    with no_grad():
        shapes = [y.shape for y in _outputs(function(*xs))]
    random = np.random.default_rng(0)
    weights = [_core.tensor(random.uniform(0.5, 1.5, s), requires_grad=True) for s in shapes]

    def gradients(*args: Tensor) -> list[Tensor]:
        values, cotangents = args[: len(xs)], args[len(xs) :]
        linked = _core.is_grad_enabled()
        variables = [_core._alias(v) if i in check.chosen else v for i, v in enumerate(values)]
        with enable_grad():
            ys = _outputs(function(*variables))
        used = [(y, w) for y, w in zip(ys, cotangents, strict=True) if y.requires_grad]
        found = grad(
            [y for y, _ in used],
            [variables[i] for i in check.chosen],
            [w for _, w in used],
            create_graph=linked,
            allow_unused=True,
        )
        return [_core.zeros_like(variables[i]) if g is None else g for i, g in zip(check.chosen, found, strict=True)]

    points = [_core._leaf(x) if i in check.chosen else x for i, x in enumerate(xs)]
    return gradcheck(
        gradients,
        [*points, *weights],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        check_forward=check_forward,
        fast_mode=fast_mode,
    )
