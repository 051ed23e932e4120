"""Softmax regression."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if

from rgrad import nn
from rgrad.sklearn._networks import perceptron
from rgrad.sklearn._parameters import keep
from rgrad.sklearn._targets import Classifier
from rgrad.sklearn.mlp import Solved, is_stochastic


class SoftmaxRegression(Classifier, Solved):
    """Softmax regression, also called multinomial logistic regression: one linear layer.

    It minimizes C · Σ cross-entropy + ½ Σ w², as scikit-learn's `LogisticRegression` does, with one output for each
    class also if there are two. Weights start at 0. `loss` may be another function, such as a hinge loss.

    Args:
        C: weight of the data against the L2 penalty; `float("inf")` for no penalty.
        solver: `"lbfgs"`, or `"adam"` or `"sgd"` for batches.
        fit_intercept: whether there are biases, which are not penalized.
        tol: lbfgs stops when no entry of the gradient is larger, the others when the loss does not improve by it.
        max_iter: steps of lbfgs or epochs at most.
        class_weight: weights of the classes as a dict, or `"balanced"`.
        random_state: of orders, dropout, and which rows are set aside.
        warm_start: whether `fit` continues from the weights that it left.
        verbose: whether to print the loss of each epoch.
        batch_size: rows in a batch of adam or sgd; `"auto"` for at most 200.
        learning_rate: of sgd, as in `MLPClassifier`.
        learning_rate_init: the learning rate at first.
        power_t: see `MLPClassifier`.
        shuffle: whether each epoch visits the rows in an order of its own.
        momentum: of sgd.
        nesterovs_momentum: whether it is Nesterov's.
        early_stopping: whether to set rows aside, stop when their score does not improve, and keep the best weights.
        validation_fraction: the part of the rows that is set aside.
        beta_1: of adam.
        beta_2: of adam.
        epsilon: of adam.
        n_iter_no_change: epochs without improvement after which training stops.
        max_fun: evaluations of lbfgs at most.
        loss: `"log_loss"`, or a function of logits (rows, classes) and labels (rows,) that returns each row's loss.
        dropout: the part of the features that is dropped in training.
        network: a function of the numbers of features and classes that returns an `rgrad.nn.Module`.
        scoring: what early stopping watches, as in `MLPClassifier`.
        callbacks: functions of the estimator, called after each epoch; what returns True stops training.

    Attributes:
        coef_: (classes, features).
        intercept_: (classes,).

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from rgrad.sklearn import SoftmaxRegression
        >>> X, y = load_iris(return_X_y=True)
        >>> model = SoftmaxRegression().fit(X, y)
        >>> model.coef_.shape, round(model.score(X, y), 2)
        ((3, 4), 0.97)
    """

    _several_labels = False

    def __init__(
        self,
        C: float = 1.0,
        *,
        solver: str = "lbfgs",
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int = 200,
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        shuffle: bool = True,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        dropout: float = 0.0,
        network: Any = None,
        scoring: Any = None,
        callbacks: Any = None,
    ) -> None:
        keep(self, locals())

    def _new_network(self, inputs: int, outputs: int) -> nn.Module:
        network = perceptron([inputs, outputs], "identity", 0.0, None, bias=self.fit_intercept)
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
        # The part of the features that is dropped.
        return nn.Sequential(nn.Dropout(self.dropout), *network) if self.dropout > 0 else network

    @property
    def alpha(self) -> float:
        """The coefficient of the penalty in the form of `MLPClassifier`."""
        return 1 / float(self.C)

    @property
    def coef_(self) -> NDArray[np.float32]:
        """The weights, (classes, features), which share the network's memory."""
        return self.coefs_[-1].T

    @property
    def intercept_(self) -> NDArray[np.float32]:
        """The biases, (classes,), which share the network's memory; zeros if there are none."""
        return (self.intercepts_ or [np.zeros(self.n_outputs_, dtype=np.float32)])[-1]

    def decision_function(self, X: Any) -> NDArray[np.float32]:
        """The logits, (rows, classes); of two classes their difference, (rows,).

        Args:
            X: (rows, features), as in `fit`.
        """
        output = self._outputs(X)
        return output[:, 1] - output[:, 0] if len(self.classes_) == 2 else output

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch over these rows.

        Args:
            X: (rows, features).
            y: (rows,).
            sample_weight: (rows,).
            classes: all classes, which the first call needs to be told.
        """
        return self._continue(X, y, sample_weight, classes)
