"""The command line, `python -m rgrad`: parse and check everything, then train.

Exit codes: 0 done; 1 the training diverged; 2 bad input, found before anything was trained, or no room for results or
in memory; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import rgrad as rg
from rgrad import datasets
from rgrad._cli.run import run
from rgrad._cli.tables import read_table
from rgrad._cli.training import ACTIVATIONS, OPTIMIZERS, Settings
from rgrad.datasets import Dataset

_MAX_THREADS = 1024
_MAX_UNITS = 1_000_000
_BUNDLED = {"digits": datasets.digits, "iris": datasets.iris, "mnist": datasets.mnist}

_DEFAULTS: dict[str, Any] = {
    "hidden": (100,),
    "activation": "relu",
    "optimizer": "adam",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "batch_size": 32,
    "epochs": 30,
    "tolerance": None,
    "log_every": 1,
    "seed": 0,
    "features": None,
}
_DEFAULTS_OF_DATA: dict[tuple[str, str], dict[str, Any]] = {
    ("mnist", "softmax"): {"optimizer": "sgd", "batch_size": 100, "epochs": 10},
    ("mnist", "mlp"): {"optimizer": "sgd", "batch_size": 100, "epochs": 20},
    ("iris", "mlp"): {"hidden": (16,)},
}
_LR = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}
_LR_OF_MNIST = {"sgd": 0.2, "adam": 0.001, "adamw": 0.001}
_PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "lecture": (
        "iris",
        {
            "model": "mlp",
            "hidden": (16,),
            "activation": "sigmoid",
            "optimizer": "sgd",
            "lr": 0.5,
            "batch_size": "full",
            "epochs": 20000,
            "tolerance": 0.001,
            "log_every": 200,
            "features": "3,4",
        },
    )
}

_TRAIN_HELP = """\
data:
  digits, iris  come with rgrad; in each class, every fifth sample is for testing
  mnist         is read from $RGRAD_DATA/mnist or the user's cache, into which it is downloaded if need be
  FILE.csv      has commas, perhaps a header line, numbers in all columns but the last, and in the last the class:
                integers or names. A header may consist of numbers too, and a first column that has no name and numbers
                the rows is left out; what was decided is printed
  FILE.npz      has arrays x (samples by features, or samples by rows by columns for images) and y, or train_x, train_y,
                test_x and test_y
  Pixels are scaled to lie between 0 and 1; other features are standardised with the mean and deviation of the training
  set.

the table:
  train loss and train error are means over the batches of the epoch, each before the update that it causes; test loss
  and test error come after the epoch; seconds is the time since the row before.

what is written into DIR:
  weights.safetensors and metrics.json after each row of the table; at the end, if matplotlib is installed, curves.png,
  confusion.png, and mistakes.png for images or boundaries.png for two features.

exit codes:
  0 done; 1 the training diverged; 2 bad input, found before anything was trained, or no room for results or in memory;
  130 interrupted by Ctrl-C. Whatever ended it, each file holds one whole state; a process that is killed may leave one
  hidden file *.part beside them.

--preset lecture is short for: train iris --features 3,4 --model mlp --hidden 16 --activation sigmoid --optimizer sgd
  --lr 0.5 --batch-size full --epochs 20000 --tolerance 0.001 --log-every 200. Options beside it override its own.
"""


class InputError(Exception):
    """Something that the user gave cannot be used; the message says what and why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line on stderr."""
    try:
        args = _parser().parse_args(argv)
        args.command(args)
    except KeyboardInterrupt as interrupt:
        return _complain(str(interrupt) or "interrupted", 130)
    except BrokenPipeError:
        # Whoever read stdout has seen enough. Nothing more can be written, not even by the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FloatingPointError as error:
        return _complain(f"error: {error}", 1)
    except OSError as error:
        return _complain(f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}", 2)
    except (InputError, MemoryError) as error:
        return _complain(f"error: {error}", 2)
    return 0


def _complain(message: str, code: int) -> int:
    print("rgrad:", " ".join(message.split()), file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m rgrad", description="Train classifiers with rgrad.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"rgrad {rg.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="{train,info}", required=True)
    info = commands.add_parser("info", help="print version, instruction set, threads, pool and allocator")
    info.set_defaults(command=_info)
    train = commands.add_parser(
        "train",
        help="train softmax regression or a multi-layer perceptron",
        description="Train softmax regression or a multi-layer perceptron, and write weights, metrics and pictures.",
        epilog=_TRAIN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    train.set_defaults(command=_train)
    _add_train_arguments(train)
    return parser


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    # No defaults here: what is not given comes from the preset or the data.
    add = parser.add_argument
    add("data", metavar="DATA", help="digits, iris, mnist, FILE.csv or FILE.npz")
    add("--preset", choices=sorted(_PRESETS), help="the classic lecture example, on iris (see below)")
    add("--model", choices=("softmax", "mlp"), help="default mlp")
    add("--hidden", type=_sizes, metavar="N[,N...]", help="units of each hidden layer (default 100; iris 16)")
    add("--activation", choices=sorted(ACTIVATIONS), help="of the hidden layers (default relu)")
    add("--optimizer", choices=OPTIMIZERS, help="default adam; mnist sgd")
    add("--lr", type=_positive, metavar="X", help="learning rate (default 0.01, sgd 0.1; for mnist 0.001, sgd 0.2)")
    add("--momentum", type=_fraction_or_zero, metavar="X", help="of sgd (default 0)")
    add("--weight-decay", type=_not_negative, metavar="X", help="default 0")
    add("--batch-size", type=_batch_size, metavar="N", help="rows in a batch, or full (default 32; mnist 100)")
    add("--epochs", type=_count, metavar="N", help="default 30; mnist 10 with softmax, 20 with mlp")
    add("--tolerance", type=_positive, metavar="X", help="stop when the gradient's norm is below X; needs a full batch")
    add("--log-every", type=_count, metavar="N", help="epochs between two rows of the table (default 1)")
    add("--features", metavar="C[,C...]", help="columns to use, by name or number from 1 (default all)")
    add("--classes", type=_count, metavar="N", help="of a file's labels; needed above 20 different integers")
    add("--test-fraction", type=_fraction, metavar="X", help="share of a file's rows to test with (default 0.2)")
    add("--seed", type=_seed, metavar="N", help="of weights and shuffling (default 0)")
    add("--threads", type=_threads, metavar="N", help="default: $RGRAD_NUM_THREADS, or the number of cores")
    add("--eager", action="store_true", help="do not compile the training step: slower, with the same results")
    add("--out", type=Path, metavar="DIR", help="where results go (default runs/DATA-MODEL)")
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


def _info(_: argparse.Namespace) -> None:
    print(rg.__config__.show())


def _train(args: argparse.Namespace) -> None:
    name = _name(args.data)
    settings, features = _settings(args, name)
    data, decisions = _load(args, settings.seed)
    data = _select(data, features)
    out = args.out or Path("runs") / f"{name}-{args.preset or settings.model}"
    _prepare_folder(out)
    if args.threads is not None:
        rg.set_num_threads(args.threads)
    if args.eager:
        rg.config.compile = False
    if decisions and not args.quiet:
        print(decisions)
    run(data, settings, out, args.quiet)


def _name(data: str) -> str:
    if data in _BUNDLED:
        return data
    path = Path(data)
    if path.suffix.lower() not in (".csv", ".npz"):
        raise InputError(f"data {data!r} is none of digits, iris, mnist, FILE.csv and FILE.npz")
    return path.stem


def _settings(args: argparse.Namespace, name: str) -> tuple[Settings, str | None]:
    """Merge what is given with the preset's and the data's defaults; the second value names the features to use."""
    preset: dict[str, Any] = {}
    if args.preset:
        data, preset = _PRESETS[args.preset]
        if args.data != data:
            raise InputError(f"argument --preset: {args.preset} is for {data}, not for {args.data}")
    given = {key: value for key, value in vars(args).items() if value is not None}
    model = given.get("model") or preset.get("model") or "mlp"
    of_data = _DEFAULTS_OF_DATA.get((args.data, model), {})
    chosen = {**_DEFAULTS, "model": model, **of_data, **preset, **given}
    if args.lr is None and args.optimizer not in (None, preset.get("optimizer")):
        chosen.pop("lr", None)  # the preset's is for another optimizer
    chosen.setdefault("lr", (_LR_OF_MNIST if args.data == "mnist" else _LR)[chosen["optimizer"]])
    if chosen["optimizer"] != "sgd" and args.momentum is not None:
        raise InputError("argument --momentum: only sgd has it; add --optimizer sgd")
    if model == "softmax":
        for option in ("hidden", "activation"):
            if getattr(args, option) is not None:
                raise InputError(f"argument --{option}: softmax regression has no hidden layers; use --model mlp")
        chosen["hidden"] = ()
    if chosen["tolerance"] is not None and chosen["batch_size"] != "full":
        raise InputError("argument --tolerance: a batch's gradient never vanishes; it needs --batch-size full")
    if chosen["batch_size"] == "full":
        chosen["batch_size"] = None
    for option, why in (("test_fraction", "has a test set of its own"), ("classes", "has classes of its own")):
        if getattr(args, option) is not None and args.data in _BUNDLED:
            raise InputError(f"argument --{option.replace('_', '-')}: {args.data} {why}")
    fields = {field.name for field in dataclasses.fields(Settings)}
    return Settings(**{key: value for key, value in chosen.items() if key in fields}), chosen["features"]


def _load(args: argparse.Namespace, seed: int) -> tuple[Dataset, str]:
    """The data, and what was decided about their file."""
    try:
        if args.data in _BUNDLED:
            return _BUNDLED[args.data](), ""
        return read_table(Path(args.data), args.test_fraction or 0.2, seed, args.classes)
    except ValueError as error:
        raise InputError(error) from None


def _select(data: Dataset, features: str | None) -> Dataset:
    """Keep the columns that are asked for."""
    if features is None:
        return data
    if not data.feature_names:
        raise InputError(f"argument --features: {data.name} holds images, not named columns")
    columns = [_column(data.feature_names, text.strip()) for text in features.split(",")]
    if len(set(columns)) < len(columns):
        raise InputError(f"argument --features: {features!r} names a column twice")
    index = rg.tensor(columns)
    return dataclasses.replace(
        data,
        train_x=rg.index_select(data.train_x, 1, index),
        test_x=rg.index_select(data.test_x, 1, index),
        feature_names=tuple(data.feature_names[column] for column in columns),
    )


def _column(names: Sequence[str], text: str) -> int:
    if text in names:
        return names.index(text)
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return int(text) - 1
    raise InputError(f"argument --features: {text!r} is neither a column nor a number from 1 to {len(names)}")


def _prepare_folder(out: Path) -> None:
    """Make the folder, and find out now rather than after an hour of training whether files can be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"cannot write into the output folder {out}: {error.strerror or error}") from None
