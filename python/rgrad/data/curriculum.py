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
    """Goes from easy samples to hard ones: every epoch visits, in random order, a growing share of the easiest samples.

    This is the curriculum of Bengio, Louradour, Collobert and Weston, "Curriculum learning", ICML 2009, with the pacing
    functions of Hacohen and Weinshall, "On the power of curriculum learning in training deep networks", ICML 2019.
    Scores may come from a heuristic (the length of a sentence, the noise of an image) or from another model's losses.

    Each `iter()` is the next epoch; `set_epoch` goes to any. The length is that of the epoch that comes next.

    Args:
        scores: how hard each sample is: one finite number per sample, small for easy ones. Equal scores keep the order
            of the dataset.
        epochs: the share grows linearly from `start` in epoch 0 to all samples from epoch number `epochs` on.
        start: the share in epoch 0, above 0 and at most 1.
        pace: the share of the samples available in an epoch as a function of its number (from 0 on), in place of
            `epochs` and `start`; above 0, and what is above 1 counts as 1.
        generator: where the orders are drawn from; the default generator if `None`.

    Raises:
        TypeError: neither or both of `epochs` and `pace` are given.
        ValueError: a score is not finite, `start` or what `pace` returns is out of range.

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
        """Makes this epoch (counted from 0) the next one, as when training goes on from a checkpoint."""
        self.epoch = integer("epoch", epoch, 0)

    def available(self, epoch: int) -> int:
        """How many of the easiest samples this epoch visits: the share of all, rounded, and at least one."""
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
        """The indices of the next epoch; the one after it is then the next."""
        count = self.available(self.epoch)
        self.epoch += 1
        shuffled = _core.randperm(count, generator=self.generator)
        return _core.index_select(self._easiest, 0, shuffled)

    def __len__(self) -> int:
        return self.available(self.epoch)
