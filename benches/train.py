"""Times training steps (loss, gradients, update) of small networks in rgrad and in whatever else is installed.

Every framework starts from the same float32 weights and sees the same batches. Each (network, framework) pair runs in a
fresh process, the frameworks take turns, and the shortest time of all rounds counts. After one pass over the batches
each returns its weights: their loss, computed here in float64, must agree with NumPy's within LOSS_TOLERANCE, so that
fast wrong results are noticed; if one does not, the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from functools import cached_property

import harness
import numpy as np

LOSS_TOLERANCE = 1e-3
"""Relative. Rounding differs between frameworks, and Adam's first steps amplify it: they divide by tiny gradients."""


@dataclass(frozen=True)
class Network:
    """A network with its training settings, and the random data it is trained on."""

    widths: tuple[int, ...]
    activation: str
    batch: int
    optimizer: str
    lr: float
    batches: int

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (batches, batch, features) and labels (batches, batch)."""
        rng = np.random.default_rng(1)
        inputs = 0.5 * rng.standard_normal((self.batches, self.batch, self.widths[0]), dtype=np.float32)
        return inputs, rng.integers(0, self.widths[-1], (self.batches, self.batch))

    @cached_property
    def weights(self) -> list[np.ndarray]:
        """One (out, in) matrix per layer, with He initialization; the biases are zero."""
        rng = np.random.default_rng(2)
        shapes = zip(self.widths[1:], self.widths[:-1], strict=True)
        return [math.sqrt(2 / n) * rng.standard_normal((m, n), dtype=np.float32) for m, n in shapes]

    def loss(self, parameters: list[tuple[np.ndarray, np.ndarray]]) -> float:
        """The mean cross-entropy over all data, in float64, of (weight, bias) pairs."""
        h, labels = (part.reshape(-1, *part.shape[2:]) for part in self.data)
        act = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
        for i, (w, b) in enumerate(parameters):
            h = (h if i == 0 else act[self.activation](h)) @ np.asarray(w, np.float64).T + b
        h -= h.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(h).sum(axis=1)) - h[np.arange(len(h)), labels]))

    def __str__(self) -> str:
        widths = "-".join(map(str, self.widths))
        hidden = f" {self.activation}" if len(self.widths) > 2 else ""
        return f"{widths}{hidden}, batch {self.batch}, {self.optimizer}"


NETWORKS = {
    "softmax-mnist-b100": Network((784, 10), "relu", 100, "sgd", 0.1, 100),
    "mlp-mnist-100-b100": Network((784, 100, 10), "relu", 100, "sgd", 0.2, 100),
    "mlp-mnist-256x128-b64-adam": Network((784, 256, 128, 10), "relu", 64, "adam", 1e-3, 100),
    "mlp-digits-32-b32": Network((64, 32, 10), "relu", 32, "sgd", 0.1, 100),
    "mlp-iris-16-full": Network((2, 16, 3), "sigmoid", 150, "sgd", 0.1, 100),
    "mlp-tabular-64x64-b256-adam": Network((32, 64, 64, 2), "tanh", 256, "adam", 1e-3, 100),
    "mlp-1024x3-b1024-adam": Network((1024, 1024, 1024, 1024, 10), "relu", 1024, "adam", 1e-3, 6),
}


def measure(network: Network, framework: str, seconds: float, threads: int) -> dict[str, float] | None:
    """Runs one framework in this process; returns None if it does not support the network."""
    from contenders import CONTENDERS

    contender = CONTENDERS[framework].make(network, threads)
    if contender is None:
        return None
    start = time.perf_counter()
    contender.run()
    first = time.perf_counter() - start
    loss = network.loss(contender.parameters())
    step = harness.best(contender.run, seconds) / network.batches
    return {"us": step * 1e6, "first_s": first, "loss": loss}


def compare(name: str, frameworks: list[str], args: argparse.Namespace) -> tuple[dict[str, dict], bool]:
    """Runs the frameworks in turn on one network and prints a table; returns False if losses disagree or one failed."""
    network = NETWORKS[name]
    runs: dict[str, list[dict]] = {framework: [] for framework in frameworks}
    for _ in range(args.rounds):
        for framework in frameworks:
            options = ["--child", name, framework, "--seconds", str(args.seconds)]
            runs[framework].append(harness.child(__file__, *options, threads=args.threads))
    print(f"{name}: {network}")
    print(f"  {'':16}{'us/step':>11}{'/ rgrad':>9}{'first pass s':>14}{'loss':>12}")
    results = {f: min(rs, key=lambda r: r.get("us", math.inf)) for f, rs in runs.items() if rs[0] is not None}
    expected = results["numpy"].get("loss", math.nan)
    rgrad = results.get("rgrad", {}).get("us", math.nan)
    good = True
    for framework, result in results.items():
        if "error" in result:
            print(f"  {framework:16}failed: {result['error']}")
            good = False
            continue
        agrees = abs(result["loss"] - expected) <= LOSS_TOLERANCE * abs(expected)
        good &= agrees
        figures = f"{result['us']:11.1f}{result['us'] / rgrad:9.2f}{result['first_s']:14.2f}{result['loss']:12.6f}"
        print(f"  {framework:16}{figures}{'' if agrees else f'  differs from {expected:.6f}'}")
    print(flush=True)
    return results, good


def parse() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="networks, comma-separated: " + ", ".join(NETWORKS))
    parser.add_argument("--frameworks", help="frameworks, comma-separated; default: all that are installed")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes for each pair (default: 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="time to spend in each process (default: 1)")
    parser.add_argument("--threads", type=int, default=harness.cores(), help="default: all cores")
    parser.add_argument("--json", metavar="FILE", help="write all figures there, too")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Runs the comparison, or one child of it."""
    args = parse()
    if args.child:
        harness.pin(args.threads)
        name, framework = args.child
        print(json.dumps(measure(NETWORKS[name], framework, args.seconds, args.threads)))
        return 0
    from contenders import CONTENDERS

    available = [name for name, entry in CONTENDERS.items() if harness.installed([entry.module])]
    frameworks = harness.chosen(args.frameworks, available, "framework")
    if "numpy" not in frameworks:
        frameworks.insert(0, "numpy")
    facts = harness.machine(args.threads, dict.fromkeys(entry.package for entry in CONTENDERS.values()))
    harness.describe(facts)
    print("Best of all rounds; '/ rgrad' is how many times the step of rgrad a step takes: one step.epoch for a pass.")
    print("rgrad-step calls the same compiled step for each batch, and rgrad-eager the step as it is written.")
    print(f"The first pass includes compilation; losses after it must agree with NumPy's within {LOSS_TOLERANCE:g}.\n")
    results, good = {}, True
    for name in harness.chosen(args.only, list(NETWORKS), "network"):
        results[name], agreed = compare(name, frameworks, args)
        good &= agreed
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "results": results}, file, indent=1)
    if not good:
        print("a framework failed, or its loss disagrees with NumPy's", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
