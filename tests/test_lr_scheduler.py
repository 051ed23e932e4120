"""Schedules, against their definitions written as functions of the epoch."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import rgrad as rg
from rgrad import optim
from rgrad.optim import lr_scheduler as S

EPOCHS = 50


def optimizer(lr=0.8, make=optim.SGD, **settings):
    a, b = (rg.zeros(1, requires_grad=True) for _ in range(2))
    return make([{"params": [a]}, {"params": [b], "lr": 2 * lr}], lr=lr, **settings)


def cosine(lr, least, share):
    return least + (lr - least) * (1 + math.cos(math.pi * share)) / 2


def restarts(epoch, first, factor):
    """(epochs since the last restart) over (epochs until the next)."""
    begin, length = 0, first
    while begin + length <= epoch:
        begin, length = begin + length, length * factor
    return (epoch - begin) / length


def one_cycle(points):
    """Through the (epoch, rate) points in order, on half cosines."""

    def rate(lr, epoch):
        for (a, x), (b, y) in itertools.pairwise(points):
            if epoch <= b:
                return cosine(x, y, (epoch - a) / (b - a))
        return points[-1][1]

    return rate


def milestones(lr, epoch):
    return lr * 0.3 ** sum(epoch >= at for at in (7, 20, 20, 33))


def sequence(lr, epoch):
    if epoch < 4:
        return lr * np.interp(epoch, [0, 4], [0.1, 1])
    return lr * 0.9 ** (epoch - 4) if epoch < 30 else cosine(lr, 0, (epoch - 30) / 20)


CASES = {
    "step": (lambda o: S.StepLR(o, 7, gamma=0.5), lambda lr, t: lr * 0.5 ** (t // 7)),
    "multi-step": (lambda o: S.MultiStepLR(o, [20, 7, 20, 33], gamma=0.3), milestones),
    "constant": (lambda o: S.ConstantLR(o), lambda lr, t: lr / 3 if t < 5 else lr),
    "constant-20": (lambda o: S.ConstantLR(o, 0.0, 20), lambda lr, t: 0.0 if t < 20 else lr),
    "linear": (lambda o: S.LinearLR(o), lambda lr, t: lr * np.interp(t, [0, 5], [1 / 3, 1])),
    "linear-down": (
        lambda o: S.LinearLR(o, 0.9, 0.1, total_iters=30),
        lambda lr, t: lr * np.interp(t, [0, 30], [0.9, 0.1]),
    ),
    "exponential": (lambda o: S.ExponentialLR(o, gamma=0.9), lambda lr, t: lr * math.exp(t * math.log(0.9))),
    "polynomial": (
        lambda o: S.PolynomialLR(o, total_iters=40, power=2.0),
        lambda lr, t: lr * max(1 - t / 40, 0) ** 2,
    ),
    "cosine": (lambda o: S.CosineAnnealingLR(o, T_max=20, eta_min=0.1), lambda lr, t: cosine(lr, 0.1, t / 20)),
    "restarts": (lambda o: S.CosineAnnealingWarmRestarts(o, 9), lambda lr, t: cosine(lr, 0, t % 9 / 9)),
    "longer-restarts": (
        lambda o: S.CosineAnnealingWarmRestarts(o, 6, T_mult=2, eta_min=0.01),
        lambda lr, t: cosine(lr, 0.01, restarts(t, 6, 2)),
    ),
    "lambda": (lambda o: S.LambdaLR(o, lambda t: 1 / (1 + t)), lambda lr, t: lr / (1 + t)),
    "lambdas": (
        lambda o: S.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 + t]),
        lambda lr, t: lr * 0.9**t if lr < 1 else lr * (1 + t),
    ),
    "one-cycle": (
        lambda o: S.OneCycleLR(o, max_lr=1.0, total_steps=EPOCHS),
        one_cycle([(0, 1 / 25), (14, 1.0), (49, 1 / 25e4)]),
    ),
    "one-cycle-three-phases": (
        lambda o: S.OneCycleLR(o, 1.0, epochs=5, steps_per_epoch=10, three_phase=True, div_factor=10),
        one_cycle([(0, 0.1), (14, 1.0), (28, 0.1), (49, 1e-5)]),
    ),
    "one-cycle-linear": (
        lambda o: S.OneCycleLR(
            o, [1.0, 2.0], 51, pct_start=0.5, anneal_strategy="linear", final_div_factor=10.0, cycle_momentum=False
        ),
        lambda lr, t: (1 if lr < 1 else 2) * np.interp(t, [0, 24.5, 50], [0.04, 1, 0.004]),
    ),
    "sequential": (
        lambda o: S.SequentialLR(
            o, [S.LinearLR(o, 0.1, total_iters=4), S.ExponentialLR(o, 0.9), S.CosineAnnealingLR(o, 20)], [4, 30]
        ),
        sequence,
    ),
}


def rates(o):
    return [group["lr"] for group in o.param_groups]


def run(o, schedule, epochs):
    """The rates of so many epochs from now."""
    found = []
    for _ in range(epochs):
        found.append(rates(o))
        assert schedule.get_last_lr() == rates(o)
        o.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", CASES)
def test_fifty_epochs_follow_the_formula(name):
    make, formula = CASES[name]
    o = optimizer(momentum=0.9)
    found = run(o, make(o), EPOCHS)
    expected = [[formula(lr, epoch) for lr in (0.8, 1.6)] for epoch in range(EPOCHS)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("middle", [3, 4, 25])
def test_a_saved_schedule_resumes(name, middle):
    make, _ = CASES[name]
    o = optimizer(momentum=0.9)
    whole = run(o, make(o), EPOCHS)
    o = optimizer(momentum=0.9)
    schedule = make(o)
    run(o, schedule, middle)
    saved = pickle.loads(pickle.dumps((o.state_dict(), schedule.state_dict())))
    o = optimizer(lr=123.0, momentum=0.5)
    schedule = make(o)
    o.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    assert schedule.last_epoch == middle
    assert run(o, schedule, EPOCHS - middle) == whole[middle:]
    momenta = {group["momentum"] for group in o.param_groups}
    assert len(momenta) == 1


def test_a_schedule_resumes_at_an_epoch():
    o = optimizer()
    whole = run(o, S.StepLR(o, 3), 10)
    assert run(o, S.StepLR(o, 3, last_epoch=4), 5) == whole[5:]
    with pytest.raises(KeyError, match="initial_lr"):
        S.StepLR(optimizer(), 3, last_epoch=4)


def test_step_goes_to_an_epoch():
    o = optimizer()
    schedule = S.CosineAnnealingLR(o, 10)
    schedule.step(5)
    assert (schedule.last_epoch, o.param_groups[0]["lr"]) == (5, pytest.approx(0.4, rel=1e-12))


@pytest.mark.parametrize(("make", "of"), [(optim.SGD, "momentum"), (optim.Adam, "betas"), (optim.RMSprop, "momentum")])
def test_one_cycle_moves_momentum_against_the_rate(make, of):
    o = optimizer(make=make)
    schedule = S.OneCycleLR(o, 1.0, 21, pct_start=0.5, base_momentum=0.8, max_momentum=[0.9, 1.0 - 1e-3])
    found = []
    for _ in range(21):
        found.append([np.ravel(group[of])[0] for group in o.param_groups])
        schedule.step()
    up, down = np.arange(0, 10), np.arange(10, 21)
    for column, high in ((0, 0.9), (1, 0.999)):
        expected = [cosine(high, 0.8, t / 9.5) for t in up] + [cosine(0.8, high, (t - 9.5) / 10.5) for t in down]
        np.testing.assert_allclose(np.array(found)[:, column], expected, rtol=1e-12)
    if of == "betas":
        assert o.param_groups[0]["betas"][1] == 0.999


def test_one_cycle_ends():
    o = optimizer()
    schedule = S.OneCycleLR(o, 1.0, 3, pct_start=0.0, anneal_strategy="linear")
    for _ in range(3):
        schedule.step()
    last = rates(o)
    assert min(last) > 0
    with pytest.raises(ValueError, match="step 4 is beyond the cycle of 3 steps"):
        schedule.step()
    assert rates(o) == last
    assert schedule.last_epoch == 3


@pytest.mark.parametrize("pct_start", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_of_extreme_shape(pct_start, three_phase):
    o = optimizer()
    found = np.array(run(o, S.OneCycleLR(o, 1.0, 10, pct_start=pct_start, three_phase=three_phase), 10))
    assert np.isfinite(found).all()
    assert found.min() > 0
    assert found.max() <= 1


def plateau(values, lr, mode="min", factor=0.1, patience=10, threshold=1e-4, rel=True, cooldown=0, least=0.0):
    """The rates after each value: how many values ago was the best, not counting those in a cooldown?"""
    worse = (lambda v, best: v >= best) if mode == "min" else (lambda v, best: v <= best)
    sign = -1 if mode == "min" else 1
    best, bad, wait, found = None, 0, 0, []
    for v in values:
        limit = None if best is None else best * (1 + sign * threshold) if rel else best + sign * threshold
        if limit is None or not (worse(v, limit) or math.isnan(v)):
            best, bad = v, 0
        else:
            bad += 1
        if wait:
            wait, bad = wait - 1, 0
        if bad > patience:
            lr, wait, bad = max(lr * factor, least), cooldown, 0
        found.append(lr)
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"patience": 2, "factor": 0.5},
        {"patience": 0, "factor": 0.5, "min_lr": 0.01},
        {"patience": 1, "cooldown": 3},
        {"patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
        {"patience": 1, "threshold": 0.1, "mode": "max"},
        {"patience": 3, "threshold": 0.01, "threshold_mode": "abs", "mode": "max"},
    ],
)
def test_reduce_on_plateau(settings, rng):
    values = list(np.exp(-np.minimum(np.arange(EPOCHS), 20) / 10) + 0.1 * rng.random(EPOCHS))
    values[9] = math.nan
    o = optimizer()
    schedule = S.ReduceLROnPlateau(o, **settings)
    found = []
    for i, v in enumerate(values):
        if i == 20:
            saved, o = copy.deepcopy((schedule.state_dict(), o.state_dict())), optimizer(lr=5.0)
            schedule = S.ReduceLROnPlateau(o)
            schedule.load_state_dict(saved[0])
            o.load_state_dict(saved[1])
        schedule.step(rg.tensor(v, dtype="float64"))
        found.append(schedule.get_last_lr())
        assert rates(o) == found[-1]
    names = {"threshold_mode": "rel", "min_lr": "least"}
    given = {names.get(k, k): v == "rel" if k == "threshold_mode" else v for k, v in settings.items()}
    expected = np.array([plateau(values, lr, **given) for lr in (0.8, 1.6)]).T
    assert expected[-1, 0] < 0.8
    # Changes below eps are not made.
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1.01e-8)


def test_a_plateau_ends_at_the_least_rate():
    o = optimizer()
    schedule = S.ReduceLROnPlateau(o, patience=0, min_lr=[0.3, 0.05])
    for _ in range(10):
        schedule.step(1.0)
    assert rates(o) == [0.3, 0.05]


def test_a_schedule_of_ones_own():
    class Inverse(S.LRScheduler):
        def get_lr(self):
            return [lr / (1 + self.last_epoch) for lr in self.base_lrs]

    o = optimizer()
    assert np.array(run(o, Inverse(o), 3))[:, 0].tolist() == [0.8, 0.4, 0.8 / 3]


def test_a_group_added_later_is_refused():
    o = optimizer()
    schedule, plateau = S.StepLR(o, 3), S.ReduceLROnPlateau(o)
    o.add_param_group({"params": rg.ones(1)})
    with pytest.raises(RuntimeError, match="StepLR: the optimizer has 3 parameter groups, it had 2"):
        schedule.step()
    with pytest.raises(RuntimeError, match="ReduceLROnPlateau"):
        plateau.step(1.0)
    assert rates(o) == [0.8, 1.6, 0.8]


def test_a_function_that_fails_changes_nothing():
    o = optimizer()
    schedule = S.LambdaLR(o, lambda t: [1.0, 0.5][t])
    schedule.step()
    with pytest.raises(IndexError):
        schedule.step()
    assert (schedule.last_epoch, rates(o)) == (1, [0.4, 0.8])


def test_a_state_of_another_schedule_is_refused():
    o = optimizer()
    schedule = S.StepLR(o, 3)
    with pytest.raises(ValueError, match=r"missing \['gamma', 'step_size'\], unexpected \['T_max', 'eta_min'\]"):
        schedule.load_state_dict(S.CosineAnnealingLR(o, 3).state_dict())
    single = optim.SGD([rg.zeros(1)])
    with pytest.raises(ValueError, match="1 parameter groups, the optimizer has 2"):
        schedule.load_state_dict(S.StepLR(single, 3).state_dict())
    sequence = S.SequentialLR(o, [schedule, S.ExponentialLR(o, 0.5)], [3])
    with pytest.raises(ValueError, match="of 1 schedules, this one has 2"):
        sequence.load_state_dict(S.SequentialLR(o, [schedule], []).state_dict())
    assert schedule.last_epoch == 0


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda o: S.StepLR(0.1, 3), TypeError, "needs an optimizer, got float"),
        (lambda o: S.OneCycleLR("sgd", 0.1, 10), TypeError, "needs an optimizer, got str"),
        (lambda o: S.StepLR(o, 0), ValueError, "step_size must be an integer, at least 1, got 0"),
        (lambda o: S.StepLR(o, 2.5), ValueError, "step_size"),
        (lambda o: S.LinearLR(o, start_factor=0.0), ValueError, "start_factor.*above 0"),
        (lambda o: S.LinearLR(o, end_factor=1.5), ValueError, "end_factor"),
        (lambda o: S.LinearLR(o, total_iters=0), ValueError, "total_iters"),
        (lambda o: S.ConstantLR(o, factor=2.0), ValueError, "factor"),
        (lambda o: S.PolynomialLR(o, total_iters=0), ValueError, "total_iters"),
        (lambda o: S.CosineAnnealingLR(o, 0), ValueError, "T_max"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 5, T_mult=0), ValueError, "T_mult"),
        (lambda o: S.LambdaLR(o, 0.5), TypeError, "LambdaLR: lr_lambda must be a function of the epoch, got float"),
        (lambda o: S.MultiStepLR(o, 3), TypeError, "MultiStepLR: milestones must be several epochs, got int"),
        (lambda o: S.ExponentialLR(o, "slow"), TypeError, "ExponentialLR: gamma must be a number, got str"),
        (lambda o: S.LambdaLR(o, [abs]), ValueError, "lr_lambda has 1 values, but the optimizer has 2"),
        (lambda o: S.OneCycleLR(o, 0.1), ValueError, "pass total_steps, or both epochs and steps_per_epoch"),
        (lambda o: S.OneCycleLR(o, 0.1, epochs=3), ValueError, "both epochs and steps_per_epoch"),
        (lambda o: S.OneCycleLR(o, 0.1, 0), ValueError, "total_steps"),
        (lambda o: S.OneCycleLR(o, 0.1, epochs=-1, steps_per_epoch=3), ValueError, "epochs"),
        (lambda o: S.OneCycleLR(o, 0.1, 10, pct_start=1.5), ValueError, "pct_start"),
        (lambda o: S.OneCycleLR(o, 0.1, 10, anneal_strategy="sine"), ValueError, "'cos' or 'linear', got 'sine'"),
        (lambda o: S.OneCycleLR(o, [0.1], 10), ValueError, "max_lr has 1 values"),
        (lambda o: S.OneCycleLR(optim.Adagrad([rg.zeros(1)]), 1.0, 9), ValueError, "Adagrad.*cycle_momentum=False"),
        (lambda o: S.ReduceLROnPlateau(o, mode="least"), ValueError, "mode"),
        (lambda o: S.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor"),
        (lambda o: S.ReduceLROnPlateau(o, threshold_mode="r"), ValueError, "threshold_mode"),
        (lambda o: S.ReduceLROnPlateau(o, patience=-1), ValueError, "patience"),
        (lambda o: S.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "min_lr has 1 values"),
        (lambda o: S.SequentialLR(o, [], []), ValueError, "at least one"),
        (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)], [3]), ValueError, "1 schedules need 0 milestones, got 1"),
        (lambda o: S.SequentialLR(o, [S.ReduceLROnPlateau(o)], []), TypeError, "ReduceLROnPlateau"),
        (lambda o: S.SequentialLR(o, [S.StepLR(optimizer(), 1)], []), ValueError, "another optimizer"),
        (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)] * 3, [5, 3]), ValueError, "in order"),
    ],
)
def test_bad_arguments(make, kind, message):
    o = optimizer()
    with pytest.raises(kind, match=message):
        make(o)


@pytest.mark.parametrize("epoch", [-1, math.nan, math.inf, "1", rg.tensor([1, 2]), rg.tensor(30)])
def test_an_epoch_that_is_no_number_is_an_error(epoch):
    o = optimizer()
    schedule = S.CosineAnnealingWarmRestarts(o, 2, T_mult=2)
    before = schedule.state_dict()
    with pytest.raises(ValueError, match="epoch must be a number, at least 0"):
        schedule.step(epoch)
    assert schedule.state_dict() == before
    schedule.step(2.5)
    assert schedule.get_last_lr()[0] < 0.8
