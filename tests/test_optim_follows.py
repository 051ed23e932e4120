"""Optimizers go on with the parameters of a model that was converted."""

import copy
import pickle
import warnings
from collections.abc import Callable

import pytest

import rgrad as rg

OPTIMIZERS: dict[str, Callable[..., rg.optim.Optimizer]] = {
    "SGD": lambda ps: rg.optim.SGD(ps, lr=0.1, momentum=0.9),
    "Adam": lambda ps: rg.optim.Adam(ps, lr=0.1, amsgrad=True),
    "AdamW": lambda ps: rg.optim.AdamW(ps, lr=0.1),
    "NAdam": lambda ps: rg.optim.NAdam(ps, lr=0.1),
    "RMSprop": lambda ps: rg.optim.RMSprop(ps, lr=0.1, momentum=0.9, centered=True),
    "Adagrad": lambda ps: rg.optim.Adagrad(ps, lr=0.1),
    "Adadelta": lambda ps: rg.optim.Adadelta(ps, lr=0.1),
    "LBFGS": lambda ps: rg.optim.LBFGS(ps, lr=0.1),
}


def step(model: rg.nn.Module, optimizer: rg.optim.Optimizer, dtype: rg.DType) -> float:
    x = rg.arange(6.0, dtype=dtype).reshape(2, 3)

    def closure() -> rg.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        return loss

    return float(optimizer.step(closure))


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_converted_model_is_trained_by_the_optimizer_made_before(make: Callable[..., rg.optim.Optimizer]) -> None:
    rg.manual_seed(0)
    model = rg.nn.Linear(3, 2)
    optimizer = make(model.parameters())
    step(model, optimizer, rg.float32)
    model.double()
    assert all(p is q for p, q in zip(optimizer.param_groups[0]["params"], model.parameters(), strict=True))
    # As if everything had been float64 when the optimizer was made.
    other = copy.deepcopy(model)
    fresh = make(other.parameters())
    fresh.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        assert step(model, optimizer, rg.float64) == step(other, fresh, rg.float64)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert p.dtype == rg.float64
        assert p.tolist() == q.tolist()
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_copies_and_unpickled_optimizers_follow_too() -> None:
    model = rg.nn.Linear(3, 2)
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    for again in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        model, optimizer = again((model, optimizer))
        before = model.weight.dtype
        model.to(rg.float64 if before == rg.float32 else rg.float32)
        assert optimizer.param_groups[0]["params"][0] is model.weight
        assert model.weight.dtype != before


def test_a_compiled_step_goes_on_with_a_converted_model() -> None:
    model = rg.nn.Linear(3, 2)
    optimizer = rg.optim.Adam(model.parameters(), lr=0.001)

    @rg.compile
    def train(x: rg.Tensor) -> rg.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    x = rg.ones(2, 3)
    losses = [train(x).item() for _ in range(3)]
    model.double()
    losses += [train(x.double()).item() for _ in range(3)]
    assert losses == sorted(losses, reverse=True)
    assert train(x.double()).dtype == rg.float64


def test_a_parameter_that_is_assigned_is_said_not_to_be_trained() -> None:
    model = rg.nn.Linear(3, 2)
    model.bias = rg.nn.Parameter(rg.zeros(2))
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="Linear.weight is another Parameter now.*create the optimizer again"):
        model.weight = rg.nn.Parameter(rg.zeros(2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.weight = rg.nn.Parameter(rg.zeros(2, 3))
        model.bias = model.bias
    del optimizer


def test_a_model_given_for_its_parameters_is_named() -> None:
    model = rg.nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"got Linear; write its \.parameters\(\)"):
        rg.optim.SGD(model)
    parameters = model.parameters()
    rg.optim.SGD(parameters)
    with pytest.raises(ValueError, match="gives them once only"):
        rg.optim.SGD(parameters)


SETTINGS = {
    "SGD": ["lr", "momentum", "weight_decay", "dampening"],
    "Adam": ["lr", "eps", "weight_decay"],
    "AdamW": ["lr", "eps", "weight_decay"],
    "NAdam": ["lr", "eps", "weight_decay", "momentum_decay"],
    "RMSprop": ["lr", "alpha", "eps", "weight_decay", "momentum"],
    "Adagrad": ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"],
    "Adadelta": ["lr", "rho", "eps", "weight_decay"],
    "LBFGS": ["lr", "tolerance_grad", "tolerance_change"],
}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, True, "0.1", None, [0.1]], ids=repr)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_finite_numbers_whenever_they_are_set(name: str, value: object) -> None:
    cls = getattr(rg.optim, name)
    p = rg.zeros(2, requires_grad=True)
    for setting in SETTINGS[name]:
        with pytest.raises((TypeError, ValueError), match=setting):
            cls([p], **{setting: value})
        optimizer = cls([p])
        saved = optimizer.state_dict()
        saved["param_groups"][0][setting] = value
        with pytest.raises((TypeError, ValueError), match=setting):
            optimizer.load_state_dict(saved)


@pytest.mark.parametrize("step", [2**53 + 1, 2**63, 2**64 - 1, 2**64, -1, 0.5, "1"])
def test_counts_of_steps_that_cannot_be_are_refused(step: object) -> None:
    p = rg.zeros(2, requires_grad=True)
    optimizer = rg.optim.Adam([p])
    p.grad = rg.ones(2)
    optimizer.step()
    with pytest.raises((TypeError, ValueError), match="step must be"):
        optimizer.state[p]["step"] = step
    optimizer.state[p] = dict(optimizer.state[p], step=step)
    with pytest.raises((TypeError, ValueError), match="step of parameter 0"):
        optimizer.step()
