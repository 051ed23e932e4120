"""Writes python/rgrad/_core.pyi from the built extension; with --check, fails if the committed file differs."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python/rgrad/_core.pyi"
AS_STUB = ("--stdin-filename", str(STUB), "-")

# What PyO3's introspection says wrongly or leaves out: (pattern, replacement).
MENDS = [
    # An in-place operator of Rust returns nothing, but Python gets `self`.
    (r"(def __i(?:add|sub|mul|matmul|truediv|floordiv|mod|pow)__\(.*\)) -> None:", r"\1 -> Tensor:"),
    # `object` declares that comparisons return bool; these return tensors.
    (r"(def __(?:eq|ne)__\(.*\) -> Tensor: \.\.\.)", r"\1  # type: ignore[override]"),
]


def generate(profile: str) -> str:
    """The stub of the extension as it is built in `profile`."""
    with tempfile.TemporaryDirectory() as folder:
        run("maturin", "generate-stubs", "--quiet", "--locked", "--profile", profile, "--out", folder)
        text = (Path(folder) / "rgrad/_core.pyi").read_text(encoding="utf-8")
    for pattern, replacement in MENDS:
        text = re.sub(pattern, replacement, text)
    # Annotations that were written as strings lose their quotes; imports are sorted.
    text = run("ruff", "check", "--quiet", "--fix-only", "--select=F,I,UP", *AS_STUB, stdin=text)
    return run("ruff", "format", *AS_STUB, stdin=text)


def run(module: str, *args: str, stdin: str | None = None) -> str:
    """Runs `python -m module` and returns what it printed; a failure ends the script with its message."""
    # One encoding on every platform, whatever the console's is.
    env = os.environ | {"PYTHONUTF8": "1"}
    command = [sys.executable, "-m", module, *args]
    done = subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", cwd=ROOT, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the stub is out of date")
    parser.add_argument("--profile", default="release", help="the cargo profile of an existing build, to reuse it")
    args = parser.parse_args()
    new = generate(args.profile)
    old = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
    if not args.check:
        STUB.write_text(new, encoding="utf-8", newline="\n")
    elif new != old:
        diff = difflib.unified_diff(old.splitlines(True), new.splitlines(True), "committed", "generated")
        sys.exit("".join(diff) + "python/rgrad/_core.pyi is out of date: run `make stubs`")


if __name__ == "__main__":
    main()
