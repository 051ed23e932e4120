"""Times matrix products, softmax and cross-entropy at the shapes of small networks, in rgrad and its peers.

Each framework runs in a fresh process, the frameworks take turns, and the best figure of all rounds counts. Products
are A·B (NN), Aᵀ·B (TN) and A·Bᵀ (NT), with the transposed operand as a view; m and n are the sides of the result.
"""

from __future__ import annotations

import argparse
import json
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


class Rgrad:
    """Tensors, without a tape."""

    def __init__(self, threads: int) -> None:
        import rgrad as rg

        rg.set_num_threads(threads)
        self.array = rg.tensor
        self.matmul = rg.matmul
        self.softmax = lambda x: rg.softmax(x, 1)
        self.cross_entropy = rg.nn.functional.cross_entropy


class Numpy:
    """What one writes by hand."""

    array = staticmethod(np.ascontiguousarray)
    matmul = staticmethod(np.matmul)

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
        # The transposition is part of the compiled function: outside it would be a copy.
        self.products = {
            "NN": compiled(lambda a, b: a @ b),
            "TN": compiled(lambda a, b: a.T @ b),
            "NT": compiled(lambda a, b: a @ b.T),
        }


FRAMEWORKS = {"rgrad": Rgrad, "numpy": Numpy, "torch": Torch, "jax": Jax}


def measure(framework: str, seconds: float, threads: int) -> dict[str, float]:
    """Seconds of every case in one framework, in this process."""
    lib = FRAMEWORKS[framework](threads)
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return lib.array(rng.standard_normal(shape, dtype=np.float32))

    times = {}
    for layout, m, k, n in PRODUCTS:
        a = draw(m, k) if layout != "TN" else draw(k, m)
        b = draw(k, n) if layout != "NT" else draw(n, k)
        if framework == "jax":
            f = lib.products[layout]
        else:
            a, b, f = (a.T if layout == "TN" else a), (b.T if layout == "NT" else b), lib.matmul
        times[product_name(layout, m, k, n)] = harness.best(lambda f=f, a=a, b=b: f(a, b), seconds)
    for shape in ROWS:
        x, y = draw(*shape), lib.array(rng.integers(0, shape[1], shape[0]))
        times[f"softmax {shape}"] = harness.best(lambda x=x: lib.softmax(x), seconds)
        times[f"cross-entropy {shape}"] = harness.best(lambda x=x, y=y: lib.cross_entropy(x, y), seconds)
    return times


def product_name(layout: str, m: int, k: int, n: int) -> str:
    """What a product is called in the tables."""
    return f"{m}×{k}×{n} {layout}"


def table(title: str, cases: dict[str, float], best: dict[str, dict[str, float]], figure: Callable[..., float]) -> None:
    """Prints a figure for each case and framework, and how many times the time of rgrad each other takes."""
    others = [f for f in best if f != "rgrad"]
    print(f"{title:26}" + "".join(f"{f:>10}" for f in best) + "".join(f"{f + '/rgrad':>13}" for f in others))
    for case, size in cases.items():
        figures = "".join(f"{figure(size, times[case]):10.1f}" for times in best.values())
        rgrad = best.get("rgrad", {}).get(case, float("nan"))
        print(f"{case:26}{figures}" + "".join(f"{best[f][case] / rgrad:13.2f}" for f in others))
    print()


def main() -> int:
    """Runs the comparison, or one child of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frameworks", help="comma-separated; default: all that are installed")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes for each framework (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.1, help="time to spend on each case (default: 0.1)")
    parser.add_argument("--threads", type=int, default=harness.cores(), help="default: all cores")
    parser.add_argument("--json", metavar="FILE", help="write all figures there, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        harness.pin(args.threads)
        print(json.dumps(measure(args.child, args.seconds, args.threads)))
        return 0
    available = harness.installed(FRAMEWORKS)
    frameworks = harness.chosen(args.frameworks, available, "framework")
    facts = harness.machine(args.threads, FRAMEWORKS)
    harness.describe(facts)
    best: dict[str, dict[str, float]] = {}
    for _ in range(args.rounds):
        for framework in frameworks:
            options = ["--child", framework, "--seconds", str(args.seconds)]
            times = harness.child(__file__, *options, threads=args.threads)
            if "error" in times:
                print(f"{framework} failed: {times['error']}", file=sys.stderr)
                return 1
            earlier = best.setdefault(framework, times)
            best[framework] = {case: min(earlier[case], time) for case, time in times.items()}
    products = {product_name(*p): 2.0 * p[1] * p[2] * p[3] for p in PRODUCTS}
    table("GFLOP/s (m×k×n)", products, best, lambda flops, t: flops / t * 1e-9)
    rows = {f"{op} {shape}": 0.0 for op in ("softmax", "cross-entropy") for shape in ROWS}
    table("µs (rows, classes)", rows, best, lambda _, t: t * 1e6)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "seconds": best}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
