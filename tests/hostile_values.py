"""Arguments for hostile calls: what could be meant, and what never is.

A value is made anew for each call, for a call may change it; an argument of a call that raised is compared with what it
was.
"""

import array
import collections
import datetime
import decimal
import fractions
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hostile_liars import Lie as Lie, liar as liar, liars, raising

import rgrad as rg


@dataclass(slots=True)
class Value:
    """A description, a maker, and the state of what it makes, or None where that does not change."""

    text: str
    make: Callable[[], Any]
    state: Any = None


def state(x: Any, depth: int = 0) -> Any:
    """What an argument is, as far as a call could change it."""
    kind = type(x)
    if kind is rg.Tensor or kind is rg.nn.Parameter:
        # Large ones are views of a few elements.
        content = x.detach().numpy().tobytes() if x.numel() < 10_000 else None
        return tuple(x.shape), str(x.dtype), x.requires_grad, content
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, x.strides, None if x.dtype.hasobject or x.size > 10_000 else np.ndarray.tobytes(x)
    if kind in (list, tuple) and depth < 2:
        return kind, [state(y, depth + 1) for y in x]
    if kind is dict and depth < 2:
        return [(k if type(k) is str else id(k), state(y, depth + 1)) for k, y in x.items()]
    if isinstance(x, rg.nn.Module):
        return [(name, state(t)) for name, t in x.state_dict().items()], x.training
    if isinstance(x, rg.optim.Optimizer):
        return [[state(p) for p in g["params"]] for g in x.param_groups]
    return None


def value(text: str, make: Callable[[], Any]) -> Value:
    made = make()
    return Value(text, make, state(made))


def constant(x: Any, text: str | None = None) -> Value:
    return Value(text or f"{x!r:.60}", lambda: x)


def copied(x: Any) -> Value:
    """A value made again from one that was given to a call: tensors and arrays are copied, the rest is taken over."""
    kind = type(x)
    if isinstance(x, rg.Tensor):
        still = x.detach().clone()
        needs = x.requires_grad
        text = f"Tensor{tuple(x.shape)} of {x.dtype}"
        return value(text, lambda: still.clone().requires_grad_() if needs else still.clone())
    if isinstance(x, np.ndarray):
        return value(f"array{x.shape} of {x.dtype}", x.copy)
    if kind in (list, tuple):
        parts = [copied(y) for y in x]
        return value(f"{kind.__name__} of {[p.text for p in parts]}", lambda: kind(p.make() for p in parts))
    return constant(x)


def recursive() -> list[Any]:
    x: list[Any] = [1.0]
    x.append(x)
    return x


def recursive_dict() -> dict[str, Any]:
    x: dict[str, Any] = {}
    x["x"] = (x, [x])
    return x


def deep(n: int) -> list[Any]:
    x: list[Any] = []
    for _ in range(n):
        x = [x]
    return x


INTEGERS = [0, 1, 2, 3, -1, -2, -3, 4, 5, 7, 64, 1000, -1000]
POWERS = [31, 32, 53, 60, 61, 62, 63, 64]
HUGE = [s * 2**n + d for n in POWERS for s in (1, -1) for d in (-1, 0, 1)] + [10**30, -(10**30), 10**400]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.5, 2.0, 3.7, 1e-300, 5e-324, 1e38, 1e39, 1e300, math.nan, math.inf, -math.inf, 1e19]
STRINGS = ["", "mean", "sum", "none", "a", "float32", "int64", "ij->ji", "i,j", "ij,jk->ik", "...i", "fro", "nuc", "ij",
           "xy", "\0", "\ud800", "é" * 50, "a" * 5000, "0.weight", "weight", "no/such/folder/x", "x.safetensors", ".",
           "tanh", "reflect", "constant", "batchmean", "fan_in", "relu", "{}", "%s%n", "1",
           "nan", "training", "__class__"]  # fmt: skip
SHAPES = [(), (0,), (1,), (3,), (2, 3), (3, 2), (3, 3), (2, 0, 3), (2, 3, 4), (1, 1, 1, 1), (17, 33), (0, 2**40)]


def plain() -> list[Value]:
    """Numbers, texts, containers and objects that Python has."""
    odd = [None, True, False, ..., NotImplemented, 1j, b"", b"abc", bytearray(b"ab"), memoryview(b"abcd"), range(3),
           range(10**30), decimal.Decimal("1.5"), fractions.Fraction(1, 3), datetime.date(2020, 1, 1), int, float, bool,
           rg.Tensor, np.float32, np.ndarray, rg, np, object(), len, print, Exception("x"), slice(None),
           slice(1, 10**30), slice("a", None), slice(None, None, 0), slice(None, None, -1), slice(-(2**63), 2**63),
           set(), {1.0, 2.0}, frozenset("ab"),
           collections.Counter("ab"), collections.deque([1.0]), array.array("d", [1, 2]),
           rg.float32, rg.float64, rg.int64, rg.int32, rg.uint8, rg.bool, os, type, property(), staticmethod(len),
           np.float32(1.5), np.float64("nan"), np.int64(2), np.uint64(2**64 - 1), np.ma.masked, np.bool_(True),
           np.str_("mean"), np.datetime64("2020"), np.complex64(1), np.void(b"ab"), np.float16(2),
           np.longdouble(1)]  # fmt: skip
    made: dict[str, Callable[[], Any]] = {
        "[]": list,
        "()": tuple,
        "{}": dict,
        "[1.0, 2.0]": lambda: [1.0, 2.0],
        "[[1, 2], [3, 4]]": lambda: [[1, 2], [3, 4]],
        "ragged list": lambda: [[1, 2], [3]],
        "mixed list": lambda: [1, "a", None, [2.0]],
        "list of huge integers": lambda: [2**63, 2**64],
        "list of nan": lambda: [math.nan, math.inf],
        "list of sizes": lambda: [2**31, 2**31, 2],
        "list with a negative size": lambda: [2, -1],
        "recursive list": recursive,
        "recursive dict": recursive_dict,
        "list of 200 levels": lambda: deep(200),
        "list of 5000 levels": lambda: deep(5000),
        "generator": lambda: (float(i) for i in range(3)),
        "iterator": lambda: iter([1, 2]),
        "map that raises": lambda: map(raising, [1]),
        "dict of numbers": lambda: {"a": 1.0, 2: None},
    }
    return (
        [constant(x) for x in INTEGERS + HUGE + FLOATS]
        + [constant(x) for x in STRINGS]
        + [constant(x, f"{type(x).__name__} {x!r:.40}") for x in odd]
        + [value(text, make) for text, make in made.items()]
    )


def functions() -> list[Value]:
    """What may be given for a function of tensors."""
    return [
        Value(text, lambda f=f: f)
        for text, f in {
            "sum of squares": lambda *x: sum((t * t).sum() for t in x),
            "identity": lambda x, *_: x,
            "sin": rg.sin,
            "nothing": lambda *x, **k: None,
            "a number": lambda *x: 1.0,
            "another shape each time": lambda *x: rg.ones(len(x) + id(object()) % 3),
            "a tree": lambda x, *_: {"a": x, "b": [x * 2, None]},
            "writes in place": lambda x, *_: x.mul_(2),
            "raises": raising,
            "itself": functions,
            "a generator": lambda *x: (t for t in x),
            "a constant": lambda *x: rg.ones(2, 3),
            "an integer tensor": lambda *x: rg.tensor(1),
        }.items()
    ]


def tensors() -> list[Value]:
    made: list[Value] = []
    g = np.random.default_rng(3)
    for shape in SHAPES:
        for dtype in (rg.float32, rg.float64, rg.int64, rg.int32, rg.uint8, rg.bool):
            x = rg.tensor(g.uniform(0, 3, shape), dtype=dtype)
            made.append(copied(x))
            if dtype in (rg.float32, rg.float64):
                made.append(copied(x.clone().requires_grad_()))
    base = rg.tensor(g.standard_normal((4, 6)), dtype=rg.float32)
    special: dict[str, Callable[[], Any]] = {
        "expanded tensor": lambda: rg.ones(1).expand(3),
        "expanded tensor (100, 50)": lambda: rg.ones(1, 1).expand(100, 50),
        "expanded tensor of gradients": lambda: rg.ones(1, 3, requires_grad=True).expand(2, 3),
        "transposed tensor": lambda: base.clone().T,
        "strided tensor": lambda: base.clone()[::2, 1::2],
        "taped tensor": lambda: base.clone().requires_grad_() * 2,
        "taped view": lambda: (base.clone().requires_grad_() * 2)[1],
        "parameter": lambda: rg.nn.Parameter(base.clone()),
        "parameter with a gradient": with_gradient,
        "tensor of nan": lambda: rg.full((2, 3), math.nan),
        "tensor of inf": lambda: rg.full((3,), math.inf, requires_grad=True),
        "tensor of huge integers": lambda: rg.tensor([2**62, -(2**63), 5]),
        "tensor of negative integers": lambda: rg.tensor([-1, -5, 2]),
        "tensor of read-only memory": lambda: rg.from_numpy(frozen(np.ones((2, 3), np.float32))),
        "tensor of an array's memory": lambda: rg.from_numpy(np.ones((3, 2))),
        "list of tensors": lambda: [rg.ones(2), rg.ones(2)],
        "tuple of tensors": lambda: (rg.ones(2, 3, requires_grad=True), rg.ones(2, 3)),
        "tensors of several shapes": lambda: [rg.ones(2), rg.ones(3, 1), rg.tensor(1)],
        "tensors and others": lambda: [rg.ones(2), 3, None],
        "nested tensors": lambda: [[rg.ones(2)], {"a": rg.ones(1)}],
        "dict of tensors": lambda: {"weight": rg.ones(2, 3), "bias": rg.ones(2)},
    }
    return made + [value(text, make) for text, make in special.items()]


def with_gradient() -> rg.nn.Parameter:
    p = rg.nn.Parameter(rg.ones(2, 3))
    p.grad = rg.full((2, 3), 0.5)
    return p


def frozen(a: np.ndarray) -> np.ndarray:
    a.flags.writeable = False
    return a


def arrays() -> list[Value]:
    """Arrays of every dtype and layout that NumPy has."""
    kinds = ["?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "g", "F", "D", "S3", "U3", "M8[s]", "m8[s]",
             "V4", ">f4", ">i8", "<f8", "f,i", [("x", "f4", 3)], np.dtype("f4", align=True)]  # fmt: skip
    made: dict[str, Callable[[], Any]] = {}
    for kind in kinds:
        for shape in ((), (3,), (2, 3), (0, 2)):
            made[f"array{shape} of {kind}"] = lambda kind=kind, shape=shape: np.zeros(shape, kind)
    f = np.arange(24, dtype=np.float32).reshape(4, 6)
    made |= {
        "objects": lambda: np.array([1, "a", None], object),
        "objects of numbers": lambda: np.array([1.0, 2.0], object),
        "masked array": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
        "matrix": lambda: f.copy().view(np.matrix),
        "records": lambda: np.rec.array([(1, 2.0)], dtype="i,d"),
        "read-only array": lambda: frozen(f.copy()),
        "column-major array": lambda: np.asfortranarray(f),
        "reversed array": lambda: f.copy()[::-1, ::-2],
        "strides of 0": lambda: np.broadcast_to(np.float32(2), (3, 4)),
        "large array of one element": lambda: np.broadcast_to(np.int64(1), (2**17,)),
        "unaligned array": lambda: np.frombuffer(bytearray(13), np.float32, 3, 1),
        "array of nan": lambda: np.full((2, 3), np.nan),
        "array of indices": lambda: np.array([[0, 1], [1, 0]]),
        "array of huge indices": lambda: np.array([2**62, -(2**63)]),
        "bools that are 255": lambda: np.array([0, 255, 2], np.uint8).view(bool),
    }
    return [value(text, make) for text, make in made.items()]


PLAIN, TENSORS, ARRAYS, FUNCTIONS = plain(), tensors(), arrays(), functions()
LIARS = [Value(text, make) for text, make in liars()]
