"""Cases of element-wise operations: of one tensor, of two, comparisons and choices."""

from collections.abc import Callable

import numpy as np
from cases import Case, normal, positive

import rgrad as rg


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def unary(name: str, numpy: Callable[..., np.ndarray], make: Callable[..., np.ndarray] = normal) -> list[Case]:
    f = getattr(rg, name)
    return [
        Case(f, numpy, [make(3, 4)]),
        Case(f, numpy, [make()]),
        Case(lambda x: f(x.T), lambda x: numpy(x.T), [make(2, 5)]),
    ]


def binary(name: str, numpy: Callable[..., np.ndarray], make: Callable[..., np.ndarray] = normal) -> list[Case]:
    f = getattr(rg, name)
    shapes = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 1, 3), (4, 1))]
    return [Case(f, numpy, [make(*a), make(*b)]) for a, b in shapes]


def compared(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    a = np.array([1.0, 2.0, np.nan, 0.0, -0.0])
    b = np.array([1.0, 3.0, np.nan, -0.0, 1.0])
    return [
        Case(f, numpy, [a, b], differentiable=False),
        Case(f, numpy, [normal(3, 1), normal(4)], differentiable=False),
    ]


CASES: dict[str, list[Case]] = {
    "neg": unary("neg", np.negative),
    "abs": unary("abs", np.abs),
    "sign": unary("sign", np.sign),
    "square": unary("square", np.square),
    "reciprocal": unary("reciprocal", np.reciprocal, positive),
    "sqrt": unary("sqrt", np.sqrt, positive),
    "exp": unary("exp", np.exp),
    "expm1": unary("expm1", np.expm1),
    "log": unary("log", np.log, positive),
    "log1p": unary("log1p", np.log1p, positive),
    "tanh": unary("tanh", np.tanh),
    "sigmoid": unary("sigmoid", sigmoid),
    "floor": unary("floor", np.floor, lambda *s: positive(*s) * 0.3 + 1.2),
    "add": binary("add", np.add),
    "sub": binary("sub", np.subtract),
    "mul": binary("mul", np.multiply),
    "div": binary("div", np.divide),
    "pow": [
        *binary("pow", np.power, positive),
        Case(lambda x: rg.pow(x, 3), lambda x: x**3, [normal(3, 4)]),
        Case(lambda x: x**2, lambda x: x**2, [normal(3, 4)]),
        Case(lambda x: x**0.5, lambda x: x**0.5, [positive(3, 4)]),
        Case(lambda x: x**-1, lambda x: x**-1.0, [positive(3, 4)]),
        Case(lambda x: 2.0**x, lambda x: 2.0**x, [normal(3, 4)]),
    ],
    "maximum": binary("maximum", np.maximum),
    "minimum": binary("minimum", np.minimum),
    "clamp": [
        Case(lambda x: rg.clamp(x, -0.5, 0.5), lambda x: np.clip(x, -0.5, 0.5), [np.linspace(-2, 2, 9) + 0.05]),
        Case(lambda x: rg.clamp(x, min=0.0), lambda x: np.clip(x, 0.0, None), [normal(3, 4)]),
        Case(lambda x, hi: rg.clamp(x, None, hi), np.minimum, [normal(3, 4), normal(4)]),
    ],
    "where": [
        Case(lambda a, b: rg.where(a > b, a, b), np.maximum, [normal(3, 4), normal(4)]),
        Case(lambda a: rg.where(a > 0, a, 0.0), lambda a: np.maximum(a, 0), [normal(3, 4)]),
    ],
    "lt": compared("lt", np.less),
    "le": compared("le", np.less_equal),
    "gt": compared("gt", np.greater),
    "ge": compared("ge", np.greater_equal),
    "eq": compared("eq", np.equal),
    "ne": compared("ne", np.not_equal),
}
