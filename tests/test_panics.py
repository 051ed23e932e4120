"""A panic of the core is an error that programs can catch, whichever way it came in; no step is half made."""

import copy
import itertools
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad import _core

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SOURCES = Path(__file__).resolve().parent.parent / "rust/python/src"
X = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
INTEGERS = rg.tensor([1, 0])
HELD = rg.nn.Parameter(rg.ones(2, 2))


class Square(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return g * 2.0 * ctx.saved_tensors[0]


def attempt(entry, f, *args, **kwargs):
    """Calls ``f`` with a panic at the entry of this number: the error, if any, and whether there was such an entry."""
    error = None
    _core._panic_at(entry)
    try:
        f(*args, **kwargs)
    except RuntimeError as raised:
        error = raised
    finally:
        left = _core._panic_at(0)
    assert error is None or str(error).startswith("internal error, please report it: ")
    return error, left == 0


def hooked():
    x = X.clone().requires_grad_()
    x.register_hook(lambda g: rg.sin(g))
    (x * 2.0).sum().backward()


def setters():
    y = HELD.detach()
    y.requires_grad = True
    y.grad = X
    y.grad = None


def written():
    y = X.clone()
    y += 1.0
    y[0] = 2.0
    y.mul_(3.0)
    y.copy_(X)


def in_memory(tmp):
    rg.save({"x": X}, tmp)
    rg.load(tmp)


WAYS = {
    "functions": lambda: (rg.sin(X), rg.cat([X, X]), rg.einsum("ij->i", X), rg.zeros(2), rg.allclose(X, X)),
    "methods": lambda: (X.sum(0), X.reshape(4), X.max(0), X.to(rg.float64), X.tolist(), X.item if X.ndim else None),
    "getters": lambda: (X.shape, X.T, X.grad, X.dtype.name, X.requires_grad, X.is_leaf, X.nbytes),
    "setters": setters,
    "numbers": lambda: (X + 1, 2.0 - X, -X, X @ X, X**2, X // 2, divmod(7, 2), abs(X), bool(X[0, 0]), float(X[0, 0])),
    "sequences": lambda: (len(X), X[0], X[:, INTEGERS], [*X], 1.0 in X[0, :1]),
    "comparisons": lambda: (X == 1.0, X < X, X >= 2, X != X, rg.float32 == rg.float64, hash(X), hash(rg.float32)),
    "writing": written,
    "text": lambda: (repr(X), str(X), f"{X}", repr(rg.Generator(1))),
    "constructors": lambda: (rg.Tensor([1.0]), rg.tensor(np.ones(2)), rg.Generator(3), rg.nn.Parameter(X)),
    "buffers": lambda: (memoryview(X).tolist(), bytes(X), np.asarray(X), X.numpy(), rg.from_numpy(np.ones(2))),
    "DLPack": lambda: (np.from_dlpack(X), rg.from_dlpack(np.ones(2)), X.__dlpack_device__()),
    "copies": lambda: (copy.deepcopy(X), copy.copy(X), pickle.loads(pickle.dumps(X))),
    "backward": lambda: (HELD * HELD).sum().backward(),
    "hooks": hooked,
    "own operations": lambda: rg.grad(lambda x: Square.apply(x).sum())(X),
    "transforms": lambda: (rg.hessian(lambda x: (x * x * x).sum())(X[0]), rg.jvp(rg.sin, (X,), (X,))),
    "settings": lambda: (rg.get_num_threads(), rg.is_grad_enabled(), rg.get_default_dtype(), rg.manual_seed(0)),
    "random numbers": lambda: (rg.randn(2), rg.randint(0, 3, (2,)), rg.randperm(3), rg.get_rng_state()),
    "compiled": lambda: rg.compile(lambda x: rg.tanh(x) * 2.0)(X),
    "programs": lambda: str(REPLAYED.program) + str(REPLAYED.cost()),
    "replays": lambda: REPLAYED(X),
    "epochs": lambda: rg.compile(lambda x: x.sum()).epoch(X, batch_size=1, shuffle=True),
}
REPLAYED = rg.compile(lambda x: rg.tanh(x) * 2.0)
REPLAYED(X)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_in_turns_a_panic_into_an_error(way):
    errors = []
    for entry in itertools.count(1):
        error, reached = attempt(entry, way)
        if not reached:
            break
        errors.append(error)
    way()
    assert any(errors)


@pytest.mark.filterwarnings("ignore")
def test_files_turn_a_panic_into_an_error(tmp_path):
    for entry in itertools.count(1):
        error, reached = attempt(entry, lambda: in_memory(tmp_path / "x.safetensors"))
        if not reached:
            return
        assert error is not None


class Training:
    def __init__(self):
        rg.manual_seed(1)
        self.model = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.BatchNorm1d(4), rg.nn.Tanh(), rg.nn.Linear(4, 1))
        self.optimizer = rg.optim.Adam(self.model.parameters(), lr=0.1)
        self.step = rg.compile(self.work)

    def work(self, x, y):
        self.optimizer.zero_grad()
        loss = rg.mse_loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self):
        parts = [t.tolist() for t in self.model.state_dict().values()]
        grads = [None if p.grad is None else p.grad.tolist() for p in self.model.parameters()]
        kept = [
            [v.tolist() if isinstance(v, rg.Tensor) else v for v in s.values()] for s in self.optimizer.state.values()
        ]
        return [parts, grads, kept]


def data(rows):
    rng = np.random.default_rng(2)
    return [rg.tensor(rng.standard_normal((rows, n)).astype(np.float32)) for n in (3, 1)]


@pytest.mark.parametrize("calls_before", [0, 1, 2])
def test_a_step_that_panics_was_not_made_or_made_whole(calls_before):
    good = Training()
    x, y = data(5)
    states = [good.state()]
    for _ in range(calls_before + 1):
        good.step(x, y)
        states.append(good.state())
    failed = 0
    for entry in itertools.count(1):
        training = Training()
        for _ in range(calls_before):
            training.step(x, y)
        error, reached = attempt(entry, training.step, x, y)
        if not reached:
            break
        if error is not None:
            failed += 1
            assert training.state() in states[-2:], entry
        # What follows is as if nothing had been.
        done = states.index(training.state())
        for _ in range(calls_before + 1 - done):
            training.step(x, y)
        assert training.state() == states[-1], entry
    assert failed > 1


def test_an_epoch_that_panics_stops_between_steps():
    good = Training()
    x, y = data(9)
    states = [good.state()]
    for i in range(3):
        good.step(x[3 * i : 3 * i + 3], y[3 * i : 3 * i + 3])
        states.append(good.state())
    for entry in itertools.count(1):
        training = Training()
        error, reached = attempt(entry, training.step.epoch, x, y, batch_size=3)
        if not reached:
            break
        assert error is None or training.state() in states, entry


def test_every_function_that_python_calls_is_behind_the_boundary():
    for path in SOURCES.rglob("*.rs"):
        text = path.read_text(encoding="utf-8")
        if path.name == "entry.rs":
            continue
        assert not re.search(r"pyo3::(pyfunction|pymethods)\b", text), path
        if re.search(r"#\[(pyfunction|pymethods)|include!", text):
            assert "use crate::entry::prelude::*;" in text, path
            assert "use pyo3::prelude" not in text, path
        for block in re.split(r"\n(?=\S)", text):
            if re.match(r"impl<.*(FromPyObject|IntoPyObject)<", block):
                before = text[: text.index(block)].rstrip().splitlines()[-1]
                assert before == "#[conversion]" or "boundary(" in block, (path, block.splitlines()[0])
