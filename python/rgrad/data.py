"""Mini-batches of tensors in memory: `TensorDataset` and `DataLoader`, with PyTorch's names.

A shuffled batch is gathered by one call per tensor, a batch in file order is a view: no row passes through Python.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rgrad as rg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rgrad import Generator, Tensor

__all__ = ["DataLoader", "TensorDataset"]


class TensorDataset:
    """Samples kept as rows of tensors: sample `i` is `(tensors[0][i], tensors[1][i], …)`.

    Args:
        *tensors: tensors or NumPy arrays, all of the same length in dimension 0. Arrays are not copied.

    Raises:
        TypeError: one of them is neither a tensor nor an array.
        ValueError: there are none, or one has another length than the first.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor | NDArray[Any]) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        self.tensors = tuple(_as_tensor(value, position) for position, value in enumerate(tensors))
        lengths = [tensor.shape[0] for tensor in self.tensors]
        for position, length in enumerate(lengths):
            if length != lengths[0]:
                raise ValueError(
                    f"TensorDataset: all tensors must have the same length in dimension 0, "
                    f"but tensor 0 has {lengths[0]} and tensor {position} has {length}"
                )

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(str(tuple(tensor.shape)) for tensor in self.tensors)})"


class DataLoader:
    """Batches of a `TensorDataset`, as tuples with one tensor for each of its tensors.

    Every `iter()` draws a new order if `shuffle` is set. Without it the batches are views of the dataset's tensors.

    Args:
        dataset: the samples.
        batch_size: rows in a batch; the last batch is smaller if the rows do not divide evenly.
        shuffle: visit the rows in random order.
        drop_last: leave out that smaller last batch.
        generator: where the order is drawn from; the default generator (`rg.manual_seed`) if `None`.

    Example:
        >>> dataset = TensorDataset(rg.rand(250, 4), rg.zeros(250, dtype=rg.int64))
        >>> for inputs, labels in DataLoader(dataset, batch_size=100, shuffle=True):
        ...     print(inputs.shape, labels.shape)
        (100, 4) (100,)
        (100, 4) (100,)
        (50, 4) (50,)
    """

    def __init__(
        self,
        dataset: TensorDataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(dataset, TensorDataset):
            raise TypeError(f"DataLoader takes a TensorDataset, not {type(dataset).__name__}: wrap the tensors in one")
        if generator is not None and not isinstance(generator, rg.Generator):
            raise TypeError(f"generator must be an rgrad.Generator or None, not {type(generator).__name__}")
        try:
            batch_size = operator.index(batch_size)
        except TypeError:
            raise TypeError(f"batch_size must be an integer, not {type(batch_size).__name__}") from None
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = bool(shuffle)
        self.drop_last = bool(drop_last)
        self.generator = generator

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # The order is drawn here, not at the first batch, so that the order of the calls to iter() decides.
        order = rg.randperm(len(self.dataset), generator=self.generator) if self.shuffle else None
        return self._batches(order)

    def _batches(self, order: Tensor | None) -> Iterator[tuple[Tensor, ...]]:
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = slice(start, min(start + self.batch_size, len(self.dataset)))
            if order is None:
                yield tuple(tensor[rows] for tensor in self.dataset.tensors)
            else:
                chosen = order[rows]
                yield tuple(rg.index_select(tensor, 0, chosen) for tensor in self.dataset.tensors)


def _as_tensor(value: object, position: int) -> Tensor:
    import numpy as np

    if isinstance(value, np.ndarray):
        value = rg.from_numpy(value)
    if not isinstance(value, rg.Tensor):
        kind = type(value).__name__
        raise TypeError(f"TensorDataset takes tensors and NumPy arrays, but argument {position} is {kind}")
    if value.ndim == 0:
        raise ValueError(f"TensorDataset: tensor {position} has no dimension 0 to hold samples")
    return value
