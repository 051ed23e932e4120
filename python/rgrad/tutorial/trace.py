"""The computation graph of a function as the list of its elementary steps, and derivatives along it in both modes.

Wengert, A simple automatic derivative evaluation program, 1964; Linnainmaa, The representation of the cumulative
rounding error of an algorithm as a Taylor expansion of the local rounding errors, 1970.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rgrad.tutorial.rules import Number, Rule, Scalar, apply


class Node(Number):
    """The number on one line of a trace; computing with it writes further lines."""

    rank = 2

    def __init__(self, trace: "Trace", line: int) -> None:
        self.trace = trace
        self.line = line

    def apply(self, rule: Rule, operands: Sequence[Scalar]) -> "Node":
        """The result, on a new line."""
        return self.trace.write(rule, operands)


@dataclass
class Step:
    """One line of a trace: an input, or an elementary function of numbers on earlier lines."""

    name: str
    value: Scalar
    rule: Rule | None = None
    """None for an input."""
    operands: tuple[Scalar, ...] = ()
    """Nodes and constants."""
    partials: tuple[Scalar, ...] = ()
    """The partial derivatives with respect to the operands."""

    def edges(self) -> Iterator[tuple[int, Scalar]]:
        """The lines that are used, each with the partial derivative with respect to it: the edges of the graph."""
        for x, partial in zip(self.operands, self.partials, strict=True):
            if isinstance(x, Node):
                yield x.line, partial


class Trace:
    """The elementary steps of a computation, in the order in which they were made."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._count = 0

    def inputs(self, **values: Scalar) -> list[Node]:
        """Lines for inputs with names and values; the numbers to compute with."""
        return [self._append(Step(self._unused(name), value)) for name, value in values.items()]

    def outputs(self, **nodes: Node) -> None:
        """Names lines, so that derivatives can be computed for them."""
        for name, node in nodes.items():
            if not isinstance(node, Node) or node.trace is not self:
                raise ValueError(f"outputs: {name} is not computed from inputs of this trace")
            if self.steps[node.line].rule is None:
                raise ValueError(f"outputs: {name} is the input {self.steps[node.line].name}; ask for that")
            self.steps[node.line].name = self._unused(name)

    def write(self, rule: Rule, operands: Sequence[Scalar]) -> Node:
        """Appends an elementary function of nodes of this trace and constants."""
        if any(isinstance(x, Node) and x.trace is not self for x in operands):
            raise ValueError("a trace cannot use numbers of another one; make all inputs with the same trace")
        values = [self.steps[x.line].value if isinstance(x, Node) else x for x in operands]
        partials = tuple(partial(*values) for partial in rule.partials)
        self._count += 1
        return self._append(Step(f"v{self._count}", apply(rule, *values), rule, tuple(operands), partials))

    def tangents(self, **direction: Scalar) -> dict[str, Scalar]:
        """Forward mode: the derivative of every line along a direction, from the first line to the last.

        Args:
            direction: Its components along the inputs; missing ones are 0.
        """
        found: list[Scalar] = [0] * len(self.steps)
        for name, component in direction.items():
            found[self.line(name)] = component
        for line, step in enumerate(self.steps):
            for operand, partial in step.edges():
                found[line] = found[line] + partial * found[operand]
        return self._by_name(found)

    def adjoints(self, output: str, seed: Scalar = 1) -> dict[str, Scalar]:
        """Reverse mode: the derivative of one line with respect to every line, from the last line to the first.

        Args:
            output: The line to differentiate.
            seed: Its adjoint, which scales all others.
        """
        found: list[Scalar] = [0] * len(self.steps)
        found[self.line(output)] = seed
        for line in reversed(range(len(self.steps))):
            for operand, partial in self.steps[line].edges():
                found[operand] = found[operand] + found[line] * partial
        return self._by_name(found)

    def line(self, name: str) -> int:
        """The index of the step called ``name``.

        Raises:
            ValueError: There is none.
        """
        names = [step.name for step in self.steps]
        if name not in names:
            raise ValueError(f"the trace has no line called {name!r}; it has {', '.join(names)}")
        return names.index(name)

    def _append(self, step: Step) -> Node:
        self.steps.append(step)
        return Node(self, len(self.steps) - 1)

    def _unused(self, name: str) -> str:
        if any(step.name == name for step in self.steps):
            raise ValueError(f"the trace has a line called {name!r} already; choose another name")
        return name

    def _by_name(self, numbers: Sequence[Scalar]) -> dict[str, Scalar]:
        return {step.name: x for step, x in zip(self.steps, numbers, strict=True)}
