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
