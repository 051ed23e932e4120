"""Shapes, views, pieces and copies at their edges: empty, 0-d, size one, non-contiguous, out of range."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

import rgrad as rg
from rgrad.testing import gradgradcheck

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)


def numbered(shape: tuple[int, ...], data: st.DataObject) -> tuple[rg.Tensor, np.ndarray]:
    """A tensor and an array of the same elements, whose dimensions lie in memory in any order."""
    order = data.draw(st.permutations(range(len(shape))))
    a = np.arange(float(np.prod(shape))).reshape([shape[d] for d in order])
    back = np.argsort(order)
    return rg.tensor(a).permute(back.tolist()), a.transpose(back)


@hypothesis.given(shape=SHAPES, data=st.data())
def test_flip_and_roll_any_dims(shape, data):
    t, a = numbered(shape, data)
    dims = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda d: d % len(shape)))
    np.testing.assert_array_equal(rg.flip(t, dims).numpy(), np.flip(a, tuple(dims)))
    shifts = data.draw(st.lists(st.integers(-20, 20), min_size=len(dims), max_size=len(dims)))
    np.testing.assert_array_equal(rg.roll(t, shifts, dims).numpy(), np.roll(a, shifts, tuple(dims)))
    np.testing.assert_array_equal(rg.roll(t, 5).numpy(), np.roll(a, 5))


@hypothesis.given(shape=SHAPES, data=st.data())
def test_pieces_of_any_size(shape, data):
    t, a = numbered(shape, data)
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    n = shape[dim]
    size = data.draw(st.integers(1, 8))
    pieces = t.split(size, dim)
    expected = np.split(a, range(size, n, size), dim)
    assert [p.shape for p in pieces] == [e.shape for e in expected]
    for p, e in zip(pieces, expected, strict=True):
        np.testing.assert_array_equal(p.numpy(), e)
    np.testing.assert_array_equal(rg.cat(pieces, dim).numpy(), a)
    chunks = t.chunk(size, dim)
    assert len(chunks) <= size
    assert len({c.shape for c in chunks[:-1]}) <= 1
    np.testing.assert_array_equal(rg.cat(chunks, dim).numpy(), a)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    sizes = np.diff([0, *cuts, n]).tolist()
    np.testing.assert_array_equal(rg.cat(t.split(sizes, dim), dim).numpy(), a)
    if n:
        np.testing.assert_array_equal(rg.stack(t.unbind(dim), dim).numpy(), a)


@hypothesis.given(shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), data=st.data())
def test_repeat_and_tile(shape, data):
    t, a = numbered(shape, data)
    times = data.draw(st.lists(st.integers(0, 3), max_size=4))
    np.testing.assert_array_equal(t.tile(times).numpy(), np.tile(a, times))
    if len(times) >= len(shape):
        np.testing.assert_array_equal(t.repeat(times).numpy(), np.tile(a, times))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_any_dtype(dtype):
    a = np.array([[0, 1, 2], [3, 0, 5]]).astype(dtype)
    t = rg.tensor(a)
    for got, expected in [
        (t.flip(1), a[:, ::-1]),
        (t.flip(0), a[::-1]),
        (t.roll(1, 1), np.roll(a, 1, 1)),
        (t.repeat(2, 1), np.tile(a, (2, 1))),
        (t.unbind(1)[2], a[:, 2]),
        (rg.stack(t.chunk(2)), a[:, None]),
        (t.movedim(0, 1).ravel(), a.T.ravel()),
    ]:
        assert got.dtype == t.dtype
        np.testing.assert_array_equal(got.numpy(), expected)


def test_pieces_are_views_and_copies_are_not():
    t = rg.zeros(2, 3)
    for view in (
        *t.split(1),
        *t.chunk(3, 1),
        *t.unbind(1),
        t.select(0, 1),
        t.movedim(0, 1),
        t.swapaxes(0, 1),
        t.ravel(),
    ):
        view += 1
    # Each element is in one piece of each of the three, in the three views of everything, and row 1 in the selection.
    assert t.tolist() == [[6, 6, 6], [7, 7, 7]]
    for copy in (t.flip(()), t.flip(0), t.roll(0, 0), t.roll(3, 1), t.repeat(1, 1), t.tile(1)):
        copy.zero_()
    assert t.tolist() == [[6, 6, 6], [7, 7, 7]]


def test_edges_of_pieces():
    assert [p.shape for p in rg.zeros(0, 2).split(3)] == [(0, 2)]
    assert [p.shape for p in rg.zeros(0).chunk(3)] == [(0,)] * 3
    assert rg.zeros(0, 2).unbind() == ()
    assert [p.shape for p in rg.zeros(5).chunk(4)] == [(2,), (2,), (1,)]
    assert [p.item() for p in rg.arange(3).unbind()] == [0, 1, 2]
    assert rg.arange(4).unflatten(0, 4).shape == (4,)
    assert rg.zeros(0, 3).unflatten(1, (3, -1)).shape == (0, 3, 1)
    assert rg.tensor(1.0).movedim((), ()).shape == ()


def test_gradients_of_unused_pieces_are_zero():
    x = rg.ones(4, requires_grad=True)
    _, b, _, _ = x.split(1)
    (b * 3).sum().backward()
    assert x.grad.tolist() == [0, 3, 0, 0]


def test_gradients_of_many_pieces_add_up():
    """They are added in place to what waits for them, whatever came before and comes between."""
    a = np.random.default_rng(0).standard_normal((5, 4))
    x = rg.tensor(a, requires_grad=True)
    held = rg.ones(5, 4, dtype="float64")

    def loss(x):
        total = (x * held).sum() + (x[1:, ::2] ** 2).sum()
        for i, row in enumerate(x):
            total = total + (row * (i + 1)).sum() + x[i, :0].sum()
        for left, right in (x.split(2, 1), x.split(2, 1)):
            total = total + (left * right).sum()
        return total + x.exp().sum()

    first, second = np.zeros_like(a), a[:, 2:].copy()
    first[1:, ::2] = 2 * a[1:, ::2]
    expected = 1 + first + np.arange(1, 6)[:, None] + 2 * np.hstack([second, a[:, :2]]) + np.exp(a)
    loss(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14)
    assert (held == 1).numpy().all()
    # The same with a recorded backward pass, and from a result instead of a leaf.
    np.testing.assert_allclose(
        rg.autograd.grad(loss(x), x, create_graph=True)[0].detach().numpy(), expected, rtol=1e-14
    )
    y = x * 1
    (g,) = rg.autograd.grad(loss(y), y)
    np.testing.assert_allclose(g.numpy(), expected, rtol=1e-14)
    assert gradgradcheck(loss, [x])


def test_a_gradient_that_somebody_holds_is_not_added_to():
    x = rg.zeros(2, 3, requires_grad=True)
    seed = rg.ones(2, 3)
    y = x + 0.0
    # The seed itself waits for x when the gradient of the row arrives.
    rg.autograd.grad([y, x[0]], [x], [seed, rg.ones(3)])
    assert seed.tolist() == [[1, 1, 1], [1, 1, 1]]
    seen = []
    z = x * 1
    z.register_hook(seen.append)
    (z[0].sum() + z[1].sum() + (z * 2).sum()).backward()
    assert seen[0].tolist() == [[3, 3, 3], [3, 3, 3]]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: rg.zeros(2, 3).flip(2), IndexError, "flip: dim 2 is out of range, expected -2 to 1"),
        (lambda: rg.zeros(2, 3).flip(0, -2), ValueError, "flip: dim -2 appears twice"),
        (lambda: rg.zeros(2, 3).roll((1, 2), 0), ValueError, "roll: 2 shifts do not fit 1 dims"),
        (lambda: rg.zeros(2, 3).roll((1, 2)), ValueError, "roll: 2 shifts were given without dims"),
        (lambda: rg.zeros(2, 3).roll(1, 5), IndexError, "roll: dim 5 .* -2 to 1"),
        (lambda: rg.zeros(2, 3).repeat(2), ValueError, r"repeat: 1 sizes for a tensor of shape \(2, 3\)"),
        (lambda: rg.zeros(2).repeat(-1), ValueError, "repeat: .* got -1"),
        (lambda: rg.zeros(2).tile(2**40, 2**40), ValueError, "tile: .*too large"),
        (lambda: rg.zeros(4).split(0), ValueError, "split: .* positive size, got 0"),
        (lambda: rg.zeros(4).split([1, 2]), ValueError, r"split: sizes \[1, 2\] do not add up to dim 0 of size 4"),
        (lambda: rg.zeros(4).split([5, -1]), ValueError, r"split: sizes \[5, -1\]"),
        (lambda: rg.zeros(4).split(2, 1), IndexError, "split: dim 1 .* -1 to 0"),
        (lambda: rg.zeros(4).chunk(0), ValueError, "chunk: .* got 0"),
        (lambda: rg.tensor(1.0).unbind(), IndexError, r"unbind: .* shape \(\)"),
        (lambda: rg.zeros(4).select(0, 4), IndexError, "select: index 4 is out of range for dim 0 of size 4"),
        (
            lambda: rg.zeros(4, 2).unflatten(0, (3, -1)),
            ValueError,
            r"unflatten: dim 0 of size 4 cannot become \(3, -1\)",
        ),
        (lambda: rg.zeros(4).reshape(-1, -1), ValueError, r"reshape: .*\(4,\) cannot become \(-1, -1\)"),
        (lambda: rg.zeros(4).reshape(-2, -2), ValueError, r"reshape: .*\(-2, -2\)"),
        (lambda: rg.zeros(0).reshape(0, -1), ValueError, r"reshape: .*\(0, -1\)"),
        (lambda: rg.zeros(2, 3).movedim((0, 1), 0), ValueError, "movedim: 2 dims cannot be moved to 1 places"),
        (lambda: rg.zeros(2, 3).movedim(2, 0), IndexError, "movedim: dim 2"),
        (lambda: rg.zeros(2, 3).swapaxes(0, 2), IndexError, "swapaxes: dim 2"),
        (lambda: rg.zeros(3).broadcast_to(2), ValueError, r"broadcast_to: .*\(3,\) cannot be expanded to \(2\)"),
        (lambda: rg.zeros(2, 3).expand_as(rg.zeros(3)), ValueError, r"expand_as: .*\(2, 3\) .* \(3\)"),
        (lambda: rg.zeros(3).expand(-1, 3), ValueError, r"expand: .*\(-1, 3\)"),
        (lambda: rg.zeros(1).expand(2**40, 2**40), ValueError, "expand: .*too large"),
    ],
)
def test_errors_say_what_does_not_fit(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
