"""``rgrad.compile``: functions are recorded at their first call, and replayed afterwards."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from rgrad import _core, config
from rgrad._compile.arguments import at_once, converted, key_of, taken
from rgrad._compile.epoch import Epochs
from rgrad._compile.history import History, warn_of_change, warn_of_effects, warn_of_many
from rgrad._compile.method import Method
from rgrad._compile.program import Program
from rgrad._core import Tensor
from rgrad._shared.integer import integer
from rgrad.autograd.trees import Leaf, rebuilt
from rgrad.nn.hooks import RECORDINGS
from rgrad.nn.module import Module

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")

#: Programs that one function keeps, for different shapes, flags and other arguments.
MAX_PROGRAMS = 16


class Compiled(_core._Compiled, Epochs[R], Generic[P, R]):
    """A function that is recorded once for each signature of its arguments, then replayed: see ``rgrad.compile``."""

    def __new__(cls, function: Callable[P, R], max_programs: int = MAX_PROGRAMS, without: Iterable[str] = ()) -> Self:
        """See ``rgrad.compile``."""
        return super().__new__(cls, integer("compile: max_programs", max_programs, 1))

    def __init__(self, function: Callable[P, R], max_programs: int = MAX_PROGRAMS, without: Iterable[str] = ()) -> None:
        """See ``rgrad.compile``."""
        self._function = function
        self._max_programs = max_programs
        self._without = [without] if isinstance(without, str) else list(without)
        self._start()
        functools.update_wrapper(self, function, updated=())

    def _start(self) -> None:
        """Resets the state to that before the first call."""
        self._history = History()
        self._warned = False
        self._eagerly = False
        """Whether it is known to have effects that cannot be replayed."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call for which the fast lookup found no program."""
        args, kwargs = converted(args), converted(kwargs)
        if self._eagerly or not config.compile or _core._is_recording():
            return self._function(*args, **kwargs)
        tensors: list[Tensor] = []
        form = taken((args, dict(sorted(kwargs.items()))), tensors)
        key = key_of(form)
        found = self._find(key, tensors)
        if found is not None:
            return found[0]
        if not self._is_worth_recording(key, tensors):
            return self._function(*args, **kwargs)
        return self._recorded(key, form, tensors, None if kwargs else at_once(args))

    def _is_worth_recording(self, key: Any, tensors: list[Tensor]) -> bool:
        """Whether to record a call without a program rather than run it eagerly; warns if that happens often."""
        if self._eagerly:
            return False
        if not self._history.is_worth_it(self._hits(), max(self._max_programs, MAX_PROGRAMS)):
            self._warn_of_many(4)
            return False
        reason = self._history.reason(key, tensors, self._change(key, tensors))
        if isinstance(reason, int):
            names = getattr(getattr(self._function, "__code__", None), "co_varnames", ())
            reason = f"the argument {names[reason] if reason < len(names) else f'number {reason}'}"
        if reason is not None:
            warn_of_change(self._name(), reason, 4)
        return True

    def _name(self) -> str:
        return getattr(self, "__name__", None) or repr(self._function)

    def _warn_of_many(self, stacklevel: int) -> None:
        if not self._warned:
            self._warned = True
            warn_of_many(self._name(), self._max_programs, stacklevel + 1)

    def _recorded(
        self,
        key: Any,
        form: Any,
        tensors: list[Tensor],
        flat: list[tuple[Any] | None] | None,
        check: Callable[[list[Tensor]], None] | None = None,
    ) -> Any:
        """Calls the function and records it.

        ``check`` is passed by epochs, and may reject the results. The function must not change its arguments then.
        """
        from rgrad._compile.names import Names

        RECORDINGS.append(None)
        try:
            called: Callable[[Any], None] = lambda hook: names.also(hook)  # noqa: E731
            args, kwargs = rebuilt(form, _core._record(self, tensors, check is not None, called))
            # Only now is it this thread's turn.
            names = Names(self._function, args, kwargs)
            outputs: list[Tensor] = []
            result = taken(cast(Any, self._function)(*args, **kwargs), outputs)
            if check is not None:
                check(outputs)
            program, results, changed = _core._recorded(outputs, self._without, names.places())
        except BaseException:
            _core._abandon()
            raise
        finally:
            RECORDINGS.pop()
        read = names.changes()
        if changed or read:
            again = self._history.again(key, tensors, {*changed, *read})
            if again:
                super().clear()
                self._eagerly = True
                warn_of_effects(self._name(), again, [name for name in again if name in read], 4)
            return rebuilt(result, results)
        kind = "other"
        if isinstance(result, Leaf):
            kind = "one"
        elif type(result) is tuple and all(isinstance(item, Leaf) for item in result):
            kind = "tuple"
        elif result is None or type(result) in (bool, int, float, str):
            kind = "constant"
        if not self._keep(key, tensors, flat, program, kind, result):
            self._warn_of_many(4)
        return rebuilt(result, results)

    def clear(self) -> None:
        """Drops all programs."""
        super().clear()
        self._start()

    def _program_of(self, args: tuple[Any, ...]) -> tuple[_core.Program, Any] | None:
        """The program for arguments like these, with the structure of its results."""
        if self._eagerly or not config.compile:
            return None
        tensors: list[Tensor] = []
        key = key_of(taken((args, {}), tensors))
        return self._program_for(key, tensors)

    def _record(self, args: tuple[Any, ...], check: Callable[[list[Tensor]], None]) -> tuple[Any] | None:
        """Records the function for an epoch, and returns its result; None if it should run eagerly."""
        tensors: list[Tensor] = []
        form = taken((args, {}), tensors)
        key = key_of(form)
        if not config.compile or not self._is_worth_recording(key, tensors):
            return None
        return (self._recorded(key, form, tensors, at_once(args), check),)

    def _parts(self) -> tuple[Compiled[..., Any], tuple[Any, ...]]:
        return self, ()

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(self: Compiled[Concatenate[T, Q], R], instance: T, owner: type | None = None) -> Method[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: the instance becomes the first argument."""
        return self if instance is None else Method(self, instance)

    @property
    def program(self) -> Program:
        """The recorded programs, before and after the passes, most recently used first."""
        return Program(self._programs())

    def cost(self) -> dict[str, float]:
        """The cost of a replay of the most recently used program.

        Returns:
            ``flops``, floating-point operations; ``bytes`` that instructions read and write; ``instructions``; and
            ``memory``, bytes of the buffers for intermediate values.

        Raises:
            RuntimeError: The function has not been called yet.
        """
        programs = self._programs()
        if not programs:
            raise RuntimeError("cost: there is no program before the function was called")
        return programs[0].cost()

    def __reduce__(self) -> Any:
        """Pickles the function without its programs."""
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        name: str = getattr(self, "__qualname__", "")
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is self:
            return name
        return type(self), (self._function, self._max_programs, tuple(self._without))

    def __repr__(self) -> str:
        return f"<compiled {self._function!r}>"


class CompiledModule(Compiled[P, R]):
    """A module whose calls are recorded and replayed; all other attributes are the module's."""

    def __getattr__(self, name: str) -> Any:
        if name == "_function":
            raise AttributeError(name)
        return getattr(self._function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._function, name, value)

    def __repr__(self) -> str:
        return f"Compiled({self._function!r})"


@overload
def compile(function: Callable[P, R], *, max_programs: int = ..., without: Iterable[str] = ...) -> Compiled[P, R]: ...


@overload
def compile(
    function: None = None, *, max_programs: int = ..., without: Iterable[str] = ...
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...


def compile(
    function: Callable[P, R] | None = None, *, max_programs: int = MAX_PROGRAMS, without: Iterable[str] = ()
) -> Compiled[P, R] | Callable[[Callable[P, R]], Compiled[P, R]]:
    """Records what ``function`` computes at its first call, and replays it, much faster, in later calls.

    A decorator or function for training steps, models in inference, transforms such as ``rg.value_and_grad(f)``, or any
    other computation with tensors::

        @rg.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = rg.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

    The first call runs the function eagerly and records every operation: forward, backward and update alike. Later
    calls with arguments of the same signature replay the program and give the same bits. Parameters, gradients,
    optimizer state, running statistics and random generators are read and updated as by the function itself; learning
    rates and other optimizer settings are read at every call, so schedulers work (call them outside).

    A call is recorded again if there is no program for the shapes, strides and dtypes of its tensors and arrays, the
    values and types of its other arguments, the gradient mode, the default dtype, the flags, parameters and other
    attributes of the modules that the function calls, and everything that it looks up by name: variables of the module
    and of enclosing functions, attributes, and entries of lists, tuples and dicts, in the function and in those that it
    calls. Arguments and results may be nested in lists, tuples, dicts and dataclasses; arrays are converted to tensors.

    What to know:

    - Only operations on tensors are replayed. Anything else (printing, appending to a list, reading a file or an array)
      happens once, when the function is recorded.
    - A function that rebinds its names in every call (``self.t += 1``), draws from ``random`` or ``np.random``,
      advances an iterator or reads a clock cannot be replayed: after a warning, it runs eagerly. Count in a tensor that
      is updated in place, and draw random numbers with rgrad.
    - So does a function that is recorded too often to pay off; after four recordings in a row, a warning names what
      changes.
    - Python code cannot depend on the values of tensors: ``item()``, ``if tensor``, ``print(tensor)``,
      ``tensor.numpy()`` and the like raise a ``RuntimeError`` that names the line. Return tensors and read them
      outside, and select with ``rg.where``.
    - Results are new tensors without a graph: call ``backward()`` inside. A result that would have required gradients
      still reports that it does, and ``backward()`` through it is an error.
    - An exception during recording leaves parameters, gradients, optimizers, generators and modules unchanged.
    - Several threads may call it; they take turns. Pickles and copies contain no programs.

    ``step.program`` shows the program as recorded and as optimized, ``step.cost()`` returns its cost, and
    ``step.clear()`` drops it. ``rg.config.compile = False`` or the environment variable ``RGRAD_COMPILE=0`` runs
    functions eagerly.

    Args:
        function: The function or module to compile; a module keeps its methods and attributes. If omitted, a decorator
            is returned.
        max_programs: Number of programs to keep for different signatures; the least recently used one is dropped.
        without: Names of passes to disable, for debugging.

    Returns:
        A function with the same parameters.

    Raises:
        TypeError: ``function`` is not callable. When it is called: an argument is neither a tensor nor hashable.
        ValueError: ``max_programs`` is less than 1.
        RuntimeError: When it is called: the function reads values of tensors, or does something else that cannot be
            replayed; it uses an argument after changing another tensor that shares its memory; or it computes gradients
            with respect to a tensor that is an argument, or from which an argument was computed.
    """
    if function is None:
        return lambda function: compile(function, max_programs=max_programs, without=without)
    if not callable(function):
        raise TypeError(f"compile: expected a function or a module, got {type(function).__name__}")
    kind = CompiledModule if isinstance(function, Module) else Compiled
    return kind(function, max_programs, without)
