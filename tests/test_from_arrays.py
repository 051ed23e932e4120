"""Tensors of arrays of any dtype, byte order and strides, of nested lists, and of other libraries' objects."""

import array as std

import numpy as np
import pytest

import rgrad as rg


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4)[::-1],
        np.arange(12.0).reshape(3, 4)[:, ::2],
        np.arange(12.0).reshape(3, 4).T,
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.broadcast_to(np.arange(4.0), (3, 4)),
        np.arange(12.0).astype(">f8"),
        np.arange(12, dtype=">i4").reshape(3, 4)[::-1, ::2],
        np.frombuffer(b"x" + np.arange(3.0).tobytes(), np.float64, offset=1),
        np.zeros(4, [("a", "u1"), ("b", "f4")])["b"],
        np.array(3.0),
        np.zeros((0, 3)),
        np.zeros((3, 0))[::-1],
        np.float64(2.5),
        np.bool_(True),
        memoryview(np.arange(3.0)),
        std.array("f", [1.0, 2.0]),
    ],
    ids=lambda a: f"{type(a).__name__}-{getattr(a, 'shape', None)}-{getattr(a, 'strides', None)}",
)
def test_arrays_of_any_layout(array):
    got, expected = rg.tensor(array), np.asarray(array)
    np.testing.assert_array_equal(got.numpy(), expected)
    assert got.numpy().dtype == expected.dtype.newbyteorder("=")


def test_truth_values_of_any_byte():
    mask = np.array([0, 255, 2], np.uint8).view(bool)
    for value in (mask, mask[::-1], memoryview(mask)):
        t = rg.tensor(value)
        assert t.dtype == rg.bool
        assert t.to(rg.int64).tolist() == [int(x) for x in value]
        assert t.sum().item() == 2


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("float16", rg.float32),
        ("int8", rg.int32),
        ("int16", rg.int32),
        ("uint16", rg.int32),
        ("uint32", rg.int64),
        (">u4", rg.int64),
        (">f2", rg.float32),
    ],
)
def test_dtypes_that_rgrad_has_not_become_one_that_holds_every_value(theirs, ours):
    dtype = np.dtype(theirs)
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    a = np.array([info.min, 0, 1, info.max], dtype)
    for value, expected in ((a, a), (a[::-1], a[::-1]), (a[:0], a[:0]), (a[3], a[3])):
        got = rg.tensor(value)
        assert got.dtype == ours
        np.testing.assert_array_equal(got.numpy(), expected.astype(np.float64))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2, np.complex64), "complex64: take array.real"),
        (np.zeros(2, np.uint64), r"uint64: if all are below 2\*\*63"),
        (np.zeros(2, "M8[s]"), r"datetime64\[s\]: convert with array.astype\(\"int64\"\)"),
        (np.array([1.5, None]), "object: they are Python objects"),
        (np.array(["a"]), "U1: they are strings"),
        (np.zeros(2, "S0"), "they are strings"),
        (np.zeros(2, [("a", "f4"), ("b", "f4")]), "take one field"),
        (np.complex128(1), "complex128"),
        ([1j], "complex128"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), r"fill the gaps .* array.filled\(value\)"),
    ],
    ids=str,
)
def test_elements_of_no_dtype(value, message):
    with pytest.raises(TypeError, match=message):
        rg.tensor(value)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 here")
def test_long_doubles_are_not_rounded_silently():
    with pytest.raises(TypeError, match="the widest that there is"):
        rg.tensor(np.zeros(2, np.longdouble))


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        ([], rg.float32, (0,)),
        ([[], []], rg.float32, (2, 0)),
        (range(3), rg.int64, (3,)),
        ((1, 2.5, True), rg.float32, (3,)),
        ([[True], [False]], rg.bool, (2, 1)),
        ([np.float32(1), 2.0], rg.float32, (2,)),
        ([np.float32(1), np.float64(2)], rg.float64, (2,)),
        ([np.arange(3), [4, 5, 6]], rg.int64, (2, 3)),
        ([np.zeros(2), np.ones(2)], rg.float64, (2, 2)),
        ([rg.ones(2), rg.zeros(2)], rg.float32, (2, 2)),
        ([rg.tensor(1.0), 2.0], rg.float32, (2,)),
        ([[rg.ones(2, dtype="float64")[0], 3]], rg.float64, (1, 2)),
    ],
    ids=str,
)
def test_nested_lists(value, dtype, shape):
    got = rg.tensor(value)
    assert (got.dtype, got.shape) == (dtype, shape)
    np.testing.assert_array_equal(got.numpy(), np.array(value))


@pytest.mark.parametrize("value", [["a"], [None], {1, 2}, (i for i in range(2)), [2**70], object(), None, {"a": 1}])
def test_what_holds_no_numbers(value):
    with pytest.raises(TypeError, match=f"cannot make a tensor from {type(value).__name__}"):
        rg.tensor(value)


def test_ragged_lists():
    with pytest.raises(ValueError, match="do not form an array"):
        rg.tensor([[1, 2], [3]])


def test_other_libraries_arrays():
    class Convertible:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    class Interface:
        def __init__(self):
            self.kept = np.arange(3, dtype=np.int32)
            self.__array_interface__ = self.kept.__array_interface__

    class Exchange:
        def __dlpack__(self, **keywords):
            return np.arange(3, dtype=np.uint8).__dlpack__(**keywords)

        def __dlpack_device__(self):
            return (1, 0)

    for value, dtype in ((Convertible(), rg.float64), (Interface(), rg.int32), (Exchange(), rg.uint8)):
        got = rg.tensor(value)
        assert got.dtype == dtype
        assert got.tolist() == [0, 1, 2]

    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no array today")

    with pytest.raises(RuntimeError, match="no array today"):
        rg.tensor(Broken())


def test_a_tensor_that_requires_gradients_is_no_array_to_share():
    with pytest.raises(TypeError, match=r"from_numpy: expected an array, got a tensor; x\.detach\(\)"):
        rg.from_numpy(rg.zeros(2, requires_grad=True))


def test_elements_that_share_memory_are_not_written_in_place():
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(4.0), 2, writeable=True)
    x = rg.from_numpy(windows)
    for write in (lambda: x.add_(1.0), lambda: x.fill_(5.0), lambda: x.__setitem__(x > 1, 0.0)):
        with pytest.raises(RuntimeError, match=r"share memory.*clone\(\)"):
            write()
    assert x.tolist() == [[0, 1], [1, 2], [2, 3]]
    x[0] = 7.0
    assert x.tolist() == [[7, 7], [7, 2], [2, 3]]
