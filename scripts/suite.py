"""The tests of `make test` and, with ``--rest``, those that it leaves out and `make check` adds; each has a time limit.

`make test` runs every test on the best instruction set of the machine, and those that depend on the instruction set on
the others, too: Python's with the mark ``every_isa``, and the binaries `EVERY_ISA` of the crates. (``bits`` starts a
process on each by itself.) ``--rest`` runs everything else on the others, and the slow tests. Jobs run side by side;
their outputs are in ``runs/tests``, and those of failed jobs are printed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "runs" / "tests"
CARGO = ["cargo", "test", "--quiet", "--locked", "--workspace", "--exclude", "rgrad-python", "--exclude", "rgrad-bench"]
EVERY_ISA = {"simd", "gemm"}
# Seconds: for a test of Python, for one of its runs, and for a binary of a crate's tests.
TEST, RUN, BINARY = 300, 3600, 600


class Job(NamedTuple):
    """A command with its time limit, on an instruction set."""

    name: str
    command: list[str]
    limit: int
    isa: str
    folder: Path = ROOT

    def run(self) -> bool:
        """Whether it succeeds. Prints its output if not, and the last line of it otherwise."""
        log, start = LOGS / f"{self.name}-{self.isa}.txt", time.monotonic()
        with log.open("wb") as out:
            env = os.environ | {"RGRAD_ISA": self.isa}
            try:
                options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.STDOUT}
                code = subprocess.run(self.command, cwd=self.folder, env=env, timeout=self.limit, **options).returncode
                end = f"failed with exit code {code}" if code else "passed"
            except subprocess.TimeoutExpired:
                end = "did not end"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        shown = "\n".join(["", *lines] if end != "passed" else lines[-1:])
        print(f"{self.name} on {self.isa} {end} in {time.monotonic() - start:.0f} s: {shown}", flush=True)
        return end == "passed"


def pytest(name: str, marks: str, isa: str) -> Job:
    """A run of the Python tests with these marks."""
    return Job(f"pytest-{name}", [sys.executable, "-m", "pytest", "-m", marks, f"--timeout={TEST}"], RUN, isa)


class Binary(NamedTuple):
    """Tests of a crate."""

    name: str
    path: str
    folder: Path

    def on(self, isa: str) -> Job:
        """All of them on an instruction set."""
        return Job(f"cargo-{self.name}", [self.path, "--quiet"], BINARY, isa, self.folder)


def binaries() -> list[Binary]:
    """Builds the tests of the crates."""
    command = [*CARGO, "--no-run", "--message-format=json-render-diagnostics"]
    made = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    parts = [json.loads(line) for line in made.splitlines() if line.startswith("{")]
    return [
        Binary(part["target"]["name"], part["executable"], Path(part["manifest_path"]).parent)
        for part in parts
        if part["reason"] == "compiler-artifact" and part["executable"]
    ]


def extension(build: str) -> list[str]:
    """Builds the extension, if there is a command for it: the instruction sets of this machine, best first."""
    if build:
        subprocess.run(build, shell=True, cwd=ROOT, check=True)
    question = "from rgrad import _core; print(*_core.available_isas())"
    return subprocess.run(
        [sys.executable, "-c", question], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()


def of_test(tests: list[Binary], best: str, others: list[str]) -> list[Job]:
    """The jobs of `make test`, the longest first."""
    return [
        pytest("all", "not slow", best),
        *(test.on(best) for test in sorted(tests, key=lambda test: test.name != "bits")),
        *(test.on(isa) for isa in others for test in tests if test.name in EVERY_ISA),
        *(pytest("every_isa", "every_isa and not slow", isa) for isa in others),
        Job("cargo-doc", [*CARGO, "--doc"], BINARY, best),
    ]


def of_rest(tests: list[Binary], best: str, others: list[str]) -> list[Job]:
    """The jobs that `make check` adds, the longest first."""
    patterns = [test.on(best) for test in tests if test.name == "math"]
    return [
        *(pytest("others", "not every_isa and not slow", isa) for isa in reversed(others)),
        pytest("slow", "slow", best),
        *(job._replace(name="all-patterns", command=[*job.command, "--ignored", "activations"]) for job in patterns),
        *(test.on(isa) for isa in others for test in tests if test.name not in {*EVERY_ISA, "bits"}),
    ]


def main() -> int:
    """Builds, runs the jobs, and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rest", action="store_true", help="what `make test` leaves out")
    parser.add_argument("--build", default="", metavar="COMMAND", help="builds the extension")
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        # The extension is linked on one core, and the tests of the crates are compiled on the others meanwhile.
        isas, tests = pool.submit(extension, options.build), pool.submit(binaries)
        try:
            best, *others = isas.result()
            jobs = (of_rest if options.rest else of_test)(tests.result(), best, others)
        except subprocess.CalledProcessError as error:
            return error.returncode
        return 0 if all([*pool.map(Job.run, jobs)]) else 1


if __name__ == "__main__":
    sys.exit(main())
