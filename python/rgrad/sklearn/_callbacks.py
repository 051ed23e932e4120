"""scikit-learn's callbacks, where the installed version has them (1.9), and functions as callbacks."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

try:
    from sklearn import callback as _callback

    CallbackSupport: Any = _callback.CallbackSupportMixin
except ImportError:
    _callback = None
    CallbackSupport = object


def with_callbacks(method: F) -> F:
    """The method, after which scikit-learn's callbacks are told that it is over."""
    return method if _callback is None else _callback.with_callbacks(method)


class Task:
    """Tells scikit-learn's callbacks what goes on in `fit`: a task that has one task for each epoch.

    Args:
        estimator: that is fitted, whose callbacks were set by `set_callbacks`, on itself or on what contains it.
        X: as `fit` got it.
        y: as `fit` got it.
        sample_weight: as `fit` got it.
        epochs: how many there are at most.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any, epochs: int) -> None:
        self.estimator = estimator
        self.data = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        self.root: Any = None
        self.epoch: Any = None
        if hasattr(estimator, "_skl_callbacks"):
            self.root = estimator._init_callback_context(max_subtasks=epochs)
            self.root.call_on_fit_task_begin(estimator=estimator, **self.data)

    def begin_epoch(self) -> None:
        """Before an epoch."""
        if self.root is not None:
            self.epoch = self.root.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_epoch(self, fitted: Callable[[], dict[str, Any]]) -> bool:
        """After an epoch; `fitted` gives the attributes that predictions need. Whether a callback wants to stop."""
        if self.epoch is None:
            return False
        stop = self.epoch.call_on_fit_task_end(estimator=self.estimator, **self.data, reconstruction_attributes=fitted)
        self.epoch = None
        return bool(stop)

    def end(self, fitted: Callable[[], dict[str, Any]]) -> None:
        """After the last epoch."""
        if self.root is not None:
            self.root.call_on_fit_task_end(estimator=self.estimator, **self.data, reconstruction_attributes=fitted)
