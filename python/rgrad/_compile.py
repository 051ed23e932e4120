"""``rgrad.compile``: a function is recorded when it is first called, and replayed afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rgrad import _core, config
from rgrad._core import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rgrad import Generator

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


def _key(args: Any) -> Any:
    return tuple((a.shape, a.dtype) for a in args)


class Compiled:
    """A function that is recorded once for each kind of its arguments, and replayed afterwards."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._programs: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()

    def __call__(self, *args: Any) -> Any:
        """What the function returns."""
        if not config.compile:
            return self._function(*args)
        known = self._find(args)
        if known is not None:
            program, structure = known
            results = program.run(args)
            if results is not None:
                return _unflatten(structure, results)
        return self._record(args)

    def _find(self, args: Any) -> tuple[_core.Program, Any] | None:
        """The program for arguments like these, with the structure of its results."""
        return self._programs.get(_key(args))

    def _record(self, args: Any, check: Callable[[list[Tensor]], None] | None = None) -> Any:
        """Calls the function and records it.

        `check` is an epoch's, and may refuse the results. The function must not change its arguments then.
        """
        _core._record(list(args), check is not None)
        try:
            result = self._function(*args)
            outputs: list[Tensor] = []
            structure = _flatten(result, outputs)
            if check is not None:
                check(outputs)
            program = _core._recorded(outputs, [])
        except BaseException:
            _core._abandon()
            raise
        self._programs[_key(args)] = (program, structure)
        return _unflatten(structure, [t.detach() for t in outputs])

    def epoch(
        self,
        *data: Tensor | NDArray[Any],
        batch_size: int,
        shuffle: bool = False,
        generator: Generator | None = None,
        drop_last: bool = False,
        progress: Callable[[int, int, float], object] | None = None,
    ) -> Any:
        """Calls the function on all batches of the data, without returning to Python in between.

        Parameters, states of optimizers, results and random numbers get the same bits as in this loop::

            loader = DataLoader(data, batch_size, shuffle, generator=generator, drop_last=drop_last)
            results = [function(*batch) for batch in loader]

        Batches in order are read where they lie; shuffled rows are gathered into memory that is kept for the next
        epoch. Settings of optimizers are read at the start and after each call of `progress`. An exception (there, in
        a step, or of Ctrl-C) ends the epoch between two steps.

        Args:
            *data: tensors or NumPy arrays (rows, …) of as many rows, of which the function gets one batch each.
            batch_size: rows in a batch; the last batch is smaller if they do not divide evenly.
            shuffle: visit the rows in random order.
            generator: where the order is drawn from; the default one (`rg.manual_seed`) if `None`.
            drop_last: leave out that smaller last batch.
            progress: called every few milliseconds, and at the end, with the number of batches that are done, that of
                all, and the first result of the last one.

        Returns:
            What the function returned, stacked: of a loss, a tensor (batches,); of a tuple, list or dict of 0-d
            tensors, one of such tensors.

        Raises:
            TypeError: the data are neither tensors nor arrays, or the function returns other things than 0-d tensors.
            ValueError: there are no batches, numbers of rows differ, data have derivatives, or the function changes
                them.

        Example:
            >>> w = rg.zeros(2, requires_grad=True)
            >>> sgd = rg.optim.SGD([w], lr=0.125)
            >>> @rg.compile
            ... def step(x, y):
            ...     sgd.zero_grad()
            ...     loss = rg.nn.functional.mse_loss(x @ w, y)
            ...     loss.backward()
            ...     sgd.step()
            ...     return loss
            >>> step.epoch(rg.ones(5, 2), rg.ones(5), batch_size=2)
            tensor([1.    , 0.25  , 0.0625])
        """
        from rgrad._epoch import epoch

        return epoch(self, data, batch_size, shuffle, generator, drop_last, progress)

    def steps(self, loader: Iterable[Any]) -> Any:
        """Calls the function on every batch of a loader.

        Args:
            loader: a `DataLoader`, or any other iterable of batches; of tuples and lists, the items are the arguments.

        Returns:
            What the function returned, stacked as by `epoch`.

        Raises:
            TypeError: the function returns other things than 0-d tensors.
            ValueError: there are no batches.
        """
        from rgrad._epoch import steps

        return steps(self, loader)


def compile(function: Callable[..., Any]) -> Compiled:
    """Records ``function`` when it is called, and replays it afterwards."""
    return Compiled(function)
