"""The small programs behind the lesson in ``docs/differentiation.md``: differentiation of single numbers in five ways.

They are written to be read, and count what they do. For real work, use rgrad's tensors.

Examples:
    >>> from rgrad.tutorial import Trace
    >>> trace = Trace()
    >>> w, x, y = trace.inputs(w=2, x=3, y=5)
    >>> trace.outputs(L=0.5 * (y - w * x) ** 2)
    >>> trace.adjoints("L")["w"]
    3.0
"""

from rgrad.tutorial.drawings import adjoint_table, mermaid, tangent_table
from rgrad.tutorial.dual import Dual
from rgrad.tutorial.gradients import central_difference, forward_difference, forward_mode, reverse_mode, symbolic
from rgrad.tutorial.rules import Counted, Tally, cos, exp, sin
from rgrad.tutorial.symbolic import Expression, symbols
from rgrad.tutorial.trace import Trace

__all__ = [
    "Counted",
    "Dual",
    "Expression",
    "Tally",
    "Trace",
    "adjoint_table",
    "central_difference",
    "cos",
    "exp",
    "forward_difference",
    "forward_mode",
    "mermaid",
    "reverse_mode",
    "sin",
    "symbolic",
    "symbols",
    "tangent_table",
]
