"""Compiled training: parameters, states, statistics, losses and random streams have the bits of eager training."""

import copy

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import rgrad as rg

pytestmark = pytest.mark.every_isa

nn, optim = rg.nn, rg.optim


def values(model, optimizer):
    kept = [*model.state_dict().values(), *(p.grad for p in model.parameters())]
    for state in optimizer.state.values():
        kept += state.values()
    return [v.detach().numpy() if isinstance(v, rg.Tensor) else v for v in kept]


def train(compiled, make, make_optimizer, criterion, target, steps, schedule=None, clip=False):
    rg.manual_seed(5)
    model = make()
    optimizer = make_optimizer(model.parameters())
    scheduler = schedule(optimizer) if schedule else None

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        return loss

    run = rg.compile(step) if compiled else step
    losses = []
    for i in range(steps):
        rg_state = rg.get_rng_state()
        x = rg.randn(6, 4, generator=rg.Generator().manual_seed(i))
        assert rg.get_rng_state() == rg_state
        losses.append(run(x, target(i)).item())
        if scheduler:
            scheduler.step()
    if compiled:
        assert len(run.program) <= 2
    return [losses, *values(model, optimizer), rg.get_rng_state()]


def check(*args, **kwargs):
    for eager, compiled in zip(train(False, *args, **kwargs), train(True, *args, **kwargs), strict=True):
        np.testing.assert_array_equal(eager, compiled)


def mlp():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def labels(i):
    return rg.randint(0, 3, (6,), generator=rg.Generator().manual_seed(i))


def sgd(parameters):
    return optim.SGD(parameters, lr=0.1, momentum=0.9)


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "maximize": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, dampening=0.1, maximize=True),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, maximize=True),
    "nadam": lambda p: optim.NAdam(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.05, lr_decay=0.01),
    "adadelta": lambda p: optim.Adadelta(p),
}


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers(make_optimizer):
    check(mlp, make_optimizer, nn.CrossEntropyLoss(), labels, 100)


def test_clipping():
    check(mlp, OPTIMIZERS["adam"], nn.CrossEntropyLoss(), labels, 100, clip=True)


@pytest.mark.parametrize("size", [1.0, 1e30, 1e-30, 0.0, np.inf, np.nan])
def test_norms_whose_squares_overflow_or_vanish(size):
    def clip(x):
        p = rg.zeros(3, requires_grad=True)
        p.grad = x * 1.0
        return nn.utils.clip_grad_norm_(p, 0.5), p.grad

    compiled = rg.compile(clip)
    compiled(rg.ones(3))
    for a, b in zip(compiled(rg.full((3,), size)), clip(rg.full((3,), size)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


S = optim.lr_scheduler
SCHEDULES = {
    "step": lambda o: S.StepLR(o, 5, 0.5),
    "exponential": lambda o: S.ExponentialLR(o, 0.9),
    "cosine": lambda o: S.CosineAnnealingLR(o, 20),
    "one-cycle": lambda o: S.OneCycleLR(o, 0.5, total_steps=200),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules(schedule):
    check(mlp, sgd, nn.CrossEntropyLoss(), labels, 100, schedule=schedule)


def floats(i):
    return rg.rand(6, 3, generator=rg.Generator().manual_seed(i)) * 0.8 + 0.1


LOSSES = {
    "mse": (nn.MSELoss(), floats),
    "l1": (nn.L1Loss(), floats),
    "smooth_l1": (nn.SmoothL1Loss(), floats),
    "huber": (nn.HuberLoss(), floats),
    "bce_with_logits": (nn.BCEWithLogitsLoss(), floats),
    "bce": (lambda x, y: nn.functional.binary_cross_entropy(x.sigmoid(), y), floats),
    "nll": (lambda x, y: nn.functional.nll_loss(x.log_softmax(1), y), labels),
    "kl": (lambda x, y: nn.functional.kl_div(x.log_softmax(1), y, reduction="batchmean"), floats),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.1), labels),
    "weighted": (nn.CrossEntropyLoss(weight=rg.tensor([1.0, 2.0, 0.5]), reduction="sum"), labels),
    "probabilities": (nn.CrossEntropyLoss(), floats),
}


@pytest.mark.parametrize(("criterion", "target"), LOSSES.values(), ids=LOSSES)
def test_losses(criterion, target):
    check(mlp, sgd, criterion, target, 30)


IGNORING = {
    "cross_entropy": lambda x, y, i: nn.functional.cross_entropy(x, y, ignore_index=i),
    "scaled": lambda x, y, i: nn.functional.cross_entropy(x, y, ignore_index=i) * 0.5,
    "sum": lambda x, y, i: nn.functional.cross_entropy(x, y, ignore_index=i, reduction="sum"),
    "each": lambda x, y, i: nn.functional.cross_entropy(x, y, ignore_index=i, reduction="none").square().sum(),
    "of those that count": lambda x, y, i: (
        nn.functional.cross_entropy(x, y, ignore_index=i, reduction="sum") / (y != i).sum()
    ),
    "weighted": lambda x, y, i: nn.functional.cross_entropy(x, y, rg.tensor([1.0, 2.0, 0.5]), i),
    "smoothed": lambda x, y, i: nn.functional.cross_entropy(x, y, ignore_index=i, label_smoothing=0.1),
    "nll": lambda x, y, i: nn.functional.nll_loss(x.log_softmax(1), y, ignore_index=i),
}
NOT_IGNORED, SOME_IGNORED, ALL_IGNORED = [0, 1, 0, 1], [1, None, 0, None], [None] * 4


@pytest.mark.parametrize("order", [2, 1])
@pytest.mark.parametrize("ignored", [-100, 2, 7])
@pytest.mark.parametrize("loss", IGNORING.values(), ids=IGNORING)
def test_labels_that_are_ignored_need_not_be_those_of_the_recording(loss, ignored, order):
    def run(x, y):
        first = rg.value_and_grad(lambda x: loss(x, y, ignored))
        if order == 1:
            return first(x)
        return rg.grad(lambda x: first(x)[1].square().sum())(x)

    batches = [NOT_IGNORED, SOME_IGNORED, ALL_IGNORED]
    for recorded in batches:
        compiled = rg.compile(run)
        for seed, batch in enumerate([recorded, *batches]):
            y = rg.tensor([ignored if label is None else label for label in batch])
            x = rg.randn(4, 3, generator=rg.Generator(seed))
            for a, b in zip(leaves(compiled(x, y)), leaves(run(x, y)), strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert len(compiled.program) == 1
        if order == 1:
            with pytest.raises(ValueError, match="label 3 in row 1"):
                compiled(x, rg.tensor([ignored, 3, 0, 1]))


@pytest.mark.parametrize("padding", [None, 0])
def test_embeddings(padding):
    def run(compiled):
        rg.manual_seed(0)
        model = nn.Sequential(nn.Embedding(7, 4, padding_idx=padding), nn.Flatten(), nn.Linear(8, 3))
        optimizer = OPTIMIZERS["adam"](model.parameters())

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step, losses = rg.compile(step) if compiled else step, []
        for i in range(6):
            x = rg.randint(0, 7, (6, 2), generator=rg.Generator(i))
            losses.append(step(x, labels(i)).item())
            x[2, 1] = -1 if i % 2 else 7
            with pytest.raises(IndexError, match=f"{x[2, 1].item()} is not one of the rows 0 to 6"):
                step(x, labels(i))
        return [losses, *(p.detach().numpy() for p in model.parameters())]

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)


ACTIVATIONS = [
    "ReLU",
    "LeakyReLU",
    "ELU",
    "SELU",
    "GELU",
    "SiLU",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "Softsign",
    "Hardtanh",
]
ACTIVATIONS += ["PReLU", "Mish", "LogSigmoid", "ReLU6", "Hardswish", "Hardsigmoid", "CELU", "GLU", "Softmax"]


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if hasattr(nn, name)])
def test_activations(name):
    def make():
        layer = getattr(nn, name)
        act = layer(dim=1) if name in {"Softmax", "GLU"} else layer()
        return nn.Sequential(nn.Linear(4, 6), act, nn.Linear(3 if name == "GLU" else 6, 3))

    check(make, sgd, nn.CrossEntropyLoss(), labels, 30)


NORMS = {
    "batch": lambda: nn.BatchNorm1d(5),
    "batch, averaged": lambda: nn.BatchNorm1d(5, momentum=None),
    "batch, no statistics": lambda: nn.BatchNorm1d(5, track_running_stats=False),
    "layer": lambda: nn.LayerNorm(5),
    "rms": lambda: nn.RMSNorm(5),
    "dropout": lambda: nn.Dropout(0.3),
}


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_norms_and_dropout(norm):
    make = lambda: nn.Sequential(nn.Linear(4, 5), norm(), nn.ReLU(), nn.Linear(5, 3))  # noqa: E731
    check(make, OPTIMIZERS["adam"], nn.CrossEntropyLoss(), labels, 100)


def test_settings_and_states_that_change_outside_are_used():
    def run(compiled):
        rg.manual_seed(0)
        model = mlp()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        extra = nn.Parameter(rg.ones(3))

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x) * extra, y)
            loss.backward()
            optimizer.step()
            return loss

        run = rg.compile(step) if compiled else step
        data = [(rg.randn(6, 4), labels(i)) for i in range(20)]
        saved = None
        for i, (x, y) in enumerate(data):
            run(x, y)
            if i == 3:
                saved = copy.deepcopy([model.state_dict(), optimizer.state_dict()])
            if i == 5:
                optimizer.param_groups[0]["lr"] = 0.5
            if i == 7:
                optimizer.param_groups[0]["betas"] = (0.5, 0.6)
            if i == 9:
                model.load_state_dict(saved[0])
                optimizer.load_state_dict(saved[1])
            if i == 12:
                optimizer.add_param_group({"params": [extra], "lr": 0.3})
            if i == 15:
                optimizer.param_groups[0]["amsgrad"] = True
            if i == 17:
                optimizer.state[extra]["step"] = 1
        return [*values(model, optimizer), extra.detach().numpy()]

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_an_optimizer_may_make_several_steps_in_one(make_optimizer, whole):
    x, y = rg.randn(24, 4, generator=rg.Generator(1)), labels(0).repeat(4)

    def run(compiled):
        rg.manual_seed(0)
        model = mlp()
        optimizer = make_optimizer(model.parameters())

        def step(x, y):
            for _ in range(3):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
            return loss

        fast, losses = rg.compile(step) if compiled else step, []
        for epoch in range(3):
            if compiled and whole:
                losses += fast.epoch(x, y, batch_size=6).tolist()
            else:
                losses += [fast(*batch).item() for batch in rg.data.DataLoader((x, y), 6)]
            if epoch == 1:
                bad = y[:6] + 3
                with pytest.raises(ValueError, match="out of range"):
                    fast(x[:6], bad)
        return [losses, *values(model, optimizer)]

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_optimizer_may_make_steps_of_different_parameters_in_one():
    def run(compiled):
        a, b = nn.Parameter(rg.ones(2)), nn.Parameter(rg.ones(2))
        optimizer = optim.NAdam([a, b], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            (a * x).sum().backward()
            optimizer.step()
            (a * b * x).sum().backward()
            optimizer.step()

        run = rg.compile(step) if compiled else step
        for i in range(5):
            run(rg.tensor([1.0, i]))
        return [a.tolist(), b.tolist(), *(optimizer.state[p]["step"] for p in (a, b))]

    assert run(True) == run(False)
    assert run(True)[2:] == [10, 5]


def test_hooks_that_come_and_go_are_noticed():
    def run(compiled):
        rg.manual_seed(0)
        model = mlp()
        optimizer = sgd(model.parameters())

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()

        step, handles = rg.compile(step) if compiled else step, []
        for i in range(9):
            if i in (2, 4):
                handles.append(model[0].weight.register_hook(lambda g: g * 2))
            if i in (6, 7):
                handles.pop(0).remove()
            step(rg.randn(6, 4, generator=rg.Generator(i)), labels(i))
        return values(model, optimizer)

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_accumulated_gradients():
    def run(compiled):
        rg.manual_seed(1)
        model = mlp()
        optimizer = sgd(model.parameters())

        def backward(x, y):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        backward = rg.compile(backward) if compiled else backward
        for i in range(12):
            backward(rg.randn(6, 4), labels(i))
            if i % 3 == 2:
                optimizer.step()
                optimizer.zero_grad(set_to_none=i % 2 == 0)
        return values(model, optimizer)

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- Transforms ----


def network(w, x):
    return (x @ w).tanh().square().mean()


class Cube(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 3 * x * x * grad


def hooked(w, x):
    leaf = w.detach().requires_grad_()
    leaf.register_hook(lambda g: g * 2)
    network(leaf, x).backward()
    return leaf.grad


def checkpointed(w, x):
    leaf = w.detach().requires_grad_()
    segment = lambda a: nn.functional.dropout((x @ a).tanh(), 0.5, True)  # noqa: E731
    rg.autograd.checkpoint(segment, leaf).sum().backward()
    return leaf.grad, rg.rand(3)


TRANSFORMS = {
    "value_and_grad": rg.value_and_grad(network),
    "grad": rg.grad(network, argnums=(0, 1)),
    "hvp": lambda w, x: rg.hvp(lambda a: network(a, x), (w,), (w * 0.5,)),
    "jvp": lambda w, x: rg.jvp(lambda a: network(a, x), (w,), (w * 0.5,)),
    "jacrev": lambda w, x: rg.jacrev(lambda a: (x @ a).tanh())(w),
    "jacfwd": lambda w, x: rg.jacfwd(lambda a: (x @ a).tanh())(w),
    "hessian": lambda w, x: rg.hessian(lambda a: network(a, x))(w),
    "Function": lambda w, x: rg.grad(lambda a: Cube.apply(x @ a).sum())(w),
    "hooks": hooked,
    "checkpoint": checkpointed,
}


def leaves(result):
    return [x for part in result for x in leaves(part)] if isinstance(result, tuple | list) else [result]


@pytest.mark.parametrize("f", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms(f):
    compiled = rg.compile(f)
    for seed in range(3):
        rg.manual_seed(seed)
        w, x = rg.randn(3, 2), rg.randn(4, 3)
        state = rg.get_rng_state()
        expected = leaves(f(w, x))
        after = rg.get_rng_state()
        rg.set_rng_state(state)
        for a, b in zip(leaves(compiled(w, x)), expected, strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        assert rg.get_rng_state() == after
    assert len(compiled.program) == 1


# ---- Any model ----

LAYERS = st.sampled_from(
    [nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, lambda: nn.Dropout(0.2), lambda: nn.BatchNorm1d(5), lambda: nn.LayerNorm(5)]
)


@hypothesis.given(
    st.lists(LAYERS, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from(sorted(LOSSES)),
    st.booleans(),
)
@hypothesis.settings(max_examples=40)
def test_any_model(layers, linear, optimizer, loss, clip):
    def make():
        parts = [nn.Linear(4, 5)]
        for layer, between in zip(layers, linear, strict=False):
            parts += [layer(), nn.Linear(5, 5)] if between else [layer()]
        return nn.Sequential(*parts, nn.Linear(5, 3))

    criterion, target = LOSSES[loss]
    check(make, OPTIMIZERS[optimizer], criterion, target, 6, clip=clip)
