"""Adam and its variants AdamW and NAdam."""

from rgrad.optim.optimizer import Optimizer, Params, settings


class Adam(Optimizer):
    """Adam: Kingma and Ba, ICLR 2015, in PyTorch's form.

    m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; p ← p − lr · m̂ / (√v̂ + eps), where m̂ = m / (1 − β₁ᵗ) and
    v̂ = v / (1 − β₂ᵗ). ``weight_decay`` adds weight_decay · p to the gradient.

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        betas: Decay rates of the two moments.
        eps: Added to the denominator.
        weight_decay: Coefficient of the L2 penalty's gradient.
        amsgrad: Whether to divide by the largest v so far: Reddi et al., ICLR 2018.
        maximize: Whether to ascend instead of descend.
    """

    _rule = "Adam"

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − lr · weight_decay) p before the update.

    Loshchilov and Hutter, ICLR 2019, in PyTorch's form. The arguments are Adam's; ``weight_decay`` defaults to 0.01.
    """

    _rule = "AdamW"

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: Dozat, ICLR workshop 2016, in PyTorch's form.

    With μₜ = β₁ (1 − ½ · 0.96^(t · momentum_decay)), and m and v̂ as Adam's, p ← p − lr · m̂ / (√v̂ + eps), where
    m̂ = μₜ₊₁ m / (1 − μ₁…μₜ₊₁) + (1 − μₜ) g / (1 − μ₁…μₜ).

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        lr: Learning rate.
        betas: Decay rates of the two moments.
        eps: Added to the denominator.
        weight_decay: Coefficient of the L2 penalty's gradient.
        momentum_decay: How fast the momentum rises from β₁/2 to β₁.
        decoupled_weight_decay: Whether to decay the parameters themselves, as AdamW does, not through the gradient.
        maximize: Whether to ascend instead of descend.
    """

    _rule = "NAdam"

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))
