"""Tables by columns, wherever they come from: what their columns hold, and their rows in blocks."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rgrad._shared.files import shortened

MISSING = {"", "?", "-", ".", "na", "n/a", "nan", "null", "none", "#n/a", "<na>"}
# More different texts than this are not counted: they are no categories.
MOST_VALUES = 1000
BLOCK_ROWS = 8192
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([T ]\d.*)?|\d{1,2}[./]\d{1,2}[./](\d{4}|\d{2})( \d.*)?|\d{4}/\d{1,2}/\d{1,2}.*"
)

Values = NDArray[np.float64] | list[str]


@dataclass(slots=True)
class Profile:
    """What the cells of a column are.

    Attributes:
        name: the column's.
        rows: how many cells there are.
        missing: how many are empty or a word for it.
        numbers: how many are numbers.
        integers: how many are whole numbers.
        dates: how many look like dates.
        values: how often each text occurs; of the first `MOST_VALUES + 1` different ones.
        low: the smallest number.
        high: the largest number.
        first_text: the first cell that is neither missing nor a number, and its line.
    """

    name: str
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    integers: int = 0
    dates: int = 0
    values: Counter[str] = field(default_factory=Counter)
    low: float = float("inf")
    high: float = float("-inf")
    first_text: tuple[str, int] | None = None
    first_missing: int = 0

    @property
    def texts(self) -> int:
        """How many cells are neither missing nor numbers."""
        return self.rows - self.missing - self.numbers

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers and nothing else but missing cells."""
        return self.numbers > 0 and self.texts == 0

    @property
    def is_constant(self) -> bool:
        """Whether there are not two different values."""
        return len(self.values) + (self.missing > 0 and not self.is_number) < 2

    def count(self, cells: Sequence[str], lines: Sequence[int], decimal: str) -> None:
        """Take in the cells of some rows."""
        self.rows += len(cells)
        if len(self.values) <= MOST_VALUES:
            self.values.update(map(str.strip, cells))
        try:
            numbers = array("d", map(float, (c.replace(",", ".") for c in cells) if decimal == "," else cells))
        except ValueError:
            self._count_one_by_one(cells, lines, decimal)
            return
        finite = np.asarray(numbers)
        self._take(finite[~np.isnan(finite)])
        self._miss(int(np.isnan(finite).sum()), cells, lines)

    def _count_one_by_one(self, cells: Sequence[str], lines: Sequence[int], decimal: str) -> None:
        found = []
        missing = 0
        for cell, line in zip(cells, lines, strict=True):
            value = number(cell, decimal)
            text = cell.strip()
            if value is not None and value == value:
                found.append(value)
            elif text.lower() in MISSING:
                missing += 1
            else:
                self.first_text = self.first_text or (text, line)
                self.dates += _DATE.fullmatch(text) is not None
        self._take(np.array(found, np.float64))
        self._miss(missing, cells, lines)

    def _take(self, numbers: NDArray[np.float64]) -> None:
        self.numbers += len(numbers)
        if len(numbers):
            self.integers += int((np.isfinite(numbers) & (numbers == np.floor(numbers))).sum())
            self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))

    def _miss(self, count: int, cells: Sequence[str], lines: Sequence[int]) -> None:
        if count and not self.first_missing:
            self.first_missing = next(n for c, n in zip(cells, lines, strict=True) if c.strip().lower() in MISSING)
        self.missing += count

    def finished(self) -> Profile:
        """Without the words for missing cells among the values."""
        for text in [text for text in self.values if text.lower() in MISSING]:
            del self.values[text]
        return self


class Source(Protocol):
    """A table that can be read more than once.

    Attributes:
        path: the file.
        names: of the columns.
        decisions: what was decided about the file, for the user to read.
    """

    path: Path
    names: list[str]
    decisions: list[str]

    def profiles(self) -> list[Profile]:
        """What the columns hold."""
        ...

    def blocks(self, kinds: Mapping[str, str]) -> Iterator[tuple[dict[str, Values], Sequence[int]]]:
        """Rows in blocks, and their lines: columns as "number" (NaN if missing) or "text" ("" if missing)."""
        ...

    def place(self, line: int, name: str) -> str:
        """A cell, as messages name it."""
        ...


def column_place(path: Path, line: int, names: Sequence[str], name: str, row: str = "line") -> str:
    """A cell of a file, as messages name it."""
    plain = f"column {names.index(name) + 1}"
    shown = plain if name == plain else f"{plain} ({shortened(name)})"
    return f"{path}, {row} {line}, {shown}"


def number(text: str, decimal: str = ".") -> float | None:
    """The number that `text` spells, if it does."""
    try:
        return float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return None


def integer(text: str) -> int | None:
    """The integer that `text` spells, perhaps as a float such as 3.0."""
    try:
        return int(text)  # exactly, where a float would round numbers above 2**53
    except ValueError:
        value = number(text)
        return int(value) if value is not None and value.is_integer() else None


def numbers_of(
    source: Source, name: str, cells: Sequence[str], lines: Sequence[int], decimal: str
) -> NDArray[np.float64]:
    """The cells as numbers, NaN if missing.

    Raises:
        ValueError: a cell is neither, or its number is no finite float32; the message names its place.
    """
    try:
        values = np.array(array("d", map(float, (c.replace(",", ".") for c in cells) if decimal == "," else cells)))
    except ValueError:
        values = np.array(
            [_number_of(source, name, cell, line, decimal) for cell, line in zip(cells, lines, strict=True)]
        )
    with np.errstate(over="ignore"):
        bad = np.isinf(values.astype(np.float32))
    if bad.any():
        raise ValueError(f"{source.place(lines[int(bad.argmax())], name)}: the value is not a finite float32")
    return values


def _number_of(source: Source, name: str, cell: str, line: int, decimal: str) -> float:
    value = number(cell, decimal)
    if value is not None:
        return value
    if cell.strip().lower() in MISSING:
        return float("nan")
    raise ValueError(f"{source.place(line, name)}: '{shortened(cell.strip())}' is not a number")


def texts_of(cells: Sequence[str]) -> list[str]:
    """The cells without blanks around them, empty if missing."""
    return ["" if (text := cell.strip()).lower() in MISSING else text for cell in cells]


def _text(value: Any) -> str:
    """A value of an array as a text table would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or value != value else str(value)


class Arrays:
    """A table in memory: arrays of numbers, or lists of text, by name."""

    def __init__(self, path: Path, columns: Mapping[str, Any], decisions: Sequence[str] = ()) -> None:
        self.path, self.names, self.decisions = path, list(columns), list(decisions)
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        self.rows = len(next(iter(self._columns.values()))) if self._columns else 0

    def _texts(self, name: str, start: int = 0, stop: int | None = None) -> list[str]:
        column = self._columns[name][start:stop]
        if column.dtype.kind == "f":
            return ["" if value != value else repr(value) for value in column.tolist()]
        return [_text(value) for value in column.tolist()]

    def profiles(self) -> list[Profile]:
        """What the columns hold."""
        found = []
        for name in self.names:
            profile = Profile(name)
            for start in range(0, self.rows, BLOCK_ROWS):
                cells = self._texts(name, start, start + BLOCK_ROWS)
                profile.count(cells, range(start + 1, start + 1 + len(cells)), ".")
            found.append(profile.finished())
        return found

    def blocks(self, kinds: Mapping[str, str]) -> Iterator[tuple[dict[str, Values], Sequence[int]]]:
        """Rows in blocks."""
        for start in range(0, self.rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, self.rows)
            lines = range(start + 1, stop + 1)
            block: dict[str, Values] = {}
            for name, kind in kinds.items():
                column = self._columns[name][start:stop]
                if kind == "number" and column.dtype.kind in "fiu":
                    values = column.astype(np.float64)
                    with np.errstate(over="ignore"):
                        bad = np.isinf(values.astype(np.float32))
                    if bad.any():
                        place = self.place(lines[int(bad.argmax())], name)
                        raise ValueError(f"{place}: the value is not a finite float32")
                    block[name] = values
                elif kind == "number":
                    block[name] = numbers_of(self, name, self._texts(name, start, stop), lines, ".")
                else:
                    block[name] = texts_of(self._texts(name, start, stop))
            yield block, lines

    def place(self, line: int, name: str) -> str:
        """A cell, as messages name it."""
        return column_place(self.path, line, self.names, name, "row")
