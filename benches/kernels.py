"""Times matrix products, row functions and a few functions of a million numbers, in rgrad and its peers.

Each framework runs in a fresh process, the frameworks take turns, and the shortest time of all rounds counts. Products
are A·B (NN), Aᵀ·B (TN) and A·Bᵀ (NT), the transposed operand being a view, followed by m×k×n. NumPy's are mostly those
of OpenBLAS, JAX's of XLA, and PyTorch's of MKL. `cargo bench -p rgrad-bench` measures the kernels without Python.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import harness
import numpy as np

PRODUCTS = [
    ("NN", 100, 784, 100), ("TN", 784, 100, 100), ("NT", 100, 10, 100), ("NN", 100, 784, 10), ("TN", 784, 100, 10),
    ("NN", 32, 64, 32), ("TN", 64, 32, 32), ("NN", 64, 64, 64), ("NN", 128, 128, 128), ("NN", 256, 256, 256),
    ("NN", 512, 512, 512), ("NN", 1024, 1024, 1024), ("TN", 1024, 1024, 1024), ("NT", 1024, 1024, 1024),
    ("NN", 2048, 2048, 2048), ("NN", 64, 784, 256), ("TN", 784, 64, 256), ("NT", 64, 128, 256), ("NN", 1, 784, 256),
    ("NN", 4096, 64, 64), ("TN", 64, 4096, 64),
]  # fmt: skip
"""Layout, m, k, n."""
ROWS = [(100, 10), (1024, 10), (128, 1000), (1024, 1024), (64, 32768), (8192, 1024)]
"""Rows and classes of softmax and cross-entropy."""
VECTORS = ["cumsum", "scatter_add", "scatter", "hypot", "fmod"]
"""Functions of 1,000,000 numbers x and y; there are 1,000 distinct indices."""
PLACES = 1000
SMALL = 20e6
"""FLOPs below which a product counts as one of a small network: the tables end with the median of their ratios."""

Times = dict[str, float]
"""Seconds of each case."""


class Rgrad:
    """Tensors, without a tape."""

    def __init__(self, threads: int) -> None:
        import rgrad as rg

        rg.set_num_threads(threads)
        self.array = rg.tensor
        self.matmul = rg.matmul
        self.softmax = lambda x: rg.softmax(x, 1)
        zeros = rg.zeros(PLACES)
        self.vectors = {
            "cumsum": lambda x, y, i: rg.cumsum(x, 0),
            "scatter_add": lambda x, y, i: zeros.scatter_add(0, i, x),
            "scatter": lambda x, y, i: zeros.scatter(0, i, x),
            "hypot": lambda x, y, i: rg.hypot(x, y),
            "fmod": lambda x, y, i: rg.fmod(x, y),
        }
        self.cross_entropy = rg.nn.functional.cross_entropy


class Numpy:
    """Hand-written NumPy."""

    array = staticmethod(np.ascontiguousarray)
    matmul = staticmethod(np.matmul)
    vectors = {  # noqa: RUF012
        "cumsum": lambda x, y, i: np.cumsum(x),
        "scatter_add": lambda x, y, i: np.bincount(i, x, PLACES),
        "scatter": lambda x, y, i: np.put(np.zeros(PLACES, np.float32), i, x),
        "hypot": lambda x, y, i: np.hypot(x, y),
        "fmod": lambda x, y, i: np.fmod(x, y),
    }

    def __init__(self, threads: int) -> None:
        pass

    @staticmethod
    def softmax(x: np.ndarray) -> np.ndarray:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        return e

    @staticmethod
    def cross_entropy(x: np.ndarray, y: np.ndarray) -> np.floating:
        top = x.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(x - top).sum(axis=1)) + top[:, 0]
        return (log_total - x[np.arange(len(x)), y]).mean()


class Torch:
    """PyTorch, eager and without a tape."""

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.array = torch.tensor
        self.matmul = torch.matmul
        self.softmax = lambda x: torch.softmax(x, 1)
        zeros = torch.zeros(PLACES)
        self.vectors = {
            "cumsum": lambda x, y, i: torch.cumsum(x, 0),
            "scatter_add": lambda x, y, i: zeros.scatter_add(0, i, x),
            "scatter": lambda x, y, i: zeros.scatter(0, i, x),
            "hypot": lambda x, y, i: torch.hypot(x, y),
            "fmod": lambda x, y, i: torch.fmod(x, y),
        }
        self.cross_entropy = torch.nn.functional.cross_entropy


class Jax:
    """JAX, each operation compiled; a call waits for its result."""

    def __init__(self, threads: int) -> None:
        import jax
        import jax.numpy as jnp

        def compiled(f: Callable[..., Any]) -> Callable[..., Any]:
            f = jax.jit(f)
            return lambda *args: f(*args).block_until_ready()

        self.array = jnp.asarray
        self.softmax = compiled(jax.nn.softmax)
        self.cross_entropy = compiled(
            lambda x, y: -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()
        )
        zeros = jnp.zeros(PLACES)
        self.vectors = {
            "cumsum": compiled(lambda x, y, i: jnp.cumsum(x)),
            "scatter_add": compiled(lambda x, y, i: zeros.at[i].add(x)),
            "scatter": compiled(lambda x, y, i: zeros.at[i].set(x)),
            "hypot": compiled(lambda x, y, i: jnp.hypot(x, y)),
            "fmod": compiled(lambda x, y, i: jnp.fmod(x, y)),
        }
        # Transposed inside the compiled function: outside it would be a copy.
        self.products = {
            "NN": compiled(lambda a, b: a @ b),
            "TN": compiled(lambda a, b: a.T @ b),
            "NT": compiled(lambda a, b: a @ b.T),
        }


FRAMEWORKS = {"rgrad": Rgrad, "numpy": Numpy, "torch": Torch, "jax": Jax}


def measure(framework: str, seconds: float, threads: int, part: str) -> Times:
    """Times the cases whose names contain `part` in one framework, in this process."""
    lib = FRAMEWORKS[framework](threads)
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return lib.array(rng.standard_normal(shape, dtype=np.float32))

    times = {}
    for layout, m, k, n in PRODUCTS:
        name = product_name(layout, m, k, n)
        if part not in name:
            continue
        a = draw(m, k) if layout != "TN" else draw(k, m)
        b = draw(k, n) if layout != "NT" else draw(n, k)
        if framework == "jax":
            f = lib.products[layout]
        else:
            a, b, f = (a.T if layout == "TN" else a), (b.T if layout == "NT" else b), lib.matmul
        times[name] = harness.best(lambda f=f, a=a, b=b: f(a, b), seconds)
    for shape in ROWS:
        x, y = draw(*shape), lib.array(rng.integers(0, shape[1], shape[0]))
        softmax, cross_entropy = row_names(*shape)
        if part in softmax:
            times[softmax] = harness.best(lambda x=x: lib.softmax(x), seconds)
        if part in cross_entropy:
            times[cross_entropy] = harness.best(lambda x=x, y=y: lib.cross_entropy(x, y), seconds)
    wanted = [name for name in VECTORS if part in name]
    if wanted:
        x, y, i = draw(1_000_000), draw(1_000_000), lib.array(rng.integers(0, PLACES, 1_000_000))
        for name in wanted:
            times[name] = harness.best(lambda f=lib.vectors[name]: f(x, y, i), seconds)
    return times


def product_name(layout: str, m: int, k: int, n: int) -> str:
    """Returns the name of a product in the tables."""
    return f"{layout} {m}x{k}x{n}"


def row_names(rows: int, classes: int) -> tuple[str, str]:
    """Returns the names of softmax and cross-entropy in the tables."""
    return f"softmax {rows}x{classes}", f"cross-entropy {rows}x{classes}"


def run(frameworks: list[str], args: argparse.Namespace, threads: int, best: dict[str, Times]) -> None:
    """Runs one round, a process for each framework; keeps the shorter times in `best`."""
    for framework in frameworks:
        options = ["--child", framework, "--seconds", str(args.seconds), args.part]
        times = harness.child(__file__, *options, threads=threads)
        if "error" in times:
            sys.exit(f"{framework} failed: {times['error']}")
        earlier = best.setdefault(framework, times)
        best[framework] = {case: min(earlier[case], time) for case, time in times.items()}


def table(title: str, cases: list[str], best: dict[str, Times], figure: Callable[[str, float], float]) -> None:
    """Prints the time of each case and framework, and the ratio of each peer's time to rgrad's."""
    rgrad = best.get("rgrad", {})
    cases = [case for case in cases if all(case in times for times in best.values())]
    if not cases:
        return
    others = [f for f in best if f != "rgrad"]
    print(f"{title:26}" + "".join(f"{f:>10}" for f in best) + "".join(f"{f + '/rgrad':>13}" for f in others if rgrad))
    for case in cases:
        figures = "".join(f"{figure(case, times[case]):10.1f}" for times in best.values())
        print(f"{case:26}{figures}" + "".join(f"{best[f][case] / rgrad[case]:13.2f}" for f in others if rgrad))


def median_of_small(flops: Times, best: dict[str, Times]) -> None:
    """Prints the median, over small products, of the ratio of the fastest peer's time to rgrad's."""
    rgrad, peers = best.get("rgrad", {}), [times for f, times in best.items() if f != "rgrad"]
    ratios = {c: min(p[c] for p in peers) / rgrad[c] for c in rgrad if flops.get(c, SMALL) < SMALL} if peers else {}
    if ratios:
        least = min(ratios, key=lambda case: ratios[case])
        print(
            f"best peer/rgrad, products under {SMALL / 1e6:.0f} MFLOP: "
            f"median {statistics.median(ratios.values()):.2f}, least {ratios[least]:.2f} ({least})"
        )


def main() -> int:
    """Runs the comparison, or one child of it."""
    cores = harness.cores()
    default = sorted({1, cores})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="", help="time only cases whose names contain this: 'NN 64x'")
    parser.add_argument("--frameworks", help="comma-separated; default: all that are installed")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes for each framework (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.06, help="time to spend on each case (default: 0.06)")
    parser.add_argument("--threads", type=int, nargs="+", default=default, help=f"default: {default}")
    parser.add_argument("--json", metavar="FILE", help="write all figures there, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        (threads,) = args.threads
        harness.pin(threads)
        print(json.dumps(measure(args.child, args.seconds, threads, args.part)))
        return 0
    frameworks = harness.chosen(args.frameworks, harness.installed(FRAMEWORKS), "framework")
    facts = harness.machine(max(args.threads), FRAMEWORKS)
    harness.describe(facts)
    best: dict[int, dict[str, Times]] = {threads: {} for threads in args.threads}
    for _ in range(args.rounds):
        for threads in args.threads:
            run(frameworks, args, threads, best[threads])
    flops = {product_name(*p): 2.0 * p[1] * p[2] * p[3] for p in PRODUCTS}
    rows = [name for names in zip(*(row_names(*shape) for shape in ROWS), strict=True) for name in names]
    for threads, times in best.items():
        table(f"GFLOP/s, threads: {threads}", list(flops), times, lambda case, t: flops[case] / t * 1e-9)
        median_of_small(flops, times)
        print()
        table(f"µs, threads: {threads}", rows + VECTORS, times, lambda _, t: t * 1e6)
        print()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "seconds": best}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
