"""Initialisation of parameters."""

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


def test_linear_starts_as_pytorchs():
    w = nn.Linear(400, 300)
    for t in (w.weight, w.bias):
        a = t.detach().numpy()
        assert np.abs(a).max() <= 0.05
        assert abs(a.std() / (0.1 / 12**0.5) - 1) < 0.15
