"""The base classes of all learning-rate schedulers, and checks of their arguments."""

import copy
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, TypeVar

from rgrad import _core
from rgrad.optim.optimizer import Group, Optimizer

T = TypeVar("T")


def refuse_recording() -> None:
    """Raises an error while a compiled step is recorded: stepping a scheduler is not an operation on tensors."""
    _core._refuse("scheduler.step()", "call it outside; the compiled step reads the rates in every call")


def at_least(low: int, name: str, value: int) -> int:
    """Returns the value if it is an integer of at least ``low``, else raises ``ValueError``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer, at least {low}, got {value!r}")
    return value


def finite(name: str, value: Any) -> Any:
    """Returns the value if it is a finite number, else raises ``TypeError`` or ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return value


def checked(optimizer: Optimizer) -> Optimizer:
    """Returns the argument if it is an optimizer, else raises ``TypeError``."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"a schedule needs an optimizer, got {type(optimizer).__name__}")
    return optimizer


def each_group(optimizer: Optimizer, name: str, value: T | Sequence[T]) -> list[T]:
    """Returns one value for each parameter group: the one given, or those of a sequence of the right length."""
    n = len(checked(optimizer).param_groups)
    if not isinstance(value, list | tuple):
        return [value] * n  # type: ignore[list-item]
    if len(value) != n:
        raise ValueError(f"{name} has {len(value)} values, but the optimizer has {n} parameter groups")
    return list(value)


class Schedule:
    """Base class of everything that sets the learning rates of an optimizer, and of its state.

    Attributes:
        optimizer: The optimizer whose learning rates are set.
        last_epoch: The current epoch.
    """

    _left_out: ClassVar[tuple[str, ...]] = ("optimizer",)
    last_epoch: int

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = checked(optimizer)
        self._last_lr: list[float] = [group["lr"] for group in optimizer.param_groups]

    def _groups(self) -> list[Group]:
        """Returns the optimizer's parameter groups, if their number has not changed."""
        groups, before = self.optimizer.param_groups, len(self._last_lr)
        if len(groups) != before:
            raise RuntimeError(
                f"{type(self).__name__}: the optimizer has {len(groups)} parameter groups, it had {before} when the "
                "schedule was made; make the schedule after adding groups"
            )
        return groups

    def _set_rates(self, rates: list[float]) -> None:
        for group, lr in zip(self._groups(), rates, strict=True):
            group["lr"] = lr
        self._last_lr = rates

    def get_last_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group as the scheduler last set it."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state: every attribute but the optimizer and functions."""
        return {k: copy.copy(v) for k, v in vars(self).items() if k not in self._left_out}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores a state that ``state_dict`` returned. The current learning rates are in the optimizer's state.

        Args:
            state_dict: The state of such a scheduler.

        Raises:
            TypeError: ``state_dict`` is not a dict.
            ValueError: It belongs to another kind of scheduler, or has another number of parameter groups; nothing is
                restored.
        """
        self._compare(state_dict)
        vars(self).update({k: copy.copy(v) for k, v in state_dict.items()})

    def _compare(self, state_dict: Mapping[str, Any]) -> None:
        """Raises an error for a state with other entries than this scheduler's."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"expected what state_dict of such a schedule gave, not {type(state_dict).__name__}")
        ours, theirs = vars(self).keys() - set(self._left_out), state_dict.keys() - set(self._left_out)
        if ours != theirs:
            raise ValueError(
                f"this is no state of {type(self).__name__}: "
                f"missing {sorted(ours - theirs)}, unexpected {sorted(theirs - ours)}"
            )
        n, groups = len(state_dict["_last_lr"]), len(self.optimizer.param_groups)
        if n != groups:
            raise ValueError(f"the state is of {n} parameter groups, the optimizer has {groups}")


class LRScheduler(Schedule):
    """Base class of schedulers that are functions of the epoch.

    A subclass implements ``get_lr``, and sets what it needs before it calls ``super().__init__``.

    Args:
        optimizer: The optimizer whose learning rates are set. Each parameter group keeps its initial learning rate as
            ``initial_lr``.
        last_epoch: The epoch before the first one. To resume at a later epoch, groups must have an ``initial_lr``.

    Attributes:
        base_lrs: The initial learning rates.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"group {i} has no 'initial_lr', which resuming at epoch {last_epoch} needs")
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._set(last_epoch + 1)

    def get_lr(self) -> list[float]:
        """Returns the learning rate of each parameter group in epoch ``last_epoch``."""
        raise NotImplementedError

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self.base_lrs]

    def _set(self, epoch: int) -> None:
        """Sets the learning rates of this epoch; if ``get_lr`` fails, nothing changes."""
        before, self.last_epoch = self.last_epoch, epoch
        try:
            self._groups()
            rates = self.get_lr()
        except BaseException:
            self.last_epoch = before
            raise
        self._set_rates(rates)

    def step(self, epoch: int | None = None) -> None:
        """Sets the learning rates of the next epoch, or of ``epoch``.

        Args:
            epoch: The epoch; by default the next one.

        Raises:
            ValueError: ``epoch`` is negative, or not a finite number.
        """
        refuse_recording()
        given: Any = epoch
        if given is not None and not (isinstance(given, Real) and 0 <= float(given) < math.inf):
            raise ValueError(f"epoch must be a number, at least 0, got {epoch!r}")
        self._set(self.last_epoch + 1 if epoch is None else epoch)
