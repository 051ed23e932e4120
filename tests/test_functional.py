"""Normalisation, borders and one-hot labels: running statistics, vectors of zeros, bad input, and the modules."""

import copy

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

import rgrad as rg
from rgrad import nn
from rgrad.nn import functional as F
from rgrad.testing import gradcheck


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5)])
def test_batch_norm_keeps_running_statistics(shape, rng):
    layer = nn.BatchNorm1d(3, momentum=0.25, dtype="float64")
    mean, var, axes = np.zeros(3), np.ones(3), (0, 2) if len(shape) == 3 else 0
    for _ in range(3):
        x = rng.standard_normal(shape) * 3 + 1
        y = layer(rg.tensor(x))
        mean = 0.75 * mean + 0.25 * x.mean(axes)
        # The running variance has n − 1 in its denominator, the one that divides the batch has n.
        var = 0.75 * var + 0.25 * x.var(axes, ddof=1)
        np.testing.assert_allclose(y.detach().numpy().mean(axes), 0, atol=1e-14)
        np.testing.assert_allclose(y.detach().numpy().var(axes), 1, rtol=1e-4)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-13)
    assert layer.num_batches_tracked.item() == 3
    before = {k: v.numpy().copy() for k, v in layer.state_dict().items()}
    x = rng.standard_normal(shape)
    wide = (slice(None), None) if len(shape) == 3 else slice(None)
    expected = (x - mean[wide]) / np.sqrt(var[wide] + 1e-5)
    np.testing.assert_allclose(layer.eval()(rg.tensor(x)).detach().numpy(), expected, rtol=1e-12)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_batch_norm_without_momentum_averages_all_batches(rng):
    layer = nn.BatchNorm1d(2, momentum=None, dtype="float64")
    batches = rng.standard_normal((4, 5, 2))
    for x in batches:
        layer(rg.tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), batches.mean(1).mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), batches.var(1, ddof=1).mean(0), rtol=1e-12)
    layer.reset_running_stats()
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0, 0], [1, 1])
    assert layer.num_batches_tracked.item() == 0


def test_a_batch_that_is_refused_changes_nothing():
    layer = nn.BatchNorm1d(2)
    before = copy.deepcopy(layer.state_dict())
    for bad, message in [
        (rg.ones(1, 2), r"more than one value per channel .*\(1, 2\)"),
        (rg.ones(0, 2), "more than one value"),
        (rg.ones(4, 3), r"\(N, 2\).*\(4, 3\)"),
        (rg.ones(2), "got"),
    ]:
        with pytest.raises(ValueError, match=message):
            layer(bad)
    with pytest.raises(TypeError, match="int64"):
        layer(rg.ones(4, 2, dtype="int64"))
    for name, value in layer.state_dict().items():
        assert value.tolist() == before[name].tolist()
    assert layer.eval()(rg.ones(1, 2)).shape == (1, 2)
    assert layer.train()(rg.ones(1, 2, 2)).shape == (1, 2, 2)


def test_batch_norm_without_running_statistics():
    x = rg.tensor([[1.0], [3.0]])
    layer = nn.BatchNorm1d(1, affine=False, track_running_stats=False)
    assert list(layer.state_dict()) == []
    np.testing.assert_array_equal(layer(x).numpy(), layer.eval()(x).numpy())
    with pytest.raises(ValueError, match="training=True"):
        F.batch_norm(x, None, None)
    with pytest.raises(ValueError, match=r"running_mean must have shape \(1,\)"):
        F.batch_norm(x, rg.zeros(2), rg.ones(1))
    with pytest.raises(ValueError, match="num_features"):
        nn.BatchNorm1d(0)


def test_statistics_are_not_taped_and_evaluation_after_training_still_goes_back():
    layer = nn.BatchNorm1d(2)
    x = rg.randn(4, 2, requires_grad=True)
    y = layer.eval()(x)
    layer.train()(x)
    y.sum().backward()
    assert x.grad is not None
    assert not layer.running_mean.requires_grad
    # A layer may be called twice before going back.
    (layer(x).sum() + layer(x).square().sum()).backward()


def test_state_has_pytorch_names():
    keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(nn.BatchNorm1d(3).state_dict()) == keys
    assert list(nn.LayerNorm(3).state_dict()) == ["weight", "bias"]
    assert list(nn.LayerNorm(3, bias=False).state_dict()) == ["weight"]
    assert list(nn.RMSNorm(3).state_dict()) == ["weight"]
    text = "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    assert repr(nn.BatchNorm1d(3)) == text
    assert repr(nn.LayerNorm((2, 3))) == "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True)"
    assert repr(nn.RMSNorm(3)) == "RMSNorm((3,), eps=None, elementwise_affine=True)"
    assert nn.BatchNorm1d(3).double().running_var.dtype == rg.float64


def test_norm_layers_are_the_functions(rng):
    x = rg.tensor(rng.standard_normal((4, 2, 3)), dtype="float32")
    for layer, function in [
        (nn.LayerNorm((2, 3), eps=0.1), lambda w, b: F.layer_norm(x, (2, 3), w, b, 0.1)),
        (nn.RMSNorm(3), lambda w, b: F.rms_norm(x, (3,), w)),
    ]:
        with rg.no_grad():
            layer.weight.copy_(rg.rand(*layer.weight.shape))
        expected = function(layer.weight, getattr(layer, "bias", None))
        np.testing.assert_array_equal(layer(x).detach().numpy(), expected.detach().numpy())
        layer.reset_parameters()
        assert (layer.weight == 1).numpy().all()


def test_layer_norm_refuses_other_shapes():
    x = rg.ones(4, 3)
    for shape in ((4,), (2, 4, 3), (), (-1,)):
        for function in (F.layer_norm, F.rms_norm):
            with pytest.raises(ValueError, match=r"\(4, 3\) does not end with normalized_shape"):
                function(x, shape)
    with pytest.raises(ValueError, match=r"parameter has shape \(1,\)"):
        F.layer_norm(x, (3,), rg.ones(1))
    with pytest.raises(TypeError, match="int64"):
        F.layer_norm(rg.tensor([1, 2]), 2)
    assert F.layer_norm(rg.zeros(0, 3), 3).shape == (0, 3)


def test_equal_numbers_are_normalised_to_zero():
    x = rg.full((2, 3), 5.0, dtype="float64", requires_grad=True)
    y = F.layer_norm(x, 3)
    assert y.tolist() == [[0.0] * 3] * 2
    y[0, 0].backward()
    np.testing.assert_allclose(x.grad[0].numpy(), np.array([2, -1, -1]) / 3 / np.sqrt(1e-5), rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, np.inf])
def test_vectors_of_zeros_stay_zeros(p):
    x = rg.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    y = F.normalize(x, p)
    assert y[0].tolist() == [0.0, 0.0]
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_cosine_similarity_of_zeros():
    a, b = rg.zeros(2, 3, requires_grad=True), rg.ones(2, 3, requires_grad=True)
    y = F.cosine_similarity(a, b)
    assert y.tolist() == [0.0, 0.0]
    y.sum().backward()
    assert np.isfinite(a.grad.numpy()).all()
    assert np.isfinite(b.grad.numpy()).all()
    with pytest.raises(IndexError, match="-2 to 1"):
        F.cosine_similarity(a, b, dim=2)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2,\)"):
        F.cosine_similarity(a, rg.ones(2))


@hypothesis.given(
    shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), data=st.data(), value=st.floats(-2, 2)
)
def test_constant_borders(shape, data, value):
    widths = [(data.draw(st.integers(-(n // 2), 3)), data.draw(st.integers(-(n // 2), 3))) for n in shape]
    count = data.draw(st.integers(0, len(shape)))
    widths[: len(shape) - count] = [(0, 0)] * (len(shape) - count)
    x = np.random.default_rng(0).standard_normal(shape)
    cut = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(shape, widths, strict=True))]
    expected = np.pad(cut, [(max(a, 0), max(b, 0)) for a, b in widths], constant_values=value)
    pairs = [w for pair in reversed(widths[len(shape) - count :]) for w in pair]
    np.testing.assert_array_equal(F.pad(rg.tensor(x), pairs, value=value).numpy(), expected)


def test_borders_of_integers_and_refusals():
    x = rg.tensor([[1, 2, 3]])
    assert F.pad(x, (1, 0), value=7.0).tolist() == [[7, 1, 2, 3]]
    assert F.pad(x, (2, 2), mode="reflect").tolist() == [[3, 2, 1, 2, 3, 2, 1]]
    assert F.pad(x, (-1, 1), mode="circular").tolist() == [[2, 3, 1]]
    for widths, mode, message in [
        ((1,), "constant", "pair of widths"),
        ((1,) * 6, "constant", r"\(1, 3\), got 6"),
        ((-2, -2), "constant", "-2 and -2 do not fit dim 1 of size 3"),
        ((3, 0), "reflect", "reflect cannot make a border of 3 and 0"),
        ((4, 0), "circular", "circular cannot"),
        ((1, 1), "mirror", '"mirror"'),
    ]:
        with pytest.raises(ValueError, match=message):
            F.pad(x, widths, mode=mode)
    with pytest.raises(ValueError, match="value is for the mode constant"):
        F.pad(x, (1, 1), mode="reflect", value=1.0)
    with pytest.raises(ValueError, match="replicate"):
        F.pad(rg.zeros(0), (1, 0), mode="replicate")


def test_one_hot():
    y = F.one_hot(rg.tensor([[0, 2], [1, 1]], dtype="uint8"))
    assert y.dtype == rg.int64
    assert y.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert F.one_hot(rg.zeros(0, dtype="int64"), 3).shape == (0, 3)
    with pytest.raises(MemoryError):
        F.one_hot(rg.tensor([2**50]))
    with pytest.raises(ValueError, match="label 3 is out of range for 3 classes"):
        F.one_hot(rg.tensor([0, 3]), 3)
    with pytest.raises(ValueError, match="label -1"):
        F.one_hot(rg.tensor([0, -1]))
    with pytest.raises(ValueError, match="give num_classes"):
        F.one_hot(rg.zeros(0, dtype="int64"))
    with pytest.raises(ValueError, match="num_classes must be positive"):
        F.one_hot(rg.tensor([0]), 0)
    with pytest.raises(TypeError, match="float32"):
        F.one_hot(rg.tensor([0.0]))


def test_derivatives_of_a_network_with_norms(rng):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.0), nn.ELU(), nn.LayerNorm(4)).double()
    x = rg.tensor(rng.standard_normal((5, 3)), requires_grad=True)
    assert gradcheck(lambda x: model(x).square().sum() + (model(x) * 0.3).sum(), x)
