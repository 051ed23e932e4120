"""Optimizers with PyTorch's names, arguments and updates. Each step is one call into Rust."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd import enable_grad

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]

Group = dict[str, Any]


def _check(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuses what is not a finite number in [low, high)."""
    if not isinstance(value, int | float) or not math.isfinite(value) or not low <= value < high:
        limits = f"at least {low:g}" if high == math.inf else f"from {low:g} to below {high:g}"
        raise ValueError(f"{name} must be a finite number {limits}, got {value!r}")


class Optimizer:
    """Parameters in groups with their settings, and the state that updates need.

    Subclasses write ``_check_group`` and ``_update``.
    """

    def __init__(self, params: Iterable[Tensor] | Iterable[Mapping[str, Any]], defaults: Mapping[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        if isinstance(params, Tensor):
            raise TypeError("expected an iterable of parameters, got one tensor; write [tensor]")
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError("an optimizer needs at least one parameter, got an empty list")
        for group in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with settings of their own; what the group does not set is the optimizer's default.

        Raises:
            TypeError: A parameter is no tensor.
            ValueError: A parameter is no leaf, is in the optimizer already, or a setting is out of range.
        """
        params = group["params"]
        new: Group = {**self.defaults, **group, "params": [params] if isinstance(params, Tensor) else list(params)}
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for i, p in enumerate(new["params"]):
            if not isinstance(p, Tensor):
                raise TypeError(f"parameter {i} is {type(p).__name__}, expected a tensor")
            if not p.is_leaf:
                raise ValueError(f"parameter {i} is the result of an operation; only leaves can be optimized")
            if id(p) in known:
                raise ValueError(f"parameter {i} appears more than once")
            known.add(id(p))
        self._check_group(new)
        self.param_groups.append(new)

    def _check_group(self, group: Group) -> None:
        raise NotImplementedError

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or writes zeros over them."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.detach().zero_()

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Updates every parameter that has a gradient.

        Args:
            closure: Computes the loss and its gradients again, if given.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._check_group(group)
            by_dtype: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    params, grads = by_dtype.setdefault(p.dtype, ([], []))
                    params.append(p)
                    grads.append(grad)
            for params, grads in by_dtype.values():
                self._update(group, params, grads)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """State and settings, with parameters numbered in the order of the groups."""
        number = {p: i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        return {
            "state": {number[p]: dict(s) for p, s in self.state.items()},
            "param_groups": [{**g, "params": [number[p] for p in g["params"]]} for g in self.param_groups],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what ``state_dict`` of an optimizer over the same parameters gave.

        Raises:
            ValueError: The groups differ in number or size, or a state has another shape; nothing is taken over.
        """
        sizes = [len(g["params"]) for g in self.param_groups]
        theirs = [len(g["params"]) for g in state["param_groups"]]
        if sizes != theirs:
            raise ValueError(f"the state is of groups of {theirs} parameters, the optimizer has {sizes}")
        params = [p for g in self.param_groups for p in g["params"]]
        for i, entry in state["state"].items():
            for key, value in entry.items():
                if isinstance(value, Tensor) and value.shape != params[i].shape:
                    raise ValueError(f"{key} of parameter {i} has shape {value.shape}, expected {params[i].shape}")
        for group, saved in zip(self.param_groups, state["param_groups"], strict=True):
            group.update({k: v for k, v in saved.items() if k != "params"})
        copied = {
            i: {k: v.clone() if isinstance(v, Tensor) else v for k, v in e.items()} for i, e in state["state"].items()
        }
        self.state = {params[i]: entry for i, entry in copied.items()}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}("]
        for i, group in enumerate(self.param_groups):
            settings = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return "\n".join([*lines, ")"])


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

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def _check_group(self, group: Group) -> None:
        for name in ("lr", "momentum", "dampening", "weight_decay"):
            _check(name, group[name], 0.0)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("nesterov needs a momentum and no dampening")

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        buffers, first = None, []
        if group["momentum"] != 0:
            first = [p not in self.state for p in params]
            buffers = []
            for p in params:
                if p not in self.state:
                    self.state[p] = {"momentum_buffer": _core.zeros_like(p)}
                buffers.append(self.state[p]["momentum_buffer"])
        else:
            first = [False] * len(params)
        settings = {k: group[k] for k in ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")}
        _core._sgd_step(params, grads, buffers, first, **settings)


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
        maximize: Ascend instead.
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, settings)

    def _check_group(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            _check(name, group[name], 0.0)
        for i, beta in enumerate(group["betas"]):
            _check(f"betas[{i}]", beta, 0.0, 1.0)

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        by_step: dict[int, tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]] = {}
        for p, g in zip(params, grads, strict=True):
            state = self.state.get(p)
            if state is None:
                state = {"step": 0, "exp_avg": _core.zeros_like(p), "exp_avg_sq": _core.zeros_like(p)}
                self.state[p] = state
            lists = by_step.setdefault(state["step"] + 1, ([], [], [], []))
            for part, value in zip(lists, (p, g, state["exp_avg"], state["exp_avg_sq"]), strict=True):
                part.append(value)
        beta1, beta2 = group["betas"]
        for step, (ps, gs, ms, vs) in by_step.items():
            _core._adam_step(
                ps,
                gs,
                ms,
                vs,
                step=step,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                decoupled=self._decoupled,
                maximize=group["maximize"],
            )
            for p in ps:
                self.state[p]["step"] = step


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − lr · weight_decay) p before the step.

    Loshchilov and Hutter, ICLR 2019, in PyTorch's form. Arguments as Adam's; ``weight_decay`` is 0.01 by default.
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
