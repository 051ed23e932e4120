"""What all estimators do: check, set rows aside, train by `rgrad.train.fit`, predict."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, _check_y, check_is_fitted, validate_data

from rgrad import nn, optim
from rgrad._core import Generator, Tensor
from rgrad.autograd import no_grad
from rgrad.data import DataLoader
from rgrad.sklearn._callbacks import CallbackSupport, with_callbacks
from rgrad.sklearn._networks import draw_dropout_from, seeded
from rgrad.sklearn._parameters import RULES, check
from rgrad.sklearn._training import Validation, train

Array = NDArray[Any]

# Rows predicted at a time: enough to keep every thread busy, few enough for the activations to stay in cache.
_PREDICTED_ROWS = 4096


class Estimator(CallbackSupport, BaseEstimator):  # type: ignore[misc]
    """The base class of all estimators.

    Attributes:
        network_: the trained `rgrad.nn.Module`, in evaluation mode.
    """

    _doc_link_module = "rgrad"
    _doc_link_template = "https://github.com/rgrad/rgrad/blob/main/docs/sklearn.md#{name}"

    _rules = RULES

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        return {"name": type(self).__name__.lower()}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # What subclasses say.

    def _learn_targets(self, y: Array, weights: Array | None, first: bool, classes: Any) -> None:
        """Sets what `_encoded` and predictions need, or raises a ValueError if `y` is not what was learned first."""
        raise NotImplementedError

    def _encoded(self, y: Array) -> Array:
        """The targets as the loss takes them."""
        raise NotImplementedError

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row, or of each row and output."""
        raise NotImplementedError

    def _new_network(self, inputs: int, outputs: int) -> nn.Module:
        """A network with weights from the default generator."""
        raise NotImplementedError

    def _new_optimizer(self, network: nn.Module) -> optim.Optimizer:
        """An optimizer that has not seen the network yet."""
        raise NotImplementedError

    def _decided(self, output: NDArray[np.float32]) -> Array:
        """What `predict` returns for what the network returns."""
        raise NotImplementedError

    def _stops_early(self, rows: int) -> bool:
        """Whether rows are set aside if there are so many."""
        stops: bool = self.early_stopping
        return stops

    # What tables need more than arrays do.

    def _checked(self, X: Any, reset: bool) -> Any:
        """The rows, with the number and the names of their features checked, or set if `reset`."""
        X = validate_data(self, X, reset=reset, dtype=np.float32, accept_sparse=("csr", "csc", "coo"), order="C")
        return X if isinstance(X, np.ndarray) else X.toarray()

    def _features(self, X: Any, weights: Array | None, first: bool) -> NDArray[np.float32]:
        """What the network gets of checked rows; what that needs is taken from those of positive weight."""
        features: NDArray[np.float32] = X
        return features

    # What they share.

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Trains on rows and their targets.

        Args:
            X: (rows, features): an array, a frame, a sparse matrix. Computations are in float32.
            y: (rows,) or (rows, outputs).
            sample_weight: (rows,); a weight of 2 does what a second row does, one of 0 leaves a row out.
            X_val: the rows that early stopping watches; if `None`, `validation_fraction` of `X` is set aside for it.
            y_val: their targets.
            sample_weight_val: their weights.

        Raises:
            ValueError: a parameter, the data or the weights are not as described; the message says which.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError(f"{type(self).__name__}: give both X_val and y_val, or neither")
        return self._fit(X, y, sample_weight, None if X_val is None else (X_val, y_val, sample_weight_val))

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        given: tuple[Any, Any, Any] | None = None,
        *,
        incremental: bool = False,
        classes: Any = None,
    ) -> Self:
        check(self, self._rules)
        first = not hasattr(self, "network_") or not (incremental or self.warm_start)
        table = self._checked(X, first)
        labels = self._checked_targets(y, table)
        random = check_random_state(self.random_state)
        weights = _weights(sample_weight, len(labels))
        losses = self._weights_of_losses(labels, weights, incremental)
        held = None if given is not None or incremental else self._held_out(labels, random)
        used = losses if held is None else np.where(held, 0.0, 1.0 if losses is None else losses)
        self._learn_targets(labels, used, first, classes)
        features, targets = self._features(table, used, first), self._encoded(labels)
        validation = None
        if given is not None:
            validation = self._given(*given)
        elif held is not None:
            validation = Validation(*(_rows(part, held) for part in (features, targets, labels, weights, losses)))
        if used is not None:
            features, targets, losses = (_rows(part, used > 0) for part in (features, targets, losses))
        seen = len(features)
        if self._is_plain() and len(features) <= self._batch(len(features)):
            features, targets, losses = merged(features, targets, losses)
        seed = int(random.randint(2**31 - 1))
        if first:
            self._start(features.shape[1], seed)
        train(self, (features, targets, losses), seen, validation, (X, y, sample_weight), incremental)
        return self

    def _checked_targets(self, y: Any, table: Any) -> Array:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        y = _check_y(y, multi_output=True, y_numeric=not is_classifier(self), estimator=self)
        check_consistent_length(table, y)
        if issparse(y):
            y = y.toarray()
        targets: Array = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        return targets

    def _batch(self, rows: int) -> int:
        """Rows in a batch."""
        if self.solver == "lbfgs":
            return rows
        return min(200 if self.batch_size == "auto" else int(self.batch_size), rows)

    def _drops_last(self, rows: int, size: int) -> bool:
        """Whether a smaller last batch is left out: one row has no variance."""
        return getattr(self, "normalization", None) == "batch" and rows > size and rows % size == 1

    def _schedule(self) -> Callable[[float], float] | None:
        """The learning rate as a multiple of the initial one, a function of the part of training that is done."""
        return None

    def _is_plain(self) -> bool:
        """Whether the loss is a weighted sum over rows that do not influence each other."""
        custom = callable(self.loss) or self.network is not None
        return not custom and self.dropout == 0 and getattr(self, "normalization", None) is None

    def _weights_of_losses(self, y: Array, weights: Array | None, incremental: bool) -> NDArray[np.float64] | None:
        """The weights of rows and of their classes."""
        class_weight = getattr(self, "class_weight", None)
        if class_weight is not None:
            if incremental and class_weight == "balanced":
                raise ValueError(
                    f"{type(self).__name__}: class_weight='balanced' needs all rows, and partial_fit sees some; give "
                    "a dict of what compute_class_weight('balanced', classes=classes, y=y) returns"
                )
            weights = compute_sample_weight(class_weight, y) * (1.0 if weights is None else weights)
        return weights

    def _held_out(self, y: Array, random: np.random.RandomState) -> NDArray[np.bool_] | None:
        """Which rows early stopping watches."""
        if not self._stops_early(len(y)):
            return None
        strata = y if is_classifier(self) and y.ndim == 1 and np.unique(y, return_counts=True)[1].min() > 1 else None
        places = np.arange(len(y))
        try:
            _, chosen = train_test_split(
                places, test_size=self.validation_fraction, random_state=random, stratify=strata
            )
        except ValueError:  # fewer rows than classes
            _, chosen = train_test_split(places, test_size=self.validation_fraction, random_state=random)
        if len(chosen) < 2:
            raise ValueError(
                f"The validation set of {len(chosen)} rows is too small. Increase validation_fraction or the number of "
                "rows, or give X_val and y_val."
            )
        return np.isin(places, chosen)

    def _given(self, X: Any, y: Any, sample_weight: Any) -> Validation:
        """The rows that `fit` was given for early stopping."""
        table = self._checked(X, False)
        labels = self._checked_targets(y, table)
        weights = _weights(sample_weight, len(labels))
        losses = self._weights_of_losses(labels, weights, False)
        return Validation(self._features(table, None, False), self._encoded(labels), labels, weights, losses)

    def _start(self, inputs: int, seed: int) -> None:
        """Makes the network, and forgets an earlier one's curves."""
        with seeded(seed):
            made: Any = (self.network or self._new_network)(inputs, self.n_outputs_)
        if not isinstance(made, nn.Module):
            raise TypeError(
                f"{type(self).__name__}: network must be a function (n_features, n_outputs) that returns an "
                f"rgrad.nn.Module; it returned {type(made).__name__}"
            )
        self.network_ = made.float().eval()
        self._generator = Generator(seed)
        draw_dropout_from(self.network_, self._generator)
        self.n_iter_ = self.t_ = 0
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] | None = None
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None
        self.best_loss_: float | None = None

    def _outputs(self, X: Any) -> NDArray[np.float32]:
        """What the network returns for each row."""
        check_is_fitted(self)
        return self._outputs_of(self._features(self._checked(X, False), None, False))

    def _outputs_of(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        with no_grad():
            return np.concatenate([self.network_(x).numpy() for x in DataLoader(features, _PREDICTED_ROWS)])

    def _continue(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """`partial_fit`."""
        if self.early_stopping is True:
            raise ValueError("partial_fit does not support early_stopping=True: it sees some rows, once")
        if is_classifier(self) and classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """The class, or the value, of each row: (rows,), or (rows, outputs) if there are several.

        Args:
            X: (rows, features), as in `fit`.
        """
        return self._decided(self._outputs(X))

    # What the linear layers of the network are called in scikit-learn.

    @property
    def coefs_(self) -> list[NDArray[np.float32]]:
        """The weights of each linear layer, (inputs, outputs), which share the network's memory."""
        return [layer.weight.detach().numpy().T for layer in self._linear_layers("coefs_")]

    @property
    def intercepts_(self) -> list[NDArray[np.float32]]:
        """The biases of each linear layer, (outputs,), which share the network's memory."""
        layers = self._linear_layers("intercepts_")
        return [layer.bias.detach().numpy() for layer in layers if layer.bias is not None]

    @property
    def n_layers_(self) -> int:
        """The number of linear layers, and one for the input."""
        return len(self._linear_layers("n_layers_")) + 1

    def _linear_layers(self, name: str) -> list[nn.Linear]:
        if "network_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name} before it is fitted")
        return [module for module in self.network_.modules() if isinstance(module, nn.Linear)]


def _weights(sample_weight: Any, rows: int) -> NDArray[np.float64] | None:
    """The weights of rows as float64, none negative and not all 0."""
    if sample_weight is None:
        return None
    weights: NDArray[np.float64] = _check_sample_weight(
        sample_weight, np.empty((rows, 0)), dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number")
    return weights


def merged(features: Array, targets: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    """Rows that are equal as one of their weights' sum, in an order that is theirs.

    A batch of all rows is a set: not a bit of what is learned then depends on the order of the rows, or on whether one
    is there twice or has a weight of 2.
    """
    keys = np.hstack([features, targets.reshape(len(targets), -1).view(features.dtype)])
    rows = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1])))[:, 0]
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    weights = np.bincount(group, weights)
    return features[first], targets[first], None if (weights == 1).all() else weights


def _rows(part: Array | None, chosen: NDArray[np.bool_]) -> Any:
    return None if part is None else part[chosen]
