"""Checkpoints: computing again instead of storing."""

import gc
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import rgrad as rg
from rgrad.autograd import Function, checkpoint


def t(values, **options) -> rg.Tensor:
    return rg.tensor(np.asarray(values, np.float64), **options)


def net(x, weights, call):
    for w in weights:
        x = call(lambda x, w=w: rg.dropout(rg.tanh(x @ w), 0.25), x)
    return (x * x).sum()


def direct(f, *args):
    return f(*args)


@pytest.mark.parametrize("input_needs_grad", [False, True])
def test_checkpoints_change_no_bit(rng, input_needs_grad):
    weights = [t(rng.standard_normal((4, 4)), requires_grad=True) for _ in range(3)]
    values = rng.standard_normal((5, 4))
    found = []
    for call in (direct, checkpoint):
        x = t(values, requires_grad=input_needs_grad)
        rg.manual_seed(7)
        loss = net(x, weights, call)
        after = rg.rand(3)
        loss.backward()
        leaves = [x, *weights] if input_needs_grad else weights
        found.append([loss.item(), after.tolist(), *(leaf.grad.tolist() for leaf in leaves)])
        for w in weights:
            w.grad = None
    assert found[0] == found[1]


def test_checkpoints_under_every_derivative(rng):
    weights = [t(rng.standard_normal((3, 3)))]
    x = t(rng.standard_normal((2, 3)))

    def f(call):
        def loss(x):
            rg.manual_seed(3)
            return net(x, weights, call)

        return loss

    for way in (rg.grad, rg.hessian, lambda f: rg.jacrev(rg.jacrev(f)), lambda f: rg.jacfwd(rg.jacfwd(f))):
        np.testing.assert_allclose(way(f(checkpoint))(x).numpy(), way(f(direct))(x).numpy(), rtol=1e-12, atol=1e-14)


def test_checkpoints_store_nothing_until_backward():
    alive = weakref.WeakSet()

    class Marker:
        pass

    class Marked(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.marker = Marker()
            alive.add(ctx.marker)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    def segment(x):
        for _ in range(10):
            x = Marked.apply(x)
        return x

    x = t(1.0, requires_grad=True)
    y = segment(x)
    assert len(alive) == 10
    y = checkpoint(segment, x)
    gc.collect()
    assert len(alive) == 0
    y.backward()
    assert x.grad.item() == 1024


def test_checkpoints_take_trees_and_give_tuples():
    p = {"a": t(2.0, requires_grad=True), "n": [t(3.0, requires_grad=True), "text", 4]}

    def f(p, k):
        return p["a"] * p["n"][0] * k, p["a"] + p["n"][2]

    y, z = checkpoint(f, p, 5)
    (y + z).backward()
    assert (p["a"].grad.item(), p["n"][0].grad.item()) == (16, 10)


@dataclass
class Weights:
    w: rg.Tensor


@dataclass(eq=False)
class Net(rg.nn.Module):
    w: rg.Tensor

    def forward(self, x):
        return x * self.w


def test_checkpoints_open_dataclasses_but_not_modules():
    p, net = Weights(t(2.0, requires_grad=True)), Net(rg.nn.Parameter(t(3.0)))
    seen = []

    def f(p, module):
        seen.append(module)
        return module(p.w)

    checkpoint(f, p, net).backward()
    assert (p.w.grad.item(), net.w.grad.item()) == (3, 2)
    assert all(module is net for module in seen)


def test_checkpoints_of_what_needs_no_gradients():
    assert checkpoint(lambda x: x * 2, t(3.0)).item() == 6
    with rg.no_grad():
        assert not checkpoint(lambda x: x * 2, t(3.0, requires_grad=True)).requires_grad
    with pytest.raises(TypeError, match="must return tensors"):
        checkpoint(lambda x: 3, t(3.0))


def test_checkpoints_of_what_another_thread_computed():
    w, x = t(2.0, requires_grad=True), t(3.0, requires_grad=True)
    made = []

    def compute():
        v = w * 1
        for _ in range(100):
            v = v * 1
        made.append(v)

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    y = checkpoint(lambda x: x * made[0], x)
    (y + made[0]).backward()
    assert (w.grad.item(), x.grad.item()) == (4, 2)
