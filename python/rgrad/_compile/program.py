"""The programs of a compiled function as text."""

from __future__ import annotations

from rgrad import _core


class Program:
    """The programs of a compiled function as text; ``print(step.program)`` shows them."""

    def __init__(self, programs: list[_core.Program]) -> None:
        self._programs = programs

    def __len__(self) -> int:
        return len(self._programs)

    def __getitem__(self, index: int) -> Program:
        """The program of one signature; that of the last call is the first."""
        return Program([self._programs[index]])

    @property
    def recorded(self) -> str:
        """As they were recorded, before passes."""
        return "\n\n".join(program.recorded for program in self._programs)

    @property
    def optimized(self) -> str:
        """As they run."""
        return "\n\n".join(map(str, self._programs))

    def __str__(self) -> str:
        if not self._programs:
            return "no program: the function was not called yet"
        both = [f"# as recorded\n{program.recorded}\n\n# as it runs\n{program}" for program in self._programs]
        return "\n\n".join(both)

    __repr__ = __str__
