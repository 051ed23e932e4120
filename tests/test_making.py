"""Making tensors: from Python values and arrays, of one number, in steps, at random."""

import pickle

import numpy as np
import pytest

import rgrad as rg

DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]


def test_dtypes_of_python_values():
    assert rg.tensor(1.5).dtype == rg.tensor([1.5]).dtype == rg.float32
    assert rg.tensor(1).dtype == rg.tensor([[1, 2]]).dtype == rg.int64
    assert rg.tensor(True).dtype == rg.tensor([True]).dtype == rg.bool
    rg.set_default_dtype(rg.float64)
    assert rg.tensor(1.5).dtype == rg.tensor([1.5]).dtype == rg.zeros(1).dtype == rg.float64
    with pytest.raises(TypeError, match="int64"):
        rg.set_default_dtype("int64")


@pytest.mark.parametrize("name", DTYPES)
def test_arrays_keep_their_dtype(name):
    a = np.array([[0, 1, 2], [3, 4, 5]]).astype(name)
    t = rg.tensor(a)
    assert t.dtype == getattr(rg, name)
    assert repr(t.dtype) == f"rgrad.{name}"
    np.testing.assert_array_equal(np.asarray(t), a)
    assert np.asarray(t).dtype == a.dtype
    for spelling in (name, np.dtype(name), a.dtype.type, getattr(rg, name)):
        assert rg.zeros(2, dtype=spelling).dtype == getattr(rg, name)


def test_what_cannot_become_a_tensor():
    with pytest.raises(TypeError, match="str"):
        rg.tensor("abc")
    with pytest.raises(TypeError, match="list"):
        rg.tensor(["a", "b"])
    with pytest.raises(ValueError, match="nested lists"):
        rg.tensor([[1, 2], [3]])
    with pytest.raises(TypeError, match="float16"):
        rg.zeros(2, dtype="float16")
    with pytest.raises(ValueError, match="-1"):
        rg.zeros(2, -1)
    with pytest.raises(ValueError, match="too large"):
        rg.zeros(2**40, 2**40)
    with pytest.raises(MemoryError, match="bytes"):
        rg.zeros(2**50)


def test_functions_that_make_tensors():
    assert rg.zeros(2, 3).shape == rg.ones((2, 3)).shape == rg.empty([2, 3]).shape == (2, 3)
    assert rg.full((2,), 7).tolist() == [7, 7]
    assert rg.full((2,), 7).dtype == rg.int64
    assert rg.eye(2).tolist() == [[1, 0], [0, 1]]
    assert rg.eye(2, 3).shape == (2, 3)
    assert rg.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert rg.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert rg.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert rg.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert rg.linspace(0, 1, 1).tolist() == [0]
    assert rg.ones_like(rg.zeros(2, dtype="int32")).dtype == rg.int32
    with pytest.raises(ValueError, match="step"):
        rg.arange(0, 5, 0)


def test_numbers_that_make_tensors_may_be_numpys_or_tensors():
    assert rg.arange(np.int64(3)).dtype == rg.int64
    assert rg.arange(rg.tensor(3)).tolist() == [0, 1, 2]
    assert rg.full((2,), np.int32(7)).dtype == rg.int64
    assert rg.full((2,), np.float64(0.5)).dtype == rg.float32
    assert rg.full((2,), np.True_).dtype == rg.bool
    assert rg.zeros(np.int64(2), 3).shape == rg.zeros([np.int64(2), 3]).shape == (2, 3)


def test_powers_and_grids():
    np.testing.assert_allclose(rg.logspace(-2, 3, 7, dtype="float64").numpy(), np.logspace(-2, 3, 7), rtol=1e-13)
    np.testing.assert_allclose(rg.logspace(0, 4, 5, base=2).numpy(), [1, 2, 4, 8, 16])
    a, b, c = np.arange(2.0), np.arange(3.0), np.array(5.0)
    for indexing in ("ij", "xy"):
        got = rg.meshgrid(*map(rg.tensor, (a, b, c)), indexing=indexing)
        for g, e in zip(got, np.meshgrid(a, b, c, indexing=indexing), strict=True):
            np.testing.assert_array_equal(g.numpy(), e)
    assert rg.meshgrid([rg.arange(2), rg.arange(3)])[1].shape == (2, 3)
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    (rg.meshgrid(x, x)[0] * rg.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert x.grad.tolist() == [3.0, 7.0]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: rg.linspace(0, 1, -1), ValueError, "-1"),
        (lambda: rg.eye(-2), ValueError, "-2"),
        (lambda: rg.randperm(-3), ValueError, "-3"),
        (lambda: rg.randint(5), TypeError, r"randint\(low, high, size\)"),
        (lambda: rg.randint(3, 5), TypeError, r"randint\(low, high, size\)"),
        (lambda: rg.randint(0, 300, (2,), dtype="uint8"), ValueError, "uint8 does not hold"),
        (lambda: rg.randint(0, 3, (2,), dtype="bool"), ValueError, "bool does not hold"),
        (lambda: rg.randperm(257, dtype="uint8"), ValueError, "uint8 does not hold all integers from 0 to 256"),
        (lambda: rg.arange(-1, 2, dtype="uint8"), ValueError, "uint8 does not hold all integers from -1 to 1"),
        (lambda: rg.zeros(2**63), OverflowError, "9223372036854775808"),
        (lambda: rg.zeros(2**64, 0), OverflowError, "18446744073709551616"),
        (lambda: rg.zeros(*[1] * 65).numpy(), ValueError, "at most 64 dimensions"),
        (lambda: rg.meshgrid(), ValueError, "meshgrid: .*at least one"),
        (lambda: rg.meshgrid(rg.zeros(2), rg.zeros(2, 3)), ValueError, r"meshgrid: .*\(2, 3\) at position 1"),
        (lambda: rg.meshgrid(rg.zeros(2), indexing="yx"), ValueError, "meshgrid: .*yx"),
        (lambda: rg.rand_like(rg.zeros(2, dtype="int64")), TypeError, "rand: .*int64"),
        (lambda: rg.zeros(2, dtype="int64", requires_grad=True), TypeError, "requires_grad"),
        (lambda: rg.zeros(2).stride(1), IndexError, "stride: dim 1 .* -1 to 0"),
    ],
)
def test_what_cannot_be_made(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        (300, "uint8"),
        (-1, "uint8"),
        (2**31, "int32"),
        (float("nan"), "int32"),
        (float("inf"), "int64"),
        (2.0**63, "int64"),
        (-1.5, "uint8"),
    ],
)
def test_numbers_that_a_dtype_cannot_hold(number, dtype):
    x = rg.ones(3, dtype=dtype)
    for write in (
        lambda: rg.tensor(number, dtype=dtype),
        lambda: rg.tensor([1, number], dtype=dtype),
        lambda: rg.full((2,), number, dtype=dtype),
        lambda: rg.full_like(x, number),
        lambda: x.fill_(number),
        lambda: x.__setitem__(0, number),
        lambda: x.__setitem__(slice(2), [1, number]),
        lambda: rg.masked_fill(x, x > 0, number),
        lambda: rg.scatter(x, 0, rg.tensor([0]), number),
        lambda: rg.nn.functional.pad(x, (1, 1), value=number),
    ):
        with pytest.raises(ValueError, match=f"is no value of {dtype}"):
            write()
    assert x.tolist() == [1, 1, 1]


def test_numbers_reach_their_dtype_unrounded():
    assert rg.tensor([0.1], dtype="float64").item() == rg.tensor(0.1, dtype="float64").item() == 0.1
    assert rg.tensor([2.0**24 + 1], dtype="int64").item() == 2**24 + 1
    x = rg.zeros(2, dtype="float64")
    x[:] = [0.1, 1 / 3]
    assert x.tolist() == [0.1, 1 / 3]
    assert rg.zeros((), dtype="int64").fill_(2**53 + 1).item() == 2**53 + 1
    assert rg.tensor([255.9, -0.9], dtype="uint8").tolist() == [255, 0]


def test_forms_of_random_integers():
    for t in (
        rg.randint(5, (2, 3)),
        rg.randint(0, 5, (2, 3)),
        rg.randint(high=5, size=(2, 3)),
        rg.randint(5, size=[2, 3]),
    ):
        assert t.shape == (2, 3)
        assert t.dtype == rg.int64
        assert 0 <= t.numpy().min() <= t.numpy().max() < 5
    assert rg.randint(2, (50,), dtype="bool").dtype == rg.bool
    assert sorted(rg.randperm(4, dtype="int32").tolist()) == [0, 1, 2, 3]


def test_random_like_draws_the_stream_in_its_own_dtype():
    x = rg.zeros(2, 3, dtype="float64")
    for like, own in ((rg.rand_like, rg.rand), (rg.randn_like, rg.randn)):
        rg.manual_seed(1)
        expected = own(2, 3, dtype="float64")
        rg.manual_seed(1)
        assert like(x).tolist() == expected.tolist()
        assert like(x, dtype="float32", requires_grad=True).requires_grad


def test_random_streams():
    rg.manual_seed(5)
    a, b = rg.rand(100), rg.randn(100)
    rg.manual_seed(5)
    assert (rg.rand(100) == a).numpy().all()
    assert (rg.randn(100) == b).numpy().all()
    g = rg.Generator(5)
    assert (rg.rand(100, generator=g) == a).numpy().all()
    state = g.get_state()
    c = rg.randint(0, 1000, 50, generator=g)
    g.set_state(state)
    assert (rg.randint(0, 1000, 50, generator=g) == c).numpy().all()
    assert (rg.rand(10, generator=rg.Generator(1)) != rg.rand(10, generator=rg.Generator(2))).numpy().all()
    copied = pickle.loads(pickle.dumps(g))
    assert copied.get_state() == g.get_state()


def test_random_distributions():
    u, z = rg.rand(200_000, dtype="float64").numpy(), rg.randn(200_000, dtype="float64").numpy()
    assert u.min() >= 0
    assert u.max() < 1
    # Five standard errors of mean and variance.
    assert abs(u.mean() - 0.5) < 5 * (1 / 12) ** 0.5 / 200_000**0.5
    assert abs(z.mean()) < 5 / 200_000**0.5
    assert abs(z.var() - 1) < 5 * 2**0.5 / 200_000**0.5
    assert abs(np.mean(np.abs(z) > 1.959963985) - 0.05) < 5 * (0.05 * 0.95 / 200_000) ** 0.5
    i = rg.randint(-3, 4, 70_000).numpy()
    assert sorted(set(i.tolist())) == list(range(-3, 4))
    p = rg.randperm(1000).tolist()
    assert sorted(p) == list(range(1000))
    assert p != list(range(1000))
    with pytest.raises(ValueError, match="from 3"):
        rg.randint(3, 3, 1)
