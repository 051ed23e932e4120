"""Losses as modules: called with the model's output and the target."""

from rgrad import _core
from rgrad._core import Tensor
from rgrad.nn.module import Module


class _Loss(Module):
    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f'{type(self).__name__}: reduction must be "mean", "sum" or "none", got {reduction!r}')
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return self.forward(input, target)


class CrossEntropyLoss(_Loss):
    """ln Σ exp(x) − x[label], for logits (N, C) and integer labels (N,); ``reduction`` over the N examples."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C) and labels (N,) to a scalar, or to (N,) without reduction."""
        return _core.cross_entropy(input, target, self.reduction)


class MSELoss(_Loss):
    """(input − target)², for tensors of equal shapes."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.mse_loss(input, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of σ(input) against probabilities, computed without overflow."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.binary_cross_entropy_with_logits(input, target, self.reduction)
