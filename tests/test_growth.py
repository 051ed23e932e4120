"""Nothing grows: memory of the process and of tensors is the same after many calls of each public thing.

`RGRAD_GROWTH` sets how often each is called after it has warmed up; `make growth` calls them 100,000 times.
"""

import copy
import gc
import os
import pickle
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cases import Case, tensors
from test_ops import ALL

import rgrad as rg

TIMES = int(os.environ.get("RGRAD_GROWTH", "100"))
PAGE = resource.getpagesize()
# What the allocators of C and Python take and give back in pieces larger than what is asked for. One of 2 MB is renewed
# now and then where names are unpickled, and is there twice meanwhile; all else stands still.
SLACK = 4 << 20


@pytest.fixture(scope="module", autouse=True)
def _only_new_objects() -> Iterator[None]:
    """Collections look at what these tests make, and not at everything that was imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def in_use() -> int:
    return rg.__config__.memory_stats()["in_use_bytes"]


def assert_flat(f: Callable[[], object]) -> None:
    """Calls ``f`` again and again: tensors must not be more at all, and the process not larger."""
    for _ in range(min(TIMES, 50)):
        f()
    gc.collect()
    tensors, process = in_use(), resident()
    for _ in range(TIMES):
        f()
    gc.collect()
    assert in_use() == tensors
    assert resident() - process < SLACK


pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@pytest.mark.parametrize("case", ALL)
def test_operations(case: Case) -> None:
    xs = tensors(case.inputs, grad=case.differentiable)

    def call() -> None:
        y = case.rgrad(*xs)
        if isinstance(y, rg.Tensor) and y.requires_grad:
            rg.autograd.grad(y.sum(), xs, allow_unused=True)

    assert_flat(call)


def net() -> rg.nn.Sequential:
    return rg.nn.Sequential(
        rg.nn.Linear(4, 8), rg.nn.BatchNorm1d(8), rg.nn.GELU(), rg.nn.Dropout(0.5), rg.nn.Linear(8, 3)
    )


X, Y = rg.ones(6, 4), rg.tensor([0, 1, 2, 0, 1, 2])
OPTIMIZERS = ["SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Adadelta", "LBFGS"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training(name: str) -> None:
    model, loss = net(), rg.nn.CrossEntropyLoss()
    # A history is full after a while, if it is short: LBFGS leaves out steps that tell it little.
    options = {"history_size": 2} if name == "LBFGS" else {}
    optimizer = getattr(rg.optim, name)(model.parameters(), lr=1e-3, **options)
    schedule = rg.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

    def closure() -> rg.Tensor:
        optimizer.zero_grad()
        value = loss(model(X), Y)
        value.backward()
        rg.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return value

    def call() -> None:
        optimizer.step(closure)
        schedule.step()

    assert_flat(call)


def anew() -> None:
    """A model, its optimizer and its schedule: made, used, and dropped."""
    model = net()
    model.register_forward_hook(lambda module, args, out: model and None)
    model[0].weight.register_hook(lambda g: model and None)
    optimizer = rg.optim.Adam(model.parameters())
    rg.optim.lr_scheduler.StepLR(optimizer, 2).step()
    model(X).sum().backward()
    optimizer.step()
    model.double()
    copy.deepcopy(model).load_state_dict(pickle.loads(pickle.dumps(model.state_dict())))
    for shown in (model, optimizer, model[0].weight):
        str(shown)


def compiled_step(model: rg.nn.Module, optimizer: rg.optim.Optimizer) -> Any:
    def step(x: rg.Tensor, y: rg.Tensor) -> rg.Tensor:
        optimizer.zero_grad()
        loss = rg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return rg.compile(step)


def compiled_anew() -> None:
    model = net()
    model.step = compiled_step(model, rg.optim.SGD(model.parameters(), lr=0.1))
    for _ in range(2):
        model.step(X, Y)


def second_order() -> None:
    x = rg.ones(100, requires_grad=True)
    (x * x).exp().sum().backward(create_graph=True)
    x.grad.sum().backward()


class Twice(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.kept = x
        return x * 2, x + 1

    @staticmethod
    def backward(ctx, a, b):
        ctx.again = ctx.saved_tensors
        return 2 * a + b

    @staticmethod
    def jvp(ctx, t):
        return 2 * t, t


def functions() -> None:
    x = rg.ones(100, requires_grad=True)
    a, b = Twice.apply(x)
    (a * b).sum().backward()
    rg.jvp(Twice.apply, (x.detach(),), (rg.ones(100),))
    rg.autograd.checkpoint(lambda t: t.exp(), x).sum().backward()


def transforms() -> None:
    x = rg.ones(3)

    def f(x: rg.Tensor) -> rg.Tensor:
        return (x**3).sum()

    rg.hessian(f)(x)
    rg.vjp(f, x)[1](rg.tensor(1.0))
    rg.hvp(f, (x,), (x,))
    rg.jacrev(rg.sin)(x)


def loaders() -> None:
    data = rg.data.TensorDataset(X, Y)
    for x, y in rg.data.DataLoader(data, batch_size=4, shuffle=True):
        x.sum().add(y.sum())


def conversions() -> None:
    x = rg.ones(100)
    rg.from_numpy(x.numpy())
    rg.from_dlpack(x)
    rg.tensor(x.tolist())
    for convert in (memoryview, bytes, repr, copy.deepcopy, lambda x: f"{x.sum()}"):
        convert(x)
    pickle.loads(pickle.dumps(x))


def files(folder: Path) -> None:
    rg.save({"x": rg.ones(100)}, folder / "x.safetensors")
    rg.load(folder / "x.safetensors")


def errors() -> None:
    x = rg.ones(3, requires_grad=True)
    for wrong in (
        lambda: x + rg.ones(2),
        lambda: rg.ones(2).reshape(3),
        lambda: x[7],
        lambda: x.add_(1),
        lambda: (x * 2).backward(),
        lambda: rg.compile(lambda y: y.item())(x),
        lambda: rg.autograd.grad(rg.ones(1), x),
        lambda: rg.tensor([1.0, x[0]]),
        lambda: rg.optim.SGD([]),
        lambda: rg.nn.Linear(2, 2).load_state_dict({}),
        lambda: rg.nn.Linear(2, 2)(rg.ones(1, 3)),
    ):
        with pytest.raises((ValueError, TypeError, RuntimeError, IndexError)):
            wrong()


@pytest.mark.parametrize(
    "call",
    [anew, compiled_anew, second_order, functions, transforms, loaders, conversions, errors],
    ids=lambda f: f.__name__,
)
def test_what_is_made_and_dropped(call: Callable[[], object]) -> None:
    def batch() -> None:
        call()
        if call in (anew, compiled_anew, functions):
            gc.collect(1)

    assert_flat(batch)


def test_files(tmp_path: Path) -> None:
    assert_flat(lambda: files(tmp_path))


def test_compiled_steps_and_epochs() -> None:
    model = net()
    step = compiled_step(model, rg.optim.Adam(model.parameters()))

    def call() -> None:
        step(X, Y)
        step.epoch(X, Y, batch_size=4, shuffle=True)

    assert_flat(call)
