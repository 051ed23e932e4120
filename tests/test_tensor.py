"""Tensors: making them, indexing, errors, copies."""

import copy
import pickle

import numpy as np
import pytest

import rgrad as rg

DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]


# ---- Making ----


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


def test_where_elements_lie():
    t = rg.zeros(3, 4, dtype="int32")[1:, ::2]
    assert (t.stride(), t.stride(-1), t.storage_offset()) == ((4, 2), 2, 4)
    assert (t.element_size(), t.itemsize, t.nbytes) == (4, 4, 16)
    assert rg.zeros(2).is_floating_point()
    assert not t.is_floating_point()


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


# ---- Operators, Python ----


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (rg.float32, rg.float64, rg.float64),
        (rg.int64, rg.float32, rg.float32),
        (rg.int32, rg.int64, rg.int64),
        (rg.uint8, rg.int32, rg.int32),
        (rg.bool, rg.uint8, rg.uint8),
    ],
)
def test_promotion_of_tensors(a, b, expected):
    for x, y in ((a, b), (b, a)):
        assert (rg.ones(2, dtype=x) + rg.ones(2, dtype=y)).dtype == expected


def test_python_numbers_adapt():
    assert (rg.ones(2, dtype="float64") * 2.5).dtype == rg.float64
    assert (rg.ones(2) * 2.5).dtype == rg.float32
    assert (2 * rg.ones(2)).dtype == rg.float32
    assert (rg.ones(2, dtype="int32") + 1).dtype == rg.int32
    assert (rg.ones(2, dtype="int32") + 1.5).dtype == rg.float32
    assert (rg.ones(2, dtype="bool") + 1).dtype == rg.int64
    assert rg.maximum(rg.ones(2), 0.0).dtype == rg.float32
    assert rg.where(rg.tensor([True, False]), 1.0, rg.zeros(2, dtype="float64")).dtype == rg.float64
    assert (rg.ones(2, dtype="int64") / 2).dtype == rg.float32
    assert (rg.tensor([2, 3]) ** 2).tolist() == [4, 9]


def test_integers_compute_as_integers():
    a, b = rg.tensor([7, -8, 2**40]), rg.tensor([2, 3, 5])
    assert (a * b).tolist() == [14, -24, 5 * 2**40]
    assert (a - b).tolist() == [5, -11, 2**40 - 5]
    assert rg.abs(a).tolist() == [7, 8, 2**40]
    assert rg.maximum(a, b).tolist() == [7, 3, 2**40]
    assert a.sum().item() == 2**40 - 1
    assert rg.tensor([200, 100], dtype="uint8").sum().item() == 300
    assert rg.tensor([True, True, False]).sum().item() == 2
    assert rg.sqrt(rg.tensor([4, 9])).tolist() == [2.0, 3.0]
    with pytest.raises(TypeError, match="mean"):
        a.mean()


def test_python_protocols():
    t = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2
    assert [row.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    assert (float(rg.tensor(1.5)), int(rg.tensor(3)), bool(rg.tensor([0.0]))) == (1.5, 3, False)
    assert [10, 20, 30][rg.tensor(1)] == 20
    assert isinstance(int(rg.tensor(3.7)), int)
    assert rg.tensor(True).item() is True
    for bad in (len, iter):
        with pytest.raises(TypeError, match="0-d"):
            bad(rg.tensor(1.0))
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        bool(t)
    with pytest.raises(ValueError, match="one element"):
        t.item()
    with pytest.raises(TypeError, match="index"):
        [1, 2][rg.tensor(1.0)]
    assert {t: 1}[t] == 1
    assert (-t).tolist() == [[-1.0, -2.0], [-3.0, -4.0]]
    assert abs(rg.tensor(-2.0)).item() == 2.0
    assert t.T.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert rg.zeros(2, 3, 4).mT.shape == (2, 4, 3)
    assert t.size() == (2, 2)
    assert t.size(-1) == 2


def test_repr_shows_what_matters():
    assert repr(rg.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(rg.tensor([1.0], dtype="float64", requires_grad=True)) == (
        "tensor([1.], dtype=rgrad.float64, requires_grad=True)"
    )
    assert "grad_fn=<mulBackward>" in repr(rg.tensor([1.0], requires_grad=True) * 2)
    assert repr(rg.zeros(0, 3)) == "tensor([], shape=(0, 3))"
    assert repr(rg.tensor([1])[:0]) == "tensor([], dtype=rgrad.int64)"


def test_a_number_is_formatted_as_such():
    assert f"{rg.tensor(3.14159, requires_grad=True):.2f} {rg.tensor(7):3d} {rg.tensor(1.0)}" == "3.14   7 tensor(1.)"
    with pytest.raises(TypeError, match=r"shape \(2,\) cannot be formatted as \.2f"):
        f"{rg.ones(2):.2f}"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies(duplicate):
    t = rg.tensor([[1.0, 2.0]], dtype="float64", requires_grad=True)
    c = duplicate(t)
    assert (c.tolist(), c.dtype, c.requires_grad) == (t.tolist(), t.dtype, True)
    p = duplicate(rg.nn.Parameter([1.0, 2.0]))
    assert isinstance(p, rg.nn.Parameter)
    assert p.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="detach"):
        duplicate(t * 2)


# ---- Errors name the operation and what it got ----


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: rg.zeros(2, 3) + rg.zeros(4), ValueError, r"add: shapes \(2, 3\) and \(4,\)"),
        (lambda: rg.zeros(2, 3) @ rg.zeros(4, 2), ValueError, r"matmul.*\(2, 3\) @ \(4, 2\)"),
        (lambda: rg.tensor(1.0) @ rg.zeros(2), ValueError, "matmul"),
        (lambda: rg.zeros(2, 2, 2, 3) @ rg.zeros(3, 3, 1), ValueError, r"matmul: shapes \(2, 2\) and \(3,\)"),
        (lambda: rg.linear(rg.zeros(2, 3), rg.zeros(4, 2)), ValueError, r"linear.*\(2, 3\) and \(4, 2\)"),
        (
            lambda: rg.linear(rg.zeros(2, 3), rg.zeros(4, 3), rg.zeros(3)),
            ValueError,
            r"bias of shape \(4,\), got \(3,\)",
        ),
        (lambda: rg.zeros(2, 3).sum(2), IndexError, "sum: dim 2 is out of range, expected -2 to 1"),
        (lambda: rg.zeros(2, 3).sum((0, -2)), ValueError, "sum: dim -2 appears twice"),
        (lambda: rg.softmax(rg.zeros(3), 1), IndexError, "softmax: dim 1"),
        (lambda: rg.zeros(2, 3).reshape(4), ValueError, r"reshape.*\(2, 3\).*\(4\)"),
        (lambda: rg.zeros(2, 3).reshape(-1, -1), ValueError, "reshape"),
        (lambda: rg.zeros(2, 3).T.view(6), ValueError, "reshape instead"),
        (lambda: rg.zeros(2, 3).permute(0, 0), ValueError, "permute: dim 0 appears twice"),
        (lambda: rg.zeros(2, 3).expand(2, 4), ValueError, r"expand.*\(2, 3\).*\(2, 4\)"),
        (lambda: rg.zeros(0).amax(), ValueError, r"amax.*\(0,\)"),
        (lambda: rg.zeros(0, 3).argmax(0), ValueError, "argmax"),
        (lambda: rg.cat([]), ValueError, "cat: expected at least one"),
        (lambda: rg.cat([rg.zeros(2, 3), rg.zeros(2, 2)]), ValueError, r"cat: shapes \(2, 3\) and \(2, 2\)"),
        (lambda: rg.stack([rg.zeros(2), rg.zeros(3)]), ValueError, r"stack: shapes \(2,\) and \(3,\)"),
        (lambda: rg.cat([rg.zeros(2), 3]), TypeError, "int at position 1"),
        (lambda: rg.where(rg.zeros(2), 1.0, 2.0), TypeError, "where.*bool"),
        (lambda: rg.clamp(rg.zeros(2)), ValueError, "clamp"),
        (lambda: rg.exp("a"), TypeError, "str"),
        (lambda: rg.tensor([True]) + rg.tensor([True]), TypeError, "add.*bool"),
        (lambda: rg.cross_entropy(rg.zeros(2, 3), rg.tensor([0, 3])), ValueError, "label 3 in row 1 .* 3 classes"),
        (lambda: rg.cross_entropy(rg.zeros(2, 3), rg.tensor([-1, 0])), ValueError, "label -1 in row 0"),
        (lambda: rg.cross_entropy(rg.zeros(2, 3), rg.tensor([0.0, np.nan])), TypeError, "integer labels"),
        (lambda: rg.cross_entropy(rg.zeros(2, 3), rg.tensor([0])), ValueError, r"\(2, 3\) and \(1,\)"),
        (lambda: rg.cross_entropy(rg.zeros(0, 3), rg.zeros(0, dtype="int64")), ValueError, "empty batch"),
        (lambda: rg.cross_entropy(rg.zeros(1, 3), rg.tensor([0]), reduction="avg"), ValueError, "avg"),
        (lambda: rg.mse_loss(rg.zeros(3), rg.zeros(3, 1)), ValueError, r"\(3,\), target has shape \(3, 1\)"),
        (lambda: rg.zeros(3).sum(dim=0, axis=0), ValueError, "twice"),
        (lambda: rg.dropout(rg.zeros(3), 1.5), ValueError, "1.5"),
        (lambda: rg.zeros(2).copy_(rg.zeros(3)), ValueError, "broadcast"),
        (lambda: rg.zeros(1, 2).expand(2, 2).fill_(1.0), RuntimeError, r"clone\(\)"),
        (lambda: rg.tensor([1]).add_(0.5), TypeError, "float32.*int64"),
        (lambda: rg.set_num_threads(0), ValueError, "1 to 1024, got 0"),
        (lambda: rg.set_num_threads(10**6), ValueError, "1 to 1024"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


# ---- Special values ----


def test_nan_and_infinity():
    x = rg.tensor([np.nan, np.inf, -np.inf, 0.0])
    assert np.isnan(rg.relu(x).numpy()).tolist() == [True, False, False, False]
    assert np.isnan(rg.maximum(x, 0.0).numpy()).tolist() == [True, False, False, False]
    assert np.isnan(x.amax().item())
    assert x.argmax().item() == 0
    assert rg.sigmoid(x).tolist()[1:] == [1.0, 0.0, 0.5]
    assert rg.tanh(x).tolist()[1:] == [1.0, -1.0, 0.0]
    assert rg.softmax(rg.tensor([1000.0, 1000.0]), 0).tolist() == [0.5, 0.5]
    assert rg.logsumexp(rg.tensor([-np.inf, -np.inf])).item() == -np.inf
    assert rg.logsumexp(rg.tensor([1e4, 0.0])).item() == 1e4
    assert rg.cross_entropy(rg.tensor([[1e4, 0.0]]), rg.tensor([1])).item() == 1e4
    loss = rg.binary_cross_entropy_with_logits(rg.tensor([1e4, -1e4]), rg.tensor([0.0, 1.0]), reduction="none")
    assert loss.tolist() == [1e4, 1e4]


def test_gradients_at_kinks_are_pytorchs():
    x = rg.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    for f, expected in [
        (rg.relu, [0, 0, 1]),
        (rg.abs, [-1, 0, 1]),
        (lambda x: rg.clamp(x, -1.0, 1.0), [1, 1, 1]),
        (lambda x: rg.clamp(x, 0.0, 0.5), [0, 1, 0]),
        (lambda x: rg.maximum(x, rg.zeros(3)), [0, 0.5, 1]),
        (lambda x: x**2, [-2, 0, 2]),
        (lambda x: rg.where(x > 0, rg.sqrt(rg.where(x > 0, x, 1.0)), 0.0), [0, 0, 0.5]),
    ]:
        x.grad = None
        f(x).sum().backward()
        assert x.grad.tolist() == expected
    t = rg.tensor([2.0, 2.0, 1.0], requires_grad=True)
    t.amax().backward()
    assert t.grad.tolist() == [0.5, 0.5, 0.0]
    t.grad = None
    values, index = t.max(0)
    values.backward()
    assert (index.item(), t.grad.tolist()) == (0, [1.0, 0.0, 0.0])
    base = rg.tensor(0.0, requires_grad=True)
    (base ** rg.tensor(0.0, requires_grad=True)).backward()
    assert base.grad.item() == 0.0


def test_sums_are_accurate():
    x = np.full(1_000_000, 0.1, np.float32)
    assert abs(rg.tensor(x).sum().item() - x.astype(np.float64).sum()) < 0.01


def test_empty_and_single_elements():
    assert rg.zeros(0).sum().item() == 0.0
    assert np.isnan(rg.zeros(0).mean().item())
    assert (rg.zeros(0, 3) @ rg.zeros(3, 2)).shape == (0, 2)
    assert (rg.zeros(2, 0) @ rg.zeros(0, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert rg.softmax(rg.zeros(0, 3), 1).shape == (0, 3)
    assert rg.cross_entropy(rg.zeros(0, 3), rg.zeros(0, dtype="int64"), reduction="sum").item() == 0.0
    x = rg.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)
    assert rg.tensor([[5.0]]).squeeze().item() == 5.0
