"""Writes python/rgrad/_core.pyi from the built extension; with --check, fails if the committed file differs."""

from __future__ import annotations

import argparse
import ast
import builtins
import difflib
import inspect
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rgrad import _core

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python/rgrad/_core.pyi"
AS_STUB = ("--stdin-filename", str(STUB), "-")

# What PyO3's introspection says wrongly or cannot know: (pattern, replacement).
MENDS = [
    # An in-place operator of Rust returns nothing, but Python gets `self`.
    (r"(def __i(?:add|sub|mul|matmul|truediv|floordiv|mod|pow|and|or|xor)__\(.*\)) -> None:", r"\1 -> Self:"),
    # Python leaves out the modulus of `x **= y`, which mypy wants because `x ** y` has one.
    (
        r"(def __ipow__\(self, other: object), _modulo: object, /\) -> Self: ...",
        r"\1, /) -> Self: ...  # type: ignore[misc]",
    ),
    # A constructor makes an instance of the class that it is called on.
    (r"(def __new__\(cls, .*\)) -> \w+:", r"\1 -> Self:"),
    # Operators may return NotImplemented, which no caller ever sees.
    (r"(def __\w+__\(self, (?:other|value): object(?:, \w+: object = None)?, /\)) -> Any:", r"\1 -> Tensor:"),
    # `object` declares that comparisons return bool; these return tensors.
    (r"(def __(?:eq|ne)__\(.*\) -> Tensor: \.\.\.)", r"\1  # type: ignore[override]"),
    (r"(def __iter__\(self, /\)) -> Iterator:", r"\1 -> Iterator[Tensor]:"),
    # Keyword arguments have no type in a signature.
    (r"(\*\*\w+)\)", r"\1: Any)"),
]


def generate(profile: str) -> str:
    """The stub of the extension as it is built in `profile`."""
    with tempfile.TemporaryDirectory() as folder:
        run("maturin", "generate-stubs", "--quiet", "--locked", "--profile", profile, "--out", folder)
        text = (Path(folder) / "rgrad/_core.pyi").read_text(encoding="utf-8")
    for pattern, replacement in MENDS:
        text = re.sub(pattern, replacement, text)
    text = show_defaults(text)
    # Annotations that were written as strings lose their quotes; imports are sorted.
    text = run("ruff", "check", "--quiet", "--fix-only", "--select=UP", *AS_STUB, stdin=text)
    text = resolve_names(text)
    text = run("ruff", "check", "--quiet", "--fix-only", "--select=F,I,RUF022", *AS_STUB, stdin=text)
    return run("ruff", "format", *AS_STUB, stdin=text)


def show_defaults(text: str) -> str:
    """Gives arguments the defaults that `inspect.signature` shows, some of which PyO3's introspection has as `...`."""
    tree = ast.parse(text)
    owners = [(_core, tree), *((getattr(_core, c.name), c) for c in tree.body if isinstance(c, ast.ClassDef))]
    lines = text.encode().splitlines(keepends=True)
    edits = []
    for owner, function in ((o, f) for o, scope in owners for f in scope.body if isinstance(f, ast.FunctionDef)):
        shown = signature_of(getattr(owner, function.name, None))
        a = function.args
        plain = a.posonlyargs + a.args
        last = plain[len(plain) - len(a.defaults) :]
        pairs = zip(last + a.kwonlyargs, a.defaults + a.kw_defaults, strict=True)
        edits += [(d, shown[arg.arg].default) for arg, d in pairs if d is not None and arg.arg in shown]
    # From the back, so that what is written moves nothing that is still to be.
    for node, value in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = line[: node.col_offset] + repr(value).encode() + line[node.end_col_offset :]
    return b"".join(lines).decode()


def signature_of(function: object) -> Mapping[str, inspect.Parameter]:
    """The parameters that Python knows of a function, none if it knows nothing."""
    try:
        return inspect.signature(function).parameters if callable(function) else {}
    except ValueError:
        return {}


def resolve_names(text: str) -> str:
    """Makes every name in an annotation mean what it says.

    In a class with a method `float`, the builtin is `builtins.float`; a module that an annotation names, as in
    `numpy.ndarray`, is imported.
    """
    tree = ast.parse(text)
    modules = {"builtins"}
    hidden_at = set()
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        hidden = {f.name for f in cls.body if isinstance(f, ast.FunctionDef)} & set(dir(builtins))
        names = (n for f in cls.body for a in annotations(f) for n in ast.walk(a) if isinstance(n, ast.Name))
        hidden_at |= {(name.lineno - 1, name.col_offset) for name in names if name.id in hidden}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            modules.add(node.value.id)
    # The parser counts columns in bytes.
    lines = text.encode().splitlines(keepends=True)
    for row, column in sorted(hidden_at, reverse=True):
        lines[row] = lines[row][:column] + b"builtins." + lines[row][column:]
    # After the module's docstring; what is not needed goes away with the other unused imports.
    imports = ["from typing import Self\n", *(f"import {module}\n" for module in sorted(modules))]
    lines.insert(tree.body[0].end_lineno or 0, "".join(imports).encode())
    return b"".join(lines).decode()


def annotations(node: ast.AST) -> list[ast.expr]:
    """The annotations of a function or an attribute."""
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    if not isinstance(node, ast.FunctionDef):
        return []
    a = node.args
    arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
    return [x for x in [node.returns, *(arg.annotation for arg in arguments if arg)] if x]


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
    parser.add_argument(
        "--profile", default="dev", help="the cargo profile of the build; its symbols must not be stripped"
    )
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
