"""Steps on a batch, compiled where that is possible, and passes over data in them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any

from rgrad import _core
from rgrad._compile import compile
from rgrad._core import Generator, Tensor
from rgrad.autograd import no_grad
from rgrad.data import DataLoader, TensorDataset
from rgrad.data.datasets import columns, has_rows
from rgrad.nn import Module
from rgrad.nn.utils import clip_grad_norm_
from rgrad.optim import LBFGS, Optimizer
from rgrad.train.metrics import Mean

Results = tuple[Tensor, ...]
# Rows predicted in one call: enough to keep every thread busy, few enough for the activations to stay in cache.
ROWS = 2000


class Rows:
    """Data whose batches are fit for training: rows of tensors, or batches of an iterable.

    Args:
        caller: what errors name.
        data: a tuple of tensors, arrays or frames; a `TensorDataset`; or a loader.
        batch_size: of rows; None for the default, or what a loader gives.
        shuffle: the rows of each epoch.
        drop_last: leave out a smaller last batch.
        generator: where the order is drawn from.
    """

    def __init__(
        self,
        caller: str,
        data: Any,
        batch_size: int | str | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        self.caller, self.shuffle, self.drop_last, self.generator = caller, bool(shuffle), bool(drop_last), generator
        self.columns: tuple[Any, ...] | None = None
        self.loader: Iterable[Any]
        if isinstance(data, tuple | TensorDataset):
            held = data.tensors if isinstance(data, TensorDataset) else data
            if len(held) not in (2, 3):
                what = f"{caller}: data must be inputs and targets, and perhaps weights of the rows"
                raise ValueError(f"{what}; there are {len(held)} parts")
            self.columns = columns(caller, held)
            total = len(self.columns[0])
            if total == 0:
                raise ValueError(f"{caller}: the data have no rows")
            self.batch_size = _batch_size(caller, batch_size, total)
            self.loader = DataLoader(
                TensorDataset(*self.columns), self.batch_size, shuffle, drop_last=self.drop_last, generator=generator
            )
            if len(self) == 0:
                raise ValueError(f"{caller}: drop_last leaves out the only batch: {total} rows of {self.batch_size}")
            return
        if has_rows(data) or isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
            kind = type(data).__name__
            raise TypeError(f"{caller}: data must be a tuple (inputs, targets) or a loader of such batches, not {kind}")
        if isinstance(data, Iterator):
            raise TypeError(f"{caller}: an iterator is used up after one epoch; give a DataLoader or a list of batches")
        if batch_size is not None:
            raise ValueError(f"{caller}: the batches are those of the loader; give batch_size to it")
        self.loader = data

    def __len__(self) -> int:
        """How many batches there are; 0 if that is not known."""
        return len(self.loader) if isinstance(self.loader, Sized) else 0

    def batches(self) -> Iterator[Results]:
        """Inputs and targets, and perhaps weights, of each batch."""
        for batch in self.loader:
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
                raise TypeError(
                    f"{self.caller}: a batch must be (inputs, targets) or (inputs, targets, weights), not {got}"
                )
            yield tuple(part if isinstance(part, Tensor) else _core.tensor(part) for part in batch)

    def sizes(self) -> list[Any]:
        """What identifies the data, for a checkpoint: shapes, and the division into batches."""
        shapes = [list(column.shape) for column in self.columns or ()]
        return [shapes, self.batch_size if self.columns else len(self), self.shuffle, self.drop_last]


def _batch_size(caller: str, given: int | str | None, total: int) -> int:
    if given is None:
        return min(32, total)
    if given == "full":
        return total
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ValueError(f"{caller}: batch_size must be an integer, at least 1, or 'full', got {given!r}")
    return min(given, total)


class Step:
    """A function of a batch that is compiled unless it cannot be; then a warning says why, and it runs as it is."""

    def __init__(self, function: Callable[..., Any], compiled: bool, watched: Tensor | None = None) -> None:
        self.function, self._watched = function, watched
        self.compiled: Any = compile(function) if compiled else None

    def __call__(self, *batch: Tensor) -> Any:
        """The results of one batch."""
        if self.compiled is None:
            return self.function(*batch)
        before = _core.get_rng_state()
        try:
            return self.compiled(*batch)
        except RuntimeError as error:
            self._give_up(error)
            _core.set_rng_state(before)
        return self.function(*batch)

    def over(self, rows: Rows, progress: Callable[[int], object], after: Callable[[], object] | None) -> list[Tensor]:
        """The sums of the results over all batches, in which `after` is called after each."""
        if rows.columns is not None and self.compiled is not None and after is None:
            found = self._epoch(rows, progress)
            if found is not None:
                return found
        totals: list[Tensor] | None = None
        for batch in rows.batches():
            results = [result.detach().double() for result in self(*batch)]
            totals = results if totals is None else [a + b for a, b in zip(totals, results, strict=True)]
            progress(1)
            if after is not None:
                after()
        if totals is None:
            raise ValueError(f"{rows.caller}: there are no batches")
        return totals

    def _epoch(self, rows: Rows, progress: Callable[[int], object]) -> list[Tensor] | None:
        done = 0

        def update(batches: int, total: int, loss: float) -> None:
            nonlocal done
            progress(batches - done)
            done = batches

        generator = rows.generator
        before = _core.get_rng_state(), generator and generator.get_state()
        version = None if self._watched is None else _core._version(self._watched)
        try:
            stacked = self.compiled.epoch(
                *(rows.columns or ()),
                batch_size=rows.batch_size,
                shuffle=rows.shuffle,
                generator=generator,
                drop_last=rows.drop_last,
                progress=update,
            )
        except RuntimeError as error:
            if self._watched is not None and _core._version(self._watched) != version:
                raise  # batches before this one have changed the model
            self._give_up(error)
            _core.set_rng_state(before[0])
            if generator is not None and before[1] is not None:
                generator.set_state(before[1])
            return None
        return [column.double().sum() for column in stacked]

    def _give_up(self, error: RuntimeError) -> None:
        if not str(error).startswith("compile:"):
            raise error
        self.compiled = None
        warnings.warn(f"fit: not compiled, and slower: {error}", RuntimeWarning, stacklevel=6)


def training_step(
    model: Module,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    metrics: Mapping[str, Mean],
    max_grad_norm: float | None,
    compiled: bool,
) -> Step:
    """A step that updates the model, and gives sums over the rows of its batch: weights, losses, metrics."""
    rows_of = [metric.rows for metric in metrics.values()]
    is_sum = getattr(loss, "reduction", None) == "sum"
    parameters = [p for p in model.parameters() if p.requires_grad]

    def forward_backward(*batch: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(batch[0])
        value = loss(outputs, *batch[1:])
        if not isinstance(value, Tensor) or value.ndim > 0:
            got = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"fit: the loss must be one number, not {got}; weighted(loss) or reduction='mean' gives one"
            )
        optimizer.zero_grad()
        value.backward()
        if max_grad_norm is not None:
            clip_grad_norm_(parameters, max_grad_norm)
        return outputs.detach(), value.detach()

    def sums(batch: Results, outputs: Tensor, value: Tensor) -> Results:
        weight = batch[2].double().sum() if len(batch) == 3 else _core.full((), len(batch[1]), dtype="float64")
        total = value.double() if is_sum else value.double() * weight
        return weight, total, *(_sum_of_rows(rows(outputs, batch[1]), batch) for rows in rows_of)

    def step(*batch: Tensor) -> Results:
        outputs, value = forward_backward(*batch)
        optimizer.step()
        return sums(batch, outputs, value)

    if not isinstance(optimizer, LBFGS):
        return Step(step, compiled, parameters[0])
    # It decides by losses how to go on, which cannot be compiled; what it evaluates can.
    evaluate = Step(forward_backward, compiled)

    def step_of_closure(*batch: Tensor) -> Results:
        first: list[Tensor] = []

        def closure() -> Tensor:
            outputs, value = evaluate(*batch)
            if not first:
                first.extend((outputs, value))
            loss: Tensor = value
            return loss

        optimizer.step(closure)
        return sums(batch, *first)

    return Step(step_of_closure, False)


def _sum_of_rows(values: Tensor, batch: Results) -> Tensor:
    values = values.double()
    if values.ndim > 1:
        values = values.reshape(len(values), -1).mean(1)
    return (values * batch[2].double()).sum() if len(batch) == 3 else values.sum()


class Predictor:
    """A model's outputs on rows of inputs, without derivatives and in evaluation mode."""

    def __init__(self, model: Module, compiled: bool = True) -> None:
        def forward(inputs: Tensor) -> Tensor:
            with no_grad():
                outputs: Tensor = model(inputs)
                return outputs

        self._model, self._step = model, Step(forward, compiled)

    def __call__(self, batches: Iterable[Tensor]) -> Tensor:
        """The outputs, one row for each of the inputs'."""
        was_training = [module for module in self._model.modules() if module.training]
        self._model.eval()
        try:
            outputs = [self._step(batch) for batch in batches]
        finally:
            for module in was_training:
                module.training = True
        return outputs[0] if len(outputs) == 1 else _core.cat(outputs)
