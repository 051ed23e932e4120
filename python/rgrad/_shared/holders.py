"""Holders of parameters other than modules: optimizers, which are notified when a module replaces one."""

import warnings
from typing import Protocol
from weakref import WeakSet

from rgrad._core import Tensor


class Holder(Protocol):
    """An object that keeps using the parameters that it was given."""

    def _holds(self, param: Tensor) -> bool: ...

    def _replace(self, old: Tensor, new: Tensor) -> None: ...


HOLDERS: WeakSet[Holder] = WeakSet()


def replace(old: Tensor, new: Tensor) -> None:
    """Replaces ``old`` by ``new`` in all of its holders."""
    for holder in tuple(HOLDERS):
        holder._replace(old, new)


def warn_if_held(old: Tensor, name: str) -> None:
    """Warns about an assignment to the attribute ``name`` if an optimizer still updates ``old``, the value before."""
    if any(holder._holds(old) for holder in tuple(HOLDERS)):
        warnings.warn(
            f"{name} is another Parameter now, but an optimizer still updates the one before: create the optimizer "
            "again, or write into the parameter instead, with rg.no_grad() and copy_",
            stacklevel=3,
        )
