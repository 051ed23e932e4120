"""Stochastic gradient descent."""

from rgrad.optim.optimizer import Optimizer, Params, settings


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant of it.

    g ← grad + weight_decay · p; b ← momentum · b + (1 − dampening) · g (b ← g at first); p ← p − lr · b, where Nesterov
    takes g + momentum · b instead of b. Sutskever et al., ICML 2013, in PyTorch's form.

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        momentum: Share of the previous direction that is kept.
        dampening: Share of the gradient that momentum leaves out.
        weight_decay: Coefficient of the L2 penalty's gradient.
        nesterov: Look ahead; needs momentum and no dampening.
        maximize: Ascend instead.
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
