"""Compiled steps do what the function does, bit for bit."""

import numpy as np
import pytest

import rgrad as rg


def trained(make, steps, compiled):
    rg.manual_seed(0)
    model = rg.nn.Sequential(rg.nn.Linear(6, 5), rg.nn.ReLU(), rg.nn.Linear(5, 3))
    optimizer = make(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = rg.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = rg.compile(step) if compiled else step
    x, y = rg.randn(steps, 7, 6), rg.randint(0, 3, (steps, 7))
    losses = [step(x[i], y[i]).item() for i in range(steps)]
    parameters = list(model.parameters())
    return [np.array(losses), *(p.detach().numpy() for p in parameters), *(p.grad.numpy() for p in parameters)]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: rg.optim.SGD(p, lr=0.1),
        lambda p: rg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: rg.optim.Adam(p, lr=0.01, amsgrad=True),
        lambda p: rg.optim.NAdam(p, lr=0.01),
    ],
)
def test_a_compiled_step_gives_the_same_bits(make):
    for eager, compiled in zip(trained(make, 20, False), trained(make, 20, True), strict=True):
        np.testing.assert_array_equal(eager, compiled)


def test_a_value_cannot_be_read_inside():
    step = rg.compile(lambda x: x * 2 if x.sum().item() > 0 else x)
    with pytest.raises(RuntimeError, match=r"test_compile\.py:\d+"):
        step(rg.ones(3))
