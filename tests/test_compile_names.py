"""What a compiled function finds by names: when a name means something else at a later call, so does the function."""

import functools
import types
from dataclasses import dataclass

import numpy as np
import pytest

import rgrad as rg

nn = rg.nn
THING = None
SETTINGS = types.ModuleType("settings_of_a_test")


def equal(a, b):
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def count(function):
    """``function``, and a list of as many items as it was really called."""
    calls = []

    def counted(*args):
        calls.append(None)
        return function(*args)

    return counted, calls


# ---- Places: a function that multiplies by what stands there, what puts something there, and what takes it away ----


class Holder:
    thing = None

    def times(self, x):
        return x * self.thing

    def __call__(self, x):
        return self.times(x)


class Slotted:
    __slots__ = ("thing",)


@dataclass
class Data:
    thing: object = None


class Net(nn.Module):
    scale = None

    def __init__(self, thing=None):
        super().__init__()
        self.thing = thing

    def forward(self, x):
        return x * (self.thing if self.scale is None else self.scale)


class Twice(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * THING

    @staticmethod
    def backward(ctx, g):
        return g * THING


def of_attribute(holder, function, name="thing"):
    return function, lambda value: setattr(holder, name, value), lambda: delattr(holder, name)


def of_entry(holder, key, function):
    return function, lambda value: holder.__setitem__(key, value), lambda: holder.__delitem__(key)


def of_global(function):
    return of_entry(globals(), "THING", function)


def of_cell():
    thing = None

    def put(value):
        nonlocal thing
        thing = value

    def drop():
        nonlocal thing
        del thing

    return lambda x: x * thing, put, drop


def times_thing(x):
    return x * THING


def helped(x):
    return times_thing(x)


def of_object(kind):
    holder = kind()
    return of_attribute(holder, lambda x: x * holder.thing)


def of_class(base):
    kind = type("Kind", (base,), {"__module__": __name__})
    holder = kind()
    return of_attribute(kind, lambda x: x * holder.scale, "scale")


def of_list():
    things = [None]
    return of_entry(things, 0, lambda x: x * things[0])


def of_loop():
    things = [1.0, None, 2.0]

    def f(x):
        for thing in things:
            x = x * thing
        return sum(x * thing for thing in things)

    return of_entry(things, 1, f)


def of_dict():
    things = {"a": None, "b": 1.0}
    return of_entry(things, "a", lambda x: x * things["a"])


def of_values():
    things = {"a": None, "b": 1.0}
    return of_entry(things, "a", lambda x: sum(x * thing for thing in things.values()))


def of_nested():
    holder = Holder()
    holder.all = [{"one": Data()}]
    return of_attribute(holder.all[0]["one"], lambda x: x * holder.all[0]["one"].thing)


def of_default():
    def f(x, thing=None):
        return x * thing

    def put(value):
        f.__defaults__ = (value,)

    def drop():
        f.__defaults__ = None

    return f, put, drop


def of_partial():
    function = functools.partial(lambda x, *, thing: x * thing, thing=None)
    return of_entry(function.keywords, "thing", lambda x: function(x))


def of_local():
    outer = Holder()
    outer.inner = Holder()

    def f(x):
        inner = outer.inner
        return inner.times(x) + x * getattr(inner, "thing")  # noqa: B009

    return of_attribute(outer.inner, f)


def of_argument():
    inner = Holder()

    def use(holder, x):
        return x * holder.thing

    return of_attribute(inner, lambda x: use(inner, x))


def of_property():
    holder = Holder()
    kind = type("Kind", (), {"__module__": __name__, "twice": property(lambda self: holder.thing)})
    own = kind()
    return of_attribute(holder, lambda x: x * own.twice)


def of_module():
    net = Net()
    model = nn.Sequential(nn.Identity(), net)
    return of_attribute(net, lambda x: model(x))


def of_object_of_a_module():
    kind = type("Kind", (Net,), {"__module__": __name__, "forward": lambda self, x: x * self.config.thing})
    own = kind()
    own.config = Holder()
    return of_attribute(own.config, lambda x: own(x))


def of_loss():
    holder = Holder()
    return of_attribute(holder, rg.value_and_grad(lambda x: (x * holder.thing).sum()))


def of_python_module():
    return of_attribute(SETTINGS, lambda x: x * SETTINGS.thing)


def of_method():
    holder = Holder()
    return of_attribute(holder, holder.times)


def of_callable():
    holder = Holder()
    return of_attribute(holder, holder)


def of_base():
    holder = type("Kind", (Holder,), {"__module__": __name__, "times": lambda self, x: Holder.times(self, x)})()
    return of_attribute(holder, holder.times)


def of_hook():
    holder = Holder()

    def f(x):
        x = x.detach().requires_grad_()
        x.register_hook(lambda g: g * holder.thing)
        (x * 1.0).sum().backward()
        return x.grad

    return of_attribute(holder, f)


PLACES = {
    "global": lambda: of_global(lambda x: x * THING),
    "global of a helper": lambda: of_global(helped),
    "global of an operation": lambda: of_global(lambda x: Twice.apply(x)),
    "global of a lambda inside": lambda: of_global(lambda x: rg.value_and_grad(lambda x: (x * THING).sum())(x)[0]),
    "cell": of_cell,
    "attribute": lambda: of_object(Holder),
    "attribute of a namespace": lambda: of_object(types.SimpleNamespace),
    "slot": lambda: of_object(Slotted),
    "field": lambda: of_object(Data),
    "class attribute": lambda: of_class(Holder),
    "class attribute of a module": lambda: of_class(Net),
    "list entry": of_list,
    "looped entry": of_loop,
    "dict entry": of_dict,
    "dict value": of_values,
    "nested": of_nested,
    "default": of_default,
    "partial": of_partial,
    "local name": of_local,
    "argument of a helper": of_argument,
    "property": of_property,
    "module": of_module,
    "object of a module": of_object_of_a_module,
    "function of a transform": of_loss,
    "hook": of_hook,
    "Python module": of_python_module,
    "bound method": of_method,
    "callable object": of_callable,
    "method of a base": of_base,
}
VALUES = {
    "tensor": lambda: [rg.full((2,), 2.0), rg.full((2,), 3.0)],
    "number": lambda: [2.0, 3.0],
    "kind": lambda: [2, 2.0],
    "zero": lambda: [0.0, -0.0],
}


def leaves(result):
    return result if isinstance(result, tuple) else (result,)


def outcome(function, x):
    """The results as lists, or the kind of the error."""
    try:
        return [y.tolist() for y in leaves(function(x))]
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_a_name_means_now_is_used(place, values):
    function, put, drop = place()
    counted, calls = count(function)
    compiled, x = rg.compile(counted), rg.ones(2)
    values = values()
    for value in [*values, *values]:
        put(value)
        for _ in range(2):
            for a, b in zip(leaves(compiled(x)), leaves(function(x)), strict=True):
                assert a.dtype == b.dtype
                equal(1 / a, 1 / b)
    # What was recorded before is found again, and nothing is recorded twice.
    assert len(calls) == 2
    drop()
    assert outcome(compiled, x) == outcome(function, x)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_an_epoch_looks_again_after_its_callback(place):
    function, put, _ = place()
    changed = []

    def progress(done, total, loss):
        if not changed:
            changed.append(done)
            put(3.0)

    put(2.0)
    rows = rg.ones(200_000, 2)
    before = leaves(function(rows[:2]))[0].sum()
    losses = rg.compile(lambda x: leaves(function(x))[0].sum()).epoch(rows, batch_size=2, progress=progress)
    after = leaves(function(rows[:2]))[0].sum()
    assert 0 < changed[0] < len(losses)
    assert before.item() != after.item()
    assert (losses[: changed[0]] == before).all()
    assert (losses[changed[0] :] == after).all()
