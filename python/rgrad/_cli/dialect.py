"""How a text file writes a table: encoding, separator and decimal mark, found out from its content."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Lines that are looked at to find the separator and the decimal mark.
_SAMPLE = 200
_BLOCK = 1 << 20
# In this order: a comma may be a decimal mark between semicolons or tabs.
_SEPARATORS = ("\t", ";", "|", ",")
_NAMES = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", " ": "spaces"}
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")
_CONTROLS = re.compile("[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file writes a table.

    Attributes:
        encoding: a name that Python knows.
        separator: the character between cells; a space stands for any run of blanks.
        decimal: the decimal mark, "." or ",".
    """

    encoding: str
    separator: str
    decimal: str

    def decisions(self) -> list[str]:
        """What is unlike commas and decimal points in UTF-8, for the user to read."""
        said = []
        if self.encoding != "utf-8-sig":
            said.append(f"encoding {self.encoding}")
        if self.separator != ",":
            said.append(f"separated by {_NAMES[self.separator]}")
        if self.decimal == ",":
            said.append("decimal commas")
        return said


def sniff(path: Path) -> Dialect:
    """Find out how the file writes a table.

    Raises:
        ValueError: it is no text file.
        OSError: it cannot be read.
    """
    encoding = _encoding(path)
    lines = _first_lines(path, encoding)
    separator = _separator(lines)
    decimal = "."
    if separator != ",":
        cells = [cell.strip() for row in _split(lines, separator) for cell in row]
        if any(map(_COMMA_NUMBER.fullmatch, cells)) and not any(map(_POINT_NUMBER.fullmatch, cells)):
            decimal = ","
    return Dialect(encoding, separator, decimal)


def lines_of(path: Path, dialect: Dialect) -> Iterator[tuple[list[str], int]]:
    """The cells and the number of each line that is not blank.

    Raises:
        ValueError: a line cannot be split into cells; the message names it.
    """
    try:
        with path.open(encoding=dialect.encoding, newline="") as file:
            yield from cells_of(file, path, dialect)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in {dialect.encoding}: {error}") from None


def cells_of(lines: Iterable[str], path: Path, dialect: Dialect, before: int = 0) -> Iterator[tuple[list[str], int]]:
    """The same, of some lines of the file that come after so many others."""
    if dialect.separator == " ":
        for line, text in enumerate(lines, before + 1):
            if text.strip():
                yield text.split(), line
        return
    reader = csv.reader(lines, delimiter=dialect.separator, strict=True)
    try:
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                yield cells, before + reader.line_num
    except csv.Error as error:
        raise ValueError(f"{path}, line {before + max(reader.line_num, 1)}: {error}") from None


def _encoding(path: Path) -> str:
    """By the byte order mark; else UTF-8 if all of the file is, else Latin-1 or Windows' form of it."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and start[:4] != codecs.BOM_UTF32_LE:
        return "utf-16"
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        if _is_text(path, encoding):
            return encoding
    raise ValueError(f"{path} is not a text file in UTF-8, UTF-16 or Latin-1; save it as CSV in UTF-8")


def _is_text(path: Path, encoding: str) -> bool:
    """Whether the file can be decoded; what always can must have no control characters."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if b"\0" in block:
                line += block[: block.index(b"\0")].count(b"\n")
                raise ValueError(f"{path}, line {line}: it has a NUL character; is the file saved as UTF-16?")
            line += block.count(b"\n")
            try:
                text = decoder.decode(block, final=len(block) < _BLOCK)
            except UnicodeDecodeError:
                return False
            if encoding != "utf-8-sig" and _CONTROLS.search(text):
                return False
    return True


def _first_lines(path: Path, encoding: str) -> list[str]:
    lines = []
    try:
        with path.open(encoding=encoding, newline="") as file:
            for _ in range(_SAMPLE):
                line = file.readline(_BLOCK)
                if not line:
                    break
                lines.append(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in {encoding}: {error}") from None
    return lines


def _split(lines: list[str], separator: str) -> list[list[str]]:
    """The rows of the lines, as far as they can be split."""
    if separator == " ":
        return [cells for cells in (line.split() for line in lines) if cells]
    rows = []
    try:
        for row in csv.reader(lines, delimiter=separator):
            if len(row) > 1 or "".join(row).strip():
                rows.append(row)
    except csv.Error:
        pass
    return rows


def _separator(lines: list[str]) -> str:
    """The one that gives all lines as many cells, more than one; or else the one that gives most lines as many."""
    best, best_share = ",", 0.0
    for separator in _SEPARATORS:
        counts = Counter(map(len, _split(lines, separator)))
        if not counts or counts.most_common(1)[0][0] < 2:
            continue
        share = counts.most_common(1)[0][1] / counts.total()
        if share > best_share:
            best, best_share = separator, share
    if best_share == 0:
        counts = Counter(map(len, _split(lines, " ")))
        if len(counts) == 1 and next(iter(counts)) > 1 and counts.total() > 1:
            return " "
    return best
