"""Reductions, statistics, norms, extremes and sorting where they are easily wrong: nothing, one, ties, NaN, dtypes."""

import math
import pickle

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

import rgrad as rg
from rgrad.return_types import ValuesIndices

pytestmark = pytest.mark.every_isa


def gradient(f, x, dtype=rg.float64) -> list:
    t = rg.tensor(x, dtype=dtype, requires_grad=True)
    f(t).sum().backward()
    return t.grad.tolist()


def test_dtype_is_that_of_the_elements_before_they_are_reduced():
    x = rg.tensor([1, 2, 4], dtype="int32")
    assert x.sum().dtype == rg.int64
    assert x.sum(dtype=rg.float64).dtype == rg.float64
    assert x.mean(dtype="float32").item() == pytest.approx(7 / 3)
    assert x.sum(dtype="int32").dtype == rg.int32
    assert rg.tensor([1.7, 1.7]).sum(dtype=rg.int64).item() == 2
    big = rg.full((10,), 1e38)
    assert math.isinf(big.sum().item())
    assert big.sum(dtype=rg.float64).item() == pytest.approx(1e39)
    with pytest.raises(TypeError, match=r"mean.*int32.*dtype=rg.float32"):
        x.mean()


def test_products_and_cumulations_of_integers():
    x = rg.tensor([[2, 3], [4, 5]], dtype="int32")
    assert x.prod().item() == 120
    assert x.prod(1).dtype == x.cumsum(0).dtype == x.cumprod(0).dtype == rg.int64
    assert x.cumsum(0).tolist() == [[2, 3], [6, 8]]
    assert x.cumprod(-1).tolist() == [[2, 6], [4, 20]]
    assert rg.tensor([True, False, True]).cumsum(0).tolist() == [1, 1, 2]
    assert x.cumsum(0, dtype=rg.float64).dtype == rg.float64
    assert x.prod(dtype="float32").item() == 120.0
    assert rg.zeros(0).prod().item() == 1.0
    assert rg.zeros(2, 0).cumprod(1).shape == (2, 0)


def test_gradients_of_products_are_right_where_elements_are_zero():
    assert gradient(rg.prod, [2.0, 0.0, 3.0]) == [0, 6, 0]
    assert gradient(rg.prod, [0.0, 0.0, 3.0]) == [0, 0, 0]
    assert gradient(lambda x: x.cumprod(0), [2.0, 0.0, 3.0]) == [1 + 0 + 0, 2 + 6, 0]


def test_cumulations_of_infinity():
    assert rg.tensor([math.inf, 2.0]).cumprod(0).tolist() == [math.inf, math.inf]
    assert rg.tensor([1.0, math.inf, -math.inf]).cumsum(0).tolist()[:2] == [1.0, math.inf]


def test_gradients_of_long_products_take_linear_time():
    # A quadratic rule would need 10¹⁰ elements.
    x = rg.ones(100_000, dtype=rg.float64, requires_grad=True)
    x.prod().backward()
    assert x.grad.numpy().min() == x.grad.numpy().max() == 1.0


def test_cumulations_need_a_dim():
    with pytest.raises(TypeError, match="cumsum: give the dim"):
        rg.ones(3).cumsum()
    with pytest.raises(IndexError, match="cumprod: dim 1 is out of range"):
        rg.ones(3).cumprod(1)


def test_truth():
    assert rg.zeros(0).all().item() is True
    assert rg.zeros(0).any().item() is False
    assert rg.tensor([0.0, math.nan]).any().item() is True
    assert rg.tensor([[0, 1], [2, 3]]).all(0).tolist() == [False, True]
    assert rg.tensor([[False, True], [False, False]]).any(dim=1, keepdim=True).tolist() == [[True], [False]]
    assert rg.tensor([256, 512]).all().item() is True
    assert rg.tensor([0.5, -0.0]).all().item() is False
    assert rg.ones(2, 3).count_nonzero(dim=(0, 1)).item() == 6
    x = rg.ones(3, requires_grad=True)
    assert not (x > 0).all().requires_grad


def test_variance_of_one_and_of_nothing():
    assert math.isnan(rg.ones(1).var().item())
    assert math.isnan(rg.zeros(0).std().item())
    assert rg.ones(1).var(correction=0).item() == 0.0
    assert rg.zeros(3, 0).var(0).shape == (0,)
    assert math.isnan(rg.tensor([1.0, 2.0]).var(correction=3).item() - math.inf)


def test_variance_does_not_cancel():
    x = np.array([1e8, 1e8 + 1, 1e8 + 2])
    assert rg.tensor(x).var().item() == 1.0


def test_standard_deviation_of_equal_numbers_has_the_gradient_zero():
    assert gradient(lambda x: x.std(), [2.0, 2.0, 2.0]) == [0, 0, 0]
    assert gradient(lambda x: rg.std_mean(x)[0], [2.0, 2.0]) == [0, 0]


def test_variance_takes_correction_or_unbiased():
    x = rg.tensor([1.0, 2.0, 4.0])
    assert x.var(unbiased=False).item() == x.var(correction=0).item() == pytest.approx(14 / 9)
    with pytest.raises(ValueError, match="var: give correction or unbiased"):
        x.var(unbiased=True, correction=1)
    with pytest.raises(ValueError, match="correction must be a finite"):
        x.var(correction=math.nan)
    with pytest.raises(TypeError, match="std: expected a tensor of floats, got int64"):
        rg.tensor([1, 2]).std()
    # PyTorch's second positional argument was `unbiased`: nothing may stand there.
    with pytest.raises(TypeError):
        x.var(0, False)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, math.inf])
def test_norm_at_zero_has_the_gradient_zero(p):
    assert gradient(lambda x: x.norm(p), [0.0, 0.0]) == [0, 0]
    assert np.isfinite(gradient(lambda x: x.norm(p), [0.0, 2.0])).all()
    assert rg.norm(rg.zeros(0), 2).item() == 0.0


def test_euclidean_norm_at_zero_has_finite_second_derivatives():
    x = rg.zeros(2, dtype=rg.float64, requires_grad=True)
    (g,) = rg.autograd.grad(x.norm(), x, create_graph=True)
    g.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("p", [2, 3, 0.5])
@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_norms_neither_overflow_nor_vanish(p, size):
    x = rg.full((4,), size, dtype=rg.float32, requires_grad=True)
    y = x.norm(p)
    y.backward()
    assert y.item() == pytest.approx(4 ** (1 / p) * size, rel=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), np.full(4, 4 ** (1 / p - 1)), rtol=1e-5)


def test_norms_of_infinity_and_nan():
    for p in (1, 2, 3, math.inf):
        assert rg.tensor([1.0, math.inf]).norm(p).item() == math.inf
        assert math.isnan(rg.tensor([1.0, math.nan]).norm(p).item())
    assert rg.tensor([0.0, 2.0]).norm(-1).item() == 0.0
    assert gradient(lambda x: x.norm(-1), [0.0, 2.0]) == [0, 0]


def test_ties_of_the_largest_magnitude_share_the_gradient():
    assert gradient(lambda x: x.norm(math.inf), [-3.0, 3.0, 1.0]) == [-0.5, 0.5, 0]


def test_norms_refuse():
    with pytest.raises(TypeError, match=r"norm.*int64"):
        rg.tensor([1, 2]).norm()
    with pytest.raises(ValueError, match="nuclear"):
        rg.ones(2, 2).norm("nuc")
    with pytest.raises(ValueError, match="euclid"):
        rg.ones(2).norm("euclid")
    with pytest.raises(ValueError, match="nan"):
        rg.ones(2).norm(math.nan)
    with pytest.raises(ValueError, match=r"norm.*\(0,\)"):
        rg.zeros(0).norm(math.inf)
    with pytest.raises(IndexError, match="norm: dim 2 is out of range, expected -2 to 1"):
        rg.ones(2, 2).norm(dim=2)


def test_norms_of_linalg_are_numpys(rng):
    x = rng.standard_normal((3, 4))
    t = rg.tensor(x)
    for ord in ("fro", 1, -1, math.inf, -math.inf):
        assert rg.linalg.norm(t, ord).item() == pytest.approx(np.linalg.norm(x, ord), rel=1e-14)
        assert rg.linalg.matrix_norm(t, ord, keepdim=True).shape == (1, 1)
    assert rg.linalg.norm(t).item() == pytest.approx(np.linalg.norm(x))
    for ord in (0, 1, 2, 3, -1, math.inf, -math.inf):
        got = rg.linalg.norm(t, ord, dim=1)
        np.testing.assert_allclose(got.numpy(), np.linalg.norm(x, ord, 1), rtol=1e-14)
        np.testing.assert_allclose(rg.linalg.vector_norm(t, ord, 1).numpy(), got.numpy())
    stack = rng.standard_normal((2, 3, 4))
    got = rg.linalg.norm(rg.tensor(stack), 1, dim=(2, 0))
    np.testing.assert_allclose(got.numpy(), np.linalg.norm(stack, 1, (2, 0)), rtol=1e-14)
    np.testing.assert_array_equal(rg.linalg.diagonal(rg.tensor(stack)).numpy(), stack.diagonal(0, 1, 2))


def test_norms_of_linalg_refuse():
    x = rg.ones(2, 2)
    for ord in (2, -2, "nuc"):
        with pytest.raises(NotImplementedError, match="singular values"):
            rg.linalg.norm(x, ord)
    with pytest.raises(ValueError, match="ord must be"):
        rg.linalg.matrix_norm(x, 3)
    with pytest.raises(ValueError, match="pair"):
        rg.linalg.matrix_norm(x, 1, 0)
    with pytest.raises(ValueError, match="ord needs dim"):
        rg.linalg.norm(rg.ones(2, 2, 2), 2)
    with pytest.raises(ValueError, match="norm of matrices"):
        rg.linalg.norm(x, "fro", 0)
    with pytest.raises(TypeError, match="matrix_norm"):
        rg.linalg.vector_norm(x, "fro")


def test_extremes_along_a_dim_are_named_tuples():
    x = rg.tensor([[1.0, 3.0], [5.0, 2.0]])
    pair = x.max(1)
    assert isinstance(pair, ValuesIndices)
    values, indices = pair
    assert values.tolist() == pair.values.tolist() == [3, 5]
    assert indices.tolist() == pair.indices.tolist() == [1, 0]
    assert x.min(axis=0, keepdims=True).indices.tolist() == [[0, 1]]
    assert pickle.loads(pickle.dumps(pair)).indices.tolist() == [1, 0]
    assert rg.max(rg.tensor(3.0), 0).indices.item() == 0


def test_extremes_of_bool_and_integers():
    b = rg.tensor([[False, True], [False, False]])
    assert (b.max().item(), b.min().item()) == (True, False)
    assert b.amax(1).tolist() == b.max(1).values.tolist() == [True, False]
    assert b.max().dtype == rg.bool
    i = rg.tensor([3, -7, 2])
    assert (i.max().item(), i.min(0).indices.item(), rg.max(i, rg.tensor(0)).tolist()) == (3, 1, [3, 0, 2])


def test_extremes_of_nan():
    x = rg.tensor([1.0, math.nan, 5.0])
    assert math.isnan(x.max().item())
    values, index = x.min(0)
    assert (math.isnan(values.item()), index.item()) == (True, 1)


def test_extremes_refuse():
    x = rg.ones(2, 2)
    with pytest.raises(ValueError, match="max: give a dim or another tensor"):
        rg.max(x, 0, other=x)
    with pytest.raises(ValueError, match="keepdim has no meaning"):
        rg.min(x, x, True)
    with pytest.raises(TypeError, match="amax or amin"):
        rg.max(x, (0, 1))
    with pytest.raises(ValueError, match="dim was given twice"):
        rg.max(x, 0, axis=0)
    with pytest.raises(IndexError, match="max: dim 2 is out of range"):
        x.max(2)
    with pytest.raises(IndexError, match="min: dim 1 is out of range"):
        rg.tensor(1.0).min(1)
    with pytest.raises(ValueError, match="no elements"):
        rg.zeros(0).max()


def test_sort_puts_nan_last_and_keeps_equal_elements_in_order():
    x = rg.tensor([2.0, math.nan, -0.0, 0.0, -math.inf, 2.0])
    assert x.sort().indices.tolist() == [4, 2, 3, 0, 5, 1]
    assert x.sort(descending=True).indices.tolist() == [1, 0, 5, 2, 3, 4]
    assert x.topk(2).indices.tolist() == [1, 0]
    assert isinstance(x.sort(), ValuesIndices)


@hypothesis.given(
    x=hnp.arrays(
        np.int64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9), elements=st.integers(0, 5)
    ),
    dtype=st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"]),
    data=st.data(),
)
def test_sorting_is_numpys_stable_sort(x, dtype, data):
    x = x.astype(dtype)
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    values, indices = rg.sort(rg.tensor(x), dim)
    assert values.dtype == rg.DType(x.dtype.name)
    np.testing.assert_array_equal(indices.numpy(), np.argsort(x, dim, kind="stable"))
    np.testing.assert_array_equal(values.numpy(), np.sort(x, dim))
    down = rg.argsort(rg.tensor(x), dim, descending=True)
    np.testing.assert_array_equal(down.numpy(), np.argsort(-x.astype(float), dim, kind="stable"))
    k = data.draw(st.integers(0, x.shape[dim]))
    top = rg.topk(rg.tensor(x), k, dim)
    np.testing.assert_array_equal(top.indices.numpy(), down.narrow(dim, 0, k).numpy())


def test_gradients_of_sorted_elements_return_to_their_places():
    weights = rg.tensor([1.0, 10.0, 100.0], dtype=rg.float64)
    assert gradient(lambda x: x.sort().values * weights, [3.0, 1.0, 2.0]) == [100, 1, 10]
    assert gradient(lambda x: x.topk(1).values, [[3.0, 3.0], [1.0, 4.0]]) == [[1, 0], [0, 1]]


def test_topk_refuses():
    x = rg.ones(2, 3)
    for k in (4, -1):
        with pytest.raises(ValueError, match=f"topk: k = {k} .* dim -1, which has 3"):
            x.topk(k)
    with pytest.raises(IndexError, match="sort: dim 2 is out of range"):
        x.sort(2)


@hypothesis.given(
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=9),
    data=st.data(),
    name=st.sampled_from(["prod", "var", "std", "norm", "all", "any", "count_nonzero"]),
)
def test_over_any_dims_of_any_layout(shape, data, name):
    dims = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1)) if shape else []
    order = data.draw(st.permutations(range(len(shape))))
    x = np.asarray(np.round(np.random.default_rng(0).standard_normal(shape), 1))
    t, x = rg.tensor(x).permute(order), x.transpose(order)
    axis = tuple(dims)
    numpy = {
        "prod": lambda: np.prod(x, axis=axis),
        "var": lambda: np.var(x, axis=axis),
        "std": lambda: np.std(x, axis=axis),
        "norm": lambda: np.sqrt(np.square(x).sum(axis=axis)),
        "all": lambda: np.all(x, axis=axis),
        "any": lambda: np.any(x, axis=axis),
        "count_nonzero": lambda: np.count_nonzero(x, axis=axis),
    }[name]
    options = {"correction": 0} if name in ("var", "std") else {}
    got = getattr(rg, name)(t, dim=dims, **options)
    np.testing.assert_allclose(got.numpy(), numpy(), rtol=1e-12, atol=1e-12)


def test_an_extremum_that_is_nan_has_the_same_derivative_in_both_modes():
    x = rg.tensor([1.0, float("nan"), 2.0, 3.0])
    assert rg.grad(rg.amax)(x).tolist() == [0.0, 1.0, 0.0, 0.0]
    assert rg.jvp(rg.amin, (x,), (rg.tensor([1.0, 2.0, 3.0, 4.0]),))[1].item() == 2.0
