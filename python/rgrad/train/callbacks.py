"""What may watch a training run, and end it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rgrad._core import Tensor
    from rgrad.train.run import Run


class Callback:
    """What `fit` calls while it trains. Derive from it and override what you need.

    Each method gets the `Run`: `run.epoch`, `run.history`, `run.row` (the results of this epoch, to which a callback
    may add), `run.model`, `run.optimizer`, and `run.stop(reason)`. A callback whose state matters for resuming has
    `state_dict` and `load_state_dict`, too.

    Example:
        >>> class StopAtHalf(rg.train.Callback):
        ...     def on_epoch_end(self, run):
        ...         if run.row["train_loss"] < 0.5:
        ...             run.stop("the loss is below a half")
    """

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch and its validation."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch, unless an exception ended training."""


class Logger(Protocol):
    """What takes the results of each epoch: wandb's and trackio's runs are such, among others."""

    def log(self, values: dict[str, Any], /, step: int) -> object:
        """Takes the values of one epoch."""
        ...


class EarlyStopping(Callback):
    """Ends training when a column of the history has not improved for some epochs, and brings the best weights back.

    Epochs in which the column has no value, because of `validate_every` say, do not count.

    Args:
        monitor: a column of the history, or a function of the `Run` that gives a number.
        patience: epochs without improvement that are tolerated; None never to stop, and only to keep the best weights.
        min_delta: the smallest change that counts as an improvement.
        mode: "min" if a smaller value is better, or "max".
        restore_best: at the end, give the model the weights (and buffers) of the best epoch.

    Attributes:
        best: the best value so far; None before there is one.
        best_epoch: its epoch.
        best_weights: the model's state then; None if it is not kept.

    Example:
        >>> stopping = rg.train.EarlyStopping(patience=5)
        >>> model, (x, y) = rg.nn.Linear(1, 1), (rg.randn(30, 1), rg.randn(30, 1))
        >>> sgd = rg.optim.SGD(model.parameters(), lr=0.1)
        >>> history = rg.train.fit(
        ...     model, (x[:20], y[:20]), rg.nn.MSELoss(), sgd, 200, validation=(x[20:], y[20:]), callbacks=[stopping]
        ... )
        >>> stopping.best == min(history["validation_loss"])
        True
    """

    def __init__(
        self,
        monitor: str | Callable[[Run], float] = "validation_loss",
        patience: int | None = 10,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = True,
    ) -> None:
        if not isinstance(monitor, str) and not callable(monitor):
            raise TypeError(f"EarlyStopping: monitor must be a column or a function, not {type(monitor).__name__}")
        if patience is not None and (not isinstance(patience, int) or isinstance(patience, bool) or patience < 1):
            raise ValueError(f"EarlyStopping: patience must be an integer, at least 1, or None, got {patience!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}")
        if not isinstance(min_delta, int | float) or not 0 <= min_delta < math.inf:
            raise ValueError(f"EarlyStopping: min_delta must be a finite number, at least 0, got {min_delta!r}")
        self.monitor, self.patience, self.mode = monitor, patience, mode
        self.min_delta, self.restore_best = min_delta, restore_best
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self._waited = 0
        self.best_weights: dict[str, Tensor] | None = None

    def on_train_begin(self, run: Run) -> None:
        """Forgets an earlier run."""
        self._reset()

    def on_epoch_end(self, run: Run) -> None:
        """Compares the epoch with the best."""
        value = self.monitor(run) if callable(self.monitor) else run.row.get(self.monitor)
        if value is None:
            if run.epoch == run.epochs and self.best is None and not callable(self.monitor):
                has = ", ".join(run.history.columns)
                raise KeyError(
                    f"EarlyStopping: no epoch has {self.monitor!r}; there are {has}; is a validation set missing?"
                )
            return
        sign = 1 if self.mode == "min" else -1
        is_number = not math.isnan(value)
        if is_number and (self.best is None or sign * (self.best - value) > self.min_delta):
            self.best, self.best_epoch, self._waited = float(value), run.epoch, 0
            if self.restore_best:
                self.best_weights = {name: t.detach().clone() for name, t in run.model.state_dict().items()}
            return
        self._waited += 1
        if self.patience is not None and self._waited >= self.patience:
            what = self.monitor if isinstance(self.monitor, str) else "the monitored value"
            run.stop(f"{what} has not improved since epoch {self.best_epoch}")

    def on_train_end(self, run: Run) -> None:
        """Brings the best weights back."""
        if self.best_weights is not None:
            run.model.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        """Best value, epoch and weights, and epochs waited since."""
        weights = None if self.best_weights is None else dict(self.best_weights)
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self._waited, "weights": weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self.best, self.best_epoch, self._waited = state["best"], state["best_epoch"], state["waited"]
        self.best_weights = copy.copy(state["weights"])
