"""Compiled steps whose values are used several times: in branches, and where losses meet in one leaf."""

import numpy as np
import pytest

import rgrad as rg

F = rg.nn.functional
ROWS, COLUMNS = 5, 4
LABELS = rg.tensor([0, 3, 1, 1, 2])
SOME_IGNORED = rg.tensor([0, -100, 1, -100, 2])
WEIGHTS = rg.tensor([0.3, 1.7, 0.9, 1.1])

#: From two matrices of (ROWS, COLUMNS) to another one.
MIDDLES = [
    lambda a, b: a * b,
    lambda a, b: b - a,
    lambda a, b: a / (b * b + 1.3),
    lambda a, b: rg.tanh(a) + a * 0.1,
    lambda a, b: F.gelu(a) - b,
    lambda a, b: rg.where(a > b, a, b * 0.7),
    lambda a, b: rg.maximum(a, b),
    lambda a, b: rg.cat([a[2:], b[:2]]),
    lambda a, b: a @ (b.T @ a) * 0.1,
    lambda a, b: F.layer_norm(a, (COLUMNS,)) + b,
    lambda a, b: F.batch_norm(a, None, None, training=True),
    lambda a, b: rg.softmax(a, 1) * rg.log_softmax(b, 1),
    lambda a, b: a - a.mean(0) + b.amax(1, keepdim=True),
    lambda a, b: a.cumsum(0) * 0.3,
    lambda a, b: a.flip(0) + a.T.reshape(ROWS, COLUMNS),
    lambda a, b: a[rg.tensor([4, 0, 0, 2, 1])] - b.roll(1, 0),
    lambda a, b: a.masked_fill(b > 0.5, 0.0) + a.expand(2, ROWS, COLUMNS).sum(0),
]

#: From two matrices to a number.
ENDS = [
    lambda a, b: F.cross_entropy(a, LABELS),
    lambda a, b: F.cross_entropy(a, LABELS, label_smoothing=0.1),
    lambda a, b: F.cross_entropy(a, SOME_IGNORED, label_smoothing=0.2, weight=WEIGHTS),
    lambda a, b: F.cross_entropy(a, rg.softmax(b, 1), reduction="sum"),
    lambda a, b: F.nll_loss(rg.log_softmax(a, 1), SOME_IGNORED),
    lambda a, b: F.multi_margin_loss(a, LABELS, weight=WEIGHTS),
    lambda a, b: F.mse_loss(a, b),
    lambda a, b: F.huber_loss(a, b, delta=0.4),
    lambda a, b: F.smooth_l1_loss(a, b),
    lambda a, b: F.binary_cross_entropy_with_logits(a, rg.sigmoid(b)),
    lambda a, b: F.kl_div(rg.log_softmax(a, 1), rg.softmax(b, 1), reduction="batchmean"),
    lambda a, b: (a * b).sum(),
    lambda a, b: a.var() + b.std(0).sum(),
    lambda a, b: rg.logsumexp(a, 1).mean() + a[1:3].sum() + a[2].prod(),
    lambda a, b: (a @ b.T).square().mean(),
]


def drawn(rng):
    """A function of two matrices: sums of losses of a graph in which every value may be used several times."""
    middles = [(rng.choice(len(MIDDLES)), *rng.integers(0, 2 + i, 2)) for i in range(rng.integers(0, 6))]
    last = 2 + len(middles)
    ends = [(rng.choice(len(ENDS)), *rng.integers(0, last, 2)) for _ in range(rng.integers(1, 4))]

    def f(x, w):
        values = [x, w]
        for middle, i, j in middles:
            values.append(MIDDLES[middle](values[i], values[j]))
        losses = [ENDS[end](values[i], values[j]) for end, i, j in ends]
        return sum(losses[1:], losses[0]) + 0.0 * (x + w).sum()

    return f


@pytest.mark.parametrize("seed", range(150))
def test_gradients_that_meet_are_added_in_the_same_order(seed):
    rng = np.random.default_rng(seed)
    f = drawn(rng)
    kept = rg.nn.Parameter(rg.zeros(ROWS, COLUMNS))

    def by_arguments(x, w):
        loss, gradients = rg.value_and_grad(f, argnums=(0, 1))(x, w)
        return loss, *gradients

    def by_leaves(x, w):
        kept.grad = None
        loss = f(kept * w, kept) + f(kept, x)
        loss.backward()
        return loss, kept.grad

    def bits(made):
        return [t.detach().numpy().view(np.uint32) for t in made]

    for g in (by_arguments, by_leaves):
        compiled = rg.compile(g)
        for _ in range(3):
            numbers = rng.standard_normal((3, ROWS, COLUMNS)).astype(np.float32)
            x, w = rg.tensor(numbers[0]), rg.tensor(numbers[1])
            with rg.no_grad():
                kept.copy_(rg.tensor(numbers[2]))
            for a, b in zip(bits(g(x, w)), bits(compiled(x, w)), strict=True):
                np.testing.assert_array_equal(a, b)


ACTIVATIONS = [
    "Identity",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "SELU",
    "CELU",
    "GELU",
    "SiLU",
    "Mish",
    "Sigmoid",
    "LogSigmoid",
    "Tanh",
]
ACTIVATIONS += ["Softplus", "Softsign", "Hardtanh", "Hardswish", "Hardsigmoid", "ReLU6", "PReLU"]


def trained(compiled, activation, branches, outputs, rows):
    """Losses and parameters after single steps and an epoch whose last batch has one row more or less than ``rows``."""
    rg.manual_seed(3)
    parts = [rg.nn.Linear(3, 4) for _ in range(branches)]
    model = rg.nn.ModuleList([*parts, rg.nn.Sequential(getattr(rg.nn, activation)(), rg.nn.Linear(4, outputs))])
    optimizer = rg.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)

    @rg.compile
    def step(x, y):
        optimizer.zero_grad()
        hidden = parts[0](x)
        for part in parts[1:]:
            hidden = hidden + part(x)
        loss = rg.mse_loss(model[-1](hidden), y)
        loss.backward()
        optimizer.step()
        return loss

    rg.config.compile = compiled
    rng = np.random.default_rng(5)
    numbers = [rng.standard_normal((2 * rows + 1, size)).astype(np.float32) for size in (3, outputs)]
    x, y = map(rg.tensor, numbers)
    losses = [step(x[:rows], y[:rows]) for _ in range(3)]
    losses.append(step.epoch(x, y, batch_size=rows))
    return [t.detach().numpy() for t in (*losses, *model.parameters(), *(p.grad for p in model.parameters()))]


@pytest.mark.parametrize("branches", [1, 2, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_small_networks_of_every_form(activation, branches, monkeypatch):
    monkeypatch.setattr(rg.config, "compile", True)
    for outputs in (1, 2):
        for rows in (1, 2):
            form = (activation, branches, outputs, rows)
            for eager, compiled in zip(trained(False, *form), trained(True, *form), strict=True):
                np.testing.assert_array_equal(eager, compiled)


def test_products_with_one_transposed_operand_and_the_sum_of_its_rows():
    def f(g, x, y):
        return g.T @ x, g.T @ y, g.sum(0), g.T @ y, g.sum(0) * 2.0

    compiled = rg.compile(f)
    for _ in range(2):
        arguments = rg.randn(5, 3), rg.randn(5, 3), rg.randn(5, 2)
        for eager, made in zip(f(*arguments), compiled(*arguments), strict=True):
            np.testing.assert_array_equal(eager.numpy(), made.numpy())
