"""Checks that throughput does not drop with wider layers or more threads: training steps and their products, by width.

Every time is the shortest of the rounds, each of which iterates over all widths and numbers of threads. A *fall* is a
throughput more than 5 % below that of the previous width, or of a smaller number of threads at the same width; for more
threads than cores, more than 10 % below that of as many threads as cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import harness

import rgrad as rg

BATCH, CLASSES = 64, 10
WIDTHS = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048]
ALLOWED, ALLOWED_CROWD = 0.05, 0.10


class Work(NamedTuple):
    """Something to time."""

    run: Callable[[], object]
    flops: int


def step(width: int) -> Work:
    """An eager SGD step of a network with two hidden layers of that width."""
    layers = (
        rg.nn.Linear(width, width),
        rg.nn.ReLU(),
        rg.nn.Linear(width, width),
        rg.nn.ReLU(),
        rg.nn.Linear(width, CLASSES),
    )
    model, loss = rg.nn.Sequential(*layers), rg.nn.CrossEntropyLoss()
    optimizer = rg.optim.SGD(model.parameters(), lr=1e-6)
    x, y = rg.randn(BATCH, width), rg.randint(0, CLASSES, BATCH)

    def run() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    # Forward, and gradients with respect to the weights and to the input of every layer but the first.
    return Work(run, 2 * BATCH * width * (width * 5 + CLASSES * 3))


def forward(width: int) -> Work:
    """The product of a layer: (batch, width) by a transposed (width, width)."""
    x, w = rg.randn(BATCH, width), rg.randn(width, width)
    return Work(lambda: x @ w.T, 2 * BATCH * width * width)


def input_gradient(width: int) -> Work:
    """The product of a layer's input gradient: (batch, width) by (width, width)."""
    g, w = rg.randn(BATCH, width), rg.randn(width, width)
    return Work(lambda: g @ w, 2 * BATCH * width * width)


def weight_gradient(width: int) -> Work:
    """The product of a layer's weight gradient: a transposed (batch, width) by (batch, width)."""
    g, x = rg.randn(BATCH, width), rg.randn(BATCH, width)
    return Work(lambda: g.T @ x, 2 * BATCH * width * width)


def square(width: int) -> Work:
    """A product of square matrices."""
    a, b = rg.randn(width, width), rg.randn(width, width)
    return Work(lambda: a @ b, 2 * width**3)


WORKS = {
    "step": step,
    "forward NT": forward,
    "dX NN": input_gradient,
    "dW TN": weight_gradient,
    "square NN": square,
}
Times = dict[tuple[int, int], float]


def measured(make: Callable[[int], Work], widths: list[int], threads: list[int], rounds: int) -> tuple[Times, Times]:
    """Returns seconds, and FLOP/s, by width and number of threads."""
    works = {width: make(width) for width in widths}
    seconds: Times = {}
    for _ in range(rounds):
        for width, work in works.items():
            for count in threads:
                rg.set_num_threads(count)
                time = harness.best(work.run, 0.005)
                seconds[width, count] = min(time, seconds.get((width, count), time))
    return seconds, {key: works[key[0]].flops / time for key, time in seconds.items()}


def falls(rates: Times, widths: list[int], threads: list[int], cores: int) -> list[str]:
    """Lists where the throughput falls."""
    found = []
    for before, width in pairwise(widths):
        for count in threads:
            lost = 1 - rates[width, count] / rates[before, count]
            if lost > ALLOWED:
                found.append(f"{lost:.0%} from width {before} to {width} with {count} threads")
    for width in widths:
        for i, count in enumerate(threads):
            for fewer in threads[:i]:
                lost = 1 - rates[width, count] / rates[width, fewer]
                if lost > (ALLOWED_CROWD if count > cores >= fewer > 1 else ALLOWED):
                    found.append(f"{lost:.0%} from {fewer} to {count} threads at width {width}")
    return found


def main() -> None:
    """Prints a table for each kind of work, and its falls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"kinds of work, separated by commas, of: {', '.join(WORKS)}")
    parser.add_argument("--widths", help="separated by commas; default: two for every power of two, 8 to 2048")
    parser.add_argument("--threads", help="separated by commas; default: 1 to the number of cores, and 8")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--check", action="store_true", help="exit with 1 if there is a fall")
    args = parser.parse_args()
    cores = harness.cores()
    widths = [int(w) for w in args.widths.split(",")] if args.widths else WIDTHS
    threads = [int(t) for t in args.threads.split(",")] if args.threads else [*range(1, cores + 1), max(8, 4 * cores)]
    harness.describe(harness.machine(max(threads), ["rgrad"]))
    count = 0
    for name in harness.chosen(args.only, list(WORKS), "kind of work"):
        seconds, rates = measured(WORKS[name], widths, threads, args.rounds)
        print(f"{name}: µs, GFLOP/s and speed over {threads[0]} threads, by width and number of threads")
        print(" " * 6 + "".join(f"{t:>27}" for t in threads))
        for w in widths:
            cells = (
                f"{seconds[w, t] * 1e6:12.1f}{rates[w, t] / 1e9:8.1f}{seconds[w, threads[0]] / seconds[w, t]:6.2f}×"
                for t in threads
            )
            print(f"{w:6}" + "".join(cells))
        found = falls(rates, widths, threads, cores)
        print("\n".join(f"  falls {line}" for line in found) or "  no falls", end="\n\n", flush=True)
        count += len(found)
    sys.exit(args.check and count > 0)


if __name__ == "__main__":
    main()
