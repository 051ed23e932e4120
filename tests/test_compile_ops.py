"""Every operation in a compiled function: the bits of the eager one, also for other values, or an error."""

import numpy as np
import pytest
from cases import Case
from test_ops import CASES

import rgrad as rg

pytestmark = pytest.mark.every_isa

ALL = [pytest.param(f"{name}-{i}", c, id=f"{name}-{i}") for name, cases in CASES.items() for i, c in enumerate(cases)]

#: How much these make depends on values.
BY_VALUE = ("nonzero-", "masked_select-", "one_hot-2", "index_put-4", "index_put-5")


def arrays(result):
    results = result if isinstance(result, tuple | list) else (result,)
    return [r.detach().numpy() if isinstance(r, rg.Tensor) else np.asarray(r) for r in results]


def others(inputs):
    """Other values of the same kinds, each in the same domain: those of the first in another order."""
    return [rg.tensor(x.numpy()[::-1].copy() if x.ndim else x.numpy() * 1.25) for x in inputs]


def same(compiled, eager):
    for a, b in zip(arrays(compiled), arrays(eager), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "case"), ALL)
def test_an_operation_keeps_its_bits(name: str, case: Case):
    first = [rg.tensor(x) for x in case.inputs]
    compiled = rg.compile(case.rgrad)
    with rg.no_grad():
        if name.startswith(BY_VALUE):
            with pytest.raises(RuntimeError, match="compile:"):
                compiled(*first)
            return
        same(compiled(*first), case.rgrad(*first))
        second = others(first)
        try:
            expected = case.rgrad(*second)
        except (ValueError, IndexError, RuntimeError) as error:
            with pytest.raises(type(error)):
                compiled(*second)
            return
        same(compiled(*second), expected)
    assert len(compiled.program) == 1


@pytest.mark.parametrize(("name", "case"), [p for p in ALL if p.values[1].differentiable])
def test_a_gradient_keeps_its_bits(name: str, case: Case):
    def gradient(*inputs):
        leaves = [x.detach().requires_grad_() if x.dtype.is_floating_point else x for x in inputs]
        y = case.rgrad(*leaves)
        wanted = [x for x in leaves if x.requires_grad]
        found = rg.autograd.grad(y.sum(), wanted, allow_unused=True)
        return [g for g in found if g is not None]

    first = [rg.tensor(x) for x in case.inputs]
    compiled = rg.compile(gradient)
    if name.startswith(BY_VALUE):
        return
    same(compiled(*first), gradient(*first))
    same(compiled(*first), gradient(*first))
    second = others(first)
    try:
        expected = gradient(*second)
    except (ValueError, IndexError, RuntimeError):
        return
    same(compiled(*second), expected)


REFUSED = {
    "index": lambda x, i: x[i],
    "rows": lambda x, i: rg.index_select(x, 0, i),
    "index_put": lambda x, i: rg.index_put(x, i, 1.0),
    "in place": lambda x, i: x.clone().__setitem__(i, 1.0),
    "gather": lambda x, i: rg.gather(x, 0, i[:, None]),
    "scatter": lambda x, i: rg.scatter(x, 0, i[:, None], 1.0),
    "scatter_add": lambda x, i: rg.scatter_add(x, 0, i[:, None], x),
    "one_hot": lambda x, i: rg.one_hot(i, 3),
    "cross_entropy": lambda x, i: rg.cross_entropy(x, i),
    "nll_loss": lambda x, i: rg.nll_loss(x, i),
    "multi_margin_loss": lambda x, i: rg.multi_margin_loss(x, i),
    "division": lambda x, i: rg.floor_divide(3, 5 - i),
}


@pytest.mark.parametrize("name", REFUSED)
def test_values_are_refused_even_where_nobody_reads_the_result(name: str):
    compiled = rg.compile(lambda x, i: (REFUSED[name](x, i), x + 1)[1])
    x, right, wrong = rg.randn(3, 3), rg.tensor([0, 2, 1]), rg.tensor([0, 5, 1])
    same(compiled(x, right), x + 1)
    with pytest.raises((IndexError, ValueError, ZeroDivisionError)) as eager:
        REFUSED[name](x, wrong)
    with pytest.raises(eager.type):
        compiled(x, wrong)
    same(compiled(x, right), x + 1)
    assert len(compiled.program) == 1
