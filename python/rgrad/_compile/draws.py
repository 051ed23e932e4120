"""Sources that differ at every call: random numbers and clocks."""

from __future__ import annotations

import sys
from typing import Any

#: Functions, by module and name, whose results differ at every call.
_CLOCKS = frozenset(
    [f"time.{clock}{unit}" for clock in ("time", "perf_counter", "monotonic", "process_time") for unit in ("", "_ns")]
    + ["time.ctime", "time.localtime", "time.gmtime", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"]
    + ["posix.urandom", "nt.urandom", "uuid.uuid1", "uuid.uuid4", "builtins.input"]
)


def is_clock(value: object) -> bool:
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", "")
    return (f"{module}.{name}" if module else name) in _CLOCKS


def is_generator(value: Any) -> bool:
    """Whether ``value`` is a random number generator of Python or NumPy."""
    kinds = [(sys.modules.get("random"), ("Random",)), (sys.modules.get("numpy.random"), ("Generator", "RandomState"))]
    return any(isinstance(value, getattr(module, name)) for module, names in kinds if module for name in names)


def generator_state(generator: Any) -> str:
    if hasattr(generator, "bit_generator"):
        return repr(generator.bit_generator.state)
    return repr(generator.get_state() if hasattr(generator, "get_state") else generator.getstate())


def python_state() -> Any:
    module = sys.modules.get("random")
    return module and module.getstate()


def numpy_state() -> Any:
    module = sys.modules.get("numpy.random")
    if module is None:
        return None
    name, keys, *rest = module.get_state()
    return name, keys.tobytes(), *rest
