"""Compiled functions that change what they find, draw from Python's randomness, or would be recorded in every call."""

import itertools
import random
import time
import warnings

import numpy as np
import pytest

import rgrad as rg
from rgrad import _core

nn = rg.nn


def recorded(function):
    """``function``, and a list of as many items as it was recorded."""
    recordings = []

    def counted(*args):
        if _core._is_recording():
            recordings.append(None)
        return function(*args)

    return counted, recordings


# ---- What it changes ----


class Counter(nn.Module):
    total = 0.0

    def __init__(self):
        super().__init__()
        self.t = 0

    def forward(self, x):
        self.t += 1
        return x * self.t


class Plain:
    t = 0
    h = None

    def __init__(self):
        self.kept = [0]

    def count(self, x):
        self.t += 1
        return x * self.t

    def of_class(self, x):
        type(self).t += 1
        return x * Plain.t

    def entry(self, x):
        self.kept[0] += 1
        return x * self.kept[0]

    def length(self, x):
        self.kept.append(x.ndim)
        return x * len(self.kept)

    def tensor(self, x):
        self.h = x if self.h is None else self.h * 0.5 + x
        return self.h * 1.0

    def last(self, x):
        self.h = x * 2
        return x + 1


class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", rg.zeros(2))

    def forward(self, x):
        self.mean = self.mean * 0.9 + x * 0.1
        return x - self.mean


class Toggle(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.dropout = nn.Linear(2, 2), nn.Dropout(0.5)

    def forward(self, x):
        self.train(not self.training)
        return self.dropout(x)


def of_global():
    global COUNT
    COUNT = 0

    def f(x):
        global COUNT
        COUNT += 1
        return x * COUNT

    return f


def of_cell():
    count = 0

    def f(x):
        nonlocal count
        count += 1
        return x * count

    return f


def of_dict():
    state = {"t": 0}

    def f(x):
        state["t"] += 1
        return x * state["t"]

    return f


def of_helper():
    inner = of_cell()
    return lambda x: inner(x) + 1


def reset_class():
    Plain.t = 0
    return Plain()


CHANGES = {
    "module": Counter,
    "modules": lambda: nn.Sequential(nn.Identity(), Counter()),
    "attribute": lambda: reset_class().count,
    "class attribute": lambda: reset_class().of_class,
    "entry": lambda: Plain().entry,
    "length": lambda: Plain().length,
    "global": of_global,
    "cell": of_cell,
    "key": of_dict,
    "helper": of_helper,
    "tensor": lambda: Plain().tensor,
    "buffer": Running,
    "flag": Toggle,
}


def calls(function, whole):
    rg.manual_seed(0)
    x = rg.arange(12.0).reshape(6, 2)
    with rg.no_grad():
        if whole and isinstance(function, rg._compile.Compiled):
            return function.epoch(x, batch_size=1).tolist()
        return [function(x[i : i + 1]).tolist() for i in range(6)]


def summed(function):
    return lambda x: function(x).sum()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("make", CHANGES.values(), ids=CHANGES)
def test_what_a_function_changes_itself_goes_on(make, whole):
    expected = calls(summed(make()), whole)
    function, recordings = recorded(summed(make()))
    compiled = rg.compile(function)
    with pytest.warns(RuntimeWarning, match=r"changes .* in every call, which a record cannot repeat"):
        assert calls(compiled, whole) == expected
    assert len(recordings) == 2
    assert len(compiled.program) == 0


def test_a_warning_names_what_is_changed():
    for make, name in ((Counter, "Counter.t"), (of_global, "COUNT"), (of_dict, r"state\['t'\]")):
        compiled = rg.compile(make())
        compiled(rg.ones(2))
        with pytest.warns(RuntimeWarning, match=f"changes {name} in every call"):
            compiled(rg.ones(2))
        compiled.clear()


def test_what_is_changed_once_is_recorded_afterwards():
    holder, net = Plain(), nn.Sequential(nn.Dropout(0.5)).eval()

    def f(x):
        if holder.h is None:
            holder.h = rg.ones(2)
        net.train()
        return net(x) * holder.h

    function, recordings = recorded(f)
    compiled = rg.compile(function)
    for i in range(4):
        rg.manual_seed(i)
        got = compiled(rg.ones(2)).tolist()
        rg.manual_seed(i)
        assert got == f(rg.ones(2)).tolist()
    assert len(recordings) == 2
    assert len(compiled.program) == 1


def test_a_list_that_only_grows_is_filled_at_recordings():
    kept, seen = [], set()

    def f(x):
        kept.append(x.ndim)
        seen.add(x.ndim)
        return x * 2

    compiled = rg.compile(f)
    for _ in range(3):
        compiled(rg.ones(2))
    assert kept == [1]


# ---- What it draws and reads ----

RNG, PYTHON = np.random.default_rng(0), random.Random(0)
NUMBERS = itertools.count()
DRAWS = {
    "np.random": lambda: np.random.rand(),  # noqa: NPY002
    "the module random": random.random,
    "RNG": lambda: RNG.random(),
    "PYTHON": lambda: PYTHON.randint(0, 10**9),
    "NUMBERS": lambda: next(NUMBERS),
    "time.perf_counter": lambda: time.perf_counter(),
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", DRAWS)
def test_numbers_of_other_generators_are_drawn_in_every_call(name, whole):
    draw = DRAWS[name]
    compiled = rg.compile(lambda x: x.sum() * 0 + draw())

    def run():
        if whole:
            return compiled.epoch(rg.ones(6, 2, dtype="float64"), batch_size=1).tolist()
        return [compiled(rg.ones(2, dtype="float64")).item() for _ in range(6)]

    with pytest.warns(RuntimeWarning, match=rf"draws from or reads {name} in every call.*rg\.rand"):
        numbers = run()
    assert len(set(numbers)) == 6


def test_numbers_that_were_drawn_once_are_kept():
    holder = Plain()

    def f(x):
        if holder.h is None:
            holder.h = np.random.rand()  # noqa: NPY002
        return x * holder.h

    compiled, x = rg.compile(f), rg.ones(2)
    assert {compiled(x).tolist()[0] for _ in range(4)} == {f(x).tolist()[0]}
    assert len(compiled.program) == 1


# ---- What is recorded too often ----


def test_modules_that_the_function_makes_are_no_reason_to_record_anew():
    model = nn.Linear(3, 2)

    def f(x, y):
        loss = nn.CrossEntropyLoss(label_smoothing=0.1)
        return loss(nn.ReLU()(model(x)), y) + nn.MSELoss()(x, x * 0.5)

    function, recordings = recorded(f)
    compiled, x, y = rg.compile(function), rg.randn(4, 3), rg.tensor([0, 1, 1, 0])
    for _ in range(4):
        assert compiled(x, y).item() == f(x, y).item()
    assert len(recordings) == 1


class Config:
    scale = 1.0


CONFIG = Config()


def test_numbers_that_change_in_every_call_are_warned_of():
    by_argument = rg.compile(lambda x, number: x * number)
    by_name = rg.compile(lambda x: x * CONFIG.scale)
    for i in range(3):
        CONFIG.scale = float(i)
        by_argument(rg.ones(2), i)
        by_name(rg.ones(2))
    CONFIG.scale = 7.0
    with pytest.warns(
        RuntimeWarning, match=r"recorded anew 4 times in a row, because the argument number is another in"
    ):
        by_argument(rg.ones(2), 7)
    with pytest.warns(RuntimeWarning, match=r"recorded anew 4 times in a row, because CONFIG\.scale is another in"):
        by_name(rg.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(8, 14):
            by_argument(rg.ones(2), i)


def test_recording_stops_where_it_does_not_pay():
    function, recordings = recorded(lambda x, number: x * number)
    compiled = rg.compile(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(1000):
            assert compiled(rg.ones(2), i).tolist() == [i, i]
        assert len(recordings) < 30
        # When the calls are regular again, they are recorded soon.
        for _ in range(2000):
            compiled(rg.ones(2), -1)
    assert len(recordings) < 50
    before = len(recordings)
    compiled(rg.ones(2), -1)
    assert len(recordings) == before


def test_warnings_point_to_the_call():
    changing, many = rg.compile(lambda x, number: x * number), rg.compile(lambda x: x * 2, max_programs=1)
    counting = rg.compile(of_cell())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(4):
            changing(rg.ones(2), i)
            many(rg.ones(i // 2))
            counting(rg.ones(2))
    assert len(caught) == 3
    assert {warning.filename for warning in caught} == {__file__}
