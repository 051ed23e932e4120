"""Tensors in safetensors files: rgrad's own, and those of other software."""

import json

import numpy as np
import pytest

import rgrad as rg

DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]


def test_save_and_load(tmp_path):
    tensors = {name: rg.tensor(np.arange(6).reshape(2, 3).astype(name)) for name in DTYPES}
    tensors |= {"empty": rg.zeros(0, 3), "scalar": rg.tensor(2.0), "view": rg.arange(6).reshape(2, 3).T}
    path = tmp_path / "all.safetensors"
    rg.save(tensors, path)
    loaded = rg.load(path)
    assert loaded.keys() == tensors.keys()
    for name, t in tensors.items():
        assert loaded[name].dtype == t.dtype
        np.testing.assert_array_equal(loaded[name].numpy(), t.numpy())
    assert [p.name for p in tmp_path.iterdir()] == ["all.safetensors"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"all\.safetensors"):
        rg.load(path)
    with pytest.raises(FileNotFoundError):
        rg.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        rg.save(tensors, tmp_path / "none" / "x")


@pytest.mark.parametrize(
    ("tensors", "kind", "message"),
    [
        ({"__metadata__": rg.ones(1)}, ValueError, "__metadata__"),
        ({"x": rg.ones(1), 1: rg.ones(1)}, TypeError, "a name must be a string of Unicode text, got 1"),
        ({"x": 1.0}, TypeError, 'entry "x" is float'),
        ([rg.ones(1)], TypeError, "expected a dict"),
    ],
)
def test_what_cannot_be_saved(tmp_path, tensors, kind, message):
    with pytest.raises(kind, match=message):
        rg.save(tensors, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_safetensors_of_other_software(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {"0.weight": np.arange(6, dtype=np.float32).reshape(3, 2), "0.bias": np.ones(3, np.float32)}
    numpy.save_file(arrays, tmp_path / "theirs.safetensors")
    layer = rg.nn.Sequential(rg.nn.Linear(2, 3))
    layer.load_state_dict(rg.load(tmp_path / "theirs.safetensors"))
    assert layer(rg.tensor([1.0, 1.0])).tolist() == [2.0, 6.0, 10.0]
    rg.save(layer.state_dict(), tmp_path / "ours.safetensors")
    back = numpy.load_file(tmp_path / "ours.safetensors")
    np.testing.assert_array_equal(back["0.weight"], arrays["0.weight"])


def safetensors_file(path, dtype, values):
    """One tensor ``x`` of 16-bit elements, as other software writes it."""
    data = values.astype("<u2").tobytes()
    header = json.dumps({"x": {"dtype": dtype, "shape": list(values.shape), "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def test_half_precision_loads_as_float32(tmp_path):
    # Every bit pattern: normal and subnormal numbers, zeros, infinities and NaN of both signs.
    patterns = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    exact = {"F16": patterns.view(np.float16).astype(np.float32), "BF16": (patterns.astype(np.uint32) << 16).view("f4")}
    for dtype, want in exact.items():
        safetensors_file(tmp_path / dtype, dtype, patterns)
        x = rg.load(tmp_path / dtype)["x"]
        assert x.dtype == rg.float32
        # NumPy makes NaN quiet, or not, as the processor does it.
        quiet = np.where(np.isnan(want), np.uint32(1 << 22), np.uint32(0))
        np.testing.assert_array_equal(x.numpy().view(np.uint32) | quiet, want.view(np.uint32) | quiet)
    safetensors_file(tmp_path / "I16", "I16", patterns)
    with pytest.raises(TypeError, match='"x" has elements of I16'):
        rg.load(tmp_path / "I16")
