"""Measures the cost of compiling a step, and of a call of a compiled step compared with a step inside an epoch.

For each of the networks of `train.py`:

- compile ms: the first call of a compiled step, which runs, records and optimizes it, minus the first eager step of the
  same model, which allocates gradients and the optimizer's state as well;
- second ms: the difference of the second calls, in case the first left anything to do;
- step us, epoch us: a step called from a Python loop over the batches, and one of `step.epoch` over the same batches;
- call us: their difference, which is the cost of a return to Python.

Then, for long programs: the first call of the compiled function, in ms, and that of the eager function.

Every round is a fresh process, in which another model has run before. Loops and epochs take turns; all times are the
shortest of their kind, or differences of such.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import harness
from contenders import rgrad_step
from train import NETWORKS, Network

COLUMNS = ("compile ms", "second ms", "step us", "epoch us", "call us")


def timed(f: Callable[..., Any], *args: Any) -> float:
    """Returns the duration of a call in seconds."""
    start = time.perf_counter()
    f(*args)
    return time.perf_counter() - start


def measure(net: Network, seconds: float, threads: int) -> dict[str, float]:
    """Measures one network in this process."""
    import rgrad as rg

    inputs, labels = (rg.tensor(part) for part in net.data)
    batches = list(zip(inputs, labels, strict=True))
    x, y = inputs.flatten(0, 1), labels.flatten()
    warm, eager, step = (rgrad_step(net, threads)[0] for _ in range(3))
    step = rg.compile(step)
    for batch in batches:
        warm(*batch)
    first_eager, second_eager = (timed(eager, *batches[0]) for _ in range(2))
    first, second = (timed(step, *batches[0]) for _ in range(2))

    def loop() -> None:
        for batch in batches:
            step(*batch)

    def epoch() -> None:
        step.epoch(x, y, batch_size=net.batch)

    loops, epochs, deadline = [], [], time.perf_counter() + seconds
    while len(loops) < 3 or time.perf_counter() < deadline:
        loops.append(timed(loop))
        epochs.append(timed(epoch))
    n = len(batches)
    return {
        "first": first,
        "second": second,
        "first_eager": first_eager,
        "second_eager": second_eager,
        "step": min(loops) / n,
        "epoch": min(epochs) / n,
    }


def oscillator(n: int) -> tuple[Callable[..., Any], int]:
    """Returns `n` operations of a solver of differential equations, and the number of its arguments."""

    def solve(x: Any, y: Any) -> Any:
        for _ in range(n // 4):
            x, y = x + 0.01 * y, y - 0.01 * x
        return x, y

    return solve, 2


def sines(n: int) -> tuple[Callable[..., Any], int]:
    """Returns the gradient of `n` nested sines, and the number of its arguments."""
    import rgrad as rg

    def chain(x: Any) -> Any:
        for _ in range(n):
            x = rg.sin(x)
        return x.sum()

    return rg.grad(chain), 1


LONG = {"oscillator": (oscillator, (1000, 4000, 10_000)), "gradient of sines": (sines, (1000, 4000))}


def measure_long() -> dict[str, list[float]]:
    """Measures the first compiled call and an eager one in seconds, by name and number of operations."""
    import rgrad as rg

    found = {}
    rg.compile(lambda x: x + 1)(rg.ones(3))
    for name, (make, lengths) in LONG.items():
        for n in lengths:
            function, arguments = make(n)
            x = [rg.randn(100) for _ in range(arguments)]
            found[f"{name} {n:,}"] = [timed(rg.compile(function), *x), timed(function, *x)]
    return found


def figures(best: dict[str, float]) -> list[float]:
    """Returns the values of the columns."""
    return [
        1e3 * (best["first"] - best["first_eager"]),
        1e3 * (best["second"] - best["second_eager"]),
        1e6 * best["step"],
        1e6 * best["epoch"],
        1e6 * (best["step"] - best["epoch"]),
    ]


def main() -> int:
    """Prints a row for each network, or runs one child process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="networks, comma-separated: " + ", ".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes for each network (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="time to spend in each process (default: 0.5)")
    parser.add_argument("--threads", type=int, default=harness.cores(), help="default: all cores")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child == "long":
        harness.pin(args.threads)
        print(json.dumps(measure_long()))
        return 0
    if args.child:
        harness.pin(args.threads)
        print(json.dumps(measure(NETWORKS[args.child], args.seconds, args.threads)))
        return 0
    harness.describe(harness.machine(args.threads, ["rgrad", "numpy"]))
    print(f"{'':30}" + "".join(f"{column:>12}" for column in COLUMNS))
    good = True
    for name in harness.chosen(args.only, list(NETWORKS), "network"):
        options = ["--child", name, "--seconds", str(args.seconds)]
        runs = [harness.child(__file__, *options, threads=args.threads) for _ in range(args.rounds)]
        failed = next((run["error"] for run in runs if "error" in run), None)
        if failed is not None:
            print(f"{name:30}failed: {failed}", flush=True)
            good = False
            continue
        best = {part: min(run[part] for run in runs) for part in runs[0]}
        print(f"{name:30}" + "".join(f"{figure:12.2f}" for figure in figures(best)), flush=True)
    if not args.only:
        print(f"\n{'':30}{'compiled ms':>12}{'eager ms':>12}")
        runs = [harness.child(__file__, "--child", "long", threads=args.threads) for _ in range(args.rounds)]
        for name in runs[0]:
            best_of = [1e3 * min(run[name][k] for run in runs) for k in range(2)]
            print(f"{name:30}" + "".join(f"{figure:12.2f}" for figure in best_of), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
