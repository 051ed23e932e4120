"""The Makefile on machines that lack what it needs, played by fake programs on PATH."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UTILITIES = ["awk", "find", "head", "make", "sed", "sh"]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not all(map(shutil.which, UTILITIES)), reason="needs make and POSIX utilities"
)


@pytest.fixture
def machine(tmp_path):
    """A function that runs `make demo` where only the given programs exist, each answering --version with its line."""

    def run(*make_args, **programs):
        path = tmp_path / "bin"
        path.mkdir()
        for name in UTILITIES:
            (path / name).symlink_to(shutil.which(name))
        for name, answer in programs.items():
            # Anything but a question for the version would be a first step of the set-up.
            (path / name).write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{answer}"\n')
            (path / name).chmod(0o755)
        project = tmp_path / "project"
        (project / "rust").mkdir(parents=True)
        for name in ["Makefile", "Cargo.toml", "Cargo.lock", "pyproject.toml"]:
            shutil.copy(ROOT / name, project)
        before = sorted(project.iterdir())
        command = ["make", "demo", *make_args]
        done = subprocess.run(command, cwd=project, env={"PATH": str(path)}, capture_output=True, text=True)
        assert sorted(project.iterdir()) == before, "something was created before the tools were checked"
        return done

    return run


RUST_MIN = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
NEW_RUST = {"rustc": "rustc 1.95.0 (abc 2026-03-21)", "cargo": "cargo 1.95.0 (abc 2026-03-21)"}


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        (NEW_RUST, "python3 3.11 or newer, and found none"),
        (NEW_RUST | {"python3": "Python 3.9.18"}, "python3 3.11 or newer, and found Python 3.9.18"),
        (NEW_RUST | {"python3": "Python 2.7.18"}, "python3 3.11 or newer, and found Python 2.7.18"),
        ({"python3": "Python 3.11.7"}, f"rustc {RUST_MIN} or newer, and found none"),
        (
            NEW_RUST | {"python3": "Python 3.12.1", "rustc": "rustc 1.88.0 (abc 2025-06-23)"},
            f"rustc {RUST_MIN} or newer, and found rustc 1.88.0",
        ),
        (
            NEW_RUST | {"python3": "Python 3.14.0", "cargo": "cargo 1.9.0"},
            f"cargo {RUST_MIN} or newer, and found cargo 1.9.0",
        ),
        (NEW_RUST | {"python3": "Python 3.11.7"}, "needs the venv module of python3"),
    ],
)
def test_missing_or_old_tools_are_named_in_one_line(machine, programs, told):
    done = machine(**programs)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert told in line
    assert "install" in line


def test_the_interpreter_can_be_chosen(machine):
    done = machine("PYTHON=python3.10", **NEW_RUST, **{"python3": "Python 3.14.0", "python3.10": "Python 3.10.1"})
    assert "needs python3.10 3.11 or newer, and found Python 3.10.1" in done.stderr


def test_help_lists_every_target():
    done = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    assert {"demo", "test", "lint", "stubs", "bench", "wheel", "clean"} <= listed
