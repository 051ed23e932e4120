"""Epochs of compiled steps: `Compiled.epoch` and `Compiled.steps`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rgrad import _core
from rgrad._compile.arguments import taken
from rgrad._core import Tensor
from rgrad.autograd.trees import rebuilt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rgrad._compile.compiled import Compiled
    from rgrad._core import Generator

    Progress = Callable[[int, int, float], object]


def epoch(
    compiled: Compiled[Any, Any],
    data: tuple[Tensor | NDArray[Any], ...],
    batch_size: int,
    shuffle: bool,
    generator: Generator | None,
    drop_last: bool,
    progress: Progress | None,
    first: tuple[Any, ...] = (),
) -> Any:
    """What `Compiled.epoch` does; the function gets `first` before the batches."""
    from rgrad._shared.integer import integer
    from rgrad.data._arguments import generator_or_none
    from rgrad.data.datasets import columns

    if progress is not None and not callable(progress):
        raise TypeError(f"epoch: progress must be a function or None, not {type(progress).__name__}")
    size, generator = integer("batch_size", batch_size, 1), generator_or_none(generator)
    rows = [column if isinstance(column, Tensor) else _core.tensor(column) for column in columns("epoch", data)]
    run = _core._Epoch(rows, min(size, 2**62), bool(shuffle), generator, bool(drop_last), progress)
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
    return rebuilt(structure, run.results())


def _step(compiled: Compiled[Any, Any], batch: tuple[Any, ...], run: _core._Epoch) -> Any:
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


def steps(compiled: Callable[..., Any], loader: Iterable[Any]) -> Any:
    """What `Compiled.steps` does."""
    structure: Any = None
    results: list[list[Tensor]] = []
    for batch in loader:
        args = batch if isinstance(batch, tuple | list) else (batch,)
        outputs: list[Tensor] = []
        structure = taken(compiled(*(a if isinstance(a, Tensor) else _core.tensor(a) for a in args)), outputs)
        if not outputs or any(t.ndim > 0 for t in outputs):
            got = [tuple(t.shape) for t in outputs]
            raise TypeError(
                f"steps: a step returns its loss, or a tuple, list or dict of such numbers, as 0-d tensors; "
                f"this one returns tensors of the shapes {got}"
            )
        # A copy: the step may return what it changes, such as a gradient or a counter.
        results.append([t.detach().clone() for t in outputs])
    if not results:
        raise ValueError("steps: there are no batches")
    return rebuilt(structure, [_core.stack(column) for column in zip(*results, strict=True)])
