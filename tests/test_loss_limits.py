"""Losses where inputs are infinite, huge, 0 or 1: exact limits, in every mode; and targets that are none."""

import math

import numpy as np
import pytest

import rgrad as rg
from rgrad.nn import functional as F

INF, NAN = math.inf, math.nan


def times(a: float, b: float) -> float:
    """The limit of a product: 0 has won already."""
    return 0.0 if a == 0 else a * b


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def limited_log(p: float) -> float:
    return max(math.log(p), -100.0) if p else -100.0


LOGITS = [-INF, -1e30, -800.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0, 1e30, INF]
PROBABILITIES = [0.0, 0.25, 1.0]
SIGNS = [1.0, -1.0]

# The loss, its value and its derivative to the input, for which inputs and targets.
LOSSES = {
    "binary_cross_entropy_with_logits": (
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"),
        lambda x, t: times(t, softplus(-x)) + times(1 - t, softplus(x)),
        lambda x, t: (1 - t) * sigmoid(x) - t * sigmoid(-x),
        LOGITS,
        PROBABILITIES,
    ),
    "binary_cross_entropy_with_logits, weighted": (
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=rg.tensor(3.0)),
        lambda x, t: times(3 * t, softplus(-x)) + times(1 - t, softplus(x)),
        lambda x, t: (1 - t) * sigmoid(x) - 3 * t * sigmoid(-x),
        LOGITS,
        PROBABILITIES,
    ),
    "binary_cross_entropy": (
        lambda p, t: F.binary_cross_entropy(p, t, reduction="none"),
        lambda p, t: -t * limited_log(p) - (1 - t) * limited_log(1 - p),
        lambda p, t: (p - t) / max(p * (1 - p), 1e-12),
        PROBABILITIES,
        PROBABILITIES,
    ),
    "kl_div": (
        lambda x, t: F.kl_div(x, t, reduction="none"),
        lambda x, t: times(t, math.log(t) - x if t else 0.0),
        lambda x, t: -t,
        [-INF, -1e30, -1.0, 0.0],
        PROBABILITIES,
    ),
    "soft_margin_loss": (
        lambda x, t: F.soft_margin_loss(x, t, reduction="none"),
        lambda x, t: softplus(-t * x),
        lambda x, t: -t * sigmoid(-t * x),
        LOGITS,
        SIGNS,
    ),
    "hinge_embedding_loss": (
        lambda x, t: F.hinge_embedding_loss(x, t, reduction="none"),
        lambda x, t: x if t == 1 else max(0.0, 1 - x),
        lambda x, t: 1.0 if t == 1 else -float(x <= 1),
        LOGITS,
        SIGNS,
    ),
    "margin_ranking_loss": (
        lambda x, t: F.margin_ranking_loss(x, rg.zeros_like(x), t, 0.5, reduction="none"),
        lambda x, t: max(0.0, 0.5 - t * x),
        lambda x, t: -t * float(0.5 - t * x >= 0),
        LOGITS,
        SIGNS,
    ),
    "l1_loss": (
        lambda x, t: F.l1_loss(x, t, "none"),
        lambda x, t: abs(x - t),
        lambda x, t: np.sign(x - t),
        LOGITS,
        [0.5],
    ),
    "smooth_l1_loss": (
        lambda x, t: F.smooth_l1_loss(x, t, "none", 2.0),
        lambda x, t: (x - t) ** 2 / 4 if abs(x - t) < 2 else abs(x - t) - 1,
        lambda x, t: max(-1.0, min((x - t) / 2, 1.0)),
        LOGITS,
        [0.5],
    ),
    "huber_loss": (
        lambda x, t: F.huber_loss(x, t, "none", 2.0),
        lambda x, t: (x - t) ** 2 / 2 if abs(x - t) < 2 else 2 * (abs(x - t) - 1),
        lambda x, t: max(-2.0, min(x - t, 2.0)),
        LOGITS,
        [0.5],
    ),
    "mse_loss": (
        lambda x, t: F.mse_loss(x, t, "none"),
        lambda x, t: (x - t) * (x - t),
        lambda x, t: 2 * (x - t),
        LOGITS,
        [0.5],
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_slopes_are_the_limits(name, dtype):
    loss, value, slope, inputs, targets = LOSSES[name]
    pairs = [(x, t) for x in inputs for t in targets]
    x, t = (rg.tensor([p[i] for p in pairs], dtype=dtype) for i in (0, 1))
    if dtype == "float32":
        with np.errstate(over="ignore"):
            values = np.array([value(*p) for p in pairs]).astype(np.float32)
    else:
        values = np.array([value(*p) for p in pairs])
    rtol = 1e-5 if dtype == "float32" else 1e-12
    y, pull = rg.vjp(lambda x: loss(x, t), x)
    np.testing.assert_allclose(y.numpy(), values, rtol=rtol, atol=0 if dtype == "float64" else 1e-37)
    slopes = np.array([slope(*p) for p in pairs])
    reverse = pull(rg.ones_like(y))[0]
    np.testing.assert_allclose(reverse.numpy(), slopes, rtol=rtol, atol=1e-37)
    _, forward = rg.jvp(lambda x: loss(x, t), [x], [rg.ones_like(x)])
    np.testing.assert_allclose(forward.numpy(), slopes, rtol=rtol, atol=1e-37)
    compiled = rg.compile(lambda x, t: (loss(x, t), rg.grad(lambda x: loss(x, t).sum())(x)))
    for _ in range(2):
        for got, eager in zip(compiled(x, t), (y, reverse), strict=True):
            np.testing.assert_array_equal(got.numpy(), eager.numpy())


def test_logits_have_curvature_and_a_slope_at_zero():
    x = rg.tensor([0.0, 2.0], dtype="float64")
    loss = lambda x: F.binary_cross_entropy_with_logits(x, rg.tensor([1.0, 0.0], dtype="float64"), reduction="sum")  # noqa: E731
    s = [0.5, sigmoid(2.0)]
    np.testing.assert_allclose(rg.grad(loss)(x).numpy(), [-0.5, s[1]], rtol=1e-14)
    np.testing.assert_allclose(rg.hessian(loss)(x).numpy(), np.diag([v * (1 - v) for v in s]), rtol=1e-14)


def test_classes_that_cannot_be_have_no_say():
    x = [[-INF, 0.0, 1.0], [2.0, -INF, -INF]]
    p1 = 1 / (1 + math.e)
    for target in (rg.tensor([1, 0]), rg.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype="float64")):
        logits = rg.tensor(x, dtype="float64", requires_grad=True)
        loss = F.cross_entropy(logits, target, reduction="none")
        np.testing.assert_allclose(loss.detach().numpy(), [-math.log(p1), 0.0], rtol=1e-14)
        loss.sum().backward()
        np.testing.assert_allclose(logits.grad.numpy(), [[0.0, p1 - 1, 1 - p1], [0.0, 0.0, 0.0]], atol=1e-15)
    impossible = F.cross_entropy(rg.tensor(x), rg.tensor([0, 1]), reduction="none")
    assert impossible.tolist() == [INF, INF]


WRONG_TARGETS = {
    "binary_cross_entropy": (
        lambda t: F.binary_cross_entropy(rg.full((2, 2), 0.9), t),
        [7.0, -0.5, INF],
        "from 0 to 1",
    ),
    "kl_div": (lambda t: F.kl_div(rg.zeros(2, 2), t), [-0.5, -INF], "of at least 0"),
    "hinge_embedding_loss": (lambda t: F.hinge_embedding_loss(rg.zeros(2, 2), t), [0.0, 2.0, 0.5], "1 and -1"),
    "soft_margin_loss": (lambda t: F.soft_margin_loss(rg.zeros(2, 2), t), [0.0], "1 and -1"),
    "margin_ranking_loss": (
        lambda t: F.margin_ranking_loss(rg.zeros(2, 2), rg.ones(2, 2), t),
        [2.0, 0.5],
        "1 and -1, or 0 for a tie",
    ),
}


@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_targets_that_are_none_are_named(name):
    loss, wrong, expected = WRONG_TARGETS[name]
    compiled = rg.compile(loss)
    right = rg.ones(2, 2)
    assert compiled(right).item() == loss(right).item()
    for t in wrong:
        targets = rg.ones(2, 2)
        targets[1, 0] = t
        # Also at a later call of what was recorded with right ones.
        for call in (loss, compiled):
            for x in (targets, targets.T.contiguous().T):
                with pytest.raises(ValueError, match=rf"{name}: expected targets {expected}.*, got {t:g} at \(1, 0\)"):
                    call(x)
    assert compiled(right).item() == loss(right).item()
    # What is unknown may be masked afterwards.
    assert math.isnan(loss(rg.tensor([[NAN, 1.0], [1.0, 1.0]])).item())


def test_integer_targets_are_looked_at_too():
    with pytest.raises(ValueError, match=r"1 and -1, not labels 0 and 1.*, got 0 at \(2,\)"):
        F.soft_margin_loss(rg.zeros(3), rg.tensor([1, -1, 0]))
    assert F.margin_ranking_loss(rg.zeros(2), rg.ones(2), rg.tensor([0, 1]), 0.5, "none").tolist() == [0.5, 1.5]
    with pytest.raises(ValueError, match=r"got 7 at \(\)"):
        F.binary_cross_entropy(rg.tensor(0.5), rg.tensor(7.0))
    big = rg.zeros(5000)
    big[4321] = 1.5
    with pytest.raises(ValueError, match=r"got 1.5 at \(4321,\)"):
        F.binary_cross_entropy(rg.full((5000,), 0.5), big)


def test_logits_take_targets_beyond_0_and_1():
    loss = F.binary_cross_entropy_with_logits(rg.tensor([2.0]), rg.tensor([1.5]))
    assert loss.item() == pytest.approx(softplus(2.0) - 3.0, rel=1e-6)


def test_masked_targets_that_are_unknown():
    p = rg.tensor([0.2, 0.7, 0.9], requires_grad=True)
    t = rg.tensor([0.0, NAN, 1.0])
    loss = F.binary_cross_entropy(p, t, reduction="none")
    loss[~rg.isnan(t)].mean().backward()
    np.testing.assert_allclose(p.grad.numpy(), [0.5 / 0.8, 0.0, -0.5 / 0.9], rtol=1e-6)
