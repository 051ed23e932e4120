"""``rgrad.compile``: a function is recorded when it is first called, and replayed afterwards."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rgrad import _core, config
from rgrad._core import Tensor

#: Programs that one function keeps: of so many shapes, flags and other arguments.
MAX_PROGRAMS = 16


class _Leaf:
    """The place of a tensor in a structure."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def _flatten(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors.append(value)
        return _Leaf(len(tensors) - 1)
    if isinstance(value, tuple | list):
        return type(value)(_flatten(item, tensors) for item in value)
    if isinstance(value, dict):
        return {key: _flatten(item, tensors) for key, item in value.items()}
    return value


def _unflatten(structure: Any, tensors: list[Tensor]) -> Any:
    if isinstance(structure, _Leaf):
        return tensors[structure.index]
    if isinstance(structure, tuple | list):
        return type(structure)(_unflatten(item, tensors) for item in structure)
    if isinstance(structure, dict):
        return {key: _unflatten(item, tensors) for key, item in structure.items()}
    return structure


class Compiled:
    """A function that is recorded once for each kind of its arguments, and replayed afterwards."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._programs: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()

    def __call__(self, *args: Any) -> Any:
        """What the function returns."""
        if not config.compile:
            return self._function(*args)
        key = tuple((a.shape, a.dtype) for a in args)
        known = self._programs.get(key)
        if known is not None:
            program, structure = known
            results = program.run(args)
            if results is not None:
                return _unflatten(structure, results)
        return self._record(key, args)

    def _record(self, key: Any, args: Any) -> Any:
        _core._record(list(args))
        try:
            result = self._function(*args)
            outputs: list[Tensor] = []
            structure = _flatten(result, outputs)
            program = _core._recorded(outputs, [])
        except BaseException:
            _core._abandon()
            raise
        self._programs[key] = (program, structure)
        return _unflatten(structure, [t.detach() for t in outputs])


def compile(function: Callable[..., Any]) -> Compiled:
    """Records ``function`` when it is called, and replays it afterwards."""
    return Compiled(function)
