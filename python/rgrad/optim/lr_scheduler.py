"""Learning-rate schedulers with PyTorch's names, arguments and values.

A scheduler sets the learning rates of epoch 0 when it is created, and those of the next epoch at every ``step()``. They
are closed-form functions of the epoch: they accumulate no rounding error, and overwrite whatever else set the rates. Of
two schedulers of one optimizer, therefore, the one that steps last wins; :class:`SequentialLR` chains them.

>>> optimizer = rg.optim.SGD([rg.zeros(1, requires_grad=True)], lr=0.8)
>>> schedule = rg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
>>> rates = []
>>> for epoch in range(5):
...     rates += schedule.get_last_lr()
...     optimizer.step()
...     schedule.step()
>>> rates
[0.8, 0.8, 0.4, 0.4, 0.2]
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rgrad.optim.one_cycle import OneCycleLR
from rgrad.optim.optimizer import Optimizer
from rgrad.optim.plateau import ReduceLROnPlateau
from rgrad.optim.schedule import LRScheduler, at_least, each_group, finite

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class StepLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` every ``step_size`` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = at_least(1, "step_size", step_size), finite("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        return self._scaled(self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` at each epoch in ``milestones``; a repeated milestone counts again."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be several epochs, got {type(milestones).__name__}")
        self.milestones, self.gamma = Counter(milestones), finite("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        return self._scaled(self.gamma ** sum(n for at, n in self.milestones.items() if at <= self.last_epoch))


class ConstantLR(LRScheduler):
    """Multiplies the learning rate by ``factor`` until epoch ``total_iters``."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= finite("factor", factor) <= 1:
            raise ValueError(f"ConstantLR: factor must be from 0 to 1, got {factor!r}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        return self._scaled(self.factor if self.last_epoch < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """Multiplies the learning rate by a factor that moves linearly between two values.

    It goes from ``start_factor`` to ``end_factor`` in ``total_iters`` epochs, and stays there.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < finite("start_factor", start_factor) <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, got {start_factor!r}")
        if not 0 <= finite("end_factor", end_factor) <= 1:
            raise ValueError(f"LinearLR: end_factor must be from 0 to 1, got {end_factor!r}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = at_least(1, "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        done = min(self.last_epoch, self.total_iters) / self.total_iters
        return self._scaled(self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = finite("ExponentialLR: gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        return self._scaled(self.gamma**self.last_epoch)


class PolynomialLR(LRScheduler):
    """Multiplies the learning rate by (1 − epoch / ``total_iters``) to the ``power``, which is 0 from there on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = at_least(1, "total_iters", total_iters), finite("power", power)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        return self._scaled((1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """Anneals the learning rate along a cosine, down to ``eta_min`` in ``T_max`` epochs, then up again, and so on."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = at_least(1, "T_max", T_max), finite("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * share for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Anneals the learning rate along half a cosine, down to ``eta_min``, and restarts.

    The first cycle takes ``T_0`` epochs, each later one ``T_mult`` times as many as the one before. SGDR: Loshchilov
    and Hutter, ICLR 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0, self.T_mult = at_least(1, "T_0", T_0), at_least(1, "T_mult", T_mult)
        self.eta_min = finite("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        epoch, length = self.last_epoch, self.T_0
        if self.T_mult == 1:
            epoch %= length
        while epoch >= length:
            epoch, length = epoch - length, length * self.T_mult
        share = (1 + math.cos(math.pi * epoch / length)) / 2
        return [self.eta_min + (lr - self.eta_min) * share for lr in self.base_lrs]


class LambdaLR(LRScheduler):
    """Multiplies the learning rate by ``lr_lambda(epoch)``; a list has one function for each parameter group.

    The functions are not part of the state.
    """

    _left_out = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = each_group(optimizer, "lr_lambda", lr_lambda)
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"LambdaLR: lr_lambda must be a function of the epoch, got {type(f).__name__}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        return [lr * f(self.last_epoch) for lr, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class SequentialLR(LRScheduler):
    """Runs schedulers one after another; each starts at its own epoch 0 when its milestone is reached.

    Args:
        optimizer: The optimizer of all schedulers.
        schedulers: The schedulers.
        milestones: The epochs at which the second and all later schedulers start, in increasing order.
        last_epoch: The epoch before the first one.
    """

    _left_out = ("optimizer", "_schedulers")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        if not self._schedulers:
            raise ValueError("SequentialLR: expected at least one schedule, got none")
        for i, s in enumerate(self._schedulers):
            kind = type(s)
            if not issubclass(kind, LRScheduler):
                raise TypeError(f"SequentialLR: schedule {i} is {kind.__name__}, no function of the epoch alone")
            if s.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: schedule {i} is of another optimizer")
        if len(self._milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(self._schedulers)} schedules need {len(self._schedulers) - 1} milestones, "
                f"got {len(self._milestones)}"
            )
        if sorted(self._milestones) != self._milestones:
            raise ValueError(f"SequentialLR: milestones must be in order, got {self._milestones}")
        super().__init__(optimizer, last_epoch)

    def _set(self, epoch: int) -> None:
        self.last_epoch = epoch
        i = bisect_right(self._milestones, epoch)
        scheduler = self._schedulers[i]
        scheduler._set(epoch - self._milestones[i - 1] if i else epoch)
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of this scheduler and of those it runs."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores a state that ``state_dict`` returned.

        Args:
            state_dict: The state of such a scheduler.

        Raises:
            TypeError: ``state_dict`` is not a dict with a list of the schedulers' states.
            ValueError: It belongs to another kind of scheduler, or to another number of them; nothing is restored.
        """
        if not isinstance(state_dict, Mapping) or not isinstance(state_dict.get("_schedulers", []), list):
            raise TypeError("expected what state_dict of such a schedule gave, a dict with the states of its schedules")
        theirs = state_dict.get("_schedulers", [])
        if len(theirs) != len(self._schedulers):
            raise ValueError(f"the state is of {len(theirs)} schedules, this one has {len(self._schedulers)}")
        for scheduler, state in zip(self._schedulers, theirs, strict=True):
            scheduler._compare(state)
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, theirs, strict=True):
            scheduler.load_state_dict(state)
