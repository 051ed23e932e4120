"""The recordings of a compiled function so far: whether they pay off, and what prevents replays."""

from __future__ import annotations

import warnings
from typing import Any

from rgrad._core import Tensor

#: The number of replays that pay for one recording.
RECORDING = 16
#: The number of recordings in a row for one reason that causes a warning.
MANY = 4
#: The number of signatures whose effects are remembered.
MOST_SIGNATURES = 64


def _signature(key: Any, tensors: list[Tensor]) -> tuple[Any, ...]:
    return key, tuple((t.shape, t.stride(), t.dtype) for t in tensors)


class History:
    """The recordings of one function."""

    def __init__(self) -> None:
        self._debt = 0
        """Replays that recordings have yet to pay for."""
        self._hits = 0
        self._refused = 0
        self._last: tuple[Any, ...] | None = None
        self._reason: int | str | None = None
        self._times = 0
        self._changed: dict[Any, set[str]] = {}

    def is_worth_it(self, hits: int, most: int) -> bool:
        """Whether to record once more, after so many replays in all; ``most`` in a row are tried."""
        new, self._hits = hits - self._hits, hits
        self._debt = max(0, self._debt - new)
        if new > RECORDING:
            self._times = 0
        if self._debt < RECORDING * most:
            self._debt += RECORDING
            return True
        # Now and then, in case calls have become more regular.
        self._refused += 1
        return self._refused & (self._refused - 1) == 0

    def reason(self, key: Any, tensors: list[Tensor], change: str | None) -> int | str | None:
        """Why it was recorded ``MANY`` times in a row, if that was for one reason.

        It is the place of a positional argument that is another number, or the name of what has changed, which is
        ``change`` this time.
        """
        signature = _signature(key, tensors)
        # Hooks come and go on purpose.
        reason: int | str | None = None if change is not None and change.endswith("._hooks") else change
        if change is None and self._last is not None:
            reason = _argument(self._last, signature)
        self._last = signature
        self._times = self._times + 1 if reason is not None and reason == self._reason else 1
        self._reason = reason
        return reason if self._times == MANY - 1 else None

    def again(self, key: Any, tensors: list[Tensor], changed: set[str]) -> list[str]:
        """Of the names of what a recorded call has changed, those that the call of the kind before had changed, too."""
        signature = _signature(key, tensors)
        before = self._changed.pop(signature, set())
        if len(self._changed) == MOST_SIGNATURES:
            self._changed.clear()
        self._changed[signature] = changed
        return sorted(changed & before)


def _argument(a: tuple[Any, ...], b: tuple[Any, ...]) -> int | None:
    """The only positional argument by which two signatures differ, if it is a number."""
    (key_a, tensors_a), (key_b, tensors_b) = a, b
    (_, args_a, kwargs_a), (_, args_b, kwargs_b) = key_a, key_b
    if tensors_a != tensors_b or kwargs_a != kwargs_b or len(args_a) != len(args_b):
        return None
    differ = [i for i, (x, y) in enumerate(zip(args_a, args_b, strict=True)) if x != y]
    numbers = all(isinstance(x[i], tuple) and x[i][0] in (int, float) for i in differ for x in (args_a, args_b))
    return differ[0] - 1 if len(differ) == 1 and numbers else None


def warn_of_change(function: str, what: str, stacklevel: int) -> None:
    """Warns that one number or name prevents replays of a function."""
    warnings.warn(
        f"compile: {function} was recorded anew {MANY} times in a row, because {what} is another in every call: pass a "
        "number that changes as a tensor, rg.tensor(2.0) say, and write to a tensor that a name stands for in place",
        RuntimeWarning,
        stacklevel=stacklevel,
    )


def warn_of_many(function: str, most: int, stacklevel: int) -> None:
    """Warns that there are more signatures than programs."""
    warnings.warn(
        f"compile: {function} was recorded for more than {most} kinds of arguments (shapes, dtypes, other values, "
        "what is found by names). The oldest are forgotten, and further kinds are recorded only as long as that pays, "
        "and run as they are otherwise: pass numbers that change as tensors, pad batches to few shapes, or set "
        "max_programs",
        RuntimeWarning,
        stacklevel=stacklevel,
    )


def warn_of_effects(function: str, names: list[str], drawn: list[str], stacklevel: int) -> None:
    """Warns that a function cannot be replayed: it rebinds ``names``, or draws from some of them."""
    if drawn:
        what = f"draws from or reads {', '.join(drawn)}"
        instead = "draw with rg.rand or rg.randint, or pass what was drawn or read as an argument"
    else:
        what = f"changes {', '.join(names)}"
        instead = "keep what changes in a tensor and change that in place, self.t.add_(1) say, or change it outside"
    warnings.warn(
        f"compile: {function} {what} in every call, which a record cannot repeat; it is not recorded any more, but "
        f"runs as it is. To make it fast, {instead}",
        RuntimeWarning,
        stacklevel=stacklevel,
    )
