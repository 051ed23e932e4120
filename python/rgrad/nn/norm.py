"""Normalisation layers."""

from collections.abc import Sequence
from typing import Any, SupportsIndex

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.integer import integer, integers
from rgrad.nn.module import TensorModule, as_tensor
from rgrad.nn.parameter import Parameter


class BatchNorm1d(TensorModule):
    """(x − mean) / √(var + eps) · weight + bias for every channel of (N, C) or (N, C, L).

    Training mode uses the statistics of the batch and updates the running ones; evaluation mode uses the running ones,
    or the batch's if none are tracked. Ioffe and Szegedy, Batch normalization, ICML 2015.

    Args:
        num_features: C.
        eps: Added to the variance.
        momentum: Weight of the new batch in the running statistics; None averages over all batches.
        affine: Whether to learn ``weight`` and ``bias``, (C,), initially 1 and 0.
        track_running_stats: Whether to keep ``running_mean``, ``running_var`` and ``num_batches_tracked``.
        dtype: Dtype of the parameters and statistics; the default dtype if None.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
    ) -> None:
        self.num_features = integer("BatchNorm1d: num_features", num_features, 1)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(_core.ones(num_features, dtype=dtype)) if affine else None
        self.bias = Parameter(_core.zeros(num_features, dtype=dtype)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", _core.zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", _core.ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", _core.zeros(dtype="int64") if tracked else None)

    def reset_running_stats(self) -> None:
        """Resets the running statistics."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1.0)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Resets the running statistics, and sets weights to 1 and biases to 0."""
        self.reset_running_stats()
        if self.weight is not None and self.bias is not None:
            self.weight.detach().fill_(1.0)
            self.bias.detach().zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) or (N, C, L) to the same shape."""
        x = as_tensor(x)
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm1d: expected (N, {self.num_features}) or (N, {self.num_features}, L), got {x.shape}"
            )
        mean, var, count = self.running_mean, self.running_var, self.num_batches_tracked
        if self.training and self.momentum is None and mean is not None and var is not None and count is not None:
            return self._averaged(x, mean, var, count)
        update, by_batch = self.training and mean is not None, self.training or mean is None
        used = update or not by_batch
        y = _core.batch_norm(
            x,
            mean if used else None,
            var if used else None,
            self.weight,
            self.bias,
            by_batch,
            self.momentum or 0.0,
            self.eps,
        )
        # Only now: a batch that is rejected does not count.
        if update and count is not None:
            count += 1
        return y

    def _averaged(self, x: Tensor, mean: Tensor, var: Tensor, count: Tensor) -> Tensor:
        """Training mode, with running statistics that are averages over all batches."""
        # With momentum 1 they become the batch's. The weight of the others is known only when a compiled step runs.
        batch_mean, batch_var = _core.zeros_like(mean), _core.zeros_like(var)
        y = _core.batch_norm(x, batch_mean, batch_var, self.weight, self.bias, True, 1.0, self.eps)
        count += 1
        share = 1 / count.double()
        for running, batch in ((mean, batch_mean), (var, batch_var)):
            running.copy_(running * (1 - share).to(running.dtype) + batch * share.to(running.dtype))
        return y

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    all_sizes = [normalized_shape] if isinstance(normalized_shape, SupportsIndex) else normalized_shape
    return integers("normalized_shape", all_sizes)


class LayerNorm(TensorModule):
    """(x − mean) / √(var + eps) · weight + bias, with statistics over the last dimensions of each example.

    Ba et al., Layer normalization, 2016.

    Args:
        normalized_shape: The last dimensions of the input.
        eps: Added to the variance.
        elementwise_affine: Whether to learn ``weight`` and ``bias`` of that shape, initially 1 and 0.
        bias: Whether ``elementwise_affine`` includes a ``bias``.
        dtype: Dtype of the parameters; the default dtype if None.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = _sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = Parameter(_core.ones(shape, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(_core.zeros(shape, dtype=dtype)) if elementwise_affine and bias else None

    def reset_parameters(self) -> None:
        """Sets weights to 1 and biases to 0."""
        if self.weight is not None:
            self.weight.detach().fill_(1.0)
        if self.bias is not None:
            self.bias.detach().zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(…, *normalized_shape) to the same shape."""
        return _core.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(TensorModule):
    """x / √(mean of x² + eps) · weight over the last dimensions. Zhang and Sennrich, NeurIPS 2019.

    Args:
        normalized_shape: The last dimensions of the input.
        eps: Added to the mean square; the machine epsilon of the input's dtype if None.
        elementwise_affine: Whether to learn a ``weight`` of that shape, initially 1.
        dtype: Dtype of the weight; the default dtype if None.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = _sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(_core.ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None

    def reset_parameters(self) -> None:
        """Sets weights to 1."""
        if self.weight is not None:
            self.weight.detach().fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(…, *normalized_shape) to the same shape."""
        return _core.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
