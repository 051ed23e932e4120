"""Whether the runs of a program agree."""

import warnings
from dataclasses import dataclass
from types import CodeType

import numpy as np

from programs.run import Outcome, run

warnings.simplefilter("ignore")


@dataclass
class Fault:
    """A disagreement: its kind, and what differs."""

    kind: str
    detail: str
    #: The types of the exceptions that ended the runs.
    ends: tuple[str, ...] = ()


#: How a compiled function says that it cannot repeat something.
REFUSALS = ("compile:", "epoch:")


def refused(outcome: Outcome) -> bool:
    """Whether a compiled function said that it cannot repeat something."""
    return isinstance(outcome.error, Exception) and str(outcome.error).startswith(REFUSALS)


def difference(a: Outcome, b: Outcome) -> str | None:
    """The first thing in which two outcomes differ."""
    if type(a.error) is not type(b.error):
        return f"{a.error!r} and {b.error!r}"
    for x, y in zip([*a.calls, a.state], [*b.calls, b.state], strict=False):
        if x != y:
            for name in [*x, *(k for k in y if k not in x)]:
                if x.get(name) != y.get(name):
                    return f"{name}: {shown(x.get(name))} and {shown(y.get(name))}"
    return None if len(a.calls) == len(b.calls) else "numbers of calls"


def shown(value: object) -> str:
    """What was seen of a tensor, for a message."""
    if isinstance(value, tuple) and len(value) == 4 and isinstance(value[3], bytes):
        array = np.frombuffer(value[3], value[0]).reshape(value[1])
        return f"{array.dtype}{array.shape}{' requiring grad' * value[2]} {np.array2string(array, threshold=8)}"
    return repr(value)


def panicked(outcome: Outcome) -> bool:
    """Whether something that must not happen was met: a message that asks for a report, or no exception at all."""
    return not isinstance(outcome.error, Exception | None) or "internal error" in str(outcome.error)


def compare(code: CodeType, seed: int, large: bool, compiled: bool = True) -> tuple[Outcome, Fault | None, str | None]:
    """The eager outcome, a fault, and the reason of a refusal to compile.

    Threads share the work of large programs only; a small one is compiled with one number of threads.
    """
    eager = run(code, compiled=False, threads=1)
    if panicked(eager):
        return eager, Fault("panic", repr(eager.error)), None
    for threads in (2, 3) if large else ():
        told = difference(eager, run(code, compiled=False, threads=threads))
        if told:
            return eager, Fault("threads", f"1 and {threads} threads: {told}"), None
    for threads in () if not compiled else (1, 2, 3) if large else (1 + seed % 3,):
        replayed = run(code, compiled=True, threads=threads)
        if refused(replayed):
            return eager, half_done(code, threads), str(replayed.error)
        told = difference(eager, replayed)
        if panicked(replayed):
            return eager, Fault("panic", repr(replayed.error)), None
        if told:
            ends = (type(eager.error).__name__, type(replayed.error).__name__)
            return eager, Fault("compiled", f"eager and compiled with {threads} threads: {told}", ends), None
    return eager, None, None


def half_done(code: CodeType, threads: int) -> Fault | None:
    """What a refused call has changed, if anything."""
    again = run(code, compiled=True, threads=threads, watch=True)
    return Fault("refused", f"{again.error} changed {again.changed}") if again.changed else None
