"""Collating single samples into a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd.trees import items, with_items

__all__ = ["default_collate"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stacks samples along a new dimension 0, preserving their structure.

    Tensors and arrays become tensors with one more dimension, and numbers become vectors (floats of the default dtype,
    integers of int64); strings become a list; tuples, lists, dicts and dataclasses are collated item by item.

    Args:
        batch: At least one sample; all of the same structure.

    Raises:
        TypeError: Objects of this type cannot be collated.
        ValueError: The batch is empty, or the samples differ in shape, length or keys.

    Example:
        >>> default_collate([(rg.tensor([1.0, 2.0]), 0), (rg.tensor([3.0, 4.0]), 1)])
        (tensor([[1., 2.],
                [3., 4.]]), tensor([0, 1]))
    """
    if len(batch) == 0:
        raise ValueError("default_collate: an empty batch has no shape")
    first = batch[0]
    kind = _kind(first)
    for position, sample in enumerate(batch):
        if _kind(sample) is not kind:
            names = f"sample 0 is of type {type(first).__name__}, but sample {position} of {type(sample).__name__}"
            raise TypeError(f"default_collate: {names}")
    if kind is float:
        return _core.tensor(list(batch))
    if kind is Tensor:
        return _stack(batch)
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return _collate_mappings(batch)
    if items(first) is not None:
        return _collate_containers(batch)
    raise TypeError(
        f"default_collate: cannot make a batch of {kind.__name__}; "
        f"give collate_fn, a function from the list of samples to the batch"
    )


def _kind(sample: object) -> type:
    """The type, where all numbers count as `float` and everything that becomes a tensor as `Tensor`."""
    if isinstance(sample, bool | int | float):
        return float
    return Tensor if hasattr(sample, "__array__") else type(sample)


def _collate_mappings(batch: Sequence[Mapping[Any, Any]]) -> dict[Any, Any]:
    first = batch[0]
    for position, sample in enumerate(batch):
        if sample.keys() != first.keys():
            raise ValueError(
                f"default_collate: sample 0 has the keys {list(first)}, but sample {position} has {list(sample)}"
            )
    return {key: default_collate([sample[key] for sample in batch]) for key in first}


def _collate_containers(batch: Sequence[Any]) -> Any:
    rows = [items(sample) or () for sample in batch]
    for position, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"default_collate: sample 0 has {len(rows[0])} items, but sample {position} has {len(row)}; "
                f"give collate_fn, which can pad them"
            )
    return with_items(batch[0], [default_collate(column) for column in zip(*rows, strict=True)])


def _stack(batch: Sequence[Any]) -> Tensor:
    tensors = [sample if isinstance(sample, Tensor) else _core.tensor(sample) for sample in batch]
    for position, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise ValueError(
                f"default_collate: sample 0 has shape {tensors[0].shape}, but sample {position} has {tensor.shape}; "
                f"give collate_fn, which can pad them"
            )
    return _core.stack(tensors)
