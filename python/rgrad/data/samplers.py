"""Samplers: the order in which samples are visited, and their grouping into batches.

Random orders come from an `rgrad.Generator`, so one seed gives one sequence of orders on every platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer
from rgrad.data._arguments import generator_or_none, positions, vector
from rgrad.data.datasets import with_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rgrad.data.datasets import Rows


class Sampler:
    """The order in which samples are visited. Each `iter()` is one epoch.

    `DataLoader` accepts any iterable of indices; subclasses that define `order` let it gather whole batches at once.
    """

    def order(self) -> Tensor:
        """The indices of the next epoch, as a vector of int64."""
        raise NotImplementedError(f"{type(self).__name__} must define order() or __iter__()")

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} does not define __len__()")


class SequentialSampler(Sampler):
    """Every sample once, in the order of the dataset.

    Args:
        data_source: any dataset that `DataLoader` takes and that has a length.
    """

    def __init__(self, data_source: Any) -> None:
        self.data_source = with_length("SequentialSampler", data_source)

    def order(self) -> Tensor:
        """All indices, ascending."""
        return _core.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Samples in random order.

    Args:
        data_source: any dataset that `DataLoader` takes and that has a length.
        replacement: Draw every index independently, so that some may repeat and others be missing.
        num_samples: Number of draws; the size of the dataset if `None`. Without replacement, every sample is visited
            once before any is visited again.
        generator: Source of the random order; the default generator if `None`.

    Raises:
        ValueError: `num_samples` is below 1, or the dataset is empty.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = with_length("RandomSampler", data_source)
        self.replacement = bool(replacement)
        self.generator = generator_or_none(generator)
        self._num_samples = None if num_samples is None else integer("num_samples", num_samples, 1)
        if self._num_samples is not None and len(self.data_source) == 0:
            raise ValueError(f"RandomSampler: cannot draw {num_samples} samples from an empty dataset")

    @property
    def num_samples(self) -> int:
        """Number of indices per epoch."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> Tensor:
        """Draws the indices of the next epoch."""
        total, wanted = len(self.data_source), self.num_samples
        if wanted == 0:
            return _core.zeros(0, dtype="int64")
        if self.replacement:
            return _core.randint(0, total, (wanted,), generator=self.generator)
        rounds = [_core.randperm(total, generator=self.generator) for _ in range(-(-wanted // total))]
        return rounds[0][:wanted] if len(rounds) == 1 else _core.cat(rounds)[:wanted]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given samples, each once, in random order.

    Args:
        indices: Integers, the indices of the samples in the dataset.
        generator: Source of the random order; the default generator if `None`.
    """

    def __init__(self, indices: Iterable[int] | Tensor | NDArray[Any], generator: Generator | None = None) -> None:
        self.indices = positions("indices", indices)
        self.generator = generator_or_none(generator)

    def order(self) -> Tensor:
        """The indices, in a new random order."""
        return _core.index_select(self.indices, 0, _core.randperm(len(self.indices), generator=self.generator))

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Draws samples with probabilities proportional to their weights, for example rare classes more often.

    Without replacement, each draw is made among the remaining samples (Efraimidis and Spirakis, "Weighted random
    sampling with a reservoir", Information Processing Letters 97, 2006: the smallest of independent exponential times
    with the weights as rates).

    Args:
        weights: A non-negative number per sample; they need not sum to 1.
        num_samples: Number of draws per epoch.
        replacement: Whether a sample may be drawn repeatedly.
        generator: Source of randomness; the default generator if `None`.

    Raises:
        ValueError: A weight is negative, NaN or infinite, all are 0, `num_samples` is below 1, or, without replacement,
            exceeds the number of positive weights.

    Example:
        >>> labels = rg.tensor([0, 0, 0, 1])
        >>> weights = [1 / 3, 1 / 3, 1 / 3, 1.0]  # both classes equally often
        >>> sampler = WeightedRandomSampler(weights, num_samples=1000, generator=rg.Generator(0))
        >>> 450 < sum(labels[i].item() for i in sampler) < 550
        True
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor | NDArray[Any],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.weights = vector("weights", weights)
        self.num_samples = integer("num_samples", num_samples, 1)
        self.replacement = bool(replacement)
        self.generator = generator_or_none(generator)
        for position in (self.weights < 0).nonzero()[0][:1]:
            raise ValueError(f"weights must not be negative, but number {position} is {self.weights[position]}")
        self._possible = self.weights.nonzero()[0]
        if len(self._possible) == 0:
            raise ValueError(f"at least one of the {len(self.weights)} weights must be above 0")
        if not self.replacement and self.num_samples > len(self._possible):
            raise ValueError(
                f"cannot draw {self.num_samples} samples without replacement: "
                f"only {len(self._possible)} weights are above 0"
            )

    def order(self) -> Tensor:
        """Draws the indices of the next epoch."""
        import numpy as np

        # Divided by the largest, because the sum of huge weights would be infinite.
        weights = self.weights[self._possible] / self.weights.max()
        size = self.num_samples if self.replacement else len(weights)
        uniform = _core.rand(size, dtype="float64", generator=self.generator)
        if self.replacement:
            ends = np.cumsum(weights)
            chosen = np.searchsorted(ends[:-1], uniform.numpy() * ends[-1], side="right")
        else:
            # rgrad's logarithm, unlike NumPy's, has the same bits on every machine.
            times = _core.log(1 - uniform).numpy() / -weights
            chosen = np.argsort(times, kind="stable")[: self.num_samples]
        return _core.from_numpy(self._possible[chosen].astype(np.int64, copy=False))

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler:
    """Groups the indices of a sampler into batches.

    Args:
        sampler: A `Sampler`, or any iterable of indices.
        batch_size: Indices per batch; the last batch is smaller if they do not divide evenly.
        drop_last: Drop a smaller last batch.

    Example:
        >>> list(BatchSampler(range(7), batch_size=3, drop_last=False))
        [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        self.sampler = sampler
        self.batch_size = integer("batch_size", batch_size, 1)
        self.drop_last = bool(drop_last)

    def batches(self) -> Iterator[Rows]:
        """The batches in the form that is gathered fastest. The order is drawn now, not at the first batch."""
        sampler = self.sampler
        # A subclass of one of the above may override the order.
        if not isinstance(sampler, Sampler) or type(sampler).__iter__ is not Sampler.__iter__:
            return groups(iter(sampler), self.batch_size, self.drop_last)
        starts = range(0, len(self) * self.batch_size, self.batch_size)
        if type(sampler) is SequentialSampler:
            total = len(sampler)
            return (slice(start, min(start + self.batch_size, total)) for start in starts)
        order = sampler.order()
        return (order[start : start + self.batch_size] for start in starts)

    def __iter__(self) -> Iterator[list[int]]:
        return groups(iter(self.sampler), self.batch_size, self.drop_last)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)


def groups(items: Iterator[Any], size: int, drop_last: bool) -> Iterator[list[Any]]:
    """Lists of `size` items each; a smaller last one unless `drop_last`."""
    while group := list(islice(items, min(size, 2**62))):
        if len(group) < size and drop_last:
            return
        yield group
