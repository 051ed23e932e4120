"""Layers and losses as functions of tensors alone."""

from rgrad._core import (
    Tensor,
    binary_cross_entropy_with_logits,
    cross_entropy,
    dropout as _dropout,
    linear,
    log_softmax,
    logsigmoid,
    mse_loss,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from rgrad.nn.sparse import embedding

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "embedding",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mse_loss",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each element of ``x`` set to 0 with probability ``p``, the others divided by 1 − p; ``x`` unless training."""
    return _dropout(x, p) if training else x
