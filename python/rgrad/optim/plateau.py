"""The scheduler that lowers learning rates when a metric stops improving."""

import math
from collections.abc import Sequence
from typing import SupportsFloat

from rgrad.optim.optimizer import Optimizer
from rgrad.optim.schedule import Schedule, at_least, each_group, finite, refuse_recording


class ReduceLROnPlateau(Schedule):
    """Multiplies the learning rate by ``factor`` when a metric has not improved for more than ``patience`` epochs.

    Args:
        optimizer: The optimizer whose learning rates are set.
        mode: "min" if a smaller metric is better, or "max".
        factor: What the learning rate is multiplied by.
        patience: Epochs without improvement that are tolerated.
        threshold: The smallest improvement that counts.
        threshold_mode: Whether the threshold is relative to the best metric so far, "rel", or absolute, "abs".
        cooldown: Epochs after a reduction in which bad epochs are not counted.
        min_lr: The lowest learning rate, or one for each parameter group.
        eps: The smallest change of a learning rate that is made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(optimizer)
        if not 0 <= finite("factor", factor) < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be at least 0 and less than 1, got {factor!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.mode, self.factor, self.eps = mode, factor, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.patience, self.cooldown = at_least(0, "patience", patience), at_least(0, "cooldown", cooldown)
        self.min_lrs = each_group(optimizer, "min_lr", min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:
        """Records the epoch's metric, and reduces the learning rates if it has stopped improving.

        Args:
            metrics: The metric of this epoch.
            epoch: The epoch; by default the one after the last.
        """
        refuse_recording()
        value, groups = float(metrics), self._groups()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        better = self._is_better(value)
        if better:
            self.best = value
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = [group["lr"] for group in groups]
        if self.num_bad_epochs > self.patience:
            self.num_bad_epochs, self.cooldown_counter = 0, self.cooldown
            lower = [max(lr * self.factor, least) for lr, least in zip(rates, self.min_lrs, strict=True)]
            rates = [new if old - new > self.eps else old for old, new in zip(rates, lower, strict=True)]
        self._set_rates(rates)

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        margin = sign * self.threshold
        bound = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
        return value > bound if self.mode == "max" else value < bound
