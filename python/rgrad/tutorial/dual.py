"""Forward mode by dual numbers."""

from collections.abc import Sequence

from rgrad.tutorial.rules import Number, Rule, Scalar, apply


class Dual(Number):
    """A value with its tangent, a + b·ε where ε² = 0: every function carries both along, f(a) + f′(a)·b·ε.

    Clifford, Preliminary sketch of biquaternions, 1873, for the numbers; Wengert 1964 for their use. All duals share
    one ε, so that nesting them confuses the perturbations: the lesson shows it.

    Args:
        value: A number of any kind.
        tangent: Its derivative along the direction of differentiation.
    """

    rank = 3

    def __init__(self, value: Scalar, tangent: Scalar) -> None:
        self.value = value
        self.tangent = tangent

    def apply(self, rule: Rule, operands: Sequence[Scalar]) -> "Dual":
        """The value, and the sum of partial derivative times tangent over the operands that have a tangent."""
        values = [x.value if isinstance(x, Dual) else x for x in operands]
        tangent: Scalar = 0
        for x, partial in zip(operands, rule.partials, strict=True):
            if isinstance(x, Dual):
                tangent = tangent + partial(*values) * x.tangent
        return Dual(apply(rule, *values), tangent)

    def __repr__(self) -> str:
        return f"{self.value} + {self.tangent}·ε"
