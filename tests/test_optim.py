"""Optimizers: against the papers' formulas written in NumPy, and their rules."""

import pickle

import numpy as np
import pytest

import rgrad as rg
from rgrad import optim

pytestmark = pytest.mark.every_isa


def penalised(p, g, weight_decay, maximize):
    return (-g if maximize else g) + weight_decay * p


def sgd(p, g, s, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    g = penalised(p, g, weight_decay, maximize)
    if momentum:
        s["b"] = g if "b" not in s else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def moments(g, s, betas):
    s["t"] = s.get("t", 0) + 1
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    return s["m"] / (1 - betas[0] ** s["t"]), s["v"] / (1 - betas[1] ** s["t"])


def adam(p, g, s, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, decoupled=False):
    g = penalised(p, g, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        p = p * (1 - lr * weight_decay)
    m, v = moments(g, s, betas)
    if amsgrad:
        s["top"] = np.maximum(s.get("top", 0), s["v"])
        v = s["top"] / (1 - betas[1] ** s["t"])
    return p - lr * m / (np.sqrt(v) + eps)


def adamw(p, g, s, lr, weight_decay=0.01, **settings):
    return adam(p, g, s, lr, weight_decay=weight_decay, decoupled=True, **settings)


def nadam(
    p,
    g,
    s,
    lr,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    momentum_decay=4e-3,
    decoupled_weight_decay=False,
    maximize=False,
):
    g = penalised(p, g, 0.0 if decoupled_weight_decay else weight_decay, maximize)
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    _, v = moments(g, s, betas)
    mu = [betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in range(1, s["t"] + 2)]
    along = mu[-1] * s["m"] / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
    return p - lr * along / (np.sqrt(v) + eps)


def rmsprop(p, g, s, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, maximize=False):
    g = penalised(p, g, weight_decay, maximize)
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g * g
    s["a"] = alpha * s.get("a", 0) + (1 - alpha) * g
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(s["v"] - centered * s["a"] ** 2) + eps)
    return p - lr * s["b"]


def adagrad(p, g, s, lr, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, maximize=False):
    g = penalised(p, g, weight_decay, maximize)
    s["t"] = s.get("t", 0) + 1
    s["v"] = s.get("v", initial_accumulator_value) + g * g
    return p - lr / (1 + (s["t"] - 1) * lr_decay) * g / (np.sqrt(s["v"]) + eps)


def adadelta(p, g, s, lr, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False):
    g = penalised(p, g, weight_decay, maximize)
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    d = np.sqrt(s.get("u", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * d * d
    return p - lr * d


RULES = {
    "sgd": (optim.SGD, sgd, {"lr": 0.02}),
    "sgd-momentum": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.9}),
    "sgd-dampening": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.9, "dampening": 0.3}),
    "sgd-nesterov": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "sgd-decay": (optim.SGD, sgd, {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1}),
    "sgd-maximize": (optim.SGD, sgd, {"lr": 1e-4, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    "adam": (optim.Adam, adam, {"lr": 0.05}),
    "adam-decay": (optim.Adam, adam, {"lr": 0.05, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
    "adam-amsgrad": (optim.Adam, adam, {"lr": 0.05, "betas": (0.8, 0.5), "amsgrad": True}),
    "adam-maximize": (optim.Adam, adam, {"lr": 1e-3, "weight_decay": 0.1, "maximize": True}),
    "adamw": (optim.AdamW, adamw, {"lr": 0.05, "weight_decay": 0.1}),
    "adamw-amsgrad": (optim.AdamW, adamw, {"lr": 0.05, "betas": (0.8, 0.5), "amsgrad": True}),
    "adamw-maximize": (optim.AdamW, adamw, {"lr": 1e-3, "maximize": True}),
    "nadam": (optim.NAdam, nadam, {"lr": 0.05}),
    "nadam-decay": (optim.NAdam, nadam, {"lr": 0.05, "betas": (0.8, 0.99), "momentum_decay": 0.1, "weight_decay": 0.1}),
    "nadam-decoupled": (optim.NAdam, nadam, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "nadam-maximize": (optim.NAdam, nadam, {"lr": 1e-3, "maximize": True}),
    "rmsprop": (optim.RMSprop, rmsprop, {"lr": 0.01}),
    "rmsprop-decay": (optim.RMSprop, rmsprop, {"lr": 0.01, "alpha": 0.9, "eps": 1e-6, "weight_decay": 0.1}),
    "rmsprop-momentum": (optim.RMSprop, rmsprop, {"lr": 0.01, "momentum": 0.9}),
    "rmsprop-centered": (optim.RMSprop, rmsprop, {"lr": 0.01, "centered": True}),
    "rmsprop-both": (optim.RMSprop, rmsprop, {"lr": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    "rmsprop-maximize": (optim.RMSprop, rmsprop, {"lr": 1e-3, "maximize": True}),
    "adagrad": (optim.Adagrad, adagrad, {"lr": 0.1}),
    "adagrad-decay": (optim.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    "adagrad-initial": (optim.Adagrad, adagrad, {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    "adagrad-maximize": (optim.Adagrad, adagrad, {"lr": 1e-3, "maximize": True}),
    "adadelta": (optim.Adadelta, adadelta, {"lr": 1.0}),
    "adadelta-decay": (optim.Adadelta, adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    "adadelta-maximize": (optim.Adadelta, adadelta, {"lr": 0.1, "maximize": True}),
}

RNG = np.random.default_rng(1)
# Condition number 1000.
A = np.linalg.qr(RNG.standard_normal((6, 6)))[0] @ np.diag(np.geomspace(0.03, 1, 6))
B = RNG.standard_normal((17, 5))
# Separable classes: at a minimum, rules that divide by the gradient's size would magnify rounding without bound.
X = RNG.standard_normal((30, 4))
Y = (X @ [1.0, -2.0, 0.5, 1.5] > 0).astype(float)

# Value, and gradient written by hand: a badly conditioned quadratic form, Rosenbrock's valley, a logistic regression.
PROBLEMS = {
    "quadratic": ((6,), lambda x: ((A.T @ x) ** 2).sum(), lambda x: 2 * A @ (A.T @ x)),
    "rosenbrock": (
        (2,),
        lambda x: (1 - x[0]) ** 2 + 0.1 * (x[1] - x[0] ** 2) ** 2,
        lambda x: np.array([-2 * (1 - x[0]) - 0.4 * x[0] * (x[1] - x[0] ** 2), 0.2 * (x[1] - x[0] ** 2)]),
    ),
    "logistic": (
        (4, 1),
        lambda w: rg.nn.functional.binary_cross_entropy_with_logits((X @ w).squeeze(1), Y),
        lambda w: X.T @ (1 / (1 + np.exp(-X @ w)) - Y[:, None]) / len(Y),
    ),
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
        (lambda p: optim.SGD([p], lr="0.1"), TypeError, "lr.*'0.1'"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov"),
        (lambda p: optim.SGD([p], momentum=0.9, dampening=0.1, nesterov=True), ValueError, "nesterov"),
        (lambda p: optim.SGD({p}), TypeError, "set; write a list"),
        (lambda p: optim.SGD([{"params": {p}}]), TypeError, "set; write a list"),
        (lambda p: optim.SGD([{"lr": 0.1}]), TypeError, "key 'params'"),
        (lambda p: optim.SGD([{"params": [p]}, p]), TypeError, "key 'params'"),
        (lambda p: optim.SGD([{"params": [p]}, {"params": p}]), ValueError, "more than once"),
        (lambda p: optim.SGD([{"params": [p], "lr": -1.0}]), ValueError, "lr"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, r"betas\[1\].*less than 1, got 1.0"),
        (lambda p: optim.Adam([p], betas=0.9), TypeError, "betas must be two numbers, got 0.9"),
        (lambda p: optim.Adam([p], betas=(0.9,)), TypeError, "betas must be two numbers"),
        (lambda p: optim.AdamW([p], eps=-1.0), ValueError, "eps"),
        (lambda p: optim.NAdam([p], momentum_decay=-1.0), ValueError, "momentum_decay"),
        (lambda p: optim.RMSprop([p], alpha=1.0), ValueError, "alpha"),
        (lambda p: optim.RMSprop([p], momentum=-0.1), ValueError, "momentum"),
        (lambda p: optim.Adagrad([p], lr_decay=-0.1), ValueError, "lr_decay"),
        (lambda p: optim.Adagrad([p], initial_accumulator_value=-0.1), ValueError, "initial_accumulator_value"),
        (lambda p: optim.Adadelta([p], rho=1.5), ValueError, "rho"),
        (lambda p: optim.Adadelta([p], weight_decay=-1), ValueError, "weight_decay"),
    ],
)
def test_bad_arguments(make, kind, message):
    with pytest.raises(kind, match=message):
        make(rg.tensor([1.0], requires_grad=True))


def test_a_bad_setting_changes_nothing():
    a, b = (rg.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([{"params": a}, {"params": b}], lr=0.1)
    (a + b).sum().backward()
    group, before = optimizer.param_groups[1], dict(optimizer.param_groups[1])
    with pytest.raises(ValueError, match=r"lr must be .*, got nan"):
        group["lr"] = float("nan")
    with pytest.raises(ValueError, match=r"eps must be .*, got -1.0"):
        group.update(lr=0.5, eps=-1.0)
    with pytest.raises(TypeError, match=r"betas must be two numbers, got 0\.9"):
        group["betas"] = 0.9
    for remove in (lambda: group.pop("lr"), lambda: group.pop("params"), group.clear):
        with pytest.raises(ValueError, match=r"needs its (lr|params)"):
            remove()
    assert group == before
    rate = rg.tensor(0.5)
    group["lr"] = rate
    rate.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"lr must be .*, got tensor\(nan"):
        optimizer.step()
    assert (a.item(), b.item(), len(optimizer.state)) == (1.0, 1.0, 0)


def test_numbers_of_other_kinds_are_settings():
    a = rg.tensor([1.0], requires_grad=True)
    a.sum().backward()
    for lr in (np.float32(0.25), np.float64(0.25), rg.tensor(0.25), 0):
        optim.SGD([a], lr=lr).step()
    assert a.item() == 0.25


def test_leaves_that_require_no_gradient_are_accepted():
    a, b = rg.tensor([1.0], requires_grad=True), rg.tensor([1.0])
    optimizer = optim.Adam([a, b, rg.zeros(0), rg.tensor([1])], lr=0.1)
    a.sum().backward()
    optimizer.step()
    assert a.item() < b.item() == 1.0
    assert list(optimizer.state) == [a]
    b.grad = rg.ones(1)
    optimizer.step()
    assert (optimizer.state[a]["step"], optimizer.state[b]["step"]) == (2, 1)


def test_parameters_of_no_dimension_and_of_no_element():
    a, b = rg.tensor(1.0, requires_grad=True), rg.zeros(0, 3, requires_grad=True)
    optimizer = optim.RMSprop([a, b], lr=0.1, momentum=0.5, centered=True)
    (a + b.sum()).backward()
    optimizer.step()
    assert a.item() < 1.0
    assert optimizer.state[b]["grad_avg"].shape == (0, 3)


def test_gradients_of_any_strides():
    a, b = (rg.tensor(np.ones((2, 3)), requires_grad=True) for _ in range(2))
    g = np.arange(6.0).reshape(2, 3)
    a.grad, b.grad = rg.tensor(g), rg.tensor(g.T.copy()).T
    optim.Adagrad([a, b], lr=0.1).step()
    assert a.tolist() == b.tolist()


def test_settings_can_change_between_steps():
    a = rg.tensor([1.0], requires_grad=True)
    a.sum().backward()
    optimizer = optim.SGD([a], lr=0.5)
    optimizer.step()
    optimizer.param_groups[0].update(lr=0.25, momentum=0.5)
    optimizer.step()
    optimizer.step()
    assert a.item() == 0.5 - 0.25 - 0.375
    adam = optim.Adam([a], lr=0.0)
    adam.step()
    adam.param_groups[0]["amsgrad"] = True
    adam.step()
    assert set(adam.state[a]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    adam.param_groups[0]["amsgrad"] = False
    adam.load_state_dict(adam.state_dict())


def test_an_l1_penalty_in_the_loss():
    w = rg.tensor([2.0, -0.5, 0.0], dtype="float64", requires_grad=True)
    (0.1 * sum(p.abs().sum() for p in [w])).backward()
    optim.SGD([w], lr=1.0).step()
    np.testing.assert_allclose(w.tolist(), [1.9, -0.4, 0.0], rtol=1e-15)


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
