"""Running a program, eagerly or compiled, and what came of it."""

import hashlib
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

import rgrad as rg
from programs.numbers import numbers
from rgrad import optim

Seen = tuple[Any, ...]


def seen(t: rg.Tensor) -> Seen:
    """What is compared of a tensor. All NaN count as one value."""
    a = t.detach().numpy()
    if a.dtype.kind == "f":
        nan = a != a
        if nan.any():
            a = np.where(nan, np.array(np.nan, a.dtype), a)
    return a.dtype.str, a.shape, t.requires_grad, a.tobytes()


def tensors_in(tree: Any, name: str) -> Iterator[tuple[str, rg.Tensor]]:
    if isinstance(tree, rg.Tensor):
        yield name, tree
    elif isinstance(tree, dict):
        for key in tree:
            yield from tensors_in(tree[key], f"{name}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for i, item in enumerate(tree):
            yield from tensors_in(item, f"{name}[{i}]")


def state_of(names: dict[str, Any], args: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Captured tensors, modules, optimizers and arguments with their gradients, and the place in the random stream."""
    found: dict[str, Any] = {"random numbers": rg.get_rng_state()}
    tensors = [(f"x{i}", x) for i, x in enumerate(args) if isinstance(x, rg.Tensor)]
    for name, value in names.items():
        if isinstance(value, rg.Tensor | list | dict):
            tensors += tensors_in(value, name)
        elif isinstance(value, types.SimpleNamespace):
            tensors.append((name, value.t))
        elif isinstance(value, rg.Generator):
            found[name] = value.get_state()
        elif isinstance(value, rg.nn.Module):
            tensors += [(f"{name}.{n}", p) for n, p in value.named_parameters()]
            tensors += [(f"{name}.{n}", b) for n, b in value.named_buffers()]
        elif isinstance(value, optim.Optimizer):
            tensors += tensors_in(value.state_dict(), name)
    for name, t in tensors:
        found[name] = seen(t)
        grad = t.grad
        if grad is not None:
            found[f"{name}.grad"] = seen(grad)
    return found


@dataclass
class Outcome:
    """What a run gave: the results and arguments after each call, what they were at the end, and an exception."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    #: What a call that was refused has changed, if that was watched.
    changed: list[str] = field(default_factory=list)

    def digest(self, source: str) -> str:
        """Of the program and all that it gave, to be compared between processes."""
        found = hashlib.blake2b(source.encode(), digest_size=8)
        for part in (*self.calls, self.state):
            for name, value in part.items():
                found.update(name.encode())
                if isinstance(value[-1], bytes):
                    *value, elements = value
                    found.update(elements)
                found.update(repr(value).encode())
        found.update(type(self.error).__name__.encode())
        return found.hexdigest()


def names_for() -> dict[str, Any]:
    return {"rg": rg, "np": np, "types": types, "numbers": numbers, "inf": float("inf"), "nan": float("nan")}


def captured(names: dict[str, Any]) -> dict[str, Any]:
    """What a program's functions find in its globals and in their cells."""
    found = {name: value for name, value in names.items() if name != "__builtins__"}
    for name in ("f", "calls"):
        function = inspect.unwrap(names[name])
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            found[free] = cell.cell_contents
    return found


def epoch(f: Any, data: tuple[rg.Tensor, ...], options: dict[str, Any], compiled: bool) -> tuple[rg.Tensor, ...]:
    """The stacked results of a function on all batches, each as it is after its batch."""
    if compiled:
        return f.epoch(*data, **options)
    loader = rg.data.DataLoader(rg.data.TensorDataset(*data), **options)
    return tuple(
        rg.stack(results)
        for results in zip(*([y.detach().clone() for y in f(*batch)] for batch in loader), strict=True)
    )


def run(code: CodeType, compiled: bool, threads: int, watch: bool = False) -> Outcome:
    """Runs all calls of a program; the first exception ends it."""
    rg.set_num_threads(threads)
    rg.set_default_dtype(rg.float32)
    rg.manual_seed(0)
    names = names_for()
    outcome = Outcome()
    results: list[tuple[str, rg.Tensor]] = []
    before: dict[str, Any] = {}
    args: tuple[Any, ...] = ()
    batches = 1
    try:
        exec(code, names)
        f = rg.compile(names["f"]) if compiled else names["f"]
        for i, args in enumerate(names["calls"]()):
            before = state_of(captured(names), args) if watch else {}
            out = f(*args)
            # A compiled function's results have no graph.
            made = [(f"call {i}, result {j}", y.detach()) for j, y in enumerate(out or ())]
            given = [(f"call {i}, x{j}", x) for j, x in enumerate(args) if isinstance(x, rg.Tensor)]
            outcome.calls.append({name: seen(t) for name, t in made + given})
            results += made
        if "data" in names:
            args = names["data"]()
            batches = -(-len(args[0]) // names["options"]["batch_size"])
            before = state_of(captured(names), args) if watch else {}
            made = [
                (f"epoch, result {j}", y.detach()) for j, y in enumerate(epoch(f, args, names["options"], compiled))
            ]
            outcome.calls.append({name: seen(t) for name, t in made})
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        outcome.error = error.with_traceback(None)
        # What earlier batches have changed stays.
        if watch and batches == 1:
            after = state_of(captured(names), args)
            # The order of an epoch is drawn before its first batch.
            ignored = {"random numbers"} if "data" in names else set()
            outcome.changed = [name for name in after if after[name] != before.get(name) and name not in ignored]
    else:
        outcome.state = state_of(captured(names))
        outcome.state.update((f"{name} at the end", seen(t)) for name, t in results)
    return outcome
