"""Finding the operation that produced the first NaN."""

from types import TracebackType

from rgrad import _core


class detect_anomaly:
    """A ``with`` block in which every result and every gradient on this thread is checked for NaN.

    The first operation that produces a NaN from inputs without one raises ``RuntimeError`` with its name and the line
    of the program that called it; for a gradient, the line of the forward operation. The checks cost another pass
    over all data: use them for debugging, not for training.
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_core._set_anomaly(True))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._set_anomaly(self._before.pop())
