"""A program as source: what it captures, a function, and the calls of it."""

import inspect
import re
from dataclasses import dataclass, field

from programs import numbers

HEAD = f"""\
import math
import types
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
    #: Whether all is inside a function, so that what is captured is in cells.
    enclosed: bool = False
    #: What makes the columns of an epoch's data, and the arguments of the epoch.
    data: list[str] = field(default_factory=list)
    options: str = ""
    #: Around the function.
    decorators: list[str] = field(default_factory=list)

    def source(self) -> str:
        """Captured values, the function ``f``, and ``calls``, a generator of its arguments."""
        given = ", ".join(self.arguments)
        returned = "return " + ", ".join(self.results) + "," * (len(self.results) == 1)
        function = [*self.decorators, f"def f({given}):", *indented([*self.body, returned])]
        captured = sorted({line.split(" = ")[0] for line in self.setup if re.match("[cm]\\d", line)})
        scope = "nonlocal" if self.enclosed else "global"
        names = [f"{scope} {', '.join(captured)}"] if captured else []
        calls = ["def calls():", *indented([*names, *self.calls])]
        if self.data:
            calls += ["def data():", f"    return {', '.join(self.data)},", f"options = dict({self.options})"]
        lines = [*self.setup, *function, *calls]
        if self.enclosed:
            lines = ["def enclosing():", *indented([*lines, "return f, calls"]), "f, calls = enclosing()"]
        return "\n".join(lines) + "\n"


TAIL = """
# Eagerly, or compiled with rg.compile(f): one after the other, each in a process of its own.
rg.manual_seed(0)
for args in calls():
    print(f(*args))
# An epoch, if the program has data: this loop, or rg.compile(f).epoch(*data(), **options).
if "data" in globals():
    for batch in rg.data.DataLoader(rg.data.TensorDataset(*data()), **options):
        print(f(*batch))
"""


def script(source: str) -> str:
    """The program with what it needs to run by itself."""
    return HEAD + source + TAIL
