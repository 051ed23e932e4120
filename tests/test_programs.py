"""The generator of random programs: what it draws, that runs agree, and that it would notice if they did not."""

import re
import signal
import time

import numpy as np
import pytest
from programs import campaign, reference
from programs.compare import compare
from programs.drawer import Drawer, draw
from programs.run import run
from programs.shrink import shrink
from programs.worker import Tried, drawn, try_one

import rgrad as rg
from rgrad import _core

# A program that a compiled function warns of is as good as another.
pytestmark = pytest.mark.filterwarnings("ignore:compile:RuntimeWarning")


def coded(source):
    return compile(source, "program", "exec")


def agree(seeds):
    """Whether each program gives the same in every way to run it."""
    for seed in seeds:
        program = drawn(seed)
        faults = [(f.seed, f.kind, f.detail, f.source) for f in try_one(program).faults]
        assert faults + [(seed, *wrong) for wrong in program.wrong] == []


@pytest.mark.parametrize("start", range(200, 300, 20))
def test_programs_agree(start):
    agree(range(start, start + 20))


def test_a_seed_is_one_program():
    sources = [draw(seed).source() for seed in range(30)]
    assert sources == [draw(seed).source() for seed in range(30)]
    assert len(set(sources)) == 30


def test_an_operation_of_any_name_is_drawn(monkeypatch):
    """Each operation alone: with what it takes by its signature, one of the attempts stands."""
    never = []
    for name in _core.OPS:
        monkeypatch.setattr(Drawer, "allowed", [name])
        if not any(name in drawn(seed).operations for seed in range(60)):
            never.append(name)
    assert never == []


PLANTED = """\
c1 = numbers((3,), 'float32', 'normal', 1)
c9 = numbers((3,), 'float32', 'normal', 2)
def f(x0):
    v2 = x0 + c9
    v3 = rg.tanh(v2)
    v4 = v3 * c1
    return v2, v4
def calls():
    yield numbers((3,), 'float32', 'normal', 3),
    yield numbers((3,), 'float32', 'normal', 4),
"""


def test_a_wrong_compiled_result_is_noticed(monkeypatch):
    """As if replays of tanh were wrong in the last bit."""
    assert compare(coded(PLANTED), 0, False)[1] is None
    plain = rg.compile

    def wrong(function):
        right, calls = plain(function), []

        def replay(*args):
            calls.append(args)
            return tuple(y * (1 + 2.0**-23) if len(calls) > 1 else y for y in right(*args))

        return replay

    monkeypatch.setattr(rg, "compile", wrong)
    fault = compare(coded(PLANTED), 0, False)[1]
    assert fault is not None
    assert fault.kind == "compiled"
    assert "call 1, result 0" in fault.detail


def test_a_difference_between_processes_is_noticed():
    eager = run(coded(PLANTED), compiled=False, threads=1)
    other = run(coded(PLANTED.replace("tanh", "sin")), compiled=False, threads=1)
    assert eager.digest("") == run(coded(PLANTED), compiled=False, threads=2).digest("")
    assert eager.digest("") != other.digest("")


class Ended:
    """A job that has ended, as the summary sees it."""

    def __init__(self, turn, digest, folder):
        self.turn, self.crashes, self.kept = turn, [], folder / "programs"
        self.kept.touch()
        self.tried = lambda: [Tried(7, digest, "NoneType", operations=["tanh"])]
        self.clear = lambda: None


def test_other_bits_on_an_instruction_set_are_a_fault(tmp_path, capsys):
    summary = campaign.Summary()
    turns = range(len(campaign.ISAS))
    summary.add([Ended(turn, "a", tmp_path) for turn in turns])
    assert summary.report(1.0)
    summary.add([Ended(turn, "a" if turn else "b", tmp_path) for turn in turns])
    assert summary.report(1.0) == (len(turns) == 1)
    assert "2 programs" in capsys.readouterr().out


CRASHING = """\
import os, sys
from programs import worker
right = worker.try_one
worker.try_one = lambda program, *rest: os.abort() if program.seed == 2 else right(program, *rest)
from programs import __main__
"""


def test_a_program_that_ends_its_process_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "MAIN", ["-c", CRASHING])
    job = campaign.Job(0, 4, 0, tmp_path)
    while not job.over():
        time.sleep(0.05)
    assert [(found.seed, found.kind.partition(" on ")[0]) for found in job.crashes] == [
        (2, f"exit code {-signal.SIGABRT}")
    ]
    assert [tried.seed for tried in job.tried()] == [0, 1, 3]


def test_a_wrong_value_is_noticed():
    x = rg.tensor([0.5, -0.25], dtype="float64")
    assert reference.wrong_value("tanh", [x], {}, rg.tanh(x)) is None
    assert "tanh" in reference.wrong_value("tanh", [x], {}, rg.tanh(x) * (1 + 1e-8))
    assert "shape" in reference.wrong_value("sum", [x], {"keepdim": True}, x.sum())


class Wrong(rg.autograd.Function):
    """A square whose derivative is wrong by 0.1 %."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * 2.002

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return t * x * 2.002


def test_a_wrong_derivative_is_noticed():
    x = rg.tensor([0.5, -0.25, 2.0], dtype="float64")
    assert reference.wrong_derivative(lambda x: x * x, x) is None
    assert "finite differences" in reference.wrong_derivative(Wrong.apply, x)
    # At a kink there is no derivative to compare with.
    assert reference.wrong_derivative(rg.abs, rg.zeros(3, dtype="float64")) is None


def test_shrinking_leaves_what_the_fault_needs():
    small = shrink(PLANTED, lambda source: bool(re.search(r"rg\.tanh\(", source)) and "return" in source)
    assert "rg.tanh" in small
    assert "c1" not in small
    assert len(small.splitlines()) < len(PLANTED.splitlines())


def test_nan_counts_as_one_value():
    from programs.run import seen

    bits = np.array([0x7FC00000, 0xFFC00001], np.uint32).view(np.float32)
    a, b = (rg.from_numpy(bits[i : i + 1]) for i in range(2))
    assert seen(a) == seen(b)
    assert seen(a) != seen(rg.zeros(1))
