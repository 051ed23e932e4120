"""The pictures that a training run leaves. Importing this module imports matplotlib, an optional dependency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import rgrad as rg
from rgrad import plot
from rgrad._cli.inputs import Columns, Pixels
from rgrad._shared.files import replacing

if TYPE_CHECKING:
    from rgrad._cli.run import Training

_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "font.size": 10,
    "axes.titlesize": 11,
    "legend.frameon": False,
    # Names of classes and columns are the user's: a dollar sign in them starts no formula.
    "text.parse_math": False,
}
_DPI = 150
_MOST_MISTAKES = 30


def draw(out: Path, training: Training, rows: list[dict[str, Any]]) -> list[str]:
    """Draw what fits the data into the folder `out`, and return the names of the files.

    Args:
        out: an existing folder.
        training: what was trained, and with what.
        rows: the results of the epochs, as the table shows them.
    """
    model, test = training.model, training.samples.test
    outputs, labels = model.outputs(test.x.numpy()), test.y.numpy()
    figures = {"curves.png": _curves(training, rows)}
    if not model.target.classes:
        target = labels[:, 0].astype(np.float64) * model.target.std + model.target.mean
        figures["residuals.png"] = Figure(figsize=(6.4, 4.4), layout="constrained")
        with mpl.rc_context(_STYLE):
            ax = plot.residuals(model.values(outputs), target, figures["residuals.png"].add_subplot())
            ax.set_title(f"test set: {ax.get_title()}")
    else:
        figures |= _of_classes(training, outputs, labels)
    with mpl.rc_context(_STYLE):
        for name, figure in figures.items():
            with replacing(out / name) as aside:
                figure.savefig(aside, format="png", dpi=_DPI)
    return list(figures)


def _curves(training: Training, rows: list[dict[str, Any]]) -> Figure:
    of_loss, of_metric = (
        ("mean cross-entropy loss", "error (%)")
        if training.model.target.classes
        else ("mean squared error, of the standardised target", "R²")
    )
    metric = "error" if training.model.target.classes else "r2"
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        plot.curves(rows, "loss", left).set_title(of_loss)
        plot.curves(rows, metric, right).set_title(of_metric)
    return figure


def _of_classes(training: Training, outputs: Any, labels: Any) -> dict[str, Figure]:
    samples, names = training.samples, training.model.target.classes
    classes = len(names)
    figures: dict[str, Figure] = {}
    with mpl.rc_context(_STYLE):
        size = min(max(0.55 * classes, 3) + 1.6, 12)
        figures["confusion.png"] = Figure(figsize=(size, size * 0.97), layout="constrained")
        ax = plot.confusion(labels, outputs, names, figures["confusion.png"].add_subplot())
        ax.set_title(f"test set: {ax.get_title()}")
        if isinstance(samples.inputs, Pixels):
            wrong = int((outputs.argmax(1) != labels).sum())
            height = max(-(-min(wrong, _MOST_MISTAKES) // 6), 1) * 1.65 + 0.7
            figures["mistakes.png"] = Figure(figsize=(8.1, height), layout="constrained")
            ax = figures["mistakes.png"].add_subplot()
            plot.mistakes(samples.test.raw, labels, outputs, names, _MOST_MISTAKES, ax)
        elif samples.test.raw is not None:
            figures["boundaries.png"] = _boundaries(training, samples.inputs)
    return figures


def _boundaries(training: Training, inputs: Columns) -> Figure:
    samples, model = training.samples, training.model
    features = [column.name for column in inputs.columns]

    def logits(x: rg.Tensor) -> rg.Tensor:
        return rg.from_numpy(model.outputs(inputs.apply(dict(zip(features, x.numpy().T, strict=True)))))

    figure = Figure(figsize=(8, 5.4), layout="constrained")
    ax = figure.add_subplot()
    train, test = samples.train, samples.test
    known = [part for part in (train, samples.validation) if part is not None]
    x = np.concatenate([part.raw for part in known if part.raw is not None])
    y = np.concatenate([part.y.numpy() for part in known])
    assert test.raw is not None
    # Both sets span the plane; the test set's points are drawn over it again, as triangles.
    everything = np.concatenate([x, test.raw])
    plot.boundaries(logits, everything, np.concatenate([y, test.y.numpy()]), model.target.classes, features, ax)
    ax.scatter(
        test.raw[:, 0],
        test.raw[:, 1],
        s=46,
        marker="^",
        facecolors="none",
        edgecolors="black",
        linewidths=1.2,
        label="test set",
    )
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()
    figure.legend(loc="outside right upper")
    return figure
