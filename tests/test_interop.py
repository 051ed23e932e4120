"""NumPy and tensors: shared memory, operators of both, functions, and no gradient lost on the way."""

import operator

import numpy as np
import pytest

import rgrad as rg

# ---- Shared memory ----


def test_tensor_copies_and_from_numpy_shares():
    a = np.arange(6.0).reshape(2, 3)
    shared, own = rg.from_numpy(a), rg.tensor(a)
    a[0, 0] = 100.0
    assert shared[0, 0].item() == 100.0
    assert own[0, 0].item() == 0.0
    shared[1, 2] = -1.0
    assert a[1, 2] == -1.0
    back = shared.numpy()
    assert np.shares_memory(back, a)
    del a, shared
    assert back[0, 0] == 100.0
    strided = rg.from_numpy(np.arange(12).reshape(3, 4)[:, ::2])
    assert strided.tolist() == [[0, 2], [4, 6], [8, 10]]


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(3)[::-1], ValueError, "negative strides"),
        (np.frombuffer(bytes(13), np.float32, offset=1), ValueError, "not aligned"),
        (
            np.zeros(3, np.float16),
            TypeError,
            r"float16, so .* cannot be shared; rg.tensor\(array\) makes a copy of float32",
        ),
        (np.zeros(3, ">f4"), TypeError, "makes a copy of float32"),
        (np.zeros(3, complex), TypeError, "take array.real"),
        (np.zeros(3, "m8[s]"), TypeError, "timedelta64"),
        ([1.0], TypeError, "expected a NumPy array, got list"),
    ],
)
def test_from_numpy_refuses_what_it_cannot_share(array, error, message):
    with pytest.raises(error, match=message):
        rg.from_numpy(array)


def test_read_only_memory_is_shared_and_never_written(tmp_path):
    (tmp_path / "data").write_bytes(np.arange(4096.0).tobytes())
    frozen = np.arange(4.0)
    frozen.setflags(write=False)
    # A write to the last one would end the process.
    for array in (frozen, np.broadcast_to(1.0, (2, 2)), np.memmap(tmp_path / "data", np.float64, "r")):
        before = array.copy()
        t = rg.from_numpy(array)
        assert np.shares_memory(t.numpy(), array)
        assert not t.numpy().flags.writeable
        assert not np.asarray(t[:1]).flags.writeable
        index = rg.tensor([0])
        for write in (
            lambda t=t: t.zero_(),
            lambda t=t: t.add_(1),
            lambda t=t: operator.iadd(t, 1),
            lambda t=t: operator.setitem(t, 0, 5.0),
            lambda t=t, index=index: operator.setitem(t, index, 5.0),
            lambda t=t: t[:1].copy_(2.0),
        ):
            with pytest.raises(ValueError, match=r"read-only.* write to x.clone\(\)"):
                write()
        np.testing.assert_array_equal(array, before)
        t.clone().zero_()
        assert ((t + 1).numpy() == before + 1).all()


@pytest.mark.parametrize("optimizer", [rg.optim.SGD, rg.optim.Adam])
def test_optimizers_refuse_read_only_parameters_before_they_update_others(optimizer):
    frozen = np.ones(2)
    frozen.setflags(write=False)
    first, second = rg.zeros(2, dtype="float64").requires_grad_(), rg.from_numpy(frozen).requires_grad_()
    step = optimizer([first, second], lr=0.1)
    (first + second).sum().backward()
    with pytest.raises(ValueError, match=r"parameter 1 or its state lies in memory that is read-only"):
        step.step()
    assert first.tolist() == [0, 0]
    assert frozen.tolist() == [1, 1]


def test_a_read_only_array_as_gradient_is_not_accumulated_into():
    x = rg.ones(3, dtype="float64", requires_grad=True)
    for writeable in (False, True):
        seed = np.ones(3)
        seed.setflags(write=writeable)
        x.grad = None
        for _ in range(2):
            (x * 1).backward(rg.from_numpy(seed))
        (x + 0).backward(rg.from_numpy(seed))
        assert x.grad.tolist() == [3, 3, 3]
        assert seed.tolist() == [1, 1, 1]


def test_arrays_keep_the_tensors_memory():
    t = rg.arange(5.0)
    array, view = t.numpy(), np.asarray(t[1:])
    t[1] = 7.0
    assert array[1] == view[0] == 7
    array[2] = 8
    assert t[2].item() == 8
    del t
    rg.rand(5)
    assert array.tolist() == [0, 7, 8, 3, 4]
    assert view.tolist() == [7, 8, 3, 4]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_arrays_have_numpys_own_types(dtype):
    t = rg.zeros(2, 3, dtype=dtype)
    for array in (t.numpy(), np.asarray(t), np.from_dlpack(t), np.asarray(t.T), np.asarray(t[0, 0])):
        assert array.dtype.type is np.dtype(dtype).type
        assert array.dtype.num == np.dtype(dtype).num


def test_asarray_converts_and_copies_as_numpy_does():
    t = rg.tensor([1.5, 2.5])
    assert np.asarray(t, dtype=np.float64).tolist() == [1.5, 2.5]
    assert np.asarray(t, dtype=int).tolist() == [1, 2]
    assert not np.shares_memory(np.array(t), t.numpy())
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert np.array([t, t]).shape == (2, 2)
    assert t.__array__(np.float64).dtype == np.float64
    assert not np.shares_memory(t.__array__(copy=True), t.numpy())
    for make in (lambda: t[:0], lambda: t[0], lambda: rg.zeros(2, 0, 3), lambda: rg.ones(4).expand(3, 4)):
        np.testing.assert_array_equal(np.asarray(make()), np.array(make().tolist()).reshape(make().shape))


# ---- Operators ----

OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]


@pytest.mark.parametrize("op", OPERATORS)
def test_arrays_and_tensors_combine_in_both_orders(op, rng):
    a, b = rng.random((3, 4)) + 0.5, rng.random((1, 4)) + 0.5
    b[0, 0] = a[0, 0]
    for x, y in ((a, b), (a, b[0]), (a, b[0, 1]), (a, np.asarray(b[0, 0]))):
        t, u = rg.tensor(x, requires_grad=True), rg.tensor(y)
        for got, expected in ((op(t, y), op(x, y)), (op(y, t), op(y, x)), (op(x, u), op(x, y)), (op(u, x), op(y, x))):
            assert isinstance(got, rg.Tensor)
            # A power may be a unit in the last place off.
            np.testing.assert_allclose(got.detach().numpy(), expected, rtol=4e-16)


def test_products_of_arrays_and_tensors(rng):
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    t, u = rg.tensor(a, requires_grad=True), rg.tensor(b, requires_grad=True)
    for got in (t @ b, a @ u):
        assert isinstance(got, rg.Tensor)
        assert got.requires_grad
        np.testing.assert_allclose(got.detach().numpy(), a @ b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize(
    "scalar",
    [np.float64(2), np.float32(2), np.float16(2), np.int64(2), np.int8(2), np.uint16(2), np.bool_(True)],
    ids=repr,
)
def test_numpy_scalars_combine_in_both_orders(op, scalar):
    x = np.array([1.0, 2.0, 4.0])
    t = rg.tensor(x, requires_grad=True)
    for got, expected in ((op(t, scalar), op(x, scalar)), (op(scalar, t), op(scalar, x))):
        assert isinstance(got, rg.Tensor)
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=4e-16)


def test_dtypes_of_tensors_with_arrays_and_scalars():
    f, i = rg.ones(2), rg.ones(2, dtype="int32")
    assert (f * np.ones(2)).dtype == (np.ones(2) * f).dtype == rg.float64
    assert (f * np.ones(2, np.float16)).dtype == rg.float32
    # NumPy's float64 scalars are Python floats, which adapt; others have a dtype of their own.
    assert (f * np.float64(2)).dtype == (np.float64(2) * f).dtype == rg.float32
    assert (i * np.int64(2)).dtype == (np.int64(2) * i).dtype == rg.int64
    assert (i * np.float32(2)).dtype == rg.float32


def test_in_place_operators():
    for op in (operator.iadd, operator.isub, operator.imul, operator.itruediv):
        a, t = np.array([1.0, 2.0]), rg.tensor([4.0, 8.0], dtype="float64")
        expected = op(t.numpy().copy(), a)
        same = op(t, a)
        assert same is t
        np.testing.assert_array_equal(t.numpy(), expected)
        with pytest.raises(TypeError, match="ufuncs"):
            op(a, t)
        assert a.tolist() == [1, 2]
    t = rg.ones(2)
    with pytest.raises(TypeError, match="float64 cannot be written in place to a tensor of float32"):
        t += np.ones(2)
    assert t.tolist() == [1, 1]


@pytest.mark.parametrize("other", ["a", [1.0], None, object(), {}])
@pytest.mark.parametrize("op", OPERATORS[:8])
def test_what_tensors_do_not_combine_with(op, other):
    for call in (lambda: op(rg.ones(1), other), lambda: op(other, rg.ones(1))):
        with pytest.raises(TypeError):
            call()


# ---- NumPy's functions ----


def test_ufuncs_are_refused():
    t = rg.ones(2)
    for call in (lambda: np.exp(t), lambda: np.add(t, np.ones(2)), lambda: np.isnan(t), lambda: np.add.reduce(t)):
        with pytest.raises(TypeError, match=r"Tensor.* does not support ufuncs"):
            call()


FUNCTIONS = [
    np.sum,
    np.mean,
    np.std,
    np.prod,
    np.max,
    np.argmax,
    np.any,
    np.cumsum,
    np.sort,
    np.median,
    np.ravel,
    np.transpose,
    np.squeeze,
    np.copy,
    np.nonzero,
    lambda x: np.stack([x, x]),
    lambda x: np.concatenate((x, x)),
    lambda x: np.where(np.array([True, False]), x, 0.0),
    lambda x: np.dot(np.ones(2), x),
    lambda x: np.clip(a=x, a_min=0, a_max=1),
    lambda x: np.allclose(x, [1, 2]),
    lambda x: np.array_equal(x, x),
    lambda x: np.block([[x, x], [x, x]]),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_numpys_functions_take_tensors_for_arrays_and_lose_no_gradient(function):
    x = np.array([1.0, 2.0])
    got, expected = function(rg.tensor(x)), function(x)
    assert type(got) is type(expected)
    np.testing.assert_array_equal(got, expected)
    with pytest.raises(RuntimeError, match=r"requires gradients .* x.detach\(\)"):
        function(rg.tensor(x, requires_grad=True))


def test_numpys_questions_about_shapes_need_no_detaching():
    t = rg.ones(2, 3, requires_grad=True)
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((2, 3), 2, 6)


def test_no_way_to_an_array_bypasses_the_tape():
    leaf = rg.tensor([1.0], requires_grad=True)
    for t in (leaf, leaf * 2):
        for convert in (lambda: t.numpy(), lambda: np.asarray(t), lambda: np.array([t, t]), lambda: rg.tensor([t])):  # noqa: B023
            with pytest.raises(RuntimeError, match=r"requires gradients.* (x|item)\.detach\(\)"):
                convert()
        for convert in (memoryview, np.frombuffer, np.from_dlpack, rg.from_dlpack):
            with pytest.raises(BufferError, match=r"requires gradients .* x.detach\(\)"):
                convert(t)
    assert leaf.detach().numpy().tolist() == [1]

    def f(x):
        with pytest.raises(RuntimeError, match="tangent would be lost"):
            np.asarray(x)
        return x * 2

    rg.jvp(f, (rg.ones(2),), (rg.ones(2),))
