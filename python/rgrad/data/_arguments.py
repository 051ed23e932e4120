"""Argument checks shared by loaders, samplers and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rgrad import _core
from rgrad._core import Generator, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


def generator_or_none(value: object) -> Generator | None:
    """`value`. TypeError unless it is a generator or `None`."""
    if value is not None and not isinstance(value, Generator):
        raise TypeError(f"generator must be an rgrad.Generator or None, not {type(value).__name__}")
    return value


def vector(name: str, values: object) -> NDArray[Any]:
    """One finite float64 number per sample. ValueError for another number of dimensions, NaN or infinity."""
    import numpy as np

    array = _core.tensor(values, dtype="float64").numpy()
    if array.ndim != 1:
        raise ValueError(f"{name} must be one number per sample, in one dimension, but have shape {array.shape}")
    if not np.isfinite(array).all():
        place = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name} must be finite, but number {place} is {array[place]}")
    return array


def positions(name: str, values: object) -> Tensor:
    """Positions in a dataset as a vector of int64. TypeError or ValueError for anything else."""
    if not isinstance(values, Tensor):
        values = _core.tensor(values if hasattr(values, "dtype") else list(values))  # type: ignore[call-overload]
    if values.ndim != 1:
        raise ValueError(f"{name} must have one dimension, but have shape {tuple(values.shape)}")
    if values.shape[0] == 0:
        return _core.zeros(0, dtype="int64")
    if values.dtype.name not in ("int64", "int32", "uint8"):
        raise TypeError(f"{name} must be integers, not {values.dtype.name}")
    return values.long()
