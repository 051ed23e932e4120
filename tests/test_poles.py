"""What was not selected has no gradient, however steep or undefined its function is there."""

import math

import pytest

import rgrad as rg

INF, NAN = math.inf, math.nan

# A function, and where its value or slope is infinite or NaN.
POLES = {
    "log": (rg.log, 0.0),
    "log below 0": (rg.log, -1.0),
    "log2": (rg.log2, 0.0),
    "log10": (rg.log10, 0.0),
    "log1p": (rg.log1p, -1.0),
    "sqrt": (rg.sqrt, 0.0),
    "sqrt below 0": (rg.sqrt, -1.0),
    "rsqrt": (rg.rsqrt, 0.0),
    "reciprocal": (rg.reciprocal, 0.0),
    "exp": (rg.exp, 1000.0),
    "exp2": (rg.exp2, 2000.0),
    "expm1": (rg.expm1, 1000.0),
    "sinh": (rg.sinh, 1000.0),
    "cosh": (rg.cosh, 1000.0),
    "sin": (rg.sin, INF),
    "cos": (rg.cos, INF),
    "tan": (rg.tan, INF),
    "asin": (rg.asin, 1.0),
    "acos": (rg.acos, -1.0),
    "atan": (rg.atan, NAN),
    "acosh": (rg.acosh, 1.0),
    "acosh below 1": (rg.acosh, 0.0),
    "asinh": (rg.asinh, NAN),
    "atanh": (rg.atanh, 1.0),
    "erf": (rg.erf, NAN),
    "erfc": (rg.erfc, NAN),
    "erfinv": (rg.erfinv, 1.0),
    "logit": (rg.logit, 0.0),
    "logit at 1": (rg.logit, 1.0),
    "tanh": (rg.tanh, NAN),
    "sigmoid": (rg.sigmoid, NAN),
    "softplus": (rg.softplus, NAN),
    "logsigmoid": (rg.logsigmoid, NAN),
    "abs": (rg.abs, NAN),
    "square": (rg.square, INF),
    "power": (lambda x: x**-1.5, 0.0),
    "root": (lambda x: x**0.5, 0.0),
    "base": (lambda x: 0.0**x, -1.0),
    "product": (lambda x: x * INF, 0.0),
    "dividend": (lambda x: x / 0.0, 0.0),
    "divisor": (lambda x: 1.0 / x, 0.0),
    "remainder": (lambda x: 1.0 % x, 0.0),
    "fmod": (lambda x: rg.fmod(1.0, x), 0.0),
    "hypot": (lambda x: rg.hypot(x, x), INF),
    "atan2": (lambda x: rg.atan2(x, x), NAN),
    "logaddexp": (lambda x: rg.logaddexp(x, 0.0), NAN),
    "xlogy": (lambda x: rg.xlogy(2.0, x), 0.0),
    "chain": (lambda x: rg.log(rg.sqrt(x)), 0.0),
    "chain of three": (lambda x: rg.reciprocal(rg.exp(1 / x) - rg.sqrt(-x)), 0.0),
}


@pytest.mark.parametrize("name", POLES)
def test_no_gradient_of_any_order_behind_a_choice(name):
    function, pole = POLES[name]
    x = rg.tensor([pole, pole], dtype=rg.float64, requires_grad=True)
    masked = rg.where(rg.tensor([False, False]), function(x), 0.0)
    (g,) = rg.autograd.grad(masked.sum(), x, create_graph=True)
    assert g.tolist() == [0.0, 0.0]
    # Linear functions have no higher derivatives.
    for _ in range(2):
        if g is None or not g.requires_grad:
            break
        (g,) = rg.autograd.grad(g.sum(), x, create_graph=True, allow_unused=True)
        assert g is None or g.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", POLES)
def test_a_constant_has_no_tangent_behind_a_pole(name):
    function, pole = POLES[name]
    x = rg.tensor([pole], dtype=rg.float64)
    _, tangent = rg.jvp(function, [x], [rg.zeros_like(x)])
    assert tangent.tolist() == [0.0]


def test_steep_slopes_behind_clamp_relu_and_maximum():
    for limit in (lambda x: rg.clamp(x, min=0.0), rg.relu, lambda x: rg.maximum(x, 0.0), lambda x: rg.clamp_min(x, 0)):
        x = rg.tensor([-1.0, 4.0], requires_grad=True)
        rg.sqrt(limit(x)).sum().backward()
        assert x.grad.tolist() == [0.0, 0.25]


def test_a_gradient_that_is_nan_stays_nan():
    for function in (rg.exp, rg.log, rg.tanh, rg.square, lambda x: x * 3, lambda x: x / 3, lambda x: x**3):
        x = rg.tensor([1.5], requires_grad=True)
        y = function(x)
        y.backward(rg.tensor([NAN]))
        assert math.isnan(x.grad.item())


def test_a_weight_of_zero_has_derivatives_all_the_same():
    # Choosing 0 would be flat around 0; the rules are linear in the gradient instead.
    w = rg.tensor(0.0, dtype=rg.float64, requires_grad=True)
    x = rg.tensor(2.0, dtype=rg.float64, requires_grad=True)
    (g,) = rg.autograd.grad(w * rg.log(x), x, create_graph=True)
    (second,) = rg.autograd.grad(g, x, create_graph=True)
    (third,) = rg.autograd.grad(second, w)
    assert third.item() == -0.25


# ---- NaN wins ----

NAN_WINS = {
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "amax": lambda x: rg.amax(x),
    "amin": lambda x: rg.amin(x),
    "max along": lambda x: x.max(0).values,
    "min along": lambda x: x.min(0).values,
    "amax along": lambda x: rg.amax(x, 0),
    "infinity norm": lambda x: rg.where(rg.isnan(x), x, rg.abs(x)).amax(),
    "sort": lambda x: rg.sort(x).values[-1],
    "topk": lambda x: rg.topk(x, 1).values[0],
}


@pytest.mark.parametrize("name", NAN_WINS)
def test_the_gradient_goes_to_the_nan_that_won(name):
    function = NAN_WINS[name]
    x = rg.tensor([1.0, NAN, 3.0], dtype=rg.float64)
    assert rg.grad(function)(x).tolist() == [0.0, 1.0, 0.0]
    assert rg.jacfwd(function)(x).tolist() == [0.0, 1.0, 0.0]
    compiled = rg.compile(rg.grad(function))
    assert [compiled(x).tolist() for _ in range(2)] == [[0.0, 1.0, 0.0]] * 2
    # The same program where none is NaN.
    assert compiled(rg.tensor([1.0, 5.0, 3.0], dtype=rg.float64)).sum().item() == 1.0


def test_several_nan_share_the_gradient():
    x = rg.tensor([NAN, 2.0, NAN, 7.0])
    for function in (rg.amax, rg.amin):
        assert rg.grad(function)(x).tolist() == [0.5, 0.0, 0.5, 0.0]
        assert rg.jacfwd(function)(x).tolist() == [0.5, 0.0, 0.5, 0.0]


def test_the_larger_of_a_number_and_nan():
    a, b = rg.tensor([NAN, 1.0, NAN, 2.0, 2.0, 1.0]), rg.tensor([1.0, NAN, NAN, 2.0, 1.0, 2.0])
    shares = {rg.maximum: [1.0, 0.0, 0.5, 0.5, 1.0, 0.0], rg.minimum: [1.0, 0.0, 0.5, 0.5, 0.0, 1.0]}
    for function, share in shares.items():
        ga, gb = rg.grad(lambda a, b, f=function: f(a, b).sum(), argnums=(0, 1))(a, b)
        assert (ga.tolist(), gb.tolist()) == (share, [1.0 - s for s in share])
        _, tangent = rg.jvp(function, [a, b], [rg.ones(6), rg.zeros(6)])
        assert tangent.tolist() == share


# ---- Norms at 0 ----


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, INF])
def test_a_norm_has_no_derivatives_at_0(p):
    zero = rg.zeros(3, dtype=rg.float64)
    norm = lambda x: rg.norm(x, p)  # noqa: E731
    for first in (rg.jacrev(norm), rg.jacfwd(norm)):
        assert first(zero).tolist() == [0.0] * 3
    for second in (rg.jacrev(rg.jacrev(norm)), rg.jacfwd(rg.jacrev(norm)), rg.jacfwd(rg.jacfwd(norm))):
        assert not second(zero).any().item()


# ---- Where 0 · ∞ is named ----


def test_anomalies_name_where_a_product_of_zero_and_infinity_is_made():
    weight = rg.tensor([[INF]], requires_grad=True)
    with rg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match=r"`matmul` made the .*test_poles\.py"):
        rg.zeros(1, 1) @ weight
    x = rg.tensor([[1.0]], requires_grad=True)
    with rg.autograd.detect_anomaly():
        y = (x @ rg.tensor([[INF]])) * 0.5
        with pytest.raises(RuntimeError, match=r"derivative of `matmul` .*test_poles\.py"):
            y.backward(rg.zeros(1, 1))
    with rg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match=r"NaN.*test_poles\.py"):
        rg.jvp(lambda x: x @ rg.tensor([[INF]]), [rg.ones(1, 1)], [rg.zeros(1, 1)])
