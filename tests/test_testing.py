"""The checker of derivatives is checked: it must pass right rules and catch rules that are wrong by 0.1 %."""

import numpy as np
import pytest

import rgrad as rg
from rgrad.testing import GradcheckError, gradcheck, gradgradcheck


def cube(reverse: float = 1.0, forward: float = 1.0, second: float = 1.0) -> type[rg.autograd.Function]:
    """x³ with rules that are off by these factors; ``second`` spoils the derivative of the reverse rule alone."""

    class Cube(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            still = x.detach()
            slope = still * still + second * (x * x - still * still)
            return 3 * reverse * slope * grad

        @staticmethod
        def jvp(ctx, tangent):
            (x,) = ctx.saved_tensors
            return 3 * forward * x * x * tangent

    return Cube


@pytest.fixture
def x(rng) -> rg.Tensor:
    return rg.tensor(rng.uniform(0.5, 2, (2, 3)), requires_grad=True)


@pytest.mark.parametrize("fast", [False, True])
def test_right_rules_pass(x, fast):
    assert gradcheck(cube().apply, x, fast_mode=fast)
    assert gradgradcheck(cube().apply, x, fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_a_reverse_rule_wrong_by_a_tenth_of_a_percent_is_caught(x, factor, fast):
    wrong = cube(reverse=factor).apply
    with pytest.raises(GradcheckError, match=r"reverse mode gives .* \(relative error 1\.0e-03\)"):
        gradcheck(wrong, x, fast_mode=fast)
    assert gradcheck(wrong, x, fast_mode=fast, raise_exception=False) is False


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_a_forward_rule_wrong_by_a_tenth_of_a_percent_is_caught(x, factor, fast):
    wrong = cube(forward=factor).apply
    with pytest.raises(GradcheckError, match=r"forward mode gives .* \(relative error 1\.0e-03\)"):
        gradcheck(wrong, x, fast_mode=fast)
    assert gradcheck(wrong, x, fast_mode=fast, check_forward=False)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_a_second_derivative_wrong_by_a_tenth_of_a_percent_is_caught(x, factor, fast):
    wrong = cube(second=factor).apply
    # The value, and so the first derivative, is right.
    assert gradcheck(wrong, x, fast_mode=fast)
    with pytest.raises(GradcheckError):
        gradgradcheck(wrong, x, fast_mode=fast)


def test_the_worst_entry_is_named():
    class Off(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad * rg.tensor([[1.001, 1.0, 1.0], [1.0, 1.5, 1.002]], dtype="float64")

    x = rg.tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(GradcheckError, match=r"^output 0\[1, 1\] .* input 0\[1, 1\]: reverse mode gives 1\.5"):
        gradcheck(Off.apply, x, check_forward=False)


def test_a_missing_gradient_is_caught(x):
    with pytest.raises(GradcheckError, match=r"reverse mode gives 2\.0, finite differences give (3\.0|2\.99)"):
        gradcheck(lambda x: x * 2 + x.detach(), x, check_forward=False)


def test_a_derivative_that_is_not_finite_is_caught():
    with pytest.raises(GradcheckError):
        gradcheck(rg.sqrt, rg.tensor([0.0], dtype="float64", requires_grad=True))


def test_only_inputs_that_require_gradients_are_checked(x):
    plain = rg.tensor(np.ones((2, 3), np.float32))
    assert gradcheck(lambda x, c: x * c.to("float64"), [x, plain])


def test_several_outputs_of_which_some_hold_integers(x):
    assert gradcheck(lambda x: (x * x, rg.argmax(x), x.sum()), x)


def test_nothing_of_the_caller_changes(x):
    before = x.tolist()
    gradcheck(rg.exp, x)
    gradgradcheck(rg.exp, x)
    assert x.grad is None
    assert x.tolist() == before


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(TypeError, match="float64"):
        gradcheck(rg.exp, rg.tensor([1.0], requires_grad=True))
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(rg.exp, rg.tensor([1.0], dtype=rg.float64))
