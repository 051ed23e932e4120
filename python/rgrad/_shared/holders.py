"""Who holds parameters besides the modules: optimizers, which are told when a module replaces one."""

import warnings
from typing import Protocol
from weakref import WeakSet

from rgrad._core import Tensor


class Holder(Protocol):
    """Something that goes on using the parameters that it was given."""

    def _holds(self, param: Tensor) -> bool: ...

    def _replace(self, old: Tensor, new: Tensor) -> None: ...


HOLDERS: WeakSet[Holder] = WeakSet()


def replace(old: Tensor, new: Tensor) -> None:
    """Puts ``new`` in the place of ``old`` wherever that is held."""
    for holder in tuple(HOLDERS):
        holder._replace(old, new)


def warn_if_held(old: Tensor, name: str) -> None:
    """Warns who assigns to the attribute ``name`` in the place of ``old`` if an optimizer goes on updating that."""
    if any(holder._holds(old) for holder in tuple(HOLDERS)):
        warnings.warn(
            f"{name} is another Parameter now, but an optimizer goes on updating the one before: make the optimizer "
            "anew, or write into the parameter instead, with rg.no_grad() and copy_",
            stacklevel=3,
        )
