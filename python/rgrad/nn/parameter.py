"""Parameters of modules."""

from typing import Any, Self

from rgrad._core import DType, Tensor


class Parameter(Tensor):
    """A tensor that is learned: a leaf that requires gradients, with its own copy of ``data``."""

    def __new__(cls, data: Any, requires_grad: bool = True) -> Self:
        """Copies ``data``, a tensor, array or nested list of floats."""
        return super().__new__(cls, data, requires_grad=requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def converted(old: Tensor, dtype: DType) -> Tensor:
    """A parameter or buffer of another dtype, with the gradient of the old one."""
    if not isinstance(old, Parameter):
        return old.to(dtype)
    new = Parameter(old.detach().to(dtype), old.requires_grad)
    if old.grad is not None:
        new.grad = old.grad.to(dtype)
    return new
