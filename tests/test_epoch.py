"""`step.epoch` and `step.steps`: the same bits as the loop over a `DataLoader`, at the end and wherever they stop."""

import signal

import numpy as np
import pytest

import rgrad as rg
from rgrad.data import DataLoader, TensorDataset

pytestmark = pytest.mark.every_isa


class Training:
    """A model with an optimizer and a step, eager and compiled."""

    def __init__(self, make=lambda p: rg.optim.SGD(p, lr=0.1, momentum=0.9), dropout=0.0):
        rg.manual_seed(0)
        self.model = rg.nn.Sequential(rg.nn.Linear(6, 5), rg.nn.ReLU(), rg.nn.Dropout(dropout), rg.nn.Linear(5, 3))
        self.optimizer = make(self.model.parameters())
        self.compiled = rg.compile(self.step)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = rg.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self):
        kept = [t for entry in self.optimizer.state.values() for t in entry.values() if isinstance(t, rg.Tensor)]
        counts = [v for entry in self.optimizer.state.values() for v in entry.values() if not isinstance(v, rg.Tensor)]
        return [t.detach().numpy().copy() for t in (*self.model.parameters(), *kept)] + [np.array(counts)]


def data(rows=23):
    g = rg.Generator(5)
    return rg.randn(rows, 6, generator=g), rg.randint(0, 3, (rows,), generator=g)


def assert_same(a, b):
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


def both(epochs=3, make=lambda p: rg.optim.SGD(p, lr=0.1, momentum=0.9), dropout=0.0, batch_size=5, **kwargs):
    """Losses and state after epochs of the eager loop, and after as many `epoch`s."""
    x, y = data()
    results = []
    for compiled in (False, True):
        t = Training(make, dropout)
        g = rg.Generator(9) if kwargs.get("generator") else None
        options = {**kwargs, "generator": g}
        losses = []
        for _ in range(epochs):
            if compiled:
                losses.append(t.compiled.epoch(x, y, batch_size=batch_size, **options).numpy())
            else:
                loader = DataLoader(TensorDataset(x, y), batch_size, **options)
                losses.append(np.array([t.step(*batch).item() for batch in loader], np.float32))
        results.append([*losses, *t.state(), rg.rand(2).numpy(), *([g.get_state()] if g else [])])
    return results


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("generator", [False, True])
def test_an_epoch_has_the_bits_of_the_loop_over_a_loader(shuffle, drop_last, generator):
    assert_same(*both(shuffle=shuffle, drop_last=drop_last, generator=generator))


@pytest.mark.parametrize("make", [lambda p: rg.optim.Adam(p, lr=0.01), lambda p: rg.optim.NAdam(p, lr=0.01)])
def test_counts_and_dropout_go_on_from_epoch_to_epoch(make):
    assert_same(*both(make=make, dropout=0.3, shuffle=True))


@pytest.mark.parametrize("batch_size", [1, 23, 100])
def test_batches_of_one_row_and_of_all_of_them(batch_size):
    assert_same(*both(batch_size=batch_size))


def test_single_calls_and_epochs_may_be_mixed():
    x, y = data(10)
    t, other = Training(), Training()
    expected = [other.step(x[i : i + 5], y[i : i + 5]).item() for i in (0, 5, 0, 0, 5)]
    losses = [*t.compiled.epoch(x, y, batch_size=5).tolist(), t.compiled(x[:5], y[:5]).item()]
    losses += t.compiled.epoch(x, y, batch_size=5).tolist()
    np.testing.assert_array_equal(losses, expected)
    assert_same(t.state(), other.state())


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_rows_of_every_dtype_are_gathered(dtype, shuffle):
    values = np.arange(42).reshape(7, 2, 3).astype(dtype)

    def step(x):
        return x.double().sum(), (x.double() ** 2).sum()

    loader = DataLoader((values,), 3, shuffle, generator=rg.Generator(1))
    expected = [[r.item() for r in step(x)] for (x,) in loader]
    compiled = rg.compile(step)
    for _ in range(2):
        sums, squares = compiled.epoch(values, batch_size=3, shuffle=shuffle, generator=rg.Generator(1))
        np.testing.assert_array_equal(np.stack([sums.numpy(), squares.numpy()], 1), expected)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_part_of_a_batch_moves_along(shuffle):
    x = rg.randn(40, 6)
    step = lambda x: (x[:, 1:3] * 2).sum()  # noqa: E731
    expected = [step(b).item() for (b,) in DataLoader((x,), 8, shuffle, generator=rg.Generator(1))]
    got = rg.compile(step).epoch(x, batch_size=8, shuffle=shuffle, generator=rg.Generator(1))
    np.testing.assert_array_equal(got.numpy(), np.array(expected, np.float32))


def test_arrays_of_other_layouts_are_taken():
    x = np.asfortranarray(np.arange(12, dtype=">f4").reshape(6, 2))
    sums = rg.compile(lambda x: x.sum()).epoch(x, batch_size=2)
    assert sums.tolist() == [6.0, 22.0, 38.0]


def test_results_keep_their_structure_and_dtypes():
    x, y = data(20)
    t = Training()

    def step(x, y):
        right = (t.model(x).argmax(1) == y).sum()
        return {"loss": t.step(x, y), "right": right}

    results = rg.compile(step).epoch(x, y, batch_size=4)
    assert list(results) == ["loss", "right"]
    assert [(r.shape, r.dtype) for r in results.values()] == [((5,), rg.float32), ((5,), rg.int64)]


def test_settings_are_those_at_the_start_of_each_epoch():
    x, y = data(20)
    t, other = Training(), Training()
    for lr in (0.1, 0.01):
        t.optimizer.param_groups[0]["lr"] = other.optimizer.param_groups[0]["lr"] = lr
        t.compiled.epoch(x, y, batch_size=4)
        for batch in DataLoader((x, y), 4):
            other.step(*batch)
    assert_same(t.state(), other.state())


def test_without_compiling_it_is_the_loop(monkeypatch):
    compiled = both(shuffle=True)
    monkeypatch.setattr(rg.config, "compile", False)
    assert_same(both(shuffle=True)[1], compiled[1])


@pytest.mark.parametrize("compiling", [True, False])
def test_a_label_out_of_range_stops_after_the_last_whole_step(compiling, monkeypatch):
    monkeypatch.setattr(rg.config, "compile", compiling)
    x, y = data(20)
    t, other = Training(lambda p: rg.optim.Adam(p)), Training(lambda p: rg.optim.Adam(p))
    t.compiled.epoch(x, y, batch_size=4)
    y[13] = 3
    with pytest.raises(ValueError, match="out of range") as caught:
        t.compiled.epoch(x, y, batch_size=4)
    with pytest.raises(ValueError, match="out of range") as eager:
        other.step(x[12:16], y[12:16])
    assert str(caught.value) == str(eager.value)
    for i in (0, 4, 8, 12, 16, 0, 4, 8):
        other.step(x[i : i + 4], data(20)[1][i : i + 4])
    assert_same(t.state(), other.state())


def long(t):
    """Data for more steps than a few milliseconds have room for."""
    x, y = data(20)
    return rg.cat([x] * 2000), rg.cat([y] * 2000)


@pytest.mark.parametrize("compiling", [True, False])
def test_progress_is_told_and_may_stop(compiling, monkeypatch):
    monkeypatch.setattr(rg.config, "compile", compiling)
    t, other = Training(), Training()
    x, y = long(t)
    seen = []

    def progress(done, total, loss):
        seen.append((done, total, loss))
        if len(seen) == 3:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        t.compiled.epoch(x, y, batch_size=4, progress=progress)
    (done, total, loss), before = seen[-1], seen[0][0]
    assert total == 10000
    assert 0 < before < done < total
    losses = [other.step(x[i * 4 : i * 4 + 4], y[i * 4 : i * 4 + 4]).item() for i in range(done)]
    assert loss == losses[-1]
    assert_same(t.state(), other.state())


def test_progress_ends_at_all_batches_and_may_change_settings():
    t = Training()
    x, y = long(t)
    seen = []

    def progress(done, total, loss):
        seen.append(done)
        t.optimizer.param_groups[0]["lr"] = 0.0
        t.optimizer.param_groups[0]["momentum"] = 0.0
        kept.append([p.detach().numpy().copy() for p in t.model.parameters()])

    kept = []
    t.compiled.epoch(x, y, batch_size=4, progress=progress)
    assert seen[-1] == 10000
    assert seen == sorted(seen)
    assert_same(kept[0], kept[-1])


def test_a_signal_stops_between_steps():
    t, other = Training(), Training()
    x, y = long(t)

    def stop(*_):
        raise KeyboardInterrupt

    t.compiled.epoch(x, y, batch_size=4)
    # Of processor time: that of the clock may be the tests' time limit.
    before = signal.signal(signal.SIGPROF, stop)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.01)
        with pytest.raises(KeyboardInterrupt):
            t.compiled.epoch(x, y, batch_size=1)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    # The step counts are those of whole steps: one more is a step of both.
    other.model.load_state_dict(t.model.state_dict())
    other.optimizer.load_state_dict(t.optimizer.state_dict())
    assert t.compiled(x[:4], y[:4]).item() == other.step(x[:4], y[:4]).item()
    assert_same(t.state(), other.state())


def test_progress_may_call_the_step():
    t = Training()
    x, y = long(t)
    calls = []
    t.compiled.epoch(x, y, batch_size=4, progress=lambda *_: calls.append(t.compiled(x[:4], y[:4]).item()))
    assert calls


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "words"),
    [
        ((rg.ones(4), rg.ones(5)), {}, ValueError, "tensor 0 has 4 and tensor 1 has 5"),
        ((), {}, ValueError, "at least one"),
        ((rg.ones(0, 3),), {}, ValueError, "no batches"),
        ((rg.ones(4),), {"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ((rg.ones(4),), {"batch_size": 2.0}, TypeError, "batch_size must be an integer"),
        ((rg.ones(4),), {"batch_size": 5, "drop_last": True}, ValueError, "drop_last leaves out all 4"),
        (({1, 2},), {}, TypeError, "argument 0 is set"),
        ((rg.tensor(1.0),), {}, ValueError, "no dimension 0"),
        ((np.array(["a", "b"]),), {}, TypeError, "str"),
        ((rg.ones(4, requires_grad=True),), {}, ValueError, "detach"),
        ((rg.ones(4),), {"generator": 1}, TypeError, "generator must be"),
        ((rg.ones(4),), {"progress": 1}, TypeError, "progress must be"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(args, kwargs, error, words):
    step = rg.compile(lambda *_: pytest.fail("it ran"))
    state = rg.get_rng_state()
    with pytest.raises(error, match=words):
        step.epoch(*args, **{"batch_size": 2, "shuffle": True, **kwargs})
    assert rg.get_rng_state() == state


@pytest.mark.parametrize("result", [lambda x, total: x, lambda x, total: None, lambda x, total: (total, x)])
def test_results_that_cannot_be_stacked_are_refused(result):
    total = rg.zeros(())

    def step(x):
        total.copy_(total + x.sum())
        return result(x, total)

    step = rg.compile(step)
    with pytest.raises(TypeError, match="0-d tensor"):
        step.epoch(rg.ones(4), batch_size=2)
    assert total.item() == 0
    with pytest.raises(TypeError, match="0-d tensor"):
        step.steps([rg.ones(4)])


WEIGHT = rg.ones(2)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("compiling", [True, False])
@pytest.mark.parametrize("new", [lambda x: x * 2, lambda x: WEIGHT * 2 + 1])
def test_a_step_that_changes_its_data_is_refused(shuffle, compiling, new, monkeypatch):
    def change(x):
        x.copy_(new(x))
        return x.sum()

    monkeypatch.setattr(rg.config, "compile", compiling)
    x = rg.ones(6)
    step = rg.compile(change)
    with pytest.raises(ValueError, match="changes its data"):
        step.epoch(x, batch_size=2, shuffle=shuffle)
    assert not compiling or x.tolist() == [1] * 6
    step(rg.ones(2))
    with pytest.raises(ValueError, match="changes its data"):
        step.epoch(x, batch_size=2, shuffle=shuffle)
    assert not compiling or x.tolist() == [1] * 6


CHANGES = {"update": lambda x: x.copy_(x * 0.5 + 1), "in place": lambda x: x.mul_(0.5)}


@pytest.mark.parametrize("compiling", [True, False])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_data_that_the_step_changes_from_outside_are_refused(compiling, change, monkeypatch):
    monkeypatch.setattr(rg.config, "compile", compiling)
    x = rg.ones(6, 2)
    step = rg.compile(lambda rows: (rows.sum(), change(x))[0])
    with pytest.raises(ValueError, match="changes its data"):
        step.epoch(x, batch_size=2)
    assert not compiling or x.tolist() == [[1.0, 1.0]] * 6
    step(rg.ones(2, 2))
    before = x.tolist()
    with pytest.raises(ValueError, match="changes its data"):
        step.epoch(x, batch_size=2)
    assert not compiling or x.tolist() == before


def test_parameters_as_data_of_their_own_training():
    def run(compiled, shuffle):
        w = rg.nn.Parameter(rg.arange(12).float().reshape(6, 2) * 0.1)
        sgd = rg.optim.SGD([w], lr=0.1)

        def step(x):
            sgd.zero_grad()
            loss = (w.sum(0) * x).square().sum()
            loss.backward()
            sgd.step()
            return loss

        fast, g, losses = rg.compile(step), rg.Generator(1), []
        for _ in range(2):
            if compiled:
                losses.append(fast.epoch(w.detach(), batch_size=2, shuffle=shuffle, generator=g).tolist())
            else:
                losses.append([step(x).item() for (x,) in DataLoader((w.detach(),), 2, shuffle, generator=g)])
        return np.array(losses), w.detach().numpy()

    # Shuffled rows are copies in a loader, too.
    assert_same(run(False, True), run(True, True))
    with pytest.raises(ValueError, match="changes its data"):
        run(True, False)


@pytest.mark.parametrize("shuffle", [False, True])
def test_one_tensor_may_be_all_of_the_data(shuffle):
    x = rg.randn(10, 3)
    step = rg.compile(lambda a, b, c: (a * b + c[:, :1]).sum())
    loader = DataLoader((x, x, x[:, 1:]), 4, shuffle, generator=rg.Generator(1))
    expected = [(a * b + c[:, :1]).sum().item() for a, b, c in loader]
    for _ in range(2):
        losses = step.epoch(x, x, x[:, 1:], batch_size=4, shuffle=shuffle, generator=rg.Generator(1))
        np.testing.assert_array_equal(losses.numpy(), np.array(expected, np.float32))


def test_an_epoch_inside_a_step_is_refused():
    inner = rg.compile(lambda x: x.sum())
    outer = rg.compile(lambda x: inner.epoch(x, batch_size=2).sum())
    with pytest.raises(RuntimeError, match="inside a compiled step"):
        outer(rg.ones(4))


def test_steps_runs_whatever_a_loader_gives():
    x, y = data()
    t, other = Training(), Training()
    loader = DataLoader((x, y), 5, True, generator=rg.Generator(3))
    losses = t.compiled.steps(loader)
    again = DataLoader((x, y), 5, True, generator=rg.Generator(3))
    np.testing.assert_array_equal(losses.numpy(), np.array([other.step(*b).item() for b in again], np.float32))
    assert_same(t.state(), other.state())
    batches = ((rows.numpy(), labels.numpy()) for rows, labels in loader)
    assert t.compiled.steps(batches).shape == (5,)
    with pytest.raises(ValueError, match="no batches"):
        t.compiled.steps([])


def test_steps_keeps_what_later_steps_change():
    count, w = rg.zeros(()), rg.ones((), requires_grad=True)

    def step(x):
        (w * x.sum()).backward()
        return count.add_(1), w.grad

    for function in (rg.compile(step), step):
        count.zero_()
        w.grad = None
        counts, gradients = rg.compile(function).steps(DataLoader(rg.ones(6), 2))
        assert (counts.tolist(), gradients.tolist()) == ([1, 2, 3], [2, 4, 6])


@pytest.mark.parametrize("shuffle", [False, True])
def test_gradients_that_nobody_forgets_add_up_over_an_epoch(shuffle):
    def gradients(compiled):
        rg.manual_seed(3)
        model = rg.nn.Linear(4, 3)
        x, y = rg.randn(22, 4), rg.randint(0, 3, (22,))

        def step(x, y):
            loss = rg.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        generator, fast = rg.Generator(5), rg.compile(step)
        # The second time the step is known from its first batch, and starts from no gradients again.
        for _ in range(2):
            model.zero_grad()
            if compiled:
                losses = fast.epoch(x, y, batch_size=4, shuffle=shuffle, generator=generator)
            else:
                loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=shuffle, generator=generator)
                losses = rg.stack([step(*batch).detach() for batch in loader])
        return [losses.numpy(), *(p.grad.numpy() for p in model.parameters())]

    for eager, replayed in zip(gradients(False), gradients(True), strict=True):
        np.testing.assert_array_equal(eager, replayed)
