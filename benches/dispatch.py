"""Measures the overhead of a call: operations on tensors of one element, and modules that do nothing.

Every time is the shortest of the rounds, in which the libraries take turns, in nanoseconds, including the loop.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from time import perf_counter

import harness

CALLS = 5_000
NODES = 1_000
MODULES = 100


def per_call(statement: str, **names: object) -> float:
    """Returns the duration of a statement in seconds."""
    return timeit.timeit(statement, globals=names, number=CALLS) / CALLS


def numpy_rows() -> dict[str, Callable[[], float]]:
    """Returns NumPy's cases; it has no tape."""
    import numpy as np

    a, b = np.ones(1, np.float32), np.ones(1, np.float32)
    return {"add": lambda: per_call("a + b", a=a, b=b)}


def tensor_rows(lib: object) -> dict[str, Callable[[], float]]:
    """Returns the cases of rgrad or torch, whose names agree."""
    from typing import Any

    of: Any = lib
    a, b, leaf = of.ones(1), of.ones(1), of.ones(1).requires_grad_()

    def backward() -> float:
        y = leaf
        for _ in range(NODES):
            y = y + b
        begin = perf_counter()
        y.backward()
        return (perf_counter() - begin) / NODES

    def sequential() -> float:
        net = of.nn.Sequential(*(of.nn.Identity() for _ in range(MODULES)))
        return per_call("net(a)", net=net, a=a) / MODULES

    return {
        "add": lambda: per_call("a + b", a=a, b=b),
        "add, taped": lambda: per_call("a + b", a=leaf, b=b),
        "backward, a node": backward,
        "Sequential, a module": sequential,
    }


def contenders() -> dict[str, dict[str, Callable[[], float]]]:
    """Returns the installed libraries with their cases."""
    import rgrad

    found = {"rgrad": tensor_rows(rgrad), "numpy": numpy_rows()}
    if harness.installed(["torch"]):
        import torch

        torch.set_num_threads(1)
        found["torch"] = tensor_rows(torch)
    return found


def main() -> None:
    """Prints a table with a row for each call and a column for each library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="default: 200")
    rounds = parser.parse_args().rounds
    harness.pin(1)
    harness.describe(harness.machine(1, ["rgrad", "numpy", "torch"]))
    libraries = contenders()
    best = {(name, row): float("inf") for name, rows in libraries.items() for row in rows}
    for _ in range(rounds):
        for name, row in best:
            best[name, row] = min(best[name, row], libraries[name][row]())
    print(f"{'ns':24}" + "".join(f"{name:>10}" for name in libraries))
    for row in libraries["rgrad"]:
        figures = (best.get((name, row)) for name in libraries)
        print(f"{row:24}" + "".join(f"{'-' if f is None else format(f * 1e9, '.0f'):>10}" for f in figures))


if __name__ == "__main__":
    main()
