"""`scripts/rooms.py` finds circular uses, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "rooms.py"

PYTHON = {
    "__init__.py": "import pkg._low\n",
    "_low.pyi": "from pkg.high import f\n",
    "low/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.high import f\n",
    "high.py": "from pkg import low\nfrom pkg.low.inner import x\n",
    "low/inner.py": "x = 1\n",
}
RUST = {
    "lib.rs": "pub mod low;\nmod high;\npub use high::{High, f};\n",
    "low/mod.rs": "//! Of crate::high.\nmod inner;\n\n#[cfg(test)]\nmod tests {\n    use crate::high::f;\n}\n",
    "low/inner.rs": 'use super::Low;\n\n#[cfg(test)]\nuse crate::high::g;\n\nconst A: &str = "crate::high";\n',
    "low/tests.rs": "use crate::high::f;\n",
    "high.rs": "use crate::{\n    low::{self, inner::{x, y}},\n};\nmod own {\n    use super::low;\n}\n",
}


def rooms(root: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, timeout=60, check=False)


def test_rooms_are_printed_from_the_lowest_up(tmp_path):
    python, rust = rooms(tmp_path / "pkg", PYTHON), rooms(tmp_path / "src", RUST)
    assert python.stdout.splitlines()[1:] == ["  _low: -", "  low: -", "  __init__: _low", "  high: low"]
    assert rust.stdout.splitlines()[1:] == ["  low: -", "  high: low", "  lib: high"]
    assert (python.returncode, rust.returncode, python.stderr, rust.stderr) == (0, 0, "", "")


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"low/inner.py": "\n\ndef f():\n    import pkg.high\n"}, "low uses high: {}/low/inner.py:4"),
        ({"low/inner.py": "from .. import high\n"}, "low uses high: {}/low/inner.py:1"),
        ({"low/inner.py": "from ..high import f\n"}, "low uses high: {}/low/inner.py:1"),
        (
            {"__init__.py": "if TYPE_CHECKING:\n    from pkg.high import f\n", "low/inner.py": "import pkg as p\n"},
            "__init__ uses high: {}/__init__.py:2",
        ),
    ],
)
def test_circles_of_imports(tmp_path, files, line):
    found = rooms(tmp_path / "pkg", PYTHON | files)
    assert found.returncode == 1
    assert line.format(tmp_path / "pkg") in found.stderr


@pytest.mark.parametrize(
    "text",
    [
        "\nuse crate::high::f;\n",
        "\nuse crate::{low::{x, y}, high::{f, g}};\n",
        "\nfn f() { super::super::high::f() }\n",
        "\nuse crate::High;\n",
        "mod own {\n    use super::super::super::high;\n}\n",
    ],
)
def test_circles_of_paths(tmp_path, text):
    found = rooms(tmp_path / "src", RUST | {"low/inner.rs": text})
    assert found.returncode == 1
    assert f"low uses high: {tmp_path}/src/low/inner.rs:2" in found.stderr
