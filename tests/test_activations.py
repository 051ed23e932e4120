"""Activations: kinks, saturation and bad input, and the modules."""

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn
from rgrad.nn import functional as F

pytestmark = pytest.mark.every_isa

# Derivatives at the kinks, which are PyTorch's.
KINKS = [
    (F.relu6, 0.0, 0.0),
    (F.relu6, 6.0, 0.0),
    (lambda x: F.leaky_relu(x, 0.25), 0.0, 0.25),
    (lambda x: F.elu(x, 0.5), 0.0, 0.5),
    (lambda x: F.celu(x, 0.5), 0.0, 1.0),
    (F.hardtanh, -1.0, 0.0),
    (F.hardtanh, 1.0, 0.0),
    (F.hardsigmoid, -3.0, 0.0),
    (F.hardsigmoid, 3.0, 0.0),
    (F.hardswish, -3.0, 0.0),
    (F.hardswish, 3.0, 1.0),
    (F.softshrink, 0.5, 0.0),
    (F.softshrink, -0.5, 0.0),
    (F.hardshrink, 0.5, 0.0),
    (lambda x: F.threshold(x, 1.0, 9.0), 1.0, 0.0),
    (F.softsign, 0.0, 1.0),
]


@pytest.mark.parametrize("i", range(len(KINKS)))
def test_derivatives_at_kinks(i):
    function, at, slope = KINKS[i]
    x = rg.tensor(at, dtype="float64", requires_grad=True)
    function(x).backward()
    assert x.grad.item() == pytest.approx(slope)


# Values and derivatives far from 0, on the left and on the right.
FAR = {
    "softplus": (0.0, 0.0, 1000.0, 1.0),
    "elu": (-1.0, 0.0, 1000.0, 1.0),
    "celu": (-1.0, 0.0, 1000.0, 1.0),
    "gelu": (0.0, 0.0, 1000.0, 1.0),
    "mish": (0.0, 0.0, 1000.0, 1.0),
    "silu": (0.0, 0.0, 1000.0, 1.0),
    "logsigmoid": (-1000.0, 1.0, 0.0, 0.0),
    "hardswish": (0.0, 0.0, 1000.0, 1.0),
    "tanhshrink": (-999.0, 1.0, 999.0, 1.0),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(FAR))
def test_far_from_zero(name, dtype):
    x = rg.tensor([-1000.0, 1000.0], dtype=dtype, requires_grad=True)
    y = getattr(F, name)(x)
    y.sum().backward()
    left, slope_left, right, slope_right = FAR[name]
    np.testing.assert_allclose(y.detach().numpy(), [left, right], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(x.grad.numpy(), [slope_left, slope_right], rtol=1e-6, atol=1e-30)


# What +∞ becomes.
LIMITS = {"elu": np.inf, "selu": np.inf, "celu": np.inf, "softplus": np.inf, "hardswish": np.inf}
LIMITS |= {"relu6": 6.0, "hardtanh": 1.0, "hardsigmoid": 1.0}


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_infinities_and_nan(name):
    x = rg.tensor([np.inf, np.nan], requires_grad=True)
    y = getattr(F, name)(x)
    assert y[0].item() == LIMITS[name]
    assert np.isnan(y[1].item())
    y[0].backward()
    assert np.isfinite(x.grad[0].item())


def test_softplus_is_linear_above_the_threshold():
    x = rg.tensor([1.0, 3.0], dtype="float64", requires_grad=True)
    y = F.softplus(x, threshold=2.0)
    assert y.tolist() == [np.log1p(np.exp(1.0)), 3.0]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1 / (1 + np.exp(-1.0)), 1.0], rtol=1e-14)
    assert F.softplus(rg.tensor(30.0, dtype="float64")).item() == 30.0


def test_integers_become_floats():
    for function in (F.relu6, F.leaky_relu, F.elu, F.silu, F.hardswish, F.softshrink, F.softplus):
        y = function(rg.tensor([-2, 0, 2]))
        np.testing.assert_array_equal(y.numpy(), function(rg.tensor([-2.0, 0.0, 2.0])).numpy())
        assert y.dtype == rg.float32
        assert function(rg.zeros(0, 3)).shape == (0, 3)


def test_refusals():
    x = rg.zeros(2, 3)
    with pytest.raises(ValueError, match=r"3 channels .* \(2,\)"):
        F.prelu(x, rg.ones(2))
    with pytest.raises(ValueError, match="min_val 2 is above max_val 1"):
        F.hardtanh(x, 2.0, 1.0)
    with pytest.raises(ValueError, match="min_val must be below"):
        nn.Hardtanh(1.0, 1.0)
    with pytest.raises(ValueError, match="-1"):
        F.softshrink(x, -1.0)
    with pytest.raises(ValueError, match="alpha"):
        F.celu(x, 0.0)
    with pytest.raises(ValueError, match="beta"):
        F.softplus(x, 0.0)
    for gelu in (lambda: F.gelu(x, "erf"), lambda: nn.GELU("erf")):
        with pytest.raises(ValueError, match='approximate must be "none" or "tanh"'):
            gelu()
    with pytest.raises(ValueError, match="num_parameters"):
        nn.PReLU(0)
    with pytest.raises(IndexError, match="-2 to 1"):
        F.softmin(x, 2)


MODULES = [
    (nn.ReLU(inplace=True), F.relu, "ReLU(inplace=True)"),
    (nn.ReLU6(), F.relu6, "ReLU6()"),
    (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2), "LeakyReLU(negative_slope=0.2)"),
    (nn.ELU(0.5), lambda x: F.elu(x, 0.5), "ELU(alpha=0.5)"),
    (nn.SELU(), F.selu, "SELU()"),
    (nn.CELU(0.5), lambda x: F.celu(x, 0.5), "CELU(alpha=0.5)"),
    (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh"), "GELU(approximate='tanh')"),
    (nn.SiLU(), F.silu, "SiLU()"),
    (nn.Mish(), F.mish, "Mish()"),
    (nn.Softplus(2.0, 1.0), lambda x: F.softplus(x, 2.0, 1.0), "Softplus(beta=2.0, threshold=1.0)"),
    (nn.Softsign(), F.softsign, "Softsign()"),
    (nn.Sigmoid(), F.sigmoid, "Sigmoid()"),
    (nn.Tanh(), F.tanh, "Tanh()"),
    (nn.Hardtanh(-0.5, 0.7), lambda x: F.hardtanh(x, -0.5, 0.7), "Hardtanh(min_val=-0.5, max_val=0.7)"),
    (nn.Hardsigmoid(), F.hardsigmoid, "Hardsigmoid()"),
    (nn.Hardswish(), F.hardswish, "Hardswish()"),
    (nn.LogSigmoid(), F.logsigmoid, "LogSigmoid()"),
    (nn.Tanhshrink(), F.tanhshrink, "Tanhshrink()"),
    (nn.Softshrink(0.3), lambda x: F.softshrink(x, 0.3), "Softshrink(0.3)"),
    (nn.Hardshrink(0.3), lambda x: F.hardshrink(x, 0.3), "Hardshrink(0.3)"),
    (nn.Threshold(0.1, 20.0), lambda x: F.threshold(x, 0.1, 20.0), "Threshold(threshold=0.1, value=20.0)"),
    (nn.Softmax(dim=0), lambda x: F.softmax(x, 0), "Softmax(dim=0)"),
    (nn.LogSoftmax(dim=1), lambda x: F.log_softmax(x, 1), "LogSoftmax(dim=1)"),
    (nn.Softmin(), lambda x: F.softmin(x, -1), "Softmin(dim=-1)"),
]


@pytest.mark.parametrize("i", range(len(MODULES)))
def test_modules_are_the_functions(i):
    module, function, text = MODULES[i]
    x = rg.tensor(np.linspace(-4, 4, 12).reshape(3, 4))
    before = x.numpy().copy()
    np.testing.assert_array_equal(module(x).numpy(), function(x).numpy())
    np.testing.assert_array_equal(x.numpy(), before)
    assert repr(module) == text


def test_prelu_learns_its_slopes():
    layer = nn.PReLU(3, init=0.5)
    assert layer.weight.tolist() == [0.5] * 3
    x = rg.tensor([[-1.0, 2.0, -3.0], [-2.0, -1.0, 0.0]])
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [-3.0, -1.0, -3.0]
    layer.weight.detach().zero_()
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.5] * 3
    assert list(layer.state_dict()) == ["weight"]
    assert repr(layer) == "PReLU(num_parameters=3)"


def test_a_python_number_becomes_the_default_dtype():
    for name in ("relu6", "silu", "gelu", "elu"):
        assert getattr(F, name)(1.5).dtype == rg.float32
