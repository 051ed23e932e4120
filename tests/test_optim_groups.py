"""Groups and states of optimizers as the mappings that users see, eagerly and in compiled steps."""

import copy
import json
import pickle
from collections.abc import Mapping, MutableMapping
from contextlib import contextmanager

import numpy as np
import pytest

import rgrad as rg
from rgrad import optim


def adam(**settings):
    p = rg.ones(2, requires_grad=True)
    optimizer = optim.Adam([p], **settings)
    p.grad = rg.ones(2)
    return p, optimizer


def test_a_group_is_a_mapping_in_the_order_of_its_settings():
    p, optimizer = adam(lr=0, betas=[0.5, 0.75])
    (group,) = optimizer.param_groups
    names = ["lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "params"]
    assert isinstance(group, MutableMapping)
    assert list(group) == list(dict(group)) == list(group.keys()) == names
    assert ("lr" in group, "momentum" in group, len(group)) == (True, False, 7)
    # As they were given.
    assert [type(group[name]) for name in ("lr", "betas")] == [int, list]
    assert group.setdefault("lr", 3) == 0
    assert group.setdefault("initial_lr", 0.5) == group["initial_lr"] == group.pop("initial_lr") == 0.5
    assert group.get("initial_lr") is None
    with pytest.raises(KeyError, match="initial_lr"):
        group["initial_lr"]
    with pytest.raises(KeyError, match="initial_lr"):
        del group["initial_lr"]
    assert group == {**group} == group.copy()
    assert (group | {"lr": 2.0})["lr"] == ({"lr": 2.0, "name": "all"} | group | {"lr": 2.0})["lr"] == 2.0
    group |= {"lr": 0.25}
    assert repr(group).startswith("{'lr': 0.25, 'betas': [0.5, 0.75], 'eps': 1e-08,")
    assert group["params"] == [p]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_groups_and_states_are_copied(how):
    p, optimizer = adam()
    optimizer.step()
    optimizer.param_groups[0]["name"] = "all"
    group, state = how(optimizer.param_groups[0]), how(optimizer.state[p])
    assert (type(group), group["name"], group["lr"]) == (type(optimizer.param_groups[0]), "all", 1e-3)
    assert (type(state), state["step"]) == (type(optimizer.state[p]), 1)
    assert state["exp_avg"].tolist() == optimizer.state[p]["exp_avg"].tolist()
    group["lr"], state["step"] = 0.5, 7
    assert (optimizer.param_groups[0]["lr"], optimizer.state[p]["step"]) == (1e-3, 1)


def test_a_state_dict_is_of_plain_dicts():
    _, optimizer = adam()
    optimizer.step()
    saved = optimizer.state_dict()
    assert {type(entry) for entry in (*saved["param_groups"], *saved["state"].values())} == {dict}
    assert json.loads(json.dumps(saved["param_groups"]))[0]["params"] == [0]


def test_a_state_is_a_mapping():
    p, optimizer = adam()
    assert optimizer.state[p] == {}
    optimizer.step()
    state = optimizer.state[p]
    assert isinstance(state, Mapping)
    assert list(state) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["exp_avg"] is state["exp_avg"]
    state["note"] = "mine"
    assert (len(state), "note" in state, state.pop("note"), "note" in state) == (4, True, "mine", False)
    for name, value in (("step", "two"), ("exp_avg", 0.5), ("step", -1), ("step", 2**54)):
        with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
            state[name] = value
    assert state["step"] == 1
    state["step"] = 41
    optimizer.step()
    assert state["step"] == 42
    # What is missing begins anew.
    del state["step"], state["exp_avg"]
    assert list(state) == ["exp_avg_sq"]
    optimizer.step()
    assert (state["step"], optimizer.state[p]) == (1, state)
    np.testing.assert_allclose(state["exp_avg"].tolist(), [0.1, 0.1], rtol=1e-6)
    with pytest.raises(KeyError, match="max_exp_avg_sq"):
        del state["max_exp_avg_sq"]


def test_a_plain_dict_may_stand_for_a_state_but_not_for_a_group():
    p, optimizer = adam(lr=0.5)
    optimizer.state[p] = {"step": 9, "exp_avg": rg.zeros(2), "exp_avg_sq": rg.zeros(2), "note": 1}
    optimizer.step()
    assert (optimizer.state[p]["step"], optimizer.state[p]["note"]) == (10, 1)
    optimizer.state = {p: dict(optimizer.state[p])}
    optimizer.step()
    assert optimizer.state[p]["step"] == 11
    before = p.tolist()
    optimizer.param_groups.append({"params": [rg.ones(1)], "lr": 0.1})
    with pytest.raises(TypeError, match=r"param_groups\[1\] .* call add_param_group"):
        optimizer.step()
    assert p.tolist() == before


def recorded(optimizer, p):
    """A compiled step, and the list that grows whenever it is recorded."""
    records = []

    @rg.compile
    def step(x):
        records.append(1)
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()

    return step, records


@contextmanager
def compiling(on):
    before, rg.config.compile = rg.config.compile, on
    yield
    rg.config.compile = before


def follow(change):
    """Parameters and recordings of ten steps, with changes in between, eagerly and compiled."""
    results = []
    for compiled in (False, True):
        p, optimizer = adam(lr=0.1)
        step, records = recorded(optimizer, p)
        with compiling(compiled):
            for i in range(10):
                if i == 5:
                    change(p, optimizer)
                step(rg.tensor([1.0, i]))
        results.append((p.tolist(), dict(optimizer.state[p])["step"]))
    assert results[0] == results[1]
    return len(records)


@pytest.mark.parametrize(
    ("change", "recordings"),
    [
        (lambda p, o: o.param_groups[0].update(lr=0.3, betas=(0.5, 0.5), weight_decay=0.1), 1),
        (lambda p, o: o.param_groups[0].update(name="all", maximize=True), 1),
        (lambda p, o: o.param_groups[0].update(lr=np.float32(0.3)), 1),
        (lambda p, o: o.state[p].update(step=100, note="mine"), 1),
        (lambda p, o: o.param_groups[0].update(amsgrad=True), 2),
        (lambda p, o: o.state[p].update(exp_avg=rg.ones(2)), 2),
        (lambda p, o: o.state.clear(), 2),
        (lambda p, o: o.state[p].pop("exp_avg_sq"), 2),
        (lambda p, o: o.load_state_dict(o.state_dict()), 2),
    ],
)
def test_changes_between_replays_are_those_of_eager_steps(change, recordings):
    assert follow(change) == recordings


def test_a_setting_that_changes_in_place_is_read_at_each_step():
    def change(p, optimizer):
        rate, betas = rg.tensor(0.2), [0.5, 0.5]
        optimizer.param_groups[0].update(lr=rate, betas=betas)
        optimizer.step()
        rate.fill_(0.4)
        betas[1] = 0.25

    assert follow(change) == 1


def test_a_bad_setting_between_replays_changes_nothing():
    p, optimizer = adam(lr=0.1)
    step, _ = recorded(optimizer, p)
    step(rg.ones(2))
    rate = rg.tensor(0.1)
    optimizer.param_groups[0]["lr"] = rate
    step(rg.ones(2))
    before = p.tolist()
    rate.fill_(-1.0)
    for _ in range(2):
        with pytest.raises(ValueError, match="lr must be"):
            step(rg.ones(2))
    assert (p.tolist(), optimizer.state[p]["step"]) == (before, 2)


def test_a_step_that_reads_a_setting_itself_notices_another_one():
    p, optimizer = adam(lr=0.5)
    step = rg.compile(lambda x: x * optimizer.param_groups[0]["lr"])
    assert step(rg.ones(1)).item() == 0.5
    optimizer.param_groups[0]["lr"] = 0.25
    assert step(rg.ones(1)).item() == 0.25
    assert p.tolist() == [1.0, 1.0]
