"""``rgrad.compile``: a function is recorded when it is first called, and replayed afterwards."""

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

#: Programs that one function keeps: of so many shapes, flags and other arguments.
MAX_PROGRAMS = 16


class Compiled(_core._Compiled, Epochs[R], Generic[P, R]):
    """A function that is recorded for each kind of its arguments, and replayed afterwards: see ``rgrad.compile``."""

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
        """As if it had never been called."""
        self._history = History()
        self._warned = False
        self._eagerly = False
        """Whether it is known to do what cannot be repeated."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call for which no program was found at once."""
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
        """Whether to record a call for which there is no program, rather than to run it; warns if that is often so."""
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

        ``check`` is an epoch's, and may refuse the results. The function must not change its arguments then.
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
        """Forgets all programs."""
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
        """Records the function for an epoch, and returns its result; None if it is to run as it is."""
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
        """What was recorded, before and after the passes, that of the last call first."""
        return Program(self._programs())

    def cost(self) -> dict[str, float]:
        """What a replay of the program used last takes.

        Returns:
            ``flops``, floating-point operations; ``bytes``, that instructions read and write; ``instructions``; and
            ``memory``, bytes of the buffers that hold the values in between.

        Raises:
            RuntimeError: The function was not called yet.
        """
        programs = self._programs()
        if not programs:
            raise RuntimeError("cost: there is no program before the function was called")
        return programs[0].cost()

    def __reduce__(self) -> Any:
        """A recipe: what is loaded is recorded anew."""
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
    """A module whose calls are recorded and replayed; everything else is the module's own."""

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
    """Records what ``function`` computes when it is called, and replays it, much faster, in later calls.

    As a decorator or a function; of a training step, of a model for inference, of a transform such as
    ``rg.value_and_grad(f)``, of whatever computes with tensors::

        @rg.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = rg.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

    The first call runs the function as it is, and records every operation: forward, backward and update alike. Later
    calls with arguments of the same kinds replay the record and give the same bits. Parameters, gradients, the state
    of optimizers, running statistics and random generators are read and changed as the function would; learning rates
    and other settings of optimizers are read at every call, so schedulers work (call them outside).

    A call is recorded anew if there is no record for the shapes, strides and dtypes of its tensors and arrays, the
    values (and types) of its other arguments, the mode of gradients, the default dtype, the flags, parameters and other
    attributes of the modules that the function calls, and what it finds by names: global variables and those of
    enclosing functions, attributes, entries of lists, tuples and dicts, in itself and in the functions that it calls.
    Arguments and results may be nested in lists, tuples, dicts and dataclasses; arrays become tensors.

    What to know:

    - Only operations on tensors are repeated. Anything else (printing, appending to a list, reading a file or an
      array) happens when the function is recorded, and not again.
    - A function that changes what its names mean in every call (``self.t += 1``), draws from ``random`` or
      ``np.random``, takes the next item of an iterator or reads a clock, cannot be repeated: it is warned of, and from
      then on runs as it is written. Count in a tensor that is changed in place, and draw with rgrad.
    - So does one that is recorded so often that it does not pay; what changes is named after four recordings in a row.
    - What depends on the value of a tensor cannot be decided in Python: ``item()``, ``if tensor``, ``print(tensor)``,
      ``tensor.numpy()`` and the like are a ``RuntimeError`` that names the line. Return tensors and read them
      outside; choose with ``rg.where``.
    - Results are new tensors without a graph: call ``backward()`` inside. One that would have required gradients
      still says so, and ``backward()`` through it is an error.
    - An exception while the function is recorded leaves parameters, gradients, optimizers, generators and modules as
      they were.
    - It may be called by several threads, which take turns. Pickling or copying it gives a recipe, to be recorded
      anew.

    ``step.program`` shows what was recorded and what runs, ``step.cost()`` adds up what it takes, ``step.clear()``
    forgets it. ``rg.config.compile = False`` or the environment variable ``RGRAD_COMPILE=0`` runs functions as they
    are.

    Args:
        function: What to compile; a module keeps its methods and attributes. If omitted, a decorator is returned.
        max_programs: How many records to keep, for different kinds of arguments; the one used least recently is
            dropped.
        without: Names of passes over programs to leave out, for debugging.

    Returns:
        A function of the same arguments.

    Raises:
        TypeError: ``function`` cannot be called. When it is called: an argument is neither tensor nor hashable.
        ValueError: ``max_programs`` is less than 1.
        RuntimeError: When it is called: the function reads values of tensors, or does something else that cannot be
            repeated; it uses an argument after it has changed another tensor in the same memory; or it computes the
            gradient of a tensor from which an argument was computed, or which an argument is.
    """
    if function is None:
        return lambda function: compile(function, max_programs=max_programs, without=without)
    if not callable(function):
        raise TypeError(f"compile: expected a function or a module, got {type(function).__name__}")
    kind = CompiledModule if isinstance(function, Module) else Compiled
    return kind(function, max_programs, without)
