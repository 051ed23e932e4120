"""Hooks before and after modules, and on their gradients."""

import copy
import pickle

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn


class Scaled(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2)
        self.gain = nn.Parameter([1.0, 2.0])
        self.register_buffer("mean", rg.zeros(2))
        self.last = nn.Linear(2, 1, bias=False)

    def forward(self, x: rg.Tensor, shift: float = 0.0) -> rg.Tensor:
        return self.last(self.first(x - self.mean) * self.gain) + shift


def test_hooks_see_and_change_arguments_and_outputs():
    model, x, calls = Scaled(), rg.ones(1, 2), []
    plain = model(x).item()
    handle = model.register_forward_hook(lambda m, args, y: calls.append((m, args, y)))
    y = model(x)
    assert calls[0][0] is model
    assert calls[0][1][0] is x
    assert calls[0][2] is y
    handle.remove()
    handle.remove()
    model(x)
    assert len(calls) == 1
    with model.register_forward_pre_hook(lambda m, args: args[0] * 0 + m.mean):
        zero = model(x).item()
        np.testing.assert_allclose(zero, model.last(model.first.bias * model.gain).item(), rtol=1e-5)
    with model.register_forward_hook(lambda m, args, y: y * 2):
        assert model(x).item() == 2 * plain
    assert model(x).item() == plain


def test_hooks_with_keywords_and_their_order():
    model, x, order = Scaled(), rg.ones(1, 2), []
    plain = model(x).item()
    model.register_forward_pre_hook(lambda m, args, kwargs: (args, {"shift": kwargs["shift"] + 1}), with_kwargs=True)
    model.register_forward_hook(lambda m, args, kwargs, y: order.append(kwargs["shift"]), with_kwargs=True)
    model.register_forward_hook(lambda m, args, y: order.append("first"), prepend=True)
    assert abs(model(x, shift=2.0).item() - plain - 3) < 1e-5
    assert order == ["first", 3.0]
    model.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(TypeError, match=r"\(args, kwargs\)"):
        model(x, shift=2.0)
    with pytest.raises(TypeError, match="int"):
        model.register_forward_hook(3)


def double(module: nn.Module, args: tuple, output: rg.Tensor) -> rg.Tensor:
    return output * 2


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_buffers_and_hooks_of_their_own(duplicate):
    model, x = Scaled(), rg.ones(1, 2)
    model.handle = model.register_forward_hook(double)
    twin = duplicate(model)
    assert list(twin.state_dict()) == list(model.state_dict())
    assert twin(x).item() == model(x).item()
    model.mean.add_(1)
    assert twin.mean.tolist() == [0.0, 0.0]
    doubled = twin(x).item()
    model.handle.remove()
    assert twin(x).item() == doubled
    twin.handle.remove()
    assert twin(x).item() * 2 == doubled


def test_backward_hooks_see_the_gradients_of_arguments_and_output(rng):
    model, seen = nn.Linear(2, 3).double(), []
    handle = model.register_full_backward_hook(
        lambda m, grad_input, grad_output: seen.append((grad_input, grad_output))
    )
    x = rg.tensor(rng.standard_normal((4, 2)), requires_grad=True)
    weights = rg.tensor(rng.standard_normal((4, 3)))
    (model(x) * weights).sum().backward()
    ((grad_input,), (grad_output,)) = seen.pop()
    np.testing.assert_array_equal(grad_output.numpy(), weights.numpy())
    np.testing.assert_allclose(grad_input.numpy(), weights.numpy() @ model.weight.detach().numpy(), rtol=1e-13)
    np.testing.assert_array_equal(x.grad.numpy(), grad_input.numpy())
    # The first layer's argument is data.
    model(x.detach()).sum().backward()
    ((grad_input,), (grad_output,)) = seen.pop()
    assert grad_input is None
    assert grad_output.tolist() == np.ones((4, 3)).tolist()
    with rg.no_grad():
        assert not model(x).requires_grad
    handle.remove()
    model(x).sum().backward()
    assert seen == []


class TwoByTwo(nn.Module):
    def forward(self, x: rg.Tensor, y: rg.Tensor, name: str) -> tuple[rg.Tensor, rg.Tensor, str]:
        return x * 2, x * y, name


def test_backward_hooks_of_several_arguments_and_results():
    model, seen = TwoByTwo(), []
    model.register_full_backward_hook(lambda m, *grads: seen.append(grads))
    x, y = rg.tensor([3.0], requires_grad=True), rg.tensor([5.0], requires_grad=True)
    twice, product, name = model(x, y, "name")
    assert name == "name"
    (twice * 10 + product * 100).sum().backward()
    ((gx, gy, none), (gt, gp, also_none)) = seen.pop()
    assert [gx.item(), gy.item(), gt.item(), gp.item()] == [520.0, 300.0, 10.0, 100.0]
    assert none is None
    assert also_none is None
    assert (x.grad.item(), y.grad.item()) == (520.0, 300.0)


def test_backward_hooks_replace_gradients():
    model, x = nn.Linear(2, 3), rg.ones(1, 2, requires_grad=True)
    model.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 2,))
    model.register_full_backward_hook(lambda m, grad_input, grad_output: grad_input[0] + 1, prepend=True)
    model(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy()[0], 2 * (model.weight.detach().numpy().sum(0) + 1), rtol=1e-6)
    assert model.weight.grad.tolist() == np.ones((3, 2)).tolist()
    for wrong in (rg.zeros(7), (None,), (rg.zeros(1, 2), rg.zeros(1, 2)), "gradient"):
        with (
            model.register_full_backward_hook(lambda m, grad_input, grad_output, wrong=wrong: wrong),
            pytest.raises(ValueError, match="a backward hook of Linear"),
        ):
            model(x).sum().backward()
    odd = nn.Module()
    odd.forward = lambda x: {"y": x}
    odd.register_full_backward_hook(double)
    with pytest.raises(TypeError, match="dict"):
        odd(x)


def test_forward_mode_passes_backward_hooks():
    model = nn.Linear(2, 3)
    x, v = rg.randn(1, 2), rg.randn(1, 2)
    expected = rg.jvp(model, (x,), (v,))
    model.register_full_backward_hook(double)
    for a, b in zip(expected, rg.jvp(model, (x,), (v,)), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
