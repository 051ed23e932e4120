"""Datasets that the tests of loading share."""

import numpy as np

from rgrad.data import TensorDataset


def numbered(rows):
    """A dataset in which row i is ([i, i, i], -i)."""
    x = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 3, axis=1)
    return TensorDataset(x, -np.arange(rows))


def order(loader):
    """The row numbers in the order in which the loader gives them."""
    return [int(-label) for _, labels in loader for label in labels.tolist()]


class Squares:
    """A map-style dataset: sample i is (i, i²)."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return np.float32(index), index**2


class Counting:
    """An iterable that starts anew each time."""

    def __iter__(self):
        return iter(range(5))
