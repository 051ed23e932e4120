"""Progress on a terminal: a tqdm bar if tqdm is installed, else a line every few seconds."""

import sys
import time
from typing import Any, Self

_SECONDS_BETWEEN_LINES = 2.0


class Progress:
    """Progress of one job, shown on stderr while stderr is a terminal.

    Args:
        label: The name of the job.
        total: Number of units in all; 0 if unknown.
        unit: Name of the unit; bytes (`"B"`) get prefixes such as M.
        quiet: Show nothing.
    """

    def __init__(self, label: str, total: int, unit: str, quiet: bool = False) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._bar: Any = None
        self._next_line = float("inf")
        if quiet or not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm
        except ImportError:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        else:
            self._bar = tqdm(desc=label, total=total or None, unit=unit, unit_scale=unit == "B", leave=False)

    def update(self, units: int = 1) -> None:
        """Records that more units are done."""
        if self._bar is not None:
            self._bar.update(units)
            return
        self._done += units
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + _SECONDS_BETWEEN_LINES
            share = f"{100 * self._done // self._total} %" if self._total else f"{self._done} {self._unit}"
            print(f"{self._label}: {share}", file=sys.stderr)

    def print(self, line: str) -> None:
        """Prints a line to stdout without breaking the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(line, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
