"""Multi-layer perceptrons with the parameters and attributes of scikit-learn's."""

from typing import Any, Self

from sklearn.utils.metaestimators import available_if

from rgrad import nn, optim
from rgrad.sklearn._estimator import Estimator
from rgrad.sklearn._networks import perceptron
from rgrad.sklearn._parameters import keep, sizes
from rgrad.sklearn._targets import Classifier, Regressor


def is_stochastic(estimator: Any) -> bool:
    """Whether it trains in batches; an AttributeError that says why not."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs a stochastic solver, and lbfgs uses all rows: set solver='adam'")
    return True


class Solved(Estimator):
    """Networks of linear layers, and the optimizers that scikit-learn calls solvers."""

    def _new_network(self, inputs: int, outputs: int) -> nn.Module:
        units = [inputs, *map(int, sizes(self.hidden_layer_sizes)), outputs]
        return perceptron(units, self.activation, self.dropout, self.normalization)

    def _new_optimizer(self, network: nn.Module) -> optim.Optimizer:
        parameters = list(network.parameters())
        if self.solver == "lbfgs":
            return optim.LBFGS(
                parameters, max_iter=1, tolerance_grad=self.tol, history_size=10, line_search_fn="strong_wolfe"
            )
        if self.solver == "adam":
            return optim.Adam(parameters, self.learning_rate_init, (self.beta_1, self.beta_2), self.epsilon)
        nesterov = self.nesterovs_momentum and self.momentum > 0
        return optim.SGD(parameters, self.learning_rate_init, self.momentum, nesterov=nesterov)


class MLPClassifier(Classifier, Solved):
    """A multi-layer perceptron: scikit-learn's `MLPClassifier` by compiled epochs of rgrad.

    Parameters and attributes are scikit-learn's, with these additions. `activation` may also be `"leaky_relu"`,
    `"elu"`, `"selu"`, `"gelu"`, `"silu"`, `"mish"` or `"softplus"`, a class of `rgrad.nn`, or a function of a tensor.
    Computations are in float32. With momentum, a change of the learning rate applies to the velocity, too, as in
    PyTorch.

    Args:
        hidden_layer_sizes: the units of each hidden layer.
        activation: of the hidden layers.
        solver: `"adam"`, `"sgd"`, or `"lbfgs"`, which uses all rows in each step.
        alpha: coefficient of the L2 penalty on weights, alpha / 2 · Σ w² / (rows of the batch).
        batch_size: rows in a batch; `"auto"` for at most 200.
        learning_rate: of sgd: `"constant"`, `"invscaling"` (divided by the `power_t`-th power of the rows seen), or
            `"adaptive"` (divided by 5 instead of stopping).
        learning_rate_init: the learning rate at first.
        power_t: see `learning_rate`.
        max_iter: epochs at most, or steps of lbfgs.
        shuffle: whether each epoch visits the rows in an order of its own.
        random_state: of weights, orders, dropout, and which rows are set aside.
        tol: what the loss, or the score with `early_stopping`, must improve by.
        verbose: whether to print loss and score of each epoch.
        warm_start: whether `fit` continues from the weights that it left.
        momentum: of sgd.
        nesterovs_momentum: whether it is Nesterov's.
        early_stopping: whether to set rows aside, stop when their score does not improve, and keep the best weights.
        validation_fraction: the part of the rows that is set aside.
        beta_1: of adam.
        beta_2: of adam.
        epsilon: of adam.
        n_iter_no_change: epochs without improvement after which training stops.
        max_fun: evaluations of lbfgs at most.
        loss: `"log_loss"`, or a function of logits (rows, classes) and labels (rows,), or zeros and ones
            (rows, labels), that returns the loss of each row.
        class_weight: weights of the classes as a dict, or `"balanced"`.
        dropout: the part of the hidden units that is dropped in training.
        normalization: `"batch"` or `"layer"`, before each activation.
        network: a function of the numbers of features and outputs that returns an `rgrad.nn.Module`, in place of
            `hidden_layer_sizes`, `activation`, `dropout` and `normalization`.
        scoring: what early stopping watches: a name, or a function of estimator, rows and labels; accuracy if `None`.
        callbacks: functions of the estimator, called after each epoch; what returns True stops training.

    Attributes:
        network_: the trained `rgrad.nn.Module`.
        validation_loss_curve_: the losses of the rows set aside, after each epoch.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from rgrad.sklearn import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> bool(MLPClassifier(solver="lbfgs", random_state=0).fit(X, y).score(X, y) > 0.95)
        True
    """

    _one_logit = True

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
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
        class_weight: Any = None,
        dropout: float = 0.0,
        normalization: str | None = None,
        network: Any = None,
        scoring: Any = None,
        callbacks: Any = None,
    ) -> None:
        keep(self, locals())

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch over these rows.

        Args:
            X: (rows, features).
            y: (rows,), or (rows, labels) of zeros and ones.
            sample_weight: (rows,).
            classes: all classes, which the first call needs to be told.
        """
        return self._continue(X, y, sample_weight, classes)


class MLPRegressor(Regressor, Solved):
    """A multi-layer perceptron: scikit-learn's `MLPRegressor` by compiled epochs of rgrad.

    Parameters and attributes are scikit-learn's, with those that `MLPClassifier` adds.

    Args:
        loss: `"squared_error"` (half of it), `"poisson"` (of the exponential of the output), or a function of outputs
            and targets, both (rows, targets), that returns the loss of each row.
        hidden_layer_sizes: the units of each hidden layer.
        activation: of the hidden layers.
        solver: as in `MLPClassifier`, as are all further parameters; `scoring=None` watches R².
        alpha: see there.
        batch_size: see there.
        learning_rate: see there.
        learning_rate_init: see there.
        power_t: see there.
        max_iter: see there.
        shuffle: see there.
        random_state: see there.
        tol: see there.
        verbose: see there.
        warm_start: see there.
        momentum: see there.
        nesterovs_momentum: see there.
        early_stopping: see there.
        validation_fraction: see there.
        beta_1: see there.
        beta_2: see there.
        epsilon: see there.
        n_iter_no_change: see there.
        max_fun: see there.
        dropout: see there.
        normalization: see there.
        network: see there.
        scoring: see there.
        callbacks: see there.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from rgrad.sklearn import MLPRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> early = {"early_stopping": True, "learning_rate_init": 0.01, "max_iter": 1000}
        >>> bool(MLPRegressor(hidden_layer_sizes=(50,), random_state=0, **early).fit(X, y).score(X, y) > 0.4)
        True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        normalization: str | None = None,
        network: Any = None,
        scoring: Any = None,
        callbacks: Any = None,
    ) -> None:
        keep(self, locals())

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows.

        Args:
            X: (rows, features).
            y: (rows,) or (rows, targets).
            sample_weight: (rows,).
        """
        return self._continue(X, y, sample_weight)
