"""Pictures of a training run. Importing this module imports matplotlib, an optional dependency."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

import rgrad as rg
from rgrad._cli.training import predict
from rgrad._shared.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rgrad import nn
    from rgrad._cli.run import Scaling
    from rgrad._cli.training import Row
    from rgrad.datasets import Dataset

# Okabe and Ito's colours, which stay apart for colour-blind eyes.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_TRAIN, _TEST = _COLOURS[0], _COLOURS[5]
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
_MAX_MISTAKES = 30
_MAX_NUMBERED_CLASSES = 20
_GRID_POINTS = 400


def draw(out: Path, data: Dataset, scaling: Scaling | None, model: nn.Module, rows: Sequence[Row]) -> list[str]:
    """Draw what fits the data into the folder `out`, and return the names of the files.

    Args:
        out: an existing folder.
        data: the samples as they are, before `scaling`.
        scaling: what the model expects to be applied to its inputs.
        model: the trained model.
        rows: the results of the epochs.
    """
    x = data.test_x if scaling is None else scaling.apply(data.test_x)
    probabilities = predict(model, x)
    labels = data.test_y.numpy()
    pictures: dict[str, Callable[[], Figure]] = {
        "curves.png": lambda: curves(rows),
        "confusion.png": lambda: confusion(labels, probabilities, data),
    }
    if data.image_shape is not None:
        pictures["mistakes.png"] = lambda: mistakes(labels, probabilities, data)
    elif len(data.feature_names) == 2:
        pictures["boundaries.png"] = lambda: boundaries(data, scaling, model)
    with mpl.rc_context(_STYLE):
        for name, picture in pictures.items():
            with replacing(out / name) as aside:
                picture().savefig(aside, format="png", dpi=_DPI)
    return list(pictures)


def curves(rows: Sequence[Row]) -> Figure:
    """Loss and error over the epochs, for the training and the test set."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    epochs = [row.epoch for row in rows]
    marker = "o" if len(rows) <= 30 else ""
    panels: list[Axes] = list(figure.subplots(1, 2))
    for axes, title, pairs in (
        (panels[0], "mean cross-entropy loss", [(row.train_loss, row.test_loss) for row in rows]),
        (panels[1], "error (%)", [(row.train_error, row.test_error) for row in rows]),
    ):
        train, test = zip(*pairs, strict=True)
        axes.plot(epochs, train, color=_TRAIN, marker=marker, markersize=3.5, label="training set")
        axes.plot(epochs, test, color=_TEST, marker=marker, markersize=3.5, label="test set")
        axes.set(title=title, xlabel="epoch")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axes.legend()
    return figure


def confusion(labels: NDArray[Any], probabilities: NDArray[Any], data: Dataset) -> Figure:
    """How many test samples of each class were taken for each class; darker for a larger share of the true class."""
    classes = len(data.class_names)
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, probabilities.argmax(1)), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = min(max(0.55 * classes, 3) + 1.6, 12)
    figure = Figure(figsize=(size, size * 0.97), layout="constrained")
    axes = figure.add_subplot()
    # The power makes a handful of mistakes visible beside hundreds of right answers.
    axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, 0, 1))
    if classes <= _MAX_NUMBERED_CLASSES:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.3 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=9)
        fits = max(map(len, data.class_names)) * classes < 10 * size
        axes.set_xticks(range(classes), data.class_names, rotation=0 if fits else 45, ha="center" if fits else "right")
        axes.set_yticks(range(classes), data.class_names)
    wrong = counts.sum() - np.trace(counts)
    axes.set(xlabel="predicted class", ylabel="true class", title=f"test set: {wrong} of {counts.sum()} wrong")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def mistakes(labels: NDArray[Any], probabilities: NDArray[Any], data: Dataset) -> Figure:
    """Misclassified test images, those first of which the model was surest."""
    assert data.image_shape is not None
    predicted = probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    shown = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:_MAX_MISTAKES]
    columns = 6
    lines = max(math.ceil(len(shown) / columns), 1)
    figure = Figure(figsize=(columns * 1.35, lines * 1.6 + 0.6), layout="constrained")
    title = f"{len(wrong)} of {len(labels)} test images are misclassified"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} with the surest wrong answers"
    figure.suptitle(f"{title}\ntrue class → predicted class, probability", fontsize=11)
    images = data.test_x.numpy().reshape(-1, *data.image_shape)
    for position, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
        if position >= len(shown):
            axes.axis("off")
            continue
        sample = shown[position]
        names = data.class_names[labels[sample]], data.class_names[predicted[sample]]
        axes.imshow(images[sample], cmap="gray_r", vmin=0, vmax=1)
        axes.set_title("{} → {}, {:.0%}".format(*names, probabilities[sample].max()), fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#c0c0c0")
    return figure


def boundaries(data: Dataset, scaling: Scaling | None, model: nn.Module) -> Figure:
    """The plane of two features, tinted by the predicted class, with all samples."""
    train, test = data.train_x.numpy(), data.test_x.numpy()
    everything = np.concatenate([train, test])
    low, high = everything.min(0), everything.max(0)
    span = (high - low).astype(np.float64)
    # A feature that never changes gets a plane around it, too.
    margin = np.where(span > 0, 0.08 * span, np.maximum(0.05 * abs(low), 1e-6))
    first, second = (np.linspace(low[i] - margin[i], high[i] + margin[i], _GRID_POINTS) for i in range(2))
    grid = np.stack(np.meshgrid(first, second), -1).reshape(-1, 2).astype(np.float32)
    points = rg.from_numpy(grid)
    probabilities = predict(model, points if scaling is None else scaling.apply(points))

    classes = len(data.class_names)
    colours = np.array([to_rgb(_colour(label, classes)) for label in range(classes)])
    # White where the classes are equally likely, the class's tint where the model is sure.
    tint = 1 - 0.4 * (1 - probabilities @ colours)
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes = figure.add_subplot()
    extent = (first[0], first[-1], second[0], second[-1])
    shape = (_GRID_POINTS, _GRID_POINTS)
    axes.imshow(tint.reshape(*shape, 3), extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    for label in range(classes):
        others = np.delete(probabilities, label, axis=1).max(1)
        lead = (probabilities[:, label] - others).reshape(shape)
        if lead.min() < 0 < lead.max():
            axes.contour(first, second, lead, levels=[0], colors="#404040", linewidths=1)
    for label, name in enumerate(data.class_names):
        shown = name if classes <= _MAX_NUMBERED_CLASSES else None
        _scatter(axes, train[data.train_y.numpy() == label], colours[label], "o", shown)
        _scatter(axes, test[data.test_y.numpy() == label], colours[label], "^", None)
    axes.scatter([], [], marker="^", facecolors="white", edgecolors="black", label="test set")
    axes.set(xlabel=data.feature_names[0], ylabel=data.feature_names[1], title="predicted class")
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.grid(False)
    figure.legend(loc="outside right upper")
    return figure


def _scatter(axes: Axes, points: NDArray[Any], colour: Any, marker: str, label: str | None) -> None:
    x, y = points.T
    axes.scatter(x, y, s=28, color=[colour], marker=marker, edgecolors="black", linewidths=0.6, label=label)


def _colour(label: int, classes: int) -> Any:
    return _COLOURS[label] if classes <= len(_COLOURS) else mpl.colormaps["turbo"](label / (classes - 1))
