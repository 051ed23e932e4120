"""Reference cycles through tensors: what nothing else refers to is collected, and nothing else is."""

import functools
import gc
import weakref
from collections.abc import Callable

import pytest

import rgrad as rg


class Thing:
    """Something that can be in a cycle, and be seen to go."""


def leaf_hook(thing: Thing) -> None:
    thing.x = rg.ones(3, requires_grad=True)
    thing.x.register_hook(lambda g: thing and None)


def leaf_hook_and_handle(thing: Thing) -> None:
    thing.x = rg.ones(3, requires_grad=True)
    thing.handle = thing.x.register_hook(lambda g: thing and None)


def hook_without_a_frame(thing: Thing) -> None:
    x = rg.ones(3, requires_grad=True)
    x.register_hook(functools.partial(print, x, thing))


def module_hook(thing: Thing) -> None:
    class Net(rg.nn.Module):
        def __init__(self) -> None:
            self.layer = rg.nn.Linear(2, 2)
            self.layer.weight.register_hook(self.note)

        def note(self, g: rg.Tensor) -> None:
            self.last = g

    net = Net()
    net.thing = thing
    net.layer(rg.ones(1, 2)).sum().backward()
    assert net.last is not None


def hook_on_a_result(thing: Thing) -> None:
    x = rg.ones(3, requires_grad=True)
    thing.y = (x * 2).exp()
    thing.y.register_hook(lambda g: thing and None)


def hook_behind_a_result(thing: Thing) -> None:
    x = rg.ones(3, requires_grad=True)
    inner = x * 2
    inner.register_hook(lambda g: thing and None)
    thing.y = (inner.exp() + inner).sum()


def retained(thing: Thing) -> None:
    x = rg.ones(3, requires_grad=True)
    thing.y = x * 2
    thing.y.retain_grad()
    thing.y.register_hook(lambda g: thing and None)
    thing.y.sum().backward()


def function_with_its_result(thing: Thing) -> None:
    class Double(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.thing = thing
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = rg.ones(3, requires_grad=True)
    thing.y = Double.apply(x)
    thing.z = Double.apply(x).sum()


def hook_with_create_graph(thing: Thing) -> None:
    thing.x = rg.ones(3, requires_grad=True)
    thing.x.register_hook(lambda g: thing and None)
    (thing.x**3).sum().backward(create_graph=True)


def checkpointed(thing: Thing) -> None:
    x = rg.ones(3, requires_grad=True)
    thing.y = rg.autograd.checkpoint(lambda x: thing and x.exp(), x)


def optimizer_closure(thing: Thing) -> None:
    thing.x = rg.ones(3, requires_grad=True)
    thing.optimizer = rg.optim.SGD([thing.x], lr=0.1)

    def closure() -> rg.Tensor:
        thing.optimizer.zero_grad()
        loss = (thing.x**2).sum()
        loss.backward()
        return loss

    thing.closure = closure
    thing.optimizer.step(closure)


CYCLES = [
    leaf_hook,
    leaf_hook_and_handle,
    hook_without_a_frame,
    module_hook,
    hook_on_a_result,
    hook_behind_a_result,
    retained,
    function_with_its_result,
    hook_with_create_graph,
    checkpointed,
    optimizer_closure,
]


@pytest.mark.parametrize("make", CYCLES, ids=lambda f: f.__name__)
def test_a_cycle_through_a_tensor_is_collected(make: Callable[[Thing], None]) -> None:
    thing = Thing()
    make(thing)
    gone = weakref.ref(thing)
    gc.collect()
    assert gone() is thing
    del thing
    gc.collect()
    assert gone() is None


def bytes_in_use() -> int:
    gc.collect()
    return rg.__config__.memory_stats()["in_use_bytes"]


def second_order(x: rg.Tensor, y: rg.Tensor) -> None:
    ((x * y).exp() + x**3).sum().backward(create_graph=True)


def second_order_kept(x: rg.Tensor, y: rg.Tensor) -> None:
    product = x * y
    product.retain_grad()
    (product**3).sum().backward(create_graph=True)


def assigned(x: rg.Tensor, y: rg.Tensor) -> None:
    x.grad, y.grad = rg.autograd.grad((x * y).exp().sum(), [x, y], create_graph=True)


@pytest.mark.parametrize("differentiate", [second_order, second_order_kept, assigned], ids=lambda f: f.__name__)
def test_gradients_whose_history_refers_to_their_tensors_go_with_them(
    differentiate: Callable[[rg.Tensor, rg.Tensor], None],
) -> None:
    def once() -> None:
        x, y = (rg.full((1000,), 0.5, requires_grad=True) for _ in range(2))
        differentiate(x, y)
        assert x.grad is not None
        assert x.grad.requires_grad

    once()
    before = bytes_in_use()
    for _ in range(3):
        once()
    assert bytes_in_use() == before


def test_a_gradient_stays_as_long_as_somebody_could_ask_for_it() -> None:
    x = rg.tensor(2.0, requires_grad=True)
    (x**3).backward(create_graph=True)
    other = x.requires_grad_()
    del x
    assert other.grad.item() == 12.0
    first = other.grad
    del other
    gc.collect()
    assert rg.autograd.grad(first, [first])[0].item() == 1.0


@pytest.mark.parametrize("on_result", [False, True], ids=["leaf", "result"])
def test_a_hook_that_a_graph_still_needs_is_called_whatever_was_collected(on_result: bool) -> None:
    seen = []

    def forward() -> rg.Tensor:
        x = rg.tensor([1.0, 2.0], requires_grad=True)
        watched = x * 3 if on_result else x
        # The hook refers to its own tensor, to which nothing else does.
        watched.register_hook(lambda g: seen.append((watched.tolist(), g.tolist())))
        return (watched**2).sum()

    loss = forward()
    gc.collect()
    loss.backward()
    value = [3.0, 6.0] if on_result else [1.0, 2.0]
    assert seen == [(value, [2 * v for v in value])]


def test_a_removed_hook_is_gone_at_once() -> None:
    x = rg.ones(2, requires_grad=True)
    hook = Thing()
    hook.__class__ = type("Callable", (Thing,), {"__call__": lambda self, g: None})
    handle = x.register_hook(hook)
    gone = weakref.ref(hook)
    del hook
    assert gone() is not None
    handle.remove()
    handle.remove()
    assert gone() is None
    x.sum().backward()
    del x
    handle.remove()


def test_collections_amid_backward_passes_on_other_threads_take_nothing_away() -> None:
    import threading

    calls = [0, 0]
    stop = threading.Event()

    def train(i: int) -> None:
        net = rg.nn.Sequential(rg.nn.Linear(64, 64), rg.nn.Tanh(), rg.nn.Linear(64, 64))

        def count(g: rg.Tensor) -> None:
            calls[i] += len(list(net.parameters())) == 4

        for p in net.parameters():
            p.register_hook(count)
        x = rg.randn(64, 64)
        for _ in range(100):
            net(x).sum().backward()
        stop.set()

    threads = [threading.Thread(target=train, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        gc.collect()
    assert calls == [400, 400]
