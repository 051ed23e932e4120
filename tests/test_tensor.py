"""Tensors: their dtypes together, Python's protocols, errors, copies, special values."""

import copy
import pickle

import numpy as np
import pytest

import rgrad as rg

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


def test_where_elements_lie():
    t = rg.zeros(3, 4, dtype="int32")[1:, ::2]
    assert (t.stride(), t.stride(-1), t.storage_offset()) == ((4, 2), 2, 4)
    assert (t.element_size(), t.itemsize, t.nbytes) == (4, 4, 16)
    assert rg.zeros(2).is_floating_point()
    assert not t.is_floating_point()


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
    assert f"{rg.tensor(3.14159, requires_grad=True):.2f} {rg.tensor(7):3d} {rg.tensor(1.0)}" == "3.14   7 1.0"
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
