"""DLPack: memory shared both ways, and every structure deleted exactly once, whatever happens to its capsule."""

import ctypes
import gc
import weakref
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p, py_object

import numpy as np
import pytest

import rgrad as rg

# The structures of dlpack.h, written down a second time.


class Device(ctypes.Structure):
    _fields_ = (("kind", c_int32), ("id", c_int32))


class DataType(ctypes.Structure):
    _fields_ = (("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16))


class DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", c_void_p),
        ("device", Device),
        ("ndim", c_int32),
        ("dtype", DataType),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )


class Legacy(ctypes.Structure):
    _fields_ = (("tensor", DLTensor), ("context", c_void_p), ("deleter", c_void_p))


class Versioned(ctypes.Structure):
    _fields_ = (
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", DLTensor),
    )


def api(name, result, *arguments):
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


capsule_new = api("PyCapsule_New", py_object, c_void_p, c_char_p, c_void_p)
capsule_pointer = api("PyCapsule_GetPointer", c_void_p, py_object, c_char_p)
capsule_name = api("PyCapsule_GetName", c_char_p, py_object)
capsule_rename = api("PyCapsule_SetName", ctypes.c_int, py_object, c_char_p)
# A destructor gets a capsule that is going away, of which no reference may be made.
dying_is = api("PyCapsule_IsValid", ctypes.c_int, c_void_p, c_char_p)

NAMES = {Legacy: b"dltensor", Versioned: b"dltensor_versioned"}
USED = {Legacy: b"used_dltensor", Versioned: b"used_dltensor_versioned"}


class Producer:
    """An array of another library, whose structures are made by hand and count how often they are deleted."""

    kept = []  # noqa: RUF012

    def __init__(self, array, form=Versioned, **changes):
        self.array, self.form, self.changes = array, form, changes
        self.asked, self.deletions = [], []
        deletions = self.deletions
        self.deleter = ctypes.PYFUNCTYPE(None, c_void_p)(deletions.append)
        self.destructor = ctypes.PYFUNCTYPE(None, c_void_p)(
            lambda capsule: deletions.append(capsule) if dying_is(capsule, NAMES[form]) else None
        )

    @property
    def deleted(self):
        return len(self.deletions)

    def __dlpack_device__(self):
        return self.changes.get("announced", (1, 0))

    def __dlpack__(self, **keywords):
        self.asked.append(keywords)
        if self.form is Legacy and keywords:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        a, get = self.array, self.changes.get
        self.shape = (c_int64 * a.ndim)(*get("shape", a.shape))
        self.strides = (c_int64 * a.ndim)(*get("strides", [s // a.itemsize for s in a.strides]))
        code = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}[a.dtype.kind]
        m = self.managed = self.form()
        m.deleter = ctypes.cast(self.deleter, c_void_p)
        m.tensor.data = get("data", a.ctypes.data - get("offset", 0))
        m.tensor.byte_offset = get("offset", 0)
        m.tensor.device = Device(get("device", 1), 0)
        m.tensor.ndim = get("ndim", a.ndim)
        m.tensor.dtype = DataType(get("code", code), get("bits", 8 * a.itemsize), get("lanes", 1))
        m.tensor.shape = self.shape
        m.tensor.strides = None if get("row_major") else self.strides
        if self.form is Versioned:
            m.major, m.minor, m.flags = get("major", 1), 3, get("flags", 0)
        # A structure, and what is called when it goes away, may be needed for longer than its producer lives.
        Producer.kept += [a, m, self.shape, self.strides, self.deleter, self.destructor]
        destructor = ctypes.cast(self.destructor, c_void_p)
        self.capsule = capsule_new(ctypes.addressof(m), NAMES[self.form], destructor)
        return self.capsule


# ---- From others ----


@pytest.mark.parametrize("form", [Legacy, Versioned])
def test_a_structure_is_used_shared_and_deleted_once(form):
    a = np.arange(12.0).reshape(3, 4)[:, 1::2]
    producer = Producer(a, form)
    t = rg.from_dlpack(producer)
    assert capsule_name(producer.capsule) == USED[form]
    np.testing.assert_array_equal(t.numpy(), a)
    t[0, 0] = 50.0
    assert a[0, 0] == 50
    a[1, 1] = 60
    assert t[1, 1].item() == 60
    view = t[2]
    del t, producer.capsule
    gc.collect()
    assert producer.deleted == 0
    assert view.tolist() == [9, 11]
    del view
    assert producer.deleted == 1


def test_the_version_is_asked_for_and_old_producers_are_asked_again():
    new, old = Producer(np.arange(3)), Producer(np.arange(3), Legacy)
    assert rg.from_dlpack(new).tolist() == rg.from_dlpack(old).tolist() == [0, 1, 2]
    assert new.asked == [{"max_version": (1, 0)}]
    assert old.asked == [{"max_version": (1, 0)}, {}]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_dtypes_and_places(dtype):
    a = (np.arange(24) % 3).astype(dtype).reshape(2, 3, 4)
    for producer, expected in (
        (Producer(a), a),
        (Producer(a, row_major=True), a),
        (Producer(a[1:], offset=a.strides[0]), a[1:]),
        (Producer(a.T), a.T),
        (Producer(a[:, 0:1], strides=[12, -77, 1]), a[:, 0:1]),
        (Producer(a[:0], data=None), a[:0]),
        (Producer(a[1, 2, 3:].reshape(())), a[1, 2, 3]),
        (Producer(np.broadcast_to(a[0, 0], (5, 4))), np.broadcast_to(a[0, 0], (5, 4))),
    ):
        t = rg.from_dlpack(producer)
        assert t.dtype == getattr(rg, dtype)
        np.testing.assert_array_equal(t.numpy(), expected)


def test_read_only_memory_is_not_written():
    a = np.arange(3.0)
    t = rg.from_dlpack(Producer(a, flags=1))
    assert not t.numpy().flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        t.add_(1)
    assert a.tolist() == [0, 1, 2]


@pytest.mark.parametrize("form", [Legacy, Versioned])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"announced": (2, 0)}, BufferError, r"device of kind 2, and tensors are on the CPU"),
        ({"device": 2}, BufferError, "device of kind 2"),
        ({"code": 5}, TypeError, "no dtype for elements of complex64"),
        ({"code": 2, "bits": 16}, TypeError, "float16; convert to one of bool, uint8"),
        ({"code": 4, "bits": 16}, TypeError, "bfloat16"),
        ({"code": 77}, TypeError, "unknown type64"),
        ({"lanes": 4}, TypeError, "float64 in vectors of 4"),
        ({"strides": [-1]}, BufferError, "negative strides"),
        ({"shape": [-3]}, BufferError, "a dimension is negative"),
        ({"ndim": -1}, BufferError, "number of dimensions is negative"),
        ({"offset": 4, "data": 8}, BufferError, "not aligned"),
        ({"data": None}, BufferError, "aligned"),
        ({"shape": [2**61], "strides": [0]}, BufferError, "more elements"),
        ({"shape": [2**60]}, BufferError, "more elements"),
        ({"strides": [2**62]}, BufferError, "farther away"),
        ({"strides": [2**63 - 1]}, BufferError, "farther away"),
    ],
    ids=str,
)
def test_what_cannot_be_shared_is_left_in_its_capsule_and_deleted_once(form, changes, error, message):
    producer = Producer(np.arange(3.0), form, **changes)
    with pytest.raises(error, match=message):
        rg.from_dlpack(producer)
    if hasattr(producer, "capsule"):
        assert capsule_name(producer.capsule) == NAMES[form]
        assert producer.deleted == 0
        del producer.capsule
        gc.collect()
        assert producer.deleted == 1


@pytest.mark.parametrize("row_major", [False, True])
def test_sizes_whose_product_wraps_around_are_refused(row_major):
    # Without the check these are 2**64 + 4 elements, which count as four.
    producer = Producer(np.zeros((1, 1)), shape=[380748274420, 48448661], strides=[0, 0], row_major=row_major)
    with pytest.raises(BufferError, match="more elements"):
        rg.from_dlpack(producer)


def test_later_major_versions_are_refused_before_anything_of_them_is_read():
    producer = Producer(np.arange(3.0), major=2, ndim=-5)
    with pytest.raises(BufferError, match=r"DLPack 2.3, and rgrad understands 1.x"):
        rg.from_dlpack(producer)
    del producer.capsule
    gc.collect()
    assert producer.deleted == 1


def test_a_capsule_is_used_only_once():
    class Same:
        def __init__(self, capsule):
            self.capsule = capsule

        def __dlpack__(self, **keywords):
            return self.capsule

    same = Same(np.arange(3.0).__dlpack__(max_version=(1, 0)))
    assert rg.from_dlpack(same).tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match=r"Same.__dlpack__\(\) gave no DLPack capsule, or one that was used before"):
        rg.from_dlpack(same)
    for other in (None, 5):
        with pytest.raises(BufferError, match="gave no DLPack capsule"):
            rg.from_dlpack(Same(other))


def test_what_is_no_array():
    with pytest.raises(TypeError, match="expected an array with __dlpack__, got list"):
        rg.from_dlpack([1.0])

    class Failing:
        def __dlpack__(self, **keywords):
            raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        rg.from_dlpack(Failing())


def test_copies_on_request():
    a = np.arange(3.0)
    producer = Producer(a)
    copy = rg.from_dlpack(producer, copy=True)
    assert producer.deleted == 1
    a[0] = 9
    assert copy.tolist() == [0, 1, 2]
    assert np.shares_memory(rg.from_dlpack(a, copy=False).numpy(), a)
    assert rg.tensor(Producer(a)).tolist() == [9, 1, 2]


# ---- For others ----


def test_numpy_and_tensors_share_memory_both_ways():
    t = rg.arange(6.0).reshape(2, 3)
    for source in (t, t.T, t[:, 1:], t[0, 0], t[:0]):
        a = np.from_dlpack(source)
        np.testing.assert_array_equal(a, source.numpy())
        assert a.size == 0 or np.shares_memory(a, t.numpy())
        assert np.shares_memory(rg.from_dlpack(a).numpy(), a) or a.size == 0
    a = np.from_dlpack(t)
    a[1, 2] = 50
    assert t[1, 2].item() == 50
    frozen = np.arange(3.0)
    frozen.setflags(write=False)
    assert not np.from_dlpack(rg.from_numpy(frozen)).flags.writeable
    assert not rg.from_dlpack(frozen).numpy().flags.writeable
    assert np.from_dlpack(t, copy=True).base is not a.base
    assert t.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize(
    ("keywords", "form"),
    [({}, Legacy), ({"max_version": (0, 8)}, Legacy)]
    + [({"max_version": version}, Versioned) for version in ((1, 0), (1, 3), (2, 0))],
)
def test_fields_of_the_structure(keywords, form):
    t = rg.zeros(4, 6, dtype="int32")[1:, ::2]
    capsule = t.__dlpack__(**keywords)
    assert capsule_name(capsule) == NAMES[form]
    managed = form.from_address(capsule_pointer(capsule, NAMES[form]))
    d = managed.tensor
    assert d.data + d.byte_offset == t.numpy().ctypes.data
    assert (d.device.kind, d.device.id) == (1, 0)
    assert (d.dtype.code, d.dtype.bits, d.dtype.lanes) == (0, 32, 1)
    assert (d.ndim, d.shape[:2], d.strides[:2]) == (2, [3, 3], [6, 2])
    if form is Versioned:
        assert (managed.major, managed.flags) == (1, 0)


def test_flags():
    def flags(t, **keywords):
        capsule = t.__dlpack__(max_version=(1, 0), **keywords)
        return Versioned.from_address(capsule_pointer(capsule, NAMES[Versioned])).flags

    frozen = rg.from_numpy(np.broadcast_to(1.0, 3))
    assert flags(rg.ones(2)) == flags(rg.ones(2), copy=False) == 0
    assert flags(frozen) == 1
    assert flags(rg.ones(2), copy=True) == flags(frozen, copy=True) == 2


@pytest.mark.parametrize("form", [Legacy, Versioned])
@pytest.mark.parametrize("consumed", [False, True])
def test_the_memory_lives_until_the_structure_is_deleted(form, consumed):
    owner = np.arange(3.0)
    seen = weakref.ref(owner)
    t = rg.from_numpy(owner)
    capsule = t.__dlpack__(max_version=(1, 0) if form is Versioned else None)
    del owner, t
    assert seen() is not None
    if consumed:
        pointer = capsule_pointer(capsule, NAMES[form])
        capsule_rename(capsule, USED[form])
        del capsule
        assert seen() is not None
        ctypes.PYFUNCTYPE(None, c_void_p)(form.from_address(pointer).deleter)(pointer)
    else:
        del capsule
    assert seen() is None


def test_exports_that_are_refused():
    t = rg.ones(2)
    for keywords, message in (
        ({"stream": 1}, "has no streams"),
        ({"dl_device": (2, 0)}, r"cannot go to device \(2, 0\)"),
    ):
        with pytest.raises(BufferError, match=message):
            t.__dlpack__(**keywords)
    frozen = rg.from_numpy(np.broadcast_to(1.0, 3))
    with pytest.raises(BufferError, match=r"without max_version=\(1, 0\) cannot be told; export x.clone\(\)"):
        frozen.__dlpack__()
    assert np.from_dlpack(frozen.clone()).tolist() == [1, 1, 1]
    with pytest.raises(BufferError, match=r"requires gradients .* x.detach\(\)"):
        (rg.ones(2, requires_grad=True) * 2).__dlpack__()
