"""Traces as tables and as graphs."""

from rgrad.tutorial.rules import Scalar
from rgrad.tutorial.trace import Node, Step, Trace


def tangent_table(trace: Trace, **direction: Scalar) -> str:
    """Forward mode step by step: the formula of each line and of its tangent, with their values.

    Args:
        trace: A computation.
        direction: As for ``Trace.tangents``.
    """
    found = trace.tangents(**direction)
    rows = [("step", "value", "tangent", "")]
    for step in trace.steps:
        terms = [_times(label, f"d{name}") for name, label in _edges(trace, step)]
        tangent = f"d{step.name} = {_sum(terms) if terms else 'given'}"
        rows.append((_equation(trace, step), _number(step.value), tangent, _number(found[step.name])))
    return _table(rows)


def adjoint_table(trace: Trace, output: str) -> str:
    """Reverse mode step by step, from the output back to the inputs: each line and its adjoint, with their values.

    Args:
        trace: A computation.
        output: The line whose derivatives are taken.
    """
    found = trace.adjoints(output)
    terms: dict[str, list[str]] = {step.name: [] for step in trace.steps}
    terms[output].append("1")
    rows = [("step", "value", "adjoint", "")]
    for step in reversed(trace.steps[: trace.line(output) + 1]):
        formula = _sum(terms[step.name]) if terms[step.name] else "0"
        adjoint = f"∂{output}/∂{step.name}"
        rows.append((_equation(trace, step), _number(step.value), f"{adjoint} = {formula}", _number(found[step.name])))
        for name, label in _edges(trace, step):
            terms[name].append(_times(label, adjoint))
    return _table(rows)


def mermaid(trace: Trace) -> str:
    """The graph in the language of Mermaid: inputs round, steps in boxes, partial derivatives at the edges."""
    lines = ["graph LR"]
    for step in trace.steps:
        box = f'["{_equation(trace, step)}"]' if step.rule else f'(("{step.name}"))'
        lines.append(f"    {step.name}{box}")
        lines += [f'    {name} -- "{label}" --> {step.name}' for name, label in _edges(trace, step)]
    return "\n".join(lines)


def _names(trace: Trace, step: Step) -> list[str]:
    return [trace.steps[x.line].name if isinstance(x, Node) else f"{float(x):g}" for x in step.operands]


def _equation(trace: Trace, step: Step) -> str:
    return f"{step.name} = {step.rule.text.format(*_names(trace, step))}" if step.rule else step.name


def _edges(trace: Trace, step: Step) -> list[tuple[str, str]]:
    """The names of the lines that a step uses, each with the partial derivative with respect to it as a formula."""
    if step.rule is None:
        return []
    names = _names(trace, step)
    pairs = zip(step.operands, names, step.rule.labels, strict=True)
    return [(name, label.format(*names)) for x, name, label in pairs if isinstance(x, Node)]


def _times(label: str, derivative: str) -> str:
    return {"1": derivative, "−1": f"−{derivative}"}.get(label, f"{label} · {derivative}")


def _sum(terms: list[str]) -> str:
    return " + ".join(terms).replace("+ −", "− ")


def _number(value: Scalar) -> str:
    # Rounding first and adding 0 avoids printing a tiny negative number as -0.
    return f"{round(float(value), 4) + 0.0:.4f}"


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}   {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
    return "\n".join(line.rstrip() for line in lines)
