"""Einstein sums against NumPy's, over equations drawn at random, and the errors that point into the equation."""

import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import rgrad as rg

SIZES = {"a": 2, "b": 3, "c": 4, "D": 1, "E": 5}


@st.composite
def contractions(draw) -> tuple[str, list[tuple[int, ...]]]:
    """An equation and the shapes of its operands, with ellipses, repeated letters, and any or no result."""
    count = draw(st.integers(1, 4))
    with_ellipsis = draw(st.booleans())
    common = draw(st.lists(st.integers(1, 3), max_size=2)) if with_ellipsis else []
    terms, shapes = [], []
    for _ in range(count):
        letters = draw(st.lists(st.sampled_from(sorted(SIZES)), max_size=3))
        shape = [SIZES[letter] for letter in letters]
        term = list(letters)
        if with_ellipsis and draw(st.booleans()):
            own = common[len(common) - draw(st.integers(0, len(common))) :]
            own = [n if draw(st.booleans()) else 1 for n in own]
            at = draw(st.integers(0, len(letters)))
            term.insert(at, "...")
            shape[at:at] = own
        terms.append("".join(term))
        shapes.append(tuple(shape))
    equation = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set("".join(terms)) - {"."})
        result = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        # NumPy insists on the ellipsis in the result; its place is free.
        if "..." in equation:
            result.insert(draw(st.integers(0, len(result))), "...")
        equation += "->" + "".join(result)
    return equation, shapes


@hypothesis.settings(max_examples=400)
@hypothesis.given(contractions())
def test_einsum_is_numpys(contraction):
    equation, shapes = contraction
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(s) for s in shapes]
    expected = np.einsum(equation, *arrays)
    got = rg.einsum(equation, *[rg.tensor(np.asarray(a)) for a in arrays])
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-11, atol=1e-11)


def test_ellipses_that_the_result_does_not_name_are_summed_over(rng):
    x = rng.standard_normal((2, 3, 4))
    np.testing.assert_allclose(rg.einsum("...i->i", rg.tensor(x)).numpy(), x.sum((0, 1)), rtol=1e-13)


def test_sizes_of_one_broadcast():
    a, b = rg.ones(2, 1), rg.full((3, 4), 2.0)
    assert rg.einsum("ij,jk->ik", a, b).tolist() == [[6.0] * 4] * 2


def test_operands_may_be_a_list_arrays_or_integers():
    a, b = rg.tensor([[1, 2], [3, 4]], dtype="int32"), rg.tensor([1, 10], dtype="int32")
    got = rg.einsum("ij,j->i", [a, b])
    assert (got.tolist(), got.dtype) == ([21, 43], rg.int32)
    assert rg.einsum("i,i", np.array([1.0, 2.0]), rg.tensor([3.0, 4.0], dtype=rg.float64)).item() == 11.0
    assert rg.einsum("ii->i", a).tolist() == [1, 4]


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,j%->i", [(2, 3), (3,)], "'%' is not a letter at position 4 of \"ij,j%->i\""),
        ("i.j->i", [(2, 3)], '"." is not part of "..." at position 1'),
        ("...i...->i", [(2, 3)], 'the term has a second "..." at position 4'),
        ("i-j", [(2,)], '"-" is not followed by ">" at position 1'),
        ("i->i->i", [(2,)], 'there is a second "->" at position 4'),
        ("i->i,i", [(2,)], "the result has a second term at position 4"),
        ("ij->ik", [(2, 3)], "no operand has the result's 'k' at position 5"),
        ("ij->ii", [(2, 3)], "the result names 'i' twice at position 5"),
        ("i,j", [(2,)], '"i,j" has 2 terms, one for every operand, and 1 operands were given'),
        ("ij,jk", [(2, 3), (3,)], "operand 1 of shape (3,) does not have 2 dimensions, as its term at position 3"),
        ("...ij", [(3,)], "operand 0 of shape (3,) does not have at least 2 dimensions, as its term at position 0"),
        ("ij,jk->ik", [(2, 3), (4, 2)], "dim 0 of operand 1 is 4, where 'j' was 3 before, at position 3"),
        ("ii->i", [(2, 3)], "dim 1 of operand 0 is 3, where 'i' was 2 before, at position 0"),
        ("ii->i", [(1, 3)], "dim 1 of operand 0 is 3, where 'i' was 1 before, at position 0"),
        ("...,...", [(2,), (3,)], "dim 0 of operand 1 is 3, where '.' was 2 before, at position 4"),
    ],
)
def test_errors_point_into_the_equation(equation, shapes, message):
    with pytest.raises(ValueError, match=re.escape("einsum: " + message)):
        rg.einsum(equation, *(rg.ones(s) for s in shapes))


def test_einsum_refuses_what_is_no_tensor():
    with pytest.raises(TypeError, match="expected a tensor, an array or a number, got str"):
        rg.einsum("i", "i")
    for many in ([0.0] * 3, range(10**30)):
        with pytest.raises(ValueError, match='einsum: "i,j" has 2 terms, one for every operand, and more operands'):
            rg.einsum("i,j", many)
    with pytest.raises(ValueError, match=r"has 1 terms.* 0 operands"):
        rg.einsum("i")
