"""Tables as RealMLP sees them: categories one-hot, numbers scaled robustly and clipped smoothly, gaps marked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: in the frame, or the number of an array's column.
        data: the values.
        is_category: whether the frame says so.
    """

    name: Any
    data: NDArray[Any]
    is_category: bool = False

    def objects(self) -> list[Any]:
        """The values if they may be strings, else none."""
        return self.data.tolist() if self.data.dtype.kind in "OSUT" else []


class Columns:
    """Turns the columns of a table into features: Holzmüller et al., "Better by default", NeurIPS 2024, RealMLP-TD-S.

    A category becomes one column for each of its values, or one of −1 and 1 if there are two; what is missing or was
    never seen is 0 in all of them. Missing numbers become the median, and a column that says so is added where there
    are any. Then x becomes z / √(1 + (z / 3)²) where z is x minus the median, divided by the distance of the quartiles
    or, where that is 0, by half the range. A feature that does not vary becomes 0.

    Quantiles are those of the inverse of the distribution function, averaged where it is flat (number 2 of Hyndman and
    Fan, 1996), so that a weight of 2 does what a second row does.

    Args:
        X: a frame, or an array (rows, columns).
        weights: of the rows.
        categorical: which columns are categories: their positions, their names or a mask; `"from_dtype"` for those
            of strings, objects and categories.
    """

    def __init__(self, X: Any, weights: Floats | None, categorical: Any) -> None:
        table = columns_of(X)
        self.values: list[NDArray[Any] | None] = []
        """The values of each category, sorted; None for a column of numbers."""
        self.marked: list[bool] = []
        """Whether a column of numbers had missing ones."""
        kept = slice(None) if weights is None else weights > 0
        for column, is_category in zip(table, _chosen(table, categorical), strict=True):
            values = _values(column.data[kept]) if is_category else None
            self.values.append(values)
            self.marked.append(values is None and bool(np.isnan(_numbers(column)[kept]).any()))
        self.medians, self.scales = _robust(self._features(table), weights)

    def __call__(self, X: Any) -> NDArray[np.float32]:
        """(rows, columns) to (rows, features) of float32."""
        x = self._features(columns_of(X))
        x -= self.medians
        np.copyto(x, 0.0, where=np.isnan(x))
        x *= self.scales
        x /= np.sqrt(1 + np.square(x / 3))
        return x.astype(np.float32)

    def _features(self, table: Sequence[Column]) -> Floats:
        """Numbers, with NaN for what is missing, their marks, and one-hot columns."""
        made: list[Floats] = []
        for column, values, marked in zip(table, self.values, self.marked, strict=True):
            if values is not None:
                made += _one_hot(column.data, values)
                continue
            numbers = _numbers(column)
            made.append(numbers)
            if marked:
                made.append(np.isnan(numbers).astype(np.float64))
        return np.stack(made, axis=1) if made else np.zeros((len(table[0].data), 0))


def is_frame(X: Any) -> bool:
    """Whether it is a frame of pandas or polars, or a table of pyarrow."""
    return hasattr(X, "iloc") or hasattr(X, "get_columns") or hasattr(X, "itercolumns")


def columns_of(X: Any) -> list[Column]:
    """The columns of a frame of pandas, polars or pyarrow, or of an array, whose columns are numbered."""
    if hasattr(X, "iloc"):
        return [_of_pandas(X.columns[i], X.iloc[:, i]) for i in range(X.shape[1])]
    if hasattr(X, "itercolumns"):
        return [Column(name, column.to_numpy()) for name, column in zip(X.column_names, X.itercolumns(), strict=True)]
    if hasattr(X, "get_columns"):
        return [Column(column.name, column.to_numpy()) for column in X.get_columns()]
    return [Column(i, column) for i, column in enumerate(np.asarray(X).T)]


def _of_pandas(name: Any, column: Any) -> Column:
    """A column with NaN for every kind of missing value."""
    if getattr(column.dtype, "kind", "O") in "iufb":
        return Column(name, column.to_numpy(dtype=np.float64, na_value=np.nan))
    data = np.where(np.asarray(column.isna()), np.nan, np.asarray(column, dtype=object))
    return Column(name, data, str(column.dtype) == "category")


def _chosen(table: list[Column], categorical: Any) -> list[bool]:
    """Which of the columns are categories."""
    if categorical is None:
        return [False] * len(table)
    if isinstance(categorical, str):
        return [column.is_category or any(isinstance(v, str) for v in column.objects()) for column in table]
    given = list(categorical)
    if given and all(isinstance(item, bool | np.bool_) for item in given):
        if len(given) != len(table):
            raise ValueError(f"categorical_features is a mask of {len(given)} columns, but there are {len(table)}")
        return [bool(item) for item in given]
    positions = {i: i for i in range(len(table))} | {column.name: i for i, column in enumerate(table)}
    for item in given:
        if item not in positions:
            raise ValueError(f"categorical_features: X has no column {item!r}; it has {[c.name for c in table]}")
    places = {positions[item] for item in given}
    return [i in places for i in range(len(table))]


def _numbers(column: Column) -> Floats:
    """The column as float64. ValueError for infinity; TypeError or ValueError for what is no number."""
    try:
        if column.data.dtype.kind in "Mm":
            raise TypeError(f"it holds {column.data.dtype}")
        numbers = np.array(column.data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"column {column.name!r} holds neither numbers nor categories: {error}; make numbers of it, or name it in "
            "categorical_features"
        ) from None
    if np.isinf(numbers).any():
        raise ValueError(f"Input X contains infinity, in column {column.name!r}")
    return numbers


def _is_missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "O":
        return np.array([value is None or value != value for value in column.tolist()], dtype=bool)
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)


def _values(column: NDArray[Any]) -> NDArray[Any]:
    """The values that occur, sorted; those of several types by their types' names first."""
    present = column[~_is_missing(column)]
    if present.dtype.kind != "O":
        return np.unique(present)
    values = sorted(set(present.tolist()), key=lambda value: (type(value).__name__, value))
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _one_hot(column: NDArray[Any], values: NDArray[Any]) -> list[Floats]:
    place = {value: i for i, value in enumerate(values.tolist())}
    codes = np.array([place.get(value, -1) for value in column.tolist()])
    made = [(codes == i).astype(np.float64) for i in range(len(values))]
    return [made[0] - made[1]] if len(made) == 2 else made


def _robust(x: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Medians and factors of the columns, of the numbers that are there."""
    medians, scales = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for i, column in enumerate(x.T):
        there = ~np.isnan(column) if weights is None else ~np.isnan(column) & (weights > 0)
        if not there.any():
            continue
        numbers = np.sort(column[there])
        low, medians[i], high = quantiles(column[there], None if weights is None else weights[there], (0.25, 0.5, 0.75))
        distance = high - low if high > low else (numbers[-1] - numbers[0]) / 2
        scales[i] = 1 / distance if distance > 0 else 0.0
    return medians, scales


def quantiles(x: Floats, weights: Floats | None, shares: Sequence[float]) -> Floats:
    """Quantiles of numbers with weights above 0: number 2 of Hyndman and Fan."""
    order = np.argsort(x, kind="stable")
    x, totals = x[order], np.cumsum(np.ones(len(x)) if weights is None else weights[order])
    targets = np.asarray(shares) * totals[-1]
    # A sum that should be the target but for rounding is the target.
    slack = 1e-12 * totals[-1]
    below = np.searchsorted(totals, targets - slack)
    above = np.minimum(np.searchsorted(totals, targets + slack, side="right"), len(x) - 1)
    return np.asarray((x[below] + x[above]) / 2)
