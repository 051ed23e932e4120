"""The elementary functions with their derivatives, each written once; all ways to differentiate use them."""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

# A real number of Python's, or a `Number`: what the elementary functions take and return.
Scalar = Any


@dataclass(frozen=True)
class Rule:
    """An elementary function of one or two numbers."""

    text: str
    """The function as a formula, with {0} and {1} for its operands."""
    value: Callable[..., Scalar]
    """The function of real numbers."""
    partials: tuple[Callable[..., Scalar], ...]
    """For each operand, the partial derivative as a function of all operands, made of elementary functions."""
    labels: tuple[str, ...]
    """The partial derivatives as formulas."""


class Number:
    """Operators of objects that replace real numbers while a function is evaluated."""

    rank = 0
    """Where several kinds meet in one operation, the one of the highest rank determines the result."""
    __array_ufunc__ = None  # NumPy's scalars defer to the operators of this class

    def apply(self, rule: Rule, operands: Sequence[Scalar]) -> Scalar:
        """An elementary function of ``operands``, of which at least one is of this kind and none of a higher rank."""
        raise NotImplementedError

    def __add__(self, other: Scalar) -> Scalar:
        return apply(ADD, self, other)

    def __radd__(self, other: Scalar) -> Scalar:
        return apply(ADD, other, self)

    def __sub__(self, other: Scalar) -> Scalar:
        return apply(SUB, self, other)

    def __rsub__(self, other: Scalar) -> Scalar:
        return apply(SUB, other, self)

    def __mul__(self, other: Scalar) -> Scalar:
        return apply(MUL, self, other)

    def __rmul__(self, other: Scalar) -> Scalar:
        return apply(MUL, other, self)

    def __truediv__(self, other: Scalar) -> Scalar:
        return apply(DIV, self, other)

    def __rtruediv__(self, other: Scalar) -> Scalar:
        return apply(DIV, other, self)

    def __neg__(self) -> Scalar:
        return apply(NEG, self)

    def __pow__(self, exponent: int) -> Scalar:
        if exponent != 2:
            raise ValueError(f"**: the lesson knows squares only, got the exponent {exponent!r}; write a product")
        return apply(SQUARE, self)

    def sin(self) -> Scalar:
        """The sine."""
        return apply(SIN, self)

    def cos(self) -> Scalar:
        """The cosine."""
        return apply(COS, self)

    def exp(self) -> Scalar:
        """The exponential."""
        return apply(EXP, self)


def apply(rule: Rule, *operands: Scalar) -> Scalar:
    """The value of an elementary function of operands of any kind."""
    for x in operands:
        if not isinstance(x, Number | Real):
            raise TypeError(
                f"the lesson computes with single numbers, got {type(x).__name__}; use rgrad's own operations"
            )
    kinds = [x for x in operands if isinstance(x, Number)]
    return max(kinds, key=lambda x: x.rank).apply(rule, operands) if kinds else rule.value(*operands)


def sin(x: Scalar) -> Scalar:
    """The sine of a number of any kind, or of a tensor."""
    return x.sin() if hasattr(x, "sin") else math.sin(x)


def cos(x: Scalar) -> Scalar:
    """The cosine of a number of any kind, or of a tensor."""
    return x.cos() if hasattr(x, "cos") else math.cos(x)


def exp(x: Scalar) -> Scalar:
    """The exponential of a number of any kind, or of a tensor."""
    return x.exp() if hasattr(x, "exp") else math.exp(x)


ADD = Rule("{0} + {1}", operator.add, (lambda a, b: 1, lambda a, b: 1), ("1", "1"))
SUB = Rule("{0} − {1}", operator.sub, (lambda a, b: 1, lambda a, b: -1), ("1", "−1"))
MUL = Rule("{0} · {1}", operator.mul, (lambda a, b: b, lambda a, b: a), ("{1}", "{0}"))
DIV = Rule("{0} / {1}", operator.truediv, (lambda a, b: 1 / b, lambda a, b: -a / (b * b)), ("1/{1}", "−{0}/{1}²"))
NEG = Rule("−{0}", operator.neg, (lambda a: -1,), ("−1",))
SQUARE = Rule("{0}²", lambda a: a * a, (lambda a: 2 * a,), ("2 · {0}",))
SIN = Rule("sin({0})", math.sin, (cos,), ("cos({0})",))
COS = Rule("cos({0})", math.cos, (lambda a: -sin(a),), ("−sin({0})",))
EXP = Rule("exp({0})", math.exp, (exp,), ("exp({0})",))


@dataclass
class Tally:
    """The number of multiplications of its counted numbers; a square is one."""

    multiplications: int = 0

    def number(self, value: Scalar) -> "Counted":
        """``value`` as a counted number; its multiplications, and those of all results, are counted here."""
        return Counted(value, self)


class Counted(Number):
    """A real number that counts multiplications."""

    def __init__(self, value: Scalar, tally: Tally) -> None:
        self.value = value
        self._tally = tally

    def apply(self, rule: Rule, operands: Sequence[Scalar]) -> "Counted":
        """The result, counted by the same tally."""
        self._tally.multiplications += rule in (MUL, SQUARE)
        return Counted(rule.value(*[x.value if isinstance(x, Counted) else x for x in operands]), self._tally)

    def __float__(self) -> float:
        return float(self.value)
