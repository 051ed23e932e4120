"""The one-cycle learning-rate policy."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rgrad.optim.optimizer import Optimizer
from rgrad.optim.schedule import LRScheduler, at_least, each_group


class _Phase(NamedTuple):
    """A part of the cycle, up to step ``end``; rates and momenta move from one of low, high and least to another."""

    end: float
    rates: tuple[str, str]
    momenta: tuple[str, str]


class OneCycleLR(LRScheduler):
    """Raises the learning rate to ``max_lr``, then lowers it to almost 0, while momentum moves the other way.

    Call ``step()`` after every batch. Smith and Topin, arXiv:1708.07120, in PyTorch's form.

    Args:
        optimizer: The optimizer whose learning rates are set.
        max_lr: The highest learning rate, or one for each parameter group.
        total_steps: Length of the cycle in steps; otherwise pass ``epochs`` and ``steps_per_epoch``.
        epochs: Length of the cycle in epochs.
        steps_per_epoch: Steps in each epoch.
        pct_start: Fraction of the cycle in which the learning rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: Whether to set ``momentum``, or the first of ``betas``, too.
        base_momentum: The lowest momentum, or one for each parameter group.
        max_momentum: The highest momentum, or one for each parameter group.
        div_factor: ``max_lr`` divided by the initial learning rate.
        final_div_factor: The initial learning rate divided by the last one.
        three_phase: Whether to return to the initial learning rate as fast as it rose, and then anneal to the last one.
        last_epoch: The step before the first one.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, int | float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be from 0 to 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.pct_start, self.anneal_strategy, self.three_phase = pct_start, anneal_strategy, three_phase
        self.cycle_momentum = cycle_momentum
        highest = each_group(optimizer, "max_lr", max_lr)
        self._lrs = [{"low": x / div_factor, "high": x, "least": x / div_factor / final_div_factor} for x in highest]
        low, high = (
            each_group(optimizer, name, value)
            for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum))
        )
        self._momenta = [{"low": a, "high": b} for a, b in zip(low, high, strict=True)]
        if cycle_momentum and not optimizer.defaults.keys() & {"momentum", "betas"}:
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; pass cycle_momentum=False"
            )
        for group, lr in zip(optimizer.param_groups, self._lrs, strict=True):
            group["initial_lr"] = lr["low"]
        super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[_Phase]:
        up, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        first = _Phase(up, ("low", "high"), ("high", "low"))
        if self.three_phase:
            down = _Phase(2 * up, ("high", "low"), ("low", "high"))
            return [first, down, _Phase(last, ("low", "least"), ("high", "high"))]
        return [first, _Phase(last, ("high", "least"), ("low", "high"))]

    def _place(self, step: int) -> tuple[_Phase, float]:
        """Returns the phase that the step is in, and the fraction of it that is over."""
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {step} is beyond the cycle of {self.total_steps} steps; pass more total_steps"
            )
        begin, phases = 0.0, self._phases()
        for phase in phases[:-1]:
            if step <= phase.end:
                break
            begin = phase.end
        else:
            phase = phases[-1]
        length = phase.end - begin
        # The step after the last one, which ends a loop over batches, has the last one's rate.
        return phase, min((step - begin) / length, 1.0) if length > 0 else 1.0

    def _between(self, a: float, b: float, share: float) -> float:
        if self.anneal_strategy == "cos":
            return b + (a - b) / 2 * (1 + math.cos(math.pi * share))
        return a + (b - a) * share

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in this epoch."""
        phase, share = self._place(self.last_epoch)
        first, last = phase.rates
        return [self._between(lr[first], lr[last], share) for lr in self._lrs]

    def _set(self, epoch: int) -> None:
        super()._set(epoch)
        if not self.cycle_momentum:
            return
        phase, share = self._place(epoch)
        first, last = phase.momenta
        for group, momenta in zip(self._groups(), self._momenta, strict=True):
            momentum = self._between(momenta[first], momenta[last], share)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


def _length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """Returns the number of steps in the cycle."""
    if total_steps is not None:
        return at_least(1, "OneCycleLR: total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("OneCycleLR: pass total_steps, or both epochs and steps_per_epoch")
    return at_least(1, "OneCycleLR: epochs", epochs) * at_least(1, "OneCycleLR: steps_per_epoch", steps_per_epoch)
