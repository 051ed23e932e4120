"""`fit`, `evaluate` and `predict`: training, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer
from rgrad._shared.progress import Progress
from rgrad.data._arguments import generator_or_none
from rgrad.data.datasets import columns
from rgrad.nn import Module
from rgrad.optim import Optimizer
from rgrad.optim.lr_scheduler import ReduceLROnPlateau
from rgrad.optim.schedule import Schedule
from rgrad.train.callbacks import Logger
from rgrad.train.history import History
from rgrad.train.run import Metrics, Run, Trainer, _slices, checked_callbacks, evaluated, named
from rgrad.train.steps import Predictor, Rows


def fit(
    model: Module,
    data: Any,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    epochs: int,
    *,
    batch_size: int | str | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
    validation: Any = None,
    validate_every: int = 1,
    metrics: Metrics = (),
    scheduler: Schedule | None = None,
    schedule_every: str = "epoch",
    max_grad_norm: float | None = None,
    tolerance: float | None = None,
    callbacks: Sequence[Any] = (),
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    logger: Logger | None = None,
    generator: Generator | None = None,
    progress: bool = True,
    compile: bool = True,
) -> History:
    """Trains a model, in compiled epochs where that is possible.

    Args:
        model: the model. It is trained in training mode, and its modules have the modes of before afterwards.
        data: a tuple of inputs and targets, and perhaps weights of the rows (tensors, arrays, frames), a
            `TensorDataset` of them, or a `DataLoader` or list of such batches.
        loss: a function of outputs and targets, and of the weights if there are any, that gives one number, such as
            `nn.CrossEntropyLoss()`. `weighted` makes one that takes weights.
        optimizer: of the model's parameters.
        epochs: passes over the data, at most.
        batch_size: rows in a batch, or "full" for all; 32 by default. A loader has its own.
        shuffle: visit the rows in a new random order in each epoch. A loader has its own order.
        drop_last: leave out a last batch that is smaller.
        validation: data of the same form, on which loss and metrics are taken after an epoch.
        validate_every: epochs from one validation to the next; the first and the last epoch always have one.
        metrics: functions of outputs and targets (and weights), in a list or by name: those of this module, or any
            other. Those that are means over rows (`Mean`) are also taken of the training batches.
        scheduler: stepped after each epoch; `ReduceLROnPlateau` with the loss of validation, or else of training.
        schedule_every: "epoch", or "batch" to step the scheduler after each batch.
        max_grad_norm: gradients are clipped to this Euclidean norm.
        tolerance: end when the norm of the gradient of the last batch is below it; for `batch_size="full"`.
        callbacks: functions of the `Run`, called after each epoch, and `Callback` objects such as `EarlyStopping`.
        checkpoint: a file to which everything is written after epochs that resuming needs: model, optimizer, scheduler,
            generators, history, states of callbacks. It is replaced whole, or not at all.
        checkpoint_every: epochs from one checkpoint to the next.
        resume: go on from the checkpoint if it is there, to the same bits as a run without interruption.
        logger: any object with `log(dict, step=epoch)`.
        generator: where the order is drawn from; the default one (`rg.manual_seed`) if `None`.
        progress: show progress on a terminal or in a notebook.
        compile: compile the steps; False runs them as they are.

    Returns:
        The results of the epochs.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of range, or the checkpoint is of another run.
        FloatingPointError: the loss is no longer finite.

    Example:
        >>> data = rg.datasets.iris()
        >>> model = rg.nn.Linear(4, 3)
        >>> history = rg.train.fit(
        ...     model,
        ...     (data.train_x, data.train_y),
        ...     rg.nn.CrossEntropyLoss(),
        ...     rg.optim.Adam(model.parameters(), lr=0.1),
        ...     epochs=20,
        ...     validation=(data.test_x, data.test_y),
        ...     metrics=[rg.train.accuracy],
        ... )
        >>> history["validation_accuracy"][-1] > 0.9
        True
    """
    _check_model("fit", model)
    _check_loss("fit", loss)
    _check_optimizer(optimizer, scheduler, schedule_every)
    if resume and checkpoint is None:
        raise ValueError("fit: resume needs the checkpoint to go on from; write checkpoint='run.safetensors'")
    for name, value in (("max_grad_norm", max_grad_norm), ("tolerance", tolerance)):
        if value is not None and (not isinstance(value, int | float) or not value > 0):
            raise ValueError(f"fit: {name} must be a positive number or None, got {value!r}")
    if logger is not None and not callable(getattr(logger, "log", None)):
        raise TypeError(f"fit: logger must have a method log(values, step), and {type(logger).__name__} has none")
    run = Run(model, optimizer, integer("fit: epochs", epochs, 1), History())
    train = Rows("fit", data, batch_size, shuffle, drop_last, generator_or_none(generator))
    trainer = Trainer(
        run,
        train,
        loss,
        named("fit", metrics),
        None if validation is None else Rows("fit: validation", validation),
        integer("fit: validate_every", validate_every, 1),
        scheduler,
        schedule_every,
        max_grad_norm,
        tolerance,
        checked_callbacks(callbacks),
        logger,
        bool(compile),
    )
    path = None if checkpoint is None else Path(checkpoint)
    every = integer("fit: checkpoint_every", checkpoint_every, 1)
    _train(trainer, path, every, resume, progress)
    return run.history


def _train(trainer: Trainer, path: Path | None, every: int, resume: bool, progress: bool) -> None:
    run, batches = trainer.run, len(trainer.train)
    modes = [(module, module.training) for module in run.model.modules()]
    if not run.model.training:
        run.model.train()
    try:
        for callback in trainer.callbacks:
            if hasattr(callback, "on_train_begin"):
                callback.on_train_begin(run)
        if resume and path is not None and path.exists():
            trainer.load(path)
        with Progress("training", (run.epochs - run.epoch) * batches, "batch", not progress) as bar:
            run.progress = bar
            trainer.go(bar, path, every)
        for callback in trainer.callbacks:
            if hasattr(callback, "on_train_end"):
                callback.on_train_end(run)
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: Module, data: Any, loss: Callable[..., Tensor] | None = None, metrics: Metrics = ()
) -> dict[str, float]:
    """Takes loss and metrics of a model on data, in evaluation mode and without derivatives.

    Args:
        model: the model.
        data: inputs and targets, and perhaps weights, in the forms that `fit` takes.
        loss: as for `fit`.
        metrics: as for `fit`; of all rows at once.

    Returns:
        The loss, if one was given, as "loss", and the metrics by name.

    Example:
        >>> model = rg.nn.Linear(2, 1)
        >>> sorted(rg.train.evaluate(model, (rg.ones(4, 2), rg.ones(4, 1)), rg.nn.MSELoss(), [rg.train.mae]))
        ['loss', 'mae']
    """
    _check_model("evaluate", model)
    if loss is not None:
        _check_loss("evaluate", loss)
    return evaluated(Predictor(model), Rows("evaluate", data), loss, named("evaluate", metrics))


def predict(model: Module, inputs: Any) -> Tensor:
    """The outputs of a model, in evaluation mode and without derivatives, batch by batch.

    Args:
        model: the model.
        inputs: rows that `rg.tensor` takes; of a memory-mapped file only one batch at a time is read.

    Returns:
        The outputs, one row for each of the inputs.

    Example:
        >>> rg.train.predict(rg.nn.Linear(2, 3), rg.ones(5000, 2)).shape
        (5000, 3)
    """
    _check_model("predict", model)
    (rows,) = columns("predict", (inputs,))
    if len(rows) == 0:
        raise ValueError("predict: there are no rows")
    return Predictor(model)(part if isinstance(part, Tensor) else _core.tensor(part) for part in _slices(rows))


def weighted(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A loss that takes a weight for each row: Σ weight · loss / Σ weight.

    Args:
        loss: gives one loss for each row, such as `nn.CrossEntropyLoss(reduction="none")`. Of several columns, the mean
            is taken.

    Example:
        >>> loss = rg.train.weighted(rg.nn.MSELoss(reduction="none"))
        >>> loss(rg.tensor([1.0, 2.0]), rg.tensor([0.0, 0.0]), rg.tensor([3.0, 1.0]))
        tensor(1.75)
    """
    _check_loss("weighted", loss)
    if getattr(loss, "reduction", "none") != "none":
        raise ValueError(
            f"weighted: the loss must give one number for each row; write {type(loss).__name__}(reduction='none')"
        )

    def mean(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        values = loss(outputs, targets)
        if values.ndim == 0 or len(values) != len(weights):
            raise ValueError(f"weighted: the loss has shape {values.shape}, which is not one value for each row")
        if values.ndim > 1:
            values = values.reshape(len(values), -1).mean(1)
        weights = weights.to(values.dtype)
        return (values * weights).sum() / weights.sum()

    return mean


def _check_model(caller: str, model: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"{caller}: model must be a Module, not {getattr(model, '__name__', type(model).__name__)}")


def _check_loss(caller: str, loss: Any) -> None:
    if isinstance(loss, type):
        raise TypeError(f"{caller}: the loss is a class; make one first: {loss.__name__}()")
    if not callable(loss):
        raise TypeError(f"{caller}: loss must be a function of outputs and targets, not {type(loss).__name__}")
    if caller != "weighted" and getattr(loss, "reduction", None) == "none":
        raise ValueError(f"{caller}: the loss gives one number for each row; write reduction='mean', or weighted(loss)")


def _check_optimizer(optimizer: Any, scheduler: Any, schedule_every: str) -> None:
    if not isinstance(optimizer, Optimizer):
        what = optimizer.__name__ + ", a class" if isinstance(optimizer, type) else type(optimizer).__name__
        raise TypeError(f"fit: optimizer must be made first, such as SGD(model.parameters(), lr=0.1); this is {what}")
    if schedule_every not in ("epoch", "batch"):
        raise ValueError(f"fit: schedule_every must be 'epoch' or 'batch', got {schedule_every!r}")
    if scheduler is None:
        return
    if not isinstance(scheduler, Schedule):
        raise TypeError(f"fit: scheduler must be one of optim.lr_scheduler, not {type(scheduler).__name__}")
    if scheduler.optimizer is not optimizer:
        raise ValueError("fit: the scheduler is of another optimizer")
    if schedule_every == "batch" and isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("fit: ReduceLROnPlateau needs a loss of an epoch; it cannot be stepped after each batch")
