"""What the documentation shows is true: examples in docstrings and the README run, and pages print what they say."""

import doctest
import importlib
import inspect
import pkgutil
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad import _core

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
renewed = runpy.run_path(str(ROOT / "scripts" / "pages.py"))["renewed"]
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_prints_its_outputs(page):
    text = page.read_text(encoding="utf-8")
    assert renewed(text, page.name) == text


def test_a_wrong_figure_on_a_page_is_noticed():
    page = "```python\na = 2\n```\n\n```python\nprint(a + 2)\n```\n\n```text\n5\n```\n"
    assert renewed(page, "page.md") == page.replace("5", "4")


@pytest.mark.parametrize("page", ["```python\nprint(1)\n```\n", "```python\n1\n```\n\n```text\n1\n```\n"])
def test_output_without_a_block_and_a_block_without_output_are_errors(page):
    with pytest.raises(ValueError, match=r"page\.md, line 2: the block prints"):
        renewed(page, "page.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    headings = [re.sub(r"[^\w\- ]", "", h.lower()) for h in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    anchors = [h.replace(" ", "-") for h in headings]
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target[1:] in anchors if target.startswith("#") else (page.parent / target).exists(), target
    assert f"docs/{page.name}" in README
