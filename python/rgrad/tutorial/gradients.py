"""The gradient of a function of many numbers in five ways, each as short as possible.

All take a function from a list of numbers to one number, and the point ``x``, a list; the gradient of a constant is 0.
"""

from collections.abc import Callable, Sequence

from rgrad.tutorial.dual import Dual
from rgrad.tutorial.rules import Scalar
from rgrad.tutorial.symbolic import Expression, symbols
from rgrad.tutorial.trace import Node, Trace

Function = Callable[[list[Scalar]], Scalar]


def forward_difference(f: Function, x: Sequence[Scalar], h: Scalar) -> list[Scalar]:
    """(f(x + h·eᵢ) − f(x)) / h for every i: n + 1 evaluations, and an error of the order of h."""
    at_x = f(list(x))
    return [(f(_moved(x, i, h)) - at_x) / h for i in range(len(x))]


def central_difference(f: Function, x: Sequence[Scalar], h: Scalar) -> list[Scalar]:
    """(f(x + h·eᵢ) − f(x − h·eᵢ)) / 2h for every i: 2n evaluations, and an error of the order of h²."""
    return [(f(_moved(x, i, h)) - f(_moved(x, i, -h))) / (2 * h) for i in range(len(x))]


def _moved(x: Sequence[Scalar], i: int, h: Scalar) -> list[Scalar]:
    return [*x[:i], x[i] + h, *x[i + 1 :]]


def symbolic(f: Function, x: Sequence[Scalar]) -> list[Scalar]:
    """One formula for every partial derivative, then their values."""
    variables = symbols(len(x))
    formula = f(list(variables))
    values = {v.name: a for v, a in zip(variables, x, strict=True)}
    return [formula.partial(v).evaluate(values) if isinstance(formula, Expression) else 0 for v in variables]


def forward_mode(f: Function, x: Sequence[Scalar]) -> list[Scalar]:
    """One evaluation with dual numbers for every input."""
    outputs = [f([Dual(a, int(i == j)) for j, a in enumerate(x)]) for i in range(len(x))]
    return [y.tangent if isinstance(y, Dual) else 0 for y in outputs]


def reverse_mode(f: Function, x: Sequence[Scalar]) -> list[Scalar]:
    """One evaluation that is traced, and one pass back over the trace, for all inputs together."""
    trace = Trace()
    inputs = trace.inputs(**{f"x{i + 1}": a for i, a in enumerate(x)})
    y = f(list(inputs))
    if not isinstance(y, Node):
        return [0] * len(x)
    found = trace.adjoints(trace.steps[y.line].name)
    return [found[f"x{i + 1}"] for i in range(len(x))]
