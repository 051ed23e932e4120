"""CSV files: numbers in all columns but the last, which holds the class; what is header and index is found out."""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgrad._shared.files import shortened

# What pandas calls the index of a frame that it has saved and read again.
_UNNAMED = ("", "Unnamed: 0")


@dataclass(slots=True)
class Table:
    """What a CSV file holds.

    Attributes:
        features: the name of each column but the last.
        x: their values, float32, one sample per row.
        labels: the text in the last column of each row.
        lines: the line of the file that each row ends in.
        decisions: what was decided about the file, for the user to read.
    """

    features: list[str]
    x: NDArray[np.float32]
    labels: list[str]
    lines: list[int]
    decisions: list[str]


@dataclass(slots=True)
class _Rows:
    """The rows below the first line, and that line, of which it is open at first whether it is one of them."""

    path: Path
    first: list[str] = field(default_factory=list)
    first_line: int = 0
    names: list[str] = field(default_factory=list)
    values: array[float] = field(default_factory=lambda: array("d"))
    labels: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def append(self, cells: list[str], line: int) -> None:
        """Add the numbers of one row; the label must be there, but is not read."""
        if len(cells) != len(self.first):
            raise ValueError(
                f"{self.path}, line {line}: {len(cells)} columns, but the first line has {len(self.first)}"
            )
        if not cells[-1].strip():
            raise ValueError(f"{self.place(line, len(cells) - 1)}: the label is missing")
        try:
            self.values.extend(map(float, cells[:-1]))
        except ValueError:
            position = next(i for i, cell in enumerate(cells) if number(cell) is None)
            cell = cells[position].strip()
            problem = f"'{shortened(cell)}' is not a number" if cell else "the value is missing"
            raise ValueError(f"{self.place(line, position)}: {problem}") from None
        self.labels.append(cells[-1].strip())
        self.lines.append(line)

    def prepend_first(self) -> None:
        """The first line is a row, too."""
        below, self.values = self.values, array("d")
        self.append(self.first, self.first_line)
        self.values.extend(below)
        self.labels.insert(0, self.labels.pop())
        self.lines.insert(0, self.lines.pop())

    def column(self, position: int) -> array[float]:
        return self.values[position :: len(self.first) - 1]

    def place(self, line: int, position: int) -> str:
        plain = f"column {position + 1}"
        name = self.names[position] if self.names else ""
        return (
            f"{self.path}, line {line}, {plain}"
            if name in ("", plain)
            else f"{self.path}, line {line}, {plain} ({shortened(name)})"
        )


def read_csv(path: Path) -> Table:
    """Read a CSV file in UTF-8 with commas.

    The first line is the header if its cells, but for the last, are no numbers. If they are (years, say), it is the
    header if it differs from the rows: by a name above integer labels, by whole numbers above names that all come
    again where its own does not, or by counting its columns. A first column without a name above different integers is
    the index of a saved frame, and left out.

    Raises:
        ValueError: the content is not as described; the message says where.
        OSError: the file cannot be read.
    """
    rows = _Rows(path)
    for cells, line in _lines(path):
        if rows.first:
            rows.append(cells, line)
            continue
        if len(cells) < 2:
            raise ValueError(f"{path}, line {line}: only one column; is it separated by commas?")
        rows.first, rows.first_line = cells, line
        if any(cells[:-1]) and all(number(cell) is None for cell in cells[:-1]):
            rows.names = [cell.strip() for cell in cells]
    decisions = []
    if not rows.names and rows.labels and _is_header(rows):
        rows.names = [cell.strip() for cell in rows.first]
        decisions.append(f"line {rows.first_line} is the header, though it has numbers")
    if not rows.names:
        rows.names = [f"column {position + 1}" for position in range(len(rows.first))]
        if rows.first:
            rows.prepend_first()
            decisions.append("no header")
    if not rows.lines:
        raise ValueError(f"{path} holds no rows")
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.array(rows.values, np.float64).reshape(len(rows.lines), -1).astype(np.float32)
    if not np.isfinite(x).all():
        row, position = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"{rows.place(rows.lines[row], position)}: the value is not a finite float32")
    features = rows.names[:-1]
    if len(features) > 1 and features[0] in _UNNAMED and _is_index(rows.column(0)):
        features, x = features[1:], x[:, 1:]
        decisions.append("column 1, without a name, numbers the rows and is left out")
    return Table(features, x, rows.labels, rows.lines, decisions)


def _lines(path: Path) -> Iterator[tuple[list[str], int]]:
    """The cells and the number of each line that is not blank."""
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                line = reader.line_num
                if any("\0" in cell for cell in cells):
                    raise ValueError(f"{path}, line {line}: it has a NUL character; is the file saved as UTF-16?")
                if len(cells) > 1 or "".join(cells).strip():
                    yield cells, line
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line {line + 1}: {error}") from None


def _is_header(rows: _Rows) -> bool:
    """Whether the first line, some of whose cells are numbers, differs from the rows as a header does."""
    cells = [cell.strip() for cell in rows.first]
    label, features = cells[-1], cells[:-1]
    if len(set(cells)) < len(cells) or not label:
        return False
    if features[0] in _UNNAMED and _is_index(rows.column(0)):
        return True
    counts = Counter(rows.labels)
    if label in counts:
        return False
    if number(label) is None:
        if all(number(other) is not None for other in counts):
            return True
        return all(integer(cell) is not None for cell in features) and min(counts.values()) > 1
    start = integer(cells[0])
    return start in (0, 1) and cells == [str(start + i) for i in range(len(cells))]


def _is_index(column: Sequence[float]) -> bool:
    return all(map(float.is_integer, column)) and len(set(column)) == len(column)


def number(text: str) -> float | None:
    """The number that `text` spells, if it does."""
    try:
        return float(text)
    except ValueError:
        return None


def integer(text: str) -> int | None:
    """The integer that `text` spells, perhaps as a float such as 3.0."""
    try:
        return int(text)  # exactly, where a float would round numbers above 2**53
    except ValueError:
        value = number(text)
        return int(value) if value is not None and value.is_integer() else None
