"""Objects that lie about themselves: whoever trusts their answers reads past an end, hangs or overflows a stack."""

from collections.abc import Callable
from typing import Any

import numpy as np

import rgrad as rg


class Lie(Exception):
    """What a liar raises itself; it may come out of any call that was given one."""


def raising(*_: Any, **__: Any) -> Any:
    raise Lie("asked a liar")


def liar(*bases: type, value: tuple[Any, ...] = (), **answers: Any) -> Callable[[], Any]:
    """A maker of an object, perhaps of a built-in type, whose special methods give these answers or call a function."""

    def method(answer: Any) -> Any:
        return answer if callable(answer) or isinstance(answer, property) else lambda self, *a, **k: answer

    members = {f"__{name}__": method(answer) for name, answer in answers.items()}
    kind = type("Liar", bases, members if bases else {"__slots__": (), **members})
    return lambda: kind(*value)


def endless(_: object) -> Any:
    """Longer than anybody should read what has no length; an end, so that a reader who does is told and not hung."""
    for _i in range(20_000):
        yield 1.0
    raise Lie("read without an end")


def item(_: object, i: Any) -> Any:
    """An item at every position that somebody should ask for."""
    if isinstance(i, int) and i >= 20_000:
        raise Lie("read without an end")
    return 1.0


class Turning:
    """Another answer each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __index__(self) -> int:
        self.asked += 1
        return self.asked % 5 - 1

    __len__ = __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __getitem__(self, i: object) -> Any:
        self.asked += 1
        if self.asked % 7 == 0:
            raise IndexError(i)
        return float(self.asked) if self.asked % 3 else [1.0, 2.0]


class Growing(list[Any]):
    """A list that is longer after each look at it, up to a point."""

    def __getitem__(self, i: Any) -> Any:
        if len(self) < 100:
            self.append(1.0)
        return super().__getitem__(i)

    def __iter__(self) -> Any:
        for x in list(self):
            if len(self) < 100:
                self.append(x)
            yield x


class Shrinking(list[Any]):
    """A list that loses its end while it is read."""

    def __getitem__(self, i: Any) -> Any:
        if self:
            self.pop()
        return super().__getitem__(i)

    def __iter__(self) -> Any:
        while self:
            yield self.pop()


class Imitation:
    """Has the attributes of a tensor, and none of them is true."""

    shape, ndim, dtype, device, requires_grad, grad, is_leaf = (2**62, -1), -3, "float32", "cpu", True, 7, None

    def __len__(self) -> int:
        return 2**62

    def numpy(self) -> Any:
        return self

    detach = cpu = numpy
    numel = size = __len__


class Emptying(dict[Any, Any]):
    """A dict that is emptied by a look at its keys."""

    def keys(self) -> Any:
        seen = list(super().keys())
        self.clear()
        return seen

    def __iter__(self) -> Any:
        return iter(self.keys())

    def items(self) -> Any:
        return [(1,), "ab", None]


def capsule() -> object:
    """A capsule that holds something, and no tensor."""
    import datetime

    return datetime.datetime_CAPI  # type: ignore[attr-defined]


def liars() -> list[tuple[str, Any]]:
    """Makers of liars, with what to call them."""
    array, tensor = np.ones(3, np.float32), rg.ones(3)
    return [
        (f"liar {text}", make)
        for text, make in {
            "of length -1": liar(len=-1, getitem=item),
            "of length 2**62": liar(len=2**62, getitem=item),
            "of length 2**70": liar(len=2**70, getitem=item),
            "of length 'a'": liar(len="a", iter=raising),
            "without a length": liar(len=raising, getitem=raising),
            "of length 3 without items": liar(len=3, getitem=lambda self, i: [1, 2][i]),
            "with index 'a'": liar(index="a"),
            "with index 2**70": liar(index=2**70, int=2**70),
            "with index 2**63": liar(index=2**63),
            "with index -1": liar(index=-1),
            "that raises for an index": liar(index=raising, int=raising),
            "with float 'a'": liar(float="a"),
            "with float nan": liar(float=float("nan")),
            "that raises for a float": liar(float=raising),
            "that is neither true nor false": liar(bool=raising),
            "with an array that is None": liar(array=None),
            "with an array that is a list": liar(array=lambda self, *a, **k: [1, 2]),
            "with an array that is itself": liar(array=lambda self, *a, **k: self),
            "with a true array": liar(array=lambda self, *a, **k: array.copy()),
            "with an array of objects": liar(array=lambda self, *a, **k: np.array([self, None])),
            "that raises for an array": liar(array=raising),
            "with DLPack None": liar(dlpack=None, dlpack_device=(1, 0)),
            "with DLPack of another kind": liar(dlpack=lambda self, **k: capsule(), dlpack_device=(1, 0)),
            "with DLPack on no device": liar(dlpack=raising, dlpack_device="cpu"),
            "with DLPack on a device of 2**70": liar(dlpack=raising, dlpack_device=(2**70, -1)),
            "that raises for DLPack": liar(dlpack=raising, dlpack_device=(1, 0)),
            "with a true DLPack": liar(dlpack=lambda self, **k: tensor.clone().__dlpack__(**k), dlpack_device=(1, 0)),
            "without an end": liar(iter=endless),
            "that iterates over None": liar(iter=None),
            "that raises for an iterator": liar(iter=raising),
            "that raises as it iterates": liar(iter=lambda self: iter([rg.ones(3), None])),
            "that is equal to nothing": liar(eq=raising, hash=raising),
            "equal to everything": liar(eq=True, hash=0),
            "without a name": liar(repr=raising, str=raising),
            "whose name is 3": liar(repr=3, str=3, format=3),
            "that says it is a Tensor": liar(**{"class": property(lambda self: rg.Tensor)}),
            "that says it is a Module": liar(**{"class": property(lambda self: rg.nn.Module)}),
            "that says it is a float": liar(**{"class": property(lambda self: float)}),
            "that says it is a list": liar(**{"class": property(lambda self: list)}),
            "whose attributes raise": liar(getattr=raising),
            "without attributes": liar(getattribute=raising),
            "float": liar(float, value=(1.5,), float=raising, index=raising, repr=raising),
            "int": liar(int, value=(1,), index=raising, int=raising, eq=raising, hash=raising),
            "int that is 2**70": liar(int, value=(2**70,), index=1),
            "str": liar(str, value=("mean",), eq=raising, hash=raising, str=raising, len=-1),
            "list of length -1": liar(list, value=([1.0, 2.0],), len=-1, getitem=raising),
            "list of length 2**62": liar(list, value=([1.0, 2.0],), len=2**62),
            "list of None": liar(list, value=([1.0, 2.0],), iter=None, getitem=None),
            "tuple": liar(tuple, value=((1, 2),), len=5, getitem=raising, iter=raising),
            "dict": liar(dict, value=({"a": 1},), iter=raising, len=-1, getitem=raising, contains=True),
            "turning": Turning,
            "growing": lambda: Growing([1.0, 2.0]),
            "shrinking": lambda: Shrinking([1.0, 2.0, 3.0]),
            "shrinking of tensors": lambda: Shrinking([rg.ones(2), rg.ones(2), rg.ones(2)]),
            "imitation": Imitation,
            "emptying": lambda: Emptying(a=rg.ones(2), b=rg.ones(2)),
            "callable that raises": liar(call=raising),
            "context that raises": liar(enter=raising, exit=raising),
            "descriptor": liar(get=raising, set=raising, set_name=raising),
            "that reduces to nonsense": liar(reduce_ex=lambda self, p: 3, deepcopy=lambda self, m: None),
            "array function": liar(array_function=raising, array_ufunc=raising),
            "operand": liar(radd=None, rmul=raising, rmatmul=NotImplemented, add=NotImplemented),
        }.items()
    ]
