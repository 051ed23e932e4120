"""Compiled functions whose networks, optimizers, layers and methods are exchanged, and what is no matter of theirs."""

import functools
import gc
import weakref

import numpy as np
import pytest

import rgrad as rg

nn = rg.nn
THING = None


def equal(a, b):
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def count(function):
    """``function``, and a list of as many items as it was really called."""
    calls = []

    def counted(*args):
        calls.append(None)
        return function(*args)

    return counted, calls


class Holder:
    thing = None


class Net(nn.Module):
    def __init__(self, thing):
        super().__init__()
        self.thing = thing

    def forward(self, x):
        return x * self.thing


# ---- Swaps ----


class Agent:
    def __init__(self):
        self.online, self.target = nn.Linear(3, 2), nn.Linear(3, 2)
        self.optimizers = [rg.optim.SGD(self.online.parameters(), 0.1), rg.optim.SGD(self.target.parameters(), 0.2)]

    def step(self, x):
        for parameter in self.online.parameters():
            parameter.grad = None
        with rg.no_grad():
            y = self.target(x)
        loss = (self.online(x) - y).square().mean()
        loss.backward()
        self.optimizers[0].step()
        return loss

    def swap(self):
        self.online, self.target = self.target, self.online
        self.optimizers.reverse()

    def state(self):
        return [p.tolist() for net in (self.online, self.target) for p in net.parameters()]


@pytest.mark.parametrize("whole", [False, True])
def test_networks_and_optimizers_may_be_swapped(whole):
    x = rg.randn(200, 3, generator=rg.Generator(2))

    def run(compiled):
        rg.manual_seed(0)
        agent = Agent()
        step, losses = rg.compile(agent.step) if compiled else agent.step, []
        for _ in range(5):
            if whole and compiled:
                losses += step.epoch(x, batch_size=4).tolist()
            else:
                losses += [step(x[i : i + 4]).item() for i in range(0, 200, 4)]
            agent.swap()
        if compiled:
            assert len(step.program) == 2
        return losses, agent.state()

    assert run(True) == run(False)


@pytest.mark.parametrize("optimizer", ["cell", "global"])
def test_another_optimizer_is_used(optimizer):
    def run(compiled):
        global THING
        rg.manual_seed(0)
        model = nn.Linear(3, 2)
        make = [lambda: rg.optim.Adam(model.parameters(), 0.1), lambda: rg.optim.SGD(model.parameters(), 0.1)]
        own = THING = make[0]()

        def step(x):
            used = own if optimizer == "cell" else THING
            used.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            used.step()
            return loss

        fast, losses = rg.compile(step) if compiled else step, []
        for i in range(9):
            losses.append(fast(rg.ones(2, 3)).item())
            if i % 3 == 2:
                own = THING = make[i // 3 % 2]()
        return losses

    assert run(True) == run(False)


def test_modules_are_added_to_lists():
    lists = [nn.ModuleList([nn.Linear(2, 2)]), [nn.Linear(2, 2)], nn.ParameterList([nn.Parameter(rg.ones(2))])]

    def f(x):
        for layer in [*lists[0], *lists[1]]:
            x = layer(x).tanh()
        return sum(parameter * x for parameter in lists[2])

    counted, calls = count(f)
    compiled, x = rg.compile(counted), rg.randn(3, 2)
    with rg.no_grad():
        for i in range(6):
            for _ in range(2):
                equal(compiled(x), f(x))
            lists[i % 3].append(nn.Parameter(rg.randn(2)) if i % 3 == 2 else nn.Linear(2, 2))
    assert len(calls) == 6


def test_functions_and_methods_may_be_replaced():
    net = Net(2.0)
    holder = Holder()
    holder.thing = rg.relu
    counted, calls = count(lambda x: net(x) + holder.thing(x))
    compiled, x = rg.compile(counted), rg.tensor([-1.0, 1.0])
    forward = Net.forward
    try:
        for change in (lambda: None, lambda: setattr(holder, "thing", rg.tanh), lambda: setattr(Net, "forward", late)):
            change()
            for _ in range(2):
                equal(compiled(x), net(x) + holder.thing(x))
    finally:
        Net.forward = forward
    assert len(calls) == 3


def late(self, x):
    return x * 5


# ---- What is no matter of the function ----


def test_names_that_the_function_does_not_use_may_change():
    trainer = Agent()
    trainer.step_number = trainer.parameters = trainer.log = 0
    trainer.history, trainer.names = [], {"a": 1}

    def f(x):
        trainer.history.append(None)
        return trainer.online(x) * len(list(trainer.online.parameters())) * trainer.names["a"]

    compiled, x = rg.compile(f), rg.randn(2, 3)
    for i in range(5):
        compiled(x)
        trainer.step_number = trainer.parameters = i
        trainer.names["b"] = trainer.unused = i
        trainer.history.append(i)
    assert len(trainer.history) == 6


def test_guards_keep_nothing_alive():
    holder = Holder()
    holder.thing, holder.model, holder.more = rg.ones(2), nn.Linear(2, 2), [nn.Linear(2, 2)]
    compiled = rg.compile(lambda x: x * holder.thing.ndim + len(holder.more) + holder.model.in_features)
    compiled(rg.ones(2))
    gone = [weakref.ref(value) for value in (holder.thing, holder.model, holder.more[0], holder)]
    holder.thing = holder.model = holder.more = None
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None, holder]


# ---- What cannot be looked at ----


def fails(*args):
    raise RuntimeError("a look")


class Loop(list):
    def __init__(self):
        super().__init__([2.0])
        self.append(self)


HOSTILE = {
    "length": lambda: type("Short", (list,), {"__len__": fails})([2.0]),
    "class": lambda: type("Liar", (), {"__class__": property(fails), "__getitem__": lambda self, i: 2.0})(),
    "dict": lambda: type("Hider", (), {"__dict__": property(fails), "__getitem__": lambda self, i: 2.0})(),
    "equality": lambda: type("Judge", (), {"__eq__": fails, "__hash__": fails, "__getitem__": lambda self, i: 2.0})(),
    "truth": lambda: type("Doubter", (), {"__bool__": fails, "__len__": fails, "__getitem__": lambda self, i: 2.0})(),
    "attributes": lambda: type("Mirror", (), {"__getattribute__": fails, "__getitem__": lambda self, i: 2.0})(),
    "itself": lambda: Loop(),
    "depth": lambda: [2.0, functools.reduce(lambda inner, _: [inner], range(2000), [])],
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_objects_that_do_not_want_to_be_looked_at(make):
    thing = make()

    def f(x):
        same = [thing, thing]
        return x * thing[0] * len(same)

    counted, calls = count(f)
    compiled = rg.compile(counted)
    for _ in range(3):
        assert compiled(rg.ones(2)).tolist() == [4.0, 4.0]
    assert len(calls) == 1
