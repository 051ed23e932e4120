"""`DataLoader`: batches of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer
from rgrad.data._arguments import generator_or_none
from rgrad.data.collate import default_collate
from rgrad.data.datasets import Dataset, TensorDataset, as_dataset, gather, has_rows, samples
from rgrad.data.samplers import BatchSampler, RandomSampler, SequentialSampler, groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

B = TypeVar("B")


class DataLoader(Generic[B]):
    """Batches of samples. ``DataLoader[B]`` gives batches of type ``B``.

    The samples may be

    - a tensor, an array, also a memory-mapped one (`np.memmap`), a data frame or a column of one, of this library or
      another, with a sample in each row: batches are tensors;
    - a tuple of them (or of lists) with rows that belong together, or a `TensorDataset`: batches are tuples of tensors;
    - any object with `__len__` and `__getitem__`, a list of samples or a `Subset` for example;
    - any other iterable, also a generator: it is batched as it comes, and cannot be shuffled.

    There are no worker processes to set up or tune: rows of tensors and arrays are gathered in Rust, with one call per
    tensor and batch. A batch is a copy, so changing it does not change the data. Only the rows of a batch are read from
    a memory-mapped file. Arrays and frames of float64 become the default dtype; `rg.tensor(x)` keeps float64. Samples
    of other datasets pass through Python one by one, and so do all if `collate_fn` is given.

    Each `iter()` is one epoch, in a new random order if samples are shuffled.

    Args:
        dataset: The samples.
        batch_size: Samples per batch; the last batch is smaller if they do not divide evenly.
        shuffle: Visit the samples in random order.
        sampler: The order of the samples: a `Sampler`, or any iterable of indices.
        batch_sampler: The batches: a `BatchSampler`, or any iterable of lists of indices. Excludes all other arguments
            but `collate_fn`.
        drop_last: Drop a smaller last batch.
        generator: Source of the random order; the default generator (`rg.manual_seed`) if `None`.
        collate_fn: Makes a batch from a list of samples, instead of `default_collate`.

    Raises:
        TypeError: The dataset is none of the above.
        ValueError: An argument is out of range or excludes another.

    Example:
        >>> images, labels = rg.rand(250, 4), rg.zeros(250, dtype=rg.int64)
        >>> for x, y in DataLoader((images, labels), batch_size=100, shuffle=True):
        ...     print(x.shape, y.shape)
        (100, 4) (100,)
        (100, 4) (100,)
        (50, 4) (50,)
    """

    @overload
    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        collate_fn: Callable[[list[Any]], B],
    ) -> None: ...

    @overload
    def __init__(
        self: DataLoader[Tensor],
        dataset: Tensor | NDArray[Any],
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        collate_fn: None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: DataLoader[tuple[Tensor, ...]],
        dataset: tuple[Any, ...] | TensorDataset,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        collate_fn: None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: DataLoader[Any],
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        collate_fn: None = None,
    ) -> None: ...

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        if collate_fn is not None and not callable(collate_fn):
            raise TypeError(f"collate_fn must be a function or None, not {type(collate_fn).__name__}")
        self.dataset = dataset
        self.batch_size = integer("batch_size", batch_size, 1)
        self.drop_last = bool(drop_last)
        self.generator = generator_or_none(generator)
        self.collate_fn = collate_fn
        self._source = _source(dataset)
        self._exhausted = False
        _check_exclusive(self, bool(shuffle), sampler, batch_sampler)
        if isinstance(self._source, Dataset) and batch_sampler is None:
            if sampler is None and shuffle:
                sampler = RandomSampler(self._source, generator=self.generator)
            sampler = SequentialSampler(self._source) if sampler is None else sampler
            batch_sampler = BatchSampler(sampler, self.batch_size, self.drop_last)
        self.sampler = sampler
        self.batch_sampler = batch_sampler

    def __len__(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        whole, rest = divmod(len(self._source), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[B]:
        sampler, collate = self.batch_sampler, self.collate_fn
        if sampler is None:
            return self._stream()
        # The order is drawn here, not at the first batch: the calls of iter() decide who draws first.
        batches = sampler.batches() if type(sampler) is BatchSampler else iter(sampler)
        if collate is None:
            return (gather(self._source, rows) for rows in batches)
        return (collate(samples(self._source, rows)) for rows in batches)

    def _stream(self) -> Iterator[Any]:
        if self._exhausted:
            raise RuntimeError(
                f"the {type(self.dataset).__name__} of this DataLoader was used up by an earlier pass over it; "
                f"for several passes give an object whose __iter__ starts anew"
            )
        collate = self.collate_fn or default_collate
        items = iter(self._source)
        return self._collated(items, collate)

    def _collated(self, items: Iterator[Any], collate: Callable[[list[Any]], Any]) -> Iterator[Any]:
        for group in groups(items, self.batch_size, self.drop_last):
            yield collate(group)
        # An exhausted iterator yields nothing, and training would silently continue without batches.
        self._exhausted = items is self._source


def _source(dataset: Any) -> Any:
    if isinstance(dataset, str | bytes | Mapping | type) or not (
        isinstance(dataset, Iterable) or hasattr(dataset, "__getitem__") or has_rows(dataset)
    ):
        raise TypeError(
            f"DataLoader takes a tensor, an array or a frame, a tuple of them, a dataset with __len__ and __getitem__, "
            f"or an iterable of samples, not {type(dataset).__name__}"
        )
    return as_dataset(dataset)


def _check_exclusive(loader: DataLoader[Any], shuffle: bool, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle, "sampler": sampler is not None, "batch_sampler": batch_sampler is not None}
    names = " and ".join(name for name, is_given in given.items() if is_given)
    if names and not isinstance(loader._source, Dataset):
        raise ValueError(
            f"{names}: an iterable without __len__ and __getitem__ comes in its own order; "
            f"make a list of it first, or shuffle where it comes from"
        )
    if batch_sampler is not None and (
        loader.batch_size != 1 or shuffle or sampler is not None or loader.drop_last or loader.generator is not None
    ):
        raise ValueError("batch_sampler decides alone: give no batch_size, shuffle, sampler, drop_last or generator")
    if sampler is not None and shuffle:
        raise ValueError("a sampler decides on the order: give either shuffle or sampler")
    if sampler is not None and loader.generator is not None:
        raise ValueError("the order is drawn by the sampler: give the generator to it")
