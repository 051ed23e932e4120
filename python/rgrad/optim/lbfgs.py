"""L-BFGS."""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad.autograd.modes import enable_grad, no_grad
from rgrad.optim.line_search import Point, strong_wolfe
from rgrad.optim.optimizer import Group, Optimizer, Params, settings

Closure = Callable[[], Tensor]


class _History:
    """The state of L-BFGS, under PyTorch's names; vectors hold all parameters, flattened and concatenated."""

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self.func_evals: int = kept.get("func_evals", 0)
        self.n_iter: int = kept.get("n_iter", 0)
        # The last search direction, and the step length along it.
        self.d: Tensor | None = kept.get("d")
        self.t = float(kept.get("t", 0.0))
        # Differences of the gradient, differences of the parameters, and the reciprocals of their dot products.
        self.old_dirs: list[Tensor] = list(kept.get("old_dirs", ()))
        self.old_stps: list[Tensor] = list(kept.get("old_stps", ()))
        self.ro = [float(ro) for ro in kept.get("ro", ())]
        self.H_diag = float(kept.get("H_diag", 1.0))
        self.prev_flat_grad: Tensor | None = kept.get("prev_flat_grad")
        self.prev_loss = float(kept.get("prev_loss", math.nan))

    def remember(self, y: Tensor, s: Tensor, size: int) -> None:
        """Adds a curvature pair, unless its curvature is not positive, and drops the oldest if there are too many."""
        product = _dot(y, s)
        if not product > 1e-10:
            return
        for kept in (self.old_dirs, self.old_stps, self.ro):
            del kept[: max(len(kept) + 1 - size, 0)]
        self.old_dirs.append(y)
        self.old_stps.append(s)
        self.ro.append(1 / product)
        self.H_diag = product / _dot(y, y)

    def direction(self, g: Tensor) -> Tensor:
        """Returns minus the approximate inverse Hessian times ``g``: two-loop recursion, Nocedal and Wright, 7.4."""
        q = -g
        shares = []
        for y, s, rho in zip(reversed(self.old_dirs), reversed(self.old_stps), reversed(self.ro), strict=True):
            shares.append(rho * _dot(s, q))
            q = q - y * shares[-1]
        r = q * self.H_diag
        for y, s, rho in zip(self.old_dirs, self.old_stps, self.ro, strict=True):
            r = r + s * (shares.pop() - rho * _dot(y, r))
        return r


def _is_number(value: Any) -> bool:
    """Returns whether the value fits a float; PyTorch keeps some numbers as 0-d tensors."""
    if isinstance(value, int):
        return abs(value) < 2**1023
    return isinstance(value, Real) or (isinstance(value, Tensor) and value.shape == ())


class LBFGS(Optimizer):
    """Limited-memory BFGS: Liu and Nocedal, Mathematical Programming 45, 1989, in PyTorch's form.

    A step makes several iterations, each along a quasi-Newton direction, and evaluates the loss in each. Use full-batch
    losses: batches that change between evaluations make the curvature estimates meaningless. There is one parameter
    group.

    Args:
        params: Parameters, or one group as a dict with ``params`` and settings.
        lr: Step length, or the initial one of the line search.
        max_iter: Largest number of iterations in a step.
        max_eval: Number of evaluations in a step after which no iteration starts; 1.25 · ``max_iter`` by default.
        tolerance_grad: Stop once no entry of the gradient is larger.
        tolerance_change: Stop once neither the loss nor any parameter changes by more.
        history_size: Number of curvature pairs that are kept.
        line_search_fn: None for a fixed step length ``lr``, or "strong_wolfe".

    Example:
        >>> w = rg.zeros(2, requires_grad=True)
        >>> optimizer = rg.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w - rg.tensor([1.0, 2.0])).square().sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()  # the loss before the step
        5.0
        >>> [round(x, 4) for x in w.tolist()]
        [1.0, 2.0]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, settings(locals()))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds the only parameter group.

        Args:
            param_group: As for every optimizer.

        Raises:
            TypeError: As for every optimizer.
            ValueError: There is a group already, it has no parameters, or as for every optimizer.
        """
        if self.param_groups:
            raise ValueError("LBFGS has one parameter group: its steps are of all parameters together")
        super().add_param_group(param_group)
        if not self.param_groups[0]["params"]:
            raise ValueError("LBFGS needs at least one parameter, got an empty list")

    def _kept(self, group: Group) -> None:
        """Checks the settings."""
        for name in ("lr", "tolerance_grad", "tolerance_change"):
            if not isinstance(group[name], Real) or isinstance(group[name], bool) or not 0 <= group[name] < math.inf:
                raise ValueError(f"{name} must be a finite number, at least 0, got {group[name]!r}")
        for name in ("max_iter", "max_eval", "history_size"):
            if not isinstance(group[name], int) or isinstance(group[name], bool) or group[name] < 1:
                raise ValueError(f"{name} must be an integer, at least 1, got {group[name]!r}")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn must be None or 'strong_wolfe', got {group['line_search_fn']!r}")

    def _differences(self, entry: Mapping[str, Any], param: Tensor, group: Group) -> list[str]:
        names = set(vars(_History({})))
        if not entry:
            return []
        wrong = [f"missing {key}" for key in sorted(names - entry.keys())]
        # PyTorch saves the scratch space of the recursion, too.
        wrong += [f"unexpected {key}" for key in sorted(entry.keys() - names - {"al"})]
        shape = (sum(p.numel() for p in group["params"]),)
        kept = ("old_dirs", "old_stps", "ro")
        lists = {key: entry[key] for key in kept if isinstance(entry.get(key), list | tuple)}
        if len(lists) < len(kept) or len(set(map(len, lists.values()))) > 1:
            wrong.append("old_dirs, old_stps and ro, which are no three lists of one length,")
        vectors = [(key, v) for key in ("old_dirs", "old_stps") for v in lists.get(key, ())]
        for key, v in (*vectors, *((key, entry[key]) for key in ("d", "prev_flat_grad") if entry.get(key) is not None)):
            if not isinstance(v, Tensor) or v.shape != shape:
                wrong.append(f"shape {getattr(v, 'shape', None)}, expected {shape}, of {key}")
        numbers = [("ro", n) for n in lists.get("ro", ())]
        numbers += [(key, entry.get(key)) for key in ("func_evals", "n_iter", "t", "H_diag", "prev_loss")]
        wrong += [f"{key}, which is {n!r:.50}, no number," for key, n in numbers if not _is_number(n)]
        return wrong

    def step(self, closure: Closure | None = None) -> Tensor:
        """Makes up to ``max_iter`` iterations. An exception in the closure leaves parameters and state unchanged.

        Args:
            closure: Clears the gradients, computes the loss, calls ``backward()`` and returns the loss.

        Returns:
            What the first call of the closure returned.
        """
        _core._refuse("LBFGS.step()", "it decides by losses how to go on; compile what the closure does instead")
        if closure is None:
            raise TypeError(
                "LBFGS evaluates the loss several times in a step: call step(closure), where closure clears the "
                "gradients, computes the loss, calls backward() and returns the loss"
            )
        group = self.param_groups[0]
        self._kept(group)
        first = group["params"][0]
        history = _History(self.state.get(first, {}))
        with no_grad():
            before = self._values()
            try:
                loss = self._iterate(group, history, closure)
            except BaseException:
                self._write(before)
                raise
        self.state[first] = vars(history)
        return loss

    def _iterate(self, group: Group, h: _History, closure: Closure) -> Tensor:
        evaluations = h.func_evals
        original = self._evaluate(h, closure)
        f, g = _number(original), self._gradients()
        for i in range(group["max_iter"]):
            if g.numel() == 0 or _largest(g) <= group["tolerance_grad"]:
                break
            h.n_iter += 1
            if h.d is not None and h.prev_flat_grad is not None:
                h.remember(g - h.prev_flat_grad, h.d * h.t, group["history_size"])
            h.d = h.direction(g)
            h.t = group["lr"] * (min(1.0, 1 / g.abs().sum().item()) if h.n_iter == 1 else 1.0)
            h.prev_flat_grad, h.prev_loss = g, f
            slope = _dot(g, h.d)
            # Also if the loss or the directional derivative is NaN: no step could be known to be better.
            if math.isnan(f) or not slope <= -group["tolerance_change"]:
                break
            f, g = self._move(group, h, closure, Point(0.0, f, g, slope), last=i + 1 == group["max_iter"])
            if h.func_evals - evaluations >= group["max_eval"]:
                break
            if _largest(h.d) * abs(h.t) <= group["tolerance_change"]:
                break
            if abs(f - h.prev_loss) < group["tolerance_change"]:
                break
        return original

    def _move(self, group: Group, h: _History, closure: Closure, start: Point, last: bool) -> tuple[float, Tensor]:
        """Moves along the direction, and returns loss and gradient there; the old ones after the last fixed step."""
        x, d = self._values(), h.d
        assert d is not None

        def evaluate(t: float) -> Point:
            self._write(x + d * t)
            f = _number(self._evaluate(h, closure))
            g = self._gradients()
            return Point(t, math.inf if math.isnan(f) else f, g, _dot(g, d))

        if group["line_search_fn"] is None:
            if not last:
                return evaluate(h.t)[1:3]
            self._write(x + d * h.t)
            return start.f, start.g
        found, _ = strong_wolfe(evaluate, start, h.t, _largest(d), group["tolerance_change"])
        h.t = found.t
        self._write(x + d * h.t)
        return found.f, found.g

    def _evaluate(self, h: _History, closure: Closure) -> Tensor:
        h.func_evals += 1
        with enable_grad():
            return closure()

    def _values(self) -> Tensor:
        return _core.cat([p.detach().reshape(-1) for p in self.param_groups[0]["params"]])

    def _gradients(self) -> Tensor:
        params = self.param_groups[0]["params"]
        grads = [_core.zeros_like(p) if p.grad is None else p.grad.detach() for p in params]
        return _core.cat([g.reshape(-1) for g in grads])

    def _write(self, values: Tensor) -> None:
        at = 0
        for p in self.param_groups[0]["params"]:
            p.detach().copy_(values[at : at + p.numel()].reshape(p.shape))
            at += p.numel()


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a @ b).item())


def _largest(x: Tensor) -> float:
    return float(x.abs().amax().item())


def _number(loss: Any) -> float:
    try:
        return float(loss)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the closure must return the loss, a number, got {loss!r}") from error
