"""Whether the runs of a program agree."""

import warnings
from dataclasses import dataclass
from types import CodeType

from programs.run import Outcome, run

warnings.simplefilter("ignore")


@dataclass
class Fault:
    """A disagreement: its kind, and what differs."""

    kind: str
    detail: str


#: How a compiled function says that it cannot repeat something.
REFUSALS = ("compile:", "epoch:")


def refused(outcome: Outcome) -> bool:
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
    if isinstance(value, tuple) and len(value) == 4 and isinstance(value[3], bytes):
        import numpy as np

        array = np.frombuffer(value[3], value[0]).reshape(value[1])
        return f"{array.dtype}{array.shape}{' requiring grad' * value[2]} {np.array2string(array, threshold=8)}"
    return repr(value)


def compare(code: CodeType, seed: int, large: bool, compiled: bool = True) -> tuple[Outcome, Fault | None, str | None]:
    """The eager outcome, a fault, and the reason of a refusal to compile."""
    eager = run(code, compiled=False, threads=1)
    if not isinstance(eager.error, Exception | None):
        return eager, Fault("panic", repr(eager.error)), None
    for threads in (2, 3) if large else ():
        other = run(code, compiled=False, threads=threads)
        told = difference(eager, other)
        if told:
            return eager, Fault("threads", f"1 and {threads} threads: {told}"), None
    for threads in () if not compiled else (1, 2, 3) if large else (1 + seed % 3,):
        replayed = run(code, compiled=True, threads=threads)
        if not isinstance(replayed.error, Exception | None):
            return eager, Fault("panic", repr(replayed.error)), None
        if refused(replayed):
            changed = run(code, compiled=True, threads=threads, watch=True).changed
            return (
                eager,
                Fault("refused", f"{replayed.error} changed {changed}") if changed else None,
                str(replayed.error),
            )
        told = difference(eager, replayed)
        if told:
            return eager, Fault("compiled", f"eager and compiled with {threads} threads: {told}"), None
    return eager, None, None
