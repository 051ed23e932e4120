"""Sequences, lists and dicts of modules and of parameters."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def kinds(modules) -> list[str]:
    return [type(m).__name__ for m in modules]


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_children()]


def test_sequential_is_a_sequence():
    model = mlp()
    assert len(model) == 4
    assert isinstance(model[-1], nn.Linear)
    assert kinds(model) == ["Linear", "ReLU", "Dropout", "Linear"]
    assert model[1] in model
    assert nn.ReLU() not in model
    with pytest.raises(IndexError, match="index 4 is out of range for 4"):
        model[4]
    with pytest.raises(TypeError, match="function at 1"):
        nn.Sequential(nn.ReLU(), lambda x: x)
    with pytest.raises(TypeError, match="list at 0"):
        nn.Sequential([nn.ReLU()])
    with pytest.raises(ValueError, match="'train'"):
        nn.Sequential(OrderedDict(train=nn.ReLU()))
    x = rg.ones(2)
    assert nn.Sequential()(x) is x


def test_sequential_is_changed_in_place():
    model = mlp()
    assert model.append(nn.Tanh()) is model
    assert kinds(model.extend([nn.ReLU(), nn.Sigmoid()]))[4:] == ["Tanh", "ReLU", "Sigmoid"]
    assert kinds(model.insert(1, nn.Sigmoid()))[:3] == ["Linear", "Sigmoid", "ReLU"]
    assert isinstance(model.pop(), nn.Sigmoid)
    assert isinstance(model.pop(1), nn.Sigmoid)
    del model[1:3]
    assert kinds(model) == ["Linear", "Linear", "Tanh", "ReLU"]
    assert names(model) == ["0", "1", "2", "3"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    model += [nn.Tanh()]
    assert kinds(model + nn.Sequential(nn.ReLU()))[3:] == ["ReLU", "Tanh", "ReLU"]
    assert len(model) == 5
    before = list(model)
    with pytest.raises(TypeError, match="int at 6"):
        model.extend([nn.ReLU(), 3])
    with pytest.raises(IndexError, match="9"):
        model.insert(9, nn.ReLU())
    with pytest.raises(IndexError, match="7"):
        del model[7]
    assert list(model) == before


def test_a_module_of_a_sequence_can_be_replaced(rng):
    model = nn.Sequential(OrderedDict(body=nn.Linear(2, 2), head=nn.Linear(2, 3)))
    model[-1] = nn.Linear(2, 5)
    assert names(model) == ["body", "head"]
    assert model(rg.ones(1, 2)).shape == (1, 5)
    assert names(model + nn.Sequential(nn.Tanh())) == ["0", "1", "2"]
    model.head = nn.Linear(2, 7)
    assert model(rg.ones(1, 2)).shape == (1, 7)
    with pytest.raises(TypeError, match="NoneType at 0"):
        model[0] = None


def test_slices_share_modules_and_keep_their_names():
    model = mlp()
    tail = model[2:]
    assert isinstance(tail, nn.Sequential)
    assert list(tail.state_dict()) == ["3.weight", "3.bias"]
    assert tail[1].weight is model[3].weight
    tail.append(nn.ReLU())
    assert kinds(tail) == ["Dropout", "Linear", "ReLU"]
    assert kinds(model[::-1]) == ["Linear", "Dropout", "ReLU", "Linear"]


class Named(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, width), nn.ReLU())


def test_slices_of_subclasses():
    model = Named(3)
    assert kinds(model[:1]) == ["Linear"]
    assert model[:1](rg.ones(1, 3)).shape == (1, 3)


def test_one_module_may_stand_in_several_places():
    act, layer = nn.Tanh(), nn.Linear(2, 2)
    model = nn.Sequential(layer, act, layer, act)
    x = rg.ones(1, 2)
    np.testing.assert_array_equal(model(x).detach().numpy(), act(layer(act(layer(x)))).detach().numpy())
    assert len(list(model.parameters())) == 2
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert repr(model).count("Tanh") == 2


def test_module_list():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    model = nn.Module()
    model.layers = layers
    assert [n for n, _ in model.named_parameters()] == [f"layers.{i}.{n}" for i in range(3) for n in ("weight", "bias")]
    assert layers[0] is next(iter(layers))
    assert names(layers[1:]) == ["0", "1"]
    layers.insert(1, nn.ReLU())
    assert names(layers) == ["0", "1", "2", "3"]
    assert isinstance(layers.pop(1), nn.ReLU)
    layers.append(nn.ReLU())
    assert repr(layers) == (
        "ModuleList(\n  (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)\n  (3): ReLU()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(rg.ones(2))
    with pytest.raises(TypeError, match="expected modules, got Parameter at 0"):
        nn.ModuleList([nn.Parameter([1.0])])


def test_module_dict():
    heads = nn.ModuleDict({"small": nn.Linear(2, 1), "large": nn.Linear(2, 9)})
    assert list(heads) == ["small", "large"]
    assert heads["large"](rg.ones(1, 2)).shape == (1, 9)
    assert "small" in heads
    assert "forward" not in heads
    heads["small"] = nn.Identity()
    assert [(k, type(m).__name__) for k, m in heads.items()] == [("small", "Identity"), ("large", "Linear")]
    assert list(heads.state_dict()) == ["large.weight", "large.bias"]
    with pytest.raises(KeyError, match="medium"):
        heads["medium"]
    for key in ("forward", "keys", "a.b", ""):
        with pytest.raises(ValueError, match="ModuleDict"):
            heads.update({"good": nn.ReLU(), key: nn.ReLU()})
    with pytest.raises(TypeError, match="int at good"):
        heads["good"] = 3
    assert list(heads.keys()) == ["small", "large"]
    assert heads.pop("small") is not None
    del heads["large"]
    assert len(heads) == 0
    heads.update([("a", nn.ReLU())])
    heads.clear()
    assert list(heads.values()) == []


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_parameter_lists_and_dicts(duplicate):
    model = nn.Module()
    model.weights = nn.ParameterList([nn.Parameter([1.0, 2.0]), rg.zeros(2, 3)])
    model.named = nn.ParameterDict({"scale": rg.ones(()), "shift": nn.Parameter([0.0])})
    expected = ["weights.0", "weights.1", "named.scale", "named.shift"]
    assert list(model.state_dict()) == expected
    assert all(p.requires_grad for p in model.parameters())
    assert repr(model.weights) == (
        "ParameterList(\n"
        "  (0): Parameter containing: [rgrad.float32 of size 2]\n"
        "  (1): Parameter containing: [rgrad.float32 of size 2x3]\n"
        ")"
    )
    assert model.weights[0] in model.weights
    assert nn.Parameter([1.0, 2.0]) not in model.weights
    (model.weights[0] * model.named["scale"]).sum().backward()
    assert model.named["scale"].grad.item() == 3.0
    twin = duplicate(model)
    assert list(twin.state_dict()) == expected
    assert len(twin.weights) == 2
    twin.weights.append(rg.zeros(1))
    assert len(model.weights) == 2
    with pytest.raises(TypeError, match="expected parameters, got Linear at 0"):
        nn.ParameterList([nn.Linear(1, 1)])
    with pytest.raises(TypeError, match="list at a"):
        nn.ParameterDict({"a": [1.0]})
