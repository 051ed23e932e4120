"""Element-wise operations where they are delicate: kinks, special values, dtypes, operators, errors."""

import math
import operator

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from cases import tensors
from hypothesis.extra import numpy as hnp

import rgrad as rg

pytestmark = pytest.mark.every_isa

INF, NAN = math.inf, math.nan
INTEGERS = ["uint8", "int32", "int64"]
DTYPES = ["bool", *INTEGERS, "float32", "float64"]


# ---- Kinks and accuracy ----


def slope(function, *at, wrt=0):
    xs = [rg.tensor(a, dtype=rg.float64, requires_grad=True) for a in at]
    function(*xs).sum().backward()
    return xs[wrt].grad.tolist()


def test_derivatives_at_kinks_are_pytorchs():
    assert slope(rg.abs, 0.0) == slope(rg.sign, 0.0) == slope(rg.relu, 0.0) == slope(rg.round, 0.5) == 0.0
    assert slope(rg.maximum, 1.0, 1.0) == slope(rg.minimum, 1.0, 1.0, wrt=1) == 0.5
    assert slope(lambda x: rg.clamp(x, 0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0]) == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert slope(rg.hypot, 0.0, 0.0) == slope(rg.atan2, 0.0, 0.0) == 0.0
    assert slope(lambda x: rg.nan_to_num(x), [NAN, INF, 1.0]) == [0.0, 0.0, 1.0]
    assert slope(rg.xlogy, 0.0, 0.0) == slope(rg.xlogy, 0.0, 0.0, wrt=1) == 0.0
    assert slope(rg.logaddexp, -INF, -INF) == 0.5
    assert slope(rg.pow, 0.0, 0.0) == slope(rg.pow, 0.0, 2.0, wrt=1) == 0.0


def test_derivatives_are_accurate_near_the_ends():
    near = 1 - 2.0**-40
    assert slope(rg.asin, near) == pytest.approx(1 / math.sqrt(2.0**-40 * (2 - 2.0**-40)), rel=1e-14)
    assert slope(rg.atanh, near) == pytest.approx(1 / (2.0**-40 * (2 - 2.0**-40)), rel=1e-14)
    assert slope(rg.acosh, 1 + 2.0**-40) == pytest.approx(1 / math.sqrt(2.0**-40 * (2 + 2.0**-40)), rel=1e-14)
    assert slope(rg.logit, 2.0**-60) == pytest.approx(2.0**60, rel=1e-14)
    assert slope(rg.asinh, 1e300) == pytest.approx(1e-300, rel=1e-14)
    assert slope(rg.hypot, 3e200, 4e200) == pytest.approx(0.6, rel=1e-14)
    assert slope(rg.atan2, 3e200, 4e200) == pytest.approx(0.16e-200, rel=1e-14)


SPECIAL = np.array([NAN, INF, -INF, 0.0, -0.0, 5e-324, -5e-324, 1.7e308, 0.5, -0.5, 1.0, -1.0, 2.0])
SAME = {
    "exp2": np.exp2, "log2": np.log2, "log10": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "trunc": np.trunc, "ceil": np.ceil, "floor": np.floor, "round": np.round,
    "abs": np.abs, "nan_to_num": np.nan_to_num, "sqrt": np.sqrt, "exp": np.exp, "log": np.log,
}  # fmt: skip
SAME_OF_TWO = {
    "atan2": np.arctan2, "hypot": np.hypot, "fmod": np.fmod, "remainder": np.remainder, "logaddexp": np.logaddexp,
    "floor_divide": np.floor_divide, "maximum": np.maximum, "minimum": np.minimum, "pow": np.power,
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_special_values_of_one_number(name):
    with np.errstate(all="ignore"):
        expected = SAME[name](SPECIAL)
    got = getattr(rg, name)(rg.tensor(SPECIAL)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    real = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(expected[real]))


@pytest.mark.parametrize("name", SAME_OF_TWO)
def test_special_values_of_two_numbers(name):
    a, b = SPECIAL[:, None], SPECIAL
    with np.errstate(all="ignore"):
        expected = SAME_OF_TWO[name](a, b)
    got = getattr(rg, name)(rg.tensor(a), rg.tensor(b)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_functions_at_their_ends():
    assert rg.logit(rg.tensor([0.0, 0.5, 1.0])).tolist() == [-INF, 0.0, INF]
    assert rg.erfinv(rg.tensor([-1.0, 0.0, 1.0])).tolist() == [-INF, 0.0, INF]
    assert rg.xlogy(rg.tensor([0.0, 0.0, 0.0]), rg.tensor([0.0, INF, NAN])).tolist()[:2] == [0.0, 0.0]
    assert rg.lerp(rg.tensor([1.0, 1e8]), rg.tensor([1e-8, 1.0]), 1.0).tolist() == rg.tensor([1e-8, 1.0]).tolist()
    assert rg.clamp(rg.tensor(5.0), 3.0, 1.0).item() == 1.0
    assert not rg.allclose(rg.tensor([INF]), rg.tensor([1.0]))
    assert rg.allclose(np.array([1.0, NAN], np.float32), rg.tensor([1.0, NAN]), equal_nan=True)
    assert rg.equal(rg.tensor([1, 2]), rg.tensor([1.0, 2.0]))
    assert not rg.equal(rg.tensor([1]), rg.tensor([1, 1]))


# ---- Dtypes ----


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion(a, b):
    x, y = rg.ones(2, dtype=a), rg.ones(2, dtype=b)
    common = DTYPES[max(DTYPES.index(a), DTYPES.index(b))]
    assert str(rg.where(x == y, x, y).dtype) == f"rgrad.{common}"
    floats = common if common.startswith("float") else "float32"
    for function in (rg.div, rg.atan2, rg.hypot, rg.logaddexp, rg.xlogy):
        assert str(function(x, y).dtype) == f"rgrad.{floats}"
    if common != "bool":
        for function in (rg.add, rg.sub, rg.mul, rg.pow, rg.floor_divide, rg.remainder, rg.fmod, rg.maximum):
            assert str(function(x, y).dtype) == f"rgrad.{common}"
    assert rg.float_power(x, y).dtype == rg.float64
    assert rg.logical_and(x, y).dtype == rg.isclose(x, y).dtype == (x < y).dtype == rg.bool


@pytest.mark.parametrize("dtype", DTYPES)
def test_python_numbers_adapt(dtype):
    x = rg.ones(2, dtype=dtype)
    if dtype != "bool":
        assert (x + 1).dtype == (2**x).dtype == (x // 1).dtype == rg.add(1, x).dtype == x.dtype
    floats = dtype if dtype.startswith("float") else "float32"
    assert str((x + 0.5).dtype) == str(rg.pow(0.5, x).dtype) == str(rg.hypot(x, 1).dtype) == f"rgrad.{floats}"


def test_functions_of_python_numbers_give_the_default_dtype():
    assert rg.exp(1.0).dtype == rg.sin(1).dtype == rg.abs(-1.5).dtype == rg.round(1.5).dtype == rg.float32
    assert rg.abs(-1).dtype == rg.int64


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", ["sin", "exp2", "log2", "asinh", "erf", "rsqrt", "sigmoid", "logit", "lerp"])
def test_integers_become_floats(name, dtype):
    x = rg.ones(2, dtype=dtype)
    args = (x, 0.5) if name == "lerp" else ()
    assert getattr(rg, name)(x, *args).dtype == rg.float32


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_integers_are_whole_already(dtype):
    x = rg.ones(2, dtype=dtype)
    for function in (rg.floor, rg.ceil, rg.trunc, rg.round, rg.nan_to_num):
        assert rg.equal(function(x), x)
        assert function(x).dtype == x.dtype
    with pytest.raises(TypeError, match="decimals=-1"):
        rg.round(x, -1)


OF_INTEGERS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "floor_divide": np.floor_divide,
    "remainder": np.remainder, "fmod": np.fmod, "maximum": np.maximum, "minimum": np.minimum,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
}  # fmt: skip


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", OF_INTEGERS)
def test_integers_against_numpy(name, dtype, rng):
    low, high = (0, 256) if dtype == "uint8" else (-(2**31), 2**31)
    a, b = (rng.integers(low, high, (5, 7)).astype(dtype) for _ in range(2))
    a[0, :3] = np.iinfo(dtype).min
    b[b == 0] = 3
    got = getattr(rg, name)(rg.tensor(a.T.copy()).T, rg.tensor(b)).numpy()
    assert got.dtype == a.dtype
    np.testing.assert_array_equal(got, OF_INTEGERS[name](a, b))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_powers_quotients_and_unary_functions(dtype):
    a, b = np.array([0, 2, 3, 7], dtype), np.array([0, 5, 3, 2], dtype)
    x, y = rg.tensor(a), rg.tensor(b)
    np.testing.assert_array_equal((x**y).numpy(), a**b)
    np.testing.assert_array_equal(rg.pow(x, 2).numpy(), a**2)
    signed = rg.tensor([7, -7, 6], dtype="int64")
    assert rg.div(signed, 2, rounding_mode="trunc").tolist() == [3, -3, 3]
    assert rg.div(signed, 2, rounding_mode="floor").tolist() == [3, -4, 3]
    for name in ("abs", "sign", "square", "neg"):
        np.testing.assert_array_equal(getattr(rg, name)(x).numpy(), getattr(np, {"neg": "negative"}.get(name, name))(a))
    np.testing.assert_array_equal((~x).numpy(), ~a)


def test_truth_values():
    a, b = np.array([True, True, False]), np.array([True, False, False])
    x, y = rg.tensor(a), rg.tensor(b)
    for function in (operator.and_, operator.or_, operator.xor):
        np.testing.assert_array_equal(function(x, y).numpy(), function(a, b))
        assert function(x, True).dtype == function(True, x).dtype == rg.bool
    assert (~x).tolist() == rg.logical_not(x).tolist() == [False, False, True]
    assert (x & rg.tensor([3, 2, 1])).dtype == rg.int64


# ---- Operators and in-place forms ----


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lt", "ge", "eq"]
)
def test_operators(name):
    f = getattr(operator, name)
    a, b = np.array([[7], [12]]), np.array([2, 3, 5])
    x = rg.tensor(a)
    for ours, theirs in [
        ((x, rg.tensor(b)), (a, b)),
        ((x, b), (a, b)),
        ((b, x), (b, a)),
        ((x, 3), (a, 3)),
        ((3, x), (3, a)),
    ]:
        got = f(*ours)
        assert isinstance(got, rg.Tensor)
        np.testing.assert_allclose(got.numpy(), f(*theirs), rtol=1e-6)


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"])
def test_in_place_operators(name):
    f = getattr(operator, name)
    a = np.array([7, 12, 5])
    x = rg.tensor(a)
    assert f(x, 3) is x
    assert x.tolist() == f(a, 3).tolist()


def test_in_place_methods():
    x = rg.tensor([4.0, -9.0])
    where = x.data_ptr()
    assert x.abs_().sqrt_().tolist() == [2.0, 3.0]
    assert x.pow_(2).neg_().clamp_(-5, None).tolist() == [-4.0, -5.0]
    assert x.floor_divide_(3).remainder_(4.0).tolist() == [2.0, 2.0]
    assert x.data_ptr() == where
    whole = rg.tensor([4, 9])
    with pytest.raises(TypeError, match=r"float32.*int64"):
        whole.sqrt_()
    with pytest.raises(ZeroDivisionError):
        whole //= 0
    assert whole.tolist() == [4, 9]
    leaf = rg.tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.clamp_(0, 1)


@hypothesis.given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, min_side=0, max_side=9),
    name=st.sampled_from(["atan2", "hypot", "logaddexp", "xlogy", "fmod", "remainder", "pow", "minimum"]),
)
def test_broadcasting(shapes, name):
    random = np.random.default_rng(0)
    a, b = (random.uniform(0.5, 2, s) for s in shapes.input_shapes)
    x, y = tensors([a, b], grad=True)
    z = getattr(rg, name)(x, y)
    numpy = {"xlogy": lambda a, b: a * np.log(b)} | SAME_OF_TWO
    np.testing.assert_allclose(z.detach().numpy(), numpy[name](a, b), rtol=1e-13, atol=1e-14)
    z.backward(rg.ones_like(z))
    assert (x.grad.shape, y.grad.shape) == (a.shape, b.shape)


# ---- Errors ----


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_integers_are_not_divided_by_zero(name):
    x = rg.tensor([1, 2])
    with pytest.raises(ZeroDivisionError, match=rf"{name}.*float32"):
        getattr(rg, name)(x, rg.tensor([1, 0]))
    assert getattr(rg, name)(x, rg.tensor([], dtype="int64").reshape(0, 1)).shape == (0, 2)


def test_errors_name_the_operation_and_what_it_got():
    x, b = rg.tensor([1, 2]), rg.tensor([True, False])
    with pytest.raises(ValueError, match=r"pow.*negative"):
        rg.pow(x, rg.tensor([1, -1]))
    with pytest.raises(ValueError, match=r"pow.*negative"):
        2 ** rg.tensor([-1])
    with pytest.raises(TypeError, match=r"bitwise_and.*float32"):
        x & rg.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"bitwise_not.*float32"):
        rg.bitwise_not(rg.tensor([1.0]))
    with pytest.raises(TypeError, match=r"neg.*bool"):
        rg.neg(b)
    with pytest.raises(TypeError, match=r"sub.*bool"):
        rg.sub(b, b)
    with pytest.raises(ValueError, match=r"rounding_mode.*'?up"):
        rg.div(x, 2, rounding_mode="up")
    with pytest.raises(ValueError, match="eps"):
        rg.logit(x, eps=0.7)
    with pytest.raises(ValueError, match=r"atan2.*2.*3"):
        rg.atan2(rg.zeros(2), rg.zeros(3))
    with pytest.raises(ValueError, match=r"lt.*2.*3"):
        rg.lt(rg.zeros(2), rg.zeros(3))
    with pytest.raises(ValueError, match="rtol"):
        rg.isclose(x, x, rtol=-1.0)


def test_python_integers_that_a_dtype_cannot_hold():
    x = rg.tensor([1, 255], dtype="uint8")
    for n in (-1, 256):
        with pytest.raises(ValueError, match=rf"{n}.*uint8"):
            x + n
        with pytest.raises(ValueError, match=rf"{n}.*uint8"):
            x & n
        # Comparisons are of numbers, not of bits.
        assert (x == n).tolist() == [False, False]
    assert (x > -1).tolist() == [True, True]
    with pytest.raises(ValueError, match="uint8"):
        x**-1


@pytest.mark.parametrize(("name", "sign"), [("add", 1), ("sub", -1)])
def test_a_multiple_of_integers_has_the_precision_of_the_result(name, sign):
    x, n = rg.tensor([0.25, 1.0], dtype="float64"), rg.tensor([3, -7])
    assert getattr(rg, name)(x, n, alpha=0.1).tolist() == [0.25 + sign * (3 * 0.1), 1.0 + sign * (-7 * 0.1)]
    # Of integers alone, a Python float makes the default dtype as everywhere.
    assert getattr(rg, name)(n, n, alpha=0.1).dtype == rg.float32
