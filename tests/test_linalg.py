"""Products, contractions and diagonals: what they refuse, and where they are views."""

import math

import numpy as np
import pytest

import rgrad as rg

pytestmark = pytest.mark.every_isa


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("mm", [(2, 3, 4), (4, 5)], r"mm: expected matrices .*\(2, 3, 4\) and \(4, 5\).*matmul, or bmm"),
        ("mm", [(3, 4), (3, 4)], r"mm: the inner sizes of \(3, 4\) and \(3, 4\) differ: 4 and 3"),
        ("mv", [(3, 4), (4, 1)], r"mv: expected a matrix \(m, k\) and a vector \(k,\), got \(3, 4\) and \(4, 1\)"),
        ("mv", [(3, 4), (3,)], "mv: the inner sizes"),
        ("bmm", [(3, 4), (4, 5)], r"bmm: expected stacks .*matmul"),
        ("bmm", [(2, 3, 4), (3, 4, 5)], "bmm: .*stacks of 2 and 3 matrices; matmul broadcasts"),
        ("dot", [(3,), (4,)], "dot: the inner sizes"),
        ("dot", [(3, 1), (3,)], "dot: expected two vectors"),
        ("inner", [(2, 3), (2,)], "inner: the inner sizes"),
        ("outer", [(2, 3), (2,)], "outer: expected two vectors"),
        ("addmm", [(5,), (3, 4), (4, 2)], r"addmm: .*\(5,\) and \(3, 2\)"),
        ("addmm", [(2, 3, 2), (3, 4), (4, 2)], r"addmm: x of shape \(2, 3, 2\) cannot be broadcast to \(3, 2\)"),
        ("addmv", [(3,), (3, 4), (4, 1)], "addmv: expected a matrix"),
        ("baddbmm", [(1,), (3, 4), (4, 1)], "baddbmm: expected stacks"),
        ("trace", [(2, 2, 2)], r"trace: expected a matrix, got \(2, 2, 2\).*diagonal"),
        ("diag", [(2, 2, 2)], "diag: .*diagonal or diag_embed"),
        ("diagonal", [(3,)], "diagonal: expected at least two dimensions, got 1"),
        ("diag_embed", [()], "diag_embed: expected at least one dimension"),
        ("tril", [(3,)], r"tril: expected a matrix or a stack of them, got \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit(name, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(rg, name)(*(rg.ones(s) for s in shapes))


def test_tensordot_refuses():
    a, b = rg.ones(2, 3), rg.ones(3, 2)
    with pytest.raises(ValueError, match="tensordot: 3 dims"):
        rg.tensordot(a, b, 3)
    with pytest.raises(ValueError, match=r"dim 0 of \(2, 3\) and dim 0 of \(3, 2\) have different sizes: 2 and 3"):
        rg.tensordot(a, b, ([0], [0]))
    with pytest.raises(ValueError, match="1 dims of the first tensor are paired with 2"):
        rg.tensordot(a, b, ([0], [0, 1]))
    with pytest.raises(ValueError, match="dim -1 appears twice"):
        rg.tensordot(a, a, ([1, -1], [1, 0]))
    with pytest.raises(IndexError, match="tensordot: dim 2 is out of range"):
        rg.tensordot(a, b, ([2], [0]))
    with pytest.raises(TypeError, match="number of dimensions or a pair of lists"):
        rg.tensordot(a, b, "two")


def test_a_beta_of_zero_does_not_look_at_the_input():
    nan = rg.full((2, 2), math.nan)
    assert rg.addmm(nan, rg.eye(2), rg.eye(2), beta=0).tolist() == [[1, 0], [0, 1]]


def test_diagonals_are_views():
    x = rg.zeros(3, 4)
    x.diagonal(1).fill_(5.0)
    np.testing.assert_array_equal(x.numpy(), 5 * np.eye(3, 4, 1))
    x.diag(-2).fill_(1.0)
    assert x[2, 0].item() == 1.0
    with pytest.raises(ValueError, match="dim1 and dim2 must differ"):
        x.diagonal(0, 1, -1)
    with pytest.raises(IndexError, match="diagonal: dim 2 is out of range"):
        x.diagonal(0, 0, 2)
    assert x.diagonal(-100).shape == (0,)


def test_triangles_drop_what_they_leave_out():
    x = rg.tensor([[1.0, math.nan], [math.inf, 2.0]])
    assert rg.tril(rg.triu(x)).tolist() == [[1, 0], [0, 2]]
    t = rg.tensor([[1.0, 0.0], [3.0, 2.0]], requires_grad=True)
    rg.triu(t.sqrt(), 1).sum().backward()
    assert rg.tril(rg.ones(3, 3, dtype="bool"), -1).dtype == rg.bool
    assert rg.trace(rg.tensor([[1, 2], [3, 4]], dtype="int32")).item() == 5


def test_products_promote_and_take_arrays(rng):
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((3, 2)).astype(np.float32)
    got = rg.mm(rg.tensor(a), b)
    assert got.dtype == rg.float64
    np.testing.assert_allclose(got.numpy(), a @ b.astype(np.float64))
    assert rg.kron(rg.tensor([1, 2]), rg.tensor([0, 3])).tolist() == [0, 3, 0, 6]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
@pytest.mark.parametrize("name", ["addmm", "addmv", "baddbmm", "add", "sub", "lerp"])
def test_factors_scale_in_the_dtype_of_the_result(name, dtype):
    """Integers beside floats were scaled as integers: 3 × 255 of uint8 is 253."""
    large = {"uint8": 200, "int32": 2**30, "bool": 1}[dtype]
    x = rg.full((2, 2), large, dtype=dtype)
    a = rg.full((2, 2), 0.25, dtype="float64")
    one = float(large)
    results = {
        "addmm": lambda: (rg.addmm(x, a, a, beta=3.0), 3 * one + 0.125),
        "addmv": lambda: (rg.addmv(x[0], a, a[0], beta=3.0), 3 * one + 0.125),
        "baddbmm": lambda: (rg.baddbmm(x[None], a[None], a[None], beta=3.0), 3 * one + 0.125),
        "add": lambda: (rg.add(a, x, alpha=3), 0.25 + 3 * one),
        "sub": lambda: (rg.sub(a, x, alpha=3), 0.25 - 3 * one),
        "lerp": lambda: (rg.lerp(x, a, 0.5), (one + 0.25) / 2),
    }
    got, expected = results[name]()
    assert got.dtype == rg.float64
    assert set(got.flatten().tolist()) == {expected}
