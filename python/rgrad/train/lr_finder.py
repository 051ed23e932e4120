"""A range test of learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rgrad._core import Tensor
from rgrad._shared.integer import integer
from rgrad.nn import Module
from rgrad.optim import Optimizer
from rgrad.train.state import restored_afterwards
from rgrad.train.steps import Rows, training_step
from rgrad.train.training import _check_loss, _check_model, _check_optimizer

_SMOOTHING = 0.9
_DIVERGED = 4.0


@dataclass(frozen=True)
class LRFinder:
    """What `find_lr` measured.

    Attributes:
        lrs: the learning rates that were tried, ascending.
        losses: the loss of the batch trained with each, smoothed by an exponential mean.
        suggestion: the learning rate at which the loss falls most steeply.
    """

    lrs: list[float]
    losses: list[float]
    suggestion: float


def find_lr(
    model: Module,
    data: Any,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int | str | None = None,
) -> LRFinder:
    """Trains with learning rates that grow from batch to batch, and suggests one (Smith 2017).

    The test ends early when the loss has grown to four times its lowest value. Afterwards model, optimizer and the
    random stream are as before.

    Args:
        model: the model.
        data: as for `fit`.
        loss: as for `fit`.
        optimizer: of the model's parameters.
        lowest: the first learning rate.
        highest: the last.
        steps: how many are tried, in equal ratios.
        batch_size: as for `fit`.

    Example:
        >>> model = rg.nn.Linear(3, 1)
        >>> x = rg.randn(200, 3)
        >>> sgd = rg.optim.SGD(model.parameters(), lr=1.0)
        >>> found = rg.train.find_lr(model, (x, x.sum(1, keepdim=True)), rg.nn.MSELoss(), sgd)
        >>> 1e-6 < found.suggestion < 10
        True
    """
    _check_model("find_lr", model)
    _check_loss("find_lr", loss)
    _check_optimizer(optimizer, None, "epoch")
    if not 0 < lowest < highest < math.inf:
        raise ValueError(f"find_lr: lowest and highest must be 0 < lowest < highest, got {lowest!r} and {highest!r}")
    steps = integer("find_lr: steps", steps, 5)
    rows = Rows("find_lr", data, batch_size, shuffle=True)
    lrs = [lowest * (highest / lowest) ** (i / (steps - 1)) for i in range(steps)]
    step = training_step(model, loss, optimizer, {}, None, compiled=True)
    losses: list[float] = []
    mean, least = 0.0, math.inf
    with restored_afterwards(model, optimizer):
        for lr, batch in zip(lrs, _endless(rows), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = lr
            weight, total = step(*batch)
            value = total.item() / weight.item()
            mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
            smooth = mean / (1 - _SMOOTHING ** (len(losses) + 1))
            if not math.isfinite(smooth) or smooth > _DIVERGED * least:
                break
            losses.append(smooth)
            least = min(least, smooth)
    if len(losses) < 3:
        raise ValueError(f"find_lr: the loss diverges at once; try a lower learning rate than {lowest:g} as lowest")
    # Over a tenth of the rates, as single batches differ by more than one rate from the next.
    gap = max(min(steps // 10, len(losses) - 1), 1)
    falls = [losses[i] - losses[i + gap] for i in range(len(losses) - gap)]
    return LRFinder(lrs[: len(losses)], losses, lrs[falls.index(max(falls)) + gap // 2])


def _endless(rows: Rows) -> Any:
    while True:
        yield from rows.batches()
