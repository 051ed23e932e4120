"""Compares the estimators of `rgrad.sklearn` with scikit-learn's, on the data sets that it ships and on MNIST.

Repeated cross-validation: accuracy of classifiers (in stratified folds) and R² of regressors, seconds to fit and
predict, and the mean rank over the data sets. No setting is tuned: all have their defaults, multi-layer perceptrons and
linear models behind a StandardScaler. The contenders take turns within a fold. MNIST is 10,000 of its images, and needs
RGRAD_DATA or a network connection. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np

DATA = ("iris", "wine", "breast_cancer", "digits", "diabetes", "mnist")
REGRESSION = {"diabetes"}
PACKAGES = ("rgrad", "scikit-learn", "numpy", "scipy")
MLP, PEER = "MLP", "scikit-learn's MLP"


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "mnist":
        import rgrad as rg

        data = rg.datasets.mnist()
        rows = np.random.default_rng(0).permutation(len(data.train_y))[:10_000]
        return data.train_x.numpy()[rows], data.train_y.numpy()[rows]
    import sklearn.datasets

    found: tuple[np.ndarray, np.ndarray] = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    return found


def contenders(name: str) -> dict[str, Callable[[int], Any]]:
    """Functions from a seed to an estimator, by their names in the table."""
    from sklearn import ensemble, linear_model, neural_network
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import rgrad.sklearn as ours

    kind = "Regressor" if name in REGRESSION else "Classifier"

    def scaled(estimator: Any) -> Any:
        return make_pipeline(StandardScaler(), estimator)

    linear = linear_model.Ridge() if name in REGRESSION else linear_model.LogisticRegression(max_iter=1000)
    return {
        "Tabular": lambda seed: getattr(ours, f"Tabular{kind}")(random_state=seed),
        MLP: lambda seed: scaled(getattr(ours, f"MLP{kind}")(random_state=seed)),
        PEER: lambda seed: scaled(getattr(neural_network, f"MLP{kind}")(random_state=seed)),
        "logistic or ridge": lambda seed: scaled(linear),
        "HistGradientBoosting": lambda seed: getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=seed),
    }


def measure(names: list[str], models: list[str] | None, repeats: int, folds: int) -> dict[str, Any]:
    """Scores and seconds of each fold, by data set and contender."""
    from sklearn.model_selection import KFold, StratifiedKFold

    found: dict[str, Any] = {}
    for name in names:
        X, y = load(name)
        made = {model: make for model, make in contenders(name).items() if models is None or model in models}
        found[name] = {model: {"scores": [], "seconds": []} for model in made}
        for repeat in range(repeats):
            splitter = (KFold if name in REGRESSION else StratifiedKFold)(folds, shuffle=True, random_state=repeat)
            for train, test in splitter.split(X, y):
                for model, make in made.items():
                    start = time.perf_counter()
                    score = make(repeat).fit(X[train], y[train]).score(X[test], y[test])
                    found[name][model]["seconds"].append(time.perf_counter() - start)
                    found[name][model]["scores"].append(score)
    return found


def table(found: dict[str, Any]) -> str:
    """The results as a table in Markdown."""
    models = list(next(iter(found.values())))
    means = {name: [statistics.fmean(rows[model]["scores"]) for model in models] for name, rows in found.items()}
    ranks = [[1 + sum(other > mean for other in row) for mean in row] for row in means.values()]
    lines = ["| data | " + " | ".join(models) + " |", "|---|" + "--:|" * len(models)]
    for name, rows in found.items():
        cells = []
        for model, mean in zip(models, means[name], strict=True):
            spread, seconds = statistics.pstdev(rows[model]["scores"]), statistics.fmean(rows[model]["seconds"])
            cells.append(f"{mean:.3f} ± {spread:.3f}, {seconds:.2g} s")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    mean_ranks = [statistics.fmean(column) for column in zip(*ranks, strict=True)]
    lines.append("| mean rank | " + " | ".join(f"{rank:.2f}" for rank in mean_ranks) + " |")
    if MLP in models and PEER in models:
        ratios = [sum(rows[PEER]["seconds"]) / sum(rows[MLP]["seconds"]) for rows in found.values()]
        shown = ", ".join(f"{name} {ratio:.1f}" for name, ratio in zip(found, ratios, strict=True))
        lines += ["", f"{PEER} takes {statistics.median(ratios):.1f} times as long as {MLP} in the median ({shown})."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help=f"comma-separated, of {', '.join(DATA)}")
    parser.add_argument("--models", help="comma-separated names of contenders, as the table has them")
    parser.add_argument("--repeats", type=int, default=5, help="of the cross-validation")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=harness.cores())
    parser.add_argument("--json", type=Path, help="write scores and seconds of all folds to this file")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = harness.chosen(args.data, list(DATA), "data set")
    models = harness.chosen(args.models, list(contenders("iris")), "contender") if args.models else None
    if args.child:
        harness.pin(args.threads)
        warnings.simplefilter("ignore")  # of 200 iterations that were not enough
        print(json.dumps(measure(names, models, args.repeats, args.folds)))
        return
    for key, value in harness.machine(args.threads, PACKAGES).items():
        print(f"{key}: {value}")
    options = ["--data", ",".join(names), "--repeats", str(args.repeats), "--folds", str(args.folds), "--child"]
    options += ["--models", args.models] if args.models else []
    # In a process of its own, because libraries read the number of threads when they load.
    found = harness.child(__file__, *options, threads=args.threads, timeout=24 * 3600)
    if "error" in found:
        raise SystemExit(found["error"])
    if args.json:
        args.json.write_text(json.dumps(found), encoding="utf-8")
    print(f"\n{args.repeats} × {args.folds}-fold cross-validation: mean ± standard deviation of the folds, seconds\n")
    print(table(found))


if __name__ == "__main__":
    main()
