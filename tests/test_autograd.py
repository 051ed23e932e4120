"""Reverse mode: against gradients derived by hand, and its rules about graphs."""

import gc
import multiprocessing
import os
import threading
import weakref

import numpy as np
import pytest

import rgrad as rg
from rgrad.testing import gradcheck


def close(got: rg.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-14)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[labels]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# ---- Gradients derived by hand ----


def test_softmax_regression(rng):
    """∇ = Xᵀ (Z − I_y) / m."""
    X, y, theta = rng.standard_normal((50, 7)), rng.integers(0, 4, 50), rng.standard_normal((7, 4))
    t = rg.tensor(theta, requires_grad=True)
    rg.cross_entropy(rg.tensor(X) @ t, rg.tensor(y)).backward()
    close(t.grad, X.T @ (softmax(X @ theta) - one_hot(y, 4)) / 50)


ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_two_layer_network(name, rng):
    """G₂ = S − I_y, G₁ = σ′(X W₁) ∘ (G₂ W₂ᵀ), ∇W₁ = Xᵀ G₁ / m, ∇W₂ = Z₁ᵀ G₂ / m, and the same with biases."""
    f, df = ACTIVATIONS[name]
    X, y = rng.standard_normal((30, 5)), rng.integers(0, 3, 30)
    W1, b1 = rng.standard_normal((5, 8)), rng.standard_normal(8)
    W2, b2 = rng.standard_normal((8, 3)), rng.standard_normal(3)
    ts = [rg.tensor(a, requires_grad=True) for a in (W1, b1, W2, b2)]
    hidden = getattr(rg, name)(rg.tensor(X) @ ts[0] + ts[1])
    rg.cross_entropy(hidden @ ts[2] + ts[3], rg.tensor(y)).backward()

    z1 = X @ W1 + b1
    g2 = (softmax(f(z1) @ W2 + b2) - one_hot(y, 3)) / 30
    g1 = df(z1) * (g2 @ W2.T)
    for t, expected in zip(ts, [X.T @ g1, g1.sum(0), f(z1).T @ g2, g2.sum(0)], strict=True):
        close(t.grad, expected)


def test_logistic_regression(rng):
    """∇ = Xᵀ (σ(X w) − t) / m."""
    X, t, w = rng.standard_normal((40, 6)), rng.integers(0, 2, 40).astype(float), rng.standard_normal(6)
    weights = rg.tensor(w, requires_grad=True)
    rg.binary_cross_entropy_with_logits(rg.tensor(X) @ weights, rg.tensor(t)).backward()
    close(weights.grad, X.T @ (1 / (1 + np.exp(-X @ w)) - t) / 40)


def test_several_paths_add_up():
    """Y = ln x₁ + x₁ x₂ − sin-free third path x₁²: dy/dx₁ = 1/x₁ + x₂ − 2 x₁, dy/dx₂ = x₁."""
    x1, x2 = (rg.tensor(v, dtype=rg.float64, requires_grad=True) for v in (2.0, 5.0))
    (rg.log(x1) + x1 * x2 - x1 * x1).backward()
    assert x1.grad.item() == 0.5 + 5 - 4
    assert x2.grad.item() == 2.0


def test_linear_layer_is_the_formula(rng):
    x, w, b = rng.standard_normal((9, 4)), rng.standard_normal((3, 4)), rng.standard_normal(3)
    ts = [rg.tensor(a, requires_grad=True) for a in (x, w, b)]
    g = rng.standard_normal((9, 3))
    rg.linear(*ts).backward(rg.tensor(g))
    for t, expected in zip(ts, [g @ w, g.T @ x, g.sum(0)], strict=True):
        close(t.grad, expected)


# ---- Rules about graphs ----


def test_gradients_accumulate_until_they_are_forgotten():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    x.grad = None
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_gradients_do_not_share_memory():
    x, y = (rg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    (x + y).backward(rg.tensor([1.0, 1.0]))
    x.grad.zero_()
    assert y.grad.tolist() == [1.0, 1.0]
    seed = rg.tensor([1.0, 1.0])
    z = rg.tensor([1.0, 2.0], requires_grad=True)
    z.backward(seed)
    z.grad.zero_()
    assert seed.tolist() == [1.0, 1.0]


def test_a_second_pass_needs_the_graph():
    x = rg.tensor(2.0, requires_grad=True)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    assert x.grad.item() == 8.0


def test_backward_refuses_what_has_no_gradient():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*sum\(\)"):
        (x * x).backward()
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        rg.tensor(1.0).backward()
    with pytest.raises(ValueError, match=r"shape \(3,\).*shape \(2,\)"):
        (x * x).backward(rg.ones(3))
    with pytest.raises(TypeError, match="int64"):
        rg.tensor([1, 2], requires_grad=True)
    assert x.grad is None


def test_no_grad_detach_and_enable_grad():
    x = rg.tensor(3.0, requires_grad=True)
    with rg.no_grad():
        assert not (x * x).requires_grad
        with rg.enable_grad():
            assert (x * x).requires_grad
        with pytest.raises(ZeroDivisionError), rg.no_grad():
            raise ZeroDivisionError
        assert not rg.is_grad_enabled()
    assert rg.is_grad_enabled()
    (x * x.detach()).backward()
    assert x.grad.item() == 3.0

    @rg.no_grad()
    def square(v: rg.Tensor) -> rg.Tensor:
        return v * v

    assert not square(x).requires_grad
    assert not rg.no_grad(lambda v: v * v)(x).requires_grad
    with pytest.raises(TypeError, match="no_grad decorates functions, got int"):
        rg.no_grad(3)


def test_a_decorated_generator_is_switched_between_its_yields_only():
    @rg.no_grad
    def modes():
        given = []
        while len(given) < 2:
            try:
                given.append((yield rg.is_grad_enabled()))
            except KeyError:
                given.append("caught")
        return given, rg.is_grad_enabled()

    steps = modes()
    assert [next(steps), rg.is_grad_enabled(), steps.send(1), rg.is_grad_enabled()] == [False, True, False, True]
    with pytest.raises(StopIteration) as end:
        steps.throw(KeyError)
    assert end.value.value == ([1, "caught"], False)
    assert rg.is_grad_enabled()


def test_gradients_of_gradients():
    x = rg.tensor(2.0, dtype=rg.float64, requires_grad=True)
    y = x**4
    (first,) = rg.autograd.grad(y, x, create_graph=True)
    (second,) = rg.autograd.grad(first, x, create_graph=True)
    (third,) = rg.autograd.grad(second, x)
    assert [first.item(), second.item(), third.item()] == [32.0, 48.0, 48.0]
    assert x.grad is None
    x = rg.tensor([1.0, 2.0], dtype=rg.float64, requires_grad=True)
    (x * x * x).sum().backward(create_graph=True)
    x.grad.sum().backward()
    assert x.grad.tolist() == [3 + 6, 12 + 12]


def test_a_penalty_on_the_gradient(rng):
    """Gradients of |∇ loss|² through cross-entropy, softmax and a hidden layer, against finite differences."""
    X, y = rg.tensor(rng.standard_normal((6, 3))), rg.tensor(rng.integers(0, 4, 6))

    def loss(w1: rg.Tensor, w2: rg.Tensor) -> rg.Tensor:
        return rg.cross_entropy(rg.tanh(X @ w1) @ w2, y)

    def penalty(w1: rg.Tensor, w2: rg.Tensor) -> rg.Tensor:
        return sum((g * g).sum() for g in rg.grad(loss, (0, 1))(w1, w2))

    ws = [rg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((3, 5), (5, 4))]
    assert gradcheck(penalty, ws)


def test_grad_for_chosen_tensors():
    x, y = (rg.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    mid = x * y
    out = mid * mid
    g_mid, g_x = rg.autograd.grad(out, [mid, x])
    assert (g_mid.item(), g_x.item()) == (12.0, 36.0)
    with pytest.raises(RuntimeError, match="input 1"):
        rg.autograd.grad(x * 2, [x, y])
    assert rg.autograd.grad(x * 2, [x, y], allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match="does not require"):
        rg.autograd.grad(x * 2, rg.tensor(1.0))
    a, b = rg.autograd.grad([x * 2, y * x], [x, y], [rg.tensor(10.0), None])
    assert (a.item(), b.item()) == (23.0, 2.0)


def test_a_changed_tensor_is_noticed():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    w = rg.tensor([3.0, 4.0])
    y = (x * w).sum()
    w += 1.0
    with pytest.raises(RuntimeError, match=r"`mul`.*changed in place"):
        y.backward()
    assert x.grad is None
    z = rg.exp(x)
    s = z.sum()
    z.detach().zero_()
    with pytest.raises(RuntimeError, match="`exp`"):
        s.backward()


def test_writing_in_place_where_the_tape_needs_the_old_value():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    for t in (x, y):
        with pytest.raises(RuntimeError, match="in place"):
            t += 1.0
        with pytest.raises(RuntimeError, match="in place"):
            t[0] = 5.0
    with pytest.raises(RuntimeError, match="gradient could not flow"):
        rg.zeros(2).copy_(x)
    assert x.tolist() == [1.0, 2.0]
    with rg.no_grad():
        x -= 0.5
        x[0] = 7.0
    assert x.tolist() == [7.0, 1.5]


def test_unused_graphs_are_freed():
    x = rg.tensor([1.0], requires_grad=True)
    before = rg.__config__.memory_stats()["system_allocations"]
    for _ in range(2000):
        y = rg.exp(x) * x
        y = rg.tanh(y)
    del y
    gc.collect()
    assert rg.__config__.memory_stats()["system_allocations"] - before < 100
    kept = weakref.ref(rg.exp(x))
    assert kept() is None


def test_a_million_operations_in_a_chain():
    x = rg.tensor(1.0, dtype=rg.float64, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + x
    y.backward()
    assert x.grad.item() == 1_000_001.0
    y = x
    for _ in range(1_000_000):
        y = y * 1.0
    del y


def test_wide_graphs():
    x = rg.tensor(1.0, requires_grad=True)
    rg.stack([x * float(i) for i in range(500)]).sum().backward()
    assert x.grad.item() == 124750.0


# ---- Threads and processes ----


def train(seed: int) -> bytes:
    generator = rg.Generator(seed)
    x = rg.randn(64, 20, generator=generator)
    y = rg.randint(0, 5, 64, generator=generator)
    model = rg.nn.Sequential(rg.nn.Linear(20, 33), rg.nn.Tanh(), rg.nn.Linear(33, 5))
    with rg.no_grad():
        for p in model.parameters():
            p.copy_(rg.randn(p.shape, generator=generator) * 0.1)
    optimizer = rg.optim.Adam(model.parameters(), lr=0.01)
    loss_fn = rg.nn.CrossEntropyLoss()
    for _ in range(50):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


def test_eight_threads_train_eight_models():
    alone = [train(seed) for seed in range(8)]
    together: dict[int, bytes] = {}

    def work(seed: int) -> None:
        together[seed] = train(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [together[seed] for seed in range(8)] == alone


def test_gradient_mode_belongs_to_a_thread():
    seen = []
    with rg.no_grad():
        t = threading.Thread(target=lambda: seen.append(rg.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_trains():
    rg.set_num_threads(2)
    big = rg.randn(300, 300)
    here = (big @ big).sum().item()  # starts the pool
    expected = train(3)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ok = train(3) == expected and (big @ big).sum().item() == here
            os.write(write, b"1" if ok else b"0")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"1"
    os.waitpid(child, 0)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_worker_processes_train(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(train, [1, 2]) == [train(1), train(2)]
