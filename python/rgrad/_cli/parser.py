"""The arguments of the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import rgrad as rg
from rgrad._cli.model import ACTIVATIONS
from rgrad._cli.run import OPTIMIZERS

_MAX_THREADS = 1024
_MAX_UNITS = 1_000_000
_MAX_FOLDS = 100

_TRAIN_HELP = """\
data:
  digits, iris   come with rgrad; in each class, every fifth sample is for testing
  mnist          is read from $RGRAD_DATA/mnist or the user's cache, into which it is downloaded if need be
  FILE.csv .tsv .txt  a table. Separator, encoding, decimal commas and a header are found out. Columns of numbers are
                 standardised, and missing ones become the median; columns of words become one input for each word.
                 An index and constant columns are left out. What was decided is printed. Dates and free text are
                 refused by the name of their column: leave it out with --drop
  FILE.parquet   the same, read by pandas
  FILE.npy       a matrix, with the target in the last column
  FILE.npz       arrays x (samples by features, or samples by rows by columns for images) and y, or train_x, train_y,
                 test_x and test_y
  The target is the column --target; or the only one called target, label, class or y; or the last. Words and at most 20
  different integers are classes, other numbers are a regression; --task decides otherwise.

what is done with it:
  Of a file, a fifth of the rows (--test-fraction) is set aside for testing, and a fifth of the others
  (--validation-fraction) for choosing the best epoch: training ends when the validation loss has not improved for
  --patience epochs, and the model gets the weights of the best. The test set is used once, at the end. The bundled
  datasets have a test set of their own and no validation set: all epochs are trained, and the last one is kept.
  --folds 5 first trains and tests five models, each tested on another fifth of the rows, and prints mean and deviation.

the table:
  train loss and train error are means over the batches of the epoch, each before the update that it causes; those of
  validation (or of testing, for the bundled datasets) come after the epoch; seconds is the time since the row before.

what is written into DIR:
  model.safetensors, the model with all that predicting needs; metrics.json; state.safetensors, to resume from: each
  after each row of the table. At the end, if matplotlib is installed, curves.png, and confusion.png, mistakes.png (of
  images), boundaries.png (of two features), or residuals.png (of a regression).

resuming:
  rgrad train --resume DIR goes on where a run was killed or interrupted, with its settings and its data, to the same
  bits as a run without interruption. --epochs and --patience may be given anew.

exit codes:
  0 done; 1 the training diverged; 2 bad input, found before anything was trained, or no room for results or in memory;
  130 interrupted by Ctrl-C. Whatever ended it, each file holds one whole state; a process that is killed may leave one
  hidden file *.part beside them.

--preset lecture is short for: train iris --features 3,4 --model mlp --hidden 16 --activation sigmoid --optimizer sgd
  --lr 0.5 --batch-size full --epochs 20000 --tolerance 0.001 --log-every 200. Options beside it override its own.
"""
_HELP = """\
a start:
  rgrad train iris                            train on a dataset that comes with rgrad
  rgrad train my.csv --target price           train on a table of your own
  rgrad predict runs/my-mlp/model.safetensors new.csv --out predictions.csv
  rgrad evaluate runs/my-mlp/model.safetensors more.csv
  rgrad show runs/my-mlp/model.safetensors
`rgrad COMMAND --help` says more.
"""


class InputError(Exception):
    """Something that the user gave cannot be used; the message says what and why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def make_parser(commands_by_name: dict[str, Callable[[argparse.Namespace], None]]) -> argparse.ArgumentParser:
    """The parser; the namespace that it gives has the function as `command`, or None for help."""
    parser = _Parser(
        prog="rgrad",
        description="Train small networks on tables and images, and use them.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=None)
    parser.add_argument("--version", action="version", version=f"rgrad {rg.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="{" + ",".join(commands_by_name) + "}")

    def add(name: str, text: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
        found: argparse.ArgumentParser = commands.add_parser(
            name,
            help=text,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        found.set_defaults(command=commands_by_name[name])
        return found

    train = add(
        "train",
        "train a model on a table or images",
        "Train softmax or linear regression or a multi-layer perceptron, and write model, metrics and pictures.",
        _TRAIN_HELP,
    )
    _add_train_arguments(train)
    predict = add(
        "predict", "predict the target of each row of a file", "Write a prediction for each row of a file, as CSV."
    )
    _add_model_arguments(predict)
    predict.add_argument("--out", default="-", metavar="FILE", help="where to write (default -, standard output)")
    predict.add_argument("--proba", action="store_true", help="the probability of each class, too")
    _add_model_arguments(
        add("evaluate", "compare predictions with the target in a file", "Compare predictions with a target.")
    )
    show = add("show", "print what a model file is", "Print what a model predicts, from which columns, and how.")
    show.add_argument("model", metavar="MODEL", type=Path, help="a model.safetensors")
    add("info", "print version, instruction set, threads, pool and allocator", "Print what rgrad runs on.")
    return parser


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="a model.safetensors that `rgrad train` wrote")
    parser.add_argument("data", metavar="DATA", type=Path, help="a file of any kind that `rgrad train` reads")
    parser.add_argument(
        "--header", choices=("yes", "no"), help="whether the first line has the names (default: found out)"
    )
    parser.add_argument(
        "--threads", type=_threads, metavar="N", help="default: $RGRAD_NUM_THREADS, or the number of cores"
    )


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    # No defaults here: what is not given comes from the preset or the data.
    add = parser.add_argument
    add("data", metavar="DATA", nargs="?", help="digits, iris, mnist, or a file .csv .tsv .txt .parquet .npz .npy")
    add("--preset", choices=("lecture",), help="the classic lecture example, on iris (see below)")
    add("--target", metavar="NAME", help="the column to predict, by name or number from 1")
    add("--task", choices=("classification", "regression"), help="default: by the values of the target")
    add("--features", metavar="C[,C...]", help="columns to use, by name or number from 1 (default all)")
    add("--drop", metavar="C[,C...]", help="columns to leave out, by name or number from 1")
    add("--header", choices=("yes", "no"), help="whether the first line has the names (default: found out)")
    add(
        "--model", choices=("softmax", "linear", "mlp"), help="default mlp; softmax has classes, linear is a regression"
    )
    add("--hidden", type=_sizes, metavar="N[,N...]", help="units of each hidden layer (default 100; iris 16)")
    add("--activation", choices=sorted(ACTIVATIONS), help="of the hidden layers (default relu)")
    add("--optimizer", choices=OPTIMIZERS, help="default adam; mnist sgd")
    add("--lr", type=_positive, metavar="X", help="learning rate (default 0.01, sgd 0.1; for mnist 0.001, sgd 0.2)")
    add("--momentum", type=_fraction_or_zero, metavar="X", help="of sgd (default 0)")
    add("--weight-decay", type=_not_negative, metavar="X", help="default 0")
    add("--batch-size", type=_batch_size, metavar="N", help="rows in a batch, or full (default 32; mnist 100)")
    add(
        "--epochs",
        type=_count,
        metavar="N",
        help="at most (default 200; the bundled data 30; mnist 10 with softmax, 20 with mlp)",
    )
    add(
        "--patience",
        type=_count,
        metavar="N",
        help="epochs without a better validation loss before it ends (default 20)",
    )
    add("--tolerance", type=_positive, metavar="X", help="stop when the gradient's norm is below X; needs a full batch")
    add("--log-every", type=_count, metavar="N", help="epochs between two rows of the table (default 1)")
    add("--test-fraction", type=_fraction, metavar="X", help="share of a file's rows to test with (default 0.2)")
    add(
        "--validation-fraction",
        type=_fraction_or_zero,
        metavar="X",
        help="share of the others to validate with (default 0.2)",
    )
    add("--folds", type=_folds, metavar="K", help="first estimate the error by K-fold cross-validation")
    add("--seed", type=_seed, metavar="N", help="of weights, splits and shuffling (default 0)")
    add("--threads", type=_threads, metavar="N", help="default: $RGRAD_NUM_THREADS, or the number of cores")
    add("--eager", action="store_true", help="do not compile the training step: slower, with the same results")
    add("--out", type=Path, metavar="DIR", help="where results go (default runs/DATA-MODEL)")
    add("--resume", type=Path, metavar="DIR", help="go on with the run whose results are in DIR")
    add("--quiet", action="store_true", help="print nothing but errors")


def _checked(convert: Callable[[str], Any], accept: Callable[[Any], bool], what: str) -> Callable[[str], Any]:
    """An argument type: text that `convert` can read and `accept` approves of, or else an error that says `what`."""

    def parse(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not accept(value):
            raise argparse.ArgumentTypeError(f"must be {what}, not {text!r}")
        return value

    return parse


_positive = _checked(float, lambda x: 0 < x < math.inf, "a positive, finite number")
_not_negative = _checked(float, lambda x: 0 <= x < math.inf, "a finite number, 0 or more")
_fraction = _checked(float, lambda x: 0 < x < 1, "a number between 0 and 1")
_fraction_or_zero = _checked(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")
_count = _checked(int, lambda n: n >= 1, "an integer, 1 or more")
_folds = _checked(int, lambda n: 2 <= n <= _MAX_FOLDS, f"an integer from 2 to {_MAX_FOLDS}")
_seed = _checked(int, lambda n: 0 <= n < 2**63, "an integer from 0 to below 2**63")
_threads = _checked(int, lambda n: 1 <= n <= _MAX_THREADS, f"an integer from 1 to {_MAX_THREADS}")
_batch_size = _checked(
    lambda text: text if text == "full" else int(text),
    lambda n: n == "full" or n >= 1,
    "an integer, 1 or more, or full",
)
_sizes = _checked(
    lambda text: tuple(map(int, text.split(","))),
    lambda sizes: all(1 <= size <= _MAX_UNITS for size in sizes),
    f"integers from 1 to {_MAX_UNITS}, with commas between them",
)
