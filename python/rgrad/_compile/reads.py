"""What a function's code reads and writes by names, as far as its instructions show."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

#: Methods that change a container without looking at it.
WRITERS = {"add", "append", "appendleft", "extend", "insert", "update", "write"}
#: Instructions that write to what was put on the stack last.
_STORES = {"STORE_ATTR", "STORE_SUBSCR", "DELETE_ATTR", "DELETE_SUBSCR"}


class Chain(NamedTuple):
    """A variable, and what is taken from it right away: ``self.layers[0].scale``."""

    kind: str
    """Of the variable: ``global``, ``outer`` (of an enclosing function) or ``local``."""
    name: str
    steps: tuple[tuple[str, object], ...]
    """``attribute`` with a name, or ``item`` with a constant."""
    goes_on: bool
    """Whether what is found is used for anything, rather than only written to."""


class Reads(NamedTuple):
    """What a piece of code looks at."""

    chains: tuple[Chain, ...]
    attributes: frozenset[str]
    """Attributes of objects that do not come from variables at once."""
    inner: tuple[CodeType, ...]
    """Functions, lambdas and comprehensions inside."""


_ROOTS = {
    "LOAD_GLOBAL": "global",
    "LOAD_NAME": "global",
    "STORE_GLOBAL": "global",
    "DELETE_GLOBAL": "global",
    "LOAD_DEREF": "outer",
    "LOAD_CLASSDEREF": "outer",
    "STORE_DEREF": "outer",
    "DELETE_DEREF": "outer",
}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD"}
_IGNORED = {"CACHE", "COPY", "EXTENDED_ARG", "NOP", "PUSH_NULL"}


@lru_cache(maxsize=2048)
def reads(code: CodeType) -> Reads:
    """What ``code`` looks at. Variables that it assigns and reads again are not followed."""
    instructions = [one for one in dis.get_instructions(code) if one.opname not in _IGNORED]
    chains: dict[Chain, None] = {}
    attributes: set[str] = set()
    at = 0
    while at < len(instructions):
        one = instructions[at]
        at += 1
        if one.opname in _ROOTS:
            kind, name = _ROOTS[one.opname], str(one.argval)
        elif one.opname.startswith("LOAD_FAST"):
            # Some instructions load two variables, of which the second one is on top.
            kind, name = "local", one.argval[-1] if isinstance(one.argval, tuple) else str(one.argval)
        else:
            if one.opname in _ATTRIBUTES or one.opname == "STORE_ATTR":
                attributes.add(str(one.argval))
            continue
        steps: list[tuple[str, object]] = []
        while at < len(instructions) and one.opname.startswith("LOAD"):
            step, used = _step(instructions, at)
            if step is None:
                break
            steps.append(step)
            at += used
        goes_on = at == len(instructions) or instructions[at].opname not in _STORES
        if not goes_on and instructions[at].opname.endswith("_ATTR"):
            # What is written may have been something else before.
            steps.append(("attribute", str(instructions[at].argval)))
            goes_on = True
        chains[Chain(kind, name, tuple(steps), goes_on)] = None
    if "getattr" in code.co_names:
        attributes.update(value for value in code.co_consts if isinstance(value, str))
    inner = tuple(value for value in code.co_consts if isinstance(value, CodeType))
    return Reads(tuple(chains), frozenset(attributes), inner)


def _step(instructions: list[dis.Instruction], at: int) -> tuple[tuple[str, object] | None, int]:
    """What is taken from what was put on the stack last, and by how many instructions."""
    one = instructions[at]
    if one.opname in ("LOAD_ATTR", "LOAD_METHOD"):
        return ("attribute", str(one.argval)), 1
    if one.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and at + 1 < len(instructions):
        then = instructions[at + 1]
        taken = then.opname == "BINARY_SUBSCR" or (then.opname == "BINARY_OP" and then.argrepr == "[]")
        if (taken or then.opname in ("STORE_SUBSCR", "DELETE_SUBSCR")) and isinstance(one.argval, str | int):
            return ("item", one.argval), 2
    return None, 0
