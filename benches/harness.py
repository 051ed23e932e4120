"""Shared parts of the benchmarks: fresh processes, threads, clocks and the description of the machine."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

THREAD_VARIABLES = ("RGRAD_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def installed(names: Iterable[str]) -> list[str]:
    """Returns those of the modules that can be imported."""
    return [name for name in names if importlib.util.find_spec(name.partition(".")[0])]


def chosen(asked: str | None, known: list[str], what: str) -> list[str]:
    """Returns the names in a comma-separated list, or all; exits if one is unknown."""
    names = asked.split(",") if asked else known
    for name in names:
        if name not in known:
            sys.exit(f"no {what} {name!r} here; there are: {', '.join(known)}")
    return names


def child(script: str, *args: str, threads: int, timeout: float = 600) -> Any:
    """Runs the script in a fresh process on `threads` cores; returns the JSON in its last line, or {"error": …}."""
    env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    command = [sys.executable, script, *args, "--threads", str(threads)]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {timeout:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def pin(threads: int) -> None:
    """Pins this process to its first `threads` cores: some libraries size their pools by nothing else."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def best(f: Callable[[], object], seconds: float) -> float:
    """Returns the shortest time of a call of `f`, in seconds, over at least three samples in the given time.

    A sample is as many calls as take 20 µs, so that reading the clock is negligible; finding that number warms up.
    """
    repeat, deadline = 1, time.perf_counter() + seconds
    while sample(f, repeat) * repeat < 20e-6:
        repeat *= 2
    samples: list[float] = []
    while len(samples) < 3 or time.perf_counter() < deadline:
        samples.append(sample(f, repeat))
    return min(samples)


def sample(f: Callable[[], object], repeat: int) -> float:
    """Returns the mean time of `repeat` calls of `f`, in seconds."""
    start = time.perf_counter()
    for _ in range(repeat):
        f()
    return (time.perf_counter() - start) / repeat


def machine(threads: int, packages: Iterable[str]) -> dict[str, str]:
    """Returns the machine, the interpreter and the versions of the installed packages."""
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu_model(),
        "cores": str(cores()),
        "threads": str(threads),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(versions),
    }


def cpu_model() -> str:
    """Returns the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe(facts: dict[str, str]) -> None:
    """Prints one fact per line."""
    for name, value in facts.items():
        print(f"{name:9}{value}")
    print(flush=True)
