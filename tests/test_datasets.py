"""The bundled datasets, and MNIST from files good and bad and from mirrors good and bad."""

import dataclasses
import functools
import gzip
import hashlib
import os
import socket
import struct
import threading
import tracemalloc
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import rgrad as rg
from rgrad import datasets
from rgrad.datasets import _download, _mnist

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = _mnist.MD5


def idx(array):
    """The bytes of an IDX file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def small_mnist():
    """The content of four files with 7 and 3 images of 4×6 pixels."""
    random = np.random.default_rng(0)
    return {
        name: idx(random.integers(0, high, shape, dtype=np.uint8))
        for name, high, shape in zip(_mnist.MD5, (256, 10, 256, 10), ((7, 4, 6), (7,), (3, 4, 6), (3,)), strict=True)
    }


def write(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder that MNIST is cached in, empty, with nowhere else to find it."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(_mnist, "_cache_folder", lambda: folder)
    monkeypatch.setattr(_mnist, "MIRRORS", ())
    monkeypatch.delenv("RGRAD_DATA", raising=False)
    return folder


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder served over HTTP, its URL, and the paths that were asked for."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    asked = []
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def dead_url():
    """The URL of a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


def serve_small_mnist(folder, url, monkeypatch):
    contents = small_mnist()
    write(folder, {f"{name}.gz": gzip.compress(content) for name, content in contents.items()})
    monkeypatch.setattr(_mnist, "MIRRORS", (url,))
    monkeypatch.setattr(_mnist, "MD5", {name: hashlib.md5(content).hexdigest() for name, content in contents.items()})


# ----- bundled -----


@pytest.mark.parametrize(
    ("load", "train", "test", "features", "classes"),
    [(datasets.digits, 1442, 355, 64, 10), (datasets.iris, 120, 30, 4, 3)],
)
def test_bundled_shapes_and_types(load, train, test, features, classes):
    data = load()
    assert (tuple(data.train_x.shape), tuple(data.test_x.shape)) == ((train, features), (test, features))
    assert (tuple(data.train_y.shape), tuple(data.test_y.shape)) == ((train,), (test,))
    assert data.train_x.dtype == data.test_x.dtype == rg.float32
    assert data.train_y.dtype == data.test_y.dtype == rg.int64
    assert len(data.class_names) == classes
    assert set(data.train_y.tolist()) == set(data.test_y.tolist()) == set(range(classes))


def test_digits_are_images_from_0_to_1():
    data = datasets.digits()
    x = np.concatenate([data.train_x.numpy(), data.test_x.numpy()])
    assert data.image_shape == (8, 8)
    assert (x.min(), x.max()) == (0, 1)
    # The first image of the file is a zero, and in the training set.
    assert (data.train_x.numpy()[0].reshape(8, 8)[0] * 16).tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert data.train_y.tolist()[0] == 0


def test_iris_has_the_means_of_fishers_table():
    data = datasets.iris()
    x = np.concatenate([data.train_x.numpy(), data.test_x.numpy()]).astype(np.float64)
    np.testing.assert_allclose(x.sum(0), [876.5, 458.6, 563.7, 179.9], rtol=1e-6)
    assert data.class_names == ("setosa", "versicolor", "virginica")
    assert data.feature_names[2:] == ("petal length (cm)", "petal width (cm)")
    assert np.bincount(data.test_y.numpy()).tolist() == [10, 10, 10]


def test_datasets_are_frozen_and_the_same_each_time():
    first, second = datasets.digits(), datasets.digits()
    assert first.test_x.tolist() == second.test_x.tolist()
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.name = "other"
    assert repr(first) == "Dataset('digits': 1442 + 355 samples, images of 8x8 pixels, 10 classes)"


# ----- MNIST from files -----


@pytest.mark.parametrize(
    ("rename", "pack"),
    [
        (lambda name: name, lambda content: content),
        (lambda name: f"{name}.gz", gzip.compress),
        (lambda name: name.replace("-idx", ".idx"), lambda content: content),
        (lambda name: name, gzip.compress),
    ],
    ids=["plain", "gzipped", "dotted", "gzipped without saying so"],
)
def test_mnist_reads_what_is_in_the_files(tmp_path, rename, pack):
    contents = small_mnist()
    write(tmp_path, {rename(name): pack(content) for name, content in contents.items()})
    data = datasets.mnist(tmp_path)
    pixels = np.frombuffer(contents[TRAIN_IMAGES][16:], np.uint8).reshape(7, 24)
    assert data.image_shape == (4, 6)
    assert data.train_x.dtype == rg.float32
    np.testing.assert_array_equal(data.train_x.numpy(), pixels.astype(np.float32) / np.float32(255))
    assert data.test_y.tolist() == list(contents[TEST_LABELS][8:])


def test_mnist_prefers_root_then_rgrad_data_then_the_cache(tmp_path, cache, monkeypatch):
    for folder, label in ((tmp_path / "root", 1), (tmp_path / "data" / "mnist", 2), (cache, 3)):
        write(folder, {**small_mnist(), TEST_LABELS: idx(np.full(3, label, np.uint8))})
    assert datasets.mnist().test_y.tolist() == [3] * 3
    monkeypatch.setenv("RGRAD_DATA", str(tmp_path / "data"))
    assert datasets.mnist().test_y.tolist() == [2] * 3
    assert datasets.mnist(tmp_path / "root").test_y.tolist() == [1] * 3


def test_the_cache_is_the_users(tmp_path, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    folder = _mnist._cache_folder()
    assert folder.parts[-2:] == ("rgrad", "mnist")
    assert tmp_path in folder.parents


IMAGES = idx(np.zeros((7, 4, 6), np.uint8))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TRAIN_IMAGES, IMAGES[:-1], r"truncated: the header says 7×4×6 bytes, the file holds 167"),
        (TRAIN_IMAGES, IMAGES + b"\0", r"too long: .* the file holds more"),
        (TRAIN_IMAGES, IMAGES[:10], r"truncated: 10 bytes do not hold the header"),
        (TRAIN_IMAGES, b"", r"truncated: 0 bytes"),
        (TRAIN_IMAGES, b"<html><body>not found</body></html>", r"magic number is 0x3c68746d, not 0x00000803"),
        (TRAIN_IMAGES, idx(np.zeros(7, np.uint8)) + bytes(8), r"magic number is 0x00000801, not 0x00000803"),
        (TRAIN_IMAGES, idx(np.zeros((0, 4, 6), np.uint8)), r"holds no samples"),
        (TRAIN_IMAGES, gzip.compress(IMAGES)[:-20], r"gzip data are damaged or truncated"),
        (TRAIN_IMAGES, gzip.compress(IMAGES)[:-8] + bytes(8), r"gzip data are damaged or truncated"),
        (TRAIN_IMAGES, gzip.compress(IMAGES)[:5], r"gzip data are damaged or truncated"),
        (TRAIN_IMAGES, gzip.compress(IMAGES[:16] + bytes(9)), r"truncated: the header says 7×4×6 bytes"),
        (TRAIN_IMAGES, gzip.compress(IMAGES + bytes(9)), r"too long"),
        (TEST_LABELS, idx(np.zeros(4, np.uint8)), r"4 labels do not fit 3 images"),
        (TEST_LABELS, idx(np.array([1, 10, 11], np.uint8)), r"label 10 at row 1 is not one of the 10 digits"),
        (TEST_LABELS, struct.pack(">II", 0x801, 2**32 - 1), r"truncated: the header says 4294967295 bytes"),
    ],
)
def test_mnist_names_the_damaged_file(tmp_path, name, content, message):
    write(tmp_path, {**small_mnist(), name: content})
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        datasets.mnist(tmp_path)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """A gigabyte of zeros that take a megabyte: below a header that describes them, below none, below a small one."""
    described = struct.pack(">IIII", 0x803, 1 << 20, 32, 32)
    small = struct.pack(">IIII", 0x803, 7, 4, 6)
    for head, message in ((described, "unpack to 1073741824"), (b"", "magic number is 0x0"), (small, "too long")):
        packed = gzip.compress(head) + 64 * gzip.compress(bytes(1 << 24))
        write(tmp_path, {**small_mnist(), f"{TRAIN_IMAGES}.gz": packed})
        tracemalloc.start()
        with pytest.raises(ValueError, match=f"{TRAIN_IMAGES}.gz: .*{message}"):
            datasets.mnist(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()


def test_mnist_refuses_images_of_two_sizes(tmp_path):
    write(tmp_path, {**small_mnist(), TEST_IMAGES: idx(np.zeros((3, 5, 5), np.uint8))})
    with pytest.raises(ValueError, match=r"two sizes, \(4, 6\) and \(5, 5\)"):
        datasets.mnist(tmp_path)


def test_mnist_says_which_file_root_lacks(tmp_path):
    contents = small_mnist()
    del contents[TEST_LABELS]
    write(tmp_path, contents)
    with pytest.raises(FileNotFoundError, match=f"holds neither {TEST_LABELS}.gz nor {TEST_LABELS}"):
        datasets.mnist(tmp_path)


# ----- MNIST from mirrors -----


def test_download_fills_the_cache_once(cache, mirror, monkeypatch):
    folder, url, asked = mirror
    serve_small_mnist(folder, url, monkeypatch)
    first = datasets.mnist()
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in _mnist.MD5)
    assert datasets.mnist().train_x.tolist() == first.train_x.tolist()
    assert len(asked) == 4


def test_download_fetches_only_what_the_cache_lacks(cache, mirror, monkeypatch):
    folder, url, asked = mirror
    serve_small_mnist(folder, url, monkeypatch)
    write(cache, {TRAIN_IMAGES: small_mnist()[TRAIN_IMAGES]})
    assert tuple(datasets.mnist().train_x.shape) == (7, 24)
    assert len(asked) == 3


def test_download_goes_on_to_the_next_mirror(cache, mirror, dead_url, monkeypatch):
    folder, url, _ = mirror
    serve_small_mnist(folder, url, monkeypatch)
    monkeypatch.setattr(_mnist, "MIRRORS", (dead_url, f"{url}nothing-here/", url))
    assert tuple(datasets.mnist().test_x.shape) == (3, 24)


def test_download_refuses_a_wrong_checksum(cache, mirror, monkeypatch):
    folder, url, _ = mirror
    serve_small_mnist(folder, url, monkeypatch)
    write(folder, {f"{TRAIN_LABELS}.gz": gzip.compress(idx(np.zeros(7, np.uint8)))})
    with pytest.raises(
        ValueError, match=f"cannot download {TRAIN_LABELS}.gz: .*wrong checksum: md5 [0-9a-f]{{32}}, not"
    ):
        datasets.mnist()
    assert sorted(path.name for path in cache.iterdir()) == [f"{TRAIN_IMAGES}.gz"]


def test_download_refuses_damaged_gzip_data(cache, mirror, monkeypatch):
    folder, url, _ = mirror
    serve_small_mnist(folder, url, monkeypatch)
    write(folder, {f"{TRAIN_IMAGES}.gz": gzip.compress(bytes(1000))[:-9]})
    with pytest.raises(ValueError, match="the gzip data are damaged"):
        datasets.mnist()
    assert list(cache.iterdir()) == []


def test_offline_error_says_where_to_put_the_files(cache, dead_url, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(_mnist, "MIRRORS", (dead_url, "http://localhost.invalid/"))
    with pytest.raises(ConnectionError) as caught:
        datasets.mnist()
    message = str(caught.value)
    assert all(part in message for part in (TRAIN_IMAGES, dead_url, "localhost.invalid", str(cache), "RGRAD_DATA"))


def test_a_connection_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    def answer():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")

    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ConnectionError, match="9 of 1000 bytes"):
            _download.download("file.gz", tmp_path, [url], md5="0" * 32)
        thread.join()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("RGRAD_DATA" not in os.environ, reason="RGRAD_DATA names no folder with the MNIST files")
def test_mnist_is_the_original():
    data = datasets.mnist()
    assert (tuple(data.train_x.shape), tuple(data.test_x.shape)) == ((60000, 784), (10000, 784))
    assert data.train_y.tolist()[:10] == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(data.test_y.numpy()).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The mean and deviation that everyone knows.
    assert round(float(data.train_x.numpy().mean(dtype=np.float64)), 4) == 0.1307
    assert round(float(data.train_x.numpy().std(dtype=np.float64)), 4) == 0.3081
