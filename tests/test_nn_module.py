"""Modules: what they are made of, their state, hooks and copies."""

import copy
import pickle
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        self.inner = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.scale = nn.Parameter([1.0])
        self.tied = self.inner[0]

    def forward(self, x: rg.Tensor) -> rg.Tensor:
        return x + self.inner(x) * self.scale


def test_names_of_parameters_are_pytorchs():
    assert [n for n, _ in mlp().named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    named = nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), out=nn.Linear(3, 1)))
    assert list(named.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]


def test_shared_modules_are_listed_once():
    names = [n for n, _ in Residual(4).named_parameters()]
    assert names == ["scale", "inner.0.weight", "inner.0.bias"]


def test_skip_connections_need_no_class(rng):
    model = Residual(4).to("float64")
    x = rg.tensor(rng.standard_normal((3, 4)))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_train_and_eval_reach_every_module():
    model = nn.Sequential(mlp(), mlp())
    assert all(m.training for m in model.modules())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    x = rg.randn(10, 4)
    np.testing.assert_array_equal(model[0](x).detach().numpy(), model[0](x).detach().numpy())
    assert all(m.training for m in model.train().modules())


def test_state_dict_round_trip():
    a, b = mlp().eval(), mlp().eval()
    x = rg.randn(5, 4)
    assert (a(x) != b(x)).numpy().any()
    b.load_state_dict(a.state_dict())
    np.testing.assert_array_equal(a(x).detach().numpy(), b(x).detach().numpy())
    arrays = {k: v.numpy().astype(np.float64) for k, v in a.state_dict().items()}
    b.load_state_dict(arrays)
    assert b[0].weight.dtype == rg.float32


def test_a_wrong_state_dict_lists_everything_and_loads_nothing():
    model = mlp()
    before = {k: v.tolist() for k, v in model.state_dict().items()}
    state = {k: v + 1 for k, v in model.state_dict().items()}
    del state["0.bias"]
    state["9.weight"] = rg.zeros(1)
    state["3.weight"] = rg.zeros(3, 9)
    with pytest.raises(ValueError, match=r"missing: 0\.bias") as e:
        model.load_state_dict(state)
    assert "unexpected: 9.weight" in str(e.value)
    assert "3.weight: expected shape (3, 8), got (3, 9)" in str(e.value)
    assert {k: v.tolist() for k, v in model.state_dict().items()} == before
    del state["3.weight"]
    model.load_state_dict(state, strict=False)
    assert model[0].weight.tolist() != before["0.weight"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_models(duplicate):
    model = mlp().eval()
    twin = duplicate(model)
    x = rg.randn(5, 4)
    np.testing.assert_array_equal(model(x).detach().numpy(), twin(x).detach().numpy())
    with rg.no_grad():
        twin[0].weight.zero_()
    assert (model[0].weight != 0).numpy().all()
    tied = duplicate(Residual(4))
    assert tied.tied is tied.inner[0]


def test_repr_shows_the_tree():
    assert repr(mlp()) == (
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=8, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Dropout(p=0.5)\n"
        "  (3): Linear(in_features=8, out_features=3, bias=True)\n"
        ")"
    )


class Scaled(nn.Module):
    """Has everything that a state can hold: parameters, buffers of both kinds, children before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.register_buffer("mean", rg.zeros(2))
        self.gain = nn.Parameter([1.0, 2.0])
        self.register_buffer("count", rg.tensor(0))
        self.register_buffer("cache", rg.ones(3), persistent=False)
        self.register_buffer("later", None)
        self.last = nn.Linear(2, 1, bias=False)

    def forward(self, x: rg.Tensor, shift: float = 0.0) -> rg.Tensor:
        return self.last(self.first(x - self.mean) * self.gain) + shift


def test_a_state_has_parameters_then_buffers_then_children():
    model = nn.Sequential(Scaled())
    names = ["0.gain", "0.mean", "0.count", "0.first.weight", "0.first.bias", "0.last.weight"]
    assert list(model.state_dict()) == names
    assert list(model[0].state_dict(prefix="net.")) == ["net." + n[2:] for n in names]
    assert [n for n, _ in model.named_buffers()] == ["0.mean", "0.count", "0.cache"]
    assert [n for n, _ in model[0].named_buffers("x")] == ["x.mean", "x.count", "x.cache"]
    assert list(model.buffers(recurse=False)) == []
    assert [n for n, _ in model[0].named_parameters(recurse=False)] == ["gain"]
    assert len(list(model.parameters())) == 4
    assert all(p.requires_grad for p in model.state_dict(keep_vars=True).values() if isinstance(p, nn.Parameter))


def test_buffers_are_saved_loaded_and_converted():
    model = Scaled()
    model.mean = rg.tensor([3.0, 4.0])
    model.count.add_(7)
    state = model.state_dict()
    other = Scaled()
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert other.mean.tolist() == [3.0, 4.0]
    assert other.count.item() == 7
    assert other.double() is other
    assert {k: v.dtype.name for k, v in other.state_dict().items() if k in ("gain", "mean", "count")} == {
        "gain": "float64",
        "mean": "float64",
        "count": "int64",
    }
    assert other.cache.dtype == rg.float64
    assert other.float().mean.dtype == rg.float32
    model.later = rg.ones(1)
    assert "later" in model.state_dict()
    del model.later
    assert "later" not in model.state_dict()
    model.later = "anything"


def test_registering_refuses_what_cannot_be_right():
    model = Scaled()
    with pytest.raises(TypeError, match="Parameter"):
        model.register_buffer("b", nn.Parameter([1.0]))
    with pytest.raises(TypeError, match="list"):
        model.register_buffer("b", [1.0])
    with pytest.raises(TypeError, match="Tensor"):
        model.register_parameter("p", rg.zeros(1))
    with pytest.raises(TypeError, match="function"):
        model.add_module("m", lambda x: x)
    for name in ("", "a.b", "forward", "training", "gain"):
        with pytest.raises(ValueError, match="register_buffer"):
            model.register_buffer(name, rg.zeros(1))
    with pytest.raises(ValueError, match="'mean'"):
        model.register_parameter("mean", nn.Parameter([1.0]))
    model.register_parameter("0", nn.Parameter([1.0]))
    model.register_module("1", nn.ReLU())
    assert model.get_parameter("0").tolist() == [1.0]
    assert isinstance(model.get_submodule("1"), nn.ReLU)


def test_a_parameter_cannot_silently_become_a_plain_tensor():
    model = Scaled()
    with pytest.raises(TypeError, match=r"Tensor to Linear\.weight, which is a Parameter"):
        model.first.weight = model.first.weight * 2
    with pytest.raises(TypeError, match="buffer"):
        model.mean = 3.0
    with pytest.raises(TypeError, match="Module"):
        model.first = rg.relu
    with pytest.raises(ValueError, match="children: every module has a method"):
        model.children = nn.ModuleList()
    model.first.bias = None
    model.first.bias = nn.Parameter([0.0, 0.0])
    model.mean = nn.Parameter([1.0, 1.0])
    assert [n for n, _ in model.named_parameters()][:2] == ["mean", "gain"]
    assert [n for n, _ in model.named_buffers()] == ["count", "cache"]


def test_shared_parameters_are_saved_under_every_name():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert len(list(model.parameters())) == 3
    assert len(list(model.named_parameters(remove_duplicate=False))) == 4
    model.to("float64")
    assert model[1].weight is model[0].weight
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin[1].weight is twin[0].weight
        assert twin[0].weight is not model[0].weight


def test_a_reference_to_a_module_above_is_no_part():
    model = nn.Sequential(nn.Linear(2, 2))
    model[0].parent = model
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert len(list(model.modules())) == 2
    assert "(parent): ..." in repr(model)
    visited = []
    model.apply(visited.append)
    assert visited == [model[0], model]


@dataclass
class Configured(nn.Module):
    width: int

    def __post_init__(self) -> None:
        self.layer = nn.Linear(self.width, 1)


def test_dataclasses_can_be_modules():
    assert [n for n, _ in nn.Sequential(Configured(3), Configured(3)).named_parameters()] == [
        "0.layer.weight",
        "0.layer.bias",
        "1.layer.weight",
        "1.layer.bias",
    ]


def test_loading_lists_entries_of_the_wrong_kind_too():
    model = nn.Linear(2, 1)
    before = model.weight.tolist()
    good = {"weight": np.ones((1, 2), np.int32), "bias": np.array([2.0])}
    for bias in ([2.0], 2.0, None, np.array(["a"]), np.array([1j])):
        with pytest.raises(ValueError, match="bias: "):
            model.load_state_dict({**good, "bias": bias})
        assert model.weight.tolist() == before
    with pytest.raises(ValueError, match=r"weight: expected shape \(1, 2\), got \(2,\)\n  bias: "):
        model.load_state_dict({"weight": rg.zeros(2), "bias": None}, strict=False)
    with pytest.raises(TypeError, match="list"):
        model.load_state_dict([1])
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    windows = np.lib.stride_tricks.sliding_window_view(np.zeros(4), 2, writeable=True)
    for unwritable in (rg.zeros(1).expand(3), rg.from_numpy(read_only), rg.from_numpy(windows)):
        model.register_buffer("shared", unwritable)
        with pytest.raises(ValueError, match=r"shared: .* register a copy"):
            model.load_state_dict({**good, "shared": rg.ones_like(unwritable)})
        assert model.weight.tolist() == before
        del model.shared
    found = model.load_state_dict({"bias": good["bias"], "head": rg.zeros(1)}, strict=False)
    assert found.missing_keys == ["weight"]
    assert found.unexpected_keys == ["head"]
    assert model.bias.tolist() == [2.0]
    model.load_state_dict(good)
    assert model.weight.tolist() == [[1.0, 1.0]]
    assert model.weight.dtype == rg.float32


def test_loading_between_forward_and_backward_is_noticed():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    loss = model(rg.ones(1, 2)).sum()
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_parts_are_found_by_their_names():
    model = nn.Sequential(OrderedDict(net=Scaled()))
    assert model.get_submodule("") is model
    assert model.get_submodule("net.first") is model.net.first
    assert model.get_parameter("net.first.weight") is model.net.first.weight
    assert model.get_buffer("net.mean") is model.net.mean
    with pytest.raises(AttributeError, match="Scaled at 'net' has no module 'second'"):
        model.get_submodule("net.second.0")
    with pytest.raises(AttributeError, match=r"net\.mean"):
        model.get_parameter("net.mean")
    with pytest.raises(AttributeError, match=r"net\.gain"):
        model.get_buffer("net.gain")


def test_apply_goes_through_children_first():
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()), nn.Tanh())
    seen = []
    assert model.apply(seen.append) is model
    assert [type(m).__name__ for m in seen] == ["Linear", "ReLU", "Sequential", "Tanh", "Sequential"]
    assert seen[-1] is model


def test_train_and_zero_grad():
    model = Scaled()
    with pytest.raises(TypeError, match="'yes'"):
        model.train("yes")
    model(rg.ones(1, 2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert all((p.grad == 0).numpy().all() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_to_keeps_what_has_the_dtype_and_refuses_integers():
    model = nn.Linear(2, 1)
    weight = model.weight
    assert model.to("float32").weight is weight
    model(rg.ones(1, 2)).sum().backward()
    assert model.double().weight.grad.dtype == rg.float64
    assert model.requires_grad_(False).float().weight.requires_grad is False
    with pytest.raises(TypeError, match="int64"):
        model.to("int64")


def test_repr_of_parts_with_lines_of_their_own():
    class Tree(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Sequential(nn.ReLU())

        def extra_repr(self) -> str:
            return "height=2,\nwidth=1"

    assert repr(Tree()) == "Tree(\n  height=2,\n  width=1\n  (inner): Sequential(\n    (0): ReLU()\n  )\n)"
