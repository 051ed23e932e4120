"""The buffer protocol: memoryviews, bytes and files over a tensor's memory."""

import io
import zlib

import numpy as np
import pytest

import rgrad as rg


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_memoryviews(dtype):
    a = (np.arange(6) % 2).astype(dtype).reshape(2, 3)
    for t, x in (
        (rg.tensor(a), a),
        (rg.tensor(a).T, a.T),
        (rg.tensor(a)[:, ::2], a[:, ::2]),
        (rg.tensor(a)[0, 1], a[0, 1]),
    ):
        view = memoryview(t)
        assert (view.shape, view.itemsize, view.nbytes) == (x.shape, x.itemsize, x.nbytes)
        assert view.strides == np.asarray(t).strides
        assert view.format == np.dtype(dtype).char
        assert view.tolist() == x.tolist()
        assert not view.readonly
        assert bytes(t) == view.tobytes() == x.tobytes()


def test_views_write_to_the_tensor_and_keep_it():
    t = rg.zeros(3)
    view = memoryview(t)
    view[1] = 5.0
    assert t.tolist() == [0, 5, 0]
    del t
    rg.ones(3)
    assert view.tolist() == [0, 5, 0]
    view.release()
    assert rg.zeros(2, 0).numpy().shape == (2, 0)
    assert bytes(rg.zeros(0)) == b""


def test_buffers_that_a_consumer_cannot_have():
    with pytest.raises(BufferError, match=r"row-major order; call contiguous\(\) first"):
        zlib.crc32(rg.zeros(3, 4)[:, :2])
    frozen = rg.from_numpy(np.broadcast_to(1.0, 3))
    assert memoryview(frozen).readonly
    with pytest.raises(TypeError, match="read-write"):
        io.BytesIO(bytes(24)).readinto(frozen)


def test_files_are_read_into_tensors(tmp_path):
    (tmp_path / "data").write_bytes(np.arange(6.0).tobytes())
    t = rg.zeros(2, 3, dtype="float64")
    with (tmp_path / "data").open("rb") as file:
        assert file.readinto(t) == 48
    assert t.tolist() == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "copy").write_bytes(t)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "data").read_bytes()
