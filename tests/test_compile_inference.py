"""Compiled models: weights are kept packed, and changes of them are noticed."""

import numpy as np
import pytest

import rgrad as rg


@pytest.fixture
def model():
    rg.manual_seed(0)
    return rg.nn.Sequential(rg.nn.Linear(30, 40), rg.nn.Tanh(), rg.nn.Linear(40, 5))


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_a_change_of_the_weights_is_noticed(model, rows):
    x = rg.randn(rows, 30)
    fast = rg.compile(model)
    changes = [
        lambda w: w.copy_(w * 2),
        lambda w: w.fill_(0.5),
        lambda w: np.copyto(w.numpy(), 0.25),
        lambda w: np.multiply(w.numpy(), 3, out=w.numpy()),
    ]
    with rg.no_grad():
        for change in [lambda w: None, *changes]:
            change(model[0].weight.detach())
            np.testing.assert_array_equal(fast(x).numpy(), model(x).numpy())
            np.testing.assert_array_equal(fast(x).numpy(), model(x).numpy())
