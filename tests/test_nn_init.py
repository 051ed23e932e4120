"""Initialisation of parameters."""

import math

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn


@pytest.mark.parametrize(
    ("init", "low", "high", "std"),
    [
        (lambda t: nn.init.uniform_(t, -2, 3), -2, 3, 5 / 12**0.5),
        (lambda t: nn.init.normal_(t, 0, 2), -np.inf, np.inf, 2),
        (nn.init.xavier_uniform_, -((6 / 1000) ** 0.5), (6 / 1000) ** 0.5, (2 / 1000) ** 0.5),
        (nn.init.xavier_normal_, -np.inf, np.inf, (2 / 1000) ** 0.5),
        (
            lambda t: nn.init.kaiming_uniform_(t, nonlinearity="relu"),
            -((6 / 500) ** 0.5),
            (6 / 500) ** 0.5,
            (2 / 500) ** 0.5,
        ),
        (lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="tanh"), -np.inf, np.inf, 5 / 3 / 500**0.5),
    ],
)
def test_initial_distributions(init, low, high, std):
    w = nn.Parameter(rg.empty(500, 500, dtype="float64"))
    assert init(w) is w
    a = w.detach().numpy()
    assert low <= a.min()
    assert a.max() < high
    mean = (low + high) / 2 if np.isfinite(low) else 0
    assert abs(a.mean() - mean) < 5 * std / 500
    assert abs(a.std() / std - 1) < 0.02


def test_initialisation_refuses_vectors_and_unknown_names():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        nn.init.xavier_uniform_(rg.zeros(3))
    with pytest.raises(ValueError, match="swish"):
        nn.init.kaiming_uniform_(rg.zeros(3, 3), nonlinearity="swish")
    with pytest.raises(ValueError, match="fan"):
        nn.init.kaiming_uniform_(rg.zeros(3, 3), mode="fan")
    for name in ("eye_", "orthogonal_", "sparse_"):
        with pytest.raises(ValueError, match=rf"{name}.*\(3,\)"):
            getattr(nn.init, name)(rg.zeros(3), *([0.5] if name == "sparse_" else []))
    with pytest.raises(ValueError, match=r"1\.5"):
        nn.init.sparse_(rg.zeros(3, 3), 1.5)
    with pytest.raises(ValueError, match="a = 2 and b = 1"):
        nn.init.uniform_(rg.zeros(3), 2, 1)
    with pytest.raises(ValueError, match="finite"):
        nn.init.uniform_(rg.zeros(3), -math.inf, math.inf)
    for init in (nn.init.uniform_, nn.init.xavier_normal_, nn.init.orthogonal_, nn.init.trunc_normal_):
        with pytest.raises(TypeError, match=r"floats, got (rgrad\.)?int64"):
            init(rg.zeros(3, 3, dtype="int64"))
    with pytest.raises(ValueError, match="-1"):
        nn.init.normal_(rg.zeros(3), std=-1)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_weights_need_no_draws(shape):
    for init in (nn.init.xavier_uniform_, nn.init.xavier_normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_):
        assert init(rg.empty(shape)).shape == shape


def test_gains_are_pytorchs():
    gains = {name: nn.init.calculate_gain(name) for name in ("linear", "sigmoid", "tanh", "relu", "selu")}
    assert gains == {"linear": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": 2**0.5, "selu": 0.75}
    assert nn.init.calculate_gain("leaky_relu") == (2 / (1 + 0.01**2)) ** 0.5
    assert nn.init.calculate_gain("leaky_relu", 0.5) == (2 / 1.25) ** 0.5


@pytest.mark.parametrize("shape", [(4, 4), (2, 5), (5, 2), (0, 3)])
def test_the_identity(shape):
    w = nn.Parameter(rg.ones(shape))
    assert nn.init.eye_(w) is w
    np.testing.assert_array_equal(w.detach().numpy(), np.eye(*shape))


INTERVALS = [
    (-2, 2),
    (-1, 3),
    (0, 1),
    (-0.1, 0.1),
    (0.5, 0.6),
    (1, 8),
    (5, 6),
    (-9, -8),
    (-math.inf, -2),
    (3, math.inf),
]


@pytest.mark.parametrize(("a", "b"), INTERVALS)
def test_truncated_normal_has_the_distribution(a, b):
    """Kolmogorov and Smirnov's test against the distribution function, at a level of one in a million."""
    n, mean, std = 20_000, 3.0, 0.5
    w = rg.empty(100, n // 100, dtype="float64")
    nn.init.trunc_normal_(w, mean, std, mean + a * std, mean + b * std)
    x = np.sort((w.numpy().ravel() - mean) / std)
    assert a - 1e-12 <= x[0]
    assert x[-1] <= b + 1e-12
    # On the side where the function is small, and so exact.
    side = -1 if b <= -a else 1

    def below(t: float) -> float:
        return -side * math.erfc(side * t / math.sqrt(2))

    low, high = below(a), below(b)
    expected = np.array([(below(t) - low) / (high - low) for t in x])
    distance = max((np.arange(1, n + 1) / n - expected).max(), (expected - np.arange(n) / n).max())
    assert distance < math.sqrt(-math.log(0.5e-6) / 2 / n)


def test_truncated_normal_of_any_size_and_dtype():
    w = nn.Parameter(rg.empty(1000))
    assert nn.init.trunc_normal_(w, std=10.0, a=0.1, b=0.3) is w
    assert (w >= 0.1).numpy().all()
    assert (w <= np.float32(0.3)).numpy().all()
    assert nn.init.trunc_normal_(rg.empty(())).shape == ()
    assert nn.init.trunc_normal_(rg.empty(0, 3)).shape == (0, 3)
    first, second = (nn.init.trunc_normal_(rg.empty(9), generator=rg.Generator(5)) for _ in range(2))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize(
    ("std", "a", "b"), [(0, -1, 1), (-1, -1, 1), (1, 2, 2), (1, math.nan, 1), (math.nan, -1, 1), (1e-320, 1, 2)]
)
def test_truncated_normal_refuses_what_has_no_distribution(std, a, b):
    with pytest.raises(ValueError, match="trunc_normal_"):
        nn.init.trunc_normal_(rg.zeros(3), 0, std, a, b)


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 5), (40, 40), (33, 100), (100, 65), (3, 2, 4), (0, 3), (3, 0)])
def test_orthogonal_is_the_factor_q_of_the_normal_matrix(shape):
    w = nn.Parameter(rg.empty(shape, dtype="float64"))
    assert nn.init.orthogonal_(w, gain=2.0, generator=rg.Generator(3)) is w
    rows, columns = shape[0], math.prod(shape[1:])
    normal = rg.randn(rows, columns, dtype="float64", generator=rg.Generator(3)).numpy()
    q, r = np.linalg.qr(normal.T if rows < columns else normal)
    q = q * np.where(np.diag(r) < 0, -2.0, 2.0)
    expected = q.T if rows < columns else q
    # The sensitivity of Q is that of the normal matrix: its condition, below 1000 here.
    np.testing.assert_allclose(w.detach().numpy().reshape(rows, columns), expected, atol=1e-12)


def test_orthogonal_is_orthogonal_to_rounding():
    w = nn.init.orthogonal_(rg.empty(200, 200, dtype="float64")).numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(200), atol=1e-14)
    w = nn.init.orthogonal_(rg.empty(20, 50)).numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(20), atol=1e-6)


def test_sparse_columns():
    w = nn.Parameter(rg.ones(50, 30))
    assert nn.init.sparse_(w, 0.33, std=2.0) is w
    a = w.detach().numpy()
    np.testing.assert_array_equal((a == 0).sum(0), 17)
    assert len({tuple(c) for c in (a == 0).T}) > 20
    assert abs(a[a != 0].std() / 2 - 1) < 0.1
    assert (nn.init.sparse_(w, 1.0) == 0).numpy().all()
    assert (nn.init.sparse_(w, 0.0) != 0).numpy().all()


def test_linear_starts_as_pytorchs():
    w = nn.Linear(400, 300)
    for t in (w.weight, w.bias):
        a = t.detach().numpy()
        assert np.abs(a).max() <= 0.05
        assert abs(a.std() / (0.1 / 12**0.5) - 1) < 0.15
