"""Times `python -m rgrad train mnist` against the same training by hand in NumPy, from shuffling to the test error.

Softmax regression for 10 epochs and the 784-100-10 network for 20, in batches of 100 with learning rate 0.2. Both sides
shuffle and gather rows, accumulate loss and errors, and evaluate the test set after each epoch; loading is not timed.
They take turns, each time in a fresh process, and the shortest time counts. Needs RGRAD_DATA, or a network connection.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import harness
import numpy as np

MODELS = {"softmax": ((784, 10), 10), "mlp": ((784, 100, 10), 20)}
BATCH, LR = 100, 0.2
EVALUATION_ROWS = 2000


class ByHand:
    """Layers with ReLU between them: hand-written gradients, arrays reused, products written directly to them."""

    def __init__(self, sizes: tuple[int, ...], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.weights = [self.rng.uniform(-(m**-0.5), m**-0.5, (m, n)).astype(np.float32) for m, n in pairwise(sizes)]
        self.biases = [np.zeros(n, np.float32) for n in sizes[1:]]
        self.gradients = [np.empty_like(w) for w in self.weights]
        self.layers = [np.empty((BATCH, n), np.float32) for n in sizes]
        self.deltas = [np.empty_like(h) for h in self.layers]
        self.labels = np.empty(BATCH, np.int64)
        self.rows = np.arange(BATCH)

    def epoch(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Trains one epoch; returns the mean loss and the error in percent, each batch before its step."""
        order = self.rng.permutation(len(x))
        loss, wrong = 0.0, 0
        for i in range(0, len(x), BATCH):
            rows = order[i : i + BATCH]
            # Any other mode gathers into a temporary array first.
            np.take(x, rows, axis=0, out=self.layers[0], mode="clip")
            np.take(y, rows, out=self.labels, mode="clip")
            batch_loss, batch_wrong = self.step()
            loss += batch_loss
            wrong += batch_wrong
        return loss / len(x), 100 * wrong / len(x)

    def step(self) -> tuple[float, int]:
        """Makes one update with the batch in layer 0."""
        layers, deltas, rows, labels = self.layers, self.deltas, self.rows, self.labels
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if i > 0:
                np.maximum(layers[i], 0, out=layers[i])
            np.matmul(layers[i], w, out=layers[i + 1])
            layers[i + 1] += b
        z = layers[-1]
        wrong = int(np.count_nonzero(z.argmax(axis=1) != labels))
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z, out=deltas[-1])
        total = e.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - z[rows, labels]).sum())
        # The gradient of the loss includes the learning rate, so that nothing else has to be multiplied by it.
        e *= np.float32(LR / BATCH) / total
        e[rows, labels] -= np.float32(LR / BATCH)
        for i in reversed(range(len(self.weights))):
            np.matmul(layers[i].T, deltas[i + 1], out=self.gradients[i])
            if i > 0:
                np.matmul(deltas[i + 1], self.weights[i].T, out=deltas[i])
                deltas[i] *= layers[i] > 0
            self.weights[i] -= self.gradients[i]
            self.biases[i] -= deltas[i + 1].sum(axis=0)
        return loss, wrong

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Returns the mean loss and the error in percent."""
        loss, wrong = 0.0, 0
        for i in range(0, len(x), EVALUATION_ROWS):
            h, labels = x[i : i + EVALUATION_ROWS], y[i : i + EVALUATION_ROWS]
            for j, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
                h = (h if j == 0 else np.maximum(h, 0, out=h)) @ w
                h += b
            wrong += int(np.count_nonzero(h.argmax(axis=1) != labels))
            h -= h.max(axis=1, keepdims=True)
            picked = h[np.arange(len(h)), labels].sum()
            loss += float(np.log(np.exp(h, out=h).sum(axis=1)).sum() - picked)
        return loss / len(x), 100 * wrong / len(x)


def numpy_run(model: str, seed: int) -> dict[str, float]:
    """Returns the seconds and the last test error of the training by hand."""
    import rgrad as rg

    data = rg.datasets.mnist()
    x, y, test_x, test_y = (t.numpy() for t in (data.train_x, data.train_y, data.test_x, data.test_y))
    sizes, epochs = MODELS[model]
    start = time.perf_counter()
    net = ByHand(sizes, seed)
    for _ in range(epochs):
        net.epoch(x, y)
        _, error = net.evaluate(test_x, test_y)
    return {"seconds": time.perf_counter() - start, "error": error}


def rgrad_run(model: str, seed: int, *options: str) -> dict[str, float]:
    """Returns the seconds and the last test error that the command line reports."""
    from rgrad._cli import main

    with tempfile.TemporaryDirectory() as out:
        command = ["train", "mnist", "--model", model, "--seed", str(seed), "--quiet", "--out", out, *options]
        if main(command):
            sys.exit(1)
        rows = json.loads((Path(out) / "metrics.json").read_text(encoding="utf-8"))["epochs"]
    return {"seconds": sum(row["seconds"] for row in rows), "error": rows[-1]["test_error"]}


RUNS = {
    "rgrad": rgrad_run,
    "rgrad --eager": lambda model, seed: rgrad_run(model, seed, "--eager"),
    "numpy": numpy_run,
}


def compare(model: str, rounds: int, seed: int, threads: int) -> bool:
    """Runs the two in turn on one model and prints their results; returns False if one failed."""
    options = ["--seed", str(seed)]
    runs: dict[str, list[dict]] = {name: [] for name in RUNS}
    for _ in range(rounds):
        for name in RUNS:
            runs[name].append(harness.child(__file__, "--child", model, name, *options, threads=threads))
    sizes, epochs = MODELS[model]
    print(f"{'-'.join(map(str, sizes))}, {epochs} epochs, seed {seed}")
    print(f"  {'':16}{'seconds':>9}{'/ rgrad':>9}{'test error':>13}")
    failed = [f"{name}: {run['error']}" for name in RUNS for run in runs[name] if "seconds" not in run]
    if failed:
        print("\n".join(f"  {line}" for line in failed))
        return False
    best = {name: min(runs[name], key=lambda run: run["seconds"]) for name in RUNS}
    for name, run in best.items():
        ratio = run["seconds"] / best["rgrad"]["seconds"]
        print(f"  {name:16}{run['seconds']:9.3f}{ratio:9.2f}{run['error']:11.2f} %")
    print(flush=True)
    return True


def main() -> int:
    """Runs the comparison, or one child of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="models, comma-separated: " + ", ".join(MODELS))
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes for each (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and shuffling (default: 0)")
    parser.add_argument("--threads", type=int, default=harness.cores(), help="default: all cores")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        harness.pin(args.threads)
        model, name = args.child
        print(json.dumps(RUNS[name](model, args.seed)))
        return 0
    harness.describe(harness.machine(args.threads, ["rgrad", "numpy"]))
    models = harness.chosen(args.only, list(MODELS), "model")
    return 0 if all([compare(model, args.rounds, args.seed, args.threads) for model in models]) else 1


if __name__ == "__main__":
    sys.exit(main())
