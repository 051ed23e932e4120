"""How good predictions are: functions of a model's outputs and the targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rgrad import _core
from rgrad._core import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Mean:
    """A metric that is a mean over rows, so that it can be taken of batches, too, in a compiled step.

    Args:
        name: what errors call it.
        rows: a function of outputs and targets, tensors, that gives one value for each row.

    Example:
        >>> within = rg.train.Mean("within", lambda outputs, targets: (outputs - targets).abs() < 1)
        >>> within(rg.tensor([1.0, 2.0]), rg.tensor([1.5, 7.0]))
        0.5
    """

    def __init__(self, name: str, rows: Callable[[Tensor, Tensor], Tensor]) -> None:
        if not callable(rows):
            raise TypeError(f"Mean: rows must be a function of outputs and targets, not {type(rows).__name__}")
        self.name, self.rows = name, rows

    def __call__(self, outputs: Any, targets: Any, weights: Any = None) -> float:
        """The mean over the rows, weighted if there are weights.

        Args:
            outputs: what the model gave, one row per sample.
            targets: what it should have given.
            weights: (rows,), how much each sample counts.

        Raises:
            ValueError: numbers of rows differ, or there are none.
        """
        outputs, targets = _tensors(self.name, outputs, targets)
        values = self.rows(outputs, targets).numpy().astype(np.float64)
        if values.ndim > 1:
            values = values.mean(axis=tuple(range(1, values.ndim)))
        return float(np.average(values, weights=_weights(self.name, weights, len(values))))

    def __repr__(self) -> str:
        return f"<metric {self.name}>"


def _labels(name: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """The predicted classes: of the largest output, or for a single one per row, whether the logit is positive."""
    if outputs.ndim == 2 and targets.ndim == 1:
        return outputs.argmax(1)
    if outputs.shape == targets.shape:
        return outputs > 0
    raise ValueError(
        f"{name}: outputs of shape {outputs.shape} do not fit targets of shape {targets.shape}: write outputs "
        "(rows, classes) and labels (rows,), or logits and labels 0 and 1 of the same shape"
    )


def _is_right(outputs: Tensor, targets: Tensor) -> Tensor:
    predicted = _labels("accuracy", outputs, targets)
    return predicted == (targets > 0.5 if predicted.dtype.name == "bool" else targets)


def _is_wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    predicted = _labels("error", outputs, targets)
    return predicted != (targets > 0.5 if predicted.dtype.name == "bool" else targets)


def _distance(outputs: Tensor, targets: Tensor) -> Tensor:
    _same_shape("mae", outputs, targets)
    return (outputs - targets).abs()


def _square(outputs: Tensor, targets: Tensor) -> Tensor:
    _same_shape("mse", outputs, targets)
    return (outputs - targets).square()


accuracy = Mean("accuracy", _is_right)
"""The share of rows whose class is predicted rightly. Outputs are logits or probabilities (rows, classes) with labels
(rows,); or logits with labels 0 and 1 of the same shape, of which those above 0 are class 1."""
error = Mean("error", _is_wrong)
"""The share of rows whose class is predicted wrongly, `1 - accuracy`."""
mae = Mean("mae", _distance)
"""The mean absolute error, |output − target|."""
mse = Mean("mse", _square)
"""The mean squared error, (output − target)²."""


def r2(outputs: Any, targets: Any, weights: Any = None) -> float:
    """The coefficient of determination: 1 − Σ(target − output)² / Σ(target − mean)², averaged over the columns.

    1 is perfect, 0 as good as the mean of the targets. A constant target gives 1 if it is met, and 0 otherwise.

    Args:
        outputs: (rows,) or (rows, columns).
        targets: of the same shape.
        weights: (rows,), how much each sample counts.

    Example:
        >>> rg.train.r2([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
        0.5
    """
    outputs, targets = _tensors("r2", outputs, targets)
    _same_shape("r2", outputs, targets)
    y, t = (_columns(values) for values in (outputs, targets))
    w = _weights("r2", weights, len(t))
    w = np.ones((len(t), 1)) if w is None else w[:, None]
    residual = (w * (t - y) ** 2).sum(0)
    total = (w * (t - (w * t).sum(0) / w.sum()) ** 2).sum(0)
    share = np.divide(residual, total, out=(residual > 0).astype(np.float64), where=total > 0)
    return float((1 - share).mean())


def auc(outputs: Any, targets: Any, weights: Any = None) -> float:
    """The area under the ROC curve: how often a row of class 1 scores above one of class 0; ties count half.

    For more classes, the mean over the classes of each against the rest.

    Args:
        outputs: scores (rows,), or (rows, classes).
        targets: labels (rows,), integers.
        weights: (rows,), how much each sample counts.

    Raises:
        ValueError: the targets have one class only.

    Example:
        >>> rg.train.auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        0.75
    """
    outputs, targets = _tensors("auc", outputs, targets)
    scores, labels = _columns(outputs), targets.numpy().reshape(len(targets))
    w = _weights("auc", weights, len(labels))
    w = np.ones(len(labels)) if w is None else w
    if scores.shape[1] <= 2:
        # Of two logits, the difference ranks as the probability of class 1 does.
        return _area(scores[:, -1] - scores[:, 0] if scores.shape[1] == 2 else scores[:, 0], labels > 0, w)
    return float(np.mean([_area(_share(scores)[:, c], labels == c, w) for c in range(scores.shape[1])]))


def _area(scores: NDArray[Any], is_one: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The weighted Mann–Whitney statistic, by one sort."""
    values, place = np.unique(scores, return_inverse=True)
    ones = np.bincount(place, weights * is_one, len(values))
    zeros = np.bincount(place, weights * ~is_one, len(values))
    if ones.sum() == 0 or zeros.sum() == 0:
        raise ValueError("auc: the targets must have rows of every class, or there is nothing to compare")
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + 0.5 * zeros)).sum() / (ones.sum() * zeros.sum()))


def calibration_error(outputs: Any, targets: Any, weights: Any = None, bins: int = 15) -> float:
    """The expected calibration error (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017) of predicted classes.

    The rows are put into bins of equal width by the probability of the predicted class; in each, the mean probability
    is compared with the share of right answers. Their distances are averaged over the rows.

    Args:
        outputs: logits (rows, classes), or (rows,) for classes 0 and 1.
        targets: labels (rows,), integers.
        weights: (rows,), how much each sample counts.
        bins: how many.
    """
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"calibration_error: bins must be an integer, at least 1, got {bins!r}")
    outputs, targets = _tensors("calibration_error", outputs, targets)
    confidence, right = confidences(outputs, targets)
    w = _weights("calibration_error", weights, len(right))
    w = np.ones(len(right)) if w is None else w
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, w * (confidence - right), bins)
    return float(np.abs(gap).sum() / w.sum())


def confidences(outputs: Tensor, targets: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability of the predicted class, and whether that is right, of each row of logits."""
    scores, labels = _columns(outputs), targets.numpy().reshape(len(targets))
    if scores.shape[1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], 1)
    shares = _share(scores)
    return shares.max(1), (shares.argmax(1) == labels).astype(np.float64)


def _share(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_core.softmax(_core.tensor(logits), 1).numpy())


def _columns(values: Tensor) -> NDArray[np.float64]:
    array = values.numpy().astype(np.float64)
    return np.asarray(array.reshape(len(array), -1))


def _tensors(name: str, outputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    pair = []
    for what, value in (("outputs", outputs), ("targets", targets)):
        tensor = value if isinstance(value, Tensor) else _core.tensor(value)
        if tensor.ndim == 0:
            raise ValueError(f"{name}: {what} must have a row for each sample, but are one number")
        pair.append(tensor.detach())
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"{name}: there are {len(pair[0])} rows of outputs, but {len(pair[1])} of targets")
    if len(pair[0]) == 0:
        raise ValueError(f"{name}: there are no rows")
    return pair[0], pair[1]


def _weights(name: str, weights: Any, rows: int) -> NDArray[np.float64] | None:
    if weights is None:
        return None
    array = _core.tensor(weights, dtype="float64").numpy()
    if array.shape != (rows,) or not np.isfinite(array).all() or array.min() < 0 or array.sum() == 0:
        raise ValueError(f"{name}: weights must be {rows} finite numbers, 0 or more, and not all of them 0")
    return np.asarray(array)


def _same_shape(name: str, outputs: Tensor, targets: Tensor) -> None:
    if outputs.shape != targets.shape:
        raise ValueError(f"{name}: outputs have shape {outputs.shape}, targets have shape {targets.shape}")
