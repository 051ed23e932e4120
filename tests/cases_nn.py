"""Cases of the functions of neural networks: activations."""

import math

import numpy as np
from cases import Case, normal, positive

import rgrad as rg

# Klambauer et al., Self-normalizing neural networks, 2017.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def normal_distribution(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erfc)(-x / math.sqrt(2)) / 2


def wide() -> np.ndarray:
    """Numbers on all sides of the kinks at −3, −1, −0.5, 0, 0.5, 1, 3 and 6, and away from them."""
    return np.linspace(-7.1, 7.3, 21).reshape(3, 7)


ACTIVATIONS: dict[str, list[Case]] = {
    "relu6": [Case(rg.relu6, lambda x: np.clip(x, 0, 6), [wide()])],
    "leaky_relu": [
        Case(rg.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), [normal(3, 4)]),
        Case(lambda x: rg.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x), [normal()]),
        Case(
            lambda x: rg.leaky_relu(x.T, negative_slope=-1.5), lambda x: np.where(x > 0, x, -1.5 * x).T, [normal(2, 5)]
        ),
    ],
    "prelu": [
        Case(rg.prelu, lambda x, w: np.where(x > 0, x, w * x), [normal(3, 4), positive(4)]),
        Case(rg.prelu, lambda x, w: np.where(x > 0, x, w * x), [normal(3, 4), positive(1)]),
        Case(rg.prelu, lambda x, w: np.where(x > 0, x, w[:, None] * x), [normal(3, 2, 4), positive(2)]),
        Case(rg.prelu, lambda x, w: np.where(x > 0, x, w * x), [normal(), positive()]),
    ],
    "elu": [
        Case(rg.elu, elu, [wide()]),
        Case(lambda x: rg.elu(x, alpha=0.3), lambda x: elu(x, 0.3), [normal(3, 4)]),
    ],
    "selu": [Case(rg.selu, lambda x: SELU_SCALE * elu(x, SELU_ALPHA), [wide()])],
    "celu": [
        Case(rg.celu, elu, [wide()]),
        Case(lambda x: rg.celu(x, 2.5), lambda x: np.where(x > 0, x, 2.5 * np.expm1(x / 2.5)), [wide()]),
    ],
    "gelu": [
        Case(rg.gelu, lambda x: x * normal_distribution(x), [wide()]),
        Case(
            lambda x: rg.gelu(x, approximate="tanh"),
            lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
            [normal(3, 4)],
        ),
    ],
    "silu": [Case(rg.silu, lambda x: x * sigmoid(x), [wide()]), Case(rg.silu, lambda x: x * sigmoid(x), [normal()])],
    "mish": [Case(rg.mish, lambda x: x * np.tanh(np.logaddexp(0, x)), [wide()])],
    "softplus": [
        Case(rg.softplus, lambda x: np.logaddexp(0, x), [wide()]),
        Case(rg.softplus, lambda x: np.logaddexp(0, x), [normal()]),
        Case(lambda x: rg.softplus(x, 2.0, 8.0), lambda x: np.where(x > 4, x, np.logaddexp(0, 2 * x) / 2), [wide()]),
        Case(lambda x: rg.softplus(x, beta=-0.5), lambda x: np.logaddexp(0, -x / 2) / -0.5, [normal(3, 4)]),
    ],
    "softsign": [Case(rg.softsign, lambda x: x / (1 + np.abs(x)), [wide()])],
    "hardtanh": [
        Case(rg.hardtanh, lambda x: np.clip(x, -1, 1), [wide()]),
        Case(lambda x: rg.hardtanh(x, -2.0, max_val=0.5), lambda x: np.clip(x, -2, 0.5), [wide()]),
    ],
    "hardsigmoid": [Case(rg.hardsigmoid, lambda x: np.clip(x / 6 + 0.5, 0, 1), [wide()])],
    "hardswish": [Case(rg.hardswish, lambda x: x * np.clip(x + 3, 0, 6) / 6, [wide()])],
    "tanhshrink": [Case(rg.tanhshrink, lambda x: x - np.tanh(x), [wide()])],
    "softshrink": [
        Case(rg.softshrink, lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), [wide()]),
        Case(lambda x: rg.softshrink(x, 0.0), lambda x: x, [normal(3, 4)]),
    ],
    "hardshrink": [
        Case(rg.hardshrink, lambda x: np.where(np.abs(x) > 0.5, x, 0), [wide()]),
        Case(lambda x: rg.hardshrink(x, lambd=2.0), lambda x: np.where(np.abs(x) > 2, x, 0), [wide()]),
    ],
    "threshold": [
        Case(lambda x: rg.threshold(x, 0.25, -8.0), lambda x: np.where(x > 0.25, x, -8.0), [normal(3, 4)]),
    ],
    "softmin": [
        Case(lambda x: rg.softmin(x, 1), lambda x: softmax(-x, 1), [normal(3, 4)]),
        Case(lambda x: rg.softmin(x, dim=0), lambda x: softmax(-x, 0), [normal(3, 4)]),
    ],
}

CASES = ACTIVATIONS
