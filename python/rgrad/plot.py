"""Pictures of training and of predictions, by matplotlib, an optional dependency (`rgrad[plot]`) that this imports.

Each function draws on `ax`, or on a new figure of pyplot's if that is None, and returns the axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rgrad import _core
from rgrad._core import Tensor
from rgrad.nn import Module
from rgrad.train import predict
from rgrad.train.metrics import confidences

try:
    import matplotlib as mpl
    from matplotlib.colors import PowerNorm, to_rgb
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError(f"rgrad.plot needs matplotlib: pip install 'rgrad[plot]' ({error})", name=error.name) from None

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["boundaries", "calibration", "confusion", "curves", "mistakes", "residuals"]

# Okabe and Ito's colours, which stay apart for colour-blind eyes.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_PARTS = {"train": _COLOURS[0], "validation": _COLOURS[5], "test": _COLOURS[5]}
_MAX_NUMBERED_CLASSES = 20
_GRID_POINTS = 400


def curves(history: Iterable[Mapping[str, Any]], metric: str = "loss", ax: Axes | None = None) -> Axes:
    """A metric over the epochs, of the training set and of the validation set.

    Args:
        history: what `fit` returns, or its rows.
        metric: "loss", or the name of a metric.
        ax: where to draw.

    Raises:
        ValueError: no epoch has the metric.

    Example:
        >>> rows = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0}]
        >>> rg.plot.curves(rows).get_xlabel()
        'epoch'
    """
    rows = list(history)
    series = {}
    for part in _PARTS:
        name = f"{part}_{metric}"
        points = [(row["epoch"], row[name]) for row in rows if row.get(name) is not None]
        if points:
            series[part] = points
    if not series:
        has = ", ".join(sorted({name.partition("_")[2] for row in rows for name in row if "_" in name})) or "no rows"
        raise ValueError(f"curves: no epoch has the metric {metric!r}; the history has {has}")
    ax = _axes(ax)
    for part, points in series.items():
        x, y = zip(*points, strict=True)
        marker = "o" if len(points) <= 30 else ""
        ax.plot(x, y, color=_PARTS[part], marker=marker, markersize=3.5, label=f"{part} set")
    ax.set(title=metric, xlabel="epoch")
    if min(value for points in series.values() for _, value in points) >= 0:
        ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    ax.legend()
    return ax


def confusion(labels: Any, predicted: Any, class_names: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """How many samples of each class were taken for each class; darker for a larger share of the true class.

    Args:
        labels: the true classes (rows,), from 0.
        predicted: the predicted classes (rows,), or logits or probabilities (rows, classes).
        class_names: what the classes are called.
        ax: where to draw.

    Example:
        >>> rg.plot.confusion([0, 1, 1], [0, 1, 0]).get_title()
        '1 of 3 wrong'
    """
    truth, found = _labels("labels", labels), _array("predicted", predicted)
    found = found.argmax(1) if found.ndim == 2 else _labels("predicted", predicted)
    _same_rows("confusion", truth, found)
    names = _names(class_names, 1 + int(max(truth.max(), found.max())))
    classes = len(names)
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (truth, found), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = min(max(0.55 * classes, 3) + 1.6, 12)
    ax = _axes(ax, (size, size * 0.97))
    # The power makes a handful of mistakes visible beside hundreds of right answers.
    ax.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, 0, 1))
    if classes <= _MAX_NUMBERED_CLASSES:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.3 else "black"
            ax.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=9)
        fits = max(map(len, names)) * classes < 10 * size
        turned: Any = {"rotation": 0 if fits else 45, "ha": "center" if fits else "right"}
        ax.set_xticks(range(classes), names, parse_math=False, **turned)
        ax.set_yticks(range(classes), names, parse_math=False)
    wrong = int(counts.sum() - np.trace(counts))
    ax.set(xlabel="predicted class", ylabel="true class", title=f"{wrong} of {counts.sum()} wrong")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def boundaries(
    model: Module | Callable[[Tensor], Any],
    x: Any,
    labels: Any,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] = ("feature 1", "feature 2"),
    ax: Axes | None = None,
    *,
    marker: str = "o",
) -> Axes:
    """The plane of two features, tinted by the predicted class, with samples.

    Args:
        model: a module, or a function of features (rows, 2), that gives logits (rows, classes).
        x: samples (rows, 2).
        labels: their classes (rows,), from 0.
        class_names: what the classes are called.
        feature_names: what the features are called.
        ax: where to draw.
        marker: of the samples, as matplotlib writes it.
    """
    points = _array("x", x).astype(np.float32)
    truth = _labels("labels", labels)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"boundaries: x must have two features, (rows, 2), not shape {points.shape}")
    _same_rows("boundaries", points, truth)
    first, second, grid = _plane(points)
    logits = predict(model, grid) if isinstance(model, Module) else _core.tensor(model(_core.from_numpy(grid)))
    if logits.ndim != 2 or logits.shape[0] != len(grid) or logits.shape[1] < 2:
        raise ValueError(f"boundaries: the model must give logits (rows, classes), not shape {logits.shape}")
    probabilities = _core.softmax(logits.detach(), 1).numpy()
    names = _names(class_names, max(probabilities.shape[1], 1 + int(truth.max())))
    colours = np.array([to_rgb(_colour(label, len(names))) for label in range(len(names))])
    # White where the classes are equally likely, the class's tint where the model is sure.
    tint = 1 - 0.4 * (1 - probabilities @ colours[: probabilities.shape[1]])
    ax = _axes(ax, (8, 5.4))
    extent = (first[0], first[-1], second[0], second[-1])
    shape = (_GRID_POINTS, _GRID_POINTS)
    ax.imshow(tint.reshape(*shape, 3), extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    for label in range(probabilities.shape[1]):
        lead = (probabilities[:, label] - np.delete(probabilities, label, axis=1).max(1)).reshape(shape)
        if lead.min() < 0 < lead.max():
            ax.contour(first, second, lead, levels=[0], colors="#404040", linewidths=1)
    for label, name in enumerate(names):
        chosen = points[truth == label]
        shown = name if len(names) <= _MAX_NUMBERED_CLASSES and len(chosen) else None
        ax.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=28,
            color=[colours[label]],
            marker=marker,
            edgecolors="black",
            linewidths=0.6,
            label=shown,
        )
    ax.set_xlabel(feature_names[0], parse_math=False)
    ax.set_ylabel(feature_names[1], parse_math=False)
    ax.set(title="predicted class", xlim=extent[:2], ylim=extent[2:])
    ax.grid(False)
    if ax.get_legend_handles_labels()[0]:
        for text in ax.legend().get_texts():
            text.set_parse_math(False)
    return ax


def residuals(outputs: Any, targets: Any, ax: Axes | None = None) -> Axes:
    """How far predictions are from the targets, over the predictions.

    Args:
        outputs: what was predicted (rows,) or (rows, 1).
        targets: what should have been, of the same shape.
        ax: where to draw.

    Example:
        >>> rg.plot.residuals([1.0, 2.0], [1.5, 2.0]).get_ylabel()
        'target − prediction'
    """
    found, truth = (_array(name, v).reshape(-1) for name, v in (("outputs", outputs), ("targets", targets)))
    _same_rows("residuals", found, truth)
    ax = _axes(ax)
    ax.axhline(0, color="#404040", linewidth=1)
    # Many points lie over each other: the fewer show through, the more there are.
    opacity = float(np.clip(300 / len(found), 0.05, 0.8))
    ax.scatter(found, truth - found, s=14, color=_COLOURS[0], alpha=opacity, linewidths=0)
    deviation = float(np.sqrt(np.mean((truth - found) ** 2)))
    ax.set(xlabel="prediction", ylabel="target − prediction", title=f"root mean squared error {deviation:.4g}")
    return ax


def calibration(outputs: Any, targets: Any, bins: int = 10, ax: Axes | None = None) -> Axes:
    """How often predicted classes are right, over the probability that the model gave them (a reliability diagram).

    Args:
        outputs: logits (rows, classes), or (rows,) for classes 0 and 1.
        targets: labels (rows,).
        bins: how many ranges of probability, of equal width.
        ax: where to draw.
    """
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"calibration: bins must be an integer, at least 1, got {bins!r}")
    logits, labels = _core.tensor(_array("outputs", outputs)), _core.tensor(_labels("targets", targets))
    _same_rows("calibration", logits, labels)
    confidence, right = confidences(logits, labels)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    held = counts > 0
    shares = np.bincount(place, right, bins)[held] / counts[held]
    means = np.bincount(place, confidence, bins)[held] / counts[held]
    ax = _axes(ax, (5.2, 5))
    ax.plot([0, 1], [0, 1], color="#808080", linewidth=1, linestyle="--", label="perfectly calibrated")
    edges = np.arange(bins)[held] / bins
    ax.bar(edges, shares, 1 / bins, align="edge", color=_COLOURS[4], alpha=0.5, edgecolor="white")
    ax.plot(means, shares, color=_COLOURS[0], marker="o", markersize=5, label="model")
    for x, y, count in zip(means, shares, counts[held], strict=True):
        ax.annotate(str(count), (x, y), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    gap = float((np.abs(shares - means) * counts[held]).sum() / len(right))
    ax.set(xlabel="probability of the predicted class", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1.08))
    ax.set_title(f"calibration error {gap:.3f} (counts at the points)")
    ax.legend(loc="upper left")
    return ax


def mistakes(
    images: Any,
    labels: Any,
    outputs: Any,
    class_names: Sequence[str] | None = None,
    count: int = 30,
    ax: Axes | None = None,
) -> Axes:
    """Misclassified images, those first of which the model was surest.

    Args:
        images: (n, rows, columns), from 0 (white) to 1 (black).
        labels: their classes (n,).
        outputs: logits (n, classes).
        class_names: what the classes are called.
        count: how many to show at most.
        ax: where to draw.
    """
    pixels, truth, logits = _array("images", images), _labels("labels", labels), _array("outputs", outputs)
    if pixels.ndim != 3 or logits.ndim != 2:
        raise ValueError(
            f"mistakes: images (n, rows, columns) and logits (n, classes), not {pixels.shape}, {logits.shape}"
        )
    _same_rows("mistakes", pixels, truth)
    _same_rows("mistakes", logits, truth)
    probabilities = _core.softmax(_core.tensor(logits), 1).numpy()
    found = probabilities.argmax(1)
    wrong = np.flatnonzero(found != truth)
    shown = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:count]
    names = _names(class_names, max(logits.shape[1], 1 + int(truth.max())))
    columns = 6
    lines = max(math.ceil(len(shown) / columns), 1)
    ax = _axes(ax, (columns * 1.35, lines * 1.6 + 0.6))
    for i, sample in enumerate(shown):
        # A cell is 1.2 wide and 1.45 high; the image is a square of 1 in it, below its line of text.
        left, top = 1.2 * (i % columns), 1.45 * (i // columns)
        ax.imshow(pixels[sample], cmap="gray_r", vmin=0, vmax=1, extent=(left, left + 1, top + 1, top))
        text = f"{names[truth[sample]]} → {names[found[sample]]}, {probabilities[sample].max():.0%}"
        ax.text(left + 0.5, top - 0.06, text, ha="center", va="bottom", fontsize=8, parse_math=False)
        ax.plot([left, left + 1, left + 1, left, left], [top, top, top + 1, top + 1, top], color="#c0c0c0", linewidth=1)
    title = f"{len(wrong)} of {len(truth)} images are misclassified"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} with the surest wrong answers"
    ax.set_title(f"{title}\ntrue class → predicted class, probability", fontsize=11)
    ax.set(xlim=(-0.1, 1.2 * columns - 0.1), ylim=(1.45 * lines - 0.35, -0.35), aspect="equal")
    ax.axis("off")
    return ax


def _axes(ax: Axes | None, size: tuple[float, float] = (5.6, 4)) -> Axes:
    if ax is not None:
        if not hasattr(ax, "imshow"):
            raise TypeError(f"ax must be axes of matplotlib or None, not {type(ax).__name__}")
        return ax
    import matplotlib.pyplot as plt

    made: Axes = plt.subplots(figsize=size, layout="constrained")[1]
    made.spines[["top", "right"]].set_visible(False)
    return made


def _array(name: str, value: Any) -> NDArray[Any]:
    array: NDArray[Any] = (value if isinstance(value, Tensor) else _core.tensor(value)).detach().numpy()
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"{name} must have at least one row, but has shape {array.shape}")
    return array


def _labels(name: str, value: Any) -> NDArray[Any]:
    array = _array(name, value).reshape(-1)
    if array.dtype.kind not in "iub" or array.min() < 0:
        raise ValueError(f"{name} must be classes, integers from 0, not {array.dtype} from {array.min()}")
    return array.astype(np.int64)


def _same_rows(caller: str, first: Any, second: Any) -> None:
    if len(first) != len(second):
        raise ValueError(f"{caller}: there are {len(first)} rows of one argument, but {len(second)} of the other")


def _names(class_names: Sequence[str] | None, classes: int) -> list[str]:
    if class_names is None:
        return [str(label) for label in range(classes)]
    if len(class_names) < classes:
        raise ValueError(f"there are {len(class_names)} class names for {classes} classes")
    return list(map(str, class_names))


def _plane(points: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
    """Two axes around the points, and the points of the grid between them."""
    low, high = points.min(0), points.max(0)
    span = (high - low).astype(np.float64)
    # A feature that never changes gets a plane around it, too.
    margin = np.where(span > 0, 0.08 * span, np.maximum(0.05 * abs(low), 1e-6))
    first, second = (np.linspace(low[i] - margin[i], high[i] + margin[i], _GRID_POINTS) for i in range(2))
    grid = np.stack(np.meshgrid(first, second), -1).reshape(-1, 2).astype(np.float32)
    return first, second, grid


def _colour(label: int, classes: int) -> Any:
    return _COLOURS[label] if classes <= len(_COLOURS) else mpl.colormaps["turbo"](label / (classes - 1))
