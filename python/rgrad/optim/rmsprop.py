"""RMSprop."""

from rgrad.optim.optimizer import Optimizer, Params, settings


class RMSprop(Optimizer):
    """RMSprop: Tieleman and Hinton, Coursera 2012; centred: Graves, arXiv:1308.0850; in PyTorch's form.

    v ← alpha · v + (1 − alpha) g²; p ← p − lr · g / (√v + eps). Centred, v − a² stands for v, where a is the mean of g
    with the same weights; with momentum, b ← momentum · b + g / (√v + eps) is the direction.

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        alpha: Decay rate of the mean of squares.
        eps: Added to the denominator.
        weight_decay: Coefficient of the L2 penalty's gradient.
        momentum: Share of the previous direction that is kept.
        centered: Divide by the standard deviation.
        maximize: Ascend instead.
    """

    _rule = "RMSprop"

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))
