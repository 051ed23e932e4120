"""The example scripts run as a user would run them, and reach what they are about."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name, folder):
    """The lines that an example prints, run from elsewhere and with warnings as errors."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    env = os.environ | {"PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_every_example_is_tested():
    tested = set(re.findall(r"run\(\"(\w+\.py)\"", Path(__file__).read_text(encoding="utf-8")))
    assert tested == {path.name for path in EXAMPLES.glob("*.py")}


def test_softmax_regression_learns(tmp_path):
    *epochs, last = run("softmax_regression.py", tmp_path)
    losses = [float(line.split()[-1]) for line in epochs]
    assert losses[-1] < 0.3 < losses[0]
    assert float(last.split()[2]) < 8


def test_mlp_learns(tmp_path):
    lines = run("mlp.py", tmp_path)
    assert len(lines) == 10
    assert float(lines[-1].split()[-2]) < 5


def test_newton_converges_to_the_minima(tmp_path):
    *_, last = run("gradient_of_gradient.py", tmp_path)
    assert [float(value) for value in last.split()[2:]] == pytest.approx([-1, -1, 1, 1], abs=1e-12)
