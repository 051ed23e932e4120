"""Cases of element-wise operations: of one tensor, of two, comparisons and choices."""

import math
import statistics
from collections.abc import Callable

import numpy as np
from cases import Case, R, normal, positive

import rgrad as rg


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def inside(*shape: int) -> np.ndarray:
    """Numbers within the open interval from −1 to 1."""
    return R.uniform(-0.9, 0.9, shape)


def above_one(*shape: int) -> np.ndarray:
    return 1 + positive(*shape)


def erfinv(y: np.ndarray) -> np.ndarray:
    """The quantiles of the normal distribution, with one step of Newton's method."""
    normal = statistics.NormalDist()
    x = np.vectorize(lambda v: normal.inv_cdf((v + 1) / 2) / math.sqrt(2))(y)
    return x - (np.vectorize(math.erf)(x) - y) * math.sqrt(math.pi) / 2 * np.exp(x**2)


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


def extremes(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    """As `binary`, of numbers that are at least 0.05 apart."""
    cases = binary(name, numpy)
    return [Case(c.rgrad, c.numpy, [np.round(c.inputs[0], 1), np.round(c.inputs[1], 1) + 0.05]) for c in cases]


def compared(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    a = np.array([1.0, 2.0, np.nan, 0.0, -0.0])
    b = np.array([1.0, 3.0, np.nan, -0.0, 1.0])
    return [
        Case(f, numpy, [a, b], differentiable=False),
        Case(f, numpy, [normal(3, 1), normal(4)], differentiable=False),
    ]


def tested(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    """Of floats that may be no numbers."""
    f = getattr(rg, name)
    special = np.array([1.0, 0.0, -0.0, np.nan, np.inf, -np.inf, 1e-40])
    return [Case(f, numpy, [special], differentiable=False), Case(f, numpy, [normal(3, 4)], differentiable=False)]


def logic(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    f = getattr(rg, name)
    a, b = np.array([1.0, 0.0, np.nan, 0.0, -2.0]), np.array([0.0, 0.0, 1.0, 3.0, np.inf])
    return [Case(f, numpy, [a, b], differentiable=False), Case(f, numpy, [a[:, None], b], differentiable=False)]


def bitwise(name: str, numpy: Callable[..., np.ndarray]) -> list[Case]:
    def ours(*inputs: rg.Tensor) -> rg.Tensor:
        return getattr(rg, name)(*(x.to(rg.int64) for x in inputs))

    def theirs(*inputs: np.ndarray) -> np.ndarray:
        return numpy(*(x.astype(np.int64) for x in inputs))

    arrays = [np.array([5.0, -3.0, 0.0, 255.0]), np.array([[3.0], [-128.0]])][: numpy.nin]
    return [Case(ours, theirs, arrays, differentiable=False)]


# Away from whole quotients.
DIVIDEND, DIVISOR = np.array([5.3, -5.3, 2.2, -0.7]), np.array([2.0, 1.7, -1.3, 0.9])
FINE = np.array([0.12, -0.33, 2.68, 1.31, -4.71])

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
    "rsqrt": unary("rsqrt", lambda x: 1 / np.sqrt(x), positive),
    "exp2": unary("exp2", np.exp2),
    "log2": unary("log2", np.log2, positive),
    "log10": unary("log10", np.log10, positive),
    "sin": unary("sin", np.sin),
    "cos": unary("cos", np.cos),
    "tan": unary("tan", np.tan, inside),
    "asin": unary("asin", np.arcsin, inside),
    "acos": unary("acos", np.arccos, inside),
    "atan": unary("atan", np.arctan),
    "sinh": unary("sinh", np.sinh),
    "cosh": unary("cosh", np.cosh),
    "asinh": unary("asinh", np.arcsinh),
    "acosh": unary("acosh", np.arccosh, above_one),
    "atanh": unary("atanh", np.arctanh, inside),
    "erf": unary("erf", np.vectorize(math.erf)),
    "erfc": unary("erfc", np.vectorize(math.erfc)),
    "erfinv": unary("erfinv", erfinv, inside),
    "logit": [
        *unary("logit", lambda x: np.log(x / (1 - x)), lambda *s: R.uniform(0.1, 0.9, s)),
        Case(
            lambda x: rg.logit(x, eps=0.2),
            lambda x: np.log(np.clip(x, 0.2, 0.8) / (1 - np.clip(x, 0.2, 0.8))),
            [np.array([-1.0, 0.1, 0.3, 0.5, 0.7, 0.9, 2.0])],
        ),
    ],
    "ceil": unary("ceil", np.ceil, lambda *s: positive(*s) * 0.3 + 1.2),
    "trunc": [Case(rg.trunc, np.trunc, [np.array([-1.7, -0.3, 0.4, 2.6])])],
    "round": [
        Case(rg.round, np.round, [FINE]),
        Case(lambda x: rg.round(x, decimals=1), lambda x: np.round(x, 1), [FINE]),
        Case(lambda x: round(x, -1), lambda x: np.round(x, -1), [FINE]),
        Case(rg.round, np.round, [np.array([0.5, 1.5, -2.5, -0.5])], differentiable=False),
    ],
    "nan_to_num": [
        Case(rg.nan_to_num, np.nan_to_num, [normal(3, 4)]),
        Case(
            lambda x: rg.nan_to_num(x, 1.0, 2.0, -3.0),
            lambda x: np.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-3.0),
            [np.array([np.nan, np.inf, -np.inf, 5.0])],
            differentiable=False,
        ),
    ],
    "isnan": tested("isnan", np.isnan),
    "isinf": tested("isinf", np.isinf),
    "isfinite": tested("isfinite", np.isfinite),
    "logical_and": logic("logical_and", np.logical_and),
    "logical_or": logic("logical_or", np.logical_or),
    "logical_xor": logic("logical_xor", np.logical_xor),
    "logical_not": tested("logical_not", np.logical_not),
    "bitwise_and": bitwise("bitwise_and", np.bitwise_and),
    "bitwise_or": bitwise("bitwise_or", np.bitwise_or),
    "bitwise_xor": bitwise("bitwise_xor", np.bitwise_xor),
    "bitwise_not": bitwise("bitwise_not", np.bitwise_not),
    "isclose": [
        Case(
            rg.isclose,
            np.isclose,
            [np.array([1.0, 1.0, np.inf, np.inf, np.nan, 0.0]), np.array([1.0 + 9e-6, 1.1, np.inf, 1.0, np.nan, 1e-9])],
            differentiable=False,
        ),
        Case(
            lambda a, b: rg.isclose(a, b, rtol=0.0, atol=0.5, equal_nan=True),
            lambda a, b: np.isclose(a, b, rtol=0.0, atol=0.5, equal_nan=True),
            [np.array([[1.0], [np.nan]]), np.array([1.25, np.nan, np.inf])],
            differentiable=False,
        ),
    ],
    "tanh": unary("tanh", np.tanh),
    "sigmoid": unary("sigmoid", sigmoid),
    "floor": unary("floor", np.floor, lambda *s: positive(*s) * 0.3 + 1.2),
    "add": [
        *binary("add", np.add),
        Case(lambda a, b: rg.add(a, b, alpha=0.5), lambda a, b: a + 0.5 * b, [normal(3, 4), normal(4)]),
    ],
    "sub": [
        *binary("sub", np.subtract),
        Case(lambda a, b: rg.sub(a, b, alpha=2), lambda a, b: a - 2 * b, [normal(3, 4), normal(4)]),
    ],
    "mul": binary("mul", np.multiply),
    "div": [
        *binary("div", np.divide),
        Case(lambda a, b: rg.div(a, b, rounding_mode="floor"), np.floor_divide, [DIVIDEND, DIVISOR]),
        Case(lambda a, b: rg.div(a, b, rounding_mode="trunc"), lambda a, b: np.trunc(a / b), [DIVIDEND, DIVISOR]),
    ],
    "floor_divide": [
        Case(rg.floor_divide, np.floor_divide, [DIVIDEND, DIVISOR]),
        Case(lambda a: 7.3 // a, lambda a: 7.3 // a, [DIVISOR]),
    ],
    "remainder": [
        Case(rg.remainder, np.remainder, [DIVIDEND, DIVISOR]),
        Case(lambda a: 7.3 % a, lambda a: 7.3 % a, [DIVISOR]),
    ],
    "fmod": [Case(rg.fmod, np.fmod, [DIVIDEND, DIVISOR])],
    "hypot": binary("hypot", np.hypot),
    "atan2": binary("atan2", np.arctan2),
    "logaddexp": binary("logaddexp", np.logaddexp),
    "xlogy": binary("xlogy", lambda a, b: a * np.log(b), positive),
    "float_power": [
        Case(lambda a, b: rg.float_power(a, b).to(a.dtype), np.power, [positive(3, 4), normal(4)]),
    ],
    "lerp": [
        Case(lambda a, b: rg.lerp(a, b, 0.3), lambda a, b: a + 0.3 * (b - a), [normal(3, 4), normal(4)]),
        Case(rg.lerp, lambda a, b, w: a + w * (b - a), [normal(3), normal(3), np.array([0.2, 0.7, -0.9])]),
    ],
    "pow": [
        *binary("pow", np.power, positive),
        Case(lambda x: rg.pow(x, 3), lambda x: x**3, [normal(3, 4)]),
        Case(lambda x: x**2, lambda x: x**2, [normal(3, 4)]),
        Case(lambda x: x**0.5, lambda x: x**0.5, [positive(3, 4)]),
        Case(lambda x: x**-1, lambda x: x**-1.0, [positive(3, 4)]),
        Case(lambda x: 2.0**x, lambda x: 2.0**x, [normal(3, 4)]),
    ],
    "maximum": extremes("maximum", np.maximum),
    "minimum": extremes("minimum", np.minimum),
    "clamp": [
        Case(lambda x: rg.clamp(x, -0.5, 0.5), lambda x: np.clip(x, -0.5, 0.5), [np.linspace(-2, 2, 9) + 0.05]),
        Case(lambda x: rg.clamp(x, min=0.0), lambda x: np.clip(x, 0.0, None), [normal(3, 4)]),
        Case(lambda x, hi: rg.clamp(x, None, hi), np.minimum, [normal(3, 4), normal(4)]),
    ],
    "clamp_min": [Case(rg.clamp_min, np.maximum, [normal(3, 4), normal(4)])],
    "clamp_max": [Case(lambda x: rg.clamp_max(x, 0.5), lambda x: np.minimum(x, 0.5), [np.array([-1.0, 0.4, 0.7])])],
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
