"""A program as source: what it captures, a function, and the calls of it."""

import inspect
from dataclasses import dataclass, field

from programs import numbers

HEAD = f"""\
import math
from math import inf, nan

import numpy as np

import rgrad as rg


{inspect.getsource(numbers).split("import rgrad as rg")[1].strip()}

"""


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for text in lines for line in text.split("\n")]


@dataclass
class Program:
    """The parts of a program, each a list of statements."""

    setup: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def source(self) -> str:
        """Captured values, the function ``f``, and ``calls``, a generator of its arguments."""
        given = ", ".join(self.arguments)
        returned = "return " + ", ".join(self.results) + "," * (len(self.results) == 1)
        lines = [*self.setup, f"def f({given}):", *indented([*self.body, returned])]
        captured = sorted({line.split(" = ")[0] for line in self.setup if line[0] == "c"})
        names = [f"global {', '.join(captured)}"] if captured else []
        lines += ["def calls():", *indented([*names, *self.calls])]
        return "\n".join(lines) + "\n"


TAIL = """
rg.manual_seed(0)
compiled = rg.compile(f)
for args in calls():
    print(f(*args))
# Eagerly and compiled each in a process of its own, if the program changes what it captures:
# for args in calls():
#     print(compiled(*args))
"""


def script(source: str) -> str:
    """The program with what it needs to run by itself."""
    return HEAD + source + TAIL
