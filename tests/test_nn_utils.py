"""Limits on gradients, and parameters as one vector."""

import math

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn
from rgrad.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)


def parameters_with_gradients(rng, dtype="float64") -> tuple[list[nn.Parameter], list[np.ndarray]]:
    grads = [rng.standard_normal(shape).astype(dtype) for shape in ((4, 3), (4,), (), (2, 1, 5))]
    parameters = [nn.Parameter(np.zeros_like(g)) for g in grads]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = rg.tensor(g)
    return [*parameters, nn.Parameter([1.0])], grads


@pytest.mark.parametrize("p", [1, 2.0, 3.5, 0.5, math.inf])
def test_the_norm_is_that_of_one_long_vector(rng, p):
    parameters, grads = parameters_with_gradients(rng)
    flat = np.concatenate([g.ravel() for g in grads])
    expected = np.abs(flat).max() if p == math.inf else (np.abs(flat) ** p).sum() ** (1 / p)
    assert abs(get_total_norm([rg.tensor(g) for g in grads], p).item() / expected - 1) < 1e-13
    total = clip_grad_norm_(parameters, 0.25, p)
    assert total.shape == ()
    assert abs(total.item() / expected - 1) < 1e-13
    for parameter, g in zip(parameters[:-1], grads, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), g * 0.25 / (expected + 1e-6), rtol=1e-12)
    assert parameters[-1].grad is None


def test_small_gradients_are_left_alone(rng):
    parameters, grads = parameters_with_gradients(rng)
    clip_grad_norm_(iter(parameters), 1e3)
    for parameter, g in zip(parameters[:-1], grads, strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), g)
    one = parameters[0]
    clip_grad_norm_(one, 0.5)
    assert abs(np.linalg.norm(one.grad.numpy()) - 0.5) < 1e-6
    clip_grads_with_norm_(one, 0.5, rg.tensor(1.0))
    assert abs(np.linalg.norm(one.grad.numpy()) - 0.25) < 1e-5


def test_norms_neither_overflow_nor_vanish():
    for scale in (1e30, 1e-30):
        total = get_total_norm([rg.full((4,), scale), rg.full((3, 4), scale)])
        assert abs(total.item() / (4 * scale) - 1) < 1e-6
    assert get_total_norm(rg.full((4,), 1e200, dtype="float64"), 3).item() == pytest.approx(4 ** (1 / 3) * 1e200)
    assert get_total_norm([]).item() == 0.0
    assert get_total_norm([rg.zeros(3), rg.zeros(0)]).item() == 0.0
    assert clip_grad_norm_([nn.Parameter([1.0])], 1.0).item() == 0.0
    assert get_total_norm([rg.ones(2), rg.ones(2, dtype="float64")]).dtype == rg.float64


def test_norms_that_are_not_finite():
    p = nn.Parameter([1.0, 2.0])
    for bad in (math.nan, math.inf):
        p.grad = rg.tensor([3.0, bad])
        with pytest.raises(RuntimeError, match=f"order 2 of the gradients is {bad}"):
            clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
        np.testing.assert_array_equal(p.grad.numpy(), np.float32([3.0, bad]))
        assert str(clip_grad_norm_(p, 1.0).item()) == str(bad)
        assert math.isnan(p.grad[1].item())


def test_clipping_values(rng):
    parameters, grads = parameters_with_gradients(rng, "float32")
    clip_grad_value_(parameters, 0.5)
    for parameter, g in zip(parameters[:-1], grads, strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), np.clip(g, -0.5, 0.5))


def test_limits_that_make_no_sense():
    p = nn.Parameter([1.0])
    p.grad = rg.ones(1)
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match="max_norm"):
            clip_grad_norm_(p, bad)
        with pytest.raises(ValueError, match="clip_value"):
            clip_grad_value_(p, bad)
        with pytest.raises(ValueError, match="order"):
            clip_grad_norm_(p, 1.0, norm_type=bad)
    with pytest.raises(TypeError, match="float at 1"):
        clip_grad_norm_([p, 1.0], 1.0)
    assert p.grad.item() == 1.0


def test_parameters_as_a_vector_and_back(rng):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, bias=False))
    vector = parameters_to_vector(model.parameters())
    flat = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    np.testing.assert_array_equal(vector.detach().numpy(), flat)
    vector.square().sum().backward()
    np.testing.assert_array_equal(model[0].bias.grad.numpy(), 2 * model[0].bias.detach().numpy())
    new = rng.standard_normal(flat.size).astype(np.float32)
    weight = model[0].weight
    vector_to_parameters(rg.tensor(new), model.parameters())
    assert model[0].weight is weight
    np.testing.assert_array_equal(parameters_to_vector(model.parameters()).detach().numpy(), new)
    for shape in ((23,), (25,), (4, 6)):
        with pytest.raises(ValueError, match=r"3 parameters need shape \(24,\)"):
            vector_to_parameters(rg.zeros(shape), model.parameters())
    np.testing.assert_array_equal(parameters_to_vector(model.parameters()).detach().numpy(), new)
