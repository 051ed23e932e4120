"""Using a model file: predictions, evaluation, and what it is."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import rgrad as rg
from rgrad import train
from rgrad._cli.arrays import ArchiveOfSamples, npy_array, npz_inputs
from rgrad._cli.csv import UNNAMED
from rgrad._cli.inputs import Columns, Number, Pixels
from rgrad._cli.loading import open_table
from rgrad._cli.model import Model
from rgrad._cli.run import count_parameters, describe_values
from rgrad._cli.samples import labels_of
from rgrad._cli.source import Arrays, Source
from rgrad._shared.files import replacing, shortened

_ROWS = 8192


def blocks(
    model: Model, path: Path, header: bool | None, with_target: bool
) -> Iterator[tuple[NDArray[np.float32], Any]]:
    """Inputs of the model, and the target's cells or None, for some rows after the other."""
    if isinstance(model.inputs, Pixels):
        yield from _image_blocks(model, model.inputs, path, with_target)
        return
    inputs = model.inputs
    names = [column.name for column in inputs.columns]
    source = open_table(path, header, names)
    place = _matched(source, names, model.target.name)
    kinds = {place[name]: kind for name, kind in inputs.kinds.items()}
    goal = ""
    if with_target:
        goal = _target_column(source, model, set(kinds))
        kinds[goal] = "text" if model.target.classes else "number"
    if source.decisions:
        print(f"{path}: {'; '.join(source.decisions)}", file=sys.stderr)
    for block, _ in source.blocks(kinds):
        yield inputs.apply({name: block[place[name]] for name in names}), block[goal] if with_target else None
    for line in inputs.unknown():
        print(f"{path}: {line}", file=sys.stderr)


def _matched(source: Source, names: Sequence[str], target: str) -> dict[str, str]:
    """The file's column for each of the model's, by name; or by place, if the file has no names."""
    missing = [name for name in names if name not in source.names]
    is_nameless = all(name == f"column {i + 1}" for i, name in enumerate(source.names))
    # Without the column to predict, or with it at the end.
    if missing and is_nameless and len(source.names) in (len(names), len(names) + 1):
        source.decisions.append("columns are taken in the model's order, as they have no names")
        return dict(zip(names, source.names, strict=False))
    if missing:
        extra = [name for name in source.names if name not in names and name != target]
        has = f"; it has {_listed(extra)} instead" if extra else ""
        raise ValueError(f"{source.path} lacks {_listed(missing)}, which the model needs{has}")
    extra = [name for name in source.names if name not in (*names, target, *UNNAMED)]
    if extra:
        source.decisions.append(f"not used: {_listed(extra)}")
    return {name: name for name in names}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{shortened(name)}'" for name in names[:10])
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"the column{'s' if len(names) > 1 else ''} {shown}{more}"


def _target_column(source: Source, model: Model, used: set[str]) -> str:
    if model.target.name in source.names:
        return model.target.name
    rest = [name for name in source.names if name not in used]
    if len(rest) == 1 and all(name == f"column {i + 1}" for i, name in enumerate(source.names)):
        return rest[0]
    raise ValueError(f"{source.path} has no column '{shortened(model.target.name)}' to compare predictions with")


def _image_blocks(
    model: Model, inputs: Pixels, path: Path, with_target: bool
) -> Iterator[tuple[NDArray[np.float32], Any]]:
    if path.suffix.lower() not in (".npz", ".npy"):
        raise ValueError(f"{path}: the model takes images, in an NPZ file with an array x or an NPY file")
    goal: Any = None
    if with_target:
        if path.suffix.lower() == ".npy":
            raise ValueError(f"{path} has no labels; write x and y into an NPZ file")
        loaded = ArchiveOfSamples(path)
        x, goal = loaded.x, loaded.y
    else:
        x = npy_array(path) if path.suffix.lower() == ".npy" else npz_inputs(path)
    if x.shape[1:] not in (inputs.shape, (inputs.size,)) or x.dtype.kind not in "fiub":
        raise ValueError(
            f"{path} has samples of {x.dtype} of shape {x.shape[1:]}; the model takes images {inputs.shape}"
        )
    for start in range(0, len(x), _ROWS):
        texts = None
        if with_target:
            part = goal[start : start + _ROWS]
            texts = Arrays(path, {"y": part})._texts("y") if model.target.classes else part.astype(np.float64)
        yield inputs.apply(x[start : start + _ROWS]), texts


def predict(model: Model, path: Path, out: str, proba: bool, header: bool | None) -> None:
    """Write a prediction for each row of a file as CSV, some rows after the other."""
    if proba and not model.target.classes:
        raise ValueError("argument --proba: a regression has no classes and no probabilities")
    with contextlib.ExitStack() as stack:
        file: IO[str]
        if out == "-":
            file = sys.stdout
        else:
            aside = stack.enter_context(replacing(Path(out)))
            file = stack.enter_context(aside.open("w", encoding="utf-8", newline=""))
        names = [model.target.name or "prediction", *(model.target.classes if proba else ())]
        head = io.StringIO()
        csv.writer(head, lineterminator="\n").writerow(names)
        labels = [_quoted(name) for name in model.target.classes]
        for i, (x, _) in enumerate(blocks(model, path, header, with_target=False)):
            if i == 0:
                file.write(head.getvalue())
            outputs = model.outputs(x)
            file.write(_lines(model, outputs, labels, proba))


def _quoted(text: str) -> str:
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow([text])
    return cell.getvalue()


def _lines(model: Model, outputs: NDArray[np.float32], labels: list[str], proba: bool) -> str:
    if not labels:
        return "".join(f"{value:.7g}\n" for value in model.values(outputs).tolist())
    found = outputs.argmax(1).tolist()
    if not proba:
        return "".join(f"{labels[label]}\n" for label in found)
    rows = model.probabilities(outputs).tolist()
    shares = (",".join(f"{share:.6g}" for share in row) for row in rows)
    return "".join(f"{labels[label]},{share}\n" for label, share in zip(found, shares, strict=True))


def evaluate(model: Model, path: Path, header: bool | None) -> str:
    """Compare predictions with the target in a file."""
    outputs: list[NDArray[np.float32]] = []
    goals: list[NDArray[Any]] = []
    left_out = 0
    for x, cells in blocks(model, path, header, with_target=True):
        if model.target.classes:
            labels = labels_of(cells, model.target.classes)
            unknown = [text for text, label in zip(cells, labels.tolist(), strict=True) if label < 0 and text]
            if unknown:
                raise ValueError(
                    f"{path}: '{shortened(unknown[0])}' is none of the classes {', '.join(model.target.classes[:20])}"
                )
            keep = labels >= 0
        else:
            labels, keep = np.asarray(cells), ~np.isnan(cells)
        left_out += int((~keep).sum())
        outputs.append(model.outputs(x)[keep])
        goals.append(labels[keep])
    if not goals or not sum(map(len, goals)):
        raise ValueError(f"{path} has no rows with a target")
    y, target = np.concatenate(outputs), np.concatenate(goals)
    rest = f" ({left_out} without a target left out)" if left_out else ""
    return f"{len(target)} rows{rest}: {_measured(model, y, target)}"


def _measured(model: Model, outputs: NDArray[np.float32], target: NDArray[Any]) -> str:
    if not model.target.classes:
        values = model.values(outputs)
        mse = train.mse(values, target)
        found = {"r2": train.r2(values, target), "mae": train.mae(values, target), "root mean squared error": mse**0.5}
        return describe_values(found)
    logits, labels = rg.from_numpy(outputs), rg.from_numpy(target)
    found = {"error": 100 * train.error(logits, labels), "loss": rg.nn.CrossEntropyLoss()(logits, labels).item()}
    if len(np.unique(target)) == len(model.target.classes):
        found["area under the ROC curve"] = train.auc(logits, labels)
    found["calibration error"] = train.calibration_error(logits, labels)
    return describe_values(found)


def show(model: Model, path: Path) -> str:
    """What a model file is: what it predicts from what, and how."""
    target, inputs = model.target, model.inputs
    lines = [f"{path}: a {target.task} of '{shortened(target.name)}'"]
    if target.classes:
        more = f", … ({len(target.classes)} in all)" if len(target.classes) > 20 else ""
        lines.append(f"classes: {', '.join(map(shortened, target.classes[:20]))}{more}")
    layers = "-".join(map(str, model.sizes))
    units = f", {model.activation}" if len(model.sizes) > 2 else ""
    lines.append(f"network: {layers}{units}, {count_parameters(model.network)} parameters")
    versions = model.about.get("versions", {})
    if isinstance(versions, dict):
        trained = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"trained on {model.about.get('rows')} rows of {model.about.get('data')}, by {trained}")
    if isinstance(inputs, Columns):
        lines.append("input columns:")
        lines += [f"  {_about(column)}" for column in inputs.columns]
    else:
        lines.append(f"inputs: images of {inputs.shape[0]}x{inputs.shape[1]} pixels, divided by {inputs.white:g}")
    return "\n".join(lines)


def _about(column: Any) -> str:
    name = shortened(column.name)
    if isinstance(column, Number):
        return f"{name}: number, mean {column.mean:.4g}, deviation {column.std:.4g}; if missing, {column.fill:.4g}"
    more = ", …" if len(column.values) > 10 else ""
    return f"{name}: one of {', '.join(map(shortened, column.values[:10]))}{more}"
