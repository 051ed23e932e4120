"""RealMLP-TD-S: a multi-layer perceptron for tables whose settings need no tuning."""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from rgrad import nn, optim
from rgrad.sklearn._columns import Columns, is_frame
from rgrad.sklearn._estimator import Array, Estimator
from rgrad.sklearn._networks import Scale, realmlp
from rgrad.sklearn._parameters import BOOLEAN, NONE, RULES, either, keep, one_of, sizes
from rgrad.sklearn._targets import Classifier, Regressor


class Tabular(Estimator):
    """The recipe that `TabularClassifier` and `TabularRegressor` share."""

    _rules = RULES | {
        "activation": either(RULES["activation"], NONE),
        "learning_rate_init": either(RULES["learning_rate_init"], NONE),
        "early_stopping": either(one_of("auto"), BOOLEAN),
    }
    alpha = 0.0
    tol = 0.0
    solver = "adam"
    shuffle = True
    _activation: str
    _learning_rate: float
    _rows_to_spare: int
    """From so many rows on some are set aside: of fewer, the score says less than learning from them helps."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _checked(self, X: Any, reset: bool) -> Any:
        if is_frame(X):
            if len(X) == 0 or X.shape[1] == 0:
                raise ValueError(f"Found array with shape {X.shape}: {type(self).__name__} needs rows and columns")
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self, input_name="X")
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _features(self, X: Any, weights: Array | None, first: bool) -> NDArray[np.float32]:
        if first:
            self._columns = Columns(X, weights, self.categorical_features)
        features: NDArray[np.float32] = self._columns(X)
        return features

    def _stops_early(self, rows: int) -> bool:
        return rows >= self._rows_to_spare if self.early_stopping == "auto" else bool(self.early_stopping)

    def _new_network(self, inputs: int, outputs: int) -> nn.Module:
        units = [inputs, *map(int, sizes(self.hidden_layer_sizes)), outputs]
        return realmlp(units, self.activation or self._activation, self.dropout, self.normalization)

    def _new_optimizer(self, network: nn.Module) -> optim.Optimizer:
        rate = self.learning_rate_init or self._learning_rate
        return optim.Adam(groups(network, rate), rate, (0.9, 0.95))

    def _drops_last(self, rows: int, size: int) -> bool:
        return True

    def _schedule(self) -> Callable[[float], float]:
        """Four cosine waves, each of which takes twice as long as the one before it."""
        return lambda t: 0.5 - 0.5 * math.cos(2 * math.pi * math.log2(1 + 15 * t))


def groups(network: nn.Module, rate: float) -> list[dict[str, Any]]:
    """The parameter groups of RealMLP: scales learn six times as fast, biases a tenth.

    W / √inputs with W of unit variance moves as a weight does whose learning rate is divided by √inputs and whose
    epsilon, which Adam compares gradients with, is multiplied by it.
    """
    made = []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, nn.Linear) and name == "weight":
                width = math.sqrt(module.in_features)
                made.append({"params": [parameter], "lr": rate / width, "eps": 1e-8 * width})
            elif name == "bias":
                made.append({"params": [parameter], "lr": 0.1 * rate})
            else:
                made.append({"params": [parameter], "lr": 6.0 * rate if isinstance(module, Scale) else rate})
    return made


class TabularClassifier(Tabular, Classifier):
    """A classifier for tables, with the settings of RealMLP-TD-S, which were tuned on 118 data sets.

    Columns may hold numbers and categories, and values may be missing. A category becomes a column for each of its
    values, a missing number the median and a column that says so; numbers are centred, scaled by the distance of their
    quartiles, and clipped smoothly. Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data", NeurIPS 2024.

    Args:
        hidden_layer_sizes: the units of each hidden layer.
        activation: of the hidden layers, as in `MLPClassifier`; `"selu"` if `None`.
        learning_rate_init: the largest learning rate; 0.04 if `None`.
        batch_size: rows in a batch; rows that are left over wait for another epoch.
        max_iter: epochs.
        label_smoothing: the part of each target that is spread evenly over the classes.
        loss: `"log_loss"`, or a function of logits (rows, classes) and labels (rows,) that returns each row's loss.
        class_weight: weights of the classes as a dict, or `"balanced"`.
        dropout: the part of the hidden units that is dropped in training.
        normalization: `"batch"` or `"layer"`, before each activation.
        network: a function of the numbers of features and outputs that returns an `rgrad.nn.Module`, in place of the
            network of the recipe.
        categorical_features: positions or names of columns, or a mask of them; `"from_dtype"` for columns of strings
            and categories.
        early_stopping: whether to set rows aside and keep the weights of the epoch that is best for them; `"auto"`
            does if there are at least 1000.
        validation_fraction: the part of the rows that is set aside.
        scoring: what the best epoch is best at: a name, or a function of estimator, rows and labels; accuracy if
            `None`.
        n_iter_no_change: epochs without a better score after which training stops; by default it does not.
        random_state: of weights, orders, dropout, and which rows are set aside.
        warm_start: whether `fit` continues from the weights that it left, with the columns as they were.
        verbose: whether to print loss and score of each epoch.
        callbacks: functions of the estimator, called after each epoch; what returns True stops training.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.model_selection import train_test_split
        >>> from rgrad.sklearn import TabularClassifier
        >>> X, X_test, y, y_test = train_test_split(*load_wine(return_X_y=True), random_state=0)
        >>> bool(TabularClassifier(random_state=0).fit(X, y).score(X_test, y_test) > 0.9)
        True
    """

    _activation = "selu"
    _learning_rate = 0.04
    _rows_to_spare = 1000  # the accuracy of two hundred rows is coarse

    def __init__(
        self,
        hidden_layer_sizes: Any = (256, 256, 256),
        activation: Any = None,
        *,
        learning_rate_init: float | None = None,
        batch_size: int = 256,
        max_iter: int = 256,
        label_smoothing: float = 0.1,
        loss: Any = "log_loss",
        class_weight: Any = None,
        dropout: float = 0.0,
        normalization: str | None = None,
        network: Any = None,
        categorical_features: Any = "from_dtype",
        early_stopping: Any = "auto",
        validation_fraction: float = 0.2,
        scoring: Any = None,
        n_iter_no_change: float = math.inf,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        callbacks: Any = None,
    ) -> None:
        keep(self, locals())

    def _smoothing(self) -> float:
        return float(self.label_smoothing)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch over these rows, at the largest learning rate; the first ones decide how columns are prepared.

        Args:
            X: (rows, features).
            y: (rows,), or (rows, labels) of zeros and ones.
            sample_weight: (rows,).
            classes: all classes, which the first call needs to be told.
        """
        return self._continue(X, y, sample_weight, classes)


class TabularRegressor(Tabular, Regressor):
    """A regressor for tables, with the settings of RealMLP-TD-S: see `TabularClassifier`.

    Targets are standardized, and predictions stay within the range of the targets that were seen.

    Args:
        hidden_layer_sizes: the units of each hidden layer.
        activation: of the hidden layers, as in `MLPClassifier`; `"mish"` if `None`.
        learning_rate_init: the largest learning rate; 0.07 if `None`.
        batch_size: rows in a batch; rows that are left over wait for another epoch.
        max_iter: epochs.
        loss: `"squared_error"`, or a function of standardized outputs and targets, both (rows, targets), that returns
            the loss of each row.
        dropout: the part of the hidden units that is dropped in training.
        normalization: `"batch"` or `"layer"`, before each activation.
        network: a function of the numbers of features and outputs that returns an `rgrad.nn.Module`, in place of the
            network of the recipe.
        categorical_features: positions or names of columns, or a mask of them; `"from_dtype"` for columns of strings
            and categories.
        early_stopping: whether to set rows aside and keep the weights of the epoch that is best for them; `"auto"`
            does if there are at least 100.
        validation_fraction: the part of the rows that is set aside.
        scoring: what the best epoch is best at: a name, or a function of estimator, rows and targets; R² if
            `None`.
        n_iter_no_change: epochs without a better score after which training stops; by default it does not.
        random_state: of weights, orders, dropout, and which rows are set aside.
        warm_start: whether `fit` continues from the weights that it left, with the columns as they were.
        verbose: whether to print loss and score of each epoch.
        callbacks: functions of the estimator, called after each epoch; what returns True stops training.
    """

    _activation = "mish"
    _learning_rate = 0.07
    _rows_to_spare = 100

    def __init__(
        self,
        hidden_layer_sizes: Any = (256, 256, 256),
        activation: Any = None,
        *,
        learning_rate_init: float | None = None,
        batch_size: int = 256,
        max_iter: int = 256,
        loss: Any = "squared_error",
        dropout: float = 0.0,
        normalization: str | None = None,
        network: Any = None,
        categorical_features: Any = "from_dtype",
        early_stopping: Any = "auto",
        validation_fraction: float = 0.2,
        scoring: Any = None,
        n_iter_no_change: float = math.inf,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        callbacks: Any = None,
    ) -> None:
        keep(self, locals())

    def _learn_targets(self, y: Array, weights: Array | None, first: bool, classes: Any) -> None:
        super()._learn_targets(y, weights, first, classes)
        if first:
            rows = y.reshape(len(y), -1)
            there = rows if weights is None else rows[weights > 0]
            self._range = there.min(0), there.max(0)
            self._mean = np.average(rows, axis=0, weights=weights)
            spread = np.sqrt(np.average(np.square(rows - self._mean), axis=0, weights=weights))
            self._spread = np.where(spread > 0, spread, 1.0)

    def _encoded(self, y: Array) -> Array:
        encoded: Array = ((y.reshape(len(y), -1) - self._mean) / self._spread).astype(np.float32)
        return encoded

    def _decided(self, output: NDArray[np.float32]) -> Array:
        values: Array = np.clip(output * self._spread + self._mean, *self._range)
        return values[:, 0] if self._flat else values

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows, at the largest learning rate; the first ones decide how columns are prepared.

        Args:
            X: (rows, features).
            y: (rows,) or (rows, targets).
            sample_weight: (rows,).
        """
        return self._continue(X, y, sample_weight)
