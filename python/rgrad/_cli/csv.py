"""Tables in text files: what is header and index, what columns hold, and their rows in blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgrad._cli.dialect import cells_of, lines_of, sniff
from rgrad._cli.source import (
    BLOCK_ROWS,
    MISSING,
    Profile,
    Values,
    column_place,
    integer,
    number,
    numbers_of,
    texts_of,
)
from rgrad._shared.files import shortened

# What pandas calls the index of a frame that it has saved and read again.
UNNAMED = ("", "Unnamed: 0")
_SAMPLE = 1000


class TextTable:
    """A table in a text file. Opening it finds out how it is written, and whether its first line is the header.

    Args:
        path: the file.
        header: whether the first line has the names; None to find out.
        known: names that the header has if there is one.
        least: how many columns there must be.

    Raises:
        ValueError: it holds no table; the message says where it goes wrong.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, header: bool | None = None, known: Sequence[str] = (), least: int = 2) -> None:
        self.path, self.dialect = path, sniff(path)
        self.decisions = self.dialect.decisions()
        rows = list(islice(lines_of(path, self.dialect), _SAMPLE + 1))
        if not rows:
            raise ValueError(f"{path} holds no rows")
        first, self._first_line = rows[0]
        if len(first) < least:
            raise ValueError(f"{path}, line {self._first_line}: only one column; is it separated by commas?")
        cells = [cell.strip() for cell in first]
        below = [row for row, _ in rows[1:] if len(row) == len(first)]
        texts = [cell for cell in cells if number(cell, self.dialect.decimal) is None]
        is_known = bool(known) and (any(cell in known for cell in texts) or set(known) <= set(cells))
        found = (is_known or self._is_header(cells, below)) if header is None else header
        if found and header is None and any(number(cell, self.dialect.decimal) is not None for cell in cells):
            self.decisions.append(f"line {self._first_line} is the header, though it has numbers")
        self.has_header = found
        self.names = self._names(cells) if found else [f"column {i + 1}" for i in range(len(cells))]
        if not found and header is None:
            self.decisions.append("no header")
        if found and len(rows) == 1:
            raise ValueError(f"{path} holds no rows")

    def _names(self, cells: list[str]) -> list[str]:
        """The names of a header; a column without one is called by its place."""
        twice = [name for name, count in Counter(filter(None, cells)).items() if count > 1]
        if twice:
            raise ValueError(
                f"{self.path}, line {self._first_line}: two columns are called '{shortened(twice[0])}'; rename one"
            )
        return [cell or ("" if i == 0 else f"column {i + 1}") for i, cell in enumerate(cells)]

    def _is_header(self, cells: list[str], below: list[list[str]]) -> bool:
        """Whether the first line differs from the rows as a header does."""
        decimal = self.dialect.decimal
        are_numbers = [number(cell, decimal) is not None for cell in cells]
        if any(are_numbers) and len(set(cells)) < len(cells):
            return False
        if not below:
            return not any(are_numbers)
        if cells[0] in UNNAMED:
            return True
        columns = [[cell.strip() for cell in column] for column in zip(*below, strict=True)]
        texts = [(cell, column) for cell, column, n in zip(cells, columns, are_numbers, strict=True) if not n]
        if any(cell in column for cell, column in texts):
            return False
        if not any(are_numbers):
            return True
        if not texts:
            start = integer(cells[0])
            return (
                start in (0, 1)
                and cells == [str(start + i) for i in range(len(cells))]
                and cells[-1] not in columns[-1]
            )
        # Of a first line some of whose cells are numbers, such as years.
        are_whole = all(integer(cell) is not None for cell, n in zip(cells, are_numbers, strict=True) if n)
        above_numbers = any(len(column) > 1 and _are_numbers(column, decimal) for _, column in texts)
        if above_numbers and (are_whole or not are_numbers[-1]):
            return True
        return are_whole and any(min(Counter(column).values()) > 1 for _, column in texts)

    def _rows(
        self, lines: Iterator[tuple[list[str], int]] | None = None
    ) -> Iterator[tuple[list[list[str]], list[int]]]:
        """Rows below the header in blocks, with their lines; or those of the lines."""
        if lines is None:
            lines = lines_of(self.path, self.dialect)
            if self.has_header:
                next(lines)
        count = len(self.names)
        while block := list(islice(lines, BLOCK_ROWS)):
            for cells, line in block:
                if len(cells) != count:
                    raise ValueError(f"{self.path}, line {line}: {len(cells)} columns, but the first line has {count}")
            yield [cells for cells, _ in block], [line for _, line in block]

    def profiles(self) -> list[Profile]:
        """What the columns hold."""
        found = [Profile(name) for name in self.names]
        for rows, lines in self._rows():
            for profile, cells in zip(found, zip(*rows, strict=True), strict=True):
                profile.count(cells, lines, self.dialect.decimal)
        return [profile.finished() for profile in found]

    def blocks(self, kinds: Mapping[str, str]) -> Iterator[tuple[dict[str, Values], Sequence[int]]]:
        """Rows in blocks, of the columns named."""
        are_plain = self.dialect.decimal == "." and self.dialect.separator != " "
        if are_plain and all(kind == "number" for kind in kinds.values()):
            yield from self._blocks_of_numbers(kinds)
            return
        for rows, lines in self._rows():
            yield self._block(kinds, rows, lines), lines

    def _block(self, kinds: Mapping[str, str], rows: list[list[str]], lines: Sequence[int]) -> dict[str, Values]:
        block: dict[str, Values] = {}
        for name, kind in kinds.items():
            place = self.names.index(name)
            cells = [row[place] for row in rows]
            is_number = kind == "number"
            block[name] = numbers_of(self, name, cells, lines, self.dialect.decimal) if is_number else texts_of(cells)
        return block

    def _blocks_of_numbers(self, kinds: Mapping[str, str]) -> Iterator[tuple[dict[str, Values], Sequence[int]]]:
        """The same if all columns are numbers: NumPy reads whole blocks, where nothing is quoted, missing or wrong."""
        places = [self.names.index(name) for name in kinds]
        before = self._first_line if self.has_header else 0
        with self.path.open(encoding=self.dialect.encoding, newline="") as file:
            for _ in islice(file, before):
                pass
            while lines := list(islice(file, BLOCK_ROWS)):
                values = self._numbers(lines, places)
                if values is not None:
                    numbers = range(before + 1, before + 1 + len(lines))
                    yield dict(zip(kinds, values.T, strict=True)), numbers
                    before += len(lines)
                    continue
                # A quoted cell may go on in the next block.
                rest = chain(lines, file) if any('"' in line for line in lines) else lines
                for rows, numbered in self._rows(cells_of(rest, self.path, self.dialect, before)):
                    yield self._block(kinds, rows, numbered), numbered
                before += len(lines)

    def _numbers(self, lines: list[str], places: list[int]) -> NDArray[np.float64] | None:
        """The cells of these columns; None if they must be looked at one by one."""
        separator, count = self.dialect.separator, len(self.names) - 1
        if any(line.count(separator) != count or '"' in line for line in lines):
            return None
        try:
            values = np.loadtxt(lines, delimiter=separator, usecols=places, comments=None, ndmin=2)
        except ValueError:
            return None
        with np.errstate(over="ignore"):
            is_fit = len(values) == len(lines) and not np.isinf(values.astype(np.float32)).any()
        return np.asarray(values) if is_fit else None

    def place(self, line: int, name: str) -> str:
        """A cell, as messages name it."""
        return column_place(self.path, line, self.names, name)


def _are_numbers(column: list[str], decimal: str) -> bool:
    """Whether nine in ten of the cells that are not missing are numbers."""
    present = [cell for cell in column if cell.lower() not in MISSING]
    return bool(present) and sum(number(cell, decimal) is not None for cell in present) >= 0.9 * len(present)
