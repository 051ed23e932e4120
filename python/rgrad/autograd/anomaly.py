"""Finding the operation that made the first NaN."""

from types import TracebackType

from rgrad import _core


class detect_anomaly:
    """In a ``with`` block, every result and every gradient is checked for NaN on this thread.

    The first operation that makes one out of inputs without any raises ``RuntimeError`` with its name and the line of
    the program that called it; for a gradient, the line that computed the value whose derivative it is. Reading
    everything once more costs time: use it to find an error, not to train.
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_core._set_anomaly(True))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._set_anomaly(self._before.pop())
