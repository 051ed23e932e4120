"""A user's own data: a table in a CSV file, or arrays in an NPZ file, become a `Dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rgrad as rg
from rgrad._cli.csv import Table, integer, number, read_csv
from rgrad._cli.npz import Archive
from rgrad._shared.files import shortened
from rgrad.datasets._dataset import Dataset, pixels

_SPLIT_NAMES = (("train_x", "train_y", "test_x", "test_y"), ("x_train", "y_train", "x_test", "y_test"))
_WHOLE_NAMES = (("x", "y"), ("X", "y"))

# More different integers than this are more likely a quantity than classes.
_MANY = 20


class Read(NamedTuple):
    """A dataset, and what was decided about the file, in one line; empty if there was nothing to decide."""

    data: Dataset
    decisions: str


def read_table(path: Path, test_fraction: float, seed: int, classes: int | None = None) -> Read:
    """Read a CSV or NPZ file, as its name ends.

    A CSV file has commas, perhaps a header line, numbers in all columns but the last, and in the last the class:
    integers or names. An NPZ file has arrays `x` (samples × features, or samples × rows × columns for images) and `y`,
    or the four arrays `train_x`, `train_y`, `test_x` and `test_y`; `X` and `x_train`, … are understood too.

    Args:
        path: the file.
        test_fraction: the share of each class to test with, drawn at random, unless the file has a test set.
        seed: of that draw.
        classes: how many classes there are, for labels that do not look like classes: more than 20 different integers.

    Raises:
        ValueError: the content is not as described; the message says where.
        OSError: the file cannot be read.
    """
    if path.suffix.lower() == ".csv":
        table = read_csv(path)
        y, class_names = _classes_of_text(path, table, classes)
        parts = _split(path, table.x, y, test_fraction, seed)
        data = Dataset.from_arrays(path.stem, parts, class_names, table.features)
        return Read(data, f"{path}: {'; '.join(table.decisions)}" if table.decisions else "")
    return Read(_read_npz(path, test_fraction, seed, classes), "")


def _classes_of_text(path: Path, table: Table, expected: int | None) -> tuple[NDArray[np.int64], list[str]]:
    """Number the classes from 0, in the order of their integers or names."""
    labels: list[Any] = list(table.labels)
    are_numbers = any(number(label) is not None for label in labels)
    if are_numbers:
        for position, (line, label) in enumerate(zip(table.lines, labels, strict=True)):
            labels[position] = integer(label)
            if labels[position] is None:
                raise ValueError(
                    f"{path}, line {line}: label '{shortened(label)}' is not an integer "
                    "(the last column must hold classes: integers only, or names only)"
                )
    found = sorted(set(labels))
    place = {label: code for code, label in enumerate(found)}
    codes = np.array([place[label] for label in labels], np.int64)
    names = [str(label) for label in found]
    return codes, _checked_classes(path, names, are_numbers, expected)


def _checked_classes(path: Path, names: list[str], are_numbers: bool, expected: int | None) -> list[str]:
    if len(names) < 2:
        raise ValueError(f"{path}: all labels are '{shortened(names[0])}'; there must be at least two classes")
    if expected is not None and expected != len(names):
        raise ValueError(f"{path}: the labels have {len(names)} different values, not {expected}")
    if expected is None and are_numbers and len(names) > _MANY:
        raise ValueError(
            f"{path}: the labels are {len(names)} different integers from {shortened(names[0])} to "
            f"{shortened(names[-1])}, which looks like "
            f"a quantity, and only classes can be learned; add --classes {len(names)} if they are classes"
        )
    return names


def _read_npz(path: Path, test_fraction: float, seed: int, expected: int | None) -> Dataset:
    names, arrays = _load_arrays(path)
    for x_name, y_name in zip(names[::2], names[1::2], strict=True):
        _check_arrays(path, x_name, arrays[x_name], y_name, arrays[y_name])
    labels = [arrays[name] for name in names[1::2]]
    classes, codes = np.unique(np.concatenate(labels), return_inverse=True)
    are_numbers = classes.dtype.kind != "U"
    named = [str(int(label) if are_numbers else label) for label in classes.tolist()]
    class_names = _checked_classes(path, named, are_numbers, expected)
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
    if x.dtype.kind == "f":
        # As float32 they may be 0, and so may the largest of them.
        train_x, test_x = train_x.astype(np.float32), test_x.astype(np.float32)
    white = max(float(train_x.max()), -float(train_x.min())) or 1.0
    with np.errstate(over="ignore"):
        parts = (pixels(train_x, white), train_y, pixels(test_x, white), test_y)
    if not np.isfinite(parts[2]).all():
        raise ValueError(
            f"{path}: the largest number to train with is {white}, and those to test with are too large beside it"
        )
    return Dataset.from_arrays(path.stem, parts, class_names, image_shape=(x.shape[1], x.shape[2]))


def _load_arrays(path: Path) -> tuple[tuple[str, ...], dict[str, NDArray[Any]]]:
    """The names that the file has of those that are understood, and their arrays."""
    with path.open("rb") as file:
        archive = Archive(path, file)
        for names in (*_SPLIT_NAMES, *_WHOLE_NAMES):
            if all(name in archive.names for name in names):
                return names, archive.read(names)
        held = ", ".join(name if name.isprintable() else ascii(name) for name in archive.names)[:200] or "none"
        raise ValueError(f"{path} needs arrays x and y, or train_x, train_y, test_x and test_y; it has {held}")


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
    with np.errstate(over="ignore", invalid="ignore"):
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
