"""From columns to a model's inputs: what is learned from the training rows, and applied to all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgrad._cli.source import Values


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers: missing ones become the median, and then all are standardised.

    Attributes:
        name: the column's.
        fill: the median.
        mean: of the training rows.
        std: of the training rows; 1 if they are all the same.
    """

    name: str
    fill: float
    mean: float
    std: float
    kind = "number"
    size = 1

    @classmethod
    def fitted(cls, name: str, values: NDArray[np.float64]) -> Number:
        """Of the training rows; float32, as models take it, decides what they are."""
        known = values[~np.isnan(values)].astype(np.float32).astype(np.float64)
        fill = float(np.median(known)) if len(known) else 0.0
        filled = np.where(np.isnan(values), fill, values).astype(np.float32).astype(np.float64)
        std = float(filled.std())
        return cls(name, fill, float(filled.mean()), std if std > 0 else 1.0)

    def apply(self, values: Any) -> NDArray[np.float32]:
        """The column as inputs (rows, 1)."""
        filled = np.where(np.isnan(values), self.fill, values).astype(np.float32).astype(np.float64)
        return np.asarray(((filled - self.mean) / self.std).astype(np.float32)[:, None])

    def to_json(self) -> dict[str, Any]:
        """As a model file has it."""
        return {"name": self.name, "kind": self.kind, "fill": self.fill, "mean": self.mean, "std": self.std}


@dataclass(frozen=True, slots=True)
class Category:
    """A column of texts: one input for each, 1 where it stands and else 0.

    Attributes:
        name: the column's.
        values: the texts of the training rows, sorted. Others, and missing ones, make all inputs 0.
        unknown: texts that were met and are none of these, with how often.
    """

    name: str
    values: list[str]
    unknown: Counter[str] = field(default_factory=Counter)
    kind = "text"

    @classmethod
    def fitted(cls, name: str, values: Sequence[str]) -> Category:
        """Of the training rows."""
        return cls(name, sorted(set(values) - {""}))

    @property
    def size(self) -> int:
        """How many inputs it makes."""
        return len(self.values)

    def apply(self, values: Sequence[str]) -> NDArray[np.float32]:
        """The column as inputs (rows, size)."""
        place = {value: i for i, value in enumerate(self.values)}
        codes = np.array([place.get(value, -1) for value in values])
        if (codes < 0).any():
            self.unknown.update(value for value in values if value and value not in place)
        return np.asarray(codes[:, None] == np.arange(len(self.values)), np.float32)

    def to_json(self) -> dict[str, Any]:
        """As a model file has it."""
        return {"name": self.name, "kind": self.kind, "values": self.values}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table as inputs, side by side."""

    columns: list[Number | Category]

    @classmethod
    def fitted(cls, kinds: Mapping[str, str], values: Mapping[str, Values], rows: NDArray[np.int64]) -> Columns:
        """Of the training rows."""
        found: list[Number | Category] = []
        for name, kind in kinds.items():
            column: Any = values[name]
            if kind == "number":
                found.append(Number.fitted(name, column[rows]))
            else:
                found.append(Category.fitted(name, [column[row] for row in rows.tolist()]))
        return cls(found)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column, by name."""
        return {column.name: column.kind for column in self.columns}

    @property
    def size(self) -> int:
        """How many inputs they make."""
        return sum(column.size for column in self.columns)

    def apply(self, values: Mapping[str, Any]) -> NDArray[np.float32]:
        """The rows as inputs (rows, size)."""
        return np.concatenate([column.apply(values[column.name]) for column in self.columns], 1)

    def unknown(self) -> list[str]:
        """A line about each column in which `apply` met categories that it does not know."""
        lines = []
        for column in self.columns:
            if isinstance(column, Category) and column.unknown:
                most = ", ".join(f"'{value}'" for value, _ in column.unknown.most_common(5))
                lines.append(
                    f"column '{column.name}': {column.unknown.total()} cells hold categories not trained with ({most})"
                )
        return lines

    def to_json(self) -> dict[str, Any]:
        """As a model file has it."""
        return {"columns": [column.to_json() for column in self.columns]}


@dataclass(frozen=True, slots=True)
class Pixels:
    """Images: divided by white.

    Attributes:
        shape: rows and columns.
        white: what becomes 1.
    """

    shape: tuple[int, int]
    white: float

    @property
    def size(self) -> int:
        """How many inputs they make."""
        return self.shape[0] * self.shape[1]

    def apply(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Images (n, rows, columns) or (n, rows × columns) as inputs."""
        return np.asarray(np.divide(images.reshape(len(images), -1), self.white, dtype=np.float32))

    def to_json(self) -> dict[str, Any]:
        """As a model file has it."""
        return {"images": list(self.shape), "white": self.white}


def from_json(content: Mapping[str, Any]) -> Columns | Pixels:
    """What `to_json` gave."""
    if "images" in content:
        rows, columns = content["images"]
        return Pixels((int(rows), int(columns)), float(content["white"]))
    found: list[Number | Category] = []
    for entry in content["columns"]:
        if entry["kind"] == "number":
            found.append(Number(str(entry["name"]), float(entry["fill"]), float(entry["mean"]), float(entry["std"])))
        else:
            found.append(Category(str(entry["name"]), [str(value) for value in entry["values"]]))
    return Columns(found)


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted.

    Attributes:
        name: the column's.
        classes: in the order of the model's outputs; none for a regression.
        mean: of a regression's training rows; the model predicts (value - mean) / std.
        std: of a regression's training rows.
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @property
    def task(self) -> str:
        """Classification or regression."""
        return "classification" if self.classes else "regression"

    @property
    def size(self) -> int:
        """How many outputs the model has."""
        return len(self.classes) or 1

    def to_json(self) -> dict[str, Any]:
        """As a model file has it."""
        return {"name": self.name, "classes": list(self.classes), "mean": self.mean, "std": self.std}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Target:
        """What `to_json` gave."""
        classes = tuple(str(name) for name in content["classes"])
        return cls(str(content["name"]), classes, float(content["mean"]), float(content["std"]))
