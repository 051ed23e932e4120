"""The named tuples that operations with several results give."""

from typing import NamedTuple

from rgrad._core import Tensor

__all__ = ["ValuesIndices"]


class ValuesIndices(NamedTuple):
    """Elements of a tensor, and where they stood along the dimension that was searched or sorted."""

    values: Tensor
    indices: Tensor
