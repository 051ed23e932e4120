"""Integer arguments: Python's and NumPy's integers, but not bools."""

import operator
from collections.abc import Iterable
from itertools import islice

# As many as the core takes.
_MOST = 1 << 20


def integer(name: str, value: object, least: int | None = None) -> int:
    """`value` as an int. TypeError unless it is an integer (bools are not); ValueError if it is below `least`."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value}; name the argument that it is meant for")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def integers(name: str, values: Iterable[object]) -> tuple[int, ...]:
    """`values` as ints. ValueError if there are too many for sizes, for instance without an end."""
    found = tuple(integer(name, value) for value in islice(values, _MOST + 1))
    if len(found) > _MOST:
        raise ValueError(f"{name}: expected sizes, got a sequence of more than {_MOST}")
    return found
