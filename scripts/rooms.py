"""Prints the rooms of packages, their top-level modules and folders, from the lowest up; exits if uses are circular.

`rooms.py python/rgrad rust/engine/src`: imports, for type checkers only in `__init__.py`; paths, but of no tests.
"""

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.DOTALL)
TEST = re.compile(r"^( *)#\[cfg\((?:all\()?test\b.*?^\1(?:\}|[^\s#][^\n]*;$)", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"^( *)(?:pub(?:\([^)]*\))? )?mod \w+ \{$.*?^\1\}", re.DOTALL | re.MULTILINE)
USE = re.compile(r"\b(crate::|(?:super::)+|use (?!crate|super))(\w+\b(?!!)|\{[^;]*)")


def of_python(root: Path, path: Path) -> list[tuple[str, int]]:
    """The names that a file uses of its package, with their lines. A stub is for type checkers."""
    names, todo = [], [ast.parse(path.read_text(encoding="utf-8"))] if path.suffix == ".py" else []
    for node in todo:  # which grows
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        todo += node.orelse if is_typing and path != root / "__init__.py" else ast.iter_child_nodes(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            level, module = getattr(node, "level", 0), getattr(node, "module", None)
            above = [root.name, *path.relative_to(root).parts[:-level]] * bool(level) + [module] * bool(module)
            names += [(".".join([*above, a.name, "__init__"]), node.lineno) for a in node.names]
    return [(name.split(".")[1], line) for name, line in names if name.split(".")[0] == root.name]


def of_rust(root: Path, path: Path) -> list[tuple[str, int]]:
    """The names that a file uses of its crate, with their lines."""
    text = NOISE.sub(lambda match: re.sub(r"\S", " ", match[0]), path.read_text(encoding="utf-8"))
    text = TEST.sub(lambda match: re.sub(r"\S", " ", match[0]), text)
    parts, inline, names = path.relative_to(root).with_suffix("").parts, [*INLINE.finditer(text)], []
    for m in USE.finditer(text):
        depth = len(parts) - (parts[-1] in ("mod", "lib")) + sum(i.start() < m.start() < i.end() for i in inline)
        if m[1] == "crate::" or m[1].count("super") == depth:
            group = re.sub(r"::\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\w+)", "", m[2])  # what is deeper than a room
            names += [(name, text.count("\n", 0, m.start()) + 1) for name in re.findall(r"(?:^|[{,])\s*(\w+)", group)]
    return names


for root in map(Path, sys.argv[1:]):
    of, top, kind = (of_rust, "lib", "*.rs") if (root / "lib.rs").exists() else (of_python, "__init__", "*.py*")
    paths = [path for path in sorted(root.rglob(kind)) if path.suffix != ".pyc" and path.stem != "tests"]
    rooms = {path: path.relative_to(root).parts[0].partition(".")[0] for path in paths}
    uses: dict[str, dict[str, str]] = {room: {} for room in rooms.values()}
    shown = re.findall(r"\buse (?:crate::)?(\w+)::([^;]*)", (root / f"{top}{kind[1:4]}").read_text(encoding="utf-8"))
    handed_on = {name: room for room, names in shown if room in uses for name in re.findall(r"\w+", names)}
    for path, room in rooms.items():
        for name, line in of(root, path):
            uses[room].setdefault(name if name in uses else handed_on.get(name, top), f"{path}:{line}")
        uses[room].pop(room, None)
    order = TopologicalSorter(uses).static_order()
    try:
        print(root, *(f"{room}: {', '.join(sorted(uses[room])) or '-'}" for room in order), sep="\n  ")
    except CycleError as error:
        sys.exit("\n  ".join([f"{root}:", *(f"{b} uses {a}: {uses[b][a]}" for a, b in pairwise(error.args[1]))]))
