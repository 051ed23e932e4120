"""The small programs of the lesson in differentiation differentiate rightly; `test_docs.py` compares its figures."""

import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

import rgrad as rg
from rgrad import tutorial
from rgrad.tutorial import Counted, Dual, Tally, Trace, adjoint_table, cos, exp, mermaid, sin, symbols, tangent_table

EXACT_WAYS = [tutorial.symbolic, tutorial.forward_mode, tutorial.reverse_mode]


def product(x):
    p = x[0]
    for factor in x[1:]:
        p = p * factor
    return p


# ---- Imports ----


def test_the_lesson_costs_other_programs_nothing():
    code = "import sys, rgrad; assert not [m for m in sys.modules if 'tutorial' in m]; rgrad.tutorial.Trace()"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- All ways against each other ----


@st.composite
def functions(draw):
    """A random composition of elementary functions of three numbers, which stays off poles and grows slowly."""
    count = draw(st.integers(1, 8))
    choices = st.sampled_from(["add", "sub", "mul", "div", "neg", "square", "sin", "cos", "exp", "constants"])
    steps = [(draw(choices), draw(st.integers(0, 99)), draw(st.integers(0, 99))) for _ in range(count)]

    def f(x):
        values = list(x)
        for name, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            made = {
                "add": lambda a, b: a + b,
                "sub": lambda a, b: a - b,
                "mul": lambda a, b: sin(a) * b,
                "div": lambda a, b: a / (sin(b) + 1.5),
                "neg": lambda a, b: -a,
                "square": lambda a, b: sin(a) ** 2,
                "sin": lambda a, b: sin(a),
                "cos": lambda a, b: cos(a),
                "exp": lambda a, b: exp(cos(a)),
                "constants": lambda a, b: 1.5 - (2 + a * 0.5 - 1) / 4 + 1 / (b * b + 1),
            }[name](a, b)
            values.append(made)
        return values[-1] + 0 * x[0]

    return f


@given(functions(), st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3))
def test_all_ways_find_the_same_gradient(f, x):
    want = tutorial.forward_mode(f, x)
    scale = max(1.0, *map(abs, want))
    for way in (tutorial.symbolic, tutorial.reverse_mode):
        np.testing.assert_allclose(way(f, x), want, rtol=1e-11, atol=1e-11 * scale)
    tensors = [g.item() for g in rg.grad(f)([rg.tensor(a, dtype=rg.float64) for a in x])]
    np.testing.assert_allclose(tensors, want, rtol=1e-11, atol=1e-11 * scale)
    np.testing.assert_allclose(tutorial.central_difference(f, x, 1e-5), want, rtol=1e-4, atol=1e-6 * scale)
    np.testing.assert_allclose(tutorial.forward_difference(f, x, 1e-7), want, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("way", EXACT_WAYS)
def test_fractions_have_exact_gradients(way):
    a, b, c = x = [Fraction(1, 3), Fraction(2, 7), Fraction(-5)]
    assert way(lambda x: (x[0] * x[1] - x[2] / x[0]) ** 2 + x[0], x) == [
        2 * (a * b - c / a) * (b + c / a**2) + 1,
        2 * (a * b - c / a) * a,
        2 * (a * b - c / a) * (-1 / a),
    ]


@pytest.mark.parametrize("way", EXACT_WAYS)
def test_an_input_without_influence_has_gradient_zero(way):
    assert way(lambda x: x[0] * x[0], [3.0, 1.0]) == [6, 0]
    assert way(lambda x: x[1], [3.0, 1.0]) == [0, 1]
    assert way(lambda x: 7.0, [3.0, 1.0]) == [0, 0]
    assert way(lambda x: 7.0, []) == []


def test_second_derivatives_by_a_trace_of_duals():
    f = lambda x: x[0] * sin(x[1]) + x[0] * x[0] * x[1]  # noqa: E731
    x, y = 0.7, 0.4
    want = [np.cos(y) + 2 * x, -x * np.sin(y)]
    forward_over_reverse = tutorial.reverse_mode(f, [Dual(x, 0), Dual(y, 1)])
    np.testing.assert_allclose([g.tangent for g in forward_over_reverse], want, rtol=1e-14)
    assert tutorial.reverse_mode(f, [Dual(x, 1), Dual(y, 0)])[0].tangent == 2 * y


# ---- Counts ----


@pytest.mark.parametrize("n", range(1, 9))
def test_multiplications_of_the_gradient_of_a_product(n):
    def count(way):
        tally = Tally()
        way(product, [tally.number(1.5) for _ in range(n)])
        return tally.multiplications

    tally = Tally()
    formula = product(symbols(n))
    formula.derivative().evaluate({name: tally.number(1) for name in formula.derivative().names()})
    assert tally.multiplications == n * (n - 1)
    assert count(tutorial.symbolic) == max(n * (n - 2), 0)
    assert count(tutorial.forward_mode) == 3 * n * (n - 1)
    assert count(tutorial.reverse_mode) == 3 * (n - 1)
    assert count(lambda f, x: tutorial.forward_difference(f, x, 1)) == (n + 1) * (n - 1)
    assert count(lambda f, x: tutorial.central_difference(f, x, 1)) == 2 * n * (n - 1)


def test_results_count_where_their_operands_count():
    tally = Tally()
    x = tally.number(3)
    y = 2 * x**2 - exp(x - 3) / x + -x
    assert isinstance(y, Counted)
    assert float(y) == 18 - 1 / 3 - 3
    assert tally.multiplications == 2


# ---- Formulas, tables, graphs ----


def test_formulas_are_printed_with_the_brackets_that_they_need():
    a, b = symbols("a b")
    assert str(-(a - b) * (a + b) / sin(a * b)) == "((−(a − b))·(a + b)) / (sin(a·b))"
    assert str((a / b).partial(b)) == "(−a) / (b·b)"
    assert str((3 * a * a + 2).partial(a)) == "3·a + 3·a"
    assert str((a + 1).partial(b)) == "0"
    assert str((a - a**2).derivative()) == "a′ − 2·a·a′"
    assert str(product(symbols(11)).partial(symbols(11)[9])) == "x₁·x₂·x₃·x₄·x₅·x₆·x₇·x₈·x₉·x₁₁"


def test_tables_and_graphs_have_a_line_for_each_step():
    trace = Trace()
    a, b = trace.inputs(a=-1, b=2)
    trace.outputs(y=a * b - a / 2)
    tangents = [re.split("  +", line) for line in tangent_table(trace, a=1, b=0.5).splitlines()]
    assert tangents == [
        ["step", "value", "tangent"],
        ["a", "-1.0000", "da = given", "1.0000"],
        ["b", "2.0000", "db = given", "0.5000"],
        ["v1 = a · b", "-2.0000", "dv1 = b · da + a · db", "1.5000"],
        ["v2 = a / 2", "-0.5000", "dv2 = 1/2 · da", "0.5000"],
        ["y = v1 − v2", "-1.5000", "dy = dv1 − dv2", "1.0000"],
    ]
    adjoints = [re.split("  +", line) for line in adjoint_table(trace, "y").splitlines()]
    assert adjoints == [
        ["step", "value", "adjoint"],
        ["y = v1 − v2", "-1.5000", "∂y/∂y = 1", "1.0000"],
        ["v2 = a / 2", "-0.5000", "∂y/∂v2 = −∂y/∂y", "-1.0000"],
        ["v1 = a · b", "-2.0000", "∂y/∂v1 = ∂y/∂y", "1.0000"],
        ["b", "2.0000", "∂y/∂b = a · ∂y/∂v1", "-1.0000"],
        ["a", "-1.0000", "∂y/∂a = 1/2 · ∂y/∂v2 + b · ∂y/∂v1", "1.5000"],
    ]
    edges = re.findall(r'^    (\w+) -- "(.+)" --> (\w+)$', mermaid(trace), re.MULTILINE)
    assert edges == [("a", "b", "v1"), ("b", "a", "v1"), ("a", "1/2", "v2"), ("v1", "1", "y"), ("v2", "−1", "y")]


def test_one_number_used_twice_gets_both_contributions():
    trace = Trace()
    (x,) = trace.inputs(x=3)
    trace.outputs(y=x * x)
    assert trace.adjoints("y")["x"] == trace.tangents(x=1)["y"] == 6
    assert trace.adjoints("y", seed=2)["x"] == 12


# ---- Misuse ----


def test_what_cannot_work_is_a_clear_error():
    a, b = symbols("a b")
    trace, other = Trace(), Trace()
    (x,), (z,) = trace.inputs(x=1), other.inputs(z=1)
    with pytest.raises(ValueError, match="no line called 'q'; it has x"):
        trace.adjoints("q")
    with pytest.raises(ValueError, match="has a line called 'x' already"):
        trace.inputs(x=2)
    with pytest.raises(ValueError, match="numbers of another one"):
        x * z
    with pytest.raises(ValueError, match="y is not computed from inputs of this trace"):
        trace.outputs(y=3.0)
    assert [step.name for step in trace.steps] == ["x"]
    with pytest.raises(TypeError, match="is no variable"):
        (a * b).partial(a * b)
    with pytest.raises(ValueError, match="no value for b"):
        (a * b).evaluate({"a": 1})
    with pytest.raises(ValueError, match="squares only, got the exponent 3"):
        a**3
    with pytest.raises(TypeError, match="got ndarray"):
        a * np.ones(2)
    with pytest.raises(TypeError, match="got Tensor"):
        x * rg.ones(2)


def test_numpy_scalars_are_numbers():
    y = np.float64(2) * Dual(3.0, 1.0) - np.int64(1)
    assert (y.value, y.tangent) == (5, 2)
