"""The named tuples that operations with several results return."""

from typing import NamedTuple

from rgrad._core import Tensor

__all__ = ["ValuesIndices"]


class ValuesIndices(NamedTuple):
    """Elements of a tensor, and their indices along the dimension that was searched or sorted."""

    values: Tensor
    indices: Tensor
