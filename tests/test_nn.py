"""Modules, initialisation, losses."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn
from rgrad.testing import gradcheck


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        self.inner = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.scale = nn.Parameter([1.0])
        self.tied = self.inner[0]

    def forward(self, x: rg.Tensor) -> rg.Tensor:
        return x + self.inner(x) * self.scale


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


def test_names_of_parameters_are_pytorchs():
    assert [n for n, _ in mlp().named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    named = nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), out=nn.Linear(3, 1)))
    assert list(named.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]


def test_shared_modules_are_listed_once():
    names = [n for n, _ in Residual(4).named_parameters()]
    assert names == ["scale", "inner.0.weight", "inner.0.bias"]


def test_skip_connections_need_no_class(rng):
    model = Residual(4).to("float64")
    x = rg.tensor(rng.standard_normal((3, 4)))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_train_and_eval_reach_every_module():
    model = nn.Sequential(mlp(), mlp())
    assert all(m.training for m in model.modules())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    x = rg.randn(10, 4)
    np.testing.assert_array_equal(model[0](x).detach().numpy(), model[0](x).detach().numpy())
    assert all(m.training for m in model.train().modules())


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


def test_state_dict_round_trip():
    a, b = mlp().eval(), mlp().eval()
    x = rg.randn(5, 4)
    assert (a(x) != b(x)).numpy().any()
    b.load_state_dict(a.state_dict())
    np.testing.assert_array_equal(a(x).detach().numpy(), b(x).detach().numpy())
    arrays = {k: v.numpy().astype(np.float64) for k, v in a.state_dict().items()}
    b.load_state_dict(arrays)
    assert b[0].weight.dtype == rg.float32


def test_a_wrong_state_dict_lists_everything_and_loads_nothing():
    model = mlp()
    before = {k: v.tolist() for k, v in model.state_dict().items()}
    state = {k: v + 1 for k, v in model.state_dict().items()}
    del state["0.bias"]
    state["9.weight"] = rg.zeros(1)
    state["3.weight"] = rg.zeros(3, 9)
    with pytest.raises(ValueError, match=r"missing: 0\.bias") as e:
        model.load_state_dict(state)
    assert "unexpected: 9.weight" in str(e.value)
    assert "shape of 3.weight: expected (3, 8), got (3, 9)" in str(e.value)
    assert {k: v.tolist() for k, v in model.state_dict().items()} == before
    del state["3.weight"]
    model.load_state_dict(state, strict=False)
    assert model[0].weight.tolist() != before["0.weight"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_models(duplicate):
    model = mlp().eval()
    twin = duplicate(model)
    x = rg.randn(5, 4)
    np.testing.assert_array_equal(model(x).detach().numpy(), twin(x).detach().numpy())
    with rg.no_grad():
        twin[0].weight.zero_()
    assert (model[0].weight != 0).numpy().all()
    tied = duplicate(Residual(4))
    assert tied.tied is tied.inner[0]


def test_repr_shows_the_tree():
    assert repr(mlp()) == (
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=8, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Dropout(p=0.5)\n"
        "  (3): Linear(in_features=8, out_features=3, bias=True)\n"
        ")"
    )


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


N = 200_000


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
