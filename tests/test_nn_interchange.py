"""Weights that other software saved, under PyTorch's names."""

from collections import OrderedDict

import numpy as np
import pytest
import safetensors.numpy

import rgrad as rg
from rgrad import nn


@pytest.fixture
def theirs(rng) -> dict[str, np.ndarray]:
    """The state_dict of torch.nn.Sequential(Linear(5, 8), ReLU(), Linear(8, 3)), as arrays."""
    shapes = {"0.weight": (8, 5), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def predict(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    w = {name: array.astype(np.float64) for name, array in state.items()}
    return np.maximum(x @ w["0.weight"].T + w["0.bias"], 0) @ w["2.weight"].T + w["2.bias"]


def test_an_mlp_saved_elsewhere_predicts_here(theirs, rng, tmp_path):
    safetensors.numpy.save_file(theirs, tmp_path / "model.safetensors")
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    found = model.load_state_dict(rg.load(tmp_path / "model.safetensors"))
    assert repr(found) == "<All keys matched successfully>"
    x = rng.standard_normal((20, 5))
    expected = predict(theirs, x)
    np.testing.assert_allclose(model(rg.tensor(x.astype(np.float32))).detach().numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.double()(rg.tensor(x)).detach().numpy(), expected, rtol=1e-12)


def test_a_model_saved_here_is_read_elsewhere(theirs, tmp_path):
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    model.load_state_dict(theirs)
    rg.save(model.state_dict(), tmp_path / "model.safetensors")
    ours = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    assert sorted(ours) == sorted(theirs)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array)
        assert ours[name].dtype == array.dtype


def test_a_model_of_another_shape_is_refused(theirs, tmp_path):
    safetensors.numpy.save_file(theirs, tmp_path / "model.safetensors")
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(ValueError, match=r"2\.weight: expected shape \(4, 8\), got \(3, 8\)\n  2\.bias: expected"):
        model.load_state_dict(rg.load(tmp_path / "model.safetensors"))


def test_running_statistics_are_loaded_with_the_parameters(rng, tmp_path):
    shapes = {"fc.weight": (4, 3), "fc.bias": (4,), "bn.weight": (4,), "bn.bias": (4,), "bn.running_mean": (4,)}
    state = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    state["bn.running_var"] = rng.uniform(0.5, 2, 4).astype(np.float32)
    state["bn.num_batches_tracked"] = np.array(137)
    safetensors.numpy.save_file(state, tmp_path / "model.safetensors")
    model = nn.Sequential(OrderedDict(fc=nn.Linear(3, 4), bn=nn.BatchNorm1d(4))).eval()
    model.load_state_dict(rg.load(tmp_path / "model.safetensors"))
    assert list(model.state_dict()) == list(state)
    assert model.bn.num_batches_tracked.item() == 137
    assert model.bn.num_batches_tracked.dtype == rg.int64
    x = rng.standard_normal((6, 3))
    w = {name: array.astype(np.float64) for name, array in state.items()}
    h = (x @ w["fc.weight"].T + w["fc.bias"] - w["bn.running_mean"]) / np.sqrt(w["bn.running_var"] + 1e-5)
    np.testing.assert_allclose(
        model.double()(rg.tensor(x)).detach().numpy(), h * w["bn.weight"] + w["bn.bias"], rtol=1e-12
    )
