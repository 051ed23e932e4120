"""Adagrad and Adadelta."""

from rgrad.optim.optimizer import Optimizer, Params, settings


class Adagrad(Optimizer):
    """Adagrad: Duchi et al., JMLR 2011, in PyTorch's form.

    v ← v + g²; p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√v + eps).

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        lr_decay: Decay rate of the learning rate.
        weight_decay: Coefficient of the L2 penalty's gradient.
        initial_accumulator_value: Initial value of v.
        eps: Added to the denominator.
        maximize: Whether to ascend instead of descend.
    """

    _rule = "Adagrad"

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))


class Adadelta(Optimizer):
    """Adadelta: Zeiler, arXiv:1212.5701, in PyTorch's form.

    v ← rho · v + (1 − rho) g²; d ← √(u + eps) / √(v + eps) · g; u ← rho · u + (1 − rho) d²; p ← p − lr · d.

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Factor of the update; 1 in the paper.
        rho: Decay rate of the running averages of squares.
        eps: Added under the square roots.
        weight_decay: Coefficient of the L2 penalty's gradient.
        maximize: Whether to ascend instead of descend.
    """

    _rule = "Adadelta"

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))
