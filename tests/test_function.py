"""Own operations, hooks and anomaly detection."""

import gc
import weakref

import numpy as np
import pytest

import rgrad as rg
from rgrad.autograd import Function, detect_anomaly
from rgrad.testing import gradcheck, gradgradcheck


def t(values, **options) -> rg.Tensor:
    return rg.tensor(np.asarray(values, np.float64), **options)


# ---- Own operations ----


class Exp(Function):
    """Saves its result."""

    @staticmethod
    def forward(ctx, x):
        y = rg.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * ctx.saved_tensors[0]


class Polar(Function):
    """Two floats and an integer out of two tensors and a number."""

    @staticmethod
    def forward(ctx, a, b, k):
        ctx.save_for_backward(a, None, b)
        ctx.k = k
        return a * b, (a + b) * k, rg.argmax(a)

    @staticmethod
    def backward(ctx, g, h, _):
        a, nothing, b = ctx.saved_tensors
        assert nothing is None
        return g * b + h * ctx.k, g * a + h * ctx.k, None

    @staticmethod
    def jvp(ctx, s, t, _):
        a, _, b = ctx.saved_tensors
        s, t = (rg.zeros_like(a) if v is None else v for v in (s, t))
        return s * b + a * t, (s + t) * ctx.k, None


def polar(a, b):
    product, total, _ = Polar.apply(a, b, 2.0)
    return product * total, product


@pytest.mark.parametrize("function", [Exp.apply, lambda x: Exp.apply(x * x).sum(), lambda x: polar(x, x + 1)])
def test_own_operations_compose_with_everything(rng, function):
    x = t(rng.standard_normal((2, 3)), requires_grad=True)
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


def test_derivatives_of_higher_order_go_through_saved_results():
    f = Exp.apply
    for _ in range(4):
        f = rg.grad(f)
    assert f(t(0.5)).item() == pytest.approx(np.exp(0.5), rel=1e-14)
    nested = rg.jacfwd(rg.jacrev(rg.jacfwd(Exp.apply)))
    assert nested(t(0.5)).item() == pytest.approx(np.exp(0.5), rel=1e-14)


def test_several_results(rng):
    a, b = (t(rng.standard_normal((2, 3)), requires_grad=True) for _ in range(2))
    assert gradcheck(polar, [a, b])
    assert gradgradcheck(polar, [a, b])
    product, _, index = Polar.apply(a, b, 2.0)
    assert index.dtype == rg.int64
    assert not index.requires_grad
    product.sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.detach().numpy())


def test_results_of_different_dtypes():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, (x * 3).to("float32")

        @staticmethod
        def backward(ctx, g, h):
            assert (g.dtype, h.dtype) == (rg.float64, rg.float32)
            return g * 2 + h.to("float64") * 3

    x = t([1.0, 2.0], requires_grad=True)
    wide, narrow = Both.apply(x)
    assert (wide.dtype, narrow.dtype) == (rg.float64, rg.float32)
    (wide.sum() + narrow.sum()).backward()
    assert x.grad.tolist() == [5, 5]


def test_what_the_context_tells():
    seen = []

    class Watch(Function):
        @staticmethod
        def forward(ctx, x, y, n):
            seen.append((ctx.needs_input_grad, rg.is_grad_enabled()))
            return x * n

        @staticmethod
        def backward(ctx, g):
            return g, None, None

    x, y = t(1.0, requires_grad=True), t(1.0)
    Watch.apply(x, y, 3)
    with rg.no_grad():
        assert not Watch.apply(x, y, 3).requires_grad
    assert seen == [((True, False, False), False), ((False, False, False), False)]


def test_the_name_of_an_own_operation_shows():
    assert "Exp" in Exp.apply(t(1.0, requires_grad=True)).grad_fn


def test_a_result_may_be_declared_constant():
    class Floor(Function):
        @staticmethod
        def forward(ctx, x):
            whole = rg.floor(x)
            ctx.mark_non_differentiable(whole)
            return whole, x - whole

        @staticmethod
        def backward(ctx, g, h):
            assert g.tolist() == [0.0]
            return h

    x = t([1.5], requires_grad=True)
    whole, rest = Floor.apply(x)
    assert not whole.requires_grad
    rest.backward()
    assert x.grad.tolist() == [1]


def test_changing_a_saved_tensor_is_noticed():
    x = t([1.0], requires_grad=True)
    h = x * 1
    product, _, _ = Polar.apply(h, x, 1.0)
    h.detach().fill_(5.0)
    with pytest.raises(RuntimeError, match="Polar"):
        product.sum().backward()


def test_an_argument_that_is_returned_is_a_new_result():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = t(1.0, requires_grad=True)
    y = Identity.apply(x)
    assert y is not x
    y.backward()
    assert x.grad.item() == 7


def test_own_operations_do_not_leak():
    x = t([1.0], requires_grad=True)

    class Marked(Exp):
        pass

    marker = Marked()
    kept = weakref.ref(marker)

    class Keep(Function):
        @staticmethod
        def forward(ctx, x, marker):
            y = x * 2
            ctx.marker = marker
            ctx.save_for_backward(x, y)
            return y, y * 2

        @staticmethod
        def backward(ctx, g, h):
            return g, None

    out = Keep.apply(x, marker)
    del marker
    gc.collect()
    assert kept() is not None
    del out
    gc.collect()
    assert kept() is None


def test_an_exception_in_a_rule_comes_through_as_it_is():
    class Broken(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise KeyError("broken rule")

    x = t(1.0, requires_grad=True)
    with pytest.raises(KeyError, match="broken rule"):
        Broken.apply(x).backward()
    assert x.grad is None
    with pytest.raises(NotImplementedError, match="jvp"):
        rg.jvp(Broken.apply, (t(1.0),), (t(1.0),))


def test_wrong_rules_are_refused():
    def make(backward, forward=lambda ctx, x: x * 2, jvp=None):
        rules = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        if jvp:
            rules["jvp"] = staticmethod(jvp)
        return type("Rule", (Function,), rules)

    x = t([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="returned 2 gradients for 1 arguments"):
        make(lambda ctx, g: (g, g)).apply(x).sum().backward()
    with pytest.raises(TypeError, match="must return tensors, or None, got float"):
        make(lambda ctx, g: 1.0).apply(x).sum().backward()
    with pytest.raises(TypeError, match="forward must return tensors, got float"):
        make(None, forward=lambda ctx, x: 1.0).apply(x)
    with pytest.raises(ValueError, match=r"shape \(2,\), got \(3,\)"):
        make(lambda ctx, g: rg.ones(3, dtype="float64")).apply(x).sum().backward()
    with pytest.raises(ValueError, match="tangent 0 must have shape"):
        rg.jvp(make(None, jvp=lambda ctx, t: rg.ones(3, dtype="float64")).apply, (x,), (t([1.0, 1.0]),))
    with pytest.raises(TypeError, match="keep it as an attribute"):
        make(None, forward=lambda ctx, x: ctx.save_for_backward(3)).apply(x)
    assert x.grad is None


# ---- Hooks ----


def test_hooks_see_and_change_gradients():
    x = t([1.0, 2.0], requires_grad=True)
    seen = []
    mid = x * 3
    see = mid.register_hook(lambda g: seen.append(g.tolist()))
    change = mid.register_hook(lambda g: g * 10)
    (mid * mid).sum().backward(retain_graph=True)
    assert seen == [[6, 12]]
    assert x.grad.tolist() == [180, 360]
    see.remove()
    see.remove()
    change.remove()
    x.grad = None
    (mid * 1).sum().backward()
    assert len(seen) == 1
    assert x.grad.tolist() == [3, 3]


def test_a_hook_sees_the_whole_gradient_once():
    x = t(2.0, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + 3 * x).backward()
    assert seen == [7]
    assert rg.autograd.grad(x * x, [x])[0].item() == 4
    assert seen == [7, 4]


def test_retained_gradients_of_results():
    x = t(2.0, requires_grad=True)
    y = x * 3
    y.retain_grad()
    (y * y).backward()
    assert (y.grad.item(), x.grad.item()) == (12, 36)
    x.retain_grad()


def test_hooks_that_are_wrong():
    x = t([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="does not require"):
        t(1.0).register_hook(lambda g: g)
    hook = x.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"returned \(\) of float64 for a gradient of \(2,\)"):
        x.sum().backward()
    hook.remove()
    x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="tensor or None, got int"):
        x.sum().backward()
    assert x.grad is None


# ---- Anomalies ----


def test_an_anomaly_names_the_operation_and_the_line():
    with (
        detect_anomaly(),
        pytest.raises(RuntimeError, match=r"`log` made the first NaN.*test_function\.py:\d+.*log\("),
    ):
        rg.log(t([1.0, -1.0]))
    assert np.isnan(rg.log(t([-1.0])).numpy()).all()


def test_an_anomaly_in_a_gradient_names_the_line_of_the_value():
    x = t([0.0], requires_grad=True)

    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    with detect_anomaly():
        y = Bad.apply(x * 2)  # the line
        with pytest.raises(RuntimeError, match=r"derivative of `Bad` made the first NaN.*# the line"):
            (y * 3).sum().backward()
    assert x.grad is None


def test_a_nan_that_was_there_before_is_no_anomaly():
    with detect_anomaly():
        x = t([float("nan"), 1.0], requires_grad=True)
        (rg.exp(x) * 2).sum().backward()
