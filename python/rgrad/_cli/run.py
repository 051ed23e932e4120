"""A whole training run: train, show a table, write model, metrics and pictures."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

import rgrad as rg
from rgrad import nn, optim, train
from rgrad._cli.inputs import Columns
from rgrad._cli.model import Model, build_network, save_model
from rgrad._cli.samples import Samples
from rgrad._shared.files import replacing

MODEL, METRICS, STATE = "model.safetensors", "metrics.json", "state.safetensors"
PICTURES = ("curves.png", "confusion.png", "mistakes.png", "boundaries.png", "residuals.png")
OPTIMIZERS = ("sgd", "adam", "adamw")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is trained, and how.

    Attributes:
        model: `"softmax"`, `"linear"` or `"mlp"`.
        hidden: units of each hidden layer; none but for `"mlp"`.
        activation: of the hidden layers, a key of `ACTIVATIONS`.
        optimizer: one of `OPTIMIZERS`.
        lr: learning rate.
        momentum: of `"sgd"`.
        weight_decay: L2 penalty, decoupled for `"adamw"`.
        batch_size: rows in a mini-batch; `None` for gradient descent on all rows at once.
        epochs: how many at most.
        patience: epochs without a better validation loss before training ends.
        tolerance: stop when the norm of the gradient is below it; `None` for never.
        log_every: epochs between two rows of results.
        seed: of the weights and of the order of the rows.
    """

    model: str
    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    batch_size: int | None
    epochs: int
    patience: int
    tolerance: float | None
    log_every: int
    seed: int


class Training:
    """Samples and settings, with the model that they are for."""

    def __init__(self, samples: Samples, settings: Settings) -> None:
        self.samples, self.settings = samples, settings
        rg.manual_seed(settings.seed)
        sizes = (samples.inputs.size, *settings.hidden, samples.target.size)
        network = build_network(sizes, settings.activation)
        about: dict[str, Any] = {
            "data": samples.name,
            "rows": len(samples.train),
            "model": settings.model,
            "versions": {"rgrad": rg.__version__, "numpy": np.__version__, "python": platform.python_version()},
        }
        self.model = Model(network, sizes, settings.activation, samples.inputs, samples.target, about)
        # A bundled dataset has nothing set aside to choose an epoch by: its test set is shown, and no epoch is chosen.
        self.part = "test" if samples.validation is None else "validation"
        self.stopping = train.EarlyStopping(patience=settings.patience) if samples.validation is not None else None
        if samples.target.classes:
            self.loss: Any = nn.CrossEntropyLoss()
            self.metrics: list[Any] = [train.error]
        else:
            self.loss, self.metrics = nn.MSELoss(), [train.mae, train.r2]

    def fit(self, callbacks: list[Any], quiet: bool, state: Path | None = None) -> train.History:
        """Trains, from the checkpoint on if it is there. At the end the network has the weights that were chosen."""
        settings, samples = self.settings, self.samples
        shown = samples.test if samples.validation is None else samples.validation
        return train.fit(
            self.model.network,
            (samples.train.x, samples.train.y),
            self.loss,
            _optimizer(self.model.network, settings),
            settings.epochs,
            batch_size="full" if settings.batch_size is None else settings.batch_size,
            shuffle=settings.batch_size is not None,
            validation=(shown.x, shown.y),
            validate_every=settings.log_every,
            metrics=self.metrics,
            tolerance=settings.tolerance,
            callbacks=([self.stopping] if self.stopping else []) + callbacks,
            checkpoint=state,
            checkpoint_every=settings.log_every,
            resume=state is not None,
            progress=not quiet,
        )

    def test(self) -> dict[str, float]:
        """Loss and metrics of the network on the test set, in the target's units."""
        test = self.samples.test
        return self.in_units(train.evaluate(self.model.network, (test.x, test.y), self.loss, self.metrics))

    def in_units(self, values: dict[str, float]) -> dict[str, float]:
        """Errors in per cent, and distances in the target's units."""
        std = self.samples.target.std
        factors = {"error": 100.0, "mae": std}
        found = {name: factors.get(name.split("_")[-1]) for name in values}
        return {name: value if (factor := found[name]) is None else value * factor for name, value in values.items()}

    def row(self, row: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        """A row of the history as table and metrics show it."""
        values = {k.replace("validation_", f"{self.part}_"): v for k, v in row.items() if k not in ("lr", "seconds")}
        seconds = row["seconds"] - (before["seconds"] if before else 0.0)
        return {**self.in_units(values), "seconds": seconds, "lr": row["lr"]}


def _optimizer(network: nn.Module, settings: Settings) -> optim.Optimizer:
    parameters = network.parameters()
    if settings.optimizer == "sgd":
        return optim.SGD(parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    kind = optim.Adam if settings.optimizer == "adam" else optim.AdamW
    return kind(parameters, lr=settings.lr, weight_decay=settings.weight_decay)


class Report(train.Callback):
    """Prints the table, and writes model and metrics whenever it has a new row."""

    def __init__(self, training: Training, out: Path, arguments: dict[str, Any], quiet: bool) -> None:
        self.training, self.out, self.arguments, self.quiet = training, out, arguments, quiet
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, run: train.Run) -> None:
        """A row, if the epoch was validated."""
        if "validation_loss" not in run.row:
            return
        held = [row for row in run.history if "validation_loss" in row]
        self.rows = [self.training.row(row, held[i - 1] if i else None) for i, row in enumerate(held)]
        self.write()
        if not self.quiet:
            run.print(_table_lines(self.rows[-1], with_header=len(self.rows) == 1))

    def write(self, **more: Any) -> None:
        """Writes model and metrics."""
        training, stopping = self.training, self.training.stopping
        save_model(training.model, self.out / MODEL, stopping.best_weights if stopping else None)
        samples = training.samples
        inputs = samples.inputs
        metrics: dict[str, Any] = {
            "settings": dataclasses.asdict(training.settings),
            "arguments": self.arguments,
            "fingerprint": samples.fingerprint,
            "data": {
                "name": samples.name,
                "task": samples.target.task,
                "target": samples.target.name,
                "train_samples": len(samples.train),
                "validation_samples": 0 if samples.validation is None else len(samples.validation),
                "test_samples": len(samples.test),
                "class_names": samples.target.classes,
                **(inputs.to_json() if isinstance(inputs, Columns) else {"image_shape": inputs.shape}),
            },
            "parameters": count_parameters(training.model.network),
            "versions": training.model.about["versions"],
            "machine": {"platform": platform.platform(), "isa": rg.__config__.isa(), "threads": rg.get_num_threads()},
            "columns": "losses are means per sample, errors are in per cent; see `rgrad train --help`",
            "epochs": self.rows,
            "best": self.best(),
            "last": self.rows[-1],
            **more,
        }
        with replacing(self.out / METRICS) as aside:
            aside.write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def best(self) -> dict[str, Any]:
        """The row of the epoch whose weights the model has."""
        stopping = self.training.stopping
        if stopping is None:
            return self.rows[-1]
        return next(row for row in self.rows if row["epoch"] == stopping.best_epoch)


def run(
    training: Training,
    out: Path,
    arguments: dict[str, Any],
    quiet: bool = False,
    folds: list[dict[str, float]] | None = None,
) -> None:
    """Train on the samples and write the results into the folder `out`, which exists.

    Model, metrics and the state to resume from are written whenever there is a new row of results; the test set is used
    and the pictures are drawn at the end.

    Raises:
        FloatingPointError: a loss is no longer finite; the results before that stay.
        KeyboardInterrupt: as it came, with a message that says what was kept.
    """
    for name in PICTURES:
        (out / name).unlink(missing_ok=True)  # those of an earlier run must not lie beside the results of this one
    if not quiet:
        print(_describe(training))
    report = Report(training, out, arguments, quiet)
    try:
        history = training.fit([report], quiet, out / STATE)
        if not report.rows:
            report.rows = [training.row(row, None) for row in history if "validation_loss" in row]
        tested = training.test()
        report.write(test=tested, stopped=history.stopped, **({"folds": folds} if folds else {}))
        pictures = _draw(out, training, report.rows, quiet)
    except KeyboardInterrupt:
        epoch = report.rows[-1]["epoch"] if report.rows else None
        kept = " before there were any results" if epoch is None else f"; {out} keeps the results of epoch {epoch}"
        raise KeyboardInterrupt(f"interrupted{kept}") from None
    if not quiet:
        if history.stopped:
            print(f"stopped: {history.stopped}")
        print(f"test set: {describe_values(tested)}, with the weights of epoch {report.best()['epoch']}")
        print(f"{out} has {', '.join([MODEL, METRICS, STATE, *pictures])}")


def describe_values(values: dict[str, float]) -> str:
    """Loss and metrics in words."""
    shown = {"error": "error {:.2f} %", "loss": "loss {:.4f}", "r2": "R² {:.4f}", "mae": "mean absolute error {:.4g}"}
    return ", ".join(shown.get(name, name + " {:.4f}").format(value) for name, value in values.items())


def count_parameters(network: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def _describe(training: Training) -> str:
    settings, model = training.settings, training.model
    layers = "-".join(map(str, model.sizes))
    units = f", {settings.activation}" if settings.hidden else ""
    batches = "full batch" if settings.batch_size is None else f"batches of {settings.batch_size}"
    return (
        f"{training.samples!r}\n"
        f"{settings.model} {layers}{units}, {count_parameters(model.network)} parameters; "
        f"{settings.optimizer}, lr {settings.lr:g}, {batches}; "
        f"{rg.__config__.isa()}, {rg.get_num_threads()} threads"
    )


_FORMATS = {"loss": "{:.4f}", "error": "{:.2f} %", "r2": "{:.4f}", "mae": "{:.4g}"}


def _table_lines(row: dict[str, Any], with_header: bool) -> str:
    names = [name for name in row if name.split("_")[-1] in _FORMATS]
    titles = [name.replace("_", " ").replace(" r2", " R²") for name in names]
    cells = [_FORMATS[name.split("_")[-1]].format(row[name]) for name in names]
    header = " epoch  " + "  ".join(f"{title:>9}" for title in titles) + "  seconds"
    line = f"{row['epoch']:6d}  "
    line += "  ".join(f"{cell:>{max(len(title), 9)}}" for cell, title in zip(cells, titles, strict=True))
    line += f"  {row['seconds']:7.2f}"
    if "gradient_norm" in row:
        header += "  gradient"
        line += f"  {row['gradient_norm']:8.1e}"
    return f"{header}\n{line}" if with_header else line


def _draw(out: Path, training: Training, rows: list[dict[str, Any]], quiet: bool) -> list[str]:
    try:
        import rgrad._cli.pictures as pictures
    except ImportError as error:
        if error.name is None or error.name.split(".")[0] != "matplotlib":
            raise
        if not quiet:
            print("no pictures: matplotlib is not installed (pip install 'rgrad[plot]')", file=sys.stderr)
        return []
    try:
        return pictures.draw(out, training, rows)
    except SystemError as error:
        # What extension modules raise where they are out of memory and do not say so.
        raise MemoryError(f"no room in memory for the pictures: {error}") from None
