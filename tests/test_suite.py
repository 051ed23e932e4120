"""What `make test` and `make check` run, and that nothing of it can wait for ever."""

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SUITE = runpy.run_path(str(TESTS.parent / "scripts" / "suite.py"))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job that runs this code within a second or a minute."""
    monkeypatch.setitem(SUITE["Job"].run.__globals__, "LOGS", tmp_path)
    return lambda code, limit=60: SUITE["Job"]("a-job", [sys.executable, "-c", code], limit, "scalar", tmp_path)


def test_both_together_run_every_binary_on_every_instruction_set_once():
    tests = [SUITE["Binary"](name, name, TESTS) for name in ("rgrad_kernels", "bits", "gemm", "simd", "math")]
    jobs = [job for of in ("of_test", "of_rest") for job in SUITE[of](tests, "avx512", ["avx2", "scalar"])]
    ran = [(job.command[0], job.isa) for job in jobs if job.name.startswith("cargo-") and job.name != "cargo-doc"]
    assert len(ran) == len(set(ran))
    every = {(test.path, isa) for test in tests for isa in ("avx512", "avx2", "scalar")}
    assert every - set(ran) == {("bits", "avx2"), ("bits", "scalar")}
    marks = [(job.command[4], job.isa) for job in jobs if job.name.startswith("pytest-")]
    assert sorted(marks) == [
        ("every_isa and not slow", "avx2"),
        ("every_isa and not slow", "scalar"),
        ("not every_isa and not slow", "avx2"),
        ("not every_isa and not slow", "scalar"),
        ("not slow", "avx512"),
        ("slow", "avx512"),
    ]


def test_a_job_that_passes_shows_its_last_line(job, capsys):
    assert job("import os; print('first'); print(os.environ['RGRAD_ISA'], 'is used')").run()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("a-job on scalar passed in ")
    assert line.endswith(" s: scalar is used")


def test_a_job_that_fails_shows_all(job, capsys):
    assert not job("print('first'); print('last'); exit(3)").run()
    head, *lines = capsys.readouterr().out.splitlines()
    assert "failed with exit code 3" in head
    assert lines == ["first", "last"]


def test_a_job_that_does_not_end_fails(job, capsys):
    assert not job("import time; print('waits', flush=True); time.sleep(600)", 1).run()
    head, *lines = capsys.readouterr().out.splitlines()
    assert "did not end" in head
    assert lines == ["waits"]


CHILD = """
import signal, subprocess, sys
def test_child():
    code = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(10)"
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == -signal.SIGINT
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_reaches_what_tests_start_where_it_was_ignored(tmp_path):
    """As it is in what `nohup make test &` and many runners of jobs start."""
    (tmp_path / "test_child.py").write_text(CHILD)
    arguments = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", str(tmp_path)]
    ignoring = (
        f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv({sys.executable!r}, {arguments})"
    )
    env = os.environ | {"PYTHONPATH": str(TESTS)}
    done = subprocess.run([sys.executable, "-c", ignoring], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
