"""Hostile files: some thousand drawn from one seed; `make fuzz-files` goes on from others."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).with_name("fuzz_files.py")


def fuzz(*options):
    command = [sys.executable, FUZZER, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory, and how much is in use")
def test_files_are_read_or_refused(tmp_path):
    done = fuzz("--seed", 1, "--count", 3000, "--kept", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 1: 3000 files" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory, and how much is in use")
def test_a_loader_that_breaks_its_promise_is_found(tmp_path):
    """A refusal without the name of the file; the file is kept."""
    run = f"""
import sys
sys.path.insert(0, {str(FUZZER.parent)!r})
sys.argv[1:] = ["--seed", "2", "--count", "30", "--kept", {str(tmp_path)!r}]
import rgrad as rg, fuzz_files
rg.load = lambda path: int("no")
sys.exit(fuzz_files.main())
"""
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failure: a message that does not help" in done.stdout
    assert all(path.name.startswith("2-") for path in tmp_path.iterdir())
    assert list(tmp_path.iterdir())
