"""Training: `fit` and what belongs to it, on compiled steps.

`fit` is the loop that one would write: batches, loss, update, validation; with a history, metrics, early stopping,
checkpoints to go on from, and callbacks. The command line trains with it.
"""

from rgrad.train.callbacks import Callback, EarlyStopping
from rgrad.train.history import History
from rgrad.train.lr_finder import LRFinder, find_lr
from rgrad.train.metrics import Mean, accuracy, auc, calibration_error, error, mae, mse, r2
from rgrad.train.run import Run
from rgrad.train.state import load_state, save_state
from rgrad.train.training import evaluate, fit, predict, weighted

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "LRFinder",
    "Mean",
    "Run",
    "accuracy",
    "auc",
    "calibration_error",
    "error",
    "evaluate",
    "find_lr",
    "fit",
    "load_state",
    "mae",
    "mse",
    "predict",
    "r2",
    "save_state",
    "weighted",
]
