"""Datasets: rows of tensors and arrays, subsets, and random splits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer
from rgrad.data._arguments import generator_or_none, positions
from rgrad.data.collate import default_collate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows: TypeAlias = Tensor | slice | Sequence[int]


@runtime_checkable
class Dataset(Protocol):
    """The protocol of a map-style dataset: a length, and samples by index from 0 on. Classes need not inherit it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class TensorDataset:
    """Samples kept as rows of tensors: sample `i` is `(tensors[0][i], tensors[1][i], …)`, views of the rows.

    Args:
        *tensors: Anything that `rg.tensor` accepts, all of the same length in dimension 0: tensors, arrays, data frames
            and their columns (by position, ignoring the index), other libraries' tensors, lists of numbers. Contiguous
            tensors and NumPy arrays are not copied, and only the rows that a batch needs are read from a memory-mapped
            file (`np.memmap`). Arrays whose memory a tensor cannot share, because of their dtype, byte order or
            strides, stay arrays in `tensors`; their rows are converted on access. Arrays and frames of float64 become
            the default dtype, so that a float32 model computes in float32; `rg.tensor(x)` keeps float64.

    Raises:
        TypeError: An argument cannot be converted to a tensor; for a frame, the message names the column.
        ValueError: There are no arguments, or their lengths differ.
    """

    tensors: tuple[Tensor | NDArray[Any], ...]

    def __init__(self, *tensors: Any) -> None:
        self.tensors = columns("TensorDataset", tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(t[index] if isinstance(t, Tensor) else as_default(_core.tensor(t[index])) for t in self.tensors)

    def gather(self, rows: Rows) -> tuple[Tensor, ...]:
        """The batch of these rows, in this order: a tuple of tensors that share no memory with the dataset."""
        return tuple(_take(tensor, rows) for tensor in self.tensors)

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(str(tuple(tensor.shape)) for tensor in self.tensors)})"


def columns(caller: str, tensors: Sequence[Any]) -> tuple[Tensor | NDArray[Any], ...]:
    """The containers of the rows of tensors and tables passed to `caller`. Errors as for `TensorDataset`."""
    if not tensors:
        raise ValueError(f"{caller} needs at least one tensor")
    made = tuple(_column(caller, value, position) for position, value in enumerate(tensors))
    for position, column in enumerate(made):
        if len(column) != len(made[0]):
            raise ValueError(
                f"{caller}: all tensors must have the same length in dimension 0, "
                f"but tensor 0 has {len(made[0])} and tensor {position} has {len(column)}"
            )
    return made


class SingleDataset:
    """The rows of one tensor, array or table, as samples without a tuple around them."""

    def __init__(self, tensor: Any) -> None:
        self.rows = TensorDataset(tensor)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return self.rows[index][0]

    def gather(self, rows: Rows) -> Tensor:
        """The batch of these rows, in this order."""
        return self.rows.gather(rows)[0]


class Subset:
    """Selected samples of a dataset, in a given order.

    Args:
        dataset: Any dataset with a length that `DataLoader` accepts.
        indices: Indices of the samples, integers from 0 to `len(dataset) - 1`.

    Raises:
        IndexError: An index is out of range.
        TypeError: The indices are not integers, or the dataset has no length.
    """

    def __init__(self, dataset: Any, indices: Iterable[int] | Tensor | NDArray[Any]) -> None:
        self.dataset = with_length("Subset", dataset)
        self.indices = positions("indices", indices)
        length = len(self.dataset)
        for position, index in enumerate(self.indices.tolist()):
            if not 0 <= index < length:
                raise IndexError(f"Subset: index {index} at position {position} is out of range for {length} samples")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index].item())]

    def gather(self, rows: Rows) -> Any:
        """The batch of these rows, in this order."""
        chosen = _take(self.indices, rows)
        return gather(self.dataset, chosen)


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset]:
    """Divides a dataset at random into disjoint parts.

    Args:
        dataset: Any dataset with a length that `DataLoader` accepts.
        lengths: The number of samples in each part, summing to `len(dataset)`; or fractions summing to 1, which are
            rounded down, with the remaining samples going one each to the first parts.
        generator: Source of the random order; the default generator if `None`.

    Raises:
        ValueError: A length is negative, or the sum is neither `len(dataset)` nor 1.

    Example:
        >>> train, test = random_split(rg.arange(10), [0.8, 0.2], rg.Generator(0))
        >>> len(train), len(test)
        (8, 2)
    """
    dataset = with_length("random_split", dataset)
    sizes = _sizes(len(dataset), list(lengths))
    order = _core.randperm(len(dataset), generator=generator_or_none(generator))
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _sizes(total: int, lengths: list[int | float]) -> list[int]:
    if any(isinstance(length, float) for length in lengths):
        bad = [length for length in lengths if not 0 <= length <= 1]
        if bad or not math.isclose(math.fsum(lengths), 1, rel_tol=1e-9):
            raise ValueError(f"random_split: fractions must lie between 0 and 1 with the sum 1, got {lengths}")
        # A fraction like 0.29 of 100 is 28.999999999999996 in binary.
        sizes = [math.floor(length * total + 1e-9) for length in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
        return sizes
    sizes = [integer("random_split: a length", length, 0) for length in lengths]
    if sum(sizes) != total:
        raise ValueError(f"random_split: the lengths {sizes} have the sum {sum(sizes)}, but there are {total} samples")
    return sizes


def as_dataset(value: Any) -> Any:
    """An argument of `DataLoader` as a dataset: tensors, tables and tuples of them are wrapped."""
    if isinstance(value, tuple):
        return TensorDataset(*value)
    return SingleDataset(value) if has_rows(value) else value


def with_length(caller: str, value: Any) -> Any:
    """`as_dataset(value)`. TypeError unless it has a length and samples by position."""
    dataset = as_dataset(value)
    if not isinstance(dataset, Dataset):
        raise TypeError(f"{caller} takes a dataset with __len__ and __getitem__, not {type(value).__name__}")
    return dataset


def gather(dataset: Any, rows: Rows) -> Any:
    """The batch of these rows: gathered at once if the dataset can, else collated from its samples."""
    # A subclass may change the samples by overriding __getitem__.
    if getattr(type(dataset), "__getitem__", None) in _GATHERED:
        return dataset.gather(rows)
    return default_collate(samples(dataset, rows))


_GATHERED = [TensorDataset.__getitem__, SingleDataset.__getitem__, Subset.__getitem__]


def samples(dataset: Any, rows: Rows) -> list[Any]:
    """The samples of these rows, one by one."""
    if isinstance(rows, slice):
        return [dataset[i] for i in range(rows.start, rows.stop)]
    return [dataset[i] for i in (rows.tolist() if isinstance(rows, Tensor) else rows)]


def has_rows(value: object) -> bool:
    """Whether ``value`` is a tensor, an array or a table in memory, of this library or another."""
    if isinstance(value, type) or (hasattr(value, "chunks") and not hasattr(value, "to_numpy")):
        return False  # arrays in files, such as those of h5py or zarr, are read sample by sample
    return any(hasattr(value, protocol) for protocol in ("__array__", "__array_interface__", "__dlpack__"))


def _column(caller: str, value: Any, position: int) -> Tensor | NDArray[Any]:
    import numpy as np

    if not isinstance(value, Tensor | np.ndarray):
        if not has_rows(value) and not isinstance(value, list | tuple | range):
            kind = type(value).__name__
            raise TypeError(f"{caller} takes tensors, arrays, frames and lists, but argument {position} is {kind}")
        try:
            value = as_default(_core.tensor(value))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{caller}: argument {position}: {error}") from None
    if value.ndim == 0:
        raise ValueError(f"{caller}: tensor {position} has no dimension 0 to hold samples")
    if isinstance(value, Tensor):
        # Gathering with other strides would copy the whole tensor for every batch.
        return value.contiguous()
    try:
        # Of a file only those rows are read and converted that a batch asks for.
        if value.flags.c_contiguous and not (isinstance(value, np.memmap) and value.dtype == np.float64):
            return as_default(_core.from_numpy(value))
    except (TypeError, ValueError):
        pass
    _core.tensor(value[:0])  # raises the reason if no row can become a tensor
    array: NDArray[Any] = value
    return array


def as_default(made: Tensor) -> Tensor:
    """What was made of an array or a table: floats that are float64 because NumPy's are become the default dtype."""
    return made.to(_core.get_default_dtype()) if made.dtype.name == "float64" else made


def _take(column: Tensor | NDArray[Any], rows: Rows) -> Tensor:
    if isinstance(rows, slice):
        if rows.stop > len(column):
            raise IndexError(f"row {rows.stop - 1} is out of range for {len(column)} rows")
        # A copy, as gathering makes one: changing a batch must not change the data.
        return column[rows].clone() if isinstance(column, Tensor) else as_default(_core.tensor(column[rows]))
    rows = rows if isinstance(rows, Tensor) else positions("rows", rows)
    if isinstance(column, Tensor):
        return _core.index_select(column, 0, rows)
    return as_default(_core.tensor(column[rows.numpy()]))
