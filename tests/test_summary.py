"""`rg.summary`: layers with shapes, parameters, FLOPs and bytes."""

import pytest

import rgrad as rg
from rgrad import nn


def test_layers_are_listed_with_what_they_take():
    model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Sequential(nn.Dropout(0.5), nn.Linear(30, 4, bias=False)))
    found = rg.summary(model, (8, 20))
    assert [layer.name for layer in found.layers] == ["0", "1", "2.0", "2.1"]
    assert [layer.kind for layer in found.layers] == ["Linear", "Tanh", "Dropout", "Linear"]
    assert [layer.output_shape for layer in found.layers] == [(8, 30), (8, 30), (8, 30), (8, 4)]
    assert [layer.parameters for layer in found.layers] == [20 * 30 + 30, 0, 0, 30 * 4]
    assert found.layers[3].flops == 2 * 8 * 30 * 4
    assert found.parameters == 20 * 30 + 30 + 30 * 4
    assert found.parameter_bytes == 4 * found.parameters
    assert found.flops >= 2 * 8 * (20 * 30 + 30 * 4)
    assert str(found).splitlines()[-2].split()[:2] == ["all", "750"]


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    model[1].eval()
    before = {name: t.tolist() for name, t in model.state_dict().items()}
    random = rg.get_rng_state()
    rg.summary(model, (5, 3))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert {name: t.tolist() for name, t in model.state_dict().items()} == before
    assert rg.get_rng_state() == random
    assert all(module._hooks is None or not module._hooks.after for module in model)


def test_a_layer_that_is_called_twice_has_its_parameters_once():
    class Twice(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(3, 3)

        def forward(self, x):
            return self.linear(self.linear(x))

    found = rg.summary(Twice(), 3)
    assert [(layer.name, layer.parameters) for layer in found.layers] == [("linear", 12), ("linear", 0)]
    assert found.parameters == 12


def test_what_cannot_be_compiled_has_no_count():
    class Peeking(nn.Module):
        def forward(self, x):
            return x * 2 if x.sum().item() > 1 else x

    found = rg.summary(nn.Sequential(Peeking(), nn.Linear(3, 1)), 3)
    assert found.layers[0].flops is None
    assert found.layers[1].flops == 6
    assert found.flops is None
    assert "?" in str(found)


def test_integers_and_a_single_layer():
    assert rg.summary(nn.Embedding(7, 2), (4,), "int64").layers[0].output_shape == (4, 2)
    assert rg.summary(nn.Linear(2, 1), 2).layers[0].name == "model"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((nn.Linear, 3), TypeError, "summary: model must be a Module, not Linear"),
        ((nn.Linear(3, 1), (0, 3)), TypeError, "summary: input_size must be positive integers"),
        ((nn.Linear(3, 1), ()), TypeError, "summary: input_size must be positive integers"),
        ((nn.Linear(3, 1), "3"), TypeError, "summary: input_size must be positive integers"),
        ((nn.Linear(3, 1), None), TypeError, "summary: input_size must be positive integers"),
        ((nn.Linear(3, 1), 4), ValueError, "4"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        rg.summary(*arguments)
