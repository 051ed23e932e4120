"""Derivatives under unusual use: right or a clear error, nothing silently wrong and nothing half changed."""

import threading

import numpy as np
import pytest

import rgrad as rg


def t(values, **options) -> rg.Tensor:
    return rg.tensor(np.asarray(values, np.float64), **options)


def test_checkpoint_counts_every_path_once():
    """The function uses tensors that were computed from each other, from outside and as an argument."""
    checkpoint = rg.autograd.checkpoint
    x = t(3.0, requires_grad=True)
    w = t(2.0, requires_grad=True)
    v = w + w
    checkpoint(lambda x: x * v * w, x).backward()
    assert (x.grad.item(), w.grad.item()) == (8, 24)
    # d²(x · x · x)/dx², where one x is an argument made from the others.
    for f in (lambda x: checkpoint(lambda y: y * x * x, x * 1.0), lambda x: checkpoint(lambda y: y * x, x * x)):
        assert rg.grad(rg.grad(f))(t(2.0)).item() == 12
        assert rg.hvp(f, (t(2.0),), (t(1.0),)).item() == 12


def test_checkpoint_leaves_hooks_to_the_whole_gradient():
    w, x = t(2.0, requires_grad=True), t(3.0, requires_grad=True)
    seen = []
    w.register_hook(lambda g: seen.append(g.item()) or 10 * g)
    (rg.autograd.checkpoint(lambda x: x * w, x) + w).backward()
    assert (seen, w.grad.item()) == ([4], 40)


def test_checkpoint_notices_a_change_before_it_computes_again():
    w, x = t(2.0, requires_grad=True), t(3.0, requires_grad=True)
    y = rg.autograd.checkpoint(lambda x: x * w, x)
    with rg.no_grad():
        w.mul_(10)
    with pytest.raises(RuntimeError, match=r"checkpoint: .* changed in place"):
        y.backward()
    assert x.grad is None


def test_any_number_of_arguments_can_be_saved():
    xs = [t(float(i), requires_grad=True) for i in range(40)]
    rg.autograd.checkpoint(lambda *xs: sum(x * x for x in xs), *xs).backward()
    assert [x.grad.item() for x in xs] == [2 * i for i in range(40)]


class Power(rg.autograd.Function):
    """x³ by way of attributes and intermediates instead of saved arguments."""

    @staticmethod
    def forward(ctx, x, kept):
        ctx.x = x
        square = x * x
        kept.append(square)
        ctx.save_for_backward(square)
        return square * x

    @staticmethod
    def backward(ctx, g):
        return 3 * ctx.x * ctx.x * g, None

    @staticmethod
    def jvp(ctx, dx, _):
        return 3 * ctx.x * ctx.x * dx


def test_an_argument_kept_as_an_attribute_keeps_its_tangent():
    f = lambda x: Power.apply(x, [])  # noqa: E731
    for second in (rg.grad(rg.grad(f)), rg.hessian(f), rg.jacrev(rg.jacfwd(f)), rg.jacfwd(rg.jacfwd(f))):
        assert second(t(3.0)).item() == 18


def test_a_change_of_a_saved_intermediate_is_noticed():
    x, kept = t(3.0, requires_grad=True), []
    y = Power.apply(x, kept)
    kept[0].zero_()
    with pytest.raises(RuntimeError, match="Power: a tensor given to save_for_backward was changed"):
        y.backward()
    assert x.grad is None


def test_a_hook_that_raises_leaves_all_gradients_as_they_were():
    a, b = t(2.0, requires_grad=True), t(3.0, requires_grad=True)

    def refuse(g):
        raise KeyError("mine")

    for hooked in (a, b):
        handle = hooked.register_hook(refuse)
        with pytest.raises(KeyError, match="mine"):
            (a * b).backward()
        assert a.grad is None
        assert b.grad is None
        handle.remove()


def test_retained_gradients_are_kept_once_and_after_all_hooks():
    x = t(2.0, requires_grad=True)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.backward()
    assert (y.grad.item(), x.grad.item()) == (10, 30)


def test_a_hook_must_be_callable():
    with pytest.raises(TypeError, match="function of the gradient, got int"):
        t(1.0, requires_grad=True).register_hook(3)


def test_gradients_that_cannot_be_written_to_are_replaced():
    lent = np.ones(2)
    lent.flags.writeable = False
    for first in (t(1.0).expand(2), rg.from_numpy(lent)):
        x = t([1.0, 2.0], requires_grad=True)
        x.grad = first
        x.sum().backward()
        assert (x.grad.tolist(), first.tolist()) == ([2, 2], [1, 1])
    with pytest.raises(ValueError, match="its own gradient"):
        x.grad = x


def test_a_retained_graph_serves_several_threads():
    x = t(np.linspace(-1, 1, 50), requires_grad=True)
    y = x
    for _ in range(100):
        y = (y * 1.01).tanh() + y * x
    total = y.sum()
    (want,) = rg.autograd.grad(total, x, retain_graph=True)
    found = []

    def differentiate():
        for _ in range(10):
            found.extend(rg.autograd.grad(total, x, retain_graph=True))

    threads = [threading.Thread(target=differentiate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert all(g.tolist() == want.tolist() for g in found)


def test_an_optimizer_step_does_not_lose_a_tangent():
    p = t([1.0, 2.0], requires_grad=True)
    optimizer = rg.optim.SGD([p], lr=0.1)

    def train(x):
        (p * x).sum().backward()
        optimizer.step()
        return (p * x).sum()

    with pytest.raises(RuntimeError, match="has a tangent in forward mode"):
        rg.jvp(train, (t([1.0, 2.0]),), (t([1.0, 1.0]),))
    assert p.tolist() == [1, 2]
