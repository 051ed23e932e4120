"""A user's own data: a table or arrays in a file become samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgrad._cli.arrays import ArchiveOfSamples, npy_array, npy_table, npz_inputs, parquet_table
from rgrad._cli.csv import TextTable
from rgrad._cli.plan import Plan, plan
from rgrad._cli.samples import Samples, Table, from_table, read
from rgrad._cli.source import Arrays, Source

_TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*_TEXT, ".parquet", ".npz", ".npy")


@dataclass(slots=True)
class Loaded:
    """What a file holds.

    Attributes:
        samples: what a model is trained with.
        decisions: what was decided about the file, for the user to read.
        table: its columns; None for images.
        decided: what is done with them; None for images.
    """

    samples: Samples
    decisions: list[str]
    table: Table | None = None
    decided: Plan | None = None


def load(
    path: Path,
    *,
    target: str | None = None,
    task: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    header: bool | None = None,
    test: float = 0.2,
    validation: float = 0.2,
    seed: int = 0,
) -> Loaded:
    """Read a file, as its name ends, and divide its rows.

    Args:
        path: the file.
        target: the column to predict, by name or number; None to decide.
        task: "classification", "regression", or None to decide.
        features: the inputs, by name or number; None for all that are of use.
        drop: columns to leave out.
        header: whether the first line of a text file has the names; None to find out.
        test: the share of each class to test with, drawn at random, unless the file has a test set.
        validation: the share of the others to validate with; 0 for none.
        seed: of the draws.

    Raises:
        ValueError: the content cannot be used; the message says where and why.
        OSError: the file cannot be read.
    """
    suffix = path.suffix.lower()
    source: Source
    tested: Any = test
    if suffix == ".npz":
        archive = ArchiveOfSamples(path)
        if archive.are_images:
            if features or drop:
                option = "features" if features else "drop"
                raise ValueError(f"argument --{option}: {path.stem} holds images, not named columns")
            samples, decisions = archive.images(task, test, validation, seed)
            return Loaded(samples, decisions)
        source = archive.table()
        tested = test if archive.tested is None else archive.tested
    elif suffix == ".npy":
        source = npy_table(path)
    else:
        source = parquet_table(path) if suffix == ".parquet" else TextTable(path, header)
    decided = plan(source, target, task, features, drop)
    table = read(source, decided)
    samples = from_table(path, table, decided, tested, validation, seed)
    return Loaded(samples, [*source.decisions, *decided.decisions], table, decided)


def open_table(path: Path, header: bool | None, known: Sequence[str]) -> Source:
    """The table in a file that need have no target; `known` are the names that a header would have."""
    suffix = path.suffix.lower()
    if suffix in _TEXT:
        return TextTable(path, header, known, least=1)
    if suffix == ".parquet":
        return parquet_table(path)
    array = npy_array(path) if suffix == ".npy" else npz_inputs(path)
    if array.ndim != 2:
        raise ValueError(f"{path} holds an array of shape {array.shape}, and the model takes rows of columns")
    return Arrays(path, {f"column {i + 1}": array[:, i] for i in range(array.shape[1])})
