"""Cases of operations that make less of more: reductions, statistics, norms, extremes, and sorting."""

import math
from collections.abc import Callable

import numpy as np
from cases import Case, normal, positive

import rgrad as rg

Axis = int | tuple[int, ...] | None


def log_sum_exp(x: np.ndarray, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def distinct(*shape: int) -> np.ndarray:
    """Numbers at least 0.1 apart, and from 0: no ties, and none nearby."""
    x = np.random.default_rng(3).permutation(math.prod(shape)).reshape(shape)
    return (x - x.size // 2 + 0.5) * 0.1


def with_zeros(*shape: int) -> np.ndarray:
    """Every third element is 0, and one row has two of them."""
    x = normal(*shape)
    x.flat[::3] = 0.0
    return x


def reduction(
    name: str,
    numpy: Callable[..., np.ndarray],
    make: Callable[..., np.ndarray] = normal,
    *,
    single: bool = True,
    differentiable: bool = True,
) -> list[Case]:
    """Over everything, over one dim and several, kept or not, under NumPy's names, and of a view."""
    f = getattr(rg, name)
    cases = [
        Case(f, numpy, [make(3, 4)]),
        Case(lambda x: f(x, 0), lambda x: numpy(x, axis=0), [make(3, 4)]),
        Case(lambda x: f(x, dim=-1, keepdim=True), lambda x: numpy(x, axis=-1, keepdims=True), [make(3, 4)]),
        Case(
            lambda x: f(x, axis=(0, 2), keepdims=True),
            lambda x: numpy(x, axis=(0, 2), keepdims=True),
            [make(2, 3, 4)],
        ),
        Case(lambda x: f(x.T, 1), lambda x: numpy(x.T, axis=1), [make(3, 4)]),
    ]
    if single:
        cases.append(Case(f, numpy, [make()]))
    for case in cases:
        case.differentiable = differentiable
    return cases


def index_reduction(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    return [
        Case(f, numpy, [normal(3, 4)], differentiable=False),
        Case(lambda x: f(x, 0), lambda x: numpy(x, axis=0), [normal(3, 4)], differentiable=False),
        Case(
            lambda x: f(x, dim=1, keepdim=True),
            lambda x: numpy(x, axis=1, keepdims=True),
            [normal(3, 4)],
            differentiable=False,
        ),
        Case(f, numpy, [np.array([1.0, 3.0, 3.0, 1.0])], differentiable=False),
    ]


def corrected(f: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda x, axis=None, keepdims=False: f(x, axis=axis, keepdims=keepdims, ddof=1)


def statistic(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    return [
        *reduction(name, corrected(numpy), single=False),
        Case(lambda x: f(x, correction=0), numpy, [normal(5)]),
        Case(lambda x: f(x, 1, unbiased=False), lambda x: numpy(x, axis=1), [normal(3, 4)]),
        Case(lambda x: f(x, correction=0.5), lambda x: numpy(x, ddof=0.5), [normal(3, 4)]),
        Case(lambda x: f(x, 0) + 1e6, lambda x: numpy(x, axis=0, ddof=1) + 1e6, [normal(3, 4)]),
    ]


def both(pair: tuple[rg.Tensor, rg.Tensor]) -> rg.Tensor:
    """Either result gets a gradient of its own."""
    a, b = pair
    return a + 2 * b


def statistic_and_mean(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    return [
        Case(lambda x: both(getattr(rg, name)(x)), lambda x: numpy(x, ddof=1) + 2 * x.mean(), [normal(3, 4)]),
        Case(
            lambda x: both(f(x, 1, keepdim=True, correction=0)),
            lambda x: numpy(x, axis=1, keepdims=True) + 2 * x.mean(axis=1, keepdims=True),
            [normal(3, 4)],
        ),
    ]


def p_norm(x: np.ndarray, p: float, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    size = np.abs(x)
    if math.isinf(p):
        return (size.max if p > 0 else size.min)(axis=axis, keepdims=keepdims)
    if p == 0:
        return (x != 0).sum(axis=axis, keepdims=keepdims).astype(x.dtype)
    return (size**p).sum(axis=axis, keepdims=keepdims) ** (1 / p)


def extreme(name: str, whole: Callable[..., np.ndarray], two: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    return [
        Case(f, whole, [distinct(3, 4)]),
        Case(lambda x: getattr(rg, name)(x, 1).values, lambda x: whole(x, axis=1), [distinct(3, 4)]),
        Case(lambda x: f(x, axis=0, keepdims=True)[0], lambda x: whole(x, axis=0, keepdims=True), [distinct(3, 4)]),
        Case(lambda x: f(x.T, -1)[0], lambda x: whole(x.T, axis=-1), [distinct(3, 4)]),
        Case(lambda x, y: getattr(rg, name)(x, y), two, [distinct(3, 4), distinct(4) + 0.03]),
        Case(lambda x, y: f(x, other=y), two, [distinct(3, 1), distinct(4) + 0.03]),
        Case(lambda x: f(x, 0).values, lambda x: x, [normal()]),
    ]


def cumulation(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    return [
        Case(lambda x: getattr(rg, name)(x, 0), lambda x: numpy(x, 0), [normal(5)]),
        Case(lambda x: f(x, dim=-1), lambda x: numpy(x, -1), [normal(3, 4)]),
        Case(lambda x: f(x, axis=1), lambda x: numpy(x, 1), [normal(2, 3, 4)]),
        Case(lambda x: f(x.T, 0), lambda x: numpy(x.T, 0), [normal(3, 4)]),
        Case(lambda x: f(x, 1), lambda x: numpy(x, 1), [with_zeros(4, 5)]),
        Case(lambda x: f(x, 0), lambda x: x, [normal()]),
        Case(lambda x: f(x, 0), lambda x: x, [normal(0, 3)]),
    ]


def largest(x: np.ndarray, k: int, axis: int = -1) -> np.ndarray:
    return np.flip(np.sort(x, axis), axis).take(range(k), axis)


CASES: dict[str, list[Case]] = {
    "sum": reduction("sum", np.sum),
    "mean": reduction("mean", np.mean),
    "prod": [
        *reduction("prod", np.prod),
        Case(lambda x: rg.prod(x, 1), lambda x: np.prod(x, 1), [with_zeros(4, 5)]),
        Case(rg.prod, np.prod, [np.array([2.0, 0.0, 3.0])]),
        Case(rg.prod, np.prod, [normal(2, 0)]),
        Case(lambda x: rg.prod(x, (2, 0)), lambda x: np.prod(x, (2, 0)), [normal(2, 3, 2)]),
    ],
    "cumsum": cumulation("cumsum", np.cumsum),
    "cumprod": cumulation("cumprod", np.cumprod),
    "logsumexp": reduction("logsumexp", log_sum_exp),
    "amax": reduction("amax", np.max, distinct),
    "amin": reduction("amin", np.min, distinct),
    "argmax": index_reduction("argmax", np.argmax),
    "argmin": index_reduction("argmin", np.argmin),
    "max": extreme("max", np.max, np.maximum),
    "min": extreme("min", np.min, np.minimum),
    "all": reduction("all", np.all, with_zeros, single=False, differentiable=False),
    "any": reduction("any", np.any, with_zeros, single=False, differentiable=False),
    "count_nonzero": reduction("count_nonzero", np.count_nonzero, with_zeros, single=False, differentiable=False),
    "var": statistic("var", np.var),
    "std": statistic("std", np.std),
    "var_mean": statistic_and_mean("var_mean", np.var),
    "std_mean": statistic_and_mean("std_mean", np.std),
    "norm": [
        Case(rg.norm, lambda x: p_norm(x, 2), [normal(3, 4)]),
        Case(rg.norm, np.abs, [normal()]),
        Case(lambda x: rg.norm(x, "fro", (0, 2)), lambda x: p_norm(x, 2, (0, 2)), [normal(2, 3, 4)]),
        *(
            Case(
                lambda x, p=p: rg.norm(x, p, 1, keepdim=True),
                lambda x, p=p: p_norm(x, p, 1, True),
                [distinct(3, 4)],
                differentiable=p != 0,
            )
            for p in (1, 2, 3, 0.5, -1, -2.5, math.inf, -math.inf, 0)
        ),
        Case(lambda x: rg.norm(x.T, 3), lambda x: p_norm(x, 3), [normal(3, 4)]),
        Case(lambda x: rg.norm(x, 4, (-1, 0)), lambda x: p_norm(x, 4, (-1, 0)), [normal(2, 3, 4)]),
        Case(lambda x: rg.norm(x, 1.5), np.abs, [normal()]),
    ],
    "sort": [
        Case(lambda x: rg.sort(x).values, np.sort, [distinct(3, 4)]),
        Case(lambda x: rg.sort(x, 0)[0], lambda x: np.sort(x, 0), [distinct(3, 4)]),
        Case(lambda x: rg.sort(x, -2, True)[0], lambda x: largest(x, 3, -2), [distinct(2, 3, 4)]),
        Case(lambda x: rg.sort(x.T, stable=True)[0], lambda x: np.sort(x.T), [distinct(3, 4)]),
        Case(lambda x: rg.sort(x)[0], lambda x: x, [normal()]),
    ],
    "argsort": [
        Case(rg.argsort, np.argsort, [distinct(3, 4)], differentiable=False),
        Case(lambda x: rg.argsort(x, 0), lambda x: np.argsort(x, 0), [distinct(3, 4)], differentiable=False),
        Case(
            lambda x: rg.argsort(x, 1, descending=True),
            lambda x: np.argsort(-x, 1, kind="stable"),
            [np.round(positive(2, 9, 3) * 2)],
            differentiable=False,
        ),
    ],
    "topk": [
        Case(lambda x: rg.topk(x, 2).values, lambda x: largest(x, 2), [distinct(3, 4)]),
        Case(lambda x: rg.topk(x, 3, 0)[0], lambda x: largest(x, 3, 0), [distinct(3, 4)]),
        Case(lambda x: rg.topk(x, 2, 1, largest=False)[0], lambda x: np.sort(x, 1)[:, :2], [distinct(2, 5, 3)]),
        Case(lambda x: rg.topk(x, 1)[0], lambda x: x, [normal()]),
    ],
}
