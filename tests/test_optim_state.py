"""The state of optimizers: names, saving and loading, copies."""

import copy
import pickle

import numpy as np
import pytest

import rgrad as rg
from rgrad import optim


def trained(make, *params):
    optimizer = make(params)
    sum((p * p).sum() for p in params).backward()
    optimizer.step()
    return optimizer


def test_the_state_has_pytorchs_names():
    names = {
        "exp_avg exp_avg_sq step": optim.Adam,
        "exp_avg exp_avg_sq max_exp_avg_sq step": lambda p: optim.AdamW(p, amsgrad=True),
        "exp_avg exp_avg_sq mu_product step": optim.NAdam,
        "grad_avg momentum_buffer square_avg step": lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
        "step sum": optim.Adagrad,
        "acc_delta square_avg step": optim.Adadelta,
        "momentum_buffer": lambda p: optim.SGD(p, momentum=0.9),
        "": optim.SGD,
    }
    for expected, make in names.items():
        state = trained(make, rg.ones(2, requires_grad=True)).state_dict()["state"]
        assert " ".join(sorted(state.get(0, {}))) == expected


def test_a_state_as_pytorch_writes_it():
    a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    group = {"lr": 0.5, "betas": [0.5, 0.5], "eps": 0.0, "weight_decay": 0, "amsgrad": False, "maximize": False}
    state = {"step": rg.tensor(3.0), "exp_avg": rg.ones(2, dtype="float64"), "exp_avg_sq": rg.ones(2)}
    adam = optim.Adam([a])
    adam.load_state_dict({"state": {0: state}, "param_groups": [{**group, "foreach": None, "params": [0]}]})
    assert (adam.state[a]["step"], adam.state[a]["exp_avg"].dtype) == (3, rg.float32)
    (a + a).sum().backward()
    adam.step()
    m, v = 1.5 / (1 - 0.5**4), 2.5 / (1 - 0.5**4)
    np.testing.assert_allclose(a.tolist(), 1 - 0.5 * m / np.sqrt(v), rtol=1e-6)
    sgd = optim.SGD([b])
    saved = sgd.state_dict()
    sgd.load_state_dict({**saved, "state": {0: {"momentum_buffer": None}}})


def test_a_loaded_state_is_a_copy():
    a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    first, second = trained(optim.Adam, a), optim.Adam([b])
    second.load_state_dict(first.state_dict())
    before = first.state[a]["exp_avg"].tolist()
    b.grad = rg.ones(2)
    second.step()
    assert first.state[a]["exp_avg"].tolist() == before
    assert (first.state[a]["step"], second.state[b]["step"]) == (1, 2)


def test_all_that_is_wrong_with_a_state_is_listed():
    a, b = rg.ones(1, requires_grad=True), rg.ones(2, requires_grad=True)
    saved = trained(lambda p: optim.Adam(p, lr=0.5), a, b).state_dict()
    other = optim.Adam([rg.ones(3), rg.ones(2)], lr=0.1)
    del saved["state"][1]["exp_avg"]
    saved["state"][1] |= {"exp_avg_sq": 1.0, "momentum": rg.ones(2), "step": "many"}
    saved["state"][7] = {}
    saved["param_groups"][0]["weight_decay"] = -1.0
    with pytest.raises(ValueError, match="weight_decay must be"):
        other.load_state_dict(saved)
    saved["param_groups"][0]["weight_decay"] = 0.0
    with pytest.raises(ValueError, match="nothing was loaded") as error:
        other.load_state_dict(saved)
    for text in (
        "shape (1,), expected (3,), of exp_avg of parameter 0",
        "shape (1,), expected (3,), of exp_avg_sq of parameter 0",
        "missing exp_avg of parameter 1",
        "exp_avg_sq, which is float, no tensor, of parameter 1",
        "unexpected momentum of parameter 1",
        "step, which is 'many', no number, of parameter 1",
        "state of parameter 7",
    ):
        assert text in str(error.value)
    assert other.param_groups[0]["lr"] == 0.1
    assert not other.state


def test_a_state_of_other_groups_is_refused():
    a, b = rg.ones(1, requires_grad=True), rg.ones(2, requires_grad=True)
    saved = trained(optim.Adam, a).state_dict()
    with pytest.raises(ValueError, match="groups"):
        optim.Adam([a, b]).load_state_dict(saved)
    with pytest.raises(ValueError, match="'state' is missing"):
        optim.Adam([a]).load_state_dict({"param_groups": []})
    with pytest.raises(ValueError, match=r"lacks alpha, momentum, centered"):
        optim.RMSprop([a]).load_state_dict(saved)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_an_optimizer_is_copied_with_its_parameters(how):
    a = rg.ones(2, requires_grad=True)
    optimizer = trained(optim.NAdam, a)
    twin, (b,) = how((optimizer, [a]))
    assert twin.param_groups[0]["params"][0] is b is not a
    a.grad = b.grad = rg.ones(2)
    optimizer.step()
    assert b.tolist() != a.tolist()
    twin.step()
    assert b.tolist() == a.tolist()
    assert twin.state[b]["mu_product"] == optimizer.state[a]["mu_product"]


def test_optimizers_of_ones_own():
    class SignSGD(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self):
            with rg.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["steps"] = self.state[p].get("steps", 0) + 1
                        p.copy_(p - group["lr"] * rg.sign(p.grad))

    a = rg.tensor([1.0, 1.0], requires_grad=True)
    optimizer = SignSGD([a], lr=0.5)
    (a * rg.tensor([3.0, -2.0])).sum().backward()
    optimizer.step()
    assert a.tolist() == [0.5, 1.5]
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.state[a] == {"steps": 1}
    with pytest.raises(NotImplementedError, match="step"):
        optim.Optimizer([a], {}).step()


def test_a_copied_model_has_its_own_parameters():
    model = rg.nn.Linear(2, 2)
    twin = copy.deepcopy(model)
    optimizer = optim.SGD(twin.parameters(), lr=1.0)
    before = model.weight.tolist()
    twin(rg.ones(1, 2)).sum().backward()
    optimizer.step()
    assert model.weight.tolist() == before
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "the state of parameter 1 must be a dict, got 3"),
        ({"exp_avg": [0.0, 0.0]}, r"exp_avg of parameter 1 must be a tensor, got \[0.0, 0.0\]"),
        ({"step": -1}, "step of parameter 1 must be an integer, at least 0, got -1"),
        ({"step": 1.5}, "step of parameter 1 must be an integer"),
        ({"mu_product": "half"}, "mu_product of parameter 1 must be a number, got 'half'"),
        ({"exp_avg_sq": rg.zeros(3)}, r"parameter 1 has shape \(2,\) and float32, its exp_avg_sq has shape \(3,\)"),
        ({"exp_avg_sq": rg.zeros(2, dtype="float64")}, "its exp_avg_sq has shape .* and float64"),
    ],
)
def test_a_spoilt_state_is_named_and_changes_nothing(entry, message):
    a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    optimizer = trained(optim.NAdam, a, b)
    before = a.tolist(), b.tolist(), optimizer.state[a]["step"]
    optimizer.state[b] = optimizer.state[b] | entry if isinstance(entry, dict) else entry
    with pytest.raises((TypeError, ValueError), match=message):
        optimizer.step()
    assert (a.tolist(), b.tolist(), optimizer.state[a]["step"]) == before


def test_parameters_that_cannot_be_written_are_refused():
    array = np.ones(2)
    array.flags.writeable = False
    fixed, expanded = rg.from_numpy(array), rg.ones(1, dtype="float64").expand(2).detach()
    for p, message in ((fixed, "read-only"), (expanded, "not contiguous")):
        other = rg.ones(2)
        other.grad, p.grad = rg.ones(2), rg.ones(2, dtype="float64")
        with pytest.raises(ValueError, match=f"parameter 1 .*{message}"):
            optim.Adam([other, p]).step()
        assert other.tolist() == p.tolist() == [1.0, 1.0]
    optimizer = optim.SGD([other])
    optimizer.param_groups[0]["params"] = (other,)
    with pytest.raises(TypeError, match="params must be a list"):
        optimizer.step()


def test_what_a_file_of_tensors_cannot_hold_is_named(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(TypeError, match='save: entry "state" is dict, not a tensor; pickle'):
        rg.save({"state": {}, "weight": rg.zeros(1)}, path)
    with pytest.raises(TypeError, match="save: expected a dict of tensors by name, got list"):
        rg.save([rg.zeros(1)], path)
    assert not path.exists()
