"""Curriculum learning: easy samples first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rgrad import _core
from rgrad._core import Generator, Tensor
from rgrad._shared.integer import integer
from rgrad.data._arguments import generator_or_none, vector
from rgrad.data.samplers import Sampler

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CurriculumSampler(Sampler):
    """Proceeds from easy samples to hard ones: each epoch visits, in random order, a growing share of the easiest.

    This is the curriculum of Bengio, Louradour, Collobert and Weston, "Curriculum learning", ICML 2009, with the pacing
    functions of Hacohen and Weinshall, "On the power of curriculum learning in training deep networks", ICML 2019.
    Scores may come from a heuristic (the length of a sentence, the noise of an image) or from another model's losses.

    Each `iter()` starts the next epoch; `set_epoch` selects any. The length is that of the next epoch.

    Args:
        scores: The difficulty of each sample, a finite number, low for easy ones. Ties keep the order of the dataset.
        epochs: The share grows linearly from `start` in epoch 0 to all samples from epoch `epochs` on.
        start: The share in epoch 0, above 0 and at most 1.
        pace: Instead of `epochs` and `start`, a function from the epoch (from 0 on) to the share of samples available;
            it must return more than 0, and values above 1 count as 1.
        generator: Source of the random orders; the default generator if `None`.

    Raises:
        TypeError: Neither or both of `epochs` and `pace` are given.
        ValueError: A score is not finite, or `start` or a result of `pace` is out of range.

    Example:
        >>> sampler = CurriculumSampler([0.9, 0.1, 0.5, 0.3], epochs=2, start=0.5)
        >>> [sorted(sampler) for epoch in range(3)]
        [[1, 3], [1, 2, 3], [0, 1, 2, 3]]
        >>> CurriculumSampler([0.9, 0.1, 0.5, 0.3], pace=lambda epoch: 0.25 * 2**epoch).available(1)
        2
    """

    def __init__(
        self,
        scores: Sequence[float] | Tensor | NDArray[Any],
        *,
        epochs: int | None = None,
        start: float = 0.2,
        pace: Callable[[int], float] | None = None,
        generator: Generator | None = None,
    ) -> None:
        import numpy as np

        if (epochs is None) == (pace is None):
            raise TypeError("CurriculumSampler: give either epochs, over which the share grows, or pace, a function")
        if not 0 < start <= 1:
            raise ValueError(f"CurriculumSampler: start is a share above 0 and at most 1, not {start}")
        scores = vector("scores", scores)
        self.start = float(start)
        self.epochs = None if epochs is None else integer("epochs", epochs, 1)
        self.pace = pace
        self.generator = generator_or_none(generator)
        self.epoch = 0
        self._easiest = _core.from_numpy(np.argsort(scores, kind="stable").astype(np.int64, copy=False))

    def set_epoch(self, epoch: int) -> None:
        """Makes this epoch (counted from 0) the next one, for example when resuming from a checkpoint."""
        self.epoch = integer("epoch", epoch, 0)

    def available(self, epoch: int) -> int:
        """The number of easiest samples that this epoch visits: its share of all, rounded, at least one."""
        total = len(self._easiest)
        if self.pace is not None:
            share = float(self.pace(epoch))
        else:
            assert self.epochs is not None
            share = self.start + (1 - self.start) * epoch / self.epochs
        if not share > 0:
            raise ValueError(f"CurriculumSampler: a share must be above 0, but pace({epoch}) returned {share}")
        return min(total, max(1, round(min(share, 1.0) * total)))

    def order(self) -> Tensor:
        """The indices of the next epoch; advances to the one after it."""
        count = self.available(self.epoch)
        self.epoch += 1
        shuffled = _core.randperm(count, generator=self.generator)
        return _core.index_select(self._easiest, 0, shuffled)

    def __len__(self) -> int:
        return self.available(self.epoch)
