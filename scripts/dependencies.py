"""Writes the tables of dependencies into docs/reliability.md, from Cargo.lock, pyproject.toml and cargo's metadata.

A new direct dependency needs its reason in REASONS; transitive dependencies need none.
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- dependencies: begin -->", "<!-- dependencies: end -->"
REASONS = {
    "allocation-counter": "tests only: counts allocations of a replay",
    "libc": "fork handlers and huge pages",
    "libm": "elementary functions with the same bits on every platform",
    "proc-macro2": "procedural macros around every function that Python calls; the generator of operations",
    "quote": "the same",
    "syn": "the same",
    "pyo3": "the Python bindings",
    "rayon": "the thread pool",
    "safetensors": "the format of saved tensors",
    "serde_json": "the header of saved tensors",
    "smallvec": "shapes and strides without an allocation",
    "numpy": "the only runtime dependency: conversion of arrays, printing",
    "matplotlib": "figures (the extra `plot`)",
    "tqdm": "progress bars (the extra `progress`)",
    "pandas": "Parquet files (the extra `tables`)",
    "pyarrow": "the same",
    "scikit-learn": "the estimators (the extra `sklearn`)",
}


def crates() -> dict[str, dict]:
    """The packages of Cargo.lock that the extension is built from, tests of its parts included, by name and version."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    by_name: dict[str, list[dict]] = {}
    for package in lock:
        by_name.setdefault(package["name"], []).append(package)
    found: dict[str, dict] = {}
    left = ["rgrad-python"]
    while left:
        name, _, version = left.pop().partition(" ")
        for package in by_name[name]:
            key = f"{name} {package['version']}"
            if key not in found and version.split(" ")[0] in ("", package["version"]):
                found[key] = package
                left += package.get("dependencies", [])
    return found


def rows(licences: dict[str, str]) -> list[str]:
    """The rows of the table of crates."""
    found = crates()
    direct = {d.split(" ")[0] for p in found.values() if "source" not in p for d in p.get("dependencies", [])}
    users: dict[str, list[str]] = {}
    for package in found.values():
        for dependency in package.get("dependencies", []):
            users.setdefault(dependency.split(" ")[0], []).append(package["name"])
    table = []
    for key, package in sorted(found.items()):
        if "source" in package:
            name = package["name"]
            reason = REASONS[name] if name in direct else "required by " + ", ".join(sorted(set(users[name])))
            table.append(f"| {name} | {package['version']} | {licences[key]} | {reason} |")
    return table


def packages() -> list[str]:
    """The rows of the table of Python packages that users get or may ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    split = [re.match(r"([\w-]+)(.*)", r).groups() for r in project["dependencies"] + extras]
    return [f"| {name} | {version.replace('|', '')} | {REASONS[name]} |" for name, version in split]


def section(licences: dict[str, str]) -> str:
    """What stands between the marks."""
    lines = ["| crate | version | licence | reason |", "|---|---|---|---|", *rows(licences), ""]
    lines += ["| Python package | version | reason |", "|---|---|---|", *packages()]
    return "\n".join(lines)


def main() -> None:
    """Asks cargo for the licences, and writes the page."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    known = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    licences = {f"{p['name']} {p['version']}": (p["license"] or "").replace("/", " OR ") for p in known["packages"]}
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{section(licences)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
