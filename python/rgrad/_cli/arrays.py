"""Files of arrays: NPZ, NPY and Parquet, as tables or images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

import rgrad as rg
from rgrad._cli.inputs import Pixels, Target
from rgrad._cli.npz import Archive
from rgrad._cli.plan import CLASSIFICATION, plan
from rgrad._cli.samples import Part, Samples, _goal, _target, divide, fingerprint, labels_of
from rgrad._cli.source import Arrays
from rgrad._shared.files import check_unpacked, understanding

_SPLIT_NAMES = (("train_x", "train_y", "test_x", "test_y"), ("x_train", "y_train", "x_test", "y_test"))
_WHOLE_NAMES = (("x", "y"), ("X", "y"))
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class ArchiveOfSamples:
    """The arrays of an NPZ file: samples, labels, and which of them are for testing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names, arrays = _load(path)
        for x_name, y_name in zip(names[::2], names[1::2], strict=True):
            _check(path, x_name, arrays[x_name], y_name, arrays[y_name])
        self.x, y = arrays[names[0]], arrays[names[1]]
        self.tested: NDArray[np.int64] | None = None
        if len(names) == 4:
            test_x, test_y = arrays[names[2]], arrays[names[3]]
            if self.x.shape[1:] != test_x.shape[1:]:
                raise ValueError(
                    f"{path}: samples are {self.x.shape[1:]} in {names[0]}, but {test_x.shape[1:]} in {names[2]}"
                )
            self.tested = np.arange(len(self.x), len(self.x) + len(test_x))
            self.x, y = np.concatenate([self.x, test_x]), np.concatenate([y, test_y])
        self.y = y

    @property
    def are_images(self) -> bool:
        """Whether samples have rows and columns."""
        return self.x.ndim == 3

    def table(self) -> Arrays:
        """Samples of features as a table, with the target `y`."""
        columns: dict[str, Any] = {f"column {i + 1}": self.x[:, i] for i in range(self.x.shape[1])}
        return Arrays(self.path, {**columns, "y": self.y})

    def images(self, task: str | None, test: float, validation: float, seed: int) -> tuple[Samples, list[str]]:
        """Images and their labels as samples, and what was decided."""
        decided = plan(Arrays(self.path, {"x": np.arange(len(self.y)), "y": self.y}), "y", task)
        path, target = self.path, Target("y", tuple(decided.classes))
        labels = self.y
        if decided.task == CLASSIFICATION:
            labels = labels_of(Arrays(path, {"y": self.y})._texts("y"), decided.classes)
        share = test if self.tested is None else self.tested
        rows = divide(path, labels, bool(target.classes), share, validation, seed)
        target = _target("y", decided.classes, labels[rows[0]])
        # As float32 they may be 0, and so may the largest of them.
        x = self.x.astype(np.float32) if self.x.dtype.kind == "f" else self.x
        seen = x[rows[0]]
        white = max(float(seen.max()), -float(seen.min())) or 1.0
        inputs = Pixels((x.shape[1], x.shape[2]), white)

        def part(chosen: NDArray[np.int64]) -> Part:
            with np.errstate(over="ignore"):
                scaled = inputs.apply(x[chosen])
            if not np.isfinite(scaled).all():
                raise ValueError(
                    f"{path}: the largest number to train with is {white}, and others are too large beside it"
                )
            return Part(rg.from_numpy(scaled), _goal(labels[chosen], target), scaled.reshape(-1, *x.shape[1:]))

        checked = None if rows[1] is None else part(rows[1])
        samples = Samples(path.stem, inputs, target, part(rows[0]), checked, part(rows[2]), fingerprint(path))
        return samples, [line for line in decided.decisions if "target is" not in line]


def _load(path: Path) -> tuple[tuple[str, ...], dict[str, NDArray[Any]]]:
    """The names that the file has of those that are understood, and their arrays."""
    with path.open("rb") as file:
        archive = Archive(path, file)
        for names in (*_SPLIT_NAMES, *_WHOLE_NAMES):
            if all(name in archive.names for name in names):
                return names, archive.read(names)
        held = ", ".join(name if name.isprintable() else ascii(name) for name in archive.names)[:200] or "none"
        raise ValueError(f"{path} needs arrays x and y, or train_x, train_y, test_x and test_y; it has {held}")


def npz_inputs(path: Path) -> NDArray[Any]:
    """The samples in an NPZ file that need have no labels."""
    with path.open("rb") as file:
        archive = Archive(path, file)
        for name in ("x", "X", "test_x", "x_test"):
            if name in archive.names:
                return archive.read([name])[name]
        raise ValueError(f"{path} needs an array x to predict from; it has {', '.join(archive.names)[:200] or 'none'}")


def npy_array(path: Path) -> NDArray[Any]:
    """The array of an NPY file, of numbers and with two or three dimensions."""
    problem = f"{path} is not an NPY file of a plain array"
    with path.open("rb") as file:
        with understanding(problem):
            version = npy.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"version {version} of the format is for elements that are no numbers")
            shape, _, dtype = _HEADERS[version](file)
        if dtype.kind not in "fiub" or len(shape) not in (2, 3):
            raise ValueError(f"{path} must hold numbers, rows by columns, not {dtype} of shape {shape}")
        size = path.stat().st_size
        check_unpacked(str(path), size, int(np.prod(shape, dtype=object)) * dtype.itemsize)
        file.seek(0)
        with understanding(problem):
            array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    if array.size == 0:
        raise ValueError(f"{path} is empty: its shape is {array.shape}")
    return array


def npy_table(path: Path) -> Arrays:
    """The columns of a matrix in an NPY file."""
    array = npy_array(path)
    if array.ndim != 2:
        raise ValueError(f"{path} must hold rows by columns, not an array of shape {array.shape}")
    return Arrays(path, {f"column {i + 1}": array[:, i] for i in range(array.shape[1])})


def parquet_table(path: Path) -> Arrays:
    """The columns of a Parquet file, which pandas reads."""
    try:
        import pandas as pd
        import pyarrow  # noqa: F401 - what pandas reads with
    except ImportError:
        raise ValueError(f"{path}: Parquet files are read by pandas and pyarrow: pip install 'rgrad[tables]'") from None
    with path.open("rb") as file, understanding(f"{path} is not a Parquet file"):
        frame = pd.read_parquet(file, engine="pyarrow")
    columns: dict[str, Any] = {}
    for name in frame.columns:
        series = frame[name]
        if pd.api.types.is_bool_dtype(series.dtype) or not pd.api.types.is_numeric_dtype(series.dtype):
            columns[str(name)] = series.astype(object).where(series.notna(), None).to_numpy()
        else:
            columns[str(name)] = series.to_numpy(np.float64, na_value=np.nan)
    if not columns or not len(frame):
        raise ValueError(f"{path} holds no rows")
    return Arrays(path, columns)


def _check(path: Path, x_name: str, x: NDArray[Any], y_name: str, y: NDArray[Any]) -> None:
    if x.dtype.kind not in "fiub" or x.ndim not in (2, 3):
        expected = "numbers, samples by features or samples by rows by columns"
        raise ValueError(f"{path}: {x_name} must hold {expected}, not {x.dtype} of shape {x.shape}")
    if y.dtype.kind not in "fiubU" or y.ndim != 1:
        raise ValueError(f"{path}: {y_name} must hold one number or name per sample, not {y.dtype} of shape {y.shape}")
    if len(x) != len(y):
        raise ValueError(f"{path}: {x_name} has {len(x)} rows, but {y_name} has {len(y)}")
    if x.size == 0:
        raise ValueError(f"{path}: {x_name} is empty: its shape is {x.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~np.isfinite(x.astype(np.float32)).all(axis=tuple(range(1, x.ndim)))
    if bad.any():
        raise ValueError(f"{path}: {x_name} has a value that is not a finite float32 in row {int(np.argmax(bad))}")
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(y.astype(np.float32))
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(f"{path}: {y_name} has {y[row]} in row {row}; it must hold finite numbers or names")
