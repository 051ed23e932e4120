"""What has no cotangent, or no tangent, gives none on: not even where it is NaN or infinite."""

import numpy as np
import pytest
from cases import Case, tensors
from test_ops import CASES

import rgrad as rg

# Every term of a product of matrices has two factors that are no gradient, so 0 · NaN is what the user wrote.
PRODUCTS = {
    "addmm", "addmv", "baddbmm", "bmm", "dot", "einsum", "inner", "linear", "matmul", "mm", "mv", "tensordot",
}  # fmt: skip

ROW_BY_ROW = [
    pytest.param(case, id=f"{name}-{i}")
    for name, cases in CASES.items()
    if name not in PRODUCTS
    for i, case in enumerate(cases)
    if case.differentiable and any(a.size for a in case.inputs)
]
BAD = [np.nan, np.inf, -np.inf]


class Spoiled:
    """A case with one element of an input replaced, and which results have nothing to do with that element."""

    def __init__(self, case: Case, bad: float, random: np.random.Generator):
        full = [i for i, a in enumerate(case.inputs) if a.size]
        at = full[random.integers(len(full))]
        place = tuple(random.integers(n) for n in case.inputs[at].shape)
        self.inputs = [np.array(a) for a in case.inputs]
        self.inputs[at][place] = bad
        direction = [np.zeros_like(a) for a in self.inputs]
        direction[at][place] = 1.0
        y, moves = rg.jvp(case.rgrad, tensors(case.inputs), tensors(direction))
        self.apart = (case.rgrad(*tensors(self.inputs)) == y).numpy() & (moves == 0).numpy()


def spoil(case: Case, bad: float, random: np.random.Generator) -> Spoiled:
    try:
        return Spoiled(case, bad, random)
    except ValueError as error:
        if "expected probabilities" in str(error) or "expected targets" in str(error):
            pytest.skip("refuses such an input")
        raise


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("case", ROW_BY_ROW)
def test_no_gradient_of_what_is_not_selected(case: Case, bad: float):
    random = np.random.default_rng(7)
    for _ in range(3):
        spoiled = spoil(case, bad, random)
        g = rg.tensor(np.where(spoiled.apart, random.standard_normal(spoiled.apart.shape), 0.0))
        _, pull = rg.vjp(case.rgrad, *tensors(case.inputs))
        _, pull_spoiled = rg.vjp(case.rgrad, *tensors(spoiled.inputs))
        for got, expected in zip(pull_spoiled(g), pull(g), strict=True):
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("case", ROW_BY_ROW)
def test_no_tangent_of_what_does_not_move(case: Case, bad: float):
    random = np.random.default_rng(7)
    spoiled = spoil(case, bad, random)
    _, tangent = rg.jvp(case.rgrad, tensors(spoiled.inputs), tensors([np.zeros_like(a) for a in case.inputs]))
    assert not np.any(tangent.numpy())
    directions = tensors([random.standard_normal(a.shape) for a in case.inputs])
    _, got = rg.jvp(case.rgrad, tensors(spoiled.inputs), directions)
    _, expected = rg.jvp(case.rgrad, tensors(case.inputs), directions)
    np.testing.assert_allclose(got.numpy()[spoiled.apart], expected.numpy()[spoiled.apart], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("case", ROW_BY_ROW)
def test_no_second_derivative_of_what_is_not_selected(case: Case, bad: float):
    random = np.random.default_rng(7)
    spoiled = spoil(case, bad, random)
    g = rg.tensor(np.where(spoiled.apart, random.standard_normal(spoiled.apart.shape), 0.0))
    seconds = []
    for arrays in (case.inputs, spoiled.inputs):
        xs = tensors(arrays, grad=True)
        firsts = rg.autograd.grad((case.rgrad(*xs) * g).sum(), xs, create_graph=True, allow_unused=True)
        total = sum((y.sum() for y in firsts if y is not None and y.requires_grad), start=rg.zeros(()))
        twice = rg.autograd.grad(total, xs, allow_unused=True) if total.requires_grad else [None] * len(xs)
        seconds.append([np.zeros(a.shape) if t is None else t.numpy() for a, t in zip(arrays, twice, strict=True)])
    for expected, got in zip(*seconds, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("case", [p for p in ROW_BY_ROW if p.id not in ("index_put-4", "index_put-5")])
def test_compiled_as_eager(case: Case):
    random = np.random.default_rng(7)
    spoiled = spoil(case, np.nan, random)
    g = rg.tensor(np.where(spoiled.apart, random.standard_normal(spoiled.apart.shape), 0.0))
    gradients = lambda g, *xs: rg.grad(lambda *xs: (case.rgrad(*xs) * g).sum(), tuple(range(len(xs))))(*xs)  # noqa: E731
    compiled = rg.compile(gradients)
    for inputs in (case.inputs, spoiled.inputs):
        xs = tensors(inputs)
        for got, eager in zip(compiled(g, *xs), gradients(g, *xs), strict=True):
            np.testing.assert_array_equal(got.numpy(), eager.numpy())
