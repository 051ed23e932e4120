"""Training a classifier in compiled epochs, and what that needs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rgrad as rg
from rgrad import nn, optim
from rgrad._shared.progress import Progress
from rgrad.data import DataLoader, TensorDataset
from rgrad.datasets import Dataset

if TYPE_CHECKING:
    from rgrad import Tensor
    from rgrad._compile.compiled import Compiled

    Step = Compiled[[Tensor, Tensor], tuple[Tensor, Tensor]]

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
OPTIMIZERS = ("sgd", "adam", "adamw")

# Rows evaluated in one call: enough to keep every thread busy, few enough for the activations to stay in cache.
_EVALUATION_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is trained, and how.

    Attributes:
        model: `"softmax"` or `"mlp"`.
        hidden: units of each hidden layer; none for softmax regression.
        activation: of the hidden layers, a key of `ACTIVATIONS`.
        optimizer: one of `OPTIMIZERS`.
        lr: learning rate.
        momentum: of `"sgd"`.
        weight_decay: L2 penalty, decoupled for `"adamw"`.
        batch_size: rows in a mini-batch; `None` for gradient descent on all rows at once.
        epochs: how many at most.
        tolerance: stop when the norm of the gradient is below it; `None` for never.
        log_every: epochs between two rows of results.
        seed: of the weights and of the order of the rows.
    """

    model: str
    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    batch_size: int | None
    epochs: int
    tolerance: float | None
    log_every: int
    seed: int


class Row(NamedTuple):
    """Results after an epoch.

    Loss and error on the training set are means over the epoch's batches, each taken before the update that it causes.
    The test set is evaluated after the epoch. Errors are in per cent; `seconds` is the time since the row before.
    """

    epoch: int
    train_loss: float
    train_error: float
    test_loss: float
    test_error: float
    seconds: float
    gradient_norm: float | None


def build_model(sizes: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers from `sizes[0]` inputs to `sizes[-1]` classes, with an activation after each but the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def build_optimizer(model: nn.Module, settings: Settings) -> optim.Optimizer:
    """The optimizer that the settings name, over all parameters of the model."""
    if settings.optimizer == "sgd":
        return optim.SGD(
            model.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    kind = optim.Adam if settings.optimizer == "adam" else optim.AdamW
    return kind(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)


def fit(model: nn.Module, data: Dataset, settings: Settings, progress: Progress) -> Iterator[Row]:
    """Train, and give a row of results for the first, the last and every `settings.log_every`th epoch.

    Raises:
        FloatingPointError: a loss is no longer finite.
    """
    train, test = training_step(model, build_optimizer(model, settings)), evaluation_step(model)
    batch_size = len(data.train_y) if settings.batch_size is None else settings.batch_size
    start = time.perf_counter()
    for epoch in range(1, settings.epochs + 1):
        done = 0

        def update(batches: int, total: int, loss: float) -> None:
            nonlocal done
            progress.update(batches - done)
            done = batches

        shuffle = settings.batch_size is not None
        losses, wrong = train.epoch(data.train_x, data.train_y, batch_size=batch_size, shuffle=shuffle, progress=update)
        train_loss, train_error = means(losses, wrong, len(data.train_y))
        _check_finite(train_loss, epoch)
        norm = gradient_norm(model) if settings.tolerance is not None else None
        converged = norm is not None and settings.tolerance is not None and norm < settings.tolerance
        if epoch % settings.log_every == 0 or epoch in (1, settings.epochs) or converged:
            losses, wrong = test.epoch(data.test_x, data.test_y, batch_size=_EVALUATION_ROWS)
            test_loss, test_error = means(losses, wrong, len(data.test_y))
            _check_finite(test_loss, epoch)
            seconds = time.perf_counter() - start
            yield Row(epoch, train_loss, train_error, test_loss, test_error, seconds, norm)
            start = time.perf_counter()
        if converged:
            return


def training_step(model: nn.Module, optimizer: optim.Optimizer) -> Step:
    """A compiled step on a batch: the sum of its losses, and how many of its rows were classified wrongly before it."""
    loss_function = nn.CrossEntropyLoss()

    @rg.compile
    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(inputs)
        loss = loss_function(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.double() * len(labels), (logits.argmax(1) != labels).sum()

    return step


def evaluation_step(model: nn.Module) -> Step:
    """The same without a step."""
    loss_function = nn.CrossEntropyLoss(reduction="sum")

    @rg.compile
    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with rg.no_grad():
            logits = model(inputs)
            return loss_function(logits, labels).double(), (logits.argmax(1) != labels).sum()

    return step


def means(losses: Tensor, wrong: Tensor, rows: int) -> tuple[float, float]:
    """The mean loss and the error in per cent, of what the steps over so many rows gave."""
    return losses.sum().item() / rows, 100 * int(wrong.sum().item()) / rows


def predict(model: nn.Module, inputs: Tensor) -> NDArray[np.float32]:
    """Return the probability of each class, one row per sample."""
    with rg.no_grad():
        loader = DataLoader(TensorDataset(inputs), batch_size=_EVALUATION_ROWS)
        return np.concatenate([rg.softmax(model(batch), 1).numpy() for (batch,) in loader])


def gradient_norm(model: nn.Module) -> float:
    """The Euclidean norm of all gradients of the model together, as the last backward left them."""
    return nn.utils.get_total_norm(p.grad for p in model.parameters() if p.grad is not None).item()


def _check_finite(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(f"the training diverged: the loss is {loss} in epoch {epoch}; try a smaller --lr")
