"""The common form of all datasets: training and test tensors, and the names of classes and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgrad import _core
from rgrad._core import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A training set and a test set.

    Attributes:
        name: Name of the dataset.
        train_x: float32, one sample per row.
        train_y: int64, the class of each sample, from 0 on.
        test_x: Like `train_x`.
        test_y: Like `train_y`.
        class_names: Name of each class.
        feature_names: Name of each column; empty for images.
        image_shape: Height and width if the samples are images, or `None`.
    """

    name: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None

    def __repr__(self) -> str:
        train, features = self.train_x.shape
        shape = "images of {}x{} pixels".format(*self.image_shape) if self.image_shape else f"{features} features"
        classes = len(self.class_names)
        return f"Dataset({self.name!r}: {train} + {self.test_x.shape[0]} samples, {shape}, {classes} classes)"

    @classmethod
    def from_arrays(
        cls,
        name: str,
        arrays: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
        class_names: Sequence[str],
        feature_names: Sequence[str] = (),
        image_shape: tuple[int, int] | None = None,
    ) -> Dataset:
        """Makes a dataset from NumPy arrays in the order of the attributes, converted to float32 and int64."""
        train_x, train_y, test_x, test_y = arrays
        return cls(
            name,
            _core.from_numpy(np.ascontiguousarray(train_x, np.float32)),
            _core.from_numpy(np.ascontiguousarray(train_y, np.int64)),
            _core.from_numpy(np.ascontiguousarray(test_x, np.float32)),
            _core.from_numpy(np.ascontiguousarray(test_y, np.int64)),
            tuple(class_names),
            tuple(feature_names),
            image_shape,
        )


def pixels(images: NDArray[Any], white: float) -> NDArray[np.float32]:
    """Images as rows of float32, scaled so that `white` becomes 1."""
    scaled: NDArray[np.float32] = np.divide(images.reshape(len(images), -1), white, dtype=np.float32)
    return scaled


def every_fifth(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Marks the fifth, tenth, … sample of each class: a fixed, stratified test set."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[4::5]] = True
    return chosen
