"""Symbolic differentiation: from formula to formula."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rgrad.tutorial.rules import ADD, MUL, NEG, SUB, Number, Rule, Scalar, apply

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Expression(Number):
    """A formula, as a tree: common subexpressions are printed, and computed, as often as they occur."""

    rank = 1

    def apply(self, rule: Rule, operands: Sequence[Scalar]) -> "Expression":
        """The formula whose parts are the operands."""
        parts = [x if isinstance(x, Expression) else Constant(x) for x in operands]
        if rule is ADD:
            return total(parts)
        if rule is SUB:
            return total([parts[0], negative(parts[1])])
        if rule is MUL:
            return product(parts)
        return negative(parts[0]) if rule is NEG else Call(rule, tuple(parts))

    def derivative(self) -> "Expression":
        """The derivative (…)′ where every variable x has a derivative x′, such as one with respect to time."""
        return _derivative(self, {name: Variable(name + "′") for name in self.names()})

    def partial(self, variable: "Expression") -> "Expression":
        """The partial derivative with respect to a variable."""
        if not isinstance(variable, Variable):
            raise TypeError(f"partial: {variable} is no variable; make variables with symbols()")
        return _derivative(self, {variable.name: Constant(1)})

    def evaluate(self, values: Mapping[str, Scalar]) -> Scalar:
        """The value of the formula as written, given the values of the variables."""
        missing = [name for name in self.names() if name not in values]
        if missing:
            raise ValueError(f"evaluate: no value for {', '.join(missing)}")
        return _value(self, values)

    def names(self) -> list[str]:
        """The names of the variables, in the order of their first use."""
        return _names(self)

    def __str__(self) -> str:
        return _text(self)


@dataclass(frozen=True)
class Constant(Expression):
    """A real number."""

    value: Scalar


@dataclass(frozen=True)
class Variable(Expression):
    """A variable."""

    name: str


@dataclass(frozen=True)
class Negative(Expression):
    """The negative of a formula."""

    part: Expression


@dataclass(frozen=True)
class Sum(Expression):
    """Terms added up."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Product(Expression):
    """Factors multiplied."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True)
class Call(Expression):
    """Any other elementary function of formulas."""

    rule: Rule
    arguments: tuple[Expression, ...]


ZERO, ONE = Constant(0), Constant(1)


def symbols(names: str | int) -> list[Variable]:
    """Variables with the given names, separated by spaces; or, for a number n, the variables x₁ to xₙ.

    Examples:
        >>> a, b = symbols("a b")
        >>> print((a * b).derivative())
        a′·b + a·b′
    """
    if isinstance(names, int):
        return [Variable(f"x{i + 1}".translate(SUBSCRIPTS)) for i in range(names)]
    return [Variable(name) for name in names.split()]


def total(terms: Sequence[Expression]) -> Expression:
    """The sum of terms; terms that are 0 are omitted."""
    flat = [t for x in terms for t in (x.terms if isinstance(x, Sum) else [x]) if t != ZERO]
    return Sum(tuple(flat)) if len(flat) > 1 else flat[0] if flat else ZERO


def product(factors: Sequence[Expression]) -> Expression:
    """The product of factors; factors of 1 are omitted, and a factor of 0 makes it 0."""
    flat = [f for x in factors for f in (x.factors if isinstance(x, Product) else [x]) if f != ONE]
    if ZERO in flat:
        return ZERO
    return Product(tuple(flat)) if len(flat) > 1 else flat[0] if flat else ONE


def negative(part: Expression) -> Expression:
    """The negative of a formula; 0 stays 0."""
    return part if part == ZERO else Negative(part)


def _derivative(formula: Expression, primes: Mapping[str, Expression]) -> Expression:
    """The textbook rules; ``primes`` has the derivatives of the variables, 0 where missing."""
    match formula:
        case Variable(name):
            return primes.get(name, ZERO)
        case Negative(part):
            return negative(_derivative(part, primes))
        case Sum(terms):
            return total([_derivative(t, primes) for t in terms])
        case Product(factors):
            return total(
                [product([*factors[:i], _derivative(f, primes), *factors[i + 1 :]]) for i, f in enumerate(factors)]
            )
        case Call(rule, parts):
            outer = [partial(*parts) for partial in rule.partials]
            return total([product([d, _derivative(p, primes)]) for d, p in zip(outer, parts, strict=True)])
    return ZERO


def _value(formula: Expression, values: Mapping[str, Scalar]) -> Scalar:
    match formula:
        case Constant(value):
            return value
        case Variable(name):
            return values[name]
        case Negative(part):
            return -_value(part, values)
        case Sum(terms):
            return sum((_value(t, values) for t in terms[1:]), start=_value(terms[0], values))
        case Product(factors):
            return math.prod((_value(f, values) for f in factors[1:]), start=_value(factors[0], values))
        case Call(rule, parts):
            return apply(rule, *[_value(p, values) for p in parts])
    raise TypeError(f"{type(formula).__name__} is no formula")


def _names(formula: Expression) -> list[str]:
    match formula:
        case Variable(name):
            return [name]
        case Negative(part):
            return _names(part)
        case Sum(parts) | Product(parts) | Call(_, parts):
            return list(dict.fromkeys(name for p in parts for name in _names(p)))
    return []


def _text(formula: Expression) -> str:
    match formula:
        case Constant(value):
            return f"{float(value):g}"
        case Variable(name):
            return name
        case Negative(part):
            return f"−{_within(part, Sum)}"
        case Sum(terms):
            return " + ".join(map(_text, terms)).replace("+ −", "− ")
        case Product(factors):
            return "·".join(_within(f, Sum, Negative) for f in factors)
        case Call(rule, parts):
            # A function call has brackets of its own; an operator has none.
            kinds = () if "(" in rule.text else (Sum, Negative, Product, Call)
            return rule.text.format(*[_within(p, *kinds) for p in parts])
    raise TypeError(f"{type(formula).__name__} is no formula")


def _within(part: Expression, *kinds: type[Expression]) -> str:
    """A part of a formula, in brackets if it has one of the given types."""
    return f"({_text(part)})" if isinstance(part, kinds) else _text(part)
