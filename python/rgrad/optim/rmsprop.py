"""RMSprop."""

from rgrad.optim.optimizer import Optimizer, Params, settings


class RMSprop(Optimizer):
    """RMSprop: Tieleman and Hinton, Coursera 2012; centered: Graves, arXiv:1308.0850; in PyTorch's form.

    v ← alpha · v + (1 − alpha) g²; p ← p − lr · g / (√v + eps). If centered, v − a² replaces v under the root, where a
    is the running average of g; with momentum, p ← p − lr · b with b ← momentum · b + g / (√v + eps).

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        alpha: Decay rate of the running averages.
        eps: Added to the denominator.
        weight_decay: Coefficient of the L2 penalty's gradient.
        momentum: Momentum factor.
        centered: Whether to divide by the standard deviation of the gradient.
        maximize: Whether to ascend instead of descend.
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
