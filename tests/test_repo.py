"""The repository is consistent with itself: versions, changelog, stub, sizes."""

import re
import runpy
import tomllib
import zlib
from importlib import metadata
from pathlib import Path

import rgrad
from rgrad import _core

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(rgrad.__file__).parent


def test_the_version_is_that_of_the_workspace():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    assert rgrad.__version__ == version
    assert metadata.version("rgrad") == version


def test_the_changelog_has_this_version_or_an_unreleased_section():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] in {"Unreleased", rgrad.__version__}
    assert len(headings) == len(set(headings))


def test_numpy_is_the_only_dependency():
    needs = [r for r in metadata.requires("rgrad") if "extra ==" not in r]
    assert [re.split(r"\W", r)[0] for r in needs] == ["numpy"]


def test_the_wheel_is_small():
    files = [p for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert Path(_core.__file__) in files
    assert sum(len(zlib.compress(p.read_bytes())) for p in files) < 4_000_000


def test_the_page_lists_the_dependencies_of_the_lock_file():
    """Otherwise run ``.venv/bin/python scripts/dependencies.py``."""
    script = runpy.run_path(str(ROOT / "scripts/dependencies.py"))
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    shown = page.split(script["BEGIN"] + "\n")[1].split("\n" + script["END"])[0]
    licences = {f"{n} {v}": licence for n, v, licence in re.findall(r"^\| (\S+) \| ([\d.]+) \| (.+?) \|", shown, re.M)}
    assert licences.keys() == {key for key, package in script["crates"]().items() if "source" in package}
    assert shown == script["section"](licences)
