"""The base class of all optimizers: parameter groups with their settings, and state."""

import copy
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import Any, ClassVar, Self

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.holders import HOLDERS
from rgrad.autograd.modes import enable_grad
from rgrad.optim.entries import ParamGroup, ParamState

Group = MutableMapping[str, Any]
Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """Base class of all optimizers.

    A subclass names its update rule in ``_rule``; a custom optimizer implements ``step`` instead.

    Args:
        params: Parameters, or groups as dicts with ``params`` and settings.
        defaults: The settings of groups that do not set them.

    Attributes:
        param_groups: Mappings with a list ``params`` and the group's settings, which are checked when they are set;
            those of a custom optimizer are dicts.
        state: For each parameter that has been updated, a mapping with the optimizer's state for it.
        defaults: The settings of groups that do not set them.
    """

    _rule: ClassVar[str | None] = None

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Registers the optimizer to learn of replaced parameters; copying and unpickling skip ``__init__``."""
        self = super().__new__(cls)
        HOLDERS.add(self)
        return self

    def __init__(self, params: Params, defaults: Mapping[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[Group] = []
        kept: Callable[[], Any] = dict if self._rule is None else partial(ParamState, self._rule)
        self.state: defaultdict[Tensor, MutableMapping[str, Any]] = defaultdict(kept)
        if isinstance(params, Tensor):
            raise TypeError("expected an iterable of parameters, got one tensor; write [tensor]")
        if isinstance(params, set | frozenset):
            raise TypeError("expected parameters in an order that stays the same, got a set; write a list")
        if isinstance(params, type):
            raise TypeError(f"expected parameters, got the class {params.__name__}; write those of an instance")
        if hasattr(params, "parameters"):
            raise TypeError(f"expected parameters, got {type(params).__name__}; write its .parameters()")
        if callable(params):
            raise TypeError("expected parameters, got a function that may give them; call it: model.parameters()")
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(
                "an optimizer needs at least one parameter, got an empty list; a generator such as model.parameters() "
                "gives them once only"
            )
        for group in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds a parameter group.

        Args:
            param_group: A dict with ``params`` and settings; the optimizer's defaults stand for those that are missing.

        Raises:
            TypeError: The group is not a dict, or a parameter is not a tensor.
            ValueError: A parameter is not a leaf or already in the optimizer, or a setting is out of range.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"a parameter group must be a dict with the key 'params', got {param_group!r}")
        params = param_group["params"]
        if isinstance(params, set | frozenset):
            raise TypeError("expected parameters in an order that stays the same, got a set; write a list")
        new: dict[str, Any] = {
            **self.defaults,
            **param_group,
            "params": [params] if isinstance(params, Tensor) else list(params),
        }
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for i, p in enumerate(new["params"]):
            if not isinstance(p, Tensor):
                raise TypeError(f"parameter {i} is {type(p).__name__}, expected a tensor")
            if not p.is_leaf:
                raise ValueError(f"parameter {i} is the result of an operation; only leaves can be optimized")
            if id(p) in known:
                raise ValueError(f"parameter {i} appears more than once")
            known.add(id(p))
        self._kept(new)
        self.param_groups.append(new if self._rule is None else ParamGroup(self._rule, new))

    def _kept(self, group: dict[str, Any]) -> tuple[list[str], list[str], list[str]] | None:
        """Checks the settings of a group, and names the entries of a parameter's state.

        Returns:
            The tensors that these settings need, those that any settings may need, and the numbers; None if any state
            is allowed.
        """
        return None if self._rule is None else _core._optim_state(self._rule, group)

    def _state(self, entries: dict[str, Any]) -> MutableMapping[str, Any]:
        return entries if self._rule is None else ParamState(self._rule, entries)

    def _holds(self, param: Tensor) -> bool:
        return any(p is param for g in getattr(self, "param_groups", ()) for p in g["params"])

    def _replace(self, old: Tensor, new: Tensor) -> None:
        """Replaces the parameter ``old`` by ``new``, and casts its state to the dtype of ``new``."""
        if not self._holds(old):
            return
        for group in self.param_groups:
            group["params"][:] = [new if p is old else p for p in group["params"]]
        if old in self.state:
            entries = {key: _as_dtype(value, new) for key, value in self.state.pop(old).items()}
            self.state[new] = self._state(entries)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters.

        Args:
            set_to_none: Whether to set them to None; otherwise they are filled with zeros.
        """
        _core._zero_grad(self.param_groups, set_to_none)

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Updates every parameter that has a gradient.

        Args:
            closure: Reevaluates the model: computes the loss and its gradients, and returns the loss.

        Returns:
            What the closure returned, or None without one.
        """
        if self._rule is None:
            raise NotImplementedError(f"{type(self).__name__} has no update: write its method step")
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        _core._optim_step(self.param_groups, self.state, ParamState)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Returns state and settings, with parameters numbered in the order of the groups.

        The tensors are shared, not copied.
        """
        number = {p: i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        return {
            "state": {number[p]: dict(s) for p, s in self.state.items()},
            "param_groups": [{**g, "params": [number[p] for p in g["params"]]} for g in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores a copy of a state that ``state_dict`` returned.

        Parameters are matched by their positions in the groups. Tensors are cast to the dtype of their parameter.

        Args:
            state_dict: The state of an optimizer over the same parameters.

        Raises:
            TypeError: ``state_dict`` is not nested as ``state_dict()`` nests it.
            ValueError: Groups differ in number or size, settings are missing or out of range, or the state of a
                parameter is missing, unexpected or of another shape. All errors are listed; nothing is restored.
        """
        groups, state = self._read(state_dict)
        for group, saved in zip(self.param_groups, groups, strict=True):
            for key in group.keys() - saved.keys():
                del group[key]
            group.update(saved)
        # In place, because compiled steps identify the optimizer by it.
        self.state.clear()
        for param, entries in state.items():
            self.state[param] = self._state(entries)

    def _read(self, state_dict: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[Tensor, dict[str, Any]]]:
        """Returns the groups and the state as they will be after loading."""
        _check_form(state_dict)
        state, saved = state_dict["state"], state_dict["param_groups"]
        theirs, ours = ([len(g["params"]) for g in groups] for groups in (saved, self.param_groups))
        if theirs != ours:
            raise ValueError(
                f"load_state_dict: the state is of groups of {theirs} parameters, the optimizer has {ours}"
            )
        groups = [{**new, "params": old["params"]} for old, new in zip(self.param_groups, saved, strict=True)]
        wrong: list[str] = []
        owners: dict[Any, Tensor] = {}
        for i, group in enumerate(groups):
            owners.update(zip(saved[i]["params"], group["params"], strict=True))
            lacking = [key for key in self.defaults if key not in group]
            if lacking:
                wrong.append(f"group {i}, which lacks {', '.join(lacking)}")
                continue
            try:
                self._kept(group)
            except (TypeError, ValueError, OverflowError) as error:
                wrong.append(f"group {i}: {error}")
                continue
            for number in saved[i]["params"]:
                entry = state.get(number, {})
                wrong += [f"{text} of parameter {number}" for text in self._differences(entry, owners[number], group)]
        wrong += [f"state of parameter {n}, which is in no group" for n in state if n not in owners]
        if wrong:
            raise ValueError("load_state_dict: nothing was loaded, because of\n  " + "\n  ".join(wrong))
        present = {n: {k: v for k, v in e.items() if v is not None} for n, e in state.items()}
        return groups, {owners[n]: {k: _taken(k, v, owners[n]) for k, v in e.items()} for n, e in present.items() if e}

    def _differences(self, entry: Mapping[str, Any], param: Tensor, group: dict[str, Any]) -> list[str]:
        """Lists the errors in a parameter's saved state. Entries of None, as PyTorch writes them, count as absent."""
        kept = self._kept(group)
        present = {key: value for key, value in entry.items() if value is not None}
        if kept is None or not present:
            return []
        needed, possible, numbers = kept
        wrong = [f"missing {key}" for key in (*needed, *numbers) if key not in present]
        for key, value in present.items():
            if key in numbers:
                if not isinstance(value, int | float) and getattr(value, "shape", None) != ():
                    wrong.append(f"{key}, which is {value!r}, no number,")
                elif key == "step" and not _is_count(value):
                    wrong.append(f"{key}, which is {value!r}, no count of steps,")
            elif key not in possible:
                wrong.append(f"unexpected {key}")
            elif not isinstance(value, Tensor):
                wrong.append(f"{key}, which is {type(value).__name__}, no tensor,")
            elif value.shape != param.shape:
                wrong.append(f"shape {value.shape}, expected {param.shape}, of {key}")
        return wrong

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}("]
        for i, group in enumerate(self.param_groups):
            settings = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return "\n".join([*lines, ")"])


def settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among the arguments of an optimizer's ``__init__``, which gives its ``locals()``."""
    return {name: value for name, value in arguments.items() if name not in ("self", "params", "__class__")}


def _check_form(state_dict: Any) -> None:
    """Raises an error for what is not nested as ``state_dict`` nests it."""
    expected = "expected what state_dict gave"
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: {expected}, not {type(state_dict).__name__}")
    for key in ("state", "param_groups"):
        if key not in state_dict:
            raise ValueError(f"load_state_dict: the key {key!r} is missing; {expected}")
    state, groups = state_dict["state"], state_dict["param_groups"]
    if not isinstance(state, Mapping) or not all(isinstance(entry, Mapping) for entry in state.values()):
        raise TypeError(f"load_state_dict: 'state' is no dict of dicts; {expected}")
    if not isinstance(groups, list | tuple) or not all(
        isinstance(group, Mapping) and isinstance(group.get("params"), list | tuple) for group in groups
    ):
        raise TypeError(f"load_state_dict: 'param_groups' is no list of dicts with a list 'params'; {expected}")
    if not all(isinstance(number, Hashable) for group in groups for number in group["params"]):
        raise TypeError(f"load_state_dict: the parameters of a group are not numbered; {expected}")


def _is_count(value: Any) -> bool:
    try:
        return 0 <= int(value) < 2**63
    except (TypeError, ValueError, OverflowError):
        return False


def _as_dtype(value: Any, param: Tensor) -> Any:
    """Casts the floating-point tensors of an entry of the state, or of a list of entries, to the dtype of ``param``."""
    if isinstance(value, list):
        return [_as_dtype(item, param) for item in value]
    return value.to(param.dtype) if isinstance(value, Tensor) and value.dtype.is_floating_point else value


def _taken(key: str, value: Any, param: Tensor) -> Any:
    """Returns a copy of a saved entry. Other libraries may have saved its numbers as tensors or arrays."""
    if key in ("step", "mu_product") and value is not None:
        return int(value) if key == "step" else float(value)
    if isinstance(value, Tensor) and value.shape == param.shape:
        return value.detach().to(param.dtype).clone()
    return copy.deepcopy(value)
