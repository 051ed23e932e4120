"""Training a classifier: the loop that one would write by hand, and what it needs."""

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
from rgrad._progress import Progress
from rgrad.data import DataLoader, TensorDataset
from rgrad.datasets import Dataset

if TYPE_CHECKING:
    from rgrad import Tensor

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
    optimizer = build_optimizer(model, settings)
    full_batch = settings.batch_size is None
    loader = DataLoader(
        TensorDataset(data.train_x, data.train_y),
        batch_size=len(data.train_y) if settings.batch_size is None else settings.batch_size,
        shuffle=not full_batch,
    )
    start = time.perf_counter()
    for epoch in range(1, settings.epochs + 1):
        train_loss, train_error = train_epoch(model, loader, optimizer, progress)
        _check_finite(train_loss, epoch)
        norm = gradient_norm(model) if settings.tolerance is not None else None
        converged = norm is not None and settings.tolerance is not None and norm < settings.tolerance
        if epoch % settings.log_every == 0 or epoch in (1, settings.epochs) or converged:
            test_loss, test_error = evaluate(model, data.test_x, data.test_y)
            _check_finite(test_loss, epoch)
            seconds = time.perf_counter() - start
            yield Row(epoch, train_loss, train_error, test_loss, test_error, seconds, norm)
            start = time.perf_counter()
        if converged:
            return


def train_epoch(
    model: nn.Module, loader: DataLoader, optimizer: optim.Optimizer, progress: Progress
) -> tuple[float, float]:
    """Go once over the data, and return the mean loss and the error in per cent."""
    loss_function = nn.CrossEntropyLoss()
    loss_sum, wrong = 0.0, 0
    for inputs, labels in loader:
        logits = model(inputs)
        loss = loss_function(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        wrong += int((logits.argmax(1) != labels).sum().item())
        progress.update()
    rows = len(loader.dataset)
    return loss_sum / rows, 100 * wrong / rows


def evaluate(model: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the mean loss and the error in per cent."""
    loss_function = nn.CrossEntropyLoss(reduction="sum")
    loss_sum, wrong = 0.0, 0
    with rg.no_grad():
        for batch, truth in DataLoader(TensorDataset(inputs, labels), batch_size=_EVALUATION_ROWS):
            logits = model(batch)
            loss_sum += loss_function(logits, truth).item()
            wrong += int((logits.argmax(1) != truth).sum().item())
    return loss_sum / len(labels), 100 * wrong / len(labels)


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
