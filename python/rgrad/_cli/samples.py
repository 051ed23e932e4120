"""Samples to train, to validate and to test with, from a bundled dataset or a file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rgrad as rg
from rgrad._cli.inputs import Columns, Number, Pixels, Target
from rgrad._cli.plan import CLASSIFICATION, Plan, class_name
from rgrad._cli.source import Source
from rgrad.datasets import Dataset

_BLOCK = 1 << 20


class Part(NamedTuple):
    """Some of the samples.

    Attributes:
        x: inputs of the model, float32 (rows, inputs).
        y: classes, int64 (rows,); or standardised values, float32 (rows, 1).
        raw: for pictures: images, or the columns as they are if there are two of numbers.
    """

    x: rg.Tensor
    y: rg.Tensor
    raw: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(slots=True)
class Samples:
    """What a model is trained with.

    Attributes:
        name: what the data are called.
        inputs: how they become inputs of a model.
        target: what is predicted.
        train: to train with.
        validation: to choose the best epoch by, if some are set aside for that.
        test: to test with.
        fingerprint: of the file, to notice another one.
    """

    name: str
    inputs: Columns | Pixels
    target: Target
    train: Part
    validation: Part | None
    test: Part
    fingerprint: list[int]

    def __repr__(self) -> str:
        numbers = [len(part) for part in (self.train, self.validation, self.test) if part is not None]
        if isinstance(self.inputs, Pixels):
            what = "images of {}x{} pixels".format(*self.inputs.shape)
        else:
            what = f"{len(self.inputs.columns)} features"
        goal = f"{len(self.target.classes)} classes" if self.target.classes else "regression"
        return f"{self.name}: {' + '.join(map(str, numbers))} samples, {what}, {goal}"


class Table(NamedTuple):
    """The columns of a table that are used, as arrays of numbers or lists of text, and the target.

    Attributes:
        values: the inputs by name.
        labels: classes as numbers from 0, or the values to predict.
    """

    values: dict[str, Any]
    labels: NDArray[Any]


def read(source: Source, decided: Plan) -> Table:
    """Read the columns that are used, of rows that have a target."""
    is_class = decided.task == CLASSIFICATION
    kinds = {**decided.kinds, decided.target: "text" if is_class else "number"}
    held: dict[str, list[Any]] = {name: [] for name in kinds}
    for block, _ in source.blocks(kinds):
        goal: Any = block[decided.target]
        keep = np.array([text != "" for text in goal]) if is_class else ~np.isnan(goal)
        for name, cells in block.items():
            chosen: Any = cells[keep] if isinstance(cells, np.ndarray) else _chosen(cells, keep)
            held[name].append(chosen)
    joined: dict[str, Any] = {
        name: np.concatenate(parts) if kinds[name] == "number" else [text for part in parts for text in part]
        for name, parts in held.items()
    }
    goal = joined.pop(decided.target)
    return Table(joined, labels_of(goal, decided.classes) if is_class else goal)


def _chosen(cells: list[str], keep: NDArray[np.bool_]) -> list[str]:
    return cells if keep.all() else [cell for cell, kept in zip(cells, keep.tolist(), strict=True) if kept]


def labels_of(texts: list[str], classes: Any) -> NDArray[np.int64]:
    """The classes of the texts, from 0; -1 for others."""
    are_whole = all(text.lstrip("-").isdecimal() for text in classes)
    place = {name: code for code, name in enumerate(classes)}
    codes = {text: place.get(class_name(text, are_whole), -1) for text in set(texts)}
    return np.array([codes[text] for text in texts], np.int64)


def from_table(
    path: Path,
    table: Table,
    decided: Plan,
    test: float | NDArray[np.int64],
    validation: float,
    seed: int,
    fold: tuple[int, int] | None = None,
) -> Samples:
    """Divide the rows of a table, and fit what becomes of its columns to those that train.

    Args:
        path: the file.
        table: its columns.
        decided: what is done with them.
        test: the share of the rows to test with, or which.
        validation: the share of the others to validate with; 0 for none.
        seed: of both draws.
        fold: (i, k) to test with the ith of k parts instead.
    """
    parts = divide(path, table.labels, bool(decided.classes), test, validation, seed, fold)
    inputs = Columns.fitted(decided.kinds, table.values, parts[0])
    target = _target(decided.target, decided.classes, table.labels[parts[0]])
    are_two = len(inputs.columns) == 2 and all(isinstance(c, Number) for c in inputs.columns)

    def part(rows: NDArray[np.int64] | None) -> Part | None:
        if rows is None:
            return None
        values: dict[str, Any] = {
            name: column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows.tolist()]
            for name, column in table.values.items()
        }
        raw = np.stack([values[c.name] for c in inputs.columns], 1).astype(np.float32) if are_two else None
        return Part(rg.from_numpy(inputs.apply(values)), _goal(table.labels[rows], target), raw)

    train, checked, tested = (part(rows) for rows in parts)
    assert train is not None
    assert tested is not None
    return Samples(path.stem, inputs, target, train, checked, tested, fingerprint(path))


def _target(name: str, classes: list[str], values: NDArray[Any]) -> Target:
    if classes:
        return Target(name, tuple(classes))
    std = float(values.astype(np.float64).std())
    return Target(name, (), float(values.mean(dtype=np.float64)), std if std > 0 else 1.0)


def _goal(labels: NDArray[Any], target: Target) -> rg.Tensor:
    if target.classes:
        return rg.from_numpy(np.ascontiguousarray(labels, np.int64))
    return rg.from_numpy(((labels.astype(np.float64) - target.mean) / target.std).astype(np.float32)[:, None])


def divide(
    path: Path,
    labels: NDArray[Any],
    is_class: bool,
    test: float | NDArray[np.int64],
    validation: float,
    seed: int,
    fold: tuple[int, int] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64]]:
    """The rows to train, to validate and to test with, of each class the same share."""
    if fold is not None:
        tested = _fold(path, labels, is_class, seed, *fold)
    elif isinstance(test, float):
        tested = _drawn(labels, np.arange(len(labels)), is_class, test, seed)
        if not len(tested):
            raise ValueError(f"{path}: {len(labels)} rows are too few to test with {test:.0%} of each class")
    else:
        tested = test
    rest = np.setdiff1d(np.arange(len(labels)), tested)
    if not len(rest):
        raise ValueError(f"{path}: no rows are left to train with")
    if validation == 0:
        return rest, None, tested
    checked = _drawn(labels, rest, is_class, validation, seed + 1)
    if not len(checked):
        raise ValueError(
            f"{path}: {len(rest)} rows are too few to validate with {validation:.0%}; add --validation-fraction 0"
        )
    return np.setdiff1d(rest, checked), checked, tested


def _drawn(
    labels: NDArray[Any], rows: NDArray[np.int64], is_class: bool, fraction: float, seed: int
) -> NDArray[np.int64]:
    """The same share of each class, drawn at random, but leaving at least one sample of it."""
    generator = rg.Generator().manual_seed(seed % 2**63)
    order = rows[rg.randperm(len(rows), generator=generator).numpy()]
    groups = [order[labels[order] == label] for label in np.unique(labels[rows])] if is_class else [order]
    chosen = [group[: min(round(fraction * len(group)), len(group) - 1)] for group in groups]
    return np.sort(np.concatenate(chosen))


def _fold(path: Path, labels: NDArray[Any], is_class: bool, seed: int, i: int, k: int) -> NDArray[np.int64]:
    """The ith of k parts, in each of which the classes have the same shares."""
    order = rg.randperm(len(labels), generator=rg.Generator().manual_seed(seed)).numpy()
    if is_class:
        order = order[np.argsort(labels[order], kind="stable")]
    if len(order) < 2 * k:
        raise ValueError(f"{path}: {len(order)} rows are too few for {k} folds")
    return np.sort(order[i::k])


def from_dataset(data: Dataset, white: float = 1.0) -> Samples:
    """The samples of a bundled dataset, which has a test set of its own."""
    values: list[Mapping[str, Any]] = []
    inputs: Columns | Pixels
    if data.image_shape is not None:
        inputs = Pixels(data.image_shape, white)
        xs = [data.train_x, data.test_x]
        raws: list[Any] = [x.numpy().reshape(-1, *data.image_shape) for x in xs]
    else:
        arrays = [x.numpy().astype(np.float64) for x in (data.train_x, data.test_x)]
        values = [dict(zip(data.feature_names, x.T, strict=True)) for x in arrays]
        inputs = Columns.fitted(dict.fromkeys(data.feature_names, "number"), values[0], np.arange(len(arrays[0])))
        xs = [rg.from_numpy(inputs.apply(value)) for value in values]
        raws = [x.numpy() if x.shape[1] == 2 else None for x in (data.train_x, data.test_x)]
    target = Target("class", data.class_names)
    train, test = (Part(x, y, raw) for x, y, raw in zip(xs, (data.train_y, data.test_y), raws, strict=True))
    return Samples(data.name, inputs, target, train, None, test, [])


def fingerprint(path: Path) -> list[int]:
    """Size and checksum of a file."""
    size = checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return [size, checksum]
