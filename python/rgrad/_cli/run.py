"""A whole training run: prepare the data, train, show a table, write weights, metrics and pictures."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import rgrad as rg
from rgrad._cli.training import Row, Settings, build_model, fit
from rgrad._shared.files import ctrl_c_waits, replacing
from rgrad._shared.progress import Progress
from rgrad.datasets import Dataset

if TYPE_CHECKING:
    from rgrad import nn

WEIGHTS, METRICS = "weights.safetensors", "metrics.json"
PICTURES = ("curves.png", "confusion.png", "mistakes.png", "boundaries.png")


@dataclasses.dataclass(frozen=True, slots=True)
class Scaling:
    """The means and standard deviations that inputs are standardised with."""

    mean: list[float]
    std: list[float]

    def apply(self, x: rg.Tensor) -> rg.Tensor:
        """Return `(x - mean) / std`, column by column."""
        scaled = (x.numpy() - np.array(self.mean)) / np.array(self.std)
        return rg.from_numpy(scaled.astype(np.float32))


def run(data: Dataset, settings: Settings, out: Path, quiet: bool = False) -> list[Row]:
    """Train on the data and write the results into the folder `out`, which exists.

    Weights and metrics are written whenever there is a new row of results, the pictures at the end.

    Returns:
        The rows of the table.

    Raises:
        FloatingPointError: a loss is no longer finite; the results before that stay.
        KeyboardInterrupt: as it came, with a message that says what was kept.
    """
    rg.manual_seed(settings.seed)
    scaling = _scaling(data)
    scaled = data if scaling is None else _apply(scaling, data)
    sizes = (data.train_x.shape[1], *settings.hidden, len(data.class_names))
    model = build_model(sizes, settings.activation)
    _remove_pictures(out)
    if not quiet:
        print(_describe(data, settings, sizes, model))
    rows: list[Row] = []
    batches = 1 if settings.batch_size is None else -(-len(data.train_y) // settings.batch_size)
    try:
        with Progress("training", settings.epochs * batches, "batch", quiet) as progress:
            for row in fit(model, scaled, settings, progress):
                with ctrl_c_waits():
                    rows.append(row)
                    _write_results(out, data, settings, scaling, model, rows)
                if not quiet:
                    progress.print(_table_lines(row, with_header=len(rows) == 1))
        pictures = _draw(out, data, scaling, model, rows, quiet)
    except KeyboardInterrupt:
        kept = f"; {out} keeps the results of epoch {rows[-1].epoch}" if rows else " before there were any results"
        raise KeyboardInterrupt(f"interrupted{kept}") from None
    if not quiet:
        best = _best(rows)
        print(f"best test error {best.test_error:.2f} % in epoch {best.epoch}, last {rows[-1].test_error:.2f} %")
        print(f"{out} has {', '.join([WEIGHTS, METRICS, *pictures])}")
    return rows


def _scaling(data: Dataset) -> Scaling | None:
    """Means and deviations of the training set; pixels are left as they are, from 0 to 1."""
    if data.image_shape is not None:
        return None
    x = data.train_x.numpy().astype(np.float64)
    std = x.std(axis=0)
    return Scaling(x.mean(axis=0).tolist(), np.where(std > 0, std, 1.0).tolist())


def _apply(scaling: Scaling, data: Dataset) -> Dataset:
    return dataclasses.replace(data, train_x=scaling.apply(data.train_x), test_x=scaling.apply(data.test_x))


def _parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _describe(data: Dataset, settings: Settings, sizes: tuple[int, ...], model: nn.Module) -> str:
    layers = "-".join(map(str, sizes))
    units = f", {settings.activation}" if settings.hidden else ""
    batches = "full batch" if settings.batch_size is None else f"batches of {settings.batch_size}"
    return (
        f"{data}\n"
        f"{settings.model} {layers}{units}, {_parameter_count(model)} parameters; "
        f"{settings.optimizer}, lr {settings.lr:g}, {batches}; "
        f"{rg.__config__.isa()}, {rg.get_num_threads()} threads"
    )


def _table_lines(row: Row, with_header: bool) -> str:
    header = " epoch  train loss  train error  test loss  test error  seconds"
    line = (
        f"{row.epoch:6d}  {row.train_loss:10.4f}  {row.train_error:9.2f} %  "
        f"{row.test_loss:9.4f}  {row.test_error:8.2f} %  {row.seconds:7.2f}"
    )
    if row.gradient_norm is not None:
        header += "  gradient"
        line += f"  {row.gradient_norm:8.1e}"
    return f"{header}\n{line}" if with_header else line


def _best(rows: list[Row]) -> Row:
    return min(rows, key=lambda row: (row.test_error, row.test_loss))


def _write_results(
    out: Path, data: Dataset, settings: Settings, scaling: Scaling | None, model: nn.Module, rows: list[Row]
) -> None:
    rg.save(model.state_dict(), out / WEIGHTS)
    metrics: dict[str, Any] = {
        "settings": dataclasses.asdict(settings),
        "data": {
            "name": data.name,
            "train_samples": len(data.train_y),
            "test_samples": len(data.test_y),
            "class_names": data.class_names,
            "feature_names": data.feature_names,
            "image_shape": data.image_shape,
            "standardised_with": None if scaling is None else dataclasses.asdict(scaling),
        },
        "parameters": _parameter_count(model),
        "versions": {"rgrad": rg.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "machine": {"platform": platform.platform(), "isa": rg.__config__.isa(), "threads": rg.get_num_threads()},
        "columns": "losses are means per sample, errors are in per cent; see `python -m rgrad train --help`",
        "epochs": [row._asdict() for row in rows],
        "best": _best(rows)._asdict(),
        "last": rows[-1]._asdict(),
    }
    with replacing(out / METRICS) as aside:
        aside.write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _remove_pictures(out: Path) -> None:
    """Pictures of an earlier run must not lie beside the results of this one."""
    for name in PICTURES:
        (out / name).unlink(missing_ok=True)


def _draw(
    out: Path, data: Dataset, scaling: Scaling | None, model: nn.Module, rows: list[Row], quiet: bool
) -> list[str]:
    try:
        from rgrad._cli import plots
    except ImportError as error:
        if error.name is None or error.name.split(".")[0] != "matplotlib":
            raise
        if not quiet:
            print("no pictures: matplotlib is not installed (pip install 'rgrad[plot]')", file=sys.stderr)
        return []
    return plots.draw(out, data, scaling, model, rows)
