"""Every operation: values against NumPy in float64, gradients against finite differences, methods against functions."""

import cases_elementwise
import cases_linalg
import cases_loss
import cases_nn
import cases_reduce
import cases_views
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from cases import Case, normal, tensors
from cases_elementwise import unary
from cases_reduce import log_sum_exp
from hypothesis.extra import numpy as hnp

import rgrad as rg
from rgrad import _core
from rgrad.testing import gradcheck, gradgradcheck


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


HERE: dict[str, list[Case]] = {
    "logsigmoid": unary("logsigmoid", lambda x: -np.logaddexp(0, -x)),
    "relu": unary("relu", lambda x: np.maximum(x, 0)),
    "softmax": [
        Case(lambda x: rg.softmax(x, 1), lambda x: softmax(x, 1), [normal(3, 4)]),
        Case(lambda x: rg.softmax(x, dim=0), lambda x: softmax(x, 0), [normal(3, 4)]),
        Case(lambda x: rg.softmax(x, 1), lambda x: softmax(x, 1), [normal(2, 3, 4)]),
        Case(lambda x: rg.softmax(x, -1), lambda x: softmax(x, -1), [normal(5)]),
    ],
    "log_softmax": [
        Case(lambda x: rg.log_softmax(x, 1), lambda x: np.log(softmax(x, 1)), [normal(3, 4)]),
        Case(lambda x: rg.log_softmax(x, dim=-2), lambda x: np.log(softmax(x, -2)), [normal(2, 3, 4)]),
    ],
}

TABLES = [
    HERE,
    cases_elementwise.CASES,
    cases_loss.CASES,
    cases_nn.CASES,
    cases_views.CASES,
    cases_reduce.CASES,
    cases_linalg.CASES,
]
CASES = {name: cases for table in TABLES for name, cases in table.items()}

ALL = [pytest.param(c, id=f"{name}-{i}") for name, cases in CASES.items() for i, c in enumerate(cases)]
SMOOTH = [p for p in ALL if p.values[0].differentiable]


def missing_and_unknown(cases: set[str], ops: list[str]) -> tuple[set[str], set[str]]:
    return set(ops) - cases, cases - set(ops)


def test_every_operation_has_cases_in_one_place():
    assert len(CASES) == sum(map(len, TABLES))
    assert missing_and_unknown(set(CASES), _core.OPS) == (set(), set())


def test_a_forgotten_case_is_noticed():
    assert missing_and_unknown(set(CASES) - {"tanh"}, _core.OPS) == ({"tanh"}, set())
    assert missing_and_unknown(set(CASES), [*_core.OPS, "brand_new"]) == ({"brand_new"}, set())


def test_every_operation_is_exported_and_documented():
    for name in _core.OPS:
        assert name in rg.__all__
        assert len(getattr(rg, name).__doc__.strip()) > 5


@pytest.mark.parametrize("case", ALL)
def test_value(case: Case):
    expected = case.numpy(*case.inputs)
    got = case.rgrad(*tensors(case.inputs))
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-13, atol=1e-14)


def strided(array: np.ndarray) -> rg.Tensor:
    """The same elements with other strides: every second of the last dimension, dimensions in reverse order."""
    spread = np.stack([np.full_like(array, -99), array], -1)
    order = tuple(reversed(range(array.ndim)))
    return rg.tensor(spread.transpose(*order, array.ndim).copy())[..., 1].permute(order)


@pytest.mark.parametrize("case", ALL)
def test_any_strides(case: Case):
    expected, got = case.rgrad(*tensors(case.inputs)), case.rgrad(*map(strided, case.inputs))
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-13, atol=1e-14)
    if case.differentiable:
        xs = [strided(a) for a in case.inputs]
        y, pull = rg.vjp(case.rgrad, *tensors(case.inputs))
        _, pull_strided = rg.vjp(case.rgrad, *xs)
        cotangent = rg.arange(1.0, y.numel() + 1, dtype="float64").reshape(y.shape)
        for got, expected in zip(pull_strided(cotangent), pull(cotangent), strict=True):
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("case", ALL)
def test_float32_is_float64_rounded(case: Case):
    wide = case.rgrad(*tensors([a.astype(np.float32) for a in case.inputs]))
    narrow = case.rgrad(*tensors(case.inputs, rg.float32))
    assert narrow.dtype == (rg.float32 if wide.dtype == rg.float64 else wide.dtype)
    np.testing.assert_allclose(narrow.numpy(), wide.numpy(), rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("case", SMOOTH)
def test_gradient(case: Case):
    assert gradcheck(case.rgrad, tensors(case.inputs, grad=True))


@pytest.mark.parametrize("case", SMOOTH)
def test_second_gradient(case: Case):
    assert gradgradcheck(case.rgrad, tensors(case.inputs, grad=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", SMOOTH)
def test_forward_mode_agrees_with_reverse_mode(case: Case):
    xs = tensors(case.inputs)
    random = np.random.default_rng(0)
    tangents = [rg.tensor(random.standard_normal(x.shape)) for x in xs]
    y, moved = rg.jvp(case.rgrad, xs, tangents)
    same, pull = rg.vjp(case.rgrad, *xs)
    np.testing.assert_array_equal(y.numpy(), same.numpy())
    cotangent = rg.tensor(random.standard_normal(y.shape))
    # ⟨cotangent, J tangent⟩ = ⟨Jᵀ cotangent, tangent⟩
    forward = (cotangent * moved).sum().item()
    reverse = sum((g * t).sum().item() for g, t in zip(pull(cotangent), tangents, strict=True))
    assert forward == pytest.approx(reverse, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("case", SMOOTH)
def test_gradients_have_the_dtype_and_shape_of_their_tensors(case: Case):
    xs = tensors(case.inputs, rg.float32, grad=True)
    y = case.rgrad(*xs)
    y.backward(rg.ones_like(y))
    for x in xs:
        assert x.grad.shape == x.shape
        assert x.grad.dtype == rg.float32
        assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("name", [name for name in CASES if hasattr(rg.Tensor, name)])
def test_methods_do_what_functions_do(name, monkeypatch):
    function, calls = getattr(rg, name), []

    def method(x, *args, **kwargs):
        calls.append(name)
        return getattr(x, name)(*args, **kwargs)

    monkeypatch.setattr(rg, name, method)
    for case in CASES[name]:
        got = (method if case.rgrad is function else case.rgrad)(*tensors(case.inputs))
        np.testing.assert_allclose(got.numpy(), case.numpy(*case.inputs), rtol=1e-13, atol=1e-14)
    assert calls


ELEMENTWISE = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "maximum": np.maximum}


@hypothesis.given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, min_side=0, max_side=20),
    name=st.sampled_from(sorted(ELEMENTWISE)),
    flip=st.booleans(),
)
def test_broadcasting(shapes, name, flip):
    random = np.random.default_rng(0)
    a, b = (random.uniform(0.5, 2, s) for s in shapes.input_shapes)
    ta, tb = tensors([a, b], grad=True)
    if flip:
        a, ta = a.T.copy().T, rg.tensor(a.T.copy(), requires_grad=True)
        y = getattr(rg, name)(ta.permute(tuple(reversed(range(a.ndim)))), tb)
    else:
        y = getattr(rg, name)(ta, tb)
    np.testing.assert_array_equal(y.detach().numpy(), ELEMENTWISE[name](a, b))
    y.backward(rg.ones_like(y))
    assert tb.grad.shape == b.shape


@hypothesis.given(
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=17),
    data=st.data(),
    name=st.sampled_from(["sum", "mean", "amax", "logsumexp"]),
)
def test_reductions_over_any_dims(shape, data, name):
    dims = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1)) if shape else []
    order = data.draw(st.permutations(range(len(shape))))
    x = np.random.default_rng(0).standard_normal(shape).transpose(order)
    # Only a sum is defined over nothing.
    hypothesis.assume(name == "sum" or x.size > 0)
    numpy = {"sum": np.sum, "mean": np.mean, "amax": np.max, "logsumexp": log_sum_exp}[name]
    t = rg.tensor(x.transpose(np.argsort(order)).copy()).permute(order)
    got = getattr(rg, name)(t, dims)
    np.testing.assert_allclose(got.numpy(), numpy(x, axis=tuple(dims)), rtol=1e-12, atol=1e-12)
