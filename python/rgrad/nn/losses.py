"""Losses as modules, called with the model's output and the target; see ``nn.functional`` for formulas and shapes."""

from typing import TYPE_CHECKING

from rgrad import _core
from rgrad._core import Tensor
from rgrad.nn.module import Module


class _Loss(Module):
    _reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean", *called_with: Tensor) -> None:
        if called_with or not isinstance(reduction, str):
            raise _called(self, "reduction", reduction)
        if reduction not in self._reductions:
            names = ", ".join(self._reductions)
            raise ValueError(f"{type(self).__name__}: reduction must be one of {names}, got {reduction!r}")
        self.reduction = reduction

    if TYPE_CHECKING:

        def __call__(self, input: Tensor, target: Tensor) -> Tensor: ...


def _called(loss: Module, setting: str, value: object) -> TypeError:
    """Points out that a loss was given its input when it was constructed."""
    name = type(loss).__name__
    return TypeError(
        f"{name}: cannot take {type(value).__name__} as {setting}: a loss is made first, and then called with input "
        f"and target: {name}()(input, target)"
    )


class _WeightedLoss(_Loss):
    # A buffer: part of the model's state, and converted with the model.
    weight: Tensor | None

    def __init__(self, weight: Tensor | None, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of softmax(input) against labels or probabilities.

    Args:
        weight: (C,), a weight for each class.
        ignore_index: A label whose examples do not contribute.
        reduction: "mean" (weighted by the labels' weights), "sum" or "none".
        label_smoothing: The fraction of the target, from 0 to 1, that is spread evenly over the classes.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        if not isinstance(ignore_index, int):
            raise _called(self, "ignore_index", ignore_index)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing must be from 0 to 1, got {label_smoothing}")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C), (N, C, d…) or (C,) and labels (N,), (N, d…) or (), or probabilities of the logits' shape."""
        return _core.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(_WeightedLoss):
    """−weight[label] · input[label] for log-probabilities; the arguments are those of CrossEntropyLoss."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        if not isinstance(ignore_index, int):
            raise _called(self, "ignore_index", ignore_index)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities (N, C), (N, C, d…) or (C,) and labels (N,), (N, d…) or ()."""
        return _core.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """The multi-class hinge loss: Σ max(0, margin − x[label] + x[i])ᵖ / C over the other classes i.

    Args:
        p: 1 or 2.
        margin: By how much the label's score should exceed all others.
        weight: (C,), a weight for each class.
        reduction: "mean", "sum" or "none".
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores (N, C) or (C,) and labels (N,) or ()."""
        return _core.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MSELoss(_Loss):
    """(input − target)², for tensors of equal shapes."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """|input − target|, for tensors of equal shapes."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Loss):
    """d² / (2 beta) for differences d of less than beta, else |d| − beta / 2."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(_Loss):
    """d² / 2 for differences d of at most delta, else delta (|d| − delta / 2). Huber, 1964."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of probabilities, with logarithms of at least −100. ``weight`` broadcasts to the input."""

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of σ(input) against probabilities, computed without overflow.

    Args:
        weight: A weight for each element; broadcasts to the input.
        reduction: "mean", "sum" or "none".
        pos_weight: A weight for positive targets; broadcasts to the input.
    """

    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(_Loss):
    """Kullback–Leibler divergence of log-probabilities from probabilities, or log-probabilities with ``log_target``.

    ``reduction`` may also be "batchmean", as in the definition: the sum divided by the number of examples.
    """

    _reductions = ("mean", "sum", "none", "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.kl_div(input, target, self.reduction, self.log_target)


class HingeEmbeddingLoss(_Loss):
    """x where target is 1, max(0, margin − x) where it is −1."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.hinge_embedding_loss(input, target, self.margin, self.reduction)


class SoftMarginLoss(_Loss):
    """ln(1 + exp(−target · input)) for targets 1 and −1."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.soft_margin_loss(input, target, self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, margin − target · (input1 − input2)) for targets 1 (input1 should be larger) and −1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    if TYPE_CHECKING:

        def __call__(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
            """See ``forward``."""

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Three tensors of one shape to a scalar, or to that shape without reduction."""
        return _core.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)
