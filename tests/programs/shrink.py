"""Making a program small that shows a fault: fewer lines, fewer results, simpler statements, smaller sizes."""

import re
import time
from collections.abc import Callable, Iterator

NAME = r"\b[acghmotvx]\d+\b"


def _without_lines(lines: list[str]) -> Iterator[list[str]]:
    """Without some lines, and what is indented under them."""
    for i in reversed(range(len(lines))):
        depth = len(lines[i]) - len(lines[i].lstrip())
        end = i + 1
        while end < len(lines) and len(lines[end]) - len(lines[end].lstrip()) > depth:
            end += 1
        yield lines[:i] + lines[end:]
        if end > i + 1:
            # What is inside stays: `with rg.no_grad():` goes.
            yield lines[:i] + [line[4:] for line in lines[i + 1 : end]] + lines[end:]


def _simpler_lines(lines: list[str]) -> Iterator[list[str]]:
    """With one line that says less: one of the names instead of an operation, fewer results, fewer options."""
    for i in reversed(range(len(lines))):
        line = lines[i]
        head, sign, tail = line.partition(" = ") if " = " in line else line.partition("return ")
        if not sign:
            continue
        if sign == "return ":
            items = tail.split(", ")
            candidates = [", ".join(items[:k] + items[k + 1 :]) for k in range(len(items))] if len(items) > 1 else []
            candidates += [f"{item.strip(',')}," for item in items]
        else:
            candidates = [name for name in dict.fromkeys(re.findall(NAME, tail)) if name != tail]
            candidates += [re.sub(r", \w+=(\w+|\(.*?\))\)$", ")", tail), re.sub(r"^(numbers\(.*?\))\S.*$", r"\1", tail)]
        for candidate in candidates:
            if candidate not in (tail, ""):
                yield [*lines[:i], head + sign + candidate, *lines[i + 1 :]]


def _smaller_sizes(lines: list[str]) -> Iterator[list[str]]:
    """With one number less, everywhere."""
    source = "\n".join(lines)
    for size in sorted({int(n) for n in re.findall(r"(?<![\w.-])\d+(?![\w.])", source)}, reverse=True):
        for less in (0, 1, 2, 3, 4, size - 1):
            if 0 <= less < size:
                yield re.sub(rf"(?<![\w.-]){size}(?![\w.])", str(less), source).split("\n")


def _without_aliases(lines: list[str]) -> Iterator[list[str]]:
    for i, line in enumerate(lines):
        alias = re.fullmatch(rf" *({NAME}) = ({NAME})", line)
        if alias:
            yield [re.sub(rf"\b{alias[1]}\b", alias[2], other) for other in lines[:i] + lines[i + 1 :]]


def _plainer_numbers(lines: list[str]) -> Iterator[list[str]]:
    for i, line in enumerate(lines):
        for kind in ("'special'", "'whole'", "'positive'", "'unit'"):
            if kind in line:
                yield [*lines[:i], line.replace(kind, "'normal'"), *lines[i + 1 :]]


def shrink(source: str, shows: Callable[[str], bool], seconds: float = 10.0) -> str:
    """A small program that still shows the fault, found in about so many seconds."""
    end = time.monotonic() + seconds
    lines = source.rstrip("\n").split("\n")
    again = True
    while again and time.monotonic() < end:
        again = False
        for way in (_without_lines, _without_aliases, _simpler_lines, _plainer_numbers, _smaller_sizes):
            found = True
            while found and time.monotonic() < end:
                found = False
                for candidate in way(lines):
                    if time.monotonic() > end:
                        break
                    if shows("\n".join(candidate) + "\n"):
                        lines, found, again = candidate, True, True
                        break
    return "\n".join(lines) + "\n"
