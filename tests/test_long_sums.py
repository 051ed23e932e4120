"""Sums of a million float32 numbers are as good as their algorithm promises, wherever sums are made."""

import numpy as np
import pytest

import rgrad as rg
from rgrad.nn import functional as F

pytestmark = pytest.mark.every_isa

N = 10**6
U = 2.0**-24  # half an ulp of 1
# Tiles of 512, of which each of 64 accumulators takes 8, then pairs: some 30 roundings, one behind the other.
PAIRS = 32 * U
# In float64, then rounded to float32.
ONCE = 2 * U
# Blocks of 512 in order, then the blocks in order.
BLOCKS = (512 + N / 512) * U

ROWS = rg.arange(N) % 7


def grad(f, x):
    """The gradient of f = (function, argument) at zeros, for the cotangent x."""
    w = rg.zeros_like(f[1], requires_grad=True)
    f[0](w).backward(x)
    return w.grad


def per_row(x):
    return np.bincount(np.arange(N) % 7, x)


CASES = {
    "sum": (lambda x: x.sum(), np.sum, PAIRS),
    "mean": (lambda x: x.mean(), np.mean, PAIRS),
    "sum over columns": (lambda x: x.reshape(-1, 4).sum(0), lambda x: x.reshape(-1, 4).sum(0), PAIRS),
    "sum over many columns": (lambda x: x.reshape(-1, 100).mean(0), lambda x: x.reshape(-1, 100).mean(0), PAIRS),
    "sum over strided rows": (lambda x: x.reshape(-1, 4).T.sum(1), lambda x: x.reshape(-1, 4).sum(0), PAIRS),
    "sum over two dims": (
        lambda x: x.reshape(100, 4, -1).sum((0, 2)),
        lambda x: x.reshape(100, 4, -1).sum((0, 2)),
        PAIRS,
    ),
    "cumsum": (lambda x: x.cumsum(0), np.cumsum, ONCE),
    "cumsum of columns": (lambda x: x.reshape(-1, 2).cumsum(0), lambda x: x.reshape(-1, 2).cumsum(0), ONCE),
    "gradient of cumsum": (
        lambda x: grad((lambda w: w.cumsum(0), x), x),
        lambda x: x[::-1].cumsum()[::-1],
        ONCE,
    ),
    "gradient of cumprod": (
        lambda x: grad((lambda w: (w + 1).cumprod(0), x), x),
        lambda x: x[::-1].cumsum()[::-1],
        4 * U,
    ),
    "scatter_add": (lambda x: rg.zeros(7).scatter_add(0, ROWS, x), per_row, ONCE),
    "scatter_add of rows": (
        lambda x: rg.zeros(7, 2).scatter_add(0, ROWS.reshape(-1, 1).expand(-1, 2), rg.stack([x, x], 1))[:, 1],
        per_row,
        ONCE,
    ),
    "gradient of an index": (lambda x: grad((lambda w: w[ROWS], rg.zeros(7)), x), per_row, ONCE),
    "gradient of index_select": (lambda x: grad((lambda w: w.index_select(0, ROWS), rg.zeros(7)), x), per_row, ONCE),
    "gradient of gather": (lambda x: grad((lambda w: w.gather(0, ROWS), rg.zeros(7)), x), per_row, ONCE),
    "gradient of take_along_dim": (lambda x: grad((lambda w: w.take_along_dim(ROWS), rg.zeros(7)), x), per_row, ONCE),
    "gradient of few rows of many": (
        lambda x: grad((lambda w: w.index_select(0, ROWS), rg.zeros(5 * N)), x)[:7],
        per_row,
        ONCE,
    ),
    "gradient of expand": (lambda x: grad((lambda w: w.expand(N), rg.zeros(1)), x), np.sum, PAIRS),
    "gradient of a bias": (
        lambda x: grad((lambda w: F.linear(rg.ones(N // 4, 1), rg.ones(4, 1), w), rg.zeros(4)), x.reshape(-1, 4)),
        lambda x: x.reshape(-1, 4).sum(0),
        PAIRS,
    ),
    "var": (lambda x: (x + rg.arange(N) % 2).var(), lambda x: (x + np.arange(N) % 2).var(ddof=1), 2 * PAIRS),
    "mse_loss": (lambda x: F.mse_loss(x, -x), lambda x: np.mean((2 * x) ** 2), PAIRS),
    "l1_loss": (lambda x: F.l1_loss(x, -x, reduction="sum"), lambda x: np.sum(2 * x), PAIRS),
    "einsum": (lambda x: rg.einsum("i->", x), np.sum, PAIRS),
    "norm": (lambda x: rg.norm(x), np.linalg.norm, PAIRS),
    "logsumexp": (lambda x: rg.logsumexp(x, 0), lambda x: np.log(np.sum(np.exp(x))), PAIRS),
    "product": (lambda x: x.reshape(1, -1) @ rg.ones(N, 1), np.sum, BLOCKS),
    "dot": (lambda x: x @ rg.ones(N), np.sum, BLOCKS),
}


@pytest.mark.parametrize("values", ["equal", "random"])
@pytest.mark.parametrize("name", CASES)
def test_a_million_numbers(name, values, rng):
    f, exact, bound = CASES[name]
    x = np.full(N, 0.1, np.float32) if values == "equal" else rng.uniform(0.05, 0.15, N).astype(np.float32)
    want = exact(x.astype(np.float64))
    got = f(rg.tensor(x)).detach().numpy().astype(np.float64).reshape(np.shape(want))
    error = np.max(np.abs(got - want) / np.abs(want))
    assert error <= bound, f"{name}: relative error {error}, {error / U:.1f} units"
