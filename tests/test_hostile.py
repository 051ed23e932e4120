"""What the program that makes hostile calls must find, and must notice."""

import inspect
import sys

import hostile
import hostile_surface
import hostile_values
import pytest

import rgrad as rg

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and notes of Linux")


def test_every_class_has_an_instance():
    """Without one its methods would not be called: add it to INSTANCES, or its parameters to USUAL."""
    missing = [
        name
        for name, item in hostile_surface.exports()
        if inspect.isclass(item) and not inspect.isabstract(item) and hostile_surface.instance_of(name, item) is None
    ]
    assert missing == ["rgrad.data.Dataset", "rgrad.optim.lr_scheduler.LRScheduler", "rgrad.return_types.ValuesIndices"]


def test_what_is_excluded_is_there():
    names = {name for name, _ in hostile_surface.exports()} | {m.__name__ for m in hostile_surface.modules()}
    methods = {f"rgrad.nn.Module.{name}" for name in vars(rg.nn.Module)}
    assert set(hostile_surface.EXCLUDED) <= names | methods | {"rgrad.tutorial", "rgrad.plot"}


@pytest.mark.parametrize("sizes", [range(10**30), hostile_values.liar(len=2**40, getitem=lambda self, i: 1)()])
def test_no_length_is_believed(sizes):
    x = rg.ones(2, 3)
    of_sizes = (rg.zeros, x.sum, x.split, x.reshape, lambda s: rg.tensordot(x, x, s), lambda s: rg.rms_norm(x, s))
    modules = (rg.nn.LayerNorm, rg.nn.RMSNorm, lambda s: rg.nn.Unflatten(0, s))
    for call in (*of_sizes, *modules, lambda s: rg.grad(rg.sum, s)(x)):
        of_many = r"sequence of more than|a sequence of them|pair of lists|out of range|twice"
        with pytest.raises((TypeError, ValueError), match=of_many):
            call(sizes)


@pytest.fixture
def caller(monkeypatch):
    """A caller of one function only, which a test gives it."""
    made = object.__new__(hostile.Caller)
    made.__dict__.update(
        surface=hostile_surface, state=hostile_values.state, seed=0, calls=0, outcomes=hostile.collections.Counter()
    )
    made.allowed = (*hostile.ORDINARY, hostile_values.Lie)
    return made


class Panic(BaseException):
    pass


def spoil(x: object, *_: object) -> None:
    if isinstance(x, rg.Tensor) and x.numel() and x.dtype == rg.float32 and not x.requires_grad:
        x.zero_()
        raise ValueError("no")


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: fail(Panic("capacity overflow")), "exception"),
        (lambda x: fail(RuntimeError("called `Option::unwrap()` on a `None` value")), "message"),
        (lambda x: fail(AssertionError("x")), "exception"),
        (spoil, "changed"),
    ],
)
def test_faults_are_noticed(caller, function, kind):
    caller.subjects = [hostile_surface.Subject("function", function, ["x"])]
    assert {fault["kind"] for fault in caller.block(0, 0)} == {kind}


def test_ordinary_errors_are_no_faults(caller):
    caller.subjects = [hostile_surface.Subject("function", lambda x: fail(ValueError("x is too small")), ["x"])]
    assert caller.block(0, 0) == []
    assert caller.outcomes["ValueError"] > 50
