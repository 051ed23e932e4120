"""Layers and losses."""

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn
from rgrad.testing import gradcheck


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def test_linear_is_the_formula(rng):
    layer = nn.Linear(4, 3)
    x = rng.standard_normal((5, 4)).astype(np.float32)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(rg.tensor(x)).detach().numpy(), x @ w.T + b, rtol=1e-5, atol=1e-6)
    assert nn.Linear(4, 3, bias=False).bias is None
    assert nn.Linear(4, 3, dtype="float64").weight.dtype == rg.float64
    with pytest.raises(ValueError, match="0 and 3"):
        nn.Linear(0, 3)
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        layer(rg.zeros(2, 5))


def test_gradients_of_a_network(rng):
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 3)).to("float64")
    x, y = rg.tensor(rng.standard_normal((6, 3))), rg.tensor(rng.integers(0, 3, 6))
    names = [n for n, _ in model.named_parameters()]

    def loss(*values: rg.Tensor) -> rg.Tensor:
        w = dict(zip(names, values, strict=True))
        h = rg.tanh(rg.linear(x, w["0.weight"], w["0.bias"]))
        h = rg.sigmoid(rg.linear(h, w["2.weight"], w["2.bias"]))
        return rg.cross_entropy(rg.linear(h, w["4.weight"], w["4.bias"]), y)

    assert gradcheck(loss, list(model.parameters()))
    nn.CrossEntropyLoss()(model(x), y).backward()
    gradients = rg.autograd.grad(loss(*model.parameters()), list(model.parameters()))
    for p, g in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g.numpy())


def test_dropout():
    drop = nn.Dropout(0.25)
    y = drop(rg.ones(100_000)).numpy()
    kept = y != 0
    assert abs(kept.mean() - 0.75) < 5 * (0.75 * 0.25 / 100_000) ** 0.5
    np.testing.assert_array_equal(y[kept], np.float32(1 / 0.75))
    assert (drop.eval()(rg.ones(10)).numpy() == 1).all()
    assert (nn.Dropout(1.0)(rg.ones(10)).numpy() == 0).all()
    x = rg.ones(1000, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    with pytest.raises(ValueError, match=r"-0\.1"):
        nn.Dropout(-0.1)


def test_sequential_is_a_sequence():
    model = mlp()
    assert len(model) == 4
    assert isinstance(model[-1], nn.Linear)
    assert len(model[1:]) == 3
    assert [type(m).__name__ for m in model] == ["Linear", "ReLU", "Dropout", "Linear"]
    assert len(model.append(nn.ReLU())) == 5
    with pytest.raises(TypeError, match="function at 1"):
        nn.Sequential(nn.ReLU(), lambda x: x)
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


def test_losses_are_the_functions(rng):
    x, y = rg.tensor(rng.standard_normal((4, 3))), rg.tensor([0, 2, 1, 1])
    for reduction in ("mean", "sum", "none"):
        a, b = nn.CrossEntropyLoss(reduction)(x, y), rg.cross_entropy(x, y, reduction)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert nn.MSELoss()(rg.tensor([1.0, 2.0]), rg.tensor([0.0, 0.0])).item() == 2.5
    assert abs(nn.BCEWithLogitsLoss()(rg.tensor([0.0]), rg.tensor([1.0])).item() - np.log(2)) < 1e-6
    with pytest.raises(ValueError, match="'avg'"):
        nn.MSELoss("avg")
