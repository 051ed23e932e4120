"""A user's own data: a table in a CSV file, or arrays in an NPZ file, become a `Dataset`."""

from __future__ import annotations

import csv
import zipfile
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rgrad as rg
from rgrad.datasets._dataset import Dataset, pixels

_SPLIT_NAMES = (("train_x", "train_y", "test_x", "test_y"), ("x_train", "y_train", "x_test", "y_test"))
_WHOLE_NAMES = (("x", "y"), ("X", "y"))


def read_table(path: Path, test_fraction: float, seed: int) -> Dataset:
    """Read a CSV or NPZ file, as its name ends.

    A CSV file has commas, perhaps a header line, numbers in all columns but the last, and in the last the class:
    integers or names. An NPZ file has arrays `x` (samples × features, or samples × rows × columns for images) and `y`,
    or the four arrays `train_x`, `train_y`, `test_x` and `test_y`; `X` and `x_train`, … are understood too.

    Args:
        path: the file.
        test_fraction: the share of each class to test with, drawn at random, unless the file has a test set.
        seed: of that draw.

    Raises:
        ValueError: the content is not as described; the message says where.
        OSError: the file cannot be read.
    """
    if path.suffix.lower() == ".csv":
        features, x, labels, lines = _read_csv(path)
        y, class_names = _classes_of_text(path, labels, lines)
        parts = _split(path, x, y, test_fraction, seed)
        return Dataset.from_arrays(path.stem, parts, class_names, features)
    return _read_npz(path, test_fraction, seed)


def _read_csv(path: Path) -> tuple[list[str], NDArray[np.float32], list[str], list[int]]:
    """Return the names of the features, their values, and the label and line number of each row."""
    header: list[str] = []
    values, labels, lines = array("d"), [], []
    columns = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if len(cells) < 2 and not "".join(cells).strip():
                    continue
                if not columns:
                    columns = len(cells)
                    if columns < 2:
                        raise ValueError(f"{path}, line {reader.line_num}: only one column; is it separated by commas?")
                    if any(cells[:-1]) and all(_number(cell) is None for cell in cells[:-1]):
                        header = [cell.strip() for cell in cells]
                        continue
                    header = [f"column {position + 1}" for position in range(columns)]
                if len(cells) != columns:
                    where = f"{path}, line {reader.line_num}"
                    raise ValueError(f"{where}: {len(cells)} columns, but the first line has {columns}")
                _append(values, cells, header, f"{path}, line {reader.line_num}")
                labels.append(cells[-1].strip())
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    if not lines:
        raise ValueError(f"{path} holds no rows")
    with np.errstate(over="ignore"):
        x = np.array(values, np.float64).reshape(len(lines), columns - 1).astype(np.float32)
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"{path}, line {lines[row]}, {_column(header, column)}: the value is not a finite float32")
    return header[:-1], x, labels, lines


def _append(values: array[float], cells: Sequence[str], header: Sequence[str], where: str) -> None:
    """Append the numbers of one row; the label must be there, but is not read."""
    if not cells[-1].strip():
        raise ValueError(f"{where}, {_column(header, len(cells) - 1)}: the label is missing")
    try:
        values.extend(map(float, cells[:-1]))
    except ValueError:
        position = next(i for i, cell in enumerate(cells) if _number(cell) is None)
        cell = cells[position].strip()
        problem = f"{cell!r} is not a number" if cell else "the value is missing"
        raise ValueError(f"{where}, {_column(header, position)}: {problem}") from None


def _column(header: Sequence[str], position: int) -> str:
    plain = f"column {position + 1}"
    return plain if header[position] in ("", plain) else f"{plain} ({header[position]})"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _integer(text: str) -> int | None:
    """The integer that `text` spells, perhaps as a float such as 3.0."""
    try:
        return int(text)  # exactly, where a float would round numbers above 2**53
    except ValueError:
        number = _number(text)
        return int(number) if number is not None and number.is_integer() else None


def _classes_of_text(path: Path, labels: Sequence[str], lines: Sequence[int]) -> tuple[NDArray[np.int64], list[str]]:
    """Number the classes from 0, in the order of their integers or names."""
    if all(_number(label) is None for label in labels):
        names, codes = np.unique(labels, return_inverse=True)
        return codes, _at_least_two(path, names.tolist())
    integers = []
    for line, label in zip(lines, labels, strict=True):
        integer = _integer(label)
        if integer is None:
            raise ValueError(
                f"{path}, line {line}: label {label!r} is not an integer "
                "(the last column must hold classes: integers only, or names only)"
            )
        integers.append(integer)
    classes = sorted(set(integers))
    place = {label: code for code, label in enumerate(classes)}
    codes = np.array([place[label] for label in integers], np.int64)
    return codes, _at_least_two(path, [str(label) for label in classes])


def _at_least_two(path: Path, names: list[str]) -> list[str]:
    if len(names) < 2:
        raise ValueError(f"{path}: all labels are {names[0]!r}; there must be at least two classes")
    return names


def _read_npz(path: Path, test_fraction: float, seed: int) -> Dataset:
    arrays = _load_arrays(path)
    for names in (*_SPLIT_NAMES, *_WHOLE_NAMES):
        if all(name in arrays for name in names):
            break
    else:
        held = ", ".join(arrays) or "none"
        raise ValueError(f"{path} needs arrays x and y, or train_x, train_y, test_x and test_y; it has {held}")
    for x_name, y_name in zip(names[::2], names[1::2], strict=True):
        _check_arrays(path, x_name, arrays[x_name], y_name, arrays[y_name])
    labels = [arrays[name] for name in names[1::2]]
    classes, codes = np.unique(np.concatenate(labels), return_inverse=True)
    class_names = _at_least_two(path, [str(label) for label in classes.astype(_plain(classes)).tolist()])
    x = arrays[names[0]]
    if len(names) == 4:
        test_x = arrays[names[2]]
        if x.shape[1:] != test_x.shape[1:]:
            raise ValueError(f"{path}: samples are {x.shape[1:]} in {names[0]}, but {test_x.shape[1:]} in {names[2]}")
        parts = (x, codes[: len(x)], test_x, codes[len(x) :])
    else:
        parts = _split(path, x, codes, test_fraction, seed)
    if x.ndim == 2:
        features = [f"column {position + 1}" for position in range(x.shape[1])]
        return Dataset.from_arrays(path.stem, parts, class_names, features)
    train_x, train_y, test_x, test_y = parts
    white = max(float(train_x.max()), -float(train_x.min())) or 1.0
    parts = (pixels(train_x, white), train_y, pixels(test_x, white), test_y)
    return Dataset.from_arrays(path.stem, parts, class_names, image_shape=(x.shape[1], x.shape[2]))


def _load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds one bare array")
            with archive:
                return {name: archive[name] for name in archive.files}
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is not an NPZ file of plain arrays: {error}") from None


def _plain(labels: NDArray[Any]) -> type:
    return str if labels.dtype.kind == "U" else int


def _check_arrays(path: Path, x_name: str, x: NDArray[Any], y_name: str, y: NDArray[Any]) -> None:
    if x.dtype.kind not in "fiub" or x.ndim not in (2, 3):
        expected = "numbers, samples by features or samples by rows by columns"
        raise ValueError(f"{path}: {x_name} must hold {expected}, not {x.dtype} of shape {x.shape}")
    if y.dtype.kind not in "fiubU" or y.ndim != 1:
        raise ValueError(f"{path}: {y_name} must hold one integer or name per sample, not {y.dtype} of shape {y.shape}")
    if len(x) != len(y):
        raise ValueError(f"{path}: {x_name} has {len(x)} rows, but {y_name} has {len(y)}")
    if x.size == 0:
        raise ValueError(f"{path}: {x_name} is empty: its shape is {x.shape}")
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(x.astype(np.float32)).all(axis=tuple(range(1, x.ndim)))
    if bad.any():
        raise ValueError(f"{path}: {x_name} has a value that is not a finite float32 in row {int(np.argmax(bad))}")
    if y.dtype.kind == "f":
        bad = ~np.isfinite(y) | (y != np.round(y))
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(f"{path}: {y_name} has {y[row]} in row {row}; labels must be integers or names")


def _split(
    path: Path, x: NDArray[Any], y: NDArray[Any], fraction: float, seed: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Draw the same share of each class for testing, but leave at least one sample of it to train with."""
    order = rg.randperm(len(y), generator=rg.Generator().manual_seed(seed)).numpy()
    test = np.zeros(len(y), bool)
    for label in np.unique(y):
        members = order[y[order] == label]
        test[members[: min(round(fraction * len(members)), len(members) - 1)]] = True
    if not test.any():
        raise ValueError(f"{path}: {len(y)} rows are too few to test with {fraction:.0%} of each class")
    return x[~test], y[~test], x[test], y[test]
