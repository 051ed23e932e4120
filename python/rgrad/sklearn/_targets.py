"""Targets of classifiers and regressors, and what is made of outputs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from rgrad import _core
from rgrad._core import Tensor
from rgrad.sklearn._estimator import Array, Estimator


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A classifier of two or more classes, or of several labels at once.

    Attributes:
        classes_: the classes, sorted; the numbers of the labels if there are several.
        n_outputs_: the outputs of the network.
    """

    _one_logit = False
    """Whether two classes have one output: what speaks for the second."""
    _several_labels = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._several_labels
        return tags

    def _learn_targets(self, y: Array, weights: Array | None, first: bool, classes: Any) -> None:
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if y.ndim == 2 and not (kind == "multilabel-indicator" and self._several_labels):
            raise ValueError(
                f"{type(self).__name__}: y of shape {y.shape} is no target for it ({kind}); it takes labels of shape "
                "(rows,)" + (", or zeros and ones, one column for each label" if self._several_labels else "")
            )
        found = np.arange(y.shape[1]) if y.ndim == 2 else unique_labels(y if classes is None else classes)
        if first:
            self.classes_ = found
            self._labels = y.ndim == 2
            one = len(found) <= 2 and self._one_logit and not callable(self.loss)
            self.n_outputs_ = 1 if one and not self._labels else len(found)
        elif classes is not None and not np.array_equal(found, self.classes_):
            raise ValueError(f"`classes={found}` is not the same as on last call to partial_fit, was: {self.classes_}")
        elif self._labels != (y.ndim == 2) or len(np.setdiff1d(found, self.classes_)):
            raise ValueError(
                f"{type(self).__name__}: y has the classes {found}, but the first call to fit, which warm_start and "
                f"partial_fit continue, had {self.classes_}"
            )

    def _encoded(self, y: Array) -> Array:
        if self._labels:
            return np.ascontiguousarray(y, dtype=np.float32)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has the labels {unknown}, which are none of the classes {self.classes_}")
        codes = np.searchsorted(self.classes_, y)
        return codes[:, None].astype(np.float32) if self.n_outputs_ == 1 and self._one_logit else codes.astype(np.int64)

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        if callable(self.loss):
            made: Tensor = self.loss(output, target)
            return made
        if target.dtype.is_floating_point:
            return _core.binary_cross_entropy_with_logits(output, target, reduction="none")
        return _core.cross_entropy(output, target, reduction="none", label_smoothing=self._smoothing())

    def _smoothing(self) -> float:
        return 0.0

    @property
    def out_activation_(self) -> str:
        """What makes probabilities of outputs: "logistic" or "softmax"."""
        return "logistic" if self._labels or self.n_outputs_ == 1 else "softmax"

    def _decided(self, output: NDArray[np.float32]) -> Array:
        if self._labels:
            return (output > 0).astype(np.int64)
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(output))
        codes = (output[:, 0] > 0).astype(np.int64) if self.n_outputs_ == 1 else output.argmax(1)
        chosen: Array = self.classes_[codes]
        return chosen

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """The probabilities of the classes, (rows, classes), or of each label, (rows, labels)."""
        output = self._outputs(X)
        chances: NDArray[np.float32]
        if self._labels:
            chances = expit(output)
        elif len(self.classes_) == 1:
            chances = np.ones((len(output), 1), dtype=np.float32)
        elif self.n_outputs_ == 1:
            chances = np.hstack([expit(-output), expit(output)])
        else:
            chances = softmax(output, axis=1)
        return chances

    def predict_log_proba(self, X: Any) -> NDArray[np.float32]:
        """The logarithms of what `predict_proba` gives."""
        logarithms: NDArray[np.float32] = np.log(self.predict_proba(X))
        return logarithms


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A regressor of one target or several.

    Attributes:
        n_outputs_: the number of targets.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _learn_targets(self, y: Array, weights: Array | None, first: bool, classes: Any) -> None:
        outputs = 1 if y.ndim == 1 else y.shape[1]
        if first:
            self.n_outputs_ = outputs
            self._flat = y.ndim == 1
        elif outputs != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: y has {outputs} targets, but the first call to fit, which warm_start and "
                f"partial_fit continue, had {self.n_outputs_}"
            )

    def _encoded(self, y: Array) -> Array:
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        if callable(self.loss):
            made: Tensor = self.loss(output, target)
            return made
        if self.loss == "poisson":
            return output.exp() - target * output
        return (output - target).square() / 2

    @property
    def out_activation_(self) -> str:
        """What makes predictions of outputs: "identity", or "exp" for the Poisson loss."""
        return "exp" if self.loss == "poisson" else "identity"

    def _decided(self, output: NDArray[np.float32]) -> Array:
        values = (np.exp(output) if self.loss == "poisson" else output).astype(np.float64)
        return values[:, 0] if self._flat else values
