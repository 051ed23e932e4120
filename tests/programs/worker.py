"""A block of programs in one process, on the instruction set that the process has."""

import json
import marshal
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import rgrad as rg
from programs.compare import Fault, compare
from programs.drawer import Drawer
from programs.shrink import shrink
from rgrad import _core

#: Faults of a block that are made small; the others are only counted.
SHRUNK = 3


@dataclass
class Found:
    """A fault of a program, with the smallest program that shows it."""

    seed: int
    kind: str
    detail: str
    source: str = ""
    #: What it has in common with others: the kind, and what the small program calls.
    group: str = ""


@dataclass
class Drawn:
    """A program as it is handed from process to process."""

    seed: int
    source: str
    code: CodeType
    large: bool
    operations: list[str]
    #: Kinds and descriptions of values and derivatives that are wrong.
    wrong: list[tuple[str, str]]


@dataclass
class Tried:
    """What came of a program on an instruction set."""

    seed: int
    digest: str
    error: str
    refusal: str = ""
    faults: list[Found] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps({**vars(self), "faults": [vars(fault) for fault in self.faults]})

    @classmethod
    def of_json(cls, line: str) -> "Tried":
        parts = json.loads(line)
        return cls(**{**parts, "faults": [Found(**fault) for fault in parts["faults"]]})


def drawn(seed: int) -> Drawn:
    """The program of a seed."""
    rg.set_num_threads(1)
    drawer = Drawer(seed)
    source = drawer.draw().source()
    return Drawn(seed, source, compile(source, "program", "exec"), drawer.large, drawer.drawn, drawer.wrong)


def small(program: Drawn, fault: Fault, seconds: float) -> Found:
    """The fault with the smallest program that was found to show it."""

    def shows(candidate: str) -> bool:
        try:
            code = compile(candidate, "program", "exec")
        except SyntaxError:
            return False
        again = compare(code, program.seed, program.large)[1]
        return again is not None and (again.kind, again.ends) == (fault.kind, fault.ends)

    least = shrink(program.source, shows, seconds)
    again = compare(compile(least, "program", "exec"), program.seed, program.large)[1]
    body = least.partition("def f(")[2].partition("def calls")[0]
    calls = sorted(set(re.findall(r"(?:rg|nn|autograd|[a-z]\d+|\))\.(\w+)\(", body)))
    return Found(program.seed, fault.kind, (again or fault).detail, least, " ".join([fault.kind, *calls]))


def try_one(program: Drawn, compiled: bool = True, seconds: float = 5.0) -> Tried:
    """Compares the runs of a program, and makes it small, for about so many seconds, if they differ."""
    eager, fault, refusal = compare(program.code, program.seed, program.large, compiled)
    tried = Tried(program.seed, eager.digest(program.source), type(eager.error).__name__)
    if refusal:
        tried.refusal = re.sub(r"\(.*?\)|\d+", "…", refusal)[:110]
    if fault and seconds:
        tried.faults.append(small(program, fault, seconds))
    elif fault:
        tried.faults.append(Found(program.seed, fault.kind, fault.detail, "", f"{fault.kind} (not made small)"))
    return tried


def programs(kept: Path, start: int, count: int, drawing: bool) -> Iterator[Drawn]:
    """The programs of a block: drawn here and kept in a file, or as another process has drawn them."""
    with kept.open("ab" if drawing else "rb") as file:
        for seed in range(start, start + count):
            try:
                program = drawn(seed) if drawing else Drawn(*marshal.load(file))
            except EOFError:
                return
            if drawing:
                marshal.dump(tuple(vars(program).values()), file)
                file.flush()
            if program.seed >= start:
                yield program


def work(kept: Path, output: Path, start: int, count: int, turn: int) -> None:
    """Runs the programs of a block on this process's instruction set.

    Writes a line for each program. The process of the first instruction set draws them. Each program is compiled on
    one instruction set, where its seed leaves ``turn``.
    """
    shrunk = 0
    with output.open("a", buffering=1, encoding="utf-8") as lines:
        for program in programs(kept, start, count, drawing=not turn):
            compiled = program.seed % len(_core.available_isas()) == turn
            tried = try_one(program, compiled, 5.0 if shrunk < SHRUNK else 0.0)
            shrunk += len(tried.faults)
            if not turn:
                tried.operations = program.operations
                tried.faults += [
                    Found(program.seed, kind, told, "", f"{kind} {told.partition('(')[0].partition(':')[0]}")
                    for kind, told in program.wrong
                ]
            lines.write(tried.as_json() + "\n")
