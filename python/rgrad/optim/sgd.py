"""Stochastic gradient descent."""

from rgrad.optim.optimizer import Optimizer, Params, settings


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum or Nesterov momentum.

    g ← grad + weight_decay · p; b ← momentum · b + (1 − dampening) · g (b ← g in the first step); p ← p − lr · b.
    Nesterov momentum replaces b in the last one by g + momentum · b. Sutskever et al., ICML 2013, in PyTorch's form.

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        momentum: Momentum factor.
        dampening: Dampening of momentum.
        weight_decay: Coefficient of the L2 penalty's gradient.
        nesterov: Whether to use Nesterov momentum, which needs ``momentum`` and no ``dampening``.
        maximize: Whether to ascend instead of descend.
    """

    _rule = "SGD"

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))
