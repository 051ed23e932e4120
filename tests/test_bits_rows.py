"""What becomes of a row does not depend on how many rows there are, nor on how they lie in memory."""

import numpy as np
import pytest

import rgrad as rg
from rgrad.nn import functional as F

pytestmark = pytest.mark.every_isa

ROWS = 37
LENGTHS = [1, 3, 15, 16, 17, 63, 65, 200, 513, 1500, 70_000]

REDUCTIONS = {
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean(1),
    "prod": lambda x: x.prod(1),
    "var": lambda x: x.var(1, correction=0),
    "std": lambda x: x.std(1, correction=0),
    "norm": lambda x: rg.norm(x, dim=1),
    "norm of order 3": lambda x: rg.norm(x, 3, dim=1),
    "logsumexp": lambda x: rg.logsumexp(x, 1),
    "softmax": lambda x: rg.softmax(x, 1),
    "log_softmax": lambda x: rg.log_softmax(x, 1),
    "max": lambda x: x.max(1).values,
    "argmax": lambda x: x.argmax(1),
    "median by sort": lambda x: x.sort(1).values,
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "normalize": lambda x: F.normalize(x),
    "cross_entropy": lambda x: F.cross_entropy(x, rg.zeros(len(x), dtype="int64"), reduction="none"),
    "einsum": lambda x: rg.einsum("ij->i", x),
    "gradient of broadcasting": lambda x: gradient(x),
}


def gradient(x):
    w = rg.zeros(len(x), 1, dtype=x.dtype, requires_grad=True)
    w.expand(x.shape).backward(x)
    return w.grad


# A matrix (rows, length) with the elements of `a`, in other places.
LAYOUTS = {
    "row-major": lambda a: rg.tensor(a),
    "column-major": lambda a: rg.tensor(np.ascontiguousarray(a.T)).T,
    "every other column": lambda a: rg.from_numpy(np.repeat(a, 2, 1)[:, ::2]),
    "every other row": lambda a: rg.from_numpy(np.repeat(a, 2, 0)[::2]),
    "column-major with gaps": lambda a: rg.from_numpy(np.repeat(np.asfortranarray(a).T, 2, 1)[:, ::2].T),
    "part of a wider matrix": lambda a: rg.from_numpy(np.pad(a, ((0, 0), (1, 2))))[:, 1:-2],
    "in three dimensions": lambda a: (
        rg.tensor(np.ascontiguousarray(a.T)).unsqueeze(1).permute(2, 0, 1).reshape(a.shape)
    ),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_every_layout_and_split(name, dtype, rng):
    for length in LENGTHS[:-1] if name in ("median by sort", "softmax", "log_softmax") else LENGTHS:
        rows = ROWS if length < 2000 else 5
        a = (rng.standard_normal((rows, length)) * 0.5 + 1).astype(dtype)
        want = REDUCTIONS[name](rg.tensor(a)).numpy()
        for layout, make in LAYOUTS.items():
            x = make(a)
            assert x.shape == a.shape
            for split in {1, 2, 3, rows}:
                parts = [REDUCTIONS[name](x[i : i + split]).numpy() for i in range(0, rows, split)]
                found = np.concatenate(parts)
                assert found.tobytes() == want.tobytes(), f"{name} of rows of {length}, {layout}, {split} at a time"


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "logsumexp", "max"])
def test_repeated_rows_and_groups_of_dimensions(name, rng):
    x = rg.tensor(rng.standard_normal((6, 5, 70, 11)), dtype="float32")
    f = {
        "sum": lambda t: t.sum((1, 3)),
        "mean": lambda t: t.mean((1, 3)),
        "prod": lambda t: t.prod((1, 3)),
        "var": lambda t: t.var((1, 3)),
        "logsumexp": lambda t: rg.logsumexp(t, (1, 3)),
        "max": lambda t: t.amax((1, 3)),
    }[name]
    whole = f(x).numpy()
    for i in range(6):
        for j in range(0, 70, 23):
            part = f(x[i : i + 1, :, j : j + 1]).numpy()
            assert part.tobytes() == whole[i : i + 1, j : j + 1].tobytes(), f"{name} of group {i}, {j}"
    repeated = f(x[:1].expand(4, -1, -1, -1)).numpy()
    assert all(row.tobytes() == whole[0].tobytes() for row in repeated)


# k around the blocks in which products are summed; few columns take paths of their own.
@pytest.mark.parametrize("k", [0, 1, 50, 511, 512, 513, 784, 1025])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 37])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_any_part_of_the_rows(k, n, dtype):
    rows = 67
    x = rg.randn(rows, k, dtype=dtype)
    w, bias = rg.randn(k, n, dtype=dtype), rg.randn(n, dtype=dtype)
    products = {
        "x @ w": lambda x: x @ w,
        "linear": lambda x: rg.linear(x, w.T.contiguous(), bias),
        "columns of x": lambda x: x.T.contiguous().T @ w,
    }
    for name, product in products.items():
        whole = product(x).numpy()
        for split in (1, 2, 3, 5, 8, 16, 33, 66):
            parts = [product(x[i : i + split]).numpy() for i in range(0, rows, split)]
            np.testing.assert_array_equal(np.concatenate(parts), whole, err_msg=f"{name} in parts of {split} rows")


@pytest.mark.parametrize("activation", ["ReLU", "Tanh", "Sigmoid", "GELU", "LayerNorm"])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_networks_on_any_part_of_the_batch(activation, threads):
    rg.set_num_threads(threads)
    between = rg.nn.LayerNorm(129) if activation == "LayerNorm" else getattr(rg.nn, activation)()
    model = rg.nn.Sequential(rg.nn.Linear(784, 129), between, rg.nn.Linear(129, 10))
    x = rg.randn(257, 784)
    with rg.no_grad():
        whole = rg.log_softmax(model(x), 1).numpy()
        for split in (1, 3, 64, 256):
            parts = [rg.log_softmax(model(x[i : i + split]), 1).numpy() for i in range(0, 257, split)]
            np.testing.assert_array_equal(np.concatenate(parts), whole, err_msg=f"in parts of {split} rows")


@pytest.mark.parametrize("split", [1, 7, 64, 99])
def test_any_split_of_the_batch(split):
    model = rg.nn.Sequential(rg.nn.Linear(50, 37), rg.nn.Tanh(), rg.nn.Linear(37, 10))
    x = rg.randn(100, 50)
    with rg.no_grad():
        whole = rg.softmax(model(x), 1).numpy()
        parts = [rg.softmax(model(x[i : i + split]), 1).numpy() for i in range(0, 100, split)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
