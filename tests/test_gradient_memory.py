"""Gradients that are handed out may be written to: no other tensor shares their memory."""

from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

import rgrad as rg

Grads = list[rg.Tensor]

# Functions of two tensors whose derivatives hand the cotangent on, or parts and views of it.
FUNCTIONS: dict[str, Callable[[rg.Tensor, rg.Tensor], rg.Tensor]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "identity": lambda x, y: x,
    "of_one": lambda x, y: x + 0 * y,
    "view": lambda x, y: x.reshape(3, 2).reshape(2, 3) + y,
    "transpose": lambda x, y: (x.T + y.T).T,
    "expand": lambda x, y: x.reshape(1, 2, 3).expand(1, 2, 3)[0] + y,
    "cat": lambda x, y: rg.cat([x, y])[:2] + rg.cat([x, y])[2:],
    "stack": lambda x, y: rg.stack([x, y]).sum(0),
    "where": lambda x, y: rg.where(rg.ones(2, 3) > 0, x, x) + y,
    "clone": lambda x, y: x.clone() + y.contiguous(),
    "twice": lambda x, y: x + x + y,
    "to": lambda x, y: x.to(rg.float32) + y,
}

CASES = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)


def storages(*tensors: rg.Tensor | None) -> Iterator[tuple[int, int]]:
    for t in tensors:
        if t is not None:
            start = t.detach().data_ptr()
            yield start, start + max(4 * t.numel(), 1)


def assert_apart(handed: Grads, others: Grads) -> None:
    """Nothing handed out overlaps with anything else."""
    places = list(storages(*handed))
    for (a, b), (c, d) in [*combinations(places, 2), *((p, q) for p in places for q in storages(*others))]:
        assert b <= c or d <= a
    for g in handed:
        g.detach().mul_(1.0)


def arguments() -> Grads:
    return [rg.arange(6.0).reshape(2, 3).requires_grad_(), rg.ones(2, 3, requires_grad=True)]


def seed() -> rg.Tensor:
    return rg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@CASES
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("retain_graph", [False, True])
def test_of_chosen_tensors(f: Callable[..., rg.Tensor], create_graph: bool, retain_graph: bool) -> None:
    xs, w = arguments(), seed()
    y = f(*xs)
    found = rg.autograd.grad(y, [*xs, xs[0]], w, retain_graph or None, create_graph, allow_unused=True)
    assert_apart([g for g in found if g is not None], [*xs, y, w])


@CASES
@pytest.mark.parametrize("create_graph", [False, True])
def test_accumulated(f: Callable[..., rg.Tensor], create_graph: bool) -> None:
    xs, w = arguments(), seed()
    middle = [x * 1 for x in xs]
    for m in middle:
        m.retain_grad()
    y = f(*middle)
    y.retain_grad()
    y.backward(w, create_graph=create_graph)
    results = middle if any(y is m for m in middle) else [*middle, y]
    grads = [t.grad for t in [*xs, *results] if t.grad is not None]
    assert_apart(grads, [*xs, *middle, y, w])


@CASES
def test_given_to_hooks(f: Callable[..., rg.Tensor]) -> None:
    xs, w, seen = arguments(), seed(), []
    for x in xs:
        x.register_hook(lambda g: seen.append(g))
    f(*xs).backward(w)
    assert seen
    assert_apart([*seen, *(x.grad for x in xs if x.grad is not None)], [*xs, w])


def test_a_hook_that_writes_changes_no_other_gradient() -> None:
    x, y = arguments()
    x.register_hook(lambda g: [g.mul_(100.0), None][1])
    w = seed()
    (x + y).backward(w)
    assert y.grad.tolist() == w.tolist() == seed().tolist()


def test_a_function_that_writes_to_its_cotangent_changes_no_other_gradient() -> None:
    class Careless(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g.mul_(100.0)

        @staticmethod
        def jvp(ctx, t):
            return t.mul_(100.0)

    x, y = arguments()
    w = seed()
    (Careless.apply(x) + y).backward(w)
    assert y.grad.tolist() == w.tolist() == seed().tolist()
    assert rg.jvp(Careless.apply, (x.detach(),), (w,))[1].tolist() == (seed() * 100).tolist()
    assert w.tolist() == seed().tolist()


@CASES
def test_by_transforms(f: Callable[..., rg.Tensor]) -> None:
    xs, w = [x.detach() for x in arguments()], seed()
    _, pull = rg.vjp(f, *xs)
    first, second = pull(w), pull(w)
    assert_apart([*first, *second], [*xs, w])
    assert_apart(list(rg.grad(lambda *xs: (f(*xs) * w).sum(), (0, 1))(*xs)), [*xs, w])
    assert_apart([*rg.jacrev(f, (0, 1))(*xs), *rg.jacfwd(f, (0, 1))(*xs)], xs)


@CASES
def test_tangents(f: Callable[..., rg.Tensor]) -> None:
    xs, v, w = [x.detach() for x in arguments()], seed(), seed()
    (y, z), (s, t) = rg.jvp(lambda x, y: (f(x, y), f(x, y)), tuple(xs), (v, w))
    assert_apart([s, t], [*xs, v, w, y, z])


@CASES
def test_compiled(f: Callable[..., rg.Tensor]) -> None:
    xs, w = [x.detach() for x in arguments()], seed()
    derivative = rg.grad(lambda *xs: (f(*xs) * w).sum(), (0, 1))
    step = rg.compile(derivative)
    eager = derivative(*xs)
    for _ in range(3):
        found = step(*xs)
        assert_apart(list(found), [*xs, w])
        assert [g.tolist() for g in found] == [g.tolist() for g in eager]


def test_gradients_can_be_clipped_one_by_one() -> None:
    p, q = (rg.nn.Parameter(rg.ones(2)) for _ in range(2))
    w = rg.tensor([3.0, 4.0])
    p.grad, q.grad = rg.autograd.grad(((p + q) * w).sum(), [p, q])
    rg.nn.utils.clip_grad_norm_([p, q], 1.0)
    assert (p.grad.square().sum() + q.grad.square().sum()).sqrt().item() == pytest.approx(1.0, rel=1e-5)
    assert w.tolist() == [3.0, 4.0]


# Losses whose rules may hand out what the forward pass has computed for them already.
LOSSES: dict[str, Callable[[rg.Tensor], rg.Tensor]] = {
    "cross_entropy": lambda x: rg.nn.functional.cross_entropy(x, rg.tensor([0, 2])),
    "cross_entropy_sum": lambda x: rg.nn.functional.cross_entropy(x, rg.tensor([0, 2]), reduction="sum"),
    "softmax": lambda x: rg.softmax(x, 1)[0, 0],
    "exp": lambda x: rg.exp(x).sum(),
    "mse_loss": lambda x: rg.nn.functional.mse_loss(x, rg.zeros(2, 3)),
    "layer_norm": lambda x: rg.nn.functional.layer_norm(x, (3,))[0, 0],
}


@pytest.mark.parametrize("f", LOSSES.values(), ids=LOSSES)
def test_writing_to_a_gradient_changes_no_retained_graph(f: Callable[[rg.Tensor], rg.Tensor]) -> None:
    leaf = rg.tensor([[0.1, 0.5, -0.3], [1.0, 0.2, 0.4]], requires_grad=True)
    given: Grads = []
    x = leaf + 0
    x.retain_grad()
    x.register_hook(given.append)
    loss = f(x)

    def handed() -> Grads:
        given.clear()
        leaf.grad = x.grad = None
        loss.backward(retain_graph=True)
        return [leaf.grad, x.grad, *given, *rg.autograd.grad(loss, [x, leaf], retain_graph=True)]

    first = handed()
    expected = [g.tolist() for g in first]
    with rg.no_grad():
        for g in first:
            g.mul_(3.0)
    assert [g.tolist() for g in handed()] == expected
