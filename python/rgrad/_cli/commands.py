"""The command line, `rgrad` or `python -m rgrad`: parse and check everything, then do it.

Exit codes: 0 done; 1 the training diverged; 2 bad input, found before anything was trained, or no room for results or
in memory; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rgrad as rg
from rgrad import datasets
from rgrad._cli import use
from rgrad._cli.loading import SUFFIXES, Loaded, load
from rgrad._cli.model import load_model
from rgrad._cli.parser import InputError, make_parser
from rgrad._cli.plan import column
from rgrad._cli.run import METRICS, STATE, Settings, Training, describe_values, run
from rgrad._cli.samples import Samples, from_dataset, from_table

_BUNDLED = {"digits": datasets.digits, "iris": datasets.iris, "mnist": datasets.mnist}
# What the pixels of the bundled images were divided by.
_WHITE = {"digits": 16.0, "mnist": 255.0}

_DEFAULTS: dict[str, Any] = {
    "hidden": (100,),
    "activation": "relu",
    "optimizer": "adam",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "batch_size": 32,
    "epochs": 30,
    "patience": 20,
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
# Epochs of files, of which a validation set decides how many are used.
_EPOCHS = 200
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
# What may be given anew when a run is resumed.
_ANEW = ("epochs", "patience", "threads", "quiet", "eager")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line on stderr."""
    try:
        parser = make_parser(
            {"train": _train, "predict": _predict, "evaluate": _evaluate, "show": _show, "info": _info}
        )
        args = parser.parse_args(argv)
        if args.command is None:
            parser.print_help()
        else:
            args.command(args)
        sys.stdout.flush()
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


def _info(_: argparse.Namespace) -> None:
    print(rg.__config__.show())


def _predict(args: argparse.Namespace) -> None:
    _set_threads(args)
    try:
        data = _known(args.data)
        use.predict(load_model(args.model), data, args.out, args.proba, _header(args))
    except ValueError as error:
        raise InputError(error) from None


def _evaluate(args: argparse.Namespace) -> None:
    _set_threads(args)
    try:
        data = _known(args.data)
        print(use.evaluate(load_model(args.model), data, _header(args)))
    except ValueError as error:
        raise InputError(error) from None


def _show(args: argparse.Namespace) -> None:
    try:
        print(use.show(load_model(args.model), args.model))
    except ValueError as error:
        raise InputError(error) from None


def _known(path: Path) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"data {str(path)!r} is no file of a kind that can be read: {', '.join(SUFFIXES)}")
    return path


def _header(args: argparse.Namespace) -> bool | None:
    return None if args.header is None else args.header == "yes"


def _set_threads(args: argparse.Namespace) -> None:
    if args.threads is not None:
        rg.set_num_threads(args.threads)


def _train(args: argparse.Namespace) -> None:
    resumed: dict[str, Any] = {}
    if args.resume is not None:
        args, resumed = _resumed(args)
    elif args.data is None:
        raise InputError("the following arguments are required: DATA")
    name = _name(args.data)
    settings, features = _settings(args)
    loaded = _load(args, settings, features)
    settings = _of_task(settings, args, loaded.samples)
    if resumed and loaded.samples.fingerprint != resumed["fingerprint"]:
        raise InputError(f"{args.data} is not the file that the run in {args.resume} was started with; start anew")
    out = args.resume or args.out or Path("runs") / f"{name}-{args.preset or settings.model}"
    _prepare_folder(out)
    _set_threads(args)
    if args.eager:
        rg.config.compile = False
    if loaded.decisions and not args.quiet:
        print(f"{args.data}: {'; '.join(loaded.decisions)}")
    try:
        folds = _folds(args, settings, loaded) if args.folds and not resumed else None
        if not resumed:
            (out / STATE).unlink(missing_ok=True)
        run(Training(loaded.samples, settings), out, _given(args), args.quiet, folds or resumed.get("folds"))
    except ValueError as error:
        raise InputError(error) from None


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments, as metrics keep them to resume with."""
    given = {
        k: v
        for k, v in vars(args).items()
        if v is not None and v is not False and k not in ("command", "resume", "quiet")
    }
    return {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}


def _resumed(args: argparse.Namespace) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments of the run that is resumed, with those that are given anew; and what its metrics hold."""
    path = args.resume / METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        before = metrics["arguments"]
        metrics["fingerprint"]
    except FileNotFoundError:
        raise InputError(
            f"there is nothing to resume in {args.resume}: it has no {METRICS}; start with rgrad train DATA"
        ) from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path} is not of a run that can be resumed") from None
    merged = argparse.Namespace(**vars(args))
    for key, value in vars(args).items():
        if value is not None and value is not False and key not in (*_ANEW, "command", "resume"):
            what = "DATA" if key == "data" else f"--{key.replace('_', '-')}"
            raise InputError(f"argument {what}: --resume goes on with the settings of {args.resume}; leave it out")
        if not value and key in before:
            setattr(merged, key, tuple(before[key]) if key == "hidden" else before[key])
    if isinstance(merged.out, str):
        merged.out = Path(merged.out)
    return merged, metrics


def _name(data: str) -> str:
    if data in _BUNDLED:
        return data
    path = Path(data)
    if path.suffix.lower() not in SUFFIXES:
        kinds = ", ".join(f"FILE{suffix}" for suffix in SUFFIXES)
        raise InputError(f"data {data!r} is none of digits, iris, mnist and {kinds}")
    return path.stem


def _settings(args: argparse.Namespace) -> tuple[Settings, str | None]:
    """Merge what is given with the preset's and the data's defaults; the second value names the features to use."""
    preset: dict[str, Any] = {}
    if args.preset:
        data, preset = _PRESETS[args.preset]
        if args.data != data:
            raise InputError(f"argument --preset: {args.preset} is for {data}, not for {args.data}")
    given = {key: value for key, value in vars(args).items() if value is not None}
    model = given.get("model") or preset.get("model") or "mlp"
    of_data = _DEFAULTS_OF_DATA.get((args.data, model), {})
    if args.data not in _BUNDLED and args.validation_fraction != 0:
        of_data = {"epochs": _EPOCHS}
    chosen = {**_DEFAULTS, "model": model, **of_data, **preset, **given}
    if args.lr is None and args.optimizer not in (None, preset.get("optimizer")):
        chosen.pop("lr", None)  # the preset's is for another optimizer
    chosen.setdefault("lr", (_LR_OF_MNIST if args.data == "mnist" else _LR)[chosen["optimizer"]])
    if model != "mlp":
        chosen["hidden"] = ()
    _check_together(args, chosen)
    if chosen["batch_size"] == "full":
        chosen["batch_size"] = None
    fields = {field.name for field in dataclasses.fields(Settings)}
    return Settings(**{key: value for key, value in chosen.items() if key in fields}), chosen["features"]


def _check_together(args: argparse.Namespace, chosen: dict[str, Any]) -> None:
    """Refuse arguments that do not go together."""
    if chosen["optimizer"] != "sgd" and args.momentum is not None:
        raise InputError("argument --momentum: only sgd has it; add --optimizer sgd")
    if chosen["model"] != "mlp":
        for option in ("hidden", "activation"):
            if getattr(args, option) is not None:
                raise InputError(
                    f"argument --{option}: {chosen['model']} regression has no hidden layers; use --model mlp"
                )
    if chosen["tolerance"] is not None and chosen["batch_size"] != "full":
        raise InputError("argument --tolerance: a batch's gradient never vanishes; it needs --batch-size full")
    of_files = {
        "test_fraction": "has a test set of its own",
        "validation_fraction": "is trained on as a whole, and has a test set of its own",
        "patience": "has no validation set to stop by",
        "folds": "has a test set of its own",
        "target": "has classes of its own",
        "task": "has classes of its own",
        "header": "is no file",
        "drop": "is no file; use --features",
    }
    for option, why in of_files.items():
        if getattr(args, option) is not None and args.data in _BUNDLED:
            raise InputError(f"argument --{option.replace('_', '-')}: {args.data} {why}")
    if args.patience is not None and args.validation_fraction == 0:
        raise InputError("argument --patience: without a validation set there is nothing to stop by")


def _of_task(settings: Settings, args: argparse.Namespace, samples: Samples) -> Settings:
    """The settings, if the model is one for the task."""
    if samples.target.classes:
        if settings.model == "linear":
            raise InputError(f"argument --model: '{samples.target.name}' has classes; use softmax or mlp")
    elif settings.model == "softmax":
        raise InputError(f"argument --model: '{samples.target.name}' has no classes, but values; use linear or mlp")
    return settings


def _load(args: argparse.Namespace, settings: Settings, features: str | None) -> Loaded:
    """The data, and what was decided about their file."""
    try:
        if args.data in _BUNDLED:
            data = _BUNDLED[args.data]()
            return Loaded(from_dataset(_select(data, features), _WHITE.get(args.data, 1.0)), [])
        return load(
            Path(args.data),
            target=args.target,
            task=args.task,
            features=features.split(",") if features else None,
            drop=args.drop.split(",") if args.drop else (),
            header=_header(args),
            test=args.test_fraction or 0.2,
            validation=_validation(args),
            seed=settings.seed,
        )
    except ValueError as error:
        raise InputError(error) from None


def _validation(args: argparse.Namespace) -> float:
    return 0.2 if args.validation_fraction is None else float(args.validation_fraction)


def _folds(args: argparse.Namespace, settings: Settings, loaded: Loaded) -> list[dict[str, float]]:
    """Train and test a model for each fold, and say how good they are."""
    if loaded.table is None or loaded.decided is None:
        raise InputError(f"argument --folds: {loaded.samples.name} holds images, not rows of a table")
    found = []
    for i in range(args.folds):
        fold = (i, args.folds)
        samples = from_table(Path(args.data), loaded.table, loaded.decided, 0.2, _validation(args), settings.seed, fold)
        training = Training(samples, settings)
        training.fit([], args.quiet)
        found.append(training.test())
        if not args.quiet:
            print(f"fold {i + 1} of {args.folds}: {describe_values(found[-1])}", flush=True)
    if not args.quiet:
        means = {name: sum(values[name] for values in found) / len(found) for name in found[0]}
        spread = {name: (sum((v[name] - means[name]) ** 2 for v in found) / (len(found) - 1)) ** 0.5 for name in means}
        print(f"mean of {args.folds} folds: {describe_values(means)}; deviation: {describe_values(spread)}")
    return found


def _select(data: datasets.Dataset, features: str | None) -> datasets.Dataset:
    """Keep the columns that are asked for."""
    if features is None:
        return data
    if not data.feature_names:
        raise InputError(f"argument --features: {data.name} holds images, not named columns")
    names = [column(data.feature_names, text, "--features") for text in features.split(",")]
    if len(set(names)) < len(names):
        raise InputError(f"argument --features: {features!r} names a column twice")
    index = rg.tensor([data.feature_names.index(name) for name in names])
    return dataclasses.replace(
        data,
        train_x=rg.index_select(data.train_x, 1, index),
        test_x=rg.index_select(data.test_x, 1, index),
        feature_names=tuple(names),
    )


def _prepare_folder(out: Path) -> None:
    """Make the folder, and find out now rather than after an hour of training whether files can be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"cannot write into the output folder {out}: {error.strerror or error}") from None
