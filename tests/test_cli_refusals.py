"""`rgrad`: what it refuses and how, and what is left when it is interrupted."""

import gzip
import os
import signal
import subprocess
import sys
import threading

import pytest
from test_cli import RESULTS, files, metrics, refusal, shell

import rgrad as rg
from rgrad.datasets import _mnist


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, and no settings from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RGRAD_NUM_THREADS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run", "invalid choice: 'run'"),
        ("train", "required: DATA"),
        (
            "train cats",
            "'cats' is none of digits, iris, mnist and FILE.csv, FILE.tsv, FILE.txt, FILE.parquet, FILE.npz",
        ),
        ("train missing.csv", "missing.csv: No such file or directory"),
        ("train missing.npz", "missing.npz: No such file or directory"),
        ("train iris --lr nan", "--lr: must be a positive, finite number, not 'nan'"),
        ("train iris --lr inf", "not 'inf'"),
        ("train iris --lr -0.1", "not '-0.1'"),
        ("train iris --lr 0", "not '0'"),
        ("train iris --lr fast", "not 'fast'"),
        ("train iris --batch-size 0", "--batch-size: must be an integer, 1 or more, or full, not '0'"),
        ("train iris --batch-size 2.5", "not '2.5'"),
        ("train iris --epochs 0", "--epochs: must be an integer, 1 or more, not '0'"),
        ("train iris --hidden 0", "--hidden: must be integers from 1 to 1000000, with commas between them, not '0'"),
        ("train iris --hidden 9999999999", "not '9999999999'"),
        ("train iris --hidden 10,,5", "not '10,,5'"),
        ("train iris --hidden ten", "not 'ten'"),
        ("train iris --activation swish", "--activation: invalid choice: 'swish'"),
        ("train iris --optimizer newton", "--optimizer: invalid choice: 'newton'"),
        ("train iris --model tree", "--model: invalid choice: 'tree'"),
        ("train iris --momentum 1", "--momentum: must be a number from 0 to below 1, not '1'"),
        ("train iris --momentum 0.9 --optimizer adam", "--momentum: only sgd has it"),
        ("train iris --weight-decay -1", "--weight-decay: must be a finite number, 0 or more, not '-1'"),
        ("train iris --seed -1", "--seed: must be an integer from 0"),
        ("train iris --threads 0", "--threads: must be an integer from 1 to 1024, not '0'"),
        ("train iris --model softmax --hidden 5", "--hidden: softmax regression has no hidden layers"),
        ("train iris --model softmax --activation relu", "--activation: softmax regression has no hidden layers"),
        ("train iris --tolerance 0.1", "--tolerance: a batch's gradient never vanishes; it needs --batch-size full"),
        ("train iris --test-fraction 0.5", "--test-fraction: iris has a test set of its own"),
        ("train a.csv --test-fraction 1", "--test-fraction: must be a number between 0 and 1, not '1'"),
        ("train iris --validation-fraction 0.1", "--validation-fraction: iris is trained on as a whole"),
        ("train iris --patience 3", "--patience: iris has no validation set to stop by"),
        ("train iris --target 1", "--target: iris has classes of its own"),
        ("train a.csv --patience 3 --validation-fraction 0", "--patience: without a validation set"),
        ("train a.csv --folds 1", "--folds: must be an integer from 2 to 100, not '1'"),
        ("train --resume out", "there is nothing to resume in out: it has no metrics.json"),
        ("predict", "required: MODEL, DATA"),
        ("predict model.safetensors data.doc", "'data.doc' is no file of a kind that can be read"),
        ("show missing.safetensors", "missing.safetensors: No such file or directory"),
        ("train digits --preset lecture", "--preset: lecture is for iris, not for digits"),
        ("train digits --features 1", "--features: digits holds images"),
        ("train iris --features 5", "'5' is neither a column nor a number from 1 to 4"),
        ("train iris --features 1,1", "'1,1' names a column twice"),
        ("train iris --speed 3", "unrecognized arguments: --speed 3"),
    ],
)
def test_bad_arguments(folder, capsys, arguments, message):
    assert message in refusal(capsys, arguments)
    assert files(folder) == []


@pytest.mark.parametrize("out", ["occupied", "occupied/below"])
def test_an_output_folder_that_cannot_be_written(folder, capsys, out):
    (folder / "occupied").write_text("a file")
    assert f"cannot write into the output folder {out}: " in refusal(capsys, f"train iris --out {out}")
    assert (folder / "occupied").read_text() == "a file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission(folder, capsys):
    (folder / "locked").mkdir(mode=0o500)
    assert "locked: Permission denied" in refusal(capsys, "train iris --out locked")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RGRAD_NUM_THREADS", "0"),
        ("RGRAD_NUM_THREADS", "two"),
        ("RGRAD_NUM_THREADS", "-1"),
        ("RGRAD_NUM_THREADS", "1" * 30),
        ("RGRAD_ISA", "sse"),
        ("RGRAD_COMPILE", "off"),
    ],
)
def test_a_bad_environment(folder, name, value):
    result = shell("train", "iris", **{name: value})
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("rgrad: error: ")
    assert result.stderr.count("\n") == 1
    assert files(folder) == []


def test_a_damaged_mnist_file(folder, capsys, monkeypatch):
    (folder / "mnist").mkdir()
    for name in _mnist.MD5:
        (folder / "mnist" / f"{name}.gz").write_bytes(gzip.compress(b"\0\0\x08\x03 and so on"))
    monkeypatch.setenv("RGRAD_DATA", str(folder))
    assert "train-images-idx3-ubyte.gz: truncated" in refusal(capsys, "train mnist")


def test_mnist_offline(folder, capsys, monkeypatch):
    monkeypatch.setattr(_mnist, "_cache_folder", lambda: folder / "cache")
    monkeypatch.setattr(_mnist, "MIRRORS", ("file:///there/is/no/such/folder/",))
    monkeypatch.delenv("RGRAD_DATA", raising=False)
    assert f"put the four files of MNIST into {folder / 'cache'}" in refusal(capsys, "train mnist")


def test_errors_in_a_process_of_their_own(folder):
    result = shell("train", "iris", "--lr", "nan")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "rgrad: error: argument --lr: must be a positive, finite number, not 'nan'\n"


def test_a_reader_that_has_seen_enough(folder):
    command = f"{sys.executable} -m rgrad train iris --epochs 3000 | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.startswith("iris: 120 + 30 samples")
    assert result.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("options", [[], ["--eager"]])
def test_ctrl_c_keeps_what_was_written(folder, options):
    command = [sys.executable, "-m", "rgrad", "train", "digits", "--epochs", "1000000", "--out", "out", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(120, process.kill)
        limit.start()
        while (line := process.stdout.readline()) and line.split()[:1] != ["3"]:
            pass
        # Whatever the process prints from here on must not fill the pipe and stop it.
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
        process.send_signal(signal.SIGINT)
        code = process.wait()
        limit.cancel()
        drain.join()
        err = process.stderr.read()
    last = metrics(folder / "out")["last"]["epoch"]
    assert code == 130
    assert err == f"rgrad: interrupted; out keeps the results of epoch {last}\n"
    assert last >= 3
    assert files(folder / "out") == RESULTS
    assert set(rg.load(folder / "out" / "model.safetensors")) == {"0.weight", "0.bias", "2.weight", "2.bias"}
