"""`python -m rgrad`: what it writes, what it refuses and how, and how well it learns."""

import importlib
import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad._cli import main, run
from rgrad._shared import progress

RESULTS = ["metrics.json", "model.safetensors", "state.safetensors"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, and no settings from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RGRAD_NUM_THREADS", raising=False)
    return tmp_path


@pytest.fixture
def no_pictures(monkeypatch):
    """Drawing takes longer than training on small data."""
    monkeypatch.setattr(run, "_draw", lambda *_: [])


def shell(*arguments, code=None, **environment):
    """Run the command line, or Python code before it, in a process of its own."""
    start = (
        ["-m", "rgrad"]
        if code is None
        else ["-c", f"{code}; import sys; from rgrad._cli import main; sys.exit(main())"]
    )
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def cli(line):
    """Run a command line in this process."""
    return main(line.split())


def refusal(capsys, line):
    """The one line on stderr with which a command line is refused."""
    assert cli(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rgrad: error: ")
    assert err.count("\n") == 1
    return err


def metrics(out):
    return json.loads((out / "metrics.json").read_text(encoding="utf-8"))


def weights(out):
    """The bits of the model's weights."""
    return {name: value.numpy().tobytes() for name, value in rg.load(out / "model.safetensors").items()}


def files(out):
    return sorted(path.name for path in out.iterdir())


# ----- what it does -----


def test_version_and_info():
    assert shell("--version").stdout == f"rgrad {rg.__version__}\n"
    info = shell("info").stdout
    assert all(word in info for word in (rg.__version__, "isa", "threads", "pool", "allocator"))


def test_help_describes_files_and_columns():
    text = shell("train", "--help").stdout
    assert all(word in text for word in ("FILE.csv", "FILE.npz", "train loss", "--preset", "mnist", "--resume"))


def test_train_writes_results_and_prints_a_table(folder, capsys, no_pictures):
    assert cli("train iris --model softmax --epochs 3") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    header = next(i for i, line in enumerate(lines) if line.split()[:1] == ["epoch"])
    assert lines[header].split("  ")[1:] == ["train loss", "train error", "test loss", "test error", "seconds"]
    assert [line.split()[0] for line in lines[header + 1 : header + 4]] == ["1", "2", "3"]
    assert err == ""
    results = folder / "runs" / "iris-softmax"
    assert files(results) == RESULTS
    content = metrics(results)
    assert [row["epoch"] for row in content["epochs"]] == [1, 2, 3]
    assert content["last"] == content["epochs"][-1]
    assert content["settings"]["lr"] == 0.01
    found = rg.load(results / "model.safetensors")
    assert {name: tuple(value.shape) for name, value in found.items()} == {"0.weight": (3, 4), "0.bias": (3,)}


def test_weights_and_scaling_give_the_error_in_the_metrics(folder, no_pictures):
    assert cli("train iris --model softmax --epochs 20 --quiet --out out") == 0
    content, data = metrics(folder / "out"), rg.datasets.iris()
    mean, std = (np.array([column[what] for column in content["data"]["columns"]]) for what in ("mean", "std"))
    x = (data.test_x.numpy() - mean) / std
    held = {name: value.numpy() for name, value in rg.load(folder / "out" / "model.safetensors").items()}
    predicted = (x @ held["0.weight"].T + held["0.bias"]).argmax(1)
    error = 100 * np.mean(predicted != data.test_y.numpy())
    assert content["last"]["test_error"] == pytest.approx(error)
    assert content["test"]["error"] == pytest.approx(error)


@pytest.mark.parametrize(
    ("arguments", "picture"),
    [
        ("digits --model softmax --epochs 1", "mistakes.png"),
        ("iris --preset lecture", "boundaries.png"),
    ],
)
def test_pictures(folder, arguments, picture):
    pytest.importorskip("matplotlib")
    assert cli(f"train {arguments} --quiet --out out") == 0
    assert files(folder / "out") == sorted([*RESULTS, "curves.png", "confusion.png", picture])
    for name in ("curves.png", "confusion.png", picture):
        assert (folder / "out" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")
def test_pictures_of_odd_data(folder):
    pytest.importorskip("matplotlib")
    # Names that look like formulas, and a feature that never changes.
    rows = "".join(f"{i},7,{'$x_{$' if i % 2 else '_%'}\n" for i in range(20))
    (folder / "odd.csv").write_text(f"$\\a,b\u00b2,kind\n{rows}", encoding="utf-8")
    assert cli("train odd.csv --model softmax --features 1,2 --epochs 1 --quiet --out out") == 0
    assert files(folder / "out") == sorted([*RESULTS, "curves.png", "confusion.png", "boundaries.png"])


def test_without_matplotlib_one_line_says_so(folder):
    (folder / "out").mkdir()
    (folder / "out" / "curves.png").write_bytes(b"of an earlier run")
    arguments = ["train", "iris", "--epochs", "1", "--out", "out"]
    result = shell(*arguments, code="import sys; sys.modules['matplotlib'] = None")
    assert result.returncode == 0
    assert result.stderr == "no pictures: matplotlib is not installed (pip install 'rgrad[plot]')\n"
    assert files(folder / "out") == RESULTS


def test_quiet_prints_nothing(capsys, no_pictures):
    assert cli("train iris --epochs 1 --quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_the_lecture_stops_when_the_gradient_is_small(folder, no_pictures):
    assert cli("train iris --preset lecture --quiet") == 0
    content = metrics(folder / "runs" / "iris-lecture")
    rows = content["epochs"]
    assert rows[-1]["epoch"] < content["settings"]["epochs"]
    assert rows[-1]["gradient_norm"] < 0.001 <= rows[-2]["gradient_norm"]
    assert rows[-1]["test_error"] < 10
    names = [column["name"] for column in content["data"]["columns"]]
    assert names == ["petal length (cm)", "petal width (cm)"]
    assert rg.load(folder / "runs" / "iris-lecture" / "model.safetensors")["0.weight"].shape[0] == 16


def test_options_override_the_preset(folder, no_pictures):
    assert cli("train iris --preset lecture --hidden 3,2 --epochs 2 --features 1 --quiet --out out") == 0
    settings = metrics(folder / "out")["settings"]
    assert (settings["hidden"], settings["epochs"], settings["activation"]) == ([3, 2], 2, "sigmoid")
    assert tuple(rg.load(folder / "out" / "model.safetensors")["0.weight"].shape) == (3, 1)


@pytest.mark.parametrize(
    "options",
    [
        "--optimizer sgd --momentum 0.9 --lr 0.01",
        "--optimizer adam --lr 0.01",
        "--optimizer adamw --weight-decay 0.1 --lr 0.01",
    ],
)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_every_optimizer_and_activation_learns(folder, no_pictures, options, activation):
    arguments = f"train iris --activation {activation} {options} --quiet --epochs 40 --out out"
    assert cli(arguments) == 0
    assert metrics(folder / "out")["last"]["test_error"] <= 10


def test_one_seed_gives_one_result_for_any_number_of_threads(folder, no_pictures):
    for seed, threads in ((1, 1), (1, 2), (2, 1)):
        out = f"{seed}-{threads}"
        assert cli(f"train digits --quiet --epochs 2 --seed {seed} --threads {threads} --out {out}") == 0
        assert metrics(folder / out)["machine"]["threads"] == threads
    assert weights(folder / "1-1") == weights(folder / "1-2") != weights(folder / "2-1")


@pytest.mark.parametrize(
    "options",
    [
        "digits --optimizer sgd --momentum 0.9 --batch-size 100",
        "digits --optimizer adamw --weight-decay 0.1 --activation tanh --hidden 20,10 --batch-size 64",
        "iris --model softmax --batch-size 7",
        "iris --preset lecture",
    ],
)
def test_compiled_and_eager_runs_give_the_same_bits(folder, no_pictures, monkeypatch, options):
    results = []
    for out, eager in (("compiled", ""), ("eager", "--eager")):
        monkeypatch.setattr(rg.config, "compile", True)
        assert cli(f"train {options} --epochs 3 --quiet --out {out} {eager}") == 0
        rows = [{**row, "seconds": None} for row in metrics(folder / out)["epochs"]]
        results.append((rows, weights(folder / out)))
    assert results[0] == results[1]
    assert not rg.config.compile


def test_a_diverging_run_says_so_and_writes_no_metrics(folder, capsys, no_pictures):
    np.savez("wild.npz", x=np.random.default_rng(0).normal(size=(50, 3)), y=np.arange(50) % 2)
    assert cli("train wild.npz --lr 1e30 --quiet --out out") == 1
    assert "the training diverged" in capsys.readouterr().err
    assert files(folder / "out") == []


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_is_for_terminals_only(folder, no_pictures, monkeypatch, with_tqdm, compiled):
    monkeypatch.setattr(rg.config, "compile", compiled)
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    command = "train iris --epochs 2 --batch-size 60 --out out"
    for stream, options, shown in (
        (Terminal(), "", True),
        (Terminal(), " --quiet", False),
        (io.StringIO(), "", False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        assert cli(command + options) == 0
        assert ("training" in stream.getvalue()) == shown
        assert shown is False or with_tqdm or "training: 50 %\n" in stream.getvalue()


# ----- a user's files -----


def test_a_csv_file(folder, no_pictures):
    lines = (f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(20))
    (folder / "points.csv").write_text("".join(["width,height,kind\n", *lines]))
    assert cli("train points.csv --epochs 1 --features height,1 --test-fraction 0.5 --quiet") == 0
    data = metrics(folder / "runs" / "points-mlp")["data"]
    assert (data["train_samples"], data["validation_samples"], data["test_samples"]) == (8, 2, 10)
    assert ([column["name"] for column in data["columns"]], data["class_names"]) == (["height", "width"], ["a", "b"])


def test_an_npz_file(folder, no_pictures):
    np.savez("images.npz", x=np.full((20, 4, 5), 200, np.uint8), y=np.arange(20) % 2)
    assert cli("train images.npz --epochs 1 --quiet --model softmax") == 0
    data = metrics(folder / "runs" / "images-softmax")["data"]
    assert data["image_shape"] == [4, 5]
    assert "columns" not in data


def test_an_error_in_a_file_names_the_place(folder, capsys):
    (folder / "bad.csv").write_text("1,2,a\n3,x,b\n")
    expected = "rgrad: error: bad.csv, line 2, column 2: 'x' is not a number, as others in the column are\n"
    assert refusal(capsys, "train bad.csv") == expected
    assert files(folder) == ["bad.csv"]


# ----- how well it learns -----


def mean_error(folder, model, seeds, options=""):
    for seed in seeds:
        assert cli(f"train mnist --model {model} --seed {seed} --out {seed} --quiet {options}") == 0
    return np.mean([metrics(folder / str(seed))["last"]["test_error"] for seed in seeds])


# The scalar kernels give the same bits as all others, but ten times later.
needs_speed = pytest.mark.skipif("rg.__config__.isa() == 'scalar'", reason="the scalar kernels take minutes")
needs_mnist = pytest.mark.skipif(
    "RGRAD_DATA" not in os.environ, reason="RGRAD_DATA names no folder with the MNIST files"
)


def test_digits(folder, no_pictures):
    assert cli("train digits --quiet --out out") == 0
    assert metrics(folder / "out")["last"]["test_error"] < 4


@needs_mnist
@needs_speed
def test_mnist_softmax_regression(folder, no_pictures):
    assert mean_error(folder, "softmax", [0]) < 8


@needs_mnist
@needs_speed
def test_mnist_mlp_in_three_epochs(folder, no_pictures):
    assert mean_error(folder, "mlp", [0], "--epochs 3") < 5


@needs_mnist
@pytest.mark.slow
@pytest.mark.parametrize(("model", "limit"), [("softmax", 8), ("mlp", 2.4)])
def test_mnist_mean_of_three_seeds(folder, no_pictures, model, limit):
    assert mean_error(folder, model, [1, 2, 3]) <= limit


def test_files_are_written_one_after_the_other(tmp_path, monkeypatch, no_pictures):
    """A process that is killed while it saves leaves one unfinished file, not two."""
    begun, begin = [], rg._core._begin_file

    def watched(path):
        begun.append((Path(path).name, *tmp_path.rglob("*.part")))
        return begin(path)

    monkeypatch.setattr(rg._core, "_begin_file", watched)
    assert cli(f"train iris --model softmax --epochs 2 --quiet --out {tmp_path / 'run'}") == 0
    assert set(begun) == {(name,) for name in RESULTS}


def test_the_script_is_the_same_command(monkeypatch, capsys):
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    module, name = project["project"]["scripts"]["rgrad"].split(":")
    monkeypatch.setattr(sys, "argv", ["rgrad", "--version"])
    with pytest.raises(SystemExit) as end:
        getattr(importlib.import_module(module), name)()
    assert not end.value.code
    assert capsys.readouterr().out == f"rgrad {rg.__version__}\n"


def test_alone_it_prints_help(capsys):
    assert cli("") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("train", "predict", "evaluate", "show", "info"))
