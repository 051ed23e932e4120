"""Optimizers: against the papers' formulas written in NumPy, and their rules."""

import copy
import pickle

import numpy as np
import pytest

import rgrad as rg
from rgrad import optim


def sgd(p, g, s, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    g = g + weight_decay * p
    if momentum:
        s["b"] = g if "b" not in s else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(p, g, s, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    if decoupled:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    s["t"] = s.get("t", 0) + 1
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    m, v = s["m"] / (1 - betas[0] ** s["t"]), s["v"] / (1 - betas[1] ** s["t"])
    return p - lr * m / (np.sqrt(v) + eps)


RULES = {
    "sgd": (optim.SGD, sgd, {"lr": 0.02}),
    "momentum": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.9}),
    "dampening": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.9, "dampening": 0.3}),
    "nesterov": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "sgd-decay": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1}),
    "adam": (optim.Adam, adam, {"lr": 0.05}),
    "adam-decay": (optim.Adam, adam, {"lr": 0.05, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
    "adamw": (optim.AdamW, lambda *a, **k: adam(*a, **k, decoupled=True), {"lr": 0.05, "weight_decay": 0.1}),
}

A = np.random.default_rng(1).standard_normal((6, 6)) / 3
B = np.random.default_rng(2).standard_normal((17, 5))

# Value and gradient written by hand: a quadratic form, Rosenbrock's valley, and a sum of bounded terms.
PROBLEMS = {
    "quadratic": ((6,), lambda x: ((A @ x) ** 2).sum(), lambda x: 2 * A.T @ (A @ x)),
    "rosenbrock": (
        (2,),
        lambda x: (1 - x[0]) ** 2 + 0.1 * (x[1] - x[0] ** 2) ** 2,
        lambda x: np.array([-2 * (1 - x[0]) - 0.4 * x[0] * (x[1] - x[0] ** 2), 0.2 * (x[1] - x[0] ** 2)]),
    ),
    "tanh": ((17, 5), lambda x: rg.tanh(x * B).sum(), lambda x: B * (1 - np.tanh(x * B) ** 2)),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("rule", RULES)
def test_fifty_steps_follow_the_formula(rule, problem):
    make, formula, settings = RULES[rule]
    shape, value, gradient = PROBLEMS[problem]
    x = np.random.default_rng(0).standard_normal(shape)
    t = rg.tensor(x, requires_grad=True)
    optimizer, state = make([t], **settings), {}
    for _ in range(50):
        optimizer.zero_grad()
        value(t).backward()
        optimizer.step()
        x = formula(x, gradient(x), state, **settings)
    np.testing.assert_allclose(t.detach().numpy(), x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_float32_follows_float64(rule):
    make, _, settings = RULES[rule]
    results = []
    for dtype in ("float32", "float64"):
        t = rg.tensor(B, dtype=dtype, requires_grad=True)
        optimizer = make([t], **settings)
        for _ in range(20):
            optimizer.zero_grad()
            (t * t * 0.5).sum().backward()
            optimizer.step()
        results.append(t.detach().numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_state_round_trip(rule):
    make, _, settings = RULES[rule]

    def steps(t: rg.Tensor, optimizer: optim.Optimizer, n: int) -> list[float]:
        for _ in range(n):
            optimizer.zero_grad()
            (t * t).sum().backward()
            optimizer.step()
        return t.tolist()

    a = rg.tensor([1.0, -2.0], requires_grad=True)
    first = make([a], **settings)
    steps(a, first, 5)
    b = rg.tensor(a.detach(), requires_grad=True)
    second = make([b], lr=123.0)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert steps(a, first, 5) == steps(b, second, 5)


def test_groups_have_their_own_settings():
    a, b = (rg.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1)
    (a + b).sum().backward()
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item()], [0.5, 0.9], rtol=1e-6)
    optimizer.param_groups[1]["lr"] = 0.0
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item()], [0.0, 0.9], atol=1e-7)
    assert "group 1" in repr(optimizer)


def test_parameters_without_gradients_stay():
    a, b = (rg.tensor([1.0], requires_grad=True) for _ in range(2))
    for make in (optim.SGD, optim.Adam):
        optimizer = make([a, b], lr=0.1)
        a.grad = None
        (a * 2).sum().backward()
        optimizer.step()
        assert b.item() == 1.0
    assert a.item() < 1.0


def test_mixed_dtypes():
    a = rg.tensor([1.0], requires_grad=True)
    b = rg.tensor([1.0], dtype="float64", requires_grad=True)
    optimizer = optim.Adam([a, b], lr=0.1)
    (a * b).sum().backward()
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item()], [0.9, 0.9], rtol=1e-6)


def test_zero_grad_and_closure():
    a = rg.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([a], lr=0.25)

    def closure() -> rg.Tensor:
        optimizer.zero_grad(set_to_none=False)
        loss = (a * a).sum()
        loss.backward()
        return loss

    with rg.no_grad():
        loss = optimizer.step(closure)
    assert (loss.item(), a.item(), a.grad.item()) == (4.0, 1.0, 4.0)
    optimizer.zero_grad()
    assert a.grad is None


def test_maximize():
    a = rg.tensor([2.0], requires_grad=True)
    a.sum().backward()
    optim.SGD([a], lr=0.5, maximize=True).step()
    assert a.item() == 2.5


def test_subnormal_moments_vanish():
    a = rg.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([a], lr=0.0)
    a.grad = rg.tensor([1e-30])
    for _ in range(20):
        optimizer.step()
        a.grad = rg.tensor([0.0])
    for name in ("exp_avg", "exp_avg_sq"):
        value = optimizer.state[a][name].item()
        assert value == 0.0 or abs(value) >= np.finfo(np.float32).tiny


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda p: optim.SGD([], lr=0.1), ValueError, "empty list"),
        (lambda p: optim.SGD(p, lr=0.1), TypeError, r"\[tensor\]"),
        (lambda p: optim.SGD([p, p], lr=0.1), ValueError, "more than once"),
        (lambda p: optim.SGD([p * 2], lr=0.1), ValueError, "leaves"),
        (lambda p: optim.SGD([1.0], lr=0.1), TypeError, "float"),
        (lambda p: optim.SGD([p], lr=-0.1), ValueError, "lr.*-0.1"),
        (lambda p: optim.SGD([p], lr=float("nan")), ValueError, "lr.*nan"),
        (lambda p: optim.SGD([p], lr=float("inf")), ValueError, "lr.*inf"),
        (lambda p: optim.SGD([p], lr="0.1"), ValueError, "lr.*'0.1'"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, r"betas\[1\]"),
        (lambda p: optim.AdamW([p], eps=-1.0), ValueError, "eps"),
    ],
)
def test_bad_arguments(make, kind, message):
    with pytest.raises(kind, match=message):
        make(rg.tensor([1.0], requires_grad=True))


def test_a_bad_learning_rate_set_later_changes_nothing():
    a = rg.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([a], lr=0.1)
    a.sum().backward()
    optimizer.param_groups[0]["lr"] = float("nan")
    with pytest.raises(ValueError, match="lr"):
        optimizer.step()
    assert a.item() == 1.0


def test_shared_memory_is_refused():
    a, b = (rg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    a.grad, b.grad = b.detach(), rg.ones(2)
    with pytest.raises(ValueError, match="gradient of parameter 0 shares memory"):
        optim.SGD([a, b], lr=0.1).step()
    view = a.detach().requires_grad_()
    view.grad = a.grad = rg.ones(2)
    with pytest.raises(ValueError, match="parameter 1 or its state shares memory"):
        optim.Adam([a, view], lr=0.1).step()
    assert a.tolist() == b.tolist() == [1.0, 2.0]


def test_a_state_of_another_shape_is_refused():
    a, b = rg.tensor([1.0], requires_grad=True), rg.tensor([1.0, 2.0], requires_grad=True)
    first, second = optim.Adam([a]), optim.Adam([b])
    a.sum().backward()
    first.step()
    with pytest.raises(ValueError, match=r"shape \(1,\), expected \(2,\)"):
        second.load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="groups"):
        optim.Adam([a, b]).load_state_dict(first.state_dict())


def test_a_copied_model_has_its_own_parameters():
    model = rg.nn.Linear(2, 2)
    twin = copy.deepcopy(model)
    optimizer = optim.SGD(twin.parameters(), lr=1.0)
    before = model.weight.tolist()
    twin(rg.ones(1, 2)).sum().backward()
    optimizer.step()
    assert model.weight.tolist() == before
    assert model.weight.grad is None
