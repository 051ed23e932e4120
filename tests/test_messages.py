"""What goes wrong for users of other libraries is answered by what to write here."""

import inspect
import re

import numpy as np
import pytest

import rgrad as rg


class Foreign:
    """Another library's tensor."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **kwargs):
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class Framed:
    """A column of a data frame."""

    dtype = np.dtype("float64")

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array


VALUES = np.array([[1.0, 2.0]], dtype=np.float32)


@pytest.mark.parametrize("kind", [Foreign, Framed])
def test_operations_take_what_tensor_takes(kind: type) -> None:
    x, theirs = rg.ones(1, 2), kind(VALUES)
    assert rg.exp(theirs).tolist() == rg.exp(rg.tensor(VALUES)).tolist()
    assert (x + theirs).tolist() == (theirs + x).tolist() == [[2.0, 3.0]]
    assert rg.nn.Linear(2, 3)(theirs).shape == (1, 3)
    assert rg.mse_loss(x, theirs).item() == 0.5
    x += theirs
    assert x.tolist() == [[2.0, 3.0]]


def test_what_is_no_operand_is_named_with_its_module() -> None:
    with pytest.raises(TypeError, match=r"got .*test_messages\.Nothing"):
        rg.exp(Nothing())
    with pytest.raises(TypeError):
        rg.ones(1) + Nothing()


class Nothing:
    pass


def test_from_numpy_says_how_to_take_what_is_no_array() -> None:
    with pytest.raises(TypeError, match=r"from_numpy: .*Foreign; rg\.from_dlpack\(x\) shares its memory"):
        rg.from_numpy(Foreign(VALUES))
    with pytest.raises(TypeError, match=r"from_numpy: .*Framed; rg\.tensor\(x\) makes a copy"):
        rg.from_numpy(Framed(VALUES))


def test_a_change_in_place_is_answered_by_a_sum_that_keeps_gradients() -> None:
    x = rg.ones(2, requires_grad=True)
    loss = x.sum()
    for change in (lambda t: t.add_(x.sum()), lambda t: t.__iadd__(x.sum())):
        with pytest.raises(RuntimeError, match=re.escape("write x = x + y for x += y")) as refused:
            change(loss)
        assert "no_grad" not in str(refused.value)
        with pytest.raises(RuntimeError, match=re.escape("write x = x + y for x += y")):
            change(rg.zeros(()))
    with pytest.raises(RuntimeError, match="no_grad"):
        x.add_(1.0)


def test_one_hot_integers_are_no_labels() -> None:
    logits, labels = rg.zeros(2, 3), rg.tensor([0, 2])
    for loss in (rg.cross_entropy, rg.nll_loss):
        with pytest.raises(ValueError, match=r"holds int64, so it is no labels: .*target\.argmax\(1\)"):
            loss(logits, rg.one_hot(labels, 3))


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MSELoss", "BCELoss", "BCEWithLogitsLoss", "L1Loss"])
def test_a_loss_is_made_before_it_is_called(name: str) -> None:
    cls = getattr(rg.nn, name)
    with pytest.raises(TypeError, match=re.escape(f"write {name}()(input, target)")[6:]):
        cls(rg.zeros(2, 3), rg.tensor([0, 2]))


def test_tensors_that_require_gradients_are_stacked() -> None:
    x = rg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"rg\.stack"):
        rg.tensor([1.0, x[0]])
    with pytest.raises(RuntimeError, match=r"rg\.stack"):
        rg.tensor([[x[0], x[1]]])


def test_the_class_makes_floats_of_python_numbers() -> None:
    for data in ([1, 2], [[1], [2]], [True, False], 1.5):
        assert rg.Tensor(data).dtype == rg.get_default_dtype()
    assert rg.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert rg.Tensor(np.array([1, 2])).dtype == rg.Tensor(rg.tensor([1, 2])).dtype == rg.int64
    assert rg.Tensor([1, 2], dtype=rg.int32).dtype == rg.int32
    assert rg.nn.Parameter([1, 2]).requires_grad
    with pytest.raises(TypeError, match=r"rg\.tensor\(3\) for the number, or rg\.empty\(3\)"):
        rg.Tensor(3)
    endless: list = []
    endless.append(endless)
    with pytest.raises(ValueError, match="the lists hold themselves"):
        rg.Tensor(endless)


def test_a_scalar_is_formatted_as_its_number() -> None:
    loss = (rg.ones(2, requires_grad=True) * 0.25).sum()
    assert f"{loss}" == f"{loss.item()}" == "0.5"
    assert f"{loss:.3f}" == "0.500"
    assert f"{rg.tensor(3)} {rg.tensor(True)}" == "3 True"
    assert f"{rg.ones(1)}" == "tensor([1.])"


def test_manual_seed_gives_the_default_generator() -> None:
    generator = rg.manual_seed(7)
    assert generator.initial_seed() == 7
    first = rg.rand(3, generator=generator).tolist()
    assert rg.rand(3).tolist() != first
    rg.manual_seed(7)
    assert rg.rand(3).tolist() == first


def test_a_function_without_jvp_says_how_to_check_the_rest() -> None:
    class Double(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = rg.ones(2, dtype=rg.float64, requires_grad=True)
    with pytest.raises(NotImplementedError, match="check_forward=False"):
        rg.testing.gradcheck(Double.apply, [x])
    assert rg.testing.gradcheck(Double.apply, [x], check_forward=False)


@pytest.mark.parametrize(
    "name", ["uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_normal_", "kaiming_uniform_"]
)
def test_initialisers_write_to_tensors(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}: expected a tensor to write to, got numpy\.ndarray"):
        getattr(rg.nn.init, name)(np.zeros((2, 2)))
    with pytest.raises(TypeError, match=r"got builtins\.list"):
        getattr(rg.nn.init, name)([1.0])


@pytest.mark.parametrize("value", ["0.5", float("nan"), float("inf"), True, None])
def test_schedules_take_finite_numbers(value: object) -> None:
    def optimizer() -> rg.optim.Optimizer:
        return rg.optim.SGD([rg.zeros(1, requires_grad=True)], lr=0.1)

    schedules = rg.optim.lr_scheduler
    for make in (
        lambda: schedules.StepLR(optimizer(), 2, gamma=value),
        lambda: schedules.MultiStepLR(optimizer(), [2], gamma=value),
        lambda: schedules.ExponentialLR(optimizer(), value),
        lambda: schedules.ConstantLR(optimizer(), factor=value),
        lambda: schedules.LinearLR(optimizer(), start_factor=value),
        lambda: schedules.PolynomialLR(optimizer(), power=value),
        lambda: schedules.CosineAnnealingLR(optimizer(), 3, eta_min=value),
        lambda: schedules.CosineAnnealingWarmRestarts(optimizer(), 3, eta_min=value),
        lambda: schedules.ReduceLROnPlateau(optimizer(), factor=value),
        lambda: schedules.StepLR(optimizer(), value),
    ):
        with pytest.raises((TypeError, ValueError), match="must be"):
            make()


def test_modules_and_their_helpers_take_what_tensors_are_made_of():
    table = [[1.0, 2.0], [3.0, 4.0]]
    nn = rg.nn
    assert nn.Embedding.from_pretrained(table).weight.tolist() == table
    assert nn.Unflatten(1, (2, 1))(table).shape == (2, 2, 1)
    assert nn.BatchNorm1d(2).eval()(table).shape == (2, 2)
    w = nn.Parameter(rg.zeros(2))
    nn.utils.vector_to_parameters([5.0, 6.0], [w])
    assert w.tolist() == [5, 6]
    w.grad = rg.ones(2)
    nn.utils.clip_grads_with_norm_([w], 1.0, 2.0)
    np.testing.assert_allclose(w.grad.numpy(), 0.5, rtol=1e-5)


@pytest.mark.parametrize("name", ["get_parameter", "get_buffer", "get_submodule"])
def test_names_of_parts_are_strings(name):
    with pytest.raises(TypeError, match=f"{name}: expected a dotted name, got int"):
        getattr(rg.nn.Linear(2, 1), name)(3)


def test_signatures_show_their_defaults():
    assert str(inspect.signature(rg.nn.functional.mse_loss)) == "(input, target, reduction='mean')"
    assert str(inspect.signature(rg.sort)) == "(x, dim=-1, descending=False, stable=False)"
    assert str(inspect.signature(rg.nn.functional.layer_norm)).endswith("weight=None, bias=None, eps=1e-05)")
    assert "keepdim=False, *, dtype=None" in str(inspect.signature(rg.Tensor.sum))
    rooms = [rg, rg.Tensor, rg.Generator, rg.nn, rg.nn.functional, rg.nn.init, rg.nn.utils, rg.optim, rg.linalg]
    named = {f"{room.__name__}.{name}": getattr(room, name) for room in rooms for name in dir(room) if name[0] != "_"}
    shown = {name: inspect.signature(f).parameters.values() for name, f in named.items() if inspect.isroutine(f)}
    assert len(shown) > 400
    assert [name for name, parameters in shown.items() if any(p.default is ... for p in parameters)] == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (rg.nn.Linear(2, 1), "got Linear; write its .parameters()"),
        (rg.nn.Linear, "got the class Linear; write those of an instance"),
        (rg.nn.Linear(2, 1).parameters, "call it: model.parameters()"),
    ],
)
def test_optimizers_say_where_parameters_are(params, message) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        rg.optim.SGD(params)


def test_a_column_of_labels_or_targets_is_answered_by_what_to_write() -> None:
    column = rg.tensor([[0], [2]])
    for loss in (rg.cross_entropy, rg.nll_loss, rg.nn.CrossEntropyLoss(), rg.multi_margin_loss):
        with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 1\); .* write target\.squeeze\(1\)"):
            loss(rg.zeros(2, 3), column)
    for loss in (rg.mse_loss, rg.nn.L1Loss(), rg.nn.BCEWithLogitsLoss()):
        with pytest.raises(ValueError, match=r"\(2, 1\), target has shape \(2,\); write target\.unsqueeze\(1\)"):
            loss(rg.zeros(2, 1), rg.zeros(2))
        with pytest.raises(ValueError, match=r"\(2,\), target has shape \(2, 1\); write target\.squeeze\(1\)"):
            loss(rg.zeros(2), rg.zeros(2, 1))
        with pytest.raises(ValueError, match=r"target has shape \(3, 1\)$"):
            loss(rg.zeros(2), rg.zeros(3, 1))
