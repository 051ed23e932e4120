"""A training run: epochs, validation, callbacks, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared.files import ctrl_c_waits
from rgrad._shared.progress import Progress
from rgrad.nn import Module
from rgrad.nn.utils import get_total_norm
from rgrad.optim import Optimizer
from rgrad.optim.lr_scheduler import ReduceLROnPlateau
from rgrad.train.callbacks import Callback, Logger
from rgrad.train.history import History
from rgrad.train.metrics import Mean
from rgrad.train.state import load_state, peek, save_state
from rgrad.train.steps import ROWS, Predictor, Rows, training_step

Metric = Callable[..., float]
Metrics = Mapping[str, Metric] | Sequence[Metric]


class Run:
    """One call of `fit`, as its callbacks see it.

    Attributes:
        epoch: the epoch that was last trained, from 1.
        epochs: how many there are at most.
        row: the results of this epoch, a dict that callbacks may add to.
        history: the results of all epochs.
        model: the model.
        optimizer: its optimizer.
    """

    def __init__(self, model: Module, optimizer: Optimizer, epochs: int, history: History) -> None:
        self.model, self.optimizer, self.epochs, self.history = model, optimizer, epochs, history
        self.progress: Progress | None = None

    @property
    def epoch(self) -> int:
        """The epoch that was last trained, from 1; 0 before the first."""
        return len(self.history)

    @property
    def row(self) -> dict[str, Any]:
        """The results of this epoch."""
        return self.history.rows[-1] if self.history.rows else {}

    @property
    def is_stopped(self) -> bool:
        """Whether there will be no further epoch."""
        return bool(self.history.stopped) or self.epoch >= self.epochs

    def print(self, line: str) -> None:
        """Prints a line without tearing the progress bar."""
        if self.progress is None:
            print(line)
        else:
            self.progress.print(line)

    def stop(self, reason: str = "a callback stopped it") -> None:
        """Ends training after this epoch; `history.stopped` keeps the reason."""
        self.history.stopped = reason


class Trainer:
    """Everything that `fit` was given, checked, and the loop over the epochs."""

    def __init__(
        self,
        run: Run,
        train: Rows,
        loss: Callable[..., Tensor],
        metrics: dict[str, Metric],
        validation: Rows | None,
        validate_every: int,
        scheduler: Any,
        schedule_every: str,
        max_grad_norm: float | None,
        tolerance: float | None,
        callbacks: list[Any],
        logger: Logger | None,
        compiled: bool,
    ) -> None:
        self.run, self.train, self.loss, self.metrics = run, train, loss, metrics
        self.validation, self.validate_every = validation, validate_every
        self.scheduler, self.schedule_every, self.tolerance = scheduler, schedule_every, tolerance
        self.callbacks, self.logger = callbacks, logger
        self.parameters = [p for p in run.model.parameters() if p.requires_grad]
        self.row_metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, Mean)}
        self.step = training_step(run.model, loss, run.optimizer, self.row_metrics, max_grad_norm, compiled)
        self.predictor = Predictor(run.model, compiled)
        self.seconds_before = 0.0

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        parts = {"model": self.run.model, "optimizer": self.run.optimizer, "history": self.run.history}
        if self.scheduler is not None:
            parts["scheduler"] = self.scheduler
        loader = self.train.loader
        holders = (self.train, loader, getattr(loader, "sampler", None), *self.run.model.modules())
        found = [getattr(holder, "generator", None) for holder in holders]
        generators = {id(generator): generator for generator in found if isinstance(generator, Generator)}
        parts |= {f"generator_{i}": generator for i, generator in enumerate(generators.values())}
        return parts | {
            f"callback_{i}": callback
            for i, callback in enumerate(self.callbacks)
            if hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")
        }

    def save(self, path: Path) -> None:
        """Writes a checkpoint."""
        save_state(path, **self.parts(), random=list(_core.get_rng_state()), data=self.train.sizes())

    def load(self, path: Path) -> None:
        """Goes where the checkpoint was written. Nothing is changed if it is of another run."""
        data = peek(path).get("data")
        if data != self.train.sizes():
            raise ValueError(
                f"fit: {path} is of other data, batches or shuffling ({data}, not {self.train.sizes()}); "
                "resume with what it was trained with, or delete it to begin anew"
            )
        values = load_state(path, **self.parts())
        _core.set_rng_state(tuple(values["random"]))
        if self.run.row:
            self.seconds_before = self.run.row.get("seconds", 0.0)

    def go(self, progress: Progress, checkpoint: Path | None, checkpoint_every: int) -> None:
        """Trains all epochs that are left."""
        run = self.run
        start = time.perf_counter() - self.seconds_before
        while not run.is_stopped:
            row = self._epoch(progress)
            row["seconds"] = time.perf_counter() - start
            # One piece for Ctrl-C: the results of an epoch, and what is made of them.
            with ctrl_c_waits():
                run.history.rows.append(row)
                self._check_tolerance(row)
                if self.validation is not None and self._is_to_validate():
                    row |= self._validated(self.validation)
                for callback in self.callbacks:
                    call = callback.on_epoch_end if hasattr(callback, "on_epoch_end") else callback
                    call(run)
                self._schedule()
                if self.logger is not None:
                    self.logger.log({k: v for k, v in row.items() if v is not None and k != "epoch"}, step=run.epoch)
                if checkpoint is not None and (run.epoch % checkpoint_every == 0 or run.is_stopped):
                    self.save(checkpoint)

    def _epoch(self, progress: Progress) -> dict[str, Any]:
        run, epoch = self.run, self.run.epoch + 1
        lr = run.optimizer.param_groups[0]["lr"]
        after = self.scheduler.step if self.scheduler is not None and self.schedule_every == "batch" else None
        weight, loss, *sums = (t.item() for t in self.step.over(self.train, progress.update, after))
        mean_loss = loss / weight if weight else math.nan
        if not math.isfinite(mean_loss):
            raise FloatingPointError(
                f"the training diverged: the loss is {mean_loss} in epoch {epoch}; try a smaller learning rate"
            )
        row = {"epoch": epoch, "train_loss": mean_loss}
        row |= {f"train_{name}": total / weight for name, total in zip(self.row_metrics, sums, strict=True)}
        return row | {"lr": lr}

    def _check_tolerance(self, row: dict[str, Any]) -> None:
        if self.tolerance is None:
            return
        row["gradient_norm"] = get_total_norm(p.grad for p in self.parameters if p.grad is not None).item()
        if row["gradient_norm"] < self.tolerance:
            self.run.stop("the gradient's norm is below the tolerance")

    def _is_to_validate(self) -> bool:
        return self.run.epoch % self.validate_every == 0 or self.run.epoch == 1 or self.run.is_stopped

    def _validated(self, rows: Rows) -> dict[str, float]:
        found = evaluated(self.predictor, rows, self.loss, self.metrics)
        if not math.isfinite(found["loss"]):
            raise FloatingPointError(
                f"the training diverged: the validation loss is {found['loss']} in epoch {self.run.epoch}; "
                "try a smaller learning rate"
            )
        return {f"validation_{name}": value for name, value in found.items()}

    def _schedule(self) -> None:
        if self.scheduler is None or self.schedule_every == "batch":
            return
        if not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()
            return
        value = self.run.row["train_loss"] if self.validation is None else self.run.row.get("validation_loss")
        if value is not None:
            self.scheduler.step(value)


def evaluated(
    predictor: Predictor, rows: Rows, loss: Callable[..., Tensor] | None, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Loss and metrics of the model on all rows."""
    inputs, targets, weights = _parts(rows)
    outputs = predictor(inputs)
    found: dict[str, float] = {}
    if loss is not None:
        value = loss(outputs, targets) if weights is None else loss(outputs, targets, weights)
        rows_in_all = len(targets) if weights is None else weights.double().sum().item()
        is_sum = getattr(loss, "reduction", None) == "sum"
        found["loss"] = value.item() / rows_in_all if is_sum else value.item()
    for name, metric in metrics.items():
        found[name] = float(metric(outputs, targets) if weights is None else metric(outputs, targets, weights))
    return found


def _parts(rows: Rows) -> tuple[list[Tensor], Tensor, Tensor | None]:
    """Inputs in batches, and all targets and weights."""
    if rows.columns is not None:
        x, *rest = rows.columns
        inputs = [part if isinstance(part, Tensor) else _core.tensor(part) for part in _slices(x)]
        whole = [column if isinstance(column, Tensor) else _core.tensor(np.asarray(column)) for column in rest]
    else:
        batches = list(rows.batches())
        inputs = [batch[0] for batch in batches]
        whole = [_core.cat(list(parts)) for parts in list(zip(*batches, strict=True))[1:]]
    return inputs, whole[0], whole[1] if len(whole) == 2 else None


def _slices(x: Any) -> list[Any]:
    return [x[i : i + ROWS] for i in range(0, len(x), ROWS)]


def named(caller: str, metrics: Metrics) -> dict[str, Metric]:
    """The metrics by name."""
    if isinstance(metrics, Mapping):
        found = dict(metrics)
    else:
        if not isinstance(metrics, list | tuple):
            raise TypeError(f"{caller}: metrics must be a list or a dict of functions, not {type(metrics).__name__}")
        found = {str(getattr(m, "name", getattr(m, "__name__", type(m).__name__))): m for m in metrics}
        if len(found) < len(metrics):
            raise ValueError(f"{caller}: two metrics have one name; give a dict, with names of your own")
    for name, metric in found.items():
        if not isinstance(name, str) or not callable(metric):
            raise TypeError(f"{caller}: metric {name!r} must be a function of outputs and targets")
        if name == "loss":
            raise ValueError(f"{caller}: a metric cannot be called 'loss', the name of the loss's column")
    return found


def checked_callbacks(callbacks: Any) -> list[Any]:
    """The callbacks, each an object with `on_epoch_end` or a function of the run."""
    if callable(callbacks) or isinstance(callbacks, Callback):
        raise TypeError("fit: callbacks must be a list; write [callback]")
    found = list(callbacks)
    for callback in found:
        if isinstance(callback, type) or not (callable(callback) or hasattr(callback, "on_epoch_end")):
            what = callback.__name__ + ", a class: make one first" if isinstance(callback, type) else repr(callback)
            raise TypeError(f"fit: a callback must be a function of the run or have on_epoch_end; this is {what}")
    return found
