"""Epochs of compiled steps: `epoch` and `steps`, of functions and of methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rgrad import _core
from rgrad._compile.arguments import taken
from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer
from rgrad.autograd.trees import rebuilt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rgrad._compile.compiled import Compiled

R = TypeVar("R")


class Epochs(Generic[R]):
    """Running compiled functions and methods on many batches."""

    __slots__ = ()

    def _parts(self) -> tuple[Compiled[..., Any], tuple[Any, ...]]:
        """The compiled function, and its arguments before the batch."""
        raise NotImplementedError

    def epoch(
        self,
        *data: Tensor | NDArray[Any],
        batch_size: int,
        shuffle: bool = False,
        generator: Generator | None = None,
        drop_last: bool = False,
        progress: Callable[[int, int, float], object] | None = None,
    ) -> R:
        """Calls the function on all batches of the data, without returning to Python in between.

        Parameters, states of optimizers, results and random numbers get the same bits as in this loop::

            loader = DataLoader(data, batch_size, shuffle, generator=generator, drop_last=drop_last)
            results = [function(*batch) for batch in loader]

        Unshuffled batches are read in place; shuffled rows are gathered into memory that is reused by the next epoch.
        Optimizer settings are read at the start and after each call of `progress`. An exception (from `progress`, a
        step or Ctrl-C) ends the epoch between two steps.

        Args:
            *data: Tensors, arrays or frames (rows, …) with equal numbers of rows; the function gets a batch of each.
                Arrays and frames of float64 become the default dtype, as in a `DataLoader`; `rg.tensor(x)` keeps it.
            batch_size: Rows per batch; the last batch is smaller if they do not divide evenly.
            shuffle: Visit the rows in random order.
            generator: Source of the random order; the default generator (`rg.manual_seed`) if `None`.
            drop_last: Drop a smaller last batch.
            progress: Called every few milliseconds and at the end with the number of finished batches, the number of
                all batches, and the first result of the last one.

        Returns:
            The stacked results of the function: for a loss, a tensor (batches,); for a tuple, list or dict of 0-d
            tensors, the same structure of such tensors.

        Raises:
            TypeError: The data are neither tensors nor arrays, or the function returns anything but 0-d tensors.
            ValueError: There are no batches, numbers of rows differ, data have derivatives, or the function changes
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
        from rgrad.data._arguments import generator_or_none
        from rgrad.data.datasets import as_default, columns

        if progress is not None and not callable(progress):
            raise TypeError(f"epoch: progress must be a function or None, not {type(progress).__name__}")
        size, generator = integer("batch_size", batch_size, 1), generator_or_none(generator)
        parts = columns("epoch", data)
        rows = [part if isinstance(part, Tensor) else as_default(_core.tensor(part)) for part in parts]
        run = _core._Epoch(rows, min(size, 2**62), bool(shuffle), generator, bool(drop_last), progress)
        compiled, first = self._parts()
        structure = _run_all(compiled, first, run)
        result: R = rebuilt(structure, run.results())
        return result

    def steps(self, loader: Iterable[Any]) -> R:
        """Calls the function on every batch of a loader.

        Args:
            loader: A `DataLoader`, or any other iterable of batches; items of tuples and lists become the arguments.

        Returns:
            The results of the function, stacked as by `epoch`.

        Raises:
            TypeError: The function returns anything but 0-d tensors.
            ValueError: There are no batches.
        """
        call: Any = self
        structure: Any = None
        results: list[list[Tensor]] = []
        for batch in loader:
            args = batch if isinstance(batch, tuple | list) else (batch,)
            outputs: list[Tensor] = []
            structure = taken(call(*(a if isinstance(a, Tensor) else _core.tensor(a) for a in args)), outputs)
            if not outputs or any(t.ndim > 0 for t in outputs):
                got = [tuple(t.shape) for t in outputs]
                raise TypeError(
                    f"steps: a step returns its loss, or a tuple, list or dict of such numbers, as 0-d tensors; "
                    f"this one returns tensors of the shapes {got}"
                )
            # A copy: the step may return a tensor that it changes, such as a gradient or a counter.
            results.append([t.detach().clone() for t in outputs])
        if not results:
            raise ValueError("steps: there are no batches")
        result: R = rebuilt(structure, [_core.stack(column) for column in zip(*results, strict=True)])
        return result


def _run_all(compiled: Compiled[..., Any], first: tuple[Any, ...], run: _core._Epoch) -> Any:
    """Calls the function on all batches, each after the arguments in ``first``: the structure of the last results."""
    structure: Any = None
    while not run.finished:
        batch = (*first, *run.batch())
        found = compiled._program_of(batch)
        if found is not None:
            program, structure = found
            before = run.done
            if run.replay(program):
                compiled._hits(run.done - before)
                continue
        structure = _step(compiled, batch, run)
    return structure


def _step(compiled: Compiled[..., Any], batch: tuple[Any, ...], run: _core._Epoch) -> Any:
    """Records the step on a batch, or runs it eagerly, and returns the structure of its results."""
    recorded = compiled._record(batch, run.check)
    if recorded is not None:
        result = recorded[0]
    else:
        tensors = [rows for rows in batch if isinstance(rows, Tensor)]
        before = [_core._version(rows) for rows in tensors]
        result = compiled._function(*batch)
        if before != [_core._version(rows) for rows in tensors]:
            raise ValueError("epoch: the step changes its data in place; change x.clone() instead")
    outputs: list[Tensor] = []
    structure = taken(result, outputs)
    run.put(outputs)
    return structure
