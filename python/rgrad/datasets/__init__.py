"""Standard datasets, as `Dataset` objects: `mnist`, `digits` and `iris`."""

from rgrad.datasets._bundled import digits, iris
from rgrad.datasets._dataset import Dataset
from rgrad.datasets._mnist import mnist

__all__ = ["Dataset", "digits", "iris", "mnist"]
