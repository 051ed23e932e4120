"""Indexing as NumPy's, read and write, with derivatives, and the functions that pick and put along a dimension."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

import rgrad as rg


def indices(shape: tuple[int, ...]) -> st.SearchStrategy:
    """Every kind of index that NumPy knows, and mixtures of them."""
    items = [
        st.slices(n) | st.integers(-n, n - 1) | st.lists(st.integers(-n, n - 1), max_size=3) if n else st.slices(n)
        for n in shape
    ]
    # Position lists of different lengths do not broadcast; those of one length, or of length one, do.
    mixed = st.tuples(*items).filter(lambda i: len({len(p) for p in i if isinstance(p, list)} - {1}) <= 1)
    mixed = mixed.map(lambda i: tuple(np.array(p, int) if isinstance(p, list) else p for p in i))
    masks = hnp.arrays(bool, shape)
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    positions = hnp.integer_array_indices(shape) if all(shape) else st.nothing()
    return basic | positions | mixed | masks


@hypothesis.given(shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6), data=st.data())
def test_reading_and_writing_by_index(shape, data):
    index = data.draw(indices(shape))
    a = np.arange(float(np.prod(shape))).reshape(shape)
    t = rg.tensor(a)
    np.testing.assert_array_equal(t[index].numpy(), a[index])
    t[index] = -1.0
    a[index] = -1.0
    np.testing.assert_array_equal(t.numpy(), a)


@hypothesis.given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), data=st.data())
def test_gradient_of_indexing(shape, data):
    index = data.draw(indices(shape))
    a = np.random.default_rng(0).standard_normal(shape)
    t = rg.tensor(a, requires_grad=True)
    y = t[index]
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(rg.tensor(g))
    expected = np.zeros(shape)
    np.add.at(expected, index, g)
    np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_indexing_with_tensors_and_masks():
    a = np.arange(24.0).reshape(2, 3, 4)
    t = rg.tensor(a)
    i, j = np.array([0, 1, 1]), np.array([2, -1, 0])
    np.testing.assert_array_equal(t[rg.tensor(i), rg.tensor(j)].numpy(), a[i, j])
    np.testing.assert_array_equal(t[:, j, 1:].numpy(), a[:, j, 1:])
    np.testing.assert_array_equal(t[i, :, j].numpy(), a[i, :, j])
    np.testing.assert_array_equal(t[..., [0, 0]].numpy(), a[..., [0, 0]])
    np.testing.assert_array_equal(t[t > 11.5].numpy(), a[a > 11.5])
    np.testing.assert_array_equal(t[:, a[0] > 5].numpy(), a[:, a[0] > 5])
    np.testing.assert_array_equal(t[[]].numpy(), a[[]])
    np.testing.assert_array_equal(t[-(10**30) : 10**30, :: 10**30].numpy(), a[-(10**30) : 10**30, :: 10**30])
    t[t > 11.5] = 0.0
    assert t.numpy().max() == 11.0
    t[0, 1] = [1, 2, 3, 4]
    assert t[0, 1].tolist() == [1, 2, 3, 4]


def test_basic_indexing_gives_views():
    t = rg.arange(12).reshape(3, 4)
    t[1:, ::2].zero_()
    assert t.tolist() == [[0, 1, 2, 3], [0, 5, 0, 7], [0, 9, 0, 11]]
    row = t[0]
    row += 1
    assert t[0].tolist() == [1, 2, 3, 4]
    t[0] = t[1]
    assert t[0].tolist() == [0, 5, 0, 7]
    t[:2] = t[1:]
    assert t.tolist() == [[0, 5, 0, 7], [0, 9, 0, 11], [0, 9, 0, 11]]


def test_bad_indices():
    t = rg.zeros(3, 4)
    for index, message in [
        (3, "3 is out of range for dim 0 of size 3"),
        ((0, -5), "-5 is out of range for dim 1 of size 4"),
        ((0, 0, 0), "too many indices"),
        ((..., ...), "more than one ellipsis"),
        (np.array([0, 3]), "3 at position 1 is out of range for dim 0 of size 3"),
        ((slice(None), [1, -5]), "-5 at position 1 is out of range for dim 1 of size 4"),
        (10**30, "out of range"),
        (np.zeros(2, bool), "mask of shape"),
        (np.array([0.5]), "integers"),
    ]:
        with pytest.raises(IndexError, match=message):
            t[index]
        with pytest.raises(IndexError, match=message):
            t[index] = 1.0
    with pytest.raises(ValueError, match="step must not be 0"):
        t[::0]
    with pytest.raises(TypeError, match="str"):
        t["a"]
    with pytest.raises(ValueError, match="broadcast"):
        t[0] = rg.zeros(3)


@pytest.mark.parametrize("one", [1, np.int64(1), np.uint8(1), rg.tensor(1), np.array(1), rg.tensor(1, dtype="int32")])
def test_a_single_position_gives_a_view(one):
    t = rg.arange(6).reshape(2, 3)
    t[one] = 0
    t[0, one].fill_(9)
    assert t.tolist() == [[0, 9, 2], [0, 0, 0]]


def test_truth_values_and_integers_beside_positions():
    a = np.arange(24).reshape(2, 3, 4)
    t = rg.tensor(a)
    for index in [
        True,
        False,
        np.True_,
        (True, 0),
        (0, False),
        (0, slice(None), [1, 2]),
        ([1, 0], slice(None), 0),
        (slice(None), 1, [1, 2]),
        (slice(None), [[0], [2]], [1, 2]),
        ((1, 0),),
        (..., None, [0, -1]),
        (slice(None, None, -1), [0, 2], slice(None, 0, -2)),
    ]:
        np.testing.assert_array_equal(t[index].numpy(), a[index], err_msg=str(index))


def test_writing_reversed_and_broadcast():
    t, a = rg.zeros(3, 4), np.zeros((3, 4), np.float32)
    for index, value in [
        (slice(None, None, -1), np.arange(12.0).reshape(3, 4)),
        ((0, slice(None, None, -2)), np.array([1.0, 2.0])),
        ((slice(None), [3, 3]), np.array([[5.0, 6.0]])),
        ((1, slice(1, 3)), np.ones((1, 1, 2))),
        (a > -1, 7.0),
        (np.eye(3, 4, dtype=bool), np.array([1.0, 2.0, 3.0])),
        (np.zeros((3, 4), bool), np.ones(1)),
    ]:
        t[index] = rg.tensor(value)
        a[index] = value
        np.testing.assert_array_equal(t.numpy(), a)
    # From itself.
    t[::-1] = t
    np.testing.assert_array_equal(t.numpy(), a[::-1])
    t[[0, 1, 2]] = t[::-1]
    np.testing.assert_array_equal(t.numpy(), a)
    t[:, 1:] = t[:, :-1]
    a[:, 1:] = a[:, :-1].copy()
    np.testing.assert_array_equal(t.numpy(), a)


def test_a_failed_write_changes_nothing():
    t = rg.arange(12).reshape(3, 4).float()
    before = t.tolist()
    for index, value, kind in [
        ([0, 1, 3], 1.0, IndexError),
        (([0, 1], [0, 4]), 1.0, IndexError),
        ([0, 1], rg.zeros(3), ValueError),
        (([0, 1], [0, 1, 2]), 1.0, ValueError),
        (t > 5, rg.zeros(2), ValueError),
        (slice(None), rg.ones(4, requires_grad=True), RuntimeError),
        ([0], rg.ones(4, requires_grad=True), RuntimeError),
        (t > 5, rg.ones(1, requires_grad=True), RuntimeError),
    ]:
        with pytest.raises(kind):
            t[index] = value
        assert t.tolist() == before
    with pytest.raises(RuntimeError, match="expanded"):
        rg.zeros(1, 3).expand(2, 3)[[0, 1]] = 1.0


@pytest.mark.parametrize("index", [0, [0], slice(None, None, -1), np.array([True, False])])
def test_writing_under_differentiation_names_the_way_out(index):
    leaf = rg.zeros(2, requires_grad=True)
    for x in (leaf, leaf * 2):
        with pytest.raises(RuntimeError, match="index_put"):
            x[index] = 1.0
    with rg.no_grad():
        leaf[index] = 3.0
    assert 3.0 in leaf.tolist()
    with pytest.raises(RuntimeError, match="index_put"):
        rg.jvp(lambda x: x.__setitem__(index, 0.0), (rg.ones(2),), (rg.ones(2),))


@hypothesis.given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
def test_index_put_writes_and_differentiates(shape, data):
    index = data.draw(indices(shape))
    a = np.random.default_rng(0).standard_normal(shape)
    v = np.random.default_rng(1).standard_normal(a[index].shape)
    x, value = rg.tensor(a, requires_grad=True), rg.tensor(v, requires_grad=True)
    y = x.index_put(index, value)
    expected = a.copy()
    expected[index] = v
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    g = np.random.default_rng(2).standard_normal(shape)
    y.backward(rg.tensor(g))
    kept = g.copy()
    kept[index] = 0.0
    np.testing.assert_array_equal(x.grad.numpy(), kept)
    # Where positions repeat, the last one is in the result.
    last = np.full(shape, -1)
    last[index] = np.arange(v.size).reshape(v.shape)
    wins = last[index] == np.arange(v.size).reshape(v.shape)
    np.testing.assert_array_equal(value.grad.numpy(), np.where(wins, g[index], 0.0))


def test_positions_changed_before_the_backward_pass_are_noticed():
    x, i = rg.ones(3, 2, requires_grad=True), rg.tensor([0, 2])
    y = x.index_select(0, i)
    i[0] = 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    i = rg.tensor([0, 2])
    z = x.index_put((i,), 0.0)
    i[0] = 1
    z.sum().backward()
    assert x.grad.tolist() == [[0, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "uint8", "bool"])
def test_along_a_dimension_in_any_dtype(dtype):
    a = np.array([[0, 1, 2], [3, 0, 5]]).astype(dtype)
    t, i = rg.tensor(a), np.array([[2, 0], [1, 1]])
    put = a.copy()
    np.put_along_axis(put, i, a[:, :2], 1)
    for got, expected in [
        (t.gather(1, i), np.take_along_axis(a, i, 1)),
        (t.scatter(1, i, t), put),
        (t.masked_fill(t != 0, 1), np.where(a != 0, np.ones_like(a), a)),
        (t.index_select(1, np.array([2, 2])), a[:, [2, 2]]),
    ]:
        assert got.dtype == t.dtype
        np.testing.assert_array_equal(got.numpy(), expected)
    assert t.nonzero().dtype == rg.int64
    if dtype != "bool":
        sums = a.copy()
        np.add.at(sums, (np.array([[0], [1]]), i), a[:, :2])
        np.testing.assert_array_equal(t.scatter_add(1, i, t).numpy(), sums)


def test_scatter_of_nothing():
    x = rg.ones(2, 3)
    empty = rg.zeros(2, 0, dtype="int64")
    assert x.gather(1, empty).shape == (2, 0)
    assert x.scatter(1, empty, rg.zeros(2, 0)).tolist() == x.tolist()
    assert x.scatter_add(1, empty, rg.zeros(2, 0)).tolist() == x.tolist()
    assert rg.zeros(0, 3).gather(1, rg.zeros(0, 2, dtype="int64")).shape == (0, 2)
    assert rg.zeros(0, 3).nonzero().shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.gather(1, rg.tensor([[0, 3]])), IndexError, "gather: 3 at position 1 .* dim 1 of size 3"),
        (lambda x: x.gather(1, rg.tensor([[0], [-4]])), IndexError, "gather: -4 at position 1 .* dim 1 of size 3"),
        (lambda x: x.gather(2, rg.tensor([[0]])), IndexError, "gather: dim 2 is out of range, expected -2 to 1"),
        (lambda x: x.gather(1, rg.tensor([[0.0]])), TypeError, "gather: .*integers, got float32"),
        (lambda x: x.gather(1, rg.tensor([[True]])), TypeError, "gather: .*integers, got bool"),
        (lambda x: x.gather(1, rg.tensor([0])), ValueError, r"gather: an index of shape \(1,\) .* \(2, 3\)"),
        (lambda x: x.gather(1, rg.tensor([[0]] * 3)), ValueError, r"gather: an index of shape \(3, 1\)"),
        (lambda x: x.scatter(1, rg.tensor([[0, 1]]), rg.zeros(1, 1)), ValueError, r"scatter: src of shape \(1, 1\)"),
        (lambda x: x.scatter_add(1, rg.tensor([[5]]), rg.zeros(1, 1)), IndexError, "scatter_add: 5 at position 0"),
        (lambda x: x.take_along_dim(rg.tensor([9])), IndexError, "take_along_dim: 9 .* dim 0 of size 6"),
        (lambda x: x.take_along_dim(rg.tensor([0]), 0), ValueError, "take_along_dim: .*number of dimensions"),
        (lambda x: x.take_along_dim(rg.tensor([[0]] * 3), 1), ValueError, "take_along_dim: .*broadcast"),
        (lambda x: x.index_select(1, rg.tensor([3])), IndexError, "index_select: 3 .* dim 1 of size 3"),
        (
            lambda x: x.index_select(0, rg.tensor([2])),
            IndexError,
            "2 at position 0 is out of range for dim 0 of size 2",
        ),
        (lambda x: x.index_select(0, rg.tensor([[0]])), ValueError, "index_select: .*\\(1, 1\\)"),
        (lambda x: x.masked_fill(x, 0.0), TypeError, "masked_fill: .*bool, got float32"),
        (lambda x: x.masked_fill(x > 0, x), ValueError, r"masked_fill: .*rg\.where"),
        (lambda x: x.masked_fill(rg.tensor([True] * 4), 0.0), ValueError, "masked_fill: shapes"),
        (lambda x: x.index_put((0, 0, 0), 1.0), IndexError, "too many indices"),
        (lambda x: x.index_put(0, rg.zeros(2)), ValueError, r"value of shape \(2,\) .* \(3,\)"),
    ],
)
def test_errors_along_a_dimension(call, kind, message):
    with pytest.raises(kind, match=message):
        call(rg.zeros(2, 3))
