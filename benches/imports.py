"""Times `import` of rgrad and of its peers over a bare interpreter, in fresh processes that take turns."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import harness

MODULES = {"numpy": "numpy", "rgrad": "rgrad", "jax": "jax", "torch": "torch", "sklearn.neural_network": "scikit-learn"}


def start(statement: str) -> float:
    """Returns the time in seconds that a fresh interpreter takes to run the statement and exit."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Prints the shortest time of the rounds for each installed module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="default: 10")
    rounds = parser.parse_args().rounds
    harness.describe(harness.machine(harness.cores(), MODULES.values()))
    modules = harness.installed(MODULES)
    statements = ["pass", "import numpy, rgrad", *(f"import {module}" for module in modules)]
    for statement in statements:
        start(statement)  # reads the files into the page cache
    best = dict.fromkeys(statements, float("inf"))
    for _ in range(rounds):
        for statement in statements:
            best[statement] = min(best[statement], start(statement))
    bare = best["pass"]
    print(f"{'bare interpreter':24}{bare * 1e3:8.1f} ms")
    for module in modules:
        print(f"{module:24}{(best[f'import {module}'] - bare) * 1e3:8.1f} ms more")
    added = best["import numpy, rgrad"] - best["import numpy"]
    print(f"{'rgrad after numpy':24}{added * 1e3:8.1f} ms more")


if __name__ == "__main__":
    main()
