"""What the documentation shows is true: the examples in docstrings and in the README's Python blocks run."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad import _core

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
parse = doctest.DocTestParser().get_doctest
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = ["rgrad", *(m.name for m in pkgutil.walk_packages(rg.__path__, "rgrad.") if not m.name.endswith("__main__"))]


def extension_docstrings():
    """(name, docstring) of the extension's functions, classes and methods, which doctest does not look into."""
    for name, value in vars(_core).items():
        yield name, inspect.getdoc(value)
        if inspect.isclass(value):
            for method, member in vars(value).items():
                yield f"{name}.{method}", inspect.getdoc(member)


EXTENSION = [(name, doc) for name, doc in extension_docstrings() if doc and ">>>" in doc]


def check(example):
    """Runs a doctest with `rg` and `np` imported, and fails with doctest's own report."""
    example.globs |= {"rg": rg, "np": np}
    report = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    # Examples may write files, and depend on the generator's state.
    monkeypatch.chdir(tmp_path)
    rg.manual_seed(0)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(name)
    for found in doctest.DocTestFinder(exclude_empty=True).find(module):
        if found.examples:
            check(found)


@pytest.mark.parametrize(("name", "doc"), EXTENSION, ids=[name for name, _ in EXTENSION])
def test_extension_docstring_examples(name, doc):
    check(parse(doc, {}, name, None, 0))


@pytest.mark.parametrize("number", range(README.count("```python")))
def test_readme_python(number):
    block = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[number]
    if ">>>" in block:
        check(parse(block, {}, f"README block {number}", "README.md", 0))
    else:
        exec(compile(block, f"README.md, Python block {number}", "exec"), {"__name__": "__main__"})
