"""A block of programs in one process, on the instruction set that the process has."""

import os
import re
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import rgrad as rg
from programs.compare import Fault, compare
from programs.drawer import Drawer
from programs.shrink import shrink

#: Faults of a block that are made small; the others are only counted.
SHRUNK = 3


@dataclass
class Found:
    """A fault of a program, with the smallest program that shows it."""

    seed: int
    kind: str
    detail: str
    source: str

    @property
    def group(self) -> str:
        """The kind with the operations of the small program."""
        body = self.source.partition("def f(")[2].partition("def calls")[0]
        calls = set(re.findall(r"(?:rg|nn|autograd|[a-z]\d+|\))\.(\w+)\(", body))
        return " ".join([self.kind, *sorted(calls)])


@dataclass
class Block:
    """What came of a block of programs."""

    digests: list[str] = field(default_factory=list)
    faults: list[Found] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "faults": [vars(fault) for fault in self.faults]}


def small(source: str, fault: Fault, seed: int, large: bool, seconds: float) -> Found:
    def shows(candidate: str) -> bool:
        try:
            code = compile(candidate, "program", "exec")
        except SyntaxError:
            return False
        again = compare(code, seed, large)[1]
        return again is not None and again.kind == fault.kind

    least = shrink(source, shows, seconds)
    again = compare(compile(least, "program", "exec"), seed, large)[1]
    return Found(seed, fault.kind, (again or fault).detail, least)


def try_one(seed: int, block: Block, seconds: float = 5.0) -> None:
    """Draws a program, compares its runs, and makes it small if they differ."""
    rg.set_num_threads(1)
    rg.manual_seed(0)
    drawer = Drawer(seed)
    source = drawer.draw().source()
    block.drawn.update(drawer.drawn)
    eager, fault, refusal = compare(compile(source, "program", "exec"), seed, drawer.large)
    block.digests.append(eager.digest(source))
    block.faults += [
        Found(seed, kind, told, f"def f():\n    rg.{told.partition(':')[0]}") for kind, told in drawer.wrong
    ]
    block.errors[type(eager.error).__name__] += 1
    if refusal:
        block.refusals[re.sub(r"\(.*?\)|\d+", "…", refusal)[:110]] += 1
    if fault and len(block.faults) < SHRUNK:
        block.faults.append(small(source, fault, seed, drawer.large, seconds))
    elif fault:
        block.faults.append(Found(seed, fault.kind, fault.detail, ""))


def work(start: int, count: int, progress: str) -> Block:
    """Programs from ``start`` on; which one is at work is in the file ``progress``, should it never return."""
    block = Block()
    file = os.open(progress, os.O_WRONLY | os.O_CREAT, 0o600)
    for seed in range(start, start + count):
        os.pwrite(file, struct.pack("<qd", seed, time.time()), 0)
        try_one(seed, block)
    os.close(file)
    return block
