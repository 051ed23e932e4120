"""How estimators train: `rgrad.train.fit`, with what scikit-learn does after each epoch as a callback."""

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, check_scoring, r2_score

from rgrad import nn, optim
from rgrad._core import Tensor
from rgrad.optim.lr_scheduler import LambdaLR
from rgrad.sklearn._callbacks import Task
from rgrad.train import Callback, Run, fit

Array = NDArray[Any]

# Recording a step takes as long as some steps that are run as they are.
_BATCHES_WORTH_COMPILING = 8
# The relative change of the loss that L-BFGS takes for none: a few roundings of float32.
_NO_CHANGE = 2e-7


class Validation(NamedTuple):
    """The rows that early stopping watches.

    Attributes:
        features: what the network gets.
        targets: what the loss gets.
        labels: as users gave them.
        weights: of the rows, for scores.
        losses: the weights of their losses.
    """

    features: NDArray[np.float32]
    targets: Array
    labels: Array
    weights: Array | None
    losses: Array | None


class Objective:
    """The weighted mean of the losses of a batch, and in training the penalty.

    alpha / 2 · Σ w² / Σ of the weights of the batch's rows, over the weights of layers but not their biases.
    """

    def __init__(self, estimator: Any) -> None:
        self.loss = estimator._loss
        self.half = estimator.alpha / 2
        self.penalized = [p for p in estimator.network_.parameters() if p.ndim > 1] if self.half > 0 else []

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        losses: Tensor = self.loss(output, target)
        if losses.ndim == 0 and weight is not None:
            raise ValueError(
                "the loss returns one number for all rows, so that they cannot be weighed: it must return the loss of "
                "each row, as losses of rgrad.nn do with reduction='none'"
            )
        rows = losses.flatten(1).sum(1) if losses.ndim > 1 else losses
        mean: Tensor = rows.mean() if weight is None else (rows * weight).sum() / weight.sum()
        if not self.penalized or not output.requires_grad:
            return mean
        squares = self.penalized[0].square().sum()
        for parameter in self.penalized[1:]:
            squares = squares + parameter.square().sum()
        penalty: Tensor = self.half * squares / (len(output) if weight is None else weight.sum())
        return mean + penalty


def train(
    estimator: Any,
    data: tuple[Array, Array, Array | None],
    seen: int,
    validation: Validation | None,
    given: tuple[Any, Any, Any],
    incremental: bool,
) -> None:
    """Trains the estimator's network: one epoch if `incremental`, else until it is to stop.

    Args:
        estimator: with a network and its generator.
        data: features, targets and perhaps weights.
        seen: how many rows they were, before equal ones became one.
        validation: the rows that early stopping watches.
        given: X, y and sample_weight as `fit` got them, for callbacks.
        incremental: whether to go on with the optimizer of the last call.
    """
    network: nn.Module = estimator.network_
    if not (incremental and hasattr(estimator, "_optimizer")):
        estimator._optimizer = estimator._new_optimizer(network)
    optimizer: optim.Optimizer = estimator._optimizer
    rows, epochs = len(data[0]), 1 if incremental else int(estimator.max_iter)
    size = estimator._batch(rows)
    drop_last = estimator._drops_last(rows, size)
    batches = rows // size if drop_last else -(-rows // size)
    scheduler = None
    if not incremental and (rate := estimator._schedule()) is not None:
        scheduler = LambdaLR(optimizer, lambda step: rate(step / (epochs * batches)))
    watch = Watch(estimator, seen, validation, given, incremental)
    try:
        fit(
            network.eval(),
            _parts(*data),
            Objective(estimator),
            optimizer,
            epochs,
            batch_size=size,
            shuffle=bool(estimator.shuffle) and batches > 1,
            drop_last=drop_last,
            validation=None
            if validation is None
            else _parts(validation.features, validation.targets, validation.losses),
            metrics={} if validation is None else {"score": watch.score},
            scheduler=scheduler,
            schedule_every="batch",
            callbacks=[watch],
            generator=estimator._generator,
            progress=False,
            compile=not incremental or batches > _BATCHES_WORTH_COMPILING,
        )
    except FloatingPointError as error:
        raise ValueError(
            f"{type(estimator).__name__}: {error}, or scale the features, by StandardScaler for example"
        ) from None


def _parts(features: Array, targets: Array, weights: Array | None) -> tuple[Array, ...]:
    return (features, targets) if weights is None else (features, targets, weights.astype(np.float32))


class Watch(Callback):
    """What scikit-learn does after each epoch: curves, learning rates, callbacks, the best weights, when to stop."""

    def __init__(
        self,
        estimator: Any,
        rows: int,
        validation: Validation | None,
        given: tuple[Any, Any, Any],
        incremental: bool,
    ) -> None:
        self.estimator, self.rows, self.validation, self.incremental = estimator, rows, validation, incremental
        self.given = given
        self.idle = 0
        self.best: dict[str, Tensor] | None = None
        self.scorer = None if validation is None or estimator.scoring is None else _scorer(estimator, validation)

    def on_train_begin(self, run: Run) -> None:
        """Starts the curves that are not there yet."""
        est = self.estimator
        est.n_iter_ = 0
        if self.validation is None:
            est.best_loss_ = math.inf if est.best_loss_ is None else est.best_loss_
        elif est.validation_scores_ is None:
            est.validation_scores_, est.validation_loss_curve_, est.best_validation_score_ = [], [], -math.inf
        self.task = Task(est, *self.given, run.epochs)
        self.task.begin_epoch()

    def on_epoch_end(self, run: Run) -> None:
        """Keeps the results, and decides whether to stop."""
        est, loss = self.estimator, run.row["train_loss"]
        before = est.loss_curve_[-1] if est.loss_curve_ else math.inf
        est.n_iter_ += 1
        est.t_ += self.rows
        est.loss_ = loss
        est.loss_curve_.append(loss)
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {loss:.8f}")
        # Whoever predicts now shall get what predictions after the last epoch would be.
        watched = self.scorer is not None or self.task.root is not None or bool(est.callbacks)
        if watched:
            est.network_.eval()
        if self.validation is None:
            improved = loss <= est.best_loss_ - est.tol
            est.best_loss_ = min(est.best_loss_, loss)
        else:
            improved = self._validated(run)
        self.idle = 0 if improved else self.idle + 1
        if est.solver == "lbfgs":
            self._stop_lbfgs(run, before - loss)
        else:
            self._adapt(run)
        if watched:
            # All of them, also if the first wants to stop.
            if any([self.task.end_epoch(self._fitted), *[bool(call(est)) for call in est.callbacks or ()]]):
                run.stop("a callback stopped it")
            est.network_.train()
            if not run.is_stopped:
                self.task.begin_epoch()

    def on_train_end(self, run: Run) -> None:
        """Brings the best weights back."""
        est = self.estimator
        if self.best is not None:
            est.network_.load_state_dict(self.best)
        self.task.end(self._fitted)
        if not run.history.stopped and not self.incremental and est._schedule() is None:
            warnings.warn(
                f"{type(est).__name__}: max_iter={run.epochs} iterations were not enough to converge: raise it, or "
                "scale the features",
                ConvergenceWarning,
                stacklevel=7,
            )

    def score(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> float:
        """The score of what the network returns for the validation set; NaN if that is not finite."""
        if self.scorer is not None or self.validation is None:
            return math.nan
        predicted = self.estimator._decided(outputs.numpy())
        if predicted.dtype.kind == "f" and not np.isfinite(predicted).all():
            return math.nan
        metric = accuracy_score if is_classifier(self.estimator) else r2_score
        return float(metric(self.validation.labels, predicted, sample_weight=self.validation.weights))

    def _validated(self, run: Run) -> bool:
        """Keeps score and loss of the validation set, and the weights if they are the best; whether that improved."""
        est = self.estimator
        score = run.row["validation_score"] if self.scorer is None else self.scorer()
        est.validation_scores_.append(score)
        est.validation_loss_curve_.append(run.row["validation_loss"])
        if est.verbose:
            print(f"Validation score: {score:f}")
        improved: bool = score >= est.best_validation_score_ + est.tol
        # Of equal ones the last: it has learned more.
        if score >= est.best_validation_score_:
            est.best_validation_score_ = score
            self.best = {name: value.clone() for name, value in est.network_.state_dict().items()}
        return improved

    def _adapt(self, run: Run) -> None:
        """Learning rates of sgd, and the end if there is no improvement."""
        est = self.estimator
        schedule = est.learning_rate if est.solver == "sgd" else "constant"
        if schedule == "invscaling":
            _set_rate(run.optimizer, est.learning_rate_init / (est.t_ + 1) ** est.power_t)
        if self.idle <= est.n_iter_no_change:
            return
        rate = run.optimizer.param_groups[0]["lr"]
        if schedule == "adaptive" and rate > 1e-6:
            _set_rate(run.optimizer, rate / 5)
            self.idle = 0
            return
        what = "training loss" if self.validation is None else "validation score"
        run.stop(f"the {what} did not improve by more than tol={est.tol} for {est.n_iter_no_change} epochs")
        if est.verbose:
            print(f"Stopping: {run.history.stopped}.")

    def _stop_lbfgs(self, run: Run, gain: float) -> None:
        est = self.estimator
        gradients = [p.grad for p in est.network_.parameters() if p.grad is not None]
        (state,) = run.optimizer.state.values()
        if max(gradient.abs().amax().item() for gradient in gradients) <= est.tol:
            run.stop(f"no entry of the gradient is larger than tol={est.tol}")
        elif 0 <= gain <= _NO_CHANGE * max(abs(est.loss_), 1.0) and est.n_iter_ > 1:
            run.stop("the loss does not change any more")
        elif state["func_evals"] >= est.max_fun:
            run.stop(f"the loss was evaluated max_fun={est.max_fun} times")

    def _fitted(self) -> dict[str, Any]:
        """What makes a copy of the estimator one that was fitted until now."""
        est = self.estimator
        return {"network_": copy.deepcopy(est.network_).eval(), "loss_curve_": list(est.loss_curve_)}


def _set_rate(optimizer: optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _scorer(estimator: Any, validation: Validation) -> Callable[[], float]:
    """What scores the estimator on the validation set, whose rows are features already."""
    scorer = check_scoring(estimator, estimator.scoring)
    view = copy.copy(estimator)
    view.__class__ = type(estimator.__class__.__name__, (_Prepared, estimator.__class__), {})
    weights = {} if validation.weights is None else {"sample_weight": validation.weights}
    return lambda: float(scorer(view, validation.features, validation.labels, **weights))


class _Prepared:
    """An estimator whose rows need neither checks nor preparation."""

    def _checked(self, X: Any, reset: bool) -> Any:
        return X

    def _features(self, X: Any, weights: Any, first: bool) -> Any:
        return X
